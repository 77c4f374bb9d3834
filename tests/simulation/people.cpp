#include "simulation/people.hpp"

#include <algorithm>
#include <utility>

namespace curfew::simulation {

namespace {

template <class T>
std::string word(const Result<T>& result) {
    return result ? "ok" : std::string{to_string(result.error().code)};
}

constexpr const char* operator_name = "ana (uid 1000)";

}  // namespace

People::People(Stage& stage, Fleet& fleet, Host& host, const Story& story)
    : stage_(stage), fleet_(fleet), host_(host), users_(stage.dice.split("users")),
      operators_(stage.dice.split("operators")), worst_(stage.dice.split("worst")),
      operator_every_(story.operator_every) {}

void People::begin() {
    for (auto& [id, r] : fleet_.resources) {
        plan_session(*r, users_.skewed(minutes{1}, hours{20}));
    }
    if (operator_every_ > Duration{0}) {
        stage_.clock.after(users_.between(minutes{1}, operator_every_), [this] { operate(); });
    }
}

// ---- users ---------------------------------------------------------------------------------------

Duration People::until_hour(int hour) {
    constexpr std::int64_t day = 24LL * 3'600'000;
    const std::int64_t now = stage_.clock.utc().ms % day;
    return Duration{(hour * 3'600'000LL - now + day) % day};
}

void People::plan_session(SimResource& r, Duration in) {
    const std::uint64_t number = ++r.session;
    const ResourceId id = r.id;
    stage_.clock.after(in, [this, id, number] { session(id, number); });
}

void People::session(const ResourceId& id, std::uint64_t number) {
    SimResource* r = fleet_.find(id);
    if (calm_ || r == nullptr || r->session != number) {
        return;
    }
    if (stage_.clock.now() < nobody_until_) {
        plan_session(*r, nobody_until_ - stage_.clock.now() + users_.between(minutes{1}, hours{2}));
        return;
    }
    const bool ending = r->on() && r->runs.back().state == RunState::stopping;
    if (!r->on() || (ending && users_.one_in(2))) {
        fleet_.start(*r);
    } else if (ending) {
        plan_session(*r, minutes{5});
        return;
    }
    const RunId run = r->runs.back().id;
    const int stretches = static_cast<int>(users_.between(1, r->habits.stretches));
    // Some start it and go to lunch.
    const Duration in = users_.one_in(5) ? users_.skewed(minutes{30}, hours{6})
                                         : users_.between(minutes{3}, minutes{12});
    stage_.clock.after(in, [this, id, run, stretches] { stretch(id, run, stretches); });
}

SimResource* People::still(const ResourceId& id, const RunId& run) {
    SimResource* r = fleet_.find(id);
    return r != nullptr && r->on() && r->runs.back().id == run && r->runs.back().state == RunState::running
               ? r
               : nullptr;
}

void People::stretch(const ResourceId& id, const RunId& run, int left) {
    SimResource* r = still(id, run);
    if (r == nullptr || calm_) {
        // Stopped under the user's hands, or gone: the next session comes.
        if (SimResource* gone = fleet_.find(id); gone != nullptr && !calm_) {
            plan_session(*gone, users_.one_in(3) ? users_.between(minutes{2}, minutes{30})
                                                 : users_.between(hours{1}, gone->habits.away_max));
        }
        return;
    }
    if (stage_.clock.now() < nobody_until_) {
        plan_session(*r, nobody_until_ - stage_.clock.now() + users_.between(minutes{1}, hours{2}));
        return;
    }
    const bool by_process = users_.chance(r->habits.by_process);
    fleet_.begin_work(*r, !by_process);
    save(id, run);
    stage_.clock.after(users_.between(r->habits.work_min, r->habits.work_max),
                       [this, id, run, left] { pause(id, run, left); });
}

void People::save(const ResourceId& id, const RunId& run) {
    SimResource* r = still(id, run);
    if (r == nullptr || !r->works()) {
        return;
    }
    fleet_.touch_files(*r, users_.between(1, 3));
    stage_.clock.after(users_.skewed(minutes{3}, hours{4}), [this, id, run] { save(id, run); });
}

void People::pause(const ResourceId& id, const RunId& run, int left) {
    SimResource* r = still(id, run);
    if (r != nullptr) {
        if (users_.one_in(2)) {
            fleet_.touch_files(*r, 1);
        }
        fleet_.end_work(*r);
        r->stalled = !calm_ && users_.chance(r->habits.stalls);
    }
    if (r != nullptr && left > 1 && !calm_) {
        stage_.clock.after(users_.between(r->habits.pause_min, r->habits.pause_max),
                           [this, id, run, left] { stretch(id, run, left - 1); });
    } else if (r != nullptr) {
        leave(*r);
    } else {
        stretch(id, run, 0);
    }
}

void People::leave(SimResource& r) {
    if (r.on() && users_.chance(r.habits.stops_himself)) {
        const ResourceId id = r.id;
        const RunId run = r.runs.back().id;
        fleet_.begin_stop(id, run, users_.between(seconds{3}, minutes{1}));
        stage_.tally.mark("user.stopped");
    }
    const Duration away = users_.between(hours{2}, r.habits.away_max);
    plan_session(r, away + until_hour(r.habits.start_hour) / 4);
}

void People::worst_moment(const ResourceId& id) {
    if (!stage_.faults_on) {
        return;
    }
    SimResource* r = fleet_.find(id);
    if (r == nullptr || !r->on()) {
        return;
    }
    if (stage_.goes_wrong(worst_, stage_.rates.restart_underway, "restart_underway")) {
        restarts(id);
    } else if (stage_.goes_wrong(worst_, stage_.rates.work_underway, "work_underway")) {
        comes_back(id);
    }
}

void People::restarts(const ResourceId& id) {
    SimResource* r = fleet_.find(id);
    if (r == nullptr || r->runs.empty()) {
        return;
    }
    if (r->runs.back().state != RunState::stopping) {
        fleet_.end(*r, r->runs.back(), "user");
    }
    fleet_.start(*r);
    ++r->session;
    const RunId run = r->runs.back().id;
    // Some go on at once, some see that it is up and walk away.
    const Duration in = worst_.one_in(2) ? worst_.between(minutes{3}, minutes{20})
                                         : worst_.between(minutes{20}, hours{8});
    stage_.clock.after(in, [this, id, run] { stretch(id, run, 2); });
}

void People::comes_back(const ResourceId& id) {
    SimResource* r = fleet_.find(id);
    if (r == nullptr || !r->on()) {
        return;
    }
    const RunId run = r->runs.back().id;
    ++r->session;
    stretch(id, run, 1);
}

void People::stops(const ResourceId& id) {
    SimResource* r = fleet_.find(id);
    if (r != nullptr && r->on()) {
        fleet_.begin_stop(id, r->runs.back().id, worst_.between(seconds{3}, minutes{1}));
        stage_.tally.mark("user.stopped");
    }
}

void People::changes_his_mind(const ResourceId& id, bool again) {
    SimResource* r = fleet_.find(id);
    if (r == nullptr || r->on()) {
        return;
    }
    fleet_.start(*r);
    ++r->session;
    const RunId first = r->runs.back().id;
    stage_.clock.after(worst_.between(seconds{20}, minutes{3}), [this, id, first, again] {
        SimResource* now = fleet_.find(id);
        if (calm_ || !now->on() || now->runs.back().id != first) {
            return;
        }
        fleet_.begin_stop(id, first, worst_.between(seconds{10}, minutes{5}));
        if (!again) {
            plan_session(*now, users_.between(hours{1}, now->habits.away_max));
            return;
        }
        fleet_.start(*now);
        const RunId second = now->runs.back().id;
        stage_.clock.after(worst_.between(minutes{3}, minutes{20}),
                           [this, id, second] { stretch(id, second, 2); });
    });
}

void People::everybody_leaves(Duration away) {
    nobody_until_ = stage_.clock.now() + away;
    for (auto& [id, r] : fleet_.resources) {
        fleet_.end_work(*r);
        r->stalled = false;
    }
}

void People::lesson(Duration length, Duration away) {
    for (auto& [id, r] : fleet_.resources) {
        if (!r->on()) {
            fleet_.start(*r);
            ++r->session;
            stage_.clock.after(worst_.between(minutes{3}, minutes{9}),
                               [this, resource = id, run = r->runs.back().id] { stretch(resource, run, 1); });
        }
    }
    stage_.clock.after(length, [this, away] {
        if (!calm_) {
            everybody_leaves(away);
        }
    });
}

// ---- who runs Curfew -----------------------------------------------------------------------------

void People::calm() {
    calm_ = true;
    Dice lasting = stage_.dice.split("lasting");
    const bool some_last = lasting.one_in(2);
    for (auto& [id, r] : fleet_.resources) {
        const ResourceId resource = id;
        const Duration in = users_.between(minutes{1}, hours{3});
        if (some_last && lasting.one_in(2)) {
            lasts(resource, in, lasting.one_in(3));
            continue;
        }
        r->stalled = r->stalled && lasting.one_in(2);
        stage_.clock.after(in, [this, resource] {
            if (SimResource* still_here = fleet_.find(resource)) {
                fleet_.end_work(*still_here);
            }
        });
    }
    mend();
    for (int i = 1; i <= 40; ++i) {
        stage_.clock.after(hours{i}, [this] { mend(); });
    }
}

/// A training that goes on for days: only its age, its off hours or the money end it, whatever holds it.
void People::lasts(const ResourceId& id, Duration in, bool held) {
    stage_.clock.after(in, [this, id, held] {
        if (SimResource* r = fleet_.find(id); !r->on()) {
            fleet_.start(*r);
        }
        if (held) {
            host_.ask("exempt", [id](Daemon& d, World&) -> Task<std::string> {
                co_return word(
                    co_await d.exempt(id, {.until = {}, .after = hours{24 * 8}}, "a paper", operator_name));
            });
        }
        stage_.clock.after(minutes{4}, [this, id] { fleet_.begin_work(*fleet_.find(id), true); });
    });
}

void People::mend() {
    host_.ask("reset_rule", [](Daemon& daemon, World& world) -> Task<std::string> {
        std::vector<RuleName> open;
        for (const auto& [rule, breaker] : world.picture.breakers) {
            open.push_back(rule);
        }
        for (const RuleName& rule : open) {
            (void)co_await daemon.reset_rule(rule, operator_name);
        }
        co_return "ok";
    });
    host_.ask("test_channel", [](Daemon& daemon, World& world) -> Task<std::string> {
        auto disabled = co_await world.store.disabled_channels();
        if (disabled) {
            for (const ChannelStateRow& channel : *disabled) {
                (void)co_await daemon.test_channel({channel.channel, {}}, operator_name);
            }
        }
        co_return "ok";
    });
}

void People::keeps(const ResourceId& id, Duration length) {
    host_.ask("keep", [id, length](Daemon& d, World&) -> Task<std::string> {
        co_return word(co_await d.keep(id, length, "just in time", operator_name));
    });
}

void People::leases(const ResourceId& id, Duration length) {
    host_.ask("lease", [id, length](Daemon& d, World&) -> Task<std::string> {
        const auto leased = co_await d.lease(id, length, "train", "the last hours", operator_name);
        if (leased) {
            co_return word(leased);
        }
        // No budget bars an exemption.
        co_return word(
            co_await d.exempt(id, {.until = {}, .after = length}, "the last hours", operator_name));
    });
}

void People::maintains(const ResourceId& id, Duration length) {
    host_.ask("silence", [id, length](Daemon& d, World&) -> Task<std::string> {
        Silence wanted;
        wanted.kind = SilenceKind::maintenance;
        wanted.scope.resources = {id.value};
        wanted.reason = "new disks";
        co_return word(co_await d.silence(wanted, {.until = {}, .after = length}, operator_name));
    });
}

void People::operate() {
    if (calm_) {
        return;
    }
    stage_.clock.after(operators_.between(operator_every_ / 4, operator_every_ * 2), [this] { operate(); });
    if (fleet_.resources.empty()) {
        return;
    }
    // Mostly about what runs.
    ResourceId id;
    for (int i = 0; i < 4; ++i) {
        auto it = fleet_.resources.begin();
        std::advance(it, static_cast<std::ptrdiff_t>(operators_.below(fleet_.resources.size())));
        if (id.empty() || !fleet_.find(id)->on()) {
            id = it->first;
        }
    }
    const Duration length = operators_.skewed(minutes{20}, hours{14});
    const std::uint64_t what = operators_.below(20);
    const bool coin = operators_.one_in(2);
    const std::int64_t percent = operators_.between(20, 200);
    const std::string by = operator_name;
    using Answer = Task<std::string>;
    if (what < 4) {
        host_.ask("keep", [=](Daemon& d, World&) -> Answer {
            co_return word(co_await d.keep(id, length, "a long run", by));
        });
    } else if (what < 6) {
        host_.ask("lease", [=](Daemon& d, World&) -> Answer {
            co_return word(co_await d.lease(id, length, coin ? "train" : "eval", "job", by));
        });
    } else if (what == 6) {
        host_.ask("exempt", [=](Daemon& d, World&) -> Answer {
            co_return word(co_await d.exempt(id, {.until = {}, .after = length * 2}, "a demo", by));
        });
    } else if (what == 7) {
        host_.ask("release", [=](Daemon& d, World&) -> Answer {
            co_return word(co_await d.release(id, {.exemptions = true}, by));
        });
    } else if (what < 10) {
        host_.ask("stop", [=](Daemon& d, World&) -> Answer {
            StopOptions options;
            options.pack = !coin;
            options.accepted_risks = {"kills-busy-kernel"};
            if (coin) {
                options.accepted_risks.emplace_back("unpacked-outputs");
            }
            co_return word(co_await d.stop(id, options, by));
        });
    } else if (what == 10) {
        host_.ask("pack", [=](Daemon& d, World&) -> Answer { co_return word(co_await d.pack(id, by)); });
    } else if (what < 13) {
        host_.ask("acknowledge", [=](Daemon& d, World& w) -> Answer {
            auto alerts = co_await w.store.alerts(false, 20);
            if (!alerts || alerts->empty()) {
                co_return "none";
            }
            co_return word(co_await d.acknowledge(alerts->front().id, "seen", by));
        });
    } else if (what == 13) {
        host_.ask("silence", [=](Daemon& d, World&) -> Answer {
            Silence wanted;
            wanted.kind = coin ? SilenceKind::maintenance : SilenceKind::silence;
            wanted.scope.resources = {id.value};
            wanted.reason = "new disks";
            co_return word(co_await d.silence(wanted, {.until = {}, .after = length}, by));
        });
    } else if (what == 14) {
        host_.ask("unsilence", [=](Daemon& d, World& w) -> Answer {
            auto all = co_await w.store.silences(false, 10);
            if (!all || all->empty()) {
                co_return "none";
            }
            co_return word(co_await d.unsilence(all->front().id, by));
        });
    } else if (what == 15) {
        host_.ask("reset_rule", [=](Daemon& d, World& w) -> Answer {
            const RuleName rule = w.config->rules.front().name;
            co_return word(co_await d.reset_rule(rule, by));
        });
    } else if (what == 16) {
        host_.ask("set_budget", [=](Daemon& d, World& w) -> Answer {
            Budget budget;
            budget.name = BudgetName{coin && !w.config->budgets.empty() ? w.config->budgets.front().name.value
                                                                        : "byhand"};
            budget.amount = Money{percent * 400'000'000};
            budget.thresholds = {{100, coin ? ThresholdAction::stop : ThresholdAction::notify}};
            co_return word(co_await d.set_budget(budget_document(budget), by));
        });
        stage_.clock.after(length, [this, by] {
            host_.ask("remove_budget", [by](Daemon& d, World&) -> Answer {
                co_return word(co_await d.remove_budget(BudgetName{"byhand"}, by));
            });
        });
    } else if (what == 17) {
        host_.ask("remove_budget", [=](Daemon& d, World&) -> Answer {
            co_return word(co_await d.remove_budget(BudgetName{"byhand"}, by));
        });
    } else if (what == 18) {
        host_.ask("retry_outbox",
                  [=](Daemon& d, World&) -> Answer { co_return word(co_await d.retry_outbox("", by)); });
    } else {
        host_.ask("poll_now", [](Daemon& d, World&) -> Answer {
            d.poll_now();
            co_return "ok";
        });
    }
}

}  // namespace curfew::simulation
