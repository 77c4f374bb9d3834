// How one notebook's server is asked, for all that this adapter does with it.
#pragma once

#include "adapters/http/client.hpp"
#include "adapters/http/json.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace curfew::jupyter {

/// Added to a request it keeps the server from taking it for use.
constexpr std::string_view no_track = "no_track_activity=1";
constexpr std::size_t listing_bytes_max = std::size_t{64} << 20;

struct Link {
    struct Answer {
        json::Value body;
        std::optional<WallTime> date;
    };

    http::Request request(std::string method, const std::string& target) const;
    /// GET of a JSON document; any status but 200 is an error.
    Task<Result<Answer>> ask(std::string target, json::Limits limits, Deadline deadline) const;

    http::Client& client;
    Scheduler& scheduler;
    http::Url base;  // its target does not end in a slash
    http::Route route;
    Secret token;
};

/// A path below the root, percent-encoded but for its slashes.
std::string encoded(const std::string& path);

/// A server that sends us away or shows a login page has lost our token or is not Jupyter any more.
Error judged(const http::Response& response, const std::string& where);

}  // namespace curfew::jupyter
