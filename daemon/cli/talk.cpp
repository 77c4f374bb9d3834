#include "talk.hpp"

#include "curfew/api/wire.hpp"

#include <sys/random.h>

#include <algorithm>

namespace curfew::cli {

int say(const Answer& answer, const char* prefix) {
    std::string text = answer.trouble;  // of several lines, and it may hold names that strangers gave
    std::ranges::replace_if(
        text, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7F; }, '?');
    std::cerr << prefix << text << "\n";
    return answer.exit == 0 ? static_cast<int>(api::Exit::failed) : answer.exit;
}

std::string random_key() {
    unsigned char bytes[16];
    if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        return "once";
    }
    std::string key;
    for (const unsigned char byte : bytes) {
        key += "0123456789abcdef"[byte >> 4U];
        key += "0123456789abcdef"[byte & 15U];
    }
    return key;
}

Answer change(const Options& o, const std::string& target, const Json& body, Verb verb) {
    return ask(o.admin_socket, verb, target, body.dump(-1, ' ', false, Json::error_handler_t::replace),
               random_key());
}

}  // namespace curfew::cli
