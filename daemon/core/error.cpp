#include "curfew/core/error.hpp"

#include <cstdio>
#include <cstdlib>

namespace curfew {

std::string_view to_string(Errc code) {
    switch (code) {
        case Errc::invalid:
            return "invalid";
        case Errc::protocol:
            return "protocol error";
        case Errc::unauthorized:
            return "unauthorized";
        case Errc::forbidden:
            return "forbidden";
        case Errc::not_found:
            return "not found";
        case Errc::conflict:
            return "conflict";
        case Errc::rate_limited:
            return "rate limited";
        case Errc::unavailable:
            return "unavailable";
        case Errc::timeout:
            return "timed out";
        case Errc::cancelled:
            return "cancelled";
        case Errc::too_large:
            return "too large";
        case Errc::changing:
            return "still changing";
        case Errc::disk_full:
            return "disk full";
        case Errc::disk:
            return "disk error";
        case Errc::locked:
            return "locked";
        case Errc::corrupt:
            return "corrupt";
        case Errc::unsafe:
            return "unsafe";
        case Errc::overloaded:
            return "overloaded";
        case Errc::internal:
            break;
    }
    return "internal error";
}

std::string to_string(const Error& error) {
    std::string text = error.where.empty() ? std::string{} : error.where + ": ";
    text += error.text.empty() ? std::string{to_string(error.code)} : error.text;
    return text;
}

void assertion_failed(const char* condition, const char* invariant, const char* file, int line) {
    std::fprintf(stderr, "<0>event=assertion_failed invariant=\"%s\" condition=\"%s\" at=%s:%d\n", invariant,
                 condition, file, line);
    std::abort();
}

}  // namespace curfew
