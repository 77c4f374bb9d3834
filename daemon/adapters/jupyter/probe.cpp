#include "adapters/jupyter/probe.hpp"

#include "adapters/http/websocket.hpp"
#include "adapters/jupyter/terminal.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace curfew::jupyter {

namespace {

namespace asio = boost::asio;

constexpr std::size_t message_bytes_max = std::size_t{2} << 20;
constexpr std::size_t received_bytes_max = std::size_t{32} << 20;  // of one probe, as JSON
constexpr std::size_t noise_bytes_max = std::size_t{256} << 10;    // of a shell before it is ready
constexpr Duration shell_silent = Duration{250};
constexpr Duration shell_patience = seconds{2};  // for a shell that says nothing
constexpr Duration ask_again = seconds{6};
constexpr int times_typed_max = 4;
constexpr Duration kernel_ask_again = seconds{1};
constexpr Duration clock_slack = seconds{2};  // the server's Date has whole seconds

std::string dumped(const nlohmann::json& value) {
    return value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

bool is_name(std::string_view name, std::string_view more = {}) {
    return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
               more.find(c) != std::string_view::npos;
    });
}

/// A name that nobody else uses. Not the nonce itself: it may be seen where the end is looked for.
std::string wished_name(const ProbeScript& script) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : script.end) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    }
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string name = "curfew";
    for (int i = 0; i < 16; ++i, hash >>= 4U) {
        name += digits[hash & 15U];
    }
    return name;
}

/// What came of the script so far.
class Output {
public:
    explicit Output(std::string end) : end_(std::move(end)) {}

    Result<void> add(std::string_view piece) {
        const std::size_t from = text_.size() - std::min(text_.size(), end_.size());
        text_ += piece;
        if (text_.size() > probe_output_max) {
            return fail(Errc::too_large,
                        "the probe printed more than " + std::to_string(probe_output_max >> 10) + " KiB");
        }
        at_ = at_ == std::string::npos ? text_.find(end_, from) : at_;
        return {};
    }
    bool has_end() const { return at_ != std::string::npos; }
    bool whole() const { return has_end() && text_.find('\n', at_) != std::string::npos; }
    /// The script is over, whatever it printed.
    bool over() const {
        const std::size_t from = text_.size() - std::min(text_.size(), over_mark.size() + 2);
        return after_line(std::string_view{text_}.substr(from), over_mark) != std::string::npos;
    }
    /// Up to the end of the last line.
    std::string take() {
        text_.resize(std::min(text_.size(), text_.find('\n', at_)));
        return std::move(text_) + "\n";
    }

private:
    std::string end_;
    std::string text_;
    std::size_t at_ = std::string::npos;
};

/// The conversation with a shell, from its first prompt to the script's last line.
class Shell {
public:
    Shell(http::WebSocket& socket, Scheduler& scheduler, const ProbeScript& script)
        : socket_(socket), scheduler_(scheduler), script_(script), output_(script.end),
          latest_(scheduler.mono() + shell_patience) {
        type_at(latest_);
    }

    Result<void> heard(std::string_view text) {
        if (ready_) {
            return output_.add(text);
        }
        noise_ += text;
        const std::size_t after = after_line(noise_, ready_mark);
        if (after == std::string::npos) {
            if (noise_.size() > noise_bytes_max) {
                return fail(Errc::too_large, "the shell does not stop to print");
            }
            if (typed_ == 0) {  // a prompt, perhaps; nobody types ahead of it
                type_at(std::min(latest_, scheduler_.mono() + shell_silent));
            }
            return {};
        }
        ready_ = true;
        alarm_.cancel();
        for (const std::string& line : script_lines(script_.text)) {
            if (auto sent = type(line); !sent) {
                return sent;
            }
        }
        return output_.add(std::string_view{noise_}.substr(after));
    }
    bool ready() const { return ready_; }
    Output& output() { return output_; }

private:
    Result<void> type(const std::string& text) { return socket_.send(dumped({"stdin", text})); }
    void type_at(Instant at) {
        alarm_ = scheduler_.at(at, [this] {
            ++typed_;
            if (type(boot_line()) && typed_ < times_typed_max) {  // a shell may flush what came too early
                type_at(scheduler_.mono() + ask_again);
            }
        });
    }

    http::WebSocket& socket_;
    Scheduler& scheduler_;
    const ProbeScript& script_;
    Output output_;
    std::string noise_;
    Instant latest_;
    int typed_ = 0;
    bool ready_ = false;
    Scheduler::Alarm alarm_;
};

