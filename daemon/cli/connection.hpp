// One question to the daemon over a Unix socket.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

namespace curfew::cli {

struct Answer {
    int exit = 0;  // of api::Exit; 0 when it went well
    nlohmann::ordered_json body;
    std::string raw;      // as it came, for --json
    std::string trouble;  // for people, when exit is not 0
};

enum class Verb : std::uint8_t { get, post, put, remove };

/// `body` is JSON, of all but GET.
Answer ask(const std::string& socket, Verb verb, const std::string& target, const std::string& body = {},
           const std::string& idempotency_key = {});

/// Percent-encodes one path segment or query value.
std::string encoded(const std::string& text);

}  // namespace curfew::cli
