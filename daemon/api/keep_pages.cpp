#include "curfew/api/keep_pages.hpp"

#include "curfew/core/text.hpp"

#include <algorithm>
#include <utility>

namespace curfew::api {

namespace {

constexpr std::string_view style =
    "body{font:18px/1.5 system-ui,sans-serif;max-width:32em;margin:3em auto;padding:0 1em;color:#222;"
    "background:#fff}button{font:inherit;padding:.7em 1.4em}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}}";

/// One line, and a button where something can be pressed.
Reply page(int status, const std::string& line, bool html, bool button = false) {
    Reply reply{.status = status,
                .content_type = html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8",
                .body = line + "\n"};
    // Same-origin: with no-referrer a browser would say "Origin: null" of our own button.
    reply.headers = {{"Content-Security-Policy",
                      "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
                      "frame-ancestors 'none'"},
                     {"Referrer-Policy", "same-origin"},
                     {"X-Content-Type-Options", "nosniff"},
                     {"X-Frame-Options", "DENY"},
                     {"X-Robots-Tag", "noindex, nofollow"}};
    if (html) {
        reply.body =
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
            "content=\"width=device-width\"><title>Curfew</title><style>" +
            std::string{style} + "</style><p>" + escape_html(line) + "</p>" +
            (button ? "<form method=\"post\"><button>Keep it</button></form>" : "") + "</html>\n";
    }
    return reply;
}

std::string moment(const std::optional<WallTime>& at) {
    return at ? to_string(WallTime{at->ms / 1000 * 1000}) : std::string{"?"};
}

/// "host" or "host:port" of an origin, without the port that its scheme has anyway.
std::string authority_of(std::string_view origin) {
    const std::size_t at = origin.find("://");
    std::string_view rest = at == std::string_view::npos ? origin : origin.substr(at + 3);
    const std::string_view usual = origin.starts_with("https:") ? ":443" : ":80";
    if (rest.ends_with(usual)) {
        rest.remove_suffix(usual.size());
    }
    return std::string{rest};
}

bool same(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

/// Exactly one, and ours.
bool our_host(const Request& request, const std::string& public_url) {
    if (request.hosts.size() != 1) {
        return false;
    }
    const std::string scheme = public_url.substr(0, public_url.find("://") + 3);
    return same(authority_of(scheme + request.hosts.front()), authority_of(public_url));
}

Reply shown(const LinkAnswer& a, bool html) {
    const std::string why = a.text.empty() ? std::string{} : ": " + a.text;
    switch (a.state) {
        case LinkState::unknown:
            return page(404, "There is nothing here.", html);
        case LinkState::ready:
            return page(200,
                        "Keep " + a.name + " running for " + to_string(a.length) +
                            "? Then its planned stop is put off.",
                        html, true);
        case LinkState::kept:
            return page(200, "Kept: " + a.name + " goes on until " + moment(a.until) + " at least. " + a.text,
                        html);
        case LinkState::used:
            return page(410,
                        "This link was used at " + moment(a.placed) + ": it kept " + a.name + " until " +
                            moment(a.until) + (a.text.empty() ? "" : " (" + a.text + ")") +
                            ". Nothing was done now.",
                        html);
        case LinkState::expired:
            return page(410, "This link has expired. Nothing was done to " + a.name + ".", html);
        case LinkState::refused:
            return page(409, a.name + " was not kept" + why + ".", html);
        case LinkState::not_taken:
            break;
    }
    Reply reply = page(503, a.name + " was not kept yet" + why + ". Press again in a minute.", html);
    reply.headers.emplace_back("Retry-After", "60");
    return reply;
}

}  // namespace

bool Throttle::allows(Instant now) {
    const std::int64_t most = at_once_ * scale;
    const std::int64_t passed = std::clamp<std::int64_t>(now.ms - since_.ms, 0, most);
    left_ = std::min(most, left_ + passed * per_second_);
    since_ = now;
    if (left_ < scale) {
        return false;
    }
    left_ -= scale;
    return true;
}

Task<Reply> KeepPages::handle(Request request) {
    const std::string& public_url = world_.config->keep_link.public_url;
    const bool html = request.accept.find("text/html") != std::string::npos;
    std::string token = request.path.starts_with(keep_link_path) && request.query.empty()
                            ? request.path.substr(keep_link_path.size())
                            : std::string{};
    const bool known = links_.known(token);
    if (!(known ? holders_ : strangers_).allows(world_.scheduler.mono())) {
        Reply reply = page(429, "Too many requests.", html);
        reply.headers.emplace_back("Retry-After", "1");
        co_return reply;
    }
    if (!our_host(request, public_url)) {
        co_return page(421,
                       "The request does not name this host. A reverse proxy has to pass on the Host that it "
                       "was asked for.",
                       html);
    }
    if (!known) {
        co_return shown(LinkAnswer{}, html);
    }
    if (request.method == "GET") {
        co_return shown(co_await links_.look(std::move(token)), html);
    }
    if (request.method != "POST") {
        Reply reply = page(405, "GET shows what the link does, POST does it.", html);
        reply.headers.emplace_back("Allow", "GET, POST");
        co_return reply;
    }
    if (!request.origin.empty() && !same(request.origin, public_url)) {
        co_return page(403, "Another site sent this. Nothing was done.", html);
    }
    co_return shown(co_await links_.press(std::move(token)), html);
}

}  // namespace curfew::api
