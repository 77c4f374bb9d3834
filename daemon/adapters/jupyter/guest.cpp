#include "adapters/jupyter/guest.hpp"

#include "adapters/jupyter/link.hpp"
#include "adapters/jupyter/probe.hpp"
#include "adapters/jupyter/wire.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace curfew::jupyter {

namespace {

constexpr std::size_t html_bytes_max = std::size_t{256} << 20;
constexpr std::size_t html_bytes_min = 1024;
constexpr json::Limits listing_limits{.depth_max = 16, .nodes_max = 4'000'000};
constexpr int parallel_when_alone = 16;
constexpr int loop_proofs = 3;                  // more turns of what looks like a loop of links
constexpr Duration clocks_differ = seconds{2};  // a stamp further ahead of the server's Date is in the future

std::string lower(std::string_view text) {
    std::string out{text};
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

/// The part of a folder's path below its ancestor of so many components.
std::string below_ancestor(const std::string& path, std::size_t components) {
    std::size_t from = 0;
    for (std::size_t i = 0; i < components; ++i) {
        from = path.find('/', from) + 1;
    }
    return path.substr(from);
}

std::optional<std::int64_t> length_of(const http::Response& head) {
    return json::Value{std::string{head.header("Content-Length")}}.integer();
}

/// Last-Modified has whole seconds.
bool has_stamp_of(const http::Response& head, const FileEntry& file) {
    const auto modified = http::parse_http_date(head.header("Last-Modified"));
    return modified && modified->ms / 1000 == file.mtime_us / 1'000'000;
}

/// May such a path be asked for?
bool is_below_root(const std::string& path) {
    for (std::size_t from = 0; from <= path.size();) {
        const std::size_t slash = std::min(path.find('/', from), path.size());
        if (!check_name(std::string_view{path}.substr(from, slash - from))) {
            return false;
        }
        from = slash + 1;
    }
    return true;
}

Reading unknown(std::string why, Strength strength = Strength::strong) {
    return {.verdict = Verdict::unknown,
            .strength = strength,
            .active_ago = std::nullopt,
            .evidence = std::move(why)};
}

class JupyterGuest final : public Guest {
public:
    JupyterGuest(Link link, std::shared_ptr<Own> own, RunId run, Duration ttl, int connections_max)
        : link_(std::move(link)), own_(std::move(own)), run_(std::move(run)), ttl_(ttl),
          connections_max_(connections_max) {}

    Task<Result<std::vector<Observation>>> observe(LookOrder order, Deadline deadline) override;
    Task<Result<ProbeAnswer>> probe(ProbeScript script, Deadline deadline) override;
    Task<Result<Walk>> walk(WalkLimits limits, Deadline deadline) override;
    Task<Result<ReadReport>> read(FileEntry file, std::int64_t offset, Duration settle, ByteSink& sink,
                                  Deadline deadline) override;
    Task<Result<std::string>> to_html(std::string name, std::string notebook_json,
                                      Deadline deadline) override;
    Task<StopReply> shut_down(Deadline deadline) override;
    int parallel_reads() const override {
        return connections_ && *connections_ == 0 ? parallel_when_alone : connections_max_;
    }

private:
    using Answer = Link::Answer;
    struct Dated {
        Model model;
        std::optional<WallTime> date;
    };

    Task<Result<Answer>> list(std::string path, Deadline deadline);
    Task<Result<bool>> leads_back(std::string path, std::string again, std::string fingerprint,
                                  Deadline deadline);
    Task<Result<Dated>> model_of(std::string path, Deadline deadline);
    Task<Result<void>> confirm(FileEntry file, Deadline deadline);
    Task<Result<http::Response>> fetch(const FileEntry& file, std::int64_t offset, bool any_length,
                                       ByteSink& sink, bool& length_differs, Deadline deadline);
    Task<std::optional<Reading>> look_at_terminals(Deadline deadline);
    Task<Reading> look_at_server(Reading kernels, Deadline deadline);
    Task<std::optional<Reading>> look_at_heartbeat(std::string path, Deadline deadline);
    std::set<std::string> ours(Own::Kind kind, std::set<std::string> and_these = {}) const;
    Observation observation(Signal source, const Reading& reading) const;

    Link link_;
    std::shared_ptr<Own> own_;
    RunId run_;
    Duration ttl_;
    int connections_max_;
    std::optional<std::int64_t> connections_;
    std::string identity_;
};

Observation JupyterGuest::observation(Signal source, const Reading& reading) const {
    const Now now = link_.scheduler.now();
    return {
        .source = source,
        .run = run_,
        .at = now.mono,
        .wall = now.wall,
        .verdict = reading.verdict,
        .last_active_at = reading.active_ago ? std::optional{now.wall - *reading.active_ago} : std::nullopt,
        .strength = reading.strength,
        .evidence = reading.evidence,
        .ttl = ttl_};
}

/// What a probe of ours has open now, or had when the server was asked.
std::set<std::string> JupyterGuest::ours(Own::Kind kind, std::set<std::string> and_these) const {
    and_these.merge(own_->names(run_, kind, link_.scheduler.mono()));
    return and_these;
}

Task<Result<std::vector<Observation>>> JupyterGuest::observe(LookOrder order, Deadline deadline) {
    const std::set<std::string> before = ours(Own::Kind::kernel);
    auto kernels = co_await link_.ask("/api/kernels?" + std::string{no_track}, {}, deadline);
    if (!kernels) {
        co_return std::unexpected(kernels.error());
    }
    std::vector<Observation> seen;
    const Reading reading = read_kernels(kernels->body, kernels->date, ours(Own::Kind::kernel, before));
    seen.push_back(observation(Signal::kernels, reading));
    const auto enough = [&] {
        return order.until_active && seen.back().verdict == Verdict::active &&
               seen.back().strength == Strength::strong;
    };
    if (enough()) {
        co_return seen;
    }
    if (auto terminals = co_await look_at_terminals(deadline)) {
        seen.push_back(observation(Signal::terminals, *terminals));
        if (enough()) {
            co_return seen;
        }
    }
    if (!order.brief) {
        seen.push_back(observation(Signal::server, co_await look_at_server(reading, deadline)));
    }
    if (!order.heartbeat.empty()) {
        if (auto heartbeat = co_await look_at_heartbeat(order.heartbeat, deadline)) {
            seen.push_back(observation(Signal::heartbeat, *heartbeat));
        }
    }
    co_return seen;
}

/// Nothing where terminals are switched off.
Task<std::optional<Reading>> JupyterGuest::look_at_terminals(Deadline deadline) {
    const std::set<std::string> before = ours(Own::Kind::terminal);
    auto terminals = co_await link_.ask("/api/terminals?" + std::string{no_track}, {}, deadline);
    if (terminals) {
        co_return read_terminals(terminals->body, terminals->date, ours(Own::Kind::terminal, before));
    }
    if (terminals.error().code == Errc::not_found) {
        co_return std::nullopt;
    }
    co_return unknown(terminals.error().text);
}

/// Weak: open sockets, and requests and use of kernels of late.
Task<Reading> JupyterGuest::look_at_server(Reading kernels, Deadline deadline) {
    const int own_sockets = own_->sockets(run_);
    auto status = co_await link_.ask("/api/status", {}, deadline);
    const auto read = status ? read_status(status->body, status->date,
                                           std::min(own_sockets, own_->sockets(run_)),
                                           [&](WallTime at) { return own_->moved_by_us(run_, at); })
                             : std::nullopt;
    if (!read) {
        co_return unknown(status ? "the server does not say its state" : status.error().text, Strength::weak);
    }
    connections_ = read->connections;
    if (read->reading.verdict == Verdict::quiet) {
        co_return kernels_used(kernels).value_or(read->reading);
    }
    co_return read->reading;
}

/// Nothing where there is no such file.
Task<std::optional<Reading>> JupyterGuest::look_at_heartbeat(std::string path, Deadline deadline) {
    if (!is_below_root(path)) {
        co_return unknown("the heartbeat's path is none below the root");
    }
    auto file = co_await model_of(path, deadline);
    if (!file) {
        co_return file.error().code == Errc::not_found ? std::nullopt
                                                       : std::optional{unknown(file.error().text)};
    }
    const bool says_more = file->date && age_of(file->model, *file->date) >= heartbeat_fresh &&
                           age_of(file->model, *file->date) < heartbeat_max && file->model.size > 0 &&
                           file->model.size <= heartbeat_text_max;
    if (!says_more) {
        co_return read_heartbeat(path, file->model, file->date);
    }
    http::Request r = link_.request("GET", "/files/" + encoded(path));
    r.body_max = heartbeat_text_max;
    auto content = co_await link_.client.send(std::move(r), deadline);
    if (!content || content->status != 200) {
        co_return unknown(content ? judged(*content, path).text : content.error().text);
    }
    co_return read_heartbeat(path, file->model, file->date, content->body);
}

Task<Result<ProbeAnswer>> JupyterGuest::probe(ProbeScript script, Deadline deadline) {
    return run_probe(link_, own_, run_, std::move(script), deadline);
}

/// A file that vanishes while its folder is listed turns the whole listing into a 404, so that one is
/// asked again.
Task<Result<JupyterGuest::Answer>> JupyterGuest::list(std::string path, Deadline deadline) {
    const std::string target = "/api/contents/" + encoded(path) + "?type=directory&content=1&" +
                               std::string{no_track};
    auto answer = co_await link_.ask(target, listing_limits, deadline);
    if (!answer && answer.error().code == Errc::not_found) {
        answer = co_await link_.ask(target, listing_limits, deadline);
    }
    co_return answer;
}

/// A folder that lists as one above it may be a loop of links, or one of a stack of like folders that an
/// archive gave one time. A loop goes round for ever.
Task<Result<bool>> JupyterGuest::leads_back(std::string path, std::string again, std::string fingerprint,
                                            Deadline deadline) {
    for (int turn = 0; turn < loop_proofs; ++turn) {
        path += "/" + again;
        auto answer = co_await list(path, deadline);
        if (!answer && answer.error().code == Errc::not_found) {
            co_return false;
        }
        if (!answer) {
            co_return std::unexpected(answer.error());
        }
        auto directory = read_directory(answer->body, path);
        if (!directory) {
            co_return std::unexpected(directory.error());
        }
        if (directory->fingerprint != fingerprint) {
            co_return false;
        }
    }
    co_return true;
}

Task<Result<Walk>> JupyterGuest::walk(WalkLimits limits, Deadline deadline) {
    auto status = co_await link_.ask("/api/status", {}, deadline);
    if (!status) {
        co_return std::unexpected(status.error());
    }
    const auto read = read_status(status->body, status->date);
    if (!read || !status->date) {
        co_return fail(Errc::protocol, "the notebook's server does not say its state and time",
                       link_.base.origin.host, Retry::later());
    }
    connections_ = read->connections;
    identity_ = read->started;
    Walk walk;
    walk.server_time = *status->date;
    walk.server_identity = read->started;
    // Fingerprints of the folders above, one copy for all siblings: a listing may hold many folders.
    using Ancestors = std::vector<std::shared_ptr<const std::string>>;
    struct Folder {
        std::string path;
        std::shared_ptr<const Ancestors> ancestors;
    };
    std::vector<Folder> open{{"", std::make_shared<const Ancestors>()}};
    std::int64_t entries = 0;
    while (!open.empty()) {
        Folder folder = std::move(open.back());
        open.pop_back();
        auto answer = co_await list(folder.path, deadline);
        if (!answer && answer.error().code == Errc::not_found && !folder.path.empty()) {
            walk.not_covered.push_back({folder.path, "the folder is listed but cannot be opened", true});
            continue;
        }
        if (!answer) {
            co_return std::unexpected(answer.error());
        }
        auto directory = read_directory(answer->body, folder.path);
        if (!directory) {
            co_return std::unexpected(directory.error());
        }
        entries += directory->entries;
        if (entries > limits.entries_max) {
            co_return fail(Errc::too_large, "more than " + std::to_string(limits.entries_max) + " entries",
                           link_.base.origin.host);
        }
        const auto alike = std::ranges::find_if(*folder.ancestors, [&](const auto& fingerprint) {
            return *fingerprint == directory->fingerprint;
        });
        if (!directory->fingerprint.empty() && alike != folder.ancestors->end()) {
            const auto components = static_cast<std::size_t>(alike - folder.ancestors->begin());
            auto back = co_await leads_back(folder.path, below_ancestor(folder.path, components),
                                            directory->fingerprint, deadline);
            if (!back) {
                co_return std::unexpected(back.error());
            }
            if (*back) {
                walk.not_covered.push_back(
                    {folder.path, "a link that leads back to a folder above it", false});
                continue;
            }
        }
        std::ranges::move(directory->files, std::back_inserter(walk.files));
        std::ranges::move(directory->refused, std::back_inserter(walk.not_covered));
        auto below = std::make_shared<Ancestors>(*folder.ancestors);
        below->push_back(std::make_shared<const std::string>(std::move(directory->fingerprint)));
        for (std::string& path : directory->folders) {
            if (static_cast<int>(below->size()) >= limits.depth_max) {
                walk.not_covered.push_back(
                    {path, "deeper than " + std::to_string(limits.depth_max) + " folders", true});
            } else {
                open.push_back({std::move(path), below});
            }
        }
    }
    std::ranges::sort(walk.files, {}, &FileEntry::path);
    const auto twice = std::ranges::unique(walk.files, {}, &FileEntry::path);
    walk.files.erase(twice.begin(), twice.end());
    std::ranges::sort(walk.not_covered, {}, &NotCovered::what);
    co_return walk;
}

Task<Result<JupyterGuest::Dated>> JupyterGuest::model_of(std::string path, Deadline deadline) {
    auto answer = co_await link_.ask(
        "/api/contents/" + encoded(path) + "?content=0&type=file&" + std::string{no_track}, {}, deadline);
    if (!answer) {
        co_return std::unexpected(answer.error());
    }
    const auto model = read_model(answer->body);
    if (!model) {
        co_return fail(Errc::protocol, "no model of a file", path, Retry::later());
    }
    co_return Dated{*model, answer->date};
}

/// Is it still the file that was listed?
Task<Result<void>> JupyterGuest::confirm(FileEntry file, Deadline deadline) {
    auto model = co_await model_of(file.path, deadline);
    if (!model) {
        co_return std::unexpected(model.error());
    }
    if (model->model.size != file.size || model->model.mtime_us != file.mtime_us) {
        co_return fail(Errc::changing, "it changed since it was listed", file.path);
    }
    co_return Result<void>{};
}

/// Streams the raw bytes. `any_length` when the listing's size is known to be that of a link.
Task<Result<http::Response>> JupyterGuest::fetch(const FileEntry& file, std::int64_t offset, bool any_length,
                                                 ByteSink& sink, bool& length_differs, Deadline deadline) {
    http::Request r = link_.request("GET", "/files/" + encoded(file.path));
    if (offset > 0) {
        r.headers.emplace_back("Range", "bytes=" + std::to_string(offset) + "-");
    }
    const auto check = [&](const http::Response& head) -> Result<void> {
        const auto length = length_of(head);
        if (!length) {
            return fail(Errc::protocol, "an answer without a length", file.path, Retry::later());
        }
        const std::string name = lower(file.path);
        const bool page = lower(head.header("Content-Type")).starts_with("text/html") &&
                          !name.ends_with(".html") && !name.ends_with(".htm");
        if (page && !has_stamp_of(head, file)) {  // a page of the server's own has no time, a file has
            return fail(Errc::unsafe, "a web page instead of the file", file.path);
        }
        if (offset > 0) {
            const std::string range = "bytes " + std::to_string(offset) + "-" +
                                      std::to_string(file.size - 1) + "/" + std::to_string(file.size);
            if (head.status != 206 || head.header("Content-Range") != range ||
                *length != file.size - offset) {
                return fail(Errc::changing, "the server does not go on where the transfer broke", file.path,
                            Retry::later());
            }
            return {};
        }
        if (head.status != 200) {
            return fail(Errc::protocol, "HTTP " + std::to_string(head.status) + " instead of the file",
                        file.path, Retry::later());
        }
        length_differs = *length != file.size;
        if (length_differs && !any_length) {
            return fail(Errc::changing, "its size is not the listed one", file.path, Retry::later());
        }
        return {};
    };
    const auto take = [&](std::span<const std::byte> bytes) -> Task<Result<void>> {
        return sink.write(bytes);
    };
    co_return co_await link_.client.stream(std::move(r), check, take, deadline);
}

Task<Result<ReadReport>> JupyterGuest::read(FileEntry file, std::int64_t offset, Duration settle,
                                            ByteSink& sink, Deadline deadline) {
    bool length_differs = false;
    auto response = co_await fetch(file, offset, false, sink, length_differs, deadline);
    bool confirmed = false;
    if (!response && length_differs) {
        // A link is listed with the length of its text: if a second look says the same, so be it.
        if (auto same = co_await confirm(file, deadline); !same) {
            co_return std::unexpected(same.error());
        }
        confirmed = true;
        response = co_await fetch(file, offset, true, sink, length_differs, deadline);
    }
    if (!response) {
        co_return std::unexpected(response.error());
    }
    if (response->status == 403) {
        auto model = co_await model_of(file.path, deadline);
        co_return std::unexpected(model ? http::error_of(*response, file.path) : model.error());
    }
    if (response->status < 200 || response->status > 299) {
        co_return std::unexpected(judged(*response, file.path));
    }
    if (!response->date) {
        co_return fail(Errc::protocol, "the server does not say its time", file.path, Retry::later());
    }
    ReadReport report{.before = file,
                      .after = file,
                      .server_time = *response->date,
                      .bytes = length_of(*response).value_or(0)};
    // At rest by the server's own clock, before and after. The second walk compares size and time of every
    // file once more, so the listing is the model before and it is the model after.
    if (!has_stamp_of(*response, file)) {
        if (!confirmed) {
            if (auto same = co_await confirm(file, deadline); !same) {
                co_return std::unexpected(same.error());
            }
        }
        // A link has a time of its own; what it leads to must be at rest as well.
        const auto modified = http::parse_http_date(response->header("Last-Modified"));
        report.after.mtime_us = modified ? modified->ms * 1000 : file.mtime_us;
        if (modified && *modified <= report.server_time && report.server_time - *modified < settle) {
            co_return fail(Errc::changing,
                           "what it leads to was changed less than " + to_string(settle) + " ago", file.path,
                           Retry::later());
        }
    }
    report.after.size = offset + report.bytes;
    const WallTime stamp{file.mtime_us / 1000};
    if (stamp > report.server_time + clocks_differ) {
        // A time in the future says nothing of rest: every write would have set another.
        co_await link_.scheduler.sleep_until(deadline.earlier(link_.scheduler.mono() + settle).at);
        if (auto same = co_await confirm(file, deadline); !same) {
            co_return std::unexpected(same.error());
        }
    } else if (report.server_time - stamp < settle) {
        co_return fail(Errc::changing, "it was changed less than " + to_string(settle) + " ago", file.path,
                       Retry::later());
    }
    co_return report;
}

Task<Result<std::string>> JupyterGuest::to_html(std::string name, std::string notebook_json,
                                                Deadline deadline) {
    http::Request r = link_.request("POST", "/nbconvert/html");
    r.content_type = "application/json";
    r.body = "{\"name\":" +
             nlohmann::json(name).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) +
             ",\"content\":" + with_joined_lines(notebook_json) + "}";
    r.body_max = html_bytes_max;
    auto response = co_await link_.client.send(std::move(r), deadline);
    if (!response) {
        co_return std::unexpected(response.error());
    }
    if (response->status != 200) {
        co_return std::unexpected(judged(*response, "nbconvert"));
    }
    std::string_view end = response->body;
    while (!end.empty() && static_cast<unsigned char>(end.back()) <= 0x20) {
        end.remove_suffix(1);
    }
    if (!lower(response->header("Content-Type")).starts_with("text/html") || end.size() < html_bytes_min ||
        !end.ends_with("</html>")) {
        co_return fail(Errc::protocol, "nbconvert gave no whole page", name);
    }
    co_return std::move(response->body);
}

Task<StopReply> JupyterGuest::shut_down(Deadline deadline) {
    http::Request r = link_.request("POST", "/api/shutdown");
    r.idempotent = false;
    auto response = co_await link_.client.send(std::move(r), deadline);
    if (!response) {
        co_return StopReply{event::Answer::ambiguous, response.error().text};
    }
    if (response->status >= 200 && response->status < 300) {
        co_return StopReply{event::Answer::accepted, {}};
    }
    const Error error = judged(*response, link_.base.origin.host);
    co_return StopReply{response->status >= 500 ? event::Answer::ambiguous : event::Answer::refused,
                        error.text};
}

}  // namespace

