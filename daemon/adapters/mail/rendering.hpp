// A message for eyes: the same content as plain text and as HTML. The HTML is tables with styles of their
// own and loads nothing: no image, no style sheet, no script.
#pragma once

#include "curfew/core/alert.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace curfew::mail {

struct Fact {
    std::string label;
    std::string words;
};

/// What is shown, cleaned and cut; not yet escaped for HTML.
struct Content {
    std::string badge;  // "Warning", "Over"
    std::string_view colour;
    std::string title;
    std::vector<Fact> figures;  // the money and the time, large
    std::string do_next;
    std::vector<std::string> body;
    std::vector<MessageTable> tables;
    std::vector<Fact> facts;  // what it is about
    std::string footer;
};

/// `host` is a token.
Content content_of(const Message& message, const std::string& host);

/// Lines end with CRLF. The title, then the line to copy, then everything else.
std::string text_of(const Content& content);
std::string html_of(const Content& content);

}  // namespace curfew::mail
