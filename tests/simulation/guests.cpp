#include "simulation/guests.hpp"

#include "support/probe_text.hpp"

#include <charconv>
#include <span>
#include <utility>

namespace curfew::simulation {

namespace {

/// The bytes of a file: notebooks look like JSON.
std::string content_of(const std::string& path, const SimFile& file) {
    std::string number = std::to_string(file.version);
    number.insert(0, 16 - std::min<std::size_t>(16, number.size()), '0');
    return path.ends_with(".ipynb") ? "{\"" + number + "\"}" : "-" + number + "---";
}

class SimGuest final : public Guest {
public:
    SimGuest(SimGuests& guests, Line line, WorstMoment worst, ResourceId resource, RunId run, Duration ttl)
        : guests_(guests), stage_(guests.fleet.stage), line_(line), worst_(std::move(worst)),
          resource_(std::move(resource)), run_(std::move(run)), ttl_(ttl) {}

    Task<Result<std::vector<Observation>>> observe(LookOrder order, Deadline deadline) override;
    Task<Result<ProbeAnswer>> probe(ProbeScript script, Deadline deadline) override;
    Task<Result<Walk>> walk(WalkLimits limits, Deadline deadline) override;
    Task<Result<ReadReport>> read(FileEntry file, std::int64_t offset, Duration settle, ByteSink& sink,
                                  Deadline deadline) override;
    Task<Result<std::string>> to_html(std::string name, std::string notebook_json,
                                      Deadline deadline) override;
    Task<StopReply> shut_down(Deadline deadline) override;
    int parallel_reads() const override { return 2; }

private:
    /// Of this very run, while it answers.
    SimResource* here() const {
        SimResource* r = guests_.fleet.find(resource_);
        const bool on = r != nullptr && r->on() && r->runs.back().id == run_ &&
                        r->runs.back().state == RunState::running;
        return on ? r : nullptr;
    }
    Task<std::optional<Error>> reach(const char* what, Deadline deadline);
    Error gone() const { return {Errc::unavailable, Retry::later(), "connection refused", "guest"}; }

