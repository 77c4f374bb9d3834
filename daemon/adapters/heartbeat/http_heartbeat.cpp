#include "adapters/heartbeat/http_heartbeat.hpp"

#include <utility>

namespace curfew::heartbeat {

namespace {

constexpr std::size_t answer_bytes_max = std::size_t{64} << 10;
constexpr std::size_t path_told_min = 2;  // "/" alone tells nothing

/// Before the query, which belongs to the check and not to the word.
std::string failed(const std::string& target) {
    const std::size_t query = target.find('?');
    std::string path = target.substr(0, query);
    while (path.ends_with('/')) {
        path.pop_back();
    }
    return path + "/fail" + (query == std::string::npos ? std::string{} : target.substr(query));
}

class HttpHeartbeat final : public Heartbeat {
public:
    HttpHeartbeat(http::Route route, http::Url url, Duration timeout, http::Client& client,
                  Scheduler& scheduler)
        : route_(std::move(route)), url_(std::move(url)), timeout_(timeout), client_(client),
          scheduler_(scheduler) {}

    Task<Result<void>> beat(std::string bad) override {
        http::Request request;
        request.url = url_;
        request.route = route_;
        request.body_max = answer_bytes_max;
        if (!bad.empty()) {
            request.method = "POST";
            request.url.target = failed(url_.target);
            request.body = std::move(bad);
            request.content_type = "text/plain; charset=utf-8";
        }
        auto response = co_await client_.send(std::move(request), scheduler_.in(timeout_));
        if (!response) {
            co_return std::unexpected(response.error());
        }
        if (response->status >= 200 && response->status < 300) {
            co_return Result<void>{};
        }
        const std::string path = url_.target.substr(0, url_.target.find('?'));
        if (path.size() >= path_told_min && response->body.contains(path)) {
            response->body = "(its text held the path)";
        }
        co_return std::unexpected(http::error_of(*response, url_.origin.host));
    }

private:
    http::Route route_;
    http::Url url_;
    Duration timeout_;
    http::Client& client_;
    Scheduler& scheduler_;
};

}  // namespace

Result<std::shared_ptr<Heartbeat>> make_heartbeat(const HeartbeatConfig& config, const Secret& url,
                                                  Duration timeout, http::Client& client,
                                                  Scheduler& scheduler) {
    auto parsed = http::parse_url(url.reveal());
    if (!parsed) {
        return fail(Errc::invalid, "the heartbeat's address is not a URL");
    }
    const bool near = config.allow_private || !config.private_receivers.empty();
    if (parsed->origin.scheme != "https" && !near) {
        return fail(Errc::unsafe, "a heartbeat goes over https", parsed->origin.host);
    }
    http::Route route{.connect_to = {},
                      .ca_file = config.ca_file,
                      .check_addresses = true,
                      .allow_private = config.allow_private,
                      .allowed = {}};
    for (const std::string& text : config.private_receivers) {
        auto network = http::parse_network(text);
        if (!network) {
            return fail(network.error().code, "private_receivers: " + network.error().text);
        }
        route.allowed.push_back(*network);
    }
    return std::make_shared<HttpHeartbeat>(std::move(route), std::move(*parsed), timeout, client, scheduler);
}

}  // namespace curfew::heartbeat