JupyterDoor::JupyterDoor(http::Client& client, Scheduler& scheduler,
                         std::function<const AccountConfig*(const AccountName&)> account,
                         std::function<int()> connections_max)
    : client_(client), scheduler_(scheduler), account_(std::move(account)),
      connections_max_(std::move(connections_max)) {}

std::unique_ptr<Guest> JupyterDoor::open(const AccountName& account, const Resource& resource,
                                         const Run& run) {
    const AccountConfig* config = account_(account);
    if (config == nullptr || resource.kind != ResourceKind::notebook || run.address.empty() ||
        run.token.empty()) {
        return nullptr;
    }
    const bool host_only = std::ranges::all_of(run.address, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '.';
    });
    std::string text = config->guest_url;
    const std::size_t place = text.find("{fqdn}");
    if (!host_only || place == std::string::npos) {
        return nullptr;
    }
    text.replace(place, 6, run.address);
    auto url = http::parse_url(text);
    if (!url) {
        return nullptr;
    }
    if (url->target.ends_with('/')) {
        url->target.pop_back();
    }
    const http::Route route{.connect_to = config->guest_connect, .ca_file = config->ca_file};
    return std::make_unique<JupyterGuest>(Link{client_, scheduler_, std::move(*url), route, run.token}, own_,
                                          run.id, observation_ttl(config->poll_interval), connections_max_());
}

}  // namespace curfew::jupyter
