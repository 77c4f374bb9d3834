#include "adapters/jupyter/link.hpp"

#include <algorithm>
#include <utility>

namespace curfew::jupyter {

http::Request Link::request(std::string method, const std::string& target) const {
    http::Request r;
    r.method = std::move(method);
    r.url = {base.origin, base.target + target};
    r.route = route;
    r.credential = {.header = "Authorization", .prefix = "token ", .secret = token};
    return r;
}

Task<Result<Link::Answer>> Link::ask(std::string target, json::Limits limits, Deadline deadline) const {
    const std::string host = base.origin.host;
    http::Request r = request("GET", target);
    r.body_max = listing_bytes_max;
    auto response = co_await client.send(std::move(r), deadline);
    if (!response) {
        co_return std::unexpected(response.error());
    }
    if (response->status != 200) {
        co_return std::unexpected(judged(*response, host));
    }
    auto body = json::parse(response->body, limits);
    if (!body) {
        co_return fail(Errc::protocol,
                       "the notebook's server does not answer as Jupyter does: " + body.error().text, host,
                       Retry::later());
    }
    co_return Answer{std::move(*body), response->date};
}

std::string encoded(const std::string& path) {
    std::string out;
    for (std::size_t from = 0; from <= path.size();) {
        const std::size_t slash = std::min(path.find('/', from), path.size());
        out += (from == 0 ? "" : "/") +
               http::percent_encode(std::string_view{path}.substr(from, slash - from));
        from = slash + 1;
    }
    return out;
}

Error judged(const http::Response& response, const std::string& where) {
    Error error = http::error_of(response, where);
    if (response.status == 401 || response.status == 403 ||
        (response.status >= 300 && response.status < 400)) {
        error.code = Errc::unauthorized;
        error.retry = Retry::later();
        error.text = "the notebook's server does not accept its token (HTTP " +
                     std::to_string(response.status) + ")";
    }
    return error;
}

}  // namespace curfew::jupyter
