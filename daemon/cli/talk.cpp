#include "talk.hpp"

#include "curfew/api/wire.hpp"
#include "table.hpp"

#include <sys/random.h>

#include <sstream>

namespace curfew::cli {

int say(const Answer& answer, const char* prefix) {
    std::istringstream lines(answer.trouble);  // it may hold names that strangers gave
    for (std::string line; std::getline(lines, line); prefix = "") {
        std::cerr << prefix << safe(line) << "\n";
    }
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
