#include "simulation/fleet.hpp"

#include <algorithm>
#include <utility>

namespace curfew::simulation {

Fleet::Fleet(Stage& s) : stage(s), dice_(s.dice.split("fleet")), moves_(s.dice.split("moves")) {}

SimResource& Fleet::add(SimResource resource) {
    auto owned = std::make_unique<SimResource>(std::move(resource));
    SimResource& r = *owned;
    of_account[r.account].push_back(&r);
    resources.emplace(r.id, std::move(owned));
    return r;
}

SimResource* Fleet::find(const ResourceId& id) {
    const auto found = resources.find(id);
    return found == resources.end() ? nullptr : found->second.get();
}

SimRun* Fleet::run(const ResourceId& resource, const RunId& run) {
    SimResource* r = find(resource);
    if (r == nullptr) {
        return nullptr;
    }
    const auto found = std::ranges::find(r->runs, run, &SimRun::id);
    return found == r->runs.end() ? nullptr : &*found;
}

Money Fleet::rate_of(const std::string& machine_type) const {
    const auto found = rates.find(machine_type);
    return found == rates.end() ? Money{} : found->second;
}

const std::string& Fleet::other_type(const std::string& machine_type) {
    auto type = rates.begin();
    do {
        type = std::next(rates.begin(), static_cast<std::ptrdiff_t>(moves_.below(rates.size())));
    } while (type->first == machine_type && rates.size() > 1);
    return type->first;
}

void Fleet::move(SimResource& r) {
    SimRun* run = r.newest();
    if (run == nullptr || run->state != RunState::running) {
        return;
    }
    const WallTime now = stage.clock.utc();
    billed_.push_back({r.account, priced_since_[run->id], now, rate_of(run->machine_type)});
    priced_since_[run->id] = now;
    r.machine_type = other_type(run->machine_type);
    run->machine_type = r.machine_type;
    stage.note("moved", r.machine_type);
    stage.tally.mark("moved");
    stage.judge.moved(run->id, rate_of(r.machine_type), stage.moment());
}

void Fleet::start(SimResource& r) {
    if (moves_.chance(moves)) {
        r.machine_type = other_type(r.machine_type);
    }
    CURFEW_ASSERT(!r.on() || r.runs.back().state == RunState::stopping, "started twice");
    // Stamps of one resource differ, as they do where seconds pass between two starts.
    SimRun run{.id = RunId{r.id.value + "-" + std::to_string(++starts_)},
               .machine_type = r.machine_type,
               .state = RunState::provisioned,
               .started = stage.clock.utc(),
               .ended = {}};
    no_work(r);
    r.stalled = false;
    r.cpu_ms = 0;
    r.counted = stage.clock.now();
    r.worked_until.reset();
    r.runs.push_back(run);
    r.listed = true;  // what bills is listed
    stage.note("run.began", run.id.value);
    stage.judge.run_began({.account = r.account,
                           .resource = r.id,
                           .run = run.id,
                           .machine_type = r.machine_type,
                           .per_hour = rate_of(r.machine_type)},
                          stage.moment());
    for (const auto& [changed, more] : unannounced_[r.machine_type]) {
        stage.judge.began_at_unheard_price(run.id, more, changed);
    }
    stage.judge.files_changed(run.id, true_files(r), stage.moment());
    priced_since_[run.id] = run.started;
    const RunId id = run.id;
    const ResourceId resource = r.id;
    stage.clock.after(Duration{dice_.between(10'000, 150'000)}, [this, resource, id] {
        if (SimRun* made = this->run(resource, id);
            made != nullptr && made->bills() && made->state == RunState::provisioned) {
            made->state = RunState::running;
        }
    });
}

void Fleet::end(SimResource& r, SimRun& run, const std::string& by) {
    if (!run.bills()) {
        return;
    }
    const WallTime now = stage.clock.utc();
    if (&run == r.newest()) {
        no_work(r);
        r.stalled = false;
    }
    billed_.push_back({r.account, priced_since_[run.id], now, rate_of(run.machine_type)});
    priced_since_.erase(run.id);
    run.ended = now;
    run.state = RunState::stopped;
    ended_ms_ += (now - run.started).count();
    stage.note("run.ended", run.id.value);
    stage.tally.mark("ended." + by);
    stage.judge.run_ended(run.id, by, stage.moment());
}

void Fleet::settle_cpu(SimResource& r) {
    const Instant now = stage.clock.now();
    if (r.works()) {
        r.cpu_ms += (now - r.counted).count();
    }
    r.counted = now;
}

std::int64_t Fleet::cpu_ms_of(const SimResource& r) const {
    return r.cpu_ms + (r.works() ? (stage.clock.now() - r.counted).count() : 0);
}

void Fleet::begin_work(SimResource& r, bool kernel) {
    SimRun* run = r.newest();
    if (run == nullptr || run->state != RunState::running) {
        return;
    }
    settle_cpu(r);
    const bool before = r.works();
    r.stalled = false;
    const bool seen_inside = r.has_shell || r.has_metrics;  // else nobody could see it, however honest
    (kernel || !seen_inside ? r.kernel_works : r.process_works) = true;
    if (!before) {
        stage.note("work.began", run->id.value);
        stage.judge.work_began(run->id, stage.moment());
    }
}

void Fleet::end_work(SimResource& r) {
    SimRun* run = r.newest();
    if (run == nullptr || !r.works()) {
        return;
    }
    no_work(r);
}

void Fleet::no_work(SimResource& r) {
    settle_cpu(r);
    if (!r.works()) {
        return;
    }
    r.kernel_works = false;
    r.process_works = false;
    r.worked_until = stage.clock.now();
    stage.note("work.ended", r.newest()->id.value);
    stage.judge.work_ended(r.newest()->id, stage.moment());
}

namespace {

const std::string steps = "out/step";

void keep_steps(SimResource& r, std::ptrdiff_t kept) {
    const auto is_step = [](const auto& file) { return file.first.starts_with(steps); };
    std::ptrdiff_t over = std::ranges::count_if(r.files, is_step) - kept;
    for (; over > 0; --over) {
        // Of two the older one.
        r.files.erase(std::ranges::min_element(
            r.files, {}, [&](const auto& file) { return std::pair{!is_step(file), file.second.version}; }));
    }
}

}  // namespace

void Fleet::touch_files(SimResource& r, std::int64_t count) {
    SimRun* run = r.newest();
    if (run == nullptr || !run->bills()) {
        return;
    }
    for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t which = dice_.between(0, 11);
        const std::string path = which < 3   ? "notes" + std::to_string(which) + ".ipynb"
                                 : which < 6 ? "data/part" + std::to_string(which) + ".csv"
                                             : "out/model" + std::to_string(which) + ".bin";
        if (which == 11 && r.files.size() > 4) {
            r.files.erase(
                std::next(r.files.begin(), static_cast<std::ptrdiff_t>(dice_.below(r.files.size()))));
            continue;
        }
        ++versions_;
        // A training that keeps its newest steps, each in a file of its own.
        const bool step = which == 10 && versions_ % 2 == 0;
        if (step) {
            keep_steps(r, 2);
        }
        r.files[step ? steps + std::to_string(versions_) + ".bin" : path] = {
            .version = versions_, .size = 20, .changed = stage.clock.utc()};
    }
    stage.note("files", run->id.value, static_cast<std::int64_t>(versions_));
    stage.judge.files_changed(run->id, true_files(r), stage.moment());
}

