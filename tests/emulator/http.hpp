// Requests and replies as the routes see them.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace emulator {

using json = nlohmann::ordered_json;

struct Request {
    std::string host;  // which listener: v1, legacy, logs, services, metrics, control, guest
    std::string method;
    std::string target;
    std::string path;  // decoded, without doubled or trailing slashes
    std::vector<std::pair<std::string, std::string>> query;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    bool ignore_stop = false;  // a fault: answer a stop as if it were done

    [[nodiscard]] std::string header(std::string_view name) const;  // "" when absent
    [[nodiscard]] std::optional<std::string> param(std::string_view name) const;
    /// The body as parse_json sees it.
    [[nodiscard]] json parsed() const;
};

/// Discarded when it is not JSON, or nested deeper than 256: what copies and prints values is recursive.
json parse_json(std::string_view text);

struct Reply {
    int status = 200;
    std::string body;
    std::string content_type = "application/json; charset=utf-8";
    std::vector<std::pair<std::string, std::string>> headers;

    // How it is delivered; all of these are faults.
    bool drop = false;               // close without an answer
    bool hang = false;               // never answer
    std::int64_t delay_ms = 0;       // real time
    std::int64_t drip_bytes = 0;     // so many bytes ...
    std::int64_t drip_ms = 0;        // ... each so many real milliseconds
    std::int64_t cut_after = -1;     // close after so many body bytes
    std::uint64_t filler_bytes = 0;  // the body goes on with so many spaces

    static Reply of(const json& value, int status = 200);
    static Reply raw(int status, std::string body, std::string content_type);
    static Reply empty(int status = 200);
};

/// Fills path and query from the target.
void parse_target(Request& request);
std::vector<std::string> path_parts(std::string_view path);
std::string percent_decode(std::string_view text, bool plus_is_space);
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);
bool same_text(std::string_view a, std::string_view b);  // ASCII case-insensitive

}  // namespace emulator
