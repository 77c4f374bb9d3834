#include "adapters/jupyter/wire.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

using namespace curfew;
using namespace curfew::jupyter;

namespace {

json::Value value(const std::string& text) {
    auto parsed = json::parse(text);
    REQUIRE(parsed);
    return std::move(*parsed);
}

/// `name` as it stands in the JSON, escapes and all.
std::string entry(const std::string& name, const std::string& type = "file") {
    return R"({"name": ")" + name + R"(", "path": "elsewhere/)" + name +
           R"(", "last_modified": "2026-11-23T03:12:18.315765Z", "size": 10, "type": ")" + type + R"("})";
}

json::Value listing(const std::string& entries) {
    return value(R"({"type": "directory", "name": "x", "path": "/etc", "content": [)" + entries + "]}");
}

}  // namespace

TEST_CASE("stamps keep their microseconds") {
    const std::int64_t whole = parse_wall_time("2026-11-23T03:12:18Z")->ms * 1000;
    CHECK(microseconds_of("2026-11-23T03:12:18Z") == whole);
    CHECK(microseconds_of("2026-11-23T03:12:18.315765Z") == whole + 315'765);
    CHECK(microseconds_of("2026-11-23T03:12:18.3Z") == whole + 300'000);
    CHECK(microseconds_of("2026-11-23T03:12:18.000001Z") == whole + 1);
    CHECK(microseconds_of("2026-11-23T03:12:18.999999Z") == whole + 999'999);
    CHECK(microseconds_of("2026-11-23T04:12:18.315765+01:00") == whole + 315'765);
    CHECK(microseconds_of("2099-01-01T00:00:00Z").has_value());
    CHECK(microseconds_of("1970-01-01T00:00:00Z") == 0);
    CHECK(microseconds_of("1969-12-31T23:59:59.500000Z") == -500'000);
    CHECK(microseconds_of("1969-12-31T23:59:58.250001Z") == -1'749'999);
    CHECK(microseconds_of("1969-12-31T23:59:58Z") == -2'000'000);
    CHECK(microseconds_of("1904-02-29T00:00:00Z") == -2'077'747'200'000'000);
    for (const char* text : {"", "soon", "1970-01-01", "1969-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
                             "1763867538", "2026-11-23", "2026-11-23T03:12:18.315765Z x"}) {
        INFO(text);
        CHECK_FALSE(microseconds_of(text));
    }
}

TEST_CASE("a listing is built from its names, never from its paths") {
    const auto directory = read_directory(
        listing(entry("a.txt") + "," + entry("b.ipynb", "notebook") + "," + entry("sub", "directory")),
        "x/y");
    REQUIRE(directory);
    REQUIRE(directory->files.size() == 2);
    CHECK(directory->files[0] == FileEntry{"x/y/a.txt", 10, *microseconds_of("2026-11-23T03:12:18.315765Z")});
    CHECK(directory->files[1].path == "x/y/b.ipynb");
    CHECK(directory->folders == std::vector<std::string>{"x/y/sub"});
    CHECK(directory->refused.empty());
    CHECK(directory->entries == 3);
    CHECK(read_directory(listing(entry("a.txt")), "")->files.at(0).path == "a.txt");
}

TEST_CASE("odd but honest names are kept to the byte") {
    const auto directory = read_directory(
        listing(entry(R"(new\nline)") + "," + entry(R"(back\\slash)") + "," + entry("#?% &+\xC3\xBC") + "," +
                entry("-rf") + "," + entry(R"(\ud83d\ude00)") + "," + entry(std::string(255, 'n')) + "," +
                entry("...") + "," + entry(R"(\u0001)")),
        "");
    REQUIRE(directory);
    CHECK(directory->refused.empty());
    std::vector<std::string> names;
    for (const FileEntry& file : directory->files) {
        names.push_back(file.path);
    }
    CHECK(names == std::vector<std::string>{"new\nline", "back\\slash", "#?% &+\xC3\xBC", "-rf",
                                            "\xF0\x9F\x98\x80", std::string(255, 'n'), "...", "\x01"});
}

TEST_CASE("hostile names are refused and said so, as files and as folders") {
    for (const std::string type : {"file", "directory", "notebook"}) {
        for (const std::string& name : std::vector<std::string>{
                 "", ".", "..", "a/b", "/etc/passwd", "../x", R"(a\u0000b)", R"(bad\udcff name.txt)",
                 R"(\ud800)", R"(\udc00\ud800)", std::string(256, 'n'), "/", R"(..\u002f..)"}) {
            INFO(type << " " << name);
            const auto directory = read_directory(listing(entry(name, type) + "," + entry("good")), "d");
            REQUIRE(directory);
            CHECK(directory->files.size() == 1);
            CHECK(directory->folders.empty());
            REQUIRE(directory->refused.size() == 1);
            const NotCovered& refused = directory->refused.front();
            CHECK(refused.listed);
            CHECK(refused.what.size() <= 200);
            CHECK(std::ranges::all_of(refused.what, [](char c) { return c >= 0x20 && c < 0x7F; }));
            CHECK(directory->entries == 2);
        }
    }
}

TEST_CASE("entries of wrong types are refused or read with care") {
    struct Row {
        std::string entry;
        std::size_t files;
        std::size_t refused;
    };
    const std::string stamp = R"("last_modified": "2026-11-23T03:12:18Z")";
    const std::vector<Row> rows{
        {"{}", 0, 1},
        {"null", 0, 1},
        {"[]", 0, 1},
        {"7", 0, 1},
        {R"({"name": 7, "type": "file", )" + stamp + "}", 0, 1},
        {R"({"name": "a", "type": "socket", )" + stamp + "}", 0, 1},
        {R"({"name": "a", "type": null, )" + stamp + "}", 0, 1},
        {R"({"name": "a", "type": "file"})", 0, 1},
        {R"({"name": "a", "type": "file", "last_modified": 5})", 0, 1},
        {R"({"name": "a", "type": "file", "size": -5, )" + stamp + "}", 1, 0},
        {R"({"name": "a", "type": "file", "size": "big", )" + stamp + "}", 1, 0},
        {R"({"name": "a", "type": "file", "size": null, )" + stamp + "}", 1, 0},
        {R"({"name": "a", "type": "file", "size": 1e99, )" + stamp + "}", 1, 0},
    };
    for (const Row& row : rows) {
        INFO(row.entry);
        const auto directory = read_directory(listing(row.entry), "");
        REQUIRE(directory);
        CHECK(directory->files.size() == row.files);
        CHECK(directory->refused.size() == row.refused);
        for (const FileEntry& file : directory->files) {
            CHECK(file.size == 0);
        }
    }
}

TEST_CASE("what is no listing is a protocol error") {
    for (const char* text :
         {"{}", "[]", "null", R"({"type": "file", "content": []})", R"({"type": "directory"})",
          R"({"type": "directory", "content": null})", R"({"type": "directory", "content": {}})",
          R"({"type": "directory", "content": "a"})", R"({"content": []})"}) {
        INFO(text);
        const auto directory = read_directory(value(text), "d");
        REQUIRE_FALSE(directory);
        CHECK(directory.error().code == Errc::protocol);
        CHECK(directory.error().where == "d");
    }
}

TEST_CASE("equal listings have equal fingerprints, in any order") {
    const std::string a = entry("a");
    const std::string b = entry("b", "directory");
    const std::string one = read_directory(listing(a + "," + b), "x")->fingerprint;
    CHECK(one == read_directory(listing(b + "," + a), "x/b/x")->fingerprint);
    CHECK(one != read_directory(listing(a), "x")->fingerprint);
    CHECK(one != read_directory(listing(entry("a", "notebook") + "," + b), "x")->fingerprint);
    CHECK(read_directory(listing(""), "x")->fingerprint.empty());
}

TEST_CASE("a model of one file") {
    const auto model = read_model(
        value(R"({"type": "file", "size": 10, "last_modified": "2020-01-01T00:00:00.123457Z"})"));
    REQUIRE(model);
    CHECK(model->size == 10);
    CHECK(model->mtime_us % 1'000'000 == 123'457);
    for (const char* text :
         {"{}", "[]", R"({"type": "directory", "last_modified": "2020-01-01T00:00:00Z"})",
          R"({"type": "file", "size": 3})", R"({"type": "file", "size": 3, "last_modified": false})"}) {
        INFO(text);
        CHECK_FALSE(read_model(value(text)));
    }
}
