// What the tests of the network share: a client on a loop of its own, requests, and what the kernel says of us.
#pragma once

#include "adapters/http/client.hpp"
#include "integration/http/loop.hpp"
#include "integration/http/server.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace network {

/// Nothing but a deadline ends what is under way.
inline curfew::http::ClientOptions patient() {
    curfew::http::ClientOptions options;
    options.stall_timeout = curfew::hours{1};
    options.connect_timeout = curfew::hours{1};
    return options;
}

struct Bench {
    support::Loop loop;
    curfew::http::Client client;

    explicit Bench(curfew::http::ClientOptions options = patient())
        : client{loop.context().get_executor(), loop.scheduler(), std::move(options)} {}
    curfew::Result<curfew::http::Response> send(curfew::http::Request request,
                                                curfew::Duration limit = curfew::minutes{5}) {
        return loop.run(client.send(std::move(request), loop.scheduler().in(limit)));
    }
};

inline curfew::http::Request get(const std::string& url) {
    curfew::http::Request request;
    request.url = curfew::http::parse_url(url).value();
    return request;
}

inline curfew::http::Request post(const std::string& url, std::string body) {
    curfew::http::Request request = get(url);
    request.method = "POST";
    request.body = std::move(body);
    request.content_type = "application/json";
    request.idempotent = false;
    return request;
}

inline std::string told(const curfew::Result<curfew::http::Response>& response) {
    return response ? std::to_string(response->status) + " " + response->body.substr(0, 80)
                    : curfew::to_string(response.error());
}

/// Open descriptors of this process.
inline int descriptors() {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        count += entry.is_symlink() ? 1 : 0;
    }
    return count - 1;  // the listing's own
}

/// Resident memory of this process in KiB.
inline long resident_kib() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) {
            return std::stol(line.substr(6));
        }
    }
    return 0;
}

}  // namespace network
