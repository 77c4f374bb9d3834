#include "support/fake_world.hpp"

#include "support/probe_text.hpp"
#include "support/turn.hpp"

#include <algorithm>
#include <iterator>

namespace curfew::test {

FakeNotebook& FakeWorld::add(const std::string& name, const std::string& type) {
    FakeNotebook& n = notebooks[name];
    n.resource.id = ResourceId{"r-" + name};
    n.resource.account = AccountName{"me"};
    n.resource.name = name;
    n.resource.run.machine_type = type;
    n.files["notes.txt"] = {"hello", 1'000'000};
    start(n);
    return n;
}

void FakeWorld::start(FakeNotebook& n) {
    n.resource.run.id = RunId{"n-" + n.resource.name + "-" + std::to_string(++starts_)};
    n.resource.run.state = RunState::running;
    n.resource.run.state_text = "Running";
    n.resource.run.started_at = scheduler.wall();
    n.resource.run.ended_at.reset();
    n.resource.run.address = n.resource.name + ".example";
    n.resource.run.token = Secret{"token"};
}

void FakeWorld::end(FakeNotebook& n) {
    n.resource.run.state = RunState::stopped;
    n.resource.run.state_text = "Cancelled";
    n.resource.run.ended_at = scheduler.wall();
}

Task<Result<std::string>> FakeCloud::check_key(Deadline) {
    co_await turn(world_.io);
    co_return std::string{"Ana, team lab"};
}

Task<Result<Listing>> FakeCloud::list(Deadline) {
    co_await turn(world_.io);
    ++world_.lists;
    while (world_.list_hangs) {
        co_await world_.scheduler.sleep_for(seconds{10});
    }
    if (world_.list_fails) {
        co_return std::unexpected(*world_.list_fails);
    }
    Listing listing;
    listing.complete = world_.list_complete;
    listing.add_ons = world_.add_ons;
    if (world_.provider_ahead) {
        listing.provider_time = world_.scheduler.wall() + *world_.provider_ahead;
    }
    for (int times = world_.listed_twice ? 2 : 1; times > 0; --times) {
        for (const auto& [name, n] : world_.notebooks) {
            listing.resources.push_back(n.resource);
        }
    }
    co_return listing;
}

Task<Result<RunLook>> FakeCloud::look(RunRef ref, Deadline) {
    co_await turn(world_.io);
    if (world_.list_fails) {
        co_return std::unexpected(*world_.list_fails);
    }
    for (const auto& [name, n] : world_.notebooks) {
        if (n.resource.id == ref.resource) {
            const bool same = n.resource.run.id == ref.run;
            co_return RunLook{.listed = same, .newest = same, .run = n.resource.run};
        }
    }
    co_return RunLook{};
}

Task<StopReply> FakeCloud::stop(RunRef ref, Deadline) {
    co_await turn(world_.io);
    world_.stop_calls.push_back(ref.run);
    for (auto& [name, n] : world_.notebooks) {
        if (n.resource.run.id == ref.run) {
            if (world_.on_stop) {
                co_return world_.on_stop(n);
            }
            world_.end(n);
            co_return StopReply{event::Answer::accepted, {}};
        }
    }
    co_return StopReply{event::Answer::refused, "no such run"};
}

Task<Result<std::vector<Run>>> FakeCloud::past_runs(ResourceKind, ResourceId resource, WallTime since,
                                                    Deadline) {
    co_await turn(world_.io);
    if (world_.past_runs_fail) {
        co_return fail(Errc::unavailable, "down");
    }
    std::vector<Run> runs;
    const auto past = world_.past_runs.find(resource);
    if (past != world_.past_runs.end()) {
        std::ranges::copy_if(past->second, std::back_inserter(runs),
                             [&](const Run& run) { return run.started_at && *run.started_at >= since; });
    }
    co_return runs;
}

Task<Result<std::optional<Reported>>> FakeCloud::reported(Deadline) {
    co_await turn(world_.io);
    if (world_.reported_fails) {
        co_return std::unexpected(*world_.reported_fails);
    }
    co_return world_.reported;
}

Task<Result<std::optional<RunEnd>>> FakeCloud::ended_at(RunRef ref, Deadline) {
    ++world_.asked_ends[ref.run];
    if (world_.on_end_asked) {
        world_.on_end_asked();
    }
    for (const auto& [name, n] : world_.notebooks) {
        if (n.resource.run.id == ref.run && n.resource.run.ended_at) {
            co_return RunEnd{*n.resource.run.ended_at};
        }
    }
    co_return std::optional<RunEnd>{};
}

Task<Result<std::vector<Observation>>> FakeCloud::metrics(RunRef ref, Duration, Deadline) {
    co_await turn(world_.io);
    const Now now = world_.scheduler.now();
    std::vector<Observation> seen;
    if (!world_.metrics) {
        co_return seen;
    }
    Verdict verdict = Verdict::quiet;
    std::string evidence = "0.00 cores";
    for (const auto& [name, n] : world_.notebooks) {
        if (n.resource.run.id == ref.run && n.series) {
            const int cores = n.series->centicores;
            const std::optional<int> gpu = n.series->gpu_percent;
            verdict = cores >= 20 || gpu.value_or(0) >= 5 ? Verdict::active
                      : gpu                               ? Verdict::quiet
                                                          : Verdict::unknown;
            evidence = std::to_string(cores / 100) + "." + std::to_string(100 + cores % 100).substr(1) +
                       " cores" +
                       (gpu ? ", GPU " + std::to_string(*gpu) + ".00 %" : ", the GPU was not measured");
        }
    }
    seen.push_back({.source = Signal::metrics,
                    .run = ref.run,
                    .at = now.mono,
                    .wall = now.wall,
                    .verdict = verdict,
                    .last_active_at = std::nullopt,
                    .strength = Strength::strong,
                    .evidence = evidence,
                    .ttl = minutes{5}});
    co_return seen;
}

Task<Result<std::vector<Observation>>> FakeGuest::observe(LookOrder, Deadline deadline) {
    co_await turn(world_.io);
    if (const auto hung = world_.notebooks.find(name_);
        hung != world_.notebooks.end() && hung->second.guest_hangs) {
        co_await world_.scheduler.sleep_until(deadline.at);
        co_return fail(Errc::timeout, "no answer", name_, Retry::later());
    }
    const auto found = world_.notebooks.find(name_);
    if (found == world_.notebooks.end() || !found->second.guest_answers) {
        co_return fail(Errc::unavailable, "connection refused", name_, Retry::later());
    }
    FakeNotebook& n = found->second;
    ++n.looks;
    const Now now = world_.scheduler.now();
    const Verdict verdict = n.kernel == "busy" ? Verdict::active : Verdict::quiet;
    std::vector<Observation> seen;
    seen.push_back({.source = Signal::kernels,
                    .run = n.resource.run.id,
                    .at = now.mono,
                    .wall = now.wall,
                    .verdict = verdict,
                    .last_active_at = n.kernel_silent_for ? std::optional{now.wall - *n.kernel_silent_for}
                                                          : std::nullopt,
                    .strength = Strength::strong,
                    .evidence = "kernel " + n.kernel,
                    .ttl = minutes{5}});
    co_return seen;
}

Task<Result<ProbeAnswer>> FakeGuest::probe(ProbeScript script, Deadline) {
    co_await turn(world_.io);
    FakeNotebook& n = world_.notebooks.at(name_);
    if (!n.inside) {
        co_return fail(Errc::not_found, "no terminals here", name_);
    }
    ++n.inside->probes;
    if (n.inside->takes > Duration{0}) {
        co_await world_.scheduler.sleep_for(n.inside->takes);
    }
    if (!n.inside->answers) {
        co_return fail(Errc::timeout, "the shell said nothing", name_, Retry::later());
    }
    const Instant now = world_.scheduler.mono();
    const auto job = [&](Instant t) { return ProcessLine{.ticks = n.inside->ticks_at(t)}; };
    co_return ProbeAnswer{.text = probe_text(script, {.uptime = hours{1000} + (now - Instant{}),
                                                      .first = {job(now)},
                                                      .second = {job(now + seconds{3})}})};
}

Task<Result<Walk>> FakeGuest::walk(WalkLimits, Deadline) {
    co_await turn(world_.io);
    const FakeNotebook& n = world_.notebooks.at(name_);
    if (!n.guest_answers) {
        co_return fail(Errc::unavailable, "connection refused", n.resource.run.address, Retry::later());
    }
    Walk walk;
    walk.server_time = world_.scheduler.wall();
    for (const auto& [path, file] : n.files) {
        walk.files.push_back({path, static_cast<std::int64_t>(file.first.size()), file.second});
    }
    co_return walk;
}

Task<Result<ReadReport>> FakeGuest::read(FileEntry file, std::int64_t, Duration, ByteSink& sink, Deadline) {
    co_await turn(world_.io);
    if (world_.on_read) {
        world_.on_read();
    }
    const auto found = world_.notebooks.at(name_).files.find(file.path);
    if (found == world_.notebooks.at(name_).files.end()) {
        co_return fail(Errc::not_found, "gone", file.path);
    }
    const std::string bytes = found->second.first;
    auto written = co_await sink.write(std::as_bytes(std::span{bytes.data(), bytes.size()}));
    if (!written) {
        co_return std::unexpected(written.error());
    }
    co_return ReadReport{.before = file, .after = file, .server_time = world_.scheduler.wall(), .bytes = 0};
}

Task<Result<std::string>> FakeGuest::to_html(std::string, std::string, Deadline) {
    co_return std::string{"<html></html>"};
}

Task<StopReply> FakeGuest::shut_down(Deadline) {
    co_await turn(world_.io);
    if (world_.guest_refuses) {
        co_return StopReply{event::Answer::refused, "not now"};
    }
    world_.end(world_.notebooks.at(name_));
    co_return StopReply{event::Answer::accepted, {}};
}

std::unique_ptr<Guest> FakeDoor::open(const AccountName&, const Resource& resource, const Run& run) {
    return run.token.empty() ? nullptr : std::make_unique<FakeGuest>(world_, resource.name);
}

}  // namespace curfew::test
