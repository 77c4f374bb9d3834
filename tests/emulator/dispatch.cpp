#include "emulator.hpp"

#include <algorithm>
#include <cctype>

namespace emulator {
namespace {

int hex(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool is_stop(const Request& request) {
    return request.path.ends_with("/stopNotebook") ||
           (request.path.ends_with("/stop") &&
            request.path.starts_with(request.host == "v1" ? "/v1/machines" : "/machines"));
}

/// Which run or machine a call is about, wherever its id stands.
CallInfo info_of(const Emulator& emulator, const Request& request) {
    CallInfo call{request.host, request.method, request.target, {}, {}};
    const auto consider = [&](const std::string& id) {
        if (const Found found = emulator.world->find_run(id)) {
            call.run = id;
            call.repo = found.notebook->repo_id;
        } else if (emulator.world->find_machine(id) != nullptr) {
            call.run = call.repo = id;
        } else if (const Notebook* notebook = emulator.world->find_repo(id)) {
            call.repo = notebook->repo_id;
        } else {
            return false;
        }
        return true;
    };
    for (const std::string& part : path_parts(request.path)) {
        if (consider(part)) {
            return call;
        }
    }
    for (const char* name : {"notebookId", "handle", "machineId"}) {
        if (const auto value = request.param(name); value && consider(*value)) {
            return call;
        }
    }
    if (!request.body.empty() && request.body.size() < 65536) {
        const json body = request.parsed();
        for (const char* name : {"notebookId", "handle", "machineId"}) {
            if (body.is_object() && body.contains(name) && body[name].is_string()) {
                const auto id = body[name].get<std::string>();
                if (!consider(id)) {
                    call.run = id;  // an id nobody has: still worth a record
                }
                return call;
            }
        }
    }
    return call;
}

Reply answer_status(const Fault& fault, const std::string& host) {
    Reply reply;
    reply.status = static_cast<int>(fault.integer("status", 503));
    const auto body = fault.params.find("body");
    if (fault.params.contains("html")) {
        reply.body = fault.text("html", "<html><body><h1>503 Service Unavailable</h1></body></html>");
        reply.content_type = "text/html";
    } else if (body != fault.params.end()) {
        reply.body = body->is_string() ? body->get<std::string>() : body->dump();
    } else {
        reply = host_error(host, reply.status, "Something went wrong.");
    }
    reply.content_type = fault.text("content_type", reply.content_type);
    if (const auto after = fault.params.find("retry_after"); after != fault.params.end()) {
        reply.headers.emplace_back("Retry-After",
                                   after->is_string() ? after->get<std::string>() : after->dump());
    }
    if (fault.params.contains("location")) {
        reply.headers.emplace_back("Location", fault.text("location", "/"));
    }
    return reply;
}

Reply route(Emulator& emulator, Request& request, const CallInfo& call) {
    try {
        if (request.host == "v1") {
            return route_v1(emulator, request, call);
        }
        if (request.host == "legacy") {
            return route_legacy(emulator, request, call);
        }
        if (request.host == "logs") {
            return route_logs(emulator, request);
        }
        if (request.host == "metrics") {
            return route_metrics(emulator, request);
        }
        if (request.host == "balance") {
            return route_balance(emulator, request);
        }
        return legacy_error(404, "Not found.");
    } catch (const std::exception& error) {
        return host_error(request.host, 500, error.what());
    }
}

}  // namespace

json parse_json(std::string_view text) {
    constexpr int deepest = 256;
    int depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++depth > deepest) {
                return json::parse("", nullptr, false);
            }
        } else if (c == ']' || c == '}') {
            --depth;
        }
    }
    return json::parse(text, nullptr, false);
}

json Request::parsed() const {
    return parse_json(body);
}

Reply host_error(const std::string& host, int status, const std::string& message) {
    if (host == "v1") {
        return v1_error(status, message);
    }
    if (host == "balance") {
        return Reply::of({{"id", status == 401   ? "unauthorized"
                                 : status == 404 ? "not_found"
                                                 : "server_error"},
                          {"message", message}},
                         status);
    }
    return host == "control" ? Reply::of({{"error", message}}, status) : legacy_error(status, message);
}

std::string Request::header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
        if (same_text(key, name)) {
            return value;
        }
    }
    return {};
}

std::optional<std::string> Request::param(std::string_view name) const {
    for (const auto& [key, value] : query) {
        if (key == name) {
            return value;
        }
    }
    return std::nullopt;
}

Reply Reply::of(const json& value, int status) {
    Reply reply;
    reply.status = status;
    reply.body = value.dump(-1, ' ', false, json::error_handler_t::replace);
    return reply;
}

Reply Reply::raw(int status, std::string body, std::string content_type) {
    Reply reply;
    reply.status = status;
    reply.body = std::move(body);
    reply.content_type = std::move(content_type);
    return reply;
}

Reply Reply::empty(int status) {
    return raw(status, "", "");
}

bool same_text(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
    });
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
            out.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
            i += 2;
        } else {
            out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
        }
    }
    return out;
}

std::vector<std::string> path_parts(std::string_view path) {
    std::vector<std::string> parts;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        if (!part.empty()) {
            parts.emplace_back(part);
        }
        path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    }
    return parts;
}

