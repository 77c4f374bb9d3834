#include "curfew/core/activity.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace curfew;

namespace {

constexpr Instant now{10'000'000};

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
    CHECK(judge({seen(kernels, quiet), seen(gpu, active), seen(processes, quiet)}).verdict == active);
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
}

TEST_CASE("words") {
    CHECK(verdict_from("quiet") == Verdict::quiet);
    CHECK(verdict_from("busy") == Verdict::unknown);
    CHECK(observation_ttl(seconds{60}) == minutes{5});
    CHECK(observation_ttl(minutes{2}) == minutes{6});
    for (const Signal s :
         {Signal::kernels, Signal::terminals, Signal::server, Signal::metrics, Signal::processes, Signal::gpu,
          Signal::disk_network, Signal::watched_paths, Signal::session, Signal::heartbeat}) {
        CHECK_FALSE(to_string(s).empty());
    }
}
