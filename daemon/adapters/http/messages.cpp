#include "adapters/http/client.hpp"

#include <algorithm>
#include <charconv>

namespace curfew::http {

namespace {

constexpr std::size_t shown_bytes_max = 200;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, shown_bytes_max)) {
        out += c >= 0x20 && c < 0x7F ? c : ' ';
    }
    return out;
}

std::optional<int> number(std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

bool good_host(std::string_view host) {
    const bool no_part_is_empty = !host.starts_with('.') && !host.ends_with('.') &&
                                  host.find("..") == std::string_view::npos;
    return no_part_is_empty && !host.empty() && host.size() <= 253 && std::ranges::all_of(host, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                      c == ':';
           });
}

}  // namespace

std::string_view Response::header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
        if (equal_ignoring_case(key, name)) {
            return value;
        }
    }
    return {};
}

std::string percent_encode(std::string_view raw) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char ch : raw) {
        const auto c = static_cast<unsigned char>(ch);
        const bool unreserved = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                                c == '-' || c == '.' || c == '_' || c == '~';
        if (unreserved) {
            out += ch;
        } else {
            out += '%';
            out += digits[c >> 4U];
            out += digits[c & 15U];
        }
    }
    return out;
}

Result<Url> parse_url(std::string_view text) {
    const auto refuse = [&](std::string why) { return fail(Errc::invalid, std::move(why), printable(text)); };
    for (const char c : text) {
        if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F) {
            return refuse("a URL holds no spaces or control characters");
        }
    }
    Url url;
    const std::size_t scheme_end = text.find("://");
    url.origin.scheme = std::string{text.substr(0, scheme_end == std::string_view::npos ? 0 : scheme_end)};
    if (url.origin.scheme != "http" && url.origin.scheme != "https") {
        return refuse("a URL begins with http:// or https://");
    }
    std::string_view rest = text.substr(scheme_end + 3);
    const std::size_t path = std::min(rest.find_first_of("/?#"), rest.size());
    std::string_view authority = rest.substr(0, path);
    rest.remove_prefix(path);
    if (rest.find('#') != std::string_view::npos || authority.find('@') != std::string_view::npos) {
        return refuse("a URL here has no user name and no fragment");
    }
    std::string_view port;
    std::string_view host = authority;
    if (authority.starts_with('[')) {
        const std::size_t bracket = authority.find(']');
        if (bracket == std::string_view::npos) {
            return refuse("the address has no closing bracket");
        }
        host = authority.substr(1, bracket - 1);
        if (host.find(':') == std::string_view::npos) {
            return refuse("brackets hold an IPv6 address");
        }
        port = authority.substr(bracket + 1);
        if (!port.empty() && !port.starts_with(':')) {
            return refuse("after the bracket comes a port");
        }
    } else if (const std::size_t colon = authority.rfind(':'); colon != std::string_view::npos) {
        host = authority.substr(0, colon);
        port = authority.substr(colon);
        if (host.find(':') != std::string_view::npos) {
            return refuse("an IPv6 address stands in brackets");
        }
    }
    for (const char c : host) {
        url.origin.host += lower(c);
    }
    if (url.origin.host.ends_with('.')) {
        url.origin.host.pop_back();
    }
    if (!good_host(url.origin.host)) {
        return refuse("this is no host name");
    }
    url.origin.port = url.origin.scheme == "https" ? 443 : 80;
    if (!port.empty()) {
        const auto value = number(port.substr(1));
        if (!value || *value < 1 || *value > 65535) {
            return refuse("a port is a number from 1 to 65535");
        }
        url.origin.port = static_cast<std::uint16_t>(*value);
    }
    url.target = rest.starts_with('/') ? std::string{rest} : "/" + std::string{rest};
    return url;
}

/// "Sun, 06 Nov 1994 08:49:37 GMT".
std::optional<WallTime> parse_http_date(std::string_view text) {
    static constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (text.size() != 29 || text.substr(25) != " GMT" || text[3] != ',') {
        return std::nullopt;
    }
    const auto day = number(text.substr(5, 2));
    const std::size_t month = months.find(text.substr(8, 3));
    const auto year = number(text.substr(12, 4));
    const auto hour = number(text.substr(17, 2));
    const auto minute = number(text.substr(20, 2));
    const auto second = number(text.substr(23, 2));
    if (!day || month == std::string_view::npos || month % 3 != 0 || !year || !hour || !minute || !second) {
        return std::nullopt;
    }
    const auto within = [](int value, int least, int most) { return value >= least && value <= most; };
    if (!within(*day, 1, 31) || !within(*year, 1, 9999) || !within(*hour, 0, 23) || !within(*minute, 0, 59) ||
        !within(*second, 0, 60)) {
        return std::nullopt;
    }
    const std::int64_t days = days_from_civil(
        {*year, static_cast<unsigned>(month / 3 + 1), static_cast<unsigned>(*day)});
    return WallTime{((days * 24 + *hour) * 60 + *minute) * 60'000 + std::int64_t{*second} * 1000};
}

std::optional<Duration> retry_after_of(const Response& response, WallTime wall, Duration longest_wait) {
    const std::string_view text = response.header("Retry-After");
    if (text.empty()) {
        return std::nullopt;
    }
    if (const auto in_seconds = number(text)) {
        return *in_seconds >= 0 ? std::optional{std::min<Duration>(seconds{*in_seconds}, longest_wait)}
                                : std::nullopt;
    }
    if (const auto date = parse_http_date(text)) {
        return std::clamp<Duration>(*date - response.date.value_or(wall), Duration{0}, longest_wait);
    }
    return std::nullopt;
}

Error error_of(const Response& response, std::string where, Duration longest_wait) {
    const int status = response.status;
    std::string text = "HTTP " + std::to_string(status);
    const bool page = response.header("Content-Type").find("html") !=
                      std::string_view::npos;  // nobody reads markup
    if (!response.body.empty() && !page) {
        text += ": " + printable(response.body);
    }
    const auto wait = retry_after_of(response, response.date.value_or(WallTime{0}), longest_wait);
    const Retry again = wait && response.header("Retry-After") != "" &&
                                (response.date || number(response.header("Retry-After")))
                            ? Retry::after(*wait)
                            : Retry::later();
    Error error{Errc::protocol, Retry::never(), std::move(text), std::move(where)};
    if (status == 401) {
        error.code = Errc::unauthorized;
    } else if (status == 403) {
        error.code = Errc::forbidden;
    } else if (status == 404 || status == 410) {
        error.code = status == 410 ? Errc::forbidden : Errc::not_found;
    } else if (status == 409) {
        error.code = Errc::conflict;
    } else if (status == 429) {
        error.code = Errc::rate_limited;
        error.retry = again;
    } else if (status == 408 || status == 425 || (status >= 500 && status < 600)) {
        error.code = status == 408 ? Errc::timeout : Errc::unavailable;
        error.retry = again;
    } else if (status >= 300 && status < 400) {
        error.code = Errc::unsafe;
        error.text = "HTTP " + std::to_string(status) + ": a redirect, which is never followed";
    }
    return error;
}

}  // namespace curfew::http