void parse_target(Request& request) {
    std::string_view target = request.target;
    const std::size_t mark = target.find('?');
    std::string_view path = target.substr(0, mark);
    if (const std::size_t scheme = path.find("://"); scheme != std::string_view::npos) {
        const std::size_t slash = path.find('/', scheme + 3);
        path = slash == std::string_view::npos ? std::string_view{"/"} : path.substr(slash);
    }
    request.path.clear();
    for (const std::string& part : path_parts(path)) {
        request.path += "/" + percent_decode(part, false);
    }
    if (mark == std::string_view::npos) {
        return;
    }
    std::string_view query = target.substr(mark + 1);
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        const std::size_t equals = pair.find('=');
        request.query.emplace_back(
            percent_decode(pair.substr(0, equals), true),
            equals == std::string_view::npos ? std::string{} : percent_decode(pair.substr(equals + 1), true));
        query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
    }
}

std::string base64_encode(std::string_view bytes) {
    static constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    std::uint32_t bits = 0;
    int held = 0;
    for (const char c : bytes) {
        bits = (bits << 8) | static_cast<unsigned char>(c);
        for (held += 8; held >= 6; held -= 6) {
            out.push_back(alphabet[(bits >> (held - 6)) & 63]);
        }
    }
    if (held > 0) {
        out.push_back(alphabet[(bits << (6 - held)) & 63]);
    }
    out.append((4 - out.size() % 4) % 4, '=');
    return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) {
        return std::nullopt;
    }
    std::string out;
    std::uint32_t bits = 0;
    int held = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '=' && i + 2 >= text.size()) {
            continue;
        }
        std::uint32_t value = 0;
        if (c >= 'A' && c <= 'Z') {
            value = static_cast<std::uint32_t>(c - 'A');
        } else if (c >= 'a' && c <= 'z') {
            value = static_cast<std::uint32_t>(c - 'a' + 26);
        } else if (c >= '0' && c <= '9') {
            value = static_cast<std::uint32_t>(c - '0' + 52);
        } else if (c == '+' || c == '-') {
            value = 62;
        } else if (c == '/' || c == '_') {
            value = 63;
        } else {
            return std::nullopt;
        }
        bits = (bits << 6) | value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out.push_back(static_cast<char>((bits >> held) & 255));
        }
    }
    return out;
}

void Emulator::record(const CallInfo& call, int status, const std::string& fault) {
    // Probes of guests come in millions and must not push the calls of the APIs out.
    const bool guest = call.host == "guest";
    std::deque<Call>& list = guest ? guest_calls : calls;
    list.push_back({++calls_total, clock.now(), call.host, call.method, call.target, call.run, call.repo,
                    status, fault});
    if (list.size() > (guest ? kept_guest_calls : kept_calls)) {
        list.pop_front();
    }
}

boost::asio::awaitable<Reply> dispatch(Emulator& emulator, Request& request) {
    if (request.host == "control") {
        co_return co_await route_control(emulator, request);
    }
    const CallInfo call = info_of(emulator, request);
    std::string met;
    Faults& faults = emulator.faults;
    const auto take = [&](const char* kind) {
        auto fault = faults.empty() ? nullptr : faults.take(kind, call);
        if (fault) {
            met += (met.empty() ? "" : ",") + fault->kind;
        }
        return fault;
    };
    Reply reply;
    if (take("drop")) {
        reply.drop = true;
        emulator.record(call, 0, met);
        co_return reply;
    }
    if (take("hang")) {
        reply.hang = true;
        emulator.record(call, 0, met);
        co_return reply;
    }
    if (const auto fault = take("status")) {
        reply = answer_status(*fault, request.host);
        emulator.record(call, reply.status, met);
        co_return reply;
    }
    if (is_stop(request)) {
        if (const auto fault = take("stop_hangs")) {
            if (const auto acts = fault->params.find("acts"); acts != fault->params.end() && *acts == true) {
                route(emulator, request, call);
            }
            reply.hang = true;
            emulator.record(call, 0, met);
            co_return reply;
        }
        request.ignore_stop = take("stop_ignored") != nullptr;
    }
    reply = route(emulator, request, call);
    if (request.path == "/v1/auth/session" && take("null_session")) {
        reply = Reply::of(nullptr);
    }
    if (take("empty_2xx_error")) {
        reply = Reply::of({{"code", "INTERNAL_SERVER_ERROR"}, {"message", "Something went wrong."}}, 200);
    }
    if (take("garbage_json")) {
        reply.body = R"({"hasMore":false,"items":[{"id":"n8k2m4p6q0","name":)";
    }
    if (const auto fault = take("deep_json")) {
        const auto depth = static_cast<std::size_t>(fault->integer("depth", 100'000));
        reply.body = std::string(depth, '[') + std::string(depth, ']');
    }
    if (const auto fault = take("huge_body")) {
        reply.filler_bytes = static_cast<std::uint64_t>(fault->integer("bytes", 256LL << 20));
    }
    if (const auto fault = take("cut_body")) {
        reply.cut_after = fault->integer("bytes", static_cast<std::int64_t>(reply.body.size() / 2));
    }
    if (const auto fault = take("slow_drip")) {
        reply.drip_bytes = std::max<std::int64_t>(1, fault->integer("bytes", 1));
        reply.drip_ms = fault->integer("ms", 200);
    }
    if (const auto fault = take("delay")) {
        reply.delay_ms = fault->integer("ms", 1000);
    }
    if (take("drop_after")) {
        reply.drop = true;
    }
    emulator.record(call, reply.drop ? 0 : reply.status, met);
    co_return reply;
}

}  // namespace emulator
