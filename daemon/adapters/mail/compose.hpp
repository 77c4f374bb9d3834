// A message as mail: headers, a plain part and an HTML part. Names in it come from strangers, so
// whatever could end a header line or open a tag is taken out or escaped here.
#pragma once

#include "curfew/core/alert.hpp"
#include "curfew/core/config.hpp"
#include "curfew/core/error.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::mail {

struct Mail {
    std::vector<std::string> headers;  // without the last CRLF; folded ones hold CRLF and a space
    std::string text;                  // lines end with CRLF
    std::string html;
};

/// Errc::invalid, never tried again, when an address could be something else than one address.
Result<Mail> compose(const Message& message, const ChannelConfig& config, const std::vector<std::string>& to,
                     std::string_view host_name);

/// One bare address of ASCII: no name, no list, no comment, nothing quoted.
bool is_address(std::string_view text);

/// One line of well-formed UTF-8: control, line-breaking and direction-changing characters become
/// spaces, broken bytes U+FFFD. Longer than `characters_max`, it ends with a whole word and " … (cut)".
std::string one_line(std::string_view raw, std::size_t characters_max);

/// An unstructured header value (RFC 2047 when needed), folded after `name`, at most 200 characters.
std::string header(std::string_view name, std::string_view raw);

std::string base64(std::string_view raw);

/// "Mon, 23 Nov 2026 10:15:00 +0000"
std::string mail_date(WallTime t);

/// Only letters, digits, '-', '_' and '.', for Message-IDs and greetings; "localhost" for nothing.
std::string token(std::string_view raw);

}  // namespace curfew::mail
