#include "adapters/http/json.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace curfew;

namespace {

std::string nested(std::size_t depth, char open, char close) {
    return std::string(depth, open) + std::string(depth, close);
}

std::string repeated(const std::string& text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) {
        out += text;
    }
    return out;
}

Errc code_of(const std::string& text, json::Limits limits = {}) {
    const auto parsed = json::parse(text, limits);
    REQUIRE_FALSE(parsed);
    return parsed.error().code;
}

}  // namespace

TEST_CASE("nesting is bounded before memory is") {
    CHECK(json::parse(nested(64, '[', ']')));
    CHECK(code_of(nested(65, '[', ']')) == Errc::protocol);
    CHECK(code_of(nested(3'000'000, '[', ']')) == Errc::protocol);
    CHECK(code_of(std::string(3'000'000, '[')) == Errc::protocol);
    CHECK(code_of(repeated("{\"a\":", 1'000'000)) == Errc::protocol);
    CHECK(json::parse(nested(3, '[', ']'), {.depth_max = 3}));
    CHECK(code_of(nested(4, '[', ']'), {.depth_max = 3}) == Errc::protocol);
}

TEST_CASE("values are counted") {
    const auto list = [](std::size_t n) { return "[0" + repeated(",0", n - 1) + "]"; };
    CHECK(json::parse(list(99), {.nodes_max = 100}));
    CHECK(code_of(list(100), {.nodes_max = 100}) == Errc::protocol);
    CHECK(code_of("[" + repeated("[],", 300'000) + "0]") == Errc::protocol);
    CHECK(code_of("[" + repeated("{},", 300'000) + "0]") == Errc::protocol);
}

TEST_CASE("NaN and Infinity become null, in strings they stay") {
    const auto parsed = json::parse(
        R"({"a": NaN, "b": [Infinity, -Infinity, 1], "c": "NaN Infinity \" NaN", "d": -1})");
    REQUIRE(parsed);
    CHECK((*parsed)["a"].is_null());
    CHECK((*parsed)["b"].items().at(0).is_null());
    CHECK((*parsed)["b"].items().at(1).is_null());
    CHECK((*parsed)["b"].items().at(2).integer() == 1);
    CHECK((*parsed)["c"].text() == "NaN Infinity \" NaN");
    CHECK((*parsed)["d"].integer() == -1);
    CHECK(code_of("[NaNNaN]") == Errc::protocol);
    CHECK(code_of("[-NaN]") == Errc::protocol);
    CHECK(code_of("[nan]") == Errc::protocol);
}

TEST_CASE("lone surrogates are marked, whole pairs are kept") {
    const auto text = [](const std::string& raw) {
        const auto parsed = json::parse("[\"" + raw + "\"]");
        REQUIRE(parsed);
        return parsed->items().at(0).text();
    };
    const std::string mark{json::lone_surrogate};
    CHECK(text(R"(bad\udcff name)") == "bad" + mark + " name");
    CHECK(text(R"(\uDCFF)") == mark);
    CHECK(text(R"(\ud83d)") == mark);
    CHECK(text(R"(\ud83d\ud83d\ude00)") == mark + "\xF0\x9F\x98\x80");
    CHECK(text(R"(\ud83d\n\ude00)") == mark + "\n" + mark);
    CHECK(text(R"(\ud83d\ude00)") == "\xF0\x9F\x98\x80");
    CHECK(text(R"(\\ud83d)") == R"(\ud83d)");
    CHECK(text(R"(\\\ud83d)") == "\\" + mark);
    CHECK(text(R"(\"\ud83d)") == "\"" + mark);
    CHECK(code_of(R"(["\ud8)") == Errc::protocol);
    CHECK(code_of("[\"\\ud83d") == Errc::protocol);
    CHECK(code_of("[\"\xED\xA0\x80\"]") == Errc::protocol);
}

TEST_CASE("what is not JSON is a protocol error") {
    for (const char* text :
         {"", " ", "<html>", "[1,]", "{\"a\":}", "[1] x", "[1][2]", "{\"a\": 1", "'a'", "tru", "[01]", "\"a",
          "file or directory '/no' does not exist", "{\"a\": 1}}", "/* */ 1", "[1e]"}) {
        INFO(text);
        CHECK(code_of(text) == Errc::protocol);
    }
    CHECK(code_of(std::string("[\"a\0b\"]", 7)) == Errc::protocol);
    CHECK(json::parse(" [1] \n"));
}

TEST_CASE("the first of equal keys counts, and a wrong type is nothing") {
    const auto parsed = json::parse(
        R"({"a": 1, "a": 2, "s": "x", "n": "17", "l": [1], "big": 99999999999999999999})");
    REQUIRE(parsed);
    CHECK((*parsed)["a"].integer() == 1);
    CHECK((*parsed)["n"].integer() == 17);
    CHECK_FALSE((*parsed)["s"].integer());
    CHECK_FALSE((*parsed)["big"].integer());
    CHECK_FALSE((*parsed)["l"].string());
    CHECK((*parsed)["l"]["x"]["y"].is_null());
    CHECK((*parsed)["s"].items().empty());
    CHECK((*parsed)["missing"].text().empty());
}

TEST_CASE("a notebook is whole or it is not") {
    const std::string whole =
        R"({"cells": [{"cell_type": "code", "outputs": [{"x": NaN}], "source": ["1"]}],)"
        R"( "metadata": {}, "nbformat": 4, "nbformat_minor": 5})";
    CHECK(json::is_whole_notebook(whole));
    CHECK(json::is_whole_notebook(whole + "\n"));
    CHECK(json::is_whole_notebook(R"({"worksheets": [{"cells": []}], "metadata": {}, "nbformat": 3})"));
    CHECK(json::is_whole_notebook(R"({"cells": [{"source": "\ud83d"}], "nbformat": 4})"));
    // Every way to tear it.
    for (std::size_t length = 0; length < whole.size(); ++length) {
        INFO(length);
        CHECK_FALSE(json::is_whole_notebook(whole.substr(0, length)));
    }
    CHECK_FALSE(json::is_whole_notebook(whole + whole));
    CHECK_FALSE(json::is_whole_notebook(whole + "}"));
    CHECK_FALSE(json::is_whole_notebook(whole.substr(0, 40) + whole));
    for (const char* text :
         {"{}", "[]", "null", "4", R"("cells nbformat")", R"({"cells": []})", R"({"nbformat": 4})",
          R"({"metadata": {"cells": [], "nbformat": 4}})", R"([{"cells": [], "nbformat": 4}])",
          R"({"cells": [], "metadata": {"nbformat": 4}})", "<html></html>"}) {
        INFO(text);
        CHECK_FALSE(json::is_whole_notebook(text));
    }
    CHECK_FALSE(json::is_whole_notebook(R"({"nbformat": 4, "cells": )" + nested(2'000'000, '[', ']') + "}"));
}

TEST_CASE("a zero byte is no end of a document") {
    using namespace std::string_view_literals;
    CHECK_FALSE(curfew::json::parse("{\"a\":1}\0"sv));
    CHECK_FALSE(curfew::json::is_whole_notebook("{\"cells\":[],\"nbformat\":4}\0rest"sv));
}