/// The next message as JSON; null for one that is none of ours to read.
Task<Result<json::Value>> next_message(http::WebSocket& socket, std::size_t& received, Deadline deadline) {
    auto message = co_await socket.receive(deadline);
    if (!message) {
        co_return std::unexpected(message.error());
    }
    received += message->bytes.size();
    if (received > received_bytes_max) {
        co_return fail(Errc::too_large, "the server sends without an end");
    }
    if (!message->text) {
        co_return json::Value{};
    }
    auto value = json::parse(message->bytes);
    if (!value) {
        co_return fail(Errc::protocol, "a message that is no JSON: " + value.error().text, {},
                       Retry::later());
    }
    co_return std::move(*value);
}

/// Runs `work`, then `after`, whatever came of `work` and though the caller is being cancelled.
Task<Result<std::string>> and_always(Task<Result<std::string>> work, Task<void> after) {
    std::optional<Result<std::string>> result;
    std::exception_ptr thrown;
    try {
        result.emplace(co_await std::move(work));
    } catch (...) {  // a cancelled coroutine ends so
        thrown = std::current_exception();
    }
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    const auto cancelled = std::make_shared<bool>(state.cancelled() != asio::cancellation_type::none);
    co_await asio::this_coro::reset_cancellation_state([cancelled](asio::cancellation_type) {
        *cancelled = true;
        return asio::cancellation_type::none;
    });
    co_await std::move(after);
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
    if (thrown) {
        std::rethrow_exception(thrown);
    }
    if (*cancelled) {
        throw boost::system::system_error(asio::error::operation_aborted);
    }
    co_return std::move(*result);
}

class Prober {
public:
    Prober(Link link, std::shared_ptr<Own> own, RunId run, ProbeScript script, Deadline deadline)
        : link_(std::move(link)), own_(std::move(own)), run_(std::move(run)), script_(std::move(script)),
          deadline_(deadline) {}

    Task<Result<std::string>> run() {
        for (const Own::Kind kind : {Own::Kind::terminal, Own::Kind::kernel}) {
            for (const std::string& name : own_->leftovers(run_, kind)) {
                co_await remove(kind, name, true);
            }
        }
        auto text = co_await and_always(through_terminal(), end());
        if (text || !no_such_thing_) {
            co_return text;
        }
        no_such_thing_ = false;
        text = co_await and_always(through_kernel(), end());
        if (!text && no_such_thing_) {
            co_return fail(Errc::not_found, text.error().text, host());
        }
        co_return text;
    }

private:
    const std::string& host() const { return link_.base.origin.host; }
    Instant now() const { return link_.scheduler.mono(); }

    Task<Result<std::string>> through_terminal();
    Task<Result<std::string>> through_kernel();
    Task<Result<std::string>> talk_to_shell();
    Task<Result<std::string>> talk_to_kernel();
    Task<Result<http::WebSocket>> open(std::string target);
    Task<Result<http::Response>> create(std::string target, std::string body);
    Task<Result<std::string>> python_kernel();
    Task<void> remove(Own::Kind kind, std::string name, bool unique);
    Task<void> end();
    void take(Own::Kind kind, std::string name, bool unique);
    void drop();

    Link link_;
    std::shared_ptr<Own> own_;
    RunId run_;
    ProbeScript script_;
    Deadline deadline_;
    struct Opened {
        Own::Kind kind = Own::Kind::terminal;
        std::string name;
        bool unique = false;
    };
    std::optional<Opened> opened_;  // what has to be removed
    bool no_such_thing_ = false;    // switched off at this server
    bool ended_itself_ = false;
    Instant touched_;  // when the server's clock was `touched_from_`
    std::optional<WallTime> touched_from_;
};

/// Asks for something of our own. Sets `no_such_thing_` where this server makes none.
Task<Result<http::Response>> Prober::create(std::string target, std::string body) {
    http::Request r = link_.request("POST", target + "?" + std::string{no_track});
    r.idempotent = false;
    r.body = std::move(body);
    r.content_type = "application/json";
    own_->touching(run_, WallTime{0}, now());
    auto response = co_await link_.client.send(std::move(r), deadline_);
    touched_ = now();
    touched_from_ = response ? response->date : std::nullopt;
    own_->touching(run_, touched_from_ ? std::optional{*touched_from_ - clock_slack} : std::nullopt, now());
    if (response && (response->status < 200 || response->status > 299)) {
        no_such_thing_ = response->status == 404 || response->status == 405;
        co_return std::unexpected(judged(*response, host()));
    }
    co_return response;
}

Task<void> Prober::remove(Own::Kind kind, std::string name, bool unique) {
    const std::string folder = kind == Own::Kind::terminal ? "/api/terminals/" : "/api/kernels/";
    http::Request r = link_.request("DELETE", folder + name + "?" + std::string{no_track});
    r.idempotent = unique;  // else it may be another's by the second time
    auto response = co_await link_.client.send(std::move(r), link_.scheduler.in(removal_max));
    if (response && ((response->status >= 200 && response->status <= 299) || response->status == 404)) {
        own_->gone(run_, kind, name);
    } else {
        own_->left(run_, kind, name, now());
    }
}

