#include "curfew/core/activity.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <set>
#include <vector>

using namespace curfew;

namespace {

constexpr Instant now{10'000'000};
constexpr std::array signals{
    Signal::kernels, Signal::terminals,    Signal::server,        Signal::metrics, Signal::processes,
    Signal::gpu,     Signal::disk_network, Signal::watched_paths, Signal::session, Signal::heartbeat};

Observation seen(Signal source, Verdict verdict, Strength strength = Strength::strong,
                 Duration age = Duration{0}) {
    return {.source = source,
            .run = RunId{"n1"},
            .at = now - age,
            .wall = WallTime{0},
            .verdict = verdict,
            .last_active_at = std::nullopt,
            .strength = strength,
            .evidence = {},
            .ttl = minutes{5}};
}

Judgement judge(std::vector<Observation> observations) {
    return combine(observations, now);
}

}  // namespace

TEST_CASE("verdicts combine as the design says") {
    using enum Signal;
    using enum Verdict;
    CHECK(judge({}).verdict == unknown);
    CHECK(judge({}).coverage == Coverage::none);
    CHECK(judge({seen(kernels, quiet)}).verdict == quiet);
    CHECK(judge({seen(kernels, quiet)}).coverage == Coverage::partial);
    CHECK(judge({seen(kernels, quiet), seen(metrics, quiet)}).verdict == quiet);
    CHECK(judge({seen(kernels, quiet), seen(metrics, quiet)}).coverage == Coverage::full);
    CHECK(judge({seen(kernels, quiet), seen(metrics, active)}).verdict == active);
    CHECK(judge({seen(kernels, active), seen(metrics, unknown)}).verdict == active);
    CHECK(judge({seen(kernels, unknown), seen(metrics, quiet)}).verdict == unknown);
    CHECK(judge({seen(kernels, quiet), seen(metrics, unknown)}).verdict == unknown);
    CHECK(judge({seen(metrics, quiet)}).verdict == unknown);  // kernels are required
    CHECK(judge({seen(kernels, quiet), seen(metrics, unknown), seen(processes, quiet)}).verdict == quiet);
    CHECK(judge({seen(kernels, quiet), seen(metrics, quiet), seen(terminals, unknown)}).verdict == unknown);
    CHECK(judge({seen(kernels, quiet), seen(metrics, quiet), seen(processes, unknown)}).verdict == unknown);
    CHECK(judge({seen(kernels, quiet), seen(processes, quiet), seen(gpu, unknown)}).verdict == quiet);
    CHECK(judge({seen(kernels, quiet), seen(gpu, active), seen(processes, quiet)}).verdict == active);
    CHECK(judge({seen(kernels, quiet), seen(metrics, unknown, Strength::weak)}).verdict == unknown);
    // What else speaks for work is told before a busy kernel, and of several the first.
    CHECK(judge({seen(kernels, active), seen(gpu, active), seen(terminals, active)}).step ==
          "terminals: active");
}

TEST_CASE("a verdict that lacks nothing but what a probe could say") {
    using enum Signal;
    using enum Verdict;
    CHECK(judge({seen(kernels, quiet), seen(metrics, unknown)}).lacks_probe);
    CHECK(judge({seen(kernels, quiet), seen(gpu, unknown)}).lacks_probe);
    CHECK(judge({seen(kernels, quiet), seen(metrics, unknown), seen(session, quiet)}).lacks_probe);
    CHECK_FALSE(judge({}).lacks_probe);
    CHECK_FALSE(judge({seen(kernels, quiet)}).lacks_probe);  // partial, and a verdict
    CHECK_FALSE(judge({seen(metrics, unknown)}).lacks_probe);
    CHECK_FALSE(judge({seen(kernels, active), seen(metrics, unknown)}).lacks_probe);
    CHECK_FALSE(judge({seen(kernels, unknown), seen(metrics, unknown)}).lacks_probe);
    CHECK_FALSE(judge({seen(kernels, quiet), seen(metrics, unknown), seen(terminals, unknown)}).lacks_probe);
    // It was tried, and said nothing.
    CHECK_FALSE(judge({seen(kernels, quiet), seen(metrics, unknown), seen(processes, unknown)}).lacks_probe);
    CHECK_FALSE(judge({seen(kernels, quiet), seen(metrics, unknown), seen(processes, quiet)}).lacks_probe);
}

