// The page of the documentation is what the code makes now.
#include "page.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace curfew;
using namespace curfew::renderings;

namespace {

std::filesystem::path docs() {
    const char* source = std::getenv("CURFEW_SOURCE");
    REQUIRE(source != nullptr);
    return std::filesystem::path{source} / "docs";
}

}  // namespace

TEST_CASE("docs/messages.md is what the code makes now; else run tests/renderings/make.sh", "[alerts]") {
    std::ifstream file(docs() / "messages.md");
    const std::string shown{std::istreambuf_iterator<char>{file}, {}};
    CHECK(shown == page());
}

TEST_CASE("every rendering has a picture that loads fast", "[alerts]") {
    for (const Sample& sample : samples()) {
        INFO(sample.name);
        const auto picture = docs() / "messages" / (sample.name + ".png");
        REQUIRE(std::filesystem::exists(picture));
        CHECK(std::filesystem::file_size(picture) < 60 * 1024);
        std::ifstream file(picture, std::ios::binary);
        char head[8] = {};
        file.read(head, sizeof head);
        CHECK(std::string(head + 1, 3) == "PNG");
    }
}

TEST_CASE("the money is in the first line, and the line to copy is one line", "[alerts]") {
    for (const Sample& sample : samples()) {
        INFO(sample.name << ": " << sample.message.title);
        CHECK(sample.message.title.find('$') != std::string::npos);
        CHECK(sample.message.title.size() <= 200);  // the subject is not cut
        CHECK(!sample.message.do_next.empty());
        CHECK(sample.message.do_next.find('\n') == std::string::npos);
        const mail::Mail mail = mail_of(sample);
        CHECK(mail.text.starts_with(sample.message.title + "\r\n\r\n" + sample.message.do_next + "\r\n\r\n"));
        for (const char* remote : {"src=", "http-equiv", "<link", "url(", "<script", "<img", "@import"}) {
            CHECK(mail.html.find(remote) == std::string::npos);
        }
    }
}
