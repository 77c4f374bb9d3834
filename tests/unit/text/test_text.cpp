// Names of strangers, and texts that are too long for where they go.
#include "curfew/core/text.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace curfew;

namespace {

std::string doubled(std::string_view text) {
    std::string out;
    for (const char c : text) {
        out += c == '&' ? "&amp;" : std::string{c};
    }
    return out;
}

bool whole_characters(std::string_view text) {
    return plain_lines(text) == text;
}

}  // namespace

TEST_CASE("a plain line holds nothing that ends it, hides or turns it") {
    const std::vector<std::pair<std::string, std::string>> table = {
        {"demo", "demo"},
        {"a\r\nb\tc", "a  b c"},
        {"\x1b[31mred", " [31mred"},
        {"caf\xC3\xA9 \xF0\x9F\x98\x80", "caf\xC3\xA9 \xF0\x9F\x98\x80"},
        {"a\xE2\x80\xAE"
         "exe.txt",
         "a exe.txt"},
        {"a\xE2\x80\xA8"
         "b",
         "a b"},
        {"\xC2\x9B"
         "1m",
         " 1m"},
        {"\xFF\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xE2\x82", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {std::string{"a\0b", 3}, "a b"},
        {"", ""},
    };
    for (const auto& [raw, plain] : table) {
        CAPTURE(raw);
        CHECK(plain_line(raw) == plain);
        CHECK(plain_line(plain) == plain);
    }
    CHECK(plain_lines("a\r\nb") == "a \nb");
}

TEST_CASE("lengths are counted as the target counts them") {
    const std::string text = "a\xC3\xA9\xE6\x97\xA5\xF0\x9F\x98\x80";
    CHECK(length_in(TextUnit::bytes, text) == 10);
    CHECK(length_in(TextUnit::utf16, text) == 5);
}

TEST_CASE("what fits is not touched, what does not is cut at a word and says so") {
    CHECK(fitted("one two three", 13) == "one two three");
    CHECK(fitted("one two three four", 17) == "one two… (cut)");
    CHECK(fitted("one two three four", 18) == "one two three four");
    CHECK(fitted("one two three", 12) == "one… (cut)");
    CHECK(fitted("one two three", 10) == "o… (cut)");
    CHECK(fitted("one two three", 9).empty());
    CHECK(fitted("one two three", 11, TextUnit::utf16) == "one… (cut)");
    CHECK(fitted("one two three", 11) == "on… (cut)");
    CHECK(fitted("", 0).empty());
    CHECK(fitted("word", 3).empty());
}

TEST_CASE("a word longer than everything is cut between characters") {
    const std::string long_word(100, 'x');
    CHECK(fitted(long_word, 20) == std::string(20 - cut_mark.size(), 'x') + std::string{cut_mark});
    std::string smiles;
    for (int i = 0; i < 50; ++i) {
        smiles += "\xF0\x9F\x98\x80";
    }
    for (std::size_t most = cut_mark.size() + 1; most < 60; ++most) {
        CAPTURE(most);
        const std::string cut = fitted(smiles, most);
        CHECK(cut.size() <= most);
        CHECK(whole_characters(cut));
        CHECK(cut.ends_with(cut_mark));
    }
}

TEST_CASE("an escape is never torn, at any length") {
    const std::string text = "R&D && caf\xC3\xA9 A&B&C&D&E&F&G \xE6\x97\xA5\xE6\x9C\xAC & more words";
    const std::string whole = doubled(text);
    for (std::size_t most = 0; most <= whole.size() + 1; ++most) {
        for (const TextUnit unit : {TextUnit::bytes, TextUnit::utf16}) {
            CAPTURE(most);
            const std::string cut = fitted(text, most, unit, doubled);
            CHECK(length_in(unit, cut) <= most);
            CHECK(whole_characters(cut));
            std::string bare = cut;
            for (std::size_t at = 0; (at = bare.find('&', at)) != std::string::npos; ++at) {
                CHECK(bare.compare(at, 5, "&amp;") == 0);
            }
            if (cut != whole && !cut.empty()) {
                CHECK(cut.ends_with(cut_mark));
                CHECK(whole.starts_with(cut.substr(0, cut.size() - cut_mark.size())));
            }
        }
    }
    CHECK(fitted(text, whole.size(), TextUnit::bytes, doubled) == whole);
}