void Prober::take(Own::Kind kind, std::string name, bool unique) {
    own_->opened(run_, kind, name, unique, now());
    if (kind == Own::Kind::kernel) {
        own_->socket(run_, 1, now());
    }
    opened_ = Opened{kind, std::move(name), unique};
}

void Prober::drop() {
    own_->gone(run_, opened_->kind, opened_->name);
    opened_.reset();
}

/// Removes what is open, once.
Task<void> Prober::end() {
    if (opened_) {
        const Opened opened = *opened_;
        if (ended_itself_) {  // and its name may be another's by now
            drop();
        } else {
            co_await remove(opened.kind, opened.name, opened.unique);
            opened_.reset();
        }
        if (opened.kind == Own::Kind::kernel) {
            own_->socket(run_, -1, now());
        }
    }
    const Duration since = now() - touched_;
    own_->touched(run_, touched_from_ ? std::optional{*touched_from_ + since + clock_slack} : std::nullopt,
                  now());
}

Task<Result<http::WebSocket>> Prober::open(std::string target) {
    auto socket = co_await http::WebSocket::open(link_.client, link_.scheduler, link_.request("GET", target),
                                                 message_bytes_max, deadline_);
    if (!socket && socket.error().code == Errc::forbidden) {
        Error error = socket.error();
        error.code = Errc::unauthorized;
        co_return std::unexpected(std::move(error));
    }
    co_return socket;
}

Task<Result<std::string>> Prober::through_terminal() {
    // Newer servers take a name; then it can be removed though the answer was lost.
    const std::string wish = wished_name(script_);
    take(Own::Kind::terminal, wish, true);
    auto response = co_await create("/api/terminals", dumped({{"name", wish}}));
    if (!response) {
        Error error = response.error();
        if (error.ambiguous()) {
            error.retry = Retry::later();  // nothing of it lasts
        } else {
            drop();
        }
        co_return std::unexpected(std::move(error));
    }
    const auto body = json::parse(response->body);
    const std::string name = body ? (*body)["name"].text() : std::string{};
    if (name != wish) {
        drop();
        if (!is_name(name)) {
            co_return fail(Errc::protocol, "the server does not name the terminal that it made", host(),
                           Retry::later());
        }
        take(Own::Kind::terminal, name, false);
    }
    co_return co_await talk_to_shell();
}

Task<Result<std::string>> Prober::talk_to_shell() {
    auto socket = co_await open("/terminals/websocket/" + opened_->name);
    if (!socket) {
        co_return std::unexpected(socket.error());
    }
    Shell shell(*socket, link_.scheduler, script_);
    std::size_t received = 0;
    for (;;) {
        auto message = co_await next_message(*socket, received, deadline_);
        if (!message) {
            Error error = message.error();
            if (error.code == Errc::timeout && !shell.ready()) {
                error.text = "the shell of a terminal did not get ready in time";
            }
            co_return std::unexpected(std::move(error));
        }
        const auto& parts = message->items();
        const std::string kind = parts.empty() ? std::string{} : parts[0].text();
        if (kind == "stdout" && parts.size() > 1) {
            if (auto good = shell.heard(parts[1].text()); !good) {
                co_return std::unexpected(good.error());
            }
        }
        ended_itself_ = ended_itself_ || kind == "disconnect";
        if (shell.output().whole() || (ended_itself_ && shell.output().has_end())) {
            break;
        }
        if (ended_itself_ || shell.output().over()) {
            co_return fail(Errc::protocol, "the probe ended before its last line", host(), Retry::later());
        }
    }
    co_await socket->close();
    co_return shell.output().take();
}

/// The kernelspec to take: the server's default, or else any other of Python's.
Task<Result<std::string>> Prober::python_kernel() {
    auto specs = co_await link_.ask("/api/kernelspecs?" + std::string{no_track}, {}, deadline_);
    if (!specs) {
        no_such_thing_ = specs.error().code == Errc::not_found;
        co_return std::unexpected(specs.error());
    }
    const std::string standard = specs->body["default"].text();
    std::string found;
    for (const auto& [name, spec] : specs->body["kernelspecs"].members()) {
        if (spec["spec"]["language"].text() == "python" && (found.empty() || name == standard)) {
            found = name;
        }
    }
    if (found.empty()) {
        no_such_thing_ = true;
        co_return fail(Errc::not_found, "terminals are switched off and there is no kernel of Python",
                       host());
    }
    co_return found;
}

