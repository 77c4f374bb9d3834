// One question to the daemon over a Unix socket.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace curfew::cli {

struct Answer {
    int exit = 0;  // of api::Exit; 0 when it went well
    nlohmann::ordered_json body;
    std::string raw;      // as it came, for --json
    std::string trouble;  // for people, when exit is not 0
};

/// GET when `body` is empty, else POST.
Answer ask(const std::string& socket, const std::string& target, const std::string& body,
           const std::string& idempotency_key);

/// Percent-encodes one path segment or query value.
std::string encoded(const std::string& text);

}  // namespace curfew::cli