TEST_CASE("weak activity delays and does not decide") {
    const Judgement j = judge({seen(Signal::kernels, Verdict::quiet), seen(Signal::metrics, Verdict::quiet),
                               seen(Signal::server, Verdict::active, Strength::weak)});
    CHECK(j.verdict == Verdict::quiet);
    CHECK(j.weak_activity);
    CHECK(judge({seen(Signal::kernels, Verdict::quiet), seen(Signal::metrics, Verdict::quiet),
                 seen(Signal::server, Verdict::unknown, Strength::weak)})
              .verdict == Verdict::quiet);
}

TEST_CASE("what is older than its ttl is unknown") {
    CHECK(judge({seen(Signal::kernels, Verdict::quiet, Strength::strong, minutes{5}),
                 seen(Signal::metrics, Verdict::quiet)})
              .verdict == Verdict::quiet);
    CHECK(judge({seen(Signal::kernels, Verdict::quiet, Strength::strong, minutes{5} + Duration{1}),
                 seen(Signal::metrics, Verdict::quiet)})
              .verdict == Verdict::unknown);
    CHECK(judge({seen(Signal::kernels, Verdict::active, Strength::strong, minutes{6}),
                 seen(Signal::metrics, Verdict::quiet)})
              .verdict == Verdict::unknown);
}

TEST_CASE("of one source the newest counts, at one instant the most careful") {
    CHECK(judge({seen(Signal::kernels, Verdict::active, Strength::strong, seconds{60}),
                 seen(Signal::kernels, Verdict::quiet), seen(Signal::metrics, Verdict::quiet)})
              .verdict == Verdict::quiet);
    CHECK(judge({seen(Signal::kernels, Verdict::quiet), seen(Signal::kernels, Verdict::unknown),
                 seen(Signal::metrics, Verdict::quiet)})
              .verdict == Verdict::unknown);
    const Observation glimpse = seen(Signal::terminals, Verdict::active, Strength::weak);
    const Observation certain = seen(Signal::terminals, Verdict::active);
    CHECK(judge({glimpse, certain}).verdict == Verdict::active);
    CHECK(judge({certain, glimpse}).verdict == Verdict::active);
    // Those that say the same with other words: the same one, whichever came first.
    Observation one = seen(Signal::kernels, Verdict::active);
    Observation other = one;
    one.evidence = "kernel 1 busy";
    other.evidence = "kernel 2 busy";
    CHECK(judge({one, other}).step == "kernels: kernel 1 busy");
    CHECK(judge({other, one}).step == "kernels: kernel 1 busy");
    other.ttl -= Duration{1};  // the one that lapses first
    CHECK(judge({one, other}).step == "kernels: kernel 2 busy");
    CHECK(judge({other, one}).step == "kernels: kernel 2 busy");
}

TEST_CASE("the quiet clock adds what was observed and nothing else") {
    const Duration gap = minutes{3};
    QuietClock c = tick({}, Verdict::quiet, now, gap);
    CHECK(c.quiet == Duration{0});
    c = tick(c, Verdict::quiet, now + minutes{1}, gap);
    CHECK(c.quiet == minutes{1});
    c = tick(c, Verdict::quiet, now + minutes{4}, gap);
    CHECK(c.quiet == minutes{4});
    c = tick(c, Verdict::quiet, now + minutes{8}, gap);  // the gap is too large: frozen
    CHECK(c.quiet == minutes{4});
    c = tick(c, Verdict::unknown, now + minutes{9}, gap);
    c = tick(c, Verdict::quiet, now + minutes{10}, gap);  // what unknown hid is not added
    CHECK(c.quiet == minutes{4});
    c = tick(c, Verdict::quiet, now + minutes{10}, gap);  // not newer
    CHECK(c.quiet == minutes{4});
    CHECK(tick(c, Verdict::active, now + minutes{11}, gap) == QuietClock{});
    CHECK(tick(c, Verdict::active, now, gap) == QuietClock{});  // even a late word of activity counts
}