Task<Result<std::string>> Prober::through_kernel() {
    auto spec = co_await python_kernel();
    if (!spec) {
        co_return std::unexpected(spec.error());
    }
    auto response = co_await create("/api/kernels", dumped({{"name", *spec}}));
    if (!response) {
        Error error = response.error();
        error.retry = error.ambiguous() ? Retry::later() : error.retry;
        co_return std::unexpected(std::move(error));
    }
    const auto body = json::parse(response->body);
    const std::string id = body ? (*body)["id"].text() : std::string{};
    if (!is_name(id, "-")) {
        co_return fail(Errc::protocol, "the server does not name the kernel that it made", host(),
                       Retry::later());
    }
    take(Own::Kind::kernel, id, true);
    co_return co_await talk_to_kernel();
}

/// A message of Jupyter's protocol, without a signature, as its WebSocket takes it.
std::string request_message(const std::string& id, const std::string& type, nlohmann::json content) {
    return dumped({{"channel", "shell"},
                   {"header",
                    {{"msg_id", id},
                     {"msg_type", type},
                     {"username", "curfew"},
                     {"session", "curfew"},
                     {"date", ""},
                     {"version", "5.3"}}},
                   {"parent_header", nlohmann::json::object()},
                   {"metadata", nlohmann::json::object()},
                   {"buffers", nlohmann::json::array()},
                   {"content", std::move(content)}});
}

/// Asks a new kernel who it is until it says something on the channel of its output: what it prints before
/// that may be lost.
class Knock {
public:
    Knock(http::WebSocket& socket, Scheduler& scheduler) : socket_(socket), scheduler_(scheduler) { ask(); }
    void stop() { alarm_.cancel(); }

private:
    void ask() {
        if (socket_.send(request_message("curfew-info", "kernel_info_request", nlohmann::json::object()))) {
            alarm_ = scheduler_.at(scheduler_.mono() + kernel_ask_again, [this] { ask(); });
        }
    }

    http::WebSocket& socket_;
    Scheduler& scheduler_;
    Scheduler::Alarm alarm_;
};

Task<Result<std::string>> Prober::talk_to_kernel() {
    auto socket = co_await open("/api/kernels/" + opened_->name + "/channels?session_id=curfew");
    if (!socket) {
        co_return std::unexpected(socket.error());
    }
    Output output(script_.end);
    Knock knock(*socket, link_.scheduler);
    bool asked = false;
    std::size_t received = 0;
    while (!output.whole()) {
        auto message = co_await next_message(*socket, received, deadline_);
        if (!message) {
            co_return std::unexpected(message.error());
        }
        const auto& m = *message;
        const std::string parent = m["parent_header"]["msg_id"].text();
        const std::string type = m["msg_type"].text();
        if (parent == "curfew-info" && m["channel"].text() == "iopub" && !asked) {
            asked = true;
            knock.stop();
            auto sent = socket->send(
                request_message("curfew-probe", "execute_request",
                                {{"code", python_code(script_.text, script_.end, probe_output_max)},
                                 {"silent", false},
                                 {"store_history", false},
                                 {"user_expressions", nlohmann::json::object()},
                                 {"allow_stdin", false},
                                 {"stop_on_error", true}}));
            if (!sent) {
                co_return std::unexpected(sent.error());
            }
        }
        if (parent != "curfew-probe") {
            continue;
        }
        const auto& content = m["content"];
        const bool idle = type == "status" && content["execution_state"].text() == "idle";
        if (type == "stream" && content["name"].text() == "stdout") {
            if (auto good = output.add(content["text"].text()); !good) {
                co_return std::unexpected(good.error());
            }
        } else if (type == "stream" || type == "error" || idle) {
            // What it says on stderr is the server's: it withholds output beyond a rate.
            co_return fail(Errc::protocol, "the probe ended before its last line", host(), Retry::later());
        }
    }
    co_await socket->close();
    co_return output.take();
}

}  // namespace

Task<Result<ProbeAnswer>> run_probe(Link link, std::shared_ptr<Own> own, RunId run, ProbeScript script,
                                    Deadline deadline) {
    const http::Origin origin = link.base.origin;
    http::Client& client = link.client;
    const bool sound = !script.end.empty() && script.text.size() <= script_bytes_max &&
                       script.text.find(script.end) == std::string::npos &&
                       script.text.find('\0') == std::string::npos;
    if (!sound) {
        co_return fail(Errc::invalid, "no script that can be run through a terminal", origin.host);
    }
    Prober prober(std::move(link), std::move(own), std::move(run), std::move(script), deadline);
    auto text = co_await prober.run();
    if (!text) {
        Error error = text.error();
        error.where = error.where.empty() ? origin.host : error.where;
        co_return std::unexpected(std::move(error));
    }
    co_return ProbeAnswer{std::move(*text), true, client.bytes_exchanged(origin)};
}

}  // namespace curfew::jupyter
