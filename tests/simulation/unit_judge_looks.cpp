// The judge of looks and quiet time: histories that break I2, and such as do not.
#include "simulation/history.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::simulation;

TEST_CASE("I2: only what was seen quiet for long enough is stopped") {
    History s;
    SECTION("half an hour of an hour") {
        s.use();
        s.begin();
        s.quiet_for(minutes{15});
        s.warn();
        s.quiet_for(minutes{31});
        s.pack();
        s.stop();
        CHECK(s.breaks("I2"));
    }
    SECTION("at work in between") {
        s.until_warned();
        s.look(run, Verdict::active);
        s.pass(minutes{1});
        s.quiet_for(minutes{30});
        s.pack();
        s.stop();
        CHECK(s.breaks("I2"));
    }
    SECTION("unknown in between for longer than the slack") {
        s.until_warned();
        for (int i = 0; i < 20; ++i) {
            s.look(run, Verdict::unknown);
            s.pass(minutes{1});
        }
        s.quiet_for(minutes{10});
        s.pack();
        s.stop();
        CHECK(s.breaks("I2"));
    }
    SECTION("a gap is not bridged") {
        s.until_warned();
        s.pass(minutes{25});
        s.quiet_for(minutes{6});
        s.pack();
        s.stop();
        CHECK(s.breaks("I2"));
    }
    SECTION("the host slept while a probe was under way, or the probe took as long") {
        const bool slept = GENERATE(true, false);
        s.config.accounts.front().poll_interval = minutes{8};
        s.until_warned();
        s.quiet_for(minutes{8});
        s.pass(minutes{1});
        s.judge.answered(run, Signal::kernels, Verdict::quiet, s.at());
        if (slept) {
            s.judge.suspended(minutes{20}, s.at());
        }
        s.pass(minutes{20});
        s.judge.answered(run, Signal::processes, Verdict::quiet, s.at());
        s.quiet_for(minutes{2});
        s.pack();
        s.stop();
        CHECK(s.breaks("I2") == !slept);
    }
    SECTION("a kernel is busy for hours, and a probe saw nothing inside, or nobody could look") {
        const bool inside = GENERATE(true, false);
        s.config.rules.front().probe.enabled = inside;
        s.use();
        s.begin();
        const auto busy = [&] {
            s.judge.answered(run, Signal::kernels, Verdict::active, s.at());
            s.judge.answered(run, Signal::metrics, Verdict::quiet, s.at());
            if (inside) {
                s.judge.answered(run, Signal::processes, Verdict::quiet, s.at());
            }
        };
        const auto busy_for = [&](Duration d) {
            for (Duration gone{0}; gone < d; gone += minutes{1}) {
                busy();
                s.pass(minutes{1});
            }
        };
        busy_for(Rule{}.stalled_after + minutes{30});
        s.warn();
        busy_for(minutes{32});
        s.pack();
        busy();
        s.stop();
        CHECK(s.breaks("I2") == !inside);
    }
    SECTION("the last look saw work") {
        s.until_packed();
        s.look(run, Verdict::active);
        s.stop();
        CHECK(s.breaks("I2"));
    }
    SECTION("the last look saw nothing") {
        s.until_packed();
        s.pass(seconds{1});
        s.look(run, Verdict::unknown);
        s.stop();
        CHECK(s.breaks("I2"));
    }
    SECTION("nobody looked right before the call") {
        s.until_packed();
        s.pass(minutes{4});
        s.stop();
        CHECK(s.breaks("I2"));
    }
    SECTION("probes of two looks at once") {
        const auto story = [&](Verdict kernels) {
            s.use();
            s.begin();
            for (int i = 0; i < 61; ++i) {
                s.judge.answered(run, Signal::kernels, Verdict::quiet, s.at());
                s.judge.answered(run, Signal::metrics, Verdict::quiet, s.at());
                if (i == 30) {
                    s.warn();
                    // The next look begins before the probe of the first is back.
                    s.pass(seconds{1});
                    s.judge.answered(run, Signal::kernels, kernels, s.at());
                    s.judge.answered(run, Signal::metrics, Verdict::quiet, s.at());
                    s.judge.answered(run, Signal::metrics, Verdict::quiet, s.at());
                    s.judge.answered(run, Signal::processes, Verdict::quiet, s.at());
                    s.pass(seconds{1});
                    s.judge.answered(run, Signal::processes, Verdict::quiet, s.at());
                }
                s.pass(minutes{1});
            }
            s.look();
            s.pack();
            s.stop();
        };
        SECTION("that both knew the kernels to be quiet") {
            story(Verdict::quiet);
            CHECK(s.all().empty());
        }
        SECTION("that did not know the kernels") {
            story(Verdict::unknown);
            CHECK(s.breaks("I2"));
        }
    }
    SECTION("the machine slept between the last look and a call") {
        s.until_packed();
        s.intend();
        SECTION("that had left") {
            s.send();
            s.pass(hours{2});
            s.arrive();
            CHECK(s.all().empty());
        }
        SECTION("that had not left") {
            s.pass(hours{2});
            s.send();
            s.arrive();
            CHECK(s.breaks("I2"));
        }
    }
    SECTION("too few probes") {
        s.use();
        s.begin();
        s.look();
        for (int i = 0; i < 60; ++i) {
            s.pass(minutes{1});
            s.judge.answered(run, Signal::kernels, Verdict::quiet, s.at());
            s.judge.answered(run, Signal::metrics, Verdict::quiet, s.at());
            if (i == 29) {
                s.warn();
            }
        }
        s.pass(minutes{1});
        s.look();
        s.pack();
        s.stop();
        CHECK(s.breaks("I2"));
    }
    SECTION("looks that died with the process are no observations") {
        const auto stretch = [&](Verdict seen, bool durable) {
            s.use();
            s.begin();
            s.quiet_for(minutes{20});
            for (int i = 0; i < 5; ++i) {
                s.polled();
                s.pass(minutes{1});
                s.look(run, seen);
                if (durable) {
                    s.polled();
                }
                s.judge.crashed(s.at());
                s.judge.booted(s.at());
                s.pass(minutes{1});
                s.look();
            }
            s.warn();
            s.quiet_for(minutes{31});
            s.pack();
            s.stop();
        };
        SECTION("nothing was seen, and that died") {
            stretch(Verdict::unknown, false);
            CHECK(s.all().empty());
        }
        SECTION("nothing was seen, and that was durable") {
            stretch(Verdict::unknown, true);
            CHECK(s.breaks("I2"));
        }
        SECTION("work was seen, and that died") {
            stretch(Verdict::active, false);
            CHECK(s.all().empty());
        }
        SECTION("work was seen, and that was durable") {
            stretch(Verdict::active, true);
            CHECK(s.breaks("I2"));
        }
    }
    SECTION("work that the last look before a stop saw, and a crash") {
        const auto story = [&](bool durable) {
            s.until_warned();
            s.quiet_for(minutes{31});
            s.polled();
            s.pack();
            s.look(run, Verdict::active);
            if (durable) {
                s.store(EnforcementState::over);
            }
            s.judge.crashed(s.at());
            s.pass(seconds{10});
            s.judge.booted(s.at());
            if (durable) {
                s.e = {.id = EnforcementId{"enf_2"},
                       .account = account,
                       .resource = box,
                       .run = run,
                       .cause = {CauseKind::idle, "night"}};
                s.warn();
            }
            s.quiet_for(minutes{31});
            if (durable) {
                s.pack();
            }
            s.stop();
        };
        SECTION("before anybody could know of it") {
            story(false);
            CHECK(s.all().empty());
        }
        SECTION("after the enforcement had ended over it") {
            story(true);
            CHECK(s.breaks("I2"));
        }
    }
    SECTION("a crash and a long absence give the ladder again") {
        s.use();
        s.begin();
        s.quiet_for(minutes{50});
        s.warn();
        s.judge.crashed(s.at());
        s.pass(hours{2});
        s.judge.booted(s.at());
        s.use();
        s.quiet_for(minutes{12});
        s.pack();
        s.stop();
        CHECK(s.breaks("I2"));
    }
    SECTION("an absence, and another limit in the configuration after it") {
        const auto story = [&](Duration before, Duration after, bool twice, Duration then) {
            s.config.rules.front().idle_limit = before;
            s.use();
            s.begin();
            s.quiet_for(hours{4});
            s.judge.crashed(s.at());
            s.pass(hours{2});
            if (twice) {  // the first start read no configuration
                s.judge.booted(s.at());
                s.judge.crashed(s.at());
                s.pass(minutes{1});
            }
            s.judge.booted(s.at());
            s.config.rules.front().idle_limit = after;
            s.use();
            s.warn();
            s.quiet_for(then);
            s.pack();
            s.stop();
        };
        SECTION("longer: what was seen before counts, but for a ladder") {
            story(hours{1}, hours{6}, false, hours{2} + minutes{1});
            CHECK(s.all().empty());
        }
        SECTION("longer, and a start in vain between") {
            story(hours{1}, hours{6}, true, hours{2} + minutes{1});
            CHECK(s.all().empty());
        }
        SECTION("longer, and too soon by what was never seen") {
            story(hours{1}, hours{6}, false, hours{1} + minutes{50});
            CHECK(s.breaks("I2"));
        }
        SECTION("longer than what was seen, less than a ladder") {
            story(hours{1}, hours{4} + minutes{10}, false, minutes{20});
            CHECK(s.breaks("I2"));
        }
        SECTION("longer than what was seen, and a ladder") {
            story(hours{1}, hours{4} + minutes{10}, false, minutes{31});
            CHECK(s.all().empty());
        }
        SECTION("shorter, less than a ladder") {
            story(hours{5}, hours{1}, false, minutes{20});
            CHECK(s.breaks("I2"));
        }
        SECTION("shorter, and a ladder") {
            story(hours{5}, hours{1}, false, minutes{31});
            CHECK(s.all().empty());
        }
    }
}