TEST_CASE("after a restart the clock goes on or gives the whole ladder again") {
    const QuietClock c{minutes{50}, now};
    const Duration gap = minutes{3};
    CHECK(resume(c, now + minutes{3}, true, gap, hours{1}, minutes{30}) == c);
    CHECK(resume(c, now + minutes{4}, true, gap, hours{1}, minutes{30}).quiet == minutes{30});
    CHECK(resume(c, now + minutes{1}, false, gap, hours{1}, minutes{30}).quiet == minutes{30});
    CHECK(resume(c, now - minutes{1}, true, gap, hours{1}, minutes{30}).quiet == minutes{30});
    CHECK(resume({minutes{5}, now}, now, false, gap, hours{1}, minutes{30}).quiet == minutes{5});
    CHECK(resume(c, now, false, gap, minutes{10}, minutes{30}).quiet == Duration{0});
    CHECK_FALSE(resume(c, now, false, gap, hours{1}, minutes{30}).last_quiet_at);
    const QuietClock frozen{minutes{50}, std::nullopt};  // the newest look before it was not quiet
    CHECK(resume(frozen, now, true, gap, hours{1}, minutes{30}).quiet == minutes{30});
}

TEST_CASE("words") {
    for (const Verdict v : {Verdict::active, Verdict::quiet, Verdict::unknown}) {
        CHECK(verdict_from(to_string(v)) == v);
    }
    CHECK(verdict_from("busy") == Verdict::unknown);
    CHECK(to_string(Strength::strong) == "strong");
    CHECK(to_string(Strength::weak) == "weak");
    CHECK(to_string(Coverage::full) == "full");
    CHECK(to_string(Coverage::partial) == "partial");
    CHECK(to_string(Coverage::none) == "none");
    CHECK(observation_ttl(seconds{60}) == minutes{5});
    CHECK(observation_ttl(minutes{2}) == minutes{6});
    std::set<std::string_view> words;
    for (const Signal s : signals) {
        words.insert(to_string(s));
    }
    CHECK(words.size() == signals.size());
    CHECK_FALSE(words.contains(""));
}

namespace {

Observation busy_kernel(Duration silent_for) {
    Observation o = seen(Signal::kernels, Verdict::active);
    o.last_active_at = o.wall - silent_for;
    return o;
}

}  // namespace

TEST_CASE("a machine has no kernels to ask") {
    using enum Signal;
    using enum Verdict;
    const auto judged = [](std::vector<Observation> o) { return combine(o, now, ResourceKind::machine); };
    CHECK(judged({seen(processes, quiet)}).verdict == quiet);
    CHECK(judged({seen(processes, quiet)}).coverage == Coverage::full);
    CHECK(judged({seen(processes, active)}).verdict == active);
    CHECK(judged({seen(processes, unknown)}).verdict == unknown);
    CHECK(judged({}).verdict == unknown);
    CHECK(judged({seen(session, quiet)}).verdict == unknown);
}

TEST_CASE("a busy kernel that does nothing: only when everything else was seen to be quiet") {
    using enum Signal;
    using enum Verdict;
    const auto alone = [](std::vector<Observation> o) {
        const Judgement j = judge(std::move(o));
        CHECK(j.verdict == active);  // by itself it changes no verdict
        return j.kernel_alone;
    };
    CHECK(alone({busy_kernel(hours{1}), seen(processes, quiet)}));
    CHECK(
        alone({busy_kernel(hours{1}), seen(processes, quiet), seen(gpu, quiet), seen(disk_network, quiet)}));
    CHECK_FALSE(alone({busy_kernel(hours{1})}));                        // nobody looked
    CHECK_FALSE(alone({busy_kernel(hours{1}), seen(metrics, quiet)}));  // disk and network are not in there
    CHECK_FALSE(alone({busy_kernel(minutes{1}), seen(processes, quiet)}));  // it has just printed
    CHECK_FALSE(alone({seen(kernels, active), seen(processes, quiet)}));    // when it spoke is not known
    CHECK_FALSE(alone({busy_kernel(hours{1}), seen(processes, unknown)}));
    CHECK_FALSE(alone({busy_kernel(hours{1}), seen(processes, quiet), seen(gpu, unknown)}));
    CHECK_FALSE(alone({busy_kernel(hours{1}), seen(processes, active)}));
    CHECK_FALSE(alone({busy_kernel(hours{1}), seen(processes, quiet), seen(disk_network, unknown)}));
}

