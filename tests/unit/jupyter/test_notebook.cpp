#include "adapters/jupyter/wire.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace curfew;
using namespace curfew::jupyter;

TEST_CASE("texts in lines are joined where a notebook has them, and nowhere else") {
    struct Row {
        std::string from;
        std::string to;
    };
    const std::vector<Row> rows{
        {R"({"cells": [{"source": ["a\n", "b"]}]})", R"({"cells": [{"source": "a\nb"}]})"},
        {R"({"cells": [{"source": []}]})", R"({"cells": [{"source": ""}]})"},
        {R"({"cells":[{"source":[ "say \"]\" \\" ,
 "x" ]},{"source":["2"]}]})",
         R"({"cells":[{"source":"say \"]\" \\x"},{"source":"2"}]})"},
        {R"({"cells": [{"outputs": [{"name": "stdout", "text": ["1\n", "2\n"]}, {"text": ["3"]}]}]})",
         R"({"cells": [{"outputs": [{"name": "stdout", "text": "1\n2\n"}, {"text": "3"}]}]})"},
        {R"({"cells": [{"outputs": [{"data": {"text/plain": ["4", "2"], "application/json": ["a", "b"],)"
         R"( "application/x+json": ["c"]}}]}]})",
         R"({"cells": [{"outputs": [{"data": {"text/plain": "42", "application/json": ["a", "b"],)"
         R"( "application/x+json": ["c"]}}]}]})"},
        {R"({"cells": [{"attachments": {"a.png": {"image/png": ["iVB", "ORw"]}}}]})",
         R"({"cells": [{"attachments": {"a.png": {"image/png": "iVBORw"}}}]})"},
    };
    for (const Row& row : rows) {
        CHECK(with_joined_lines(row.from) == row.to);
        CHECK(with_joined_lines(row.to) == row.to);
    }
}

TEST_CASE("everything else of a notebook stays to the byte") {
    for (
        const std::string& text : std::vector<std::string>{
            R"({"source": ["a", "b"], "cells": 7})",
            R"({"metadata": {"cells": [{"source": ["a"]}]}, "nbformat": 4})",
            R"({"cells": [{"source": "a"}, {"metadata": {"tags": ["x", "y"], "source": ["z"]}}, ["source", ["a"]]]})",
            R"({"cells": [{"source": ["a", 1]}, {"source": [["a"]]}, {"source": [{"a": "b"}]}]})",
            R"({"cells": [{"outputs": [{"output_type": "error", "traceback": ["one", "two"]}]}]})",
            R"({"cells": [{"outputs": [{"data": {"text/html": {"deep": ["a"]}}}]}]})",
            R"({"cells": [{"x": "\"source\": [", "y": NaN, "z": -1.50e+3, "s": "\ud83d"}], "nbformat": 4})",
            R"([{"cells": [{"source": ["a"]}]}])", "", "[", "]", "}", "{\"", "{\"cells\": [{\"source\": [\"a",
            "{\"cells\": [{\"source\": [\"a\\", "\"\\", std::string(100'000, '['), std::string(1000, '{')}) {
        INFO(text.substr(0, 80));
        CHECK(with_joined_lines(text) == text);
    }
}