void Fleet::wipe_files(SimResource& r) {
    SimRun* run = r.newest();
    if (run == nullptr || !run->bills()) {
        return;
    }
    const std::size_t left = r.files.size() / 4;
    while (r.files.size() > left) {
        r.files.erase(r.files.begin());
    }
    stage.note("files.wiped", run->id.value);
    stage.judge.files_changed(run->id, true_files(r), stage.moment());
}

void Fleet::price_change(const std::string& machine_type, Money per_hour, bool announced) {
    const WallTime now = stage.clock.utc();
    const Money before = rates[machine_type];
    for (auto& [id, r] : resources) {
        for (SimRun& run : r->runs) {
            if (run.machine_type == machine_type && run.bills()) {
                billed_.push_back({r->account, priced_since_[run.id], now, before});
                priced_since_[run.id] = now;
            }
            if (run.machine_type == machine_type && (run.bills() || !announced)) {
                stage.judge.price_changed(run.id, per_hour, announced, stage.moment());
            }
        }
    }
    if (!announced) {
        unannounced_[machine_type].emplace_back(stage.moment(), Money{per_hour.nanos - before.nanos});
    }
    rates[machine_type] = per_hour;
    stage.note("price", machine_type, per_hour.nanos);
    stage.tally.mark("price.changed");
}

bool Fleet::begin_stop(const ResourceId& resource, const RunId& id, Duration teardown) {
    SimRun* target = run(resource, id);
    if (target == nullptr || !target->bills() || target->state == RunState::stopping) {
        return false;
    }
    target->state = RunState::stopping;
    SimResource& r = *find(resource);
    if (target == r.newest()) {
        no_work(r);  // what ran there is over at once
    }
    stage.clock.after(teardown, [this, resource, id] {
        if (SimRun* ending = run(resource, id)) {
            end(*find(resource), *ending, "stop");
        }
    });
    return true;
}

TrueFiles Fleet::true_files(const SimResource& r) const {
    TrueFiles files;
    for (const auto& [path, file] : r.files) {
        files[path] = file.version;
    }
    return files;
}

Money Fleet::month_to_date(const AccountName& account) const {
    const WallTime now = stage.clock.utc();
    const WallTime month = utc_month_begin(now);
    Money sum;
    const auto add = [&](WallTime from, WallTime to, Money per_hour) {
        if (to > month) {
            sum += cost_of({per_hour}, to - std::max(from, month)).value_or(Money{});
        }
    };
    for (const Segment& s : billed_) {
        if (s.account == account) {
            add(s.from, s.to, s.per_hour);
        }
    }
    const auto all = of_account.find(account);
    if (all != of_account.end()) {
        for (const SimResource* r : all->second) {
            for (const SimRun& run : r->runs) {
                if (run.bills()) {
                    add(priced_since_.at(run.id), now, rate_of(run.machine_type));
                }
            }
        }
    }
    return sum;
}

std::int64_t Fleet::instance_ms() const {
    std::int64_t ms = ended_ms_;
    for (const auto& [id, r] : resources) {
        for (const SimRun& run : r->runs) {
            ms += run.bills() ? (stage.clock.utc() - run.started).count() : 0;
        }
    }
    return ms;
}

Run Fleet::shown(const SimResource& r, const SimRun& run) const {
    Run out;
    out.id = run.id;
    out.state = run.state;
    out.state_text = run.state == RunState::running       ? "Running"
                     : run.state == RunState::stopping    ? "Stopping"
                     : run.state == RunState::provisioned ? "Provisioned"
                                                          : "Cancelled";
    out.machine_type = run.machine_type;
    out.started_at = run.started;
    out.ended_at = run.ended;
    if (run.state == RunState::running) {
        out.address = r.name + ".example";
        out.token = Secret{"token-of-" + run.id.value};
    }
    return out;
}

}  // namespace curfew::simulation