TEST_CASE("stalled: quiet from its own limit on, and in its own words") {
    using enum Signal;
    using enum Verdict;
    const Judgement j = judge({busy_kernel(hours{9}), seen(processes, quiet)});
    CHECK(judge_stall(j, {hours{6} - seconds{1}, now}, hours{6}).verdict == active);
    const Judgement s = judge_stall(j, {hours{6}, now}, hours{6});
    CHECK(s.verdict == quiet);
    CHECK(s.stalled);
    CHECK(s.step.find("stalled") != std::string::npos);
    const Judgement works = judge({busy_kernel(hours{9}), seen(processes, active)});
    CHECK(judge_stall(works, {hours{99}, now}, hours{6}).verdict == active);
    // The clock of it: quiet while alone, unknown while nobody looks, active for any other work.
    CHECK(stall_verdict(j) == quiet);
    CHECK(stall_verdict(judge({busy_kernel(hours{9})})) == unknown);
    CHECK(stall_verdict(judge({})) == unknown);
    CHECK(stall_verdict(works) == active);
    CHECK(stall_verdict(judge({seen(kernels, quiet), seen(processes, quiet)})) == active);
}

TEST_CASE("probes: at the start of the ladder, at its steps, and until there are enough") {
    const LookPolicy policy{
        .limit = hours{1}, .ladder = {minutes{30}, minutes{10}, minutes{2}}, .poll = minutes{1}};
    const auto due = [&](const ProbeState& p, Duration left, bool busy = false) {
        return probe_due(p, policy, left, busy, now);
    };
    CHECK_FALSE(due({}, minutes{31}));
    CHECK(due({}, minutes{30}));
    ProbeState one = probed({}, Verdict::quiet, true, 1, now - minutes{5});
    CHECK_FALSE(due(one, minutes{25}));
    CHECK(due(one, minutes{10}));
    const ProbeState two = probed(one, Verdict::quiet, true, 2, now - minutes{1});
    CHECK_FALSE(due(two, minutes{9}));
    CHECK(due(two, minutes{2}));
    CHECK(due(two, Duration{0}));
    const ProbeState three = probed(two, Verdict::quiet, true, 3, now);
    CHECK(due(three, Duration{0}));  // the first is not a ladder old yet
    CHECK_FALSE(probed_enough(three, policy, now));
    CHECK(probed_enough(three, policy, now + minutes{25}));
    CHECK_FALSE(probe_due(three, policy, Duration{0}, false, now + minutes{25}));
    // Activity begins the row anew; what could not be seen counts for nothing.
    CHECK_FALSE(probed_enough(probed(three, Verdict::active, true, 3, now), policy, now + hours{9}));
    CHECK(probed(three, Verdict::unknown, true, 3, now).quiet == 3);
    CHECK(probed(three, Verdict::quiet, false, 3, now).quiet == 3);
    // One that failed is tried again, but not at every look.
    CHECK_FALSE(due(probed({}, Verdict::unknown, false, 1, now - minutes{4}), minutes{29}));
    CHECK(due(probed({}, Verdict::unknown, false, 1, now - minutes{5}), minutes{31}));
    ProbeState impossible;
    impossible.possible = false;
    CHECK_FALSE(due(impossible, Duration{0}));
    LookPolicy unwanted = policy;
    unwanted.probes = false;
    CHECK_FALSE(probe_due({}, unwanted, Duration{0}, false, now));
    // A busy kernel is looked into twelve times in `stalled_after`.
    CHECK(due({}, hours{1}, true));
    CHECK_FALSE(due(probed({}, Verdict::active, true, 0, now - minutes{29}), hours{1}, true));
    CHECK(due(probed({}, Verdict::active, true, 0, now - minutes{30}), hours{1}, true));
    // A machine has nothing else.
    LookPolicy machine = policy;
    machine.nothing_else = true;
    CHECK(probe_due(probed({}, Verdict::quiet, true, 0, now - minutes{2}), machine, hours{1}, false, now));
    CHECK_FALSE(
        probe_due(probed({}, Verdict::quiet, true, 0, now - minutes{1}), machine, hours{1}, false, now));
    // A rule without warnings: nothing until the time is up, then until there are enough, at once.
    LookPolicy silent = policy;
    silent.ladder.clear();
    CHECK_FALSE(probe_due({}, silent, Duration{1}, false, now));
    CHECK(probe_due({}, silent, Duration{0}, false, now));
    CHECK(probe_due(two, silent, Duration{0}, false, now));
    CHECK_FALSE(probed_enough(two, silent, now));
    CHECK(probed_enough(three, silent, now));
    CHECK_FALSE(probe_due(three, silent, Duration{0}, false, now));
    // Without the time of the first there is no telling how old the row is.
    ProbeState undated = three;
    undated.first_quiet.reset();
    CHECK_FALSE(probed_enough(undated, policy, now + hours{9}));
}