    SimGuests& guests_;
    Stage& stage_;
    Line line_;
    WorstMoment worst_;
    ResourceId resource_;
    RunId run_;
    Duration ttl_;
};

Task<std::optional<Error>> SimGuest::reach(const char* what, Deadline deadline) {
    Dice& dice = guests_.dice;
    const Rates& rates = stage_.rates;
    worst_(resource_);
    stage_.note(what, run_.value);
    co_await line_.pass(Duration{dice.one_in(4) ? dice.between(5, 300) : 0});
    if (stage_.goes_wrong(dice, rates.guest_hangs, "guest_hangs")) {
        co_await line_.until(deadline.at);
        co_return Error{Errc::timeout, Retry::later(), "no answer in time", "guest"};
    }
    if (stage_.goes_wrong(dice, rates.guest_refuses, "guest_refuses")) {
        co_return gone();
    }
    if (stage_.goes_wrong(dice, rates.guest_late, "guest_late")) {
        const Duration late = dice.skewed(seconds{1}, seconds{70});
        if (line_.scheduler.mono() + late > deadline.at) {
            co_await line_.until(deadline.at);
            co_return Error{Errc::timeout, Retry::later(), "no answer in time", "guest"};
        }
        co_await line_.pass(late);
    }
    if (here() == nullptr) {
        co_return gone();
    }
    co_return std::nullopt;
}

Task<Result<std::vector<Observation>>> SimGuest::observe(LookOrder /*order*/, Deadline deadline) {
    if (auto lost = co_await reach("observe", deadline)) {
        stage_.judge.answered(run_, Signal::kernels, Verdict::unknown, stage_.moment());
        co_return std::unexpected(std::move(*lost));
    }
    const SimResource* r = here();
    const bool busy = r->kernel_works || r->stalled;
    const Verdict verdict = busy ? Verdict::active : Verdict::quiet;
    const Now now = line_.scheduler.now();
    std::optional<WallTime> last;
    if (r->worked_until && !r->kernel_works) {
        last = now.wall - (stage_.clock.now() - *r->worked_until);
    } else if (r->kernel_works) {
        // Some cells print all the time, others say nothing until they are done.
        last = r->session % 2 == 0 ? now.wall : now.wall - (stage_.clock.now() - r->counted);
    }
    stage_.judge.answered(run_, Signal::kernels, verdict, stage_.moment());
    co_return std::vector<Observation>{{.source = Signal::kernels,
                                        .run = run_,
                                        .at = now.mono,
                                        .wall = now.wall,
                                        .verdict = verdict,
                                        .last_active_at = last,
                                        .strength = Strength::strong,
                                        .evidence = busy ? "kernel 1 busy" : "kernel 1 idle",
                                        .ttl = ttl_}};
}

Task<Result<ProbeAnswer>> SimGuest::probe(ProbeScript script, Deadline deadline) {
    Dice& dice = guests_.dice;
    if (const SimResource* r = guests_.fleet.find(resource_); r != nullptr && !r->has_shell) {
        co_await line_.pass(Duration{0});
        co_return fail(Errc::not_found, "no terminals here", "guest");
    }
    if (auto lost = co_await reach("probe", deadline)) {
        stage_.judge.answered(run_, Signal::processes, Verdict::unknown, stage_.moment());
        co_return std::unexpected(std::move(*lost));
    }
    if (stage_.goes_wrong(dice, stage_.rates.probe_fails, "probe_fails")) {
        stage_.judge.answered(run_, Signal::processes, Verdict::unknown, stage_.moment());
        if (dice.one_in(2)) {
            co_return ProbeAnswer{.text = "root@guest:/# sh: Killed"};
        }
        co_return fail(Errc::timeout, "the shell said nothing", "guest", Retry::later());
    }
    const SimResource* r = here();
    const std::int64_t ticks = guests_.fleet.cpu_ms_of(*r) / 10;
    const Duration up = stage_.clock.utc() - r->runs.back().started + minutes{5};
    const bool busy = r->works();
    const auto job = [&](std::int64_t more) {
        return test::ProcessLine{.ticks = 100 + ticks + (busy ? more : 0)};
    };
    std::string text = test::probe_text(script, {.uptime = up, .first = {job(0)}, .second = {job(300)}});
    co_await line_.pass(seconds{3});
    if (here() == nullptr) {
        stage_.judge.answered(run_, Signal::processes, Verdict::unknown, stage_.moment());
        co_return std::unexpected(gone());
    }
    // What the counters say of the time before is between them and Curfew; this moment is what must not be missed.
    stage_.judge.answered(run_, Signal::processes, busy ? Verdict::active : Verdict::quiet, stage_.moment());
    co_return ProbeAnswer{.text = std::move(text)};
}

Task<Result<Walk>> SimGuest::walk(WalkLimits /*limits*/, Deadline deadline) {
    if (auto lost = co_await reach("walk", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    Walk walk;
    SimResource* r = here();
    walk.server_time = stage_.clock.utc();
    walk.server_identity = run_.value;
    for (const auto& [path, file] : r->files) {
        walk.files.push_back({path, file.size, file.changed.ms * 1000});
    }
    if (stage_.goes_wrong(guests_.dice, stage_.rates.changes_underway, "pack_changed")) {
        stage_.tally.mark("pack.changed");
        guests_.fleet.begin_work(*r, false);
        guests_.fleet.touch_files(*r, guests_.dice.between(1, 3));
        const RunId run = run_;
        const ResourceId resource = resource_;
        Fleet& fleet = guests_.fleet;
        stage_.clock.after(guests_.dice.skewed(minutes{2}, minutes{30}), [&fleet, resource, run] {
            SimResource* still = fleet.find(resource);
            if (still != nullptr && still->on() && still->runs.back().id == run) {
                fleet.end_work(*still);
            }
        });
    }
    co_return walk;
}

Task<Result<ReadReport>> SimGuest::read(FileEntry file, std::int64_t offset, Duration settle, ByteSink& sink,
                                        Deadline deadline) {
    Dice& dice = guests_.dice;
    if (auto lost = co_await reach("read", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    SimResource* r = here();
    const auto found = r->files.find(file.path);
    if (found == r->files.end()) {
        co_return fail(Errc::not_found, "gone", file.path);
    }
    if (stage_.goes_wrong(guests_.unreadable, stage_.rates.unreadable, "unreadable")) {
        co_return fail(Errc::forbidden, "HTTP 403: Permission denied", file.path);
    }
    const SimFile before = found->second;
    if (before.changed.ms * 1000 != file.mtime_us) {
        co_return fail(Errc::changing, "it is not as it was listed", file.path);
    }
    if (stage_.clock.utc() - before.changed < settle) {
        co_return fail(Errc::changing, "it was changed just now", file.path, Retry::later());
    }
    const std::string all = content_of(file.path, before);
    std::string bytes = all.substr(std::min<std::size_t>(all.size(), static_cast<std::size_t>(offset)));
    const bool breaks = stage_.goes_wrong(dice, stage_.rates.read_fails, "read_fails");
    if (breaks) {
        bytes.resize(dice.below(bytes.size() + 1));
    }
    auto written = co_await sink.write(std::as_bytes(std::span{bytes.data(), bytes.size()}));
    if (!written) {
        co_return std::unexpected(written.error());
    }
    if (breaks) {
        co_return fail(Errc::unavailable, "the connection broke", "guest", Retry::later());
    }
    if (dice.one_in(8)) {
        co_await line_.pass(Duration{dice.between(10, 4000)});
    }
    r = here();
    const auto after = r != nullptr ? r->files.find(file.path) : decltype(r->files.end()){};
    if (r == nullptr) {
        co_return std::unexpected(gone());
    }
    if (after == r->files.end() || after->second.version != before.version) {
        co_return fail(Errc::changing, "it moved while it was read", file.path);
    }
    co_return ReadReport{.before = file,
                         .after = file,
                         .server_time = stage_.clock.utc(),
                         .bytes = static_cast<std::int64_t>(bytes.size())};
}

Task<Result<std::string>> SimGuest::to_html(std::string /*name*/, std::string /*notebook_json*/,
                                            Deadline deadline) {
    if (auto lost = co_await reach("to_html", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    co_return std::string{"<html></html>"};
}

Task<StopReply> SimGuest::shut_down(Deadline deadline) {
    Dice& dice = guests_.dice;
    worst_(resource_);
    if (line_.dead) {
        co_await line_.for_ever();
    }
    stage_.tally.mark("stop.by_guest");
    stage_.judge.stop_sent(StopMethod::guest, run_, stage_.moment());
    if (auto lost = co_await reach("shut_down", deadline)) {
        co_return StopReply{event::Answer::ambiguous, lost->text};
    }
    bool ended = false;
    if (!stage_.goes_wrong(dice, stage_.rates.stop_ignored, "stop_ignored")) {
        ended = guests_.fleet.begin_stop(resource_, run_, dice.between(seconds{2}, seconds{40}));
    }
    stage_.judge.stop_called(StopMethod::guest, run_, run_, ended, stage_.moment());
    if (stage_.goes_wrong(dice, stage_.rates.lost_reply, "lost_reply")) {
        co_return StopReply{event::Answer::ambiguous, "the connection broke"};
    }
    co_return StopReply{event::Answer::accepted, "OK"};
}

}  // namespace

std::unique_ptr<Guest> SimDoor::open(const AccountName& account, const Resource& resource, const Run& run) {
    if (run.token.empty() || run.address.empty()) {
        return nullptr;
    }
    return std::make_unique<SimGuest>(guests_, line_, worst_moment_, resource.id, run.id,
                                      observation_ttl(guests_.poll_of(account)));
}

}  // namespace curfew::simulation