TEST_CASE("a probe counts until the next one, and three polls") {
    const LookPolicy policy{
        .limit = hours{1}, .ladder = {minutes{30}, minutes{10}, minutes{2}}, .poll = minutes{1}};
    CHECK(probe_ttl(policy, minutes{30}, false) == minutes{23});
    CHECK(probe_ttl(policy, minutes{9}, false) == minutes{10});
    CHECK(probe_ttl(policy, Duration{0}, false) == minutes{8});
    CHECK(probe_ttl(policy, minutes{40}, true) == minutes{33});
}

TEST_CASE("a guest is asked as late as no decision comes later for it") {
    const LookPolicy policy{.limit = hours{1}, .ladder = {minutes{30}}, .poll = minutes{1}};
    CHECK(look_after(Verdict::quiet, minutes{50}, policy, true) == minutes{2});
    CHECK(look_after(Verdict::quiet, minutes{33}, policy, true) == minutes{1});
    CHECK(look_after(Verdict::active, hours{1}, policy, true) == minutes{1});
    CHECK(look_after(Verdict::unknown, hours{1}, policy, true) == minutes{1});
    CHECK(look_after(Verdict::quiet, hours{1}, policy, false) == minutes{10});
}

TEST_CASE("what is known after a look: the newest of each source, and nothing that was not asked for long") {
    using enum Signal;
    using enum Verdict;
    std::vector<Observation> known{seen(kernels, quiet, Strength::strong, minutes{1}),
                                   seen(terminals, quiet, Strength::strong, minutes{1}),
                                   seen(metrics, quiet, Strength::strong, minutes{9}),
                                   seen(processes, quiet, Strength::strong, minutes{5}),
                                   seen(gpu, quiet, Strength::strong, minutes{6})};
    const auto has = [&](Signal source) { return std::ranges::count(known, source, &Observation::source); };
    take_in(known, {seen(kernels, quiet), seen(terminals, active)}, now);
    CHECK(has(kernels) == 1);
    CHECK(has(terminals) == 1);
    CHECK(has(metrics) == 1);  // asked at every look: stale is unknown
    CHECK(has(processes) == 1);
    CHECK(has(gpu) == 0);  // of a probe long ago
    CHECK(judge(known).verdict == active);
    // At work by its kernels: nobody else was asked, and nothing is known of them.
    take_in(known, {seen(kernels, active)}, now);
    CHECK(has(terminals) == 0);
    CHECK(has(processes) == 1);
    // At rest by its kernels, and the terminals did not answer: what is known of them stays, until it is stale.
    take_in(known, {seen(terminals, quiet)}, now);
    take_in(known, {seen(kernels, quiet)}, now);
    CHECK(has(terminals) == 1);
    take_in(known, {seen(metrics, active)}, now);  // work that is not of a kernel cuts no look short
    CHECK(has(terminals) == 1);
}

TEST_CASE("of two looks at once the one that ends last takes no newer word away") {
    Observation later = seen(Signal::kernels, Verdict::active);
    later.at = now - seconds{1};
    Observation earlier = seen(Signal::kernels, Verdict::quiet);
    earlier.at = now - seconds{3};
    std::vector<Observation> known{later};
    take_in(known, {earlier, seen(Signal::metrics, Verdict::quiet)}, now);
    REQUIRE(known.size() == 2);
    CHECK(judge(known).verdict == Verdict::active);
    later.verdict = Verdict::unknown;
    known = {earlier};
    take_in(known, {later}, now);
    REQUIRE(known.size() == 1);
    CHECK(known.front().verdict == Verdict::unknown);
}

TEST_CASE("what only a probe fills is forgotten with the probe") {
    for (const Signal s : signals) {
        INFO(to_string(s));
        std::vector<Observation> known{seen(s, Verdict::quiet, Strength::strong, minutes{5} + Duration{1})};
        take_in(known, {}, now);
        const bool of_a_probe = s == Signal::processes || s == Signal::gpu || s == Signal::disk_network ||
                                s == Signal::watched_paths || s == Signal::session;
        CHECK(known.empty() == of_a_probe);
    }
}
