#include "simulation/judge.hpp"

#include "simulation/judge_model.hpp"

#include <algorithm>
#include <utility>

namespace curfew::simulation {

namespace {

constexpr Duration look_longest = minutes{3};
constexpr Duration configs_kept = hours{24 * 60};

bool second_signal(Signal source) {
    return source == Signal::processes || source == Signal::gpu || source == Signal::metrics;
}

Duration gap_of(const Judge::Model& model, const AccountName& account);

}  // namespace

// ---- small second implementations ---------------------------------------------------------------------

std::string words(Duration d) {
    return std::to_string(d.count() / 1000) + "." + std::to_string(d.count() % 1000 / 100) + " s";
}

bool own_glob(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) {
        return text.empty();
    }
    if (pattern.front() == '*') {
        for (std::size_t skip = 0; skip <= text.size(); ++skip) {
            if (own_glob(pattern.substr(1), text.substr(skip))) {
                return true;
            }
        }
        return false;
    }
    return !text.empty() && (pattern.front() == '?' || pattern.front() == text.front()) &&
           own_glob(pattern.substr(1), text.substr(1));
}

bool own_match(const Match& match, const ResourceRow& resource, const std::string& machine_type) {
    const auto fits = [](const std::vector<std::string>& globs, const std::string& text) {
        return globs.empty() ||
               std::ranges::any_of(globs, [&](const std::string& glob) { return own_glob(glob, text); });
    };
    const bool kind = match.kinds.empty() ||
                      std::ranges::find(match.kinds, resource.kind) != match.kinds.end();
    // Tags are not stored with a resource: what asks for some is taken to match.
    return fits(match.names, resource.name) && fits(match.machine_types, machine_type) &&
           fits(match.accounts, resource.account.value) && fits(match.projects, resource.project) &&
           fits(match.owners, resource.owner) && kind;
}

const Rule* own_rule(const Config& config, const ResourceRow& resource, const std::string& machine_type) {
    for (const Rule& rule : config.rules) {
        if (own_match(rule.match, resource, machine_type)) {
            return &rule;
        }
    }
    return nullptr;
}

/// The first step as configured, or half the limit where the limit is shorter than twice that.
Duration own_ladder_head(const Rule& rule) {
    Duration head{0};
    for (const Duration step : rule.ladder) {
        head = std::max(head, step);
    }
    return rule.idle_limit < head * 2 ? rule.idle_limit / 2 : head;
}

std::int64_t own_cost(std::int64_t nanos_per_hour, std::int64_t ms) {
    constexpr std::int64_t hour = 3'600'000;
    const Wide product = Wide{nanos_per_hour} * ms;
    Wide whole = product / hour;
    const Wide rest = product % hour;
    if (rest * 2 > hour || (rest * 2 == hour && whole % 2 != 0)) {
        ++whole;
    }
    return static_cast<std::int64_t>(whole);
}

Wide own_bill(const RunTruth& run, WallTime from, WallTime to) {
    Wide sum = 0;
    for (std::size_t i = 0; i < run.prices.size(); ++i) {
        const WallTime begins = std::max(run.prices[i].first, from);
        const WallTime ends = i + 1 < run.prices.size() ? std::min(run.prices[i + 1].first, to) : to;
        if (begins < ends) {
            sum += Wide{run.prices[i].second.nanos} * (ends - begins).count();
        }
    }
    return sum;
}

Verdict verdict_of(const OwnLook& look, const RunTruth& truth, bool machine) {
    const auto said = [&](Signal source) -> std::optional<Verdict> {
        const auto found = look.answers.find(source);
        return found == look.answers.end() ? std::nullopt : std::optional{found->second};
    };
    bool second_here = false;
    bool second_known = false;
    for (const auto& [source, verdict] : look.answers) {
        if (verdict == Verdict::active) {
            return Verdict::active;
        }
        second_here = second_here || second_signal(source);
        second_known = second_known || (second_signal(source) && verdict == Verdict::quiet);
    }
    for (const auto& [source, verdict] : look.answers) {
        const bool may_fail = source == Signal::gpu || source == Signal::metrics;
        if (verdict == Verdict::unknown && !may_fail) {
            return Verdict::unknown;
        }
    }
    if (!machine && said(Signal::kernels) != Verdict::quiet) {
        return Verdict::unknown;
    }
    // What a probe saw before lasts to the next one.
    second_known = second_known || newest_is(truth, Signal::processes, Verdict::quiet);
    if (!second_known && (second_here || machine)) {
        return Verdict::unknown;
    }
    return Verdict::quiet;
}

bool own_probes_suffice(const RunTruth& truth, const Rule& rule, Instant now) {
    constexpr int needed = 3;
    constexpr Duration slack = minutes{1};
    return !rule.probe.enabled || (truth.own.probes >= needed && truth.own.first_probe &&
                                   now - *truth.own.first_probe + slack >= own_ladder_head(rule));
}

void absorb(RunTruth& truth, const OwnLook& look, const Rule* rule, Duration gap, bool machine) {
    OwnQuiet& own = truth.own;
    Verdict verdict = verdict_of(look, truth, machine);
    // Nothing but a busy kernel, of which a probe saw nothing: after `stalled_after` of it the run counts as quiet.
    bool only_kernels = verdict == Verdict::active;
    for (const auto& [source, said] : look.answers) {
        only_kernels = only_kernels && (said != Verdict::active || source == Signal::kernels);
    }
    if (only_kernels && newest_is(truth, Signal::processes, Verdict::quiet)) {
        if (own.last_stalled && look.at - *own.last_stalled <= gap) {
            own.stalled += look.at - *own.last_stalled;
        }
        own.last_stalled = look.at;
        if (rule != nullptr && own.stalled + gap >= rule->stalled_after) {
            verdict = Verdict::quiet;
        }
    } else if (only_kernels || verdict == Verdict::unknown) {
        own.last_stalled.reset();
    } else {
        own.stalled = Duration{0};
        own.last_stalled.reset();
    }
    switch (verdict) {
        case Verdict::active:
            own.quiet = Duration{0};
            own.last.reset();
            own.probes = 0;
            own.first_probe.reset();
            break;
        case Verdict::unknown:
            own.last.reset();
            break;
        case Verdict::quiet:
            if (own.last && look.at - *own.last <= gap) {
                own.quiet += look.at - *own.last;
            }
            own.last = look.at;
            const auto probe = look.answers.find(Signal::processes);
            if (probe != look.answers.end() && probe->second == Verdict::quiet) {
                ++own.probes;
                own.first_probe = own.first_probe.value_or(look.at);
            }
            break;
    }
}

// ---- the judge -----------------------------------------------------------------------------------------

Judge::Judge(Tally& tally) : tally_(tally), model_(std::make_unique<Model>()) {}
Judge::~Judge() = default;

void Judge::Model::note_wall(const Moment& at) {
    constexpr Duration worth_noting{200};
    const Duration off = at.wall - at.utc;
    if (wall_off.empty() || std::chrono::abs(off - wall_off.back().second) >= worth_noting) {
        wall_off.emplace_back(at.mono, off);
    }
}

Duration Judge::Model::most_wall_off(Instant from, Instant to) const {
    Duration most{0};
    for (std::size_t i = 0; i < wall_off.size(); ++i) {
        const Instant until = i + 1 < wall_off.size() ? wall_off[i + 1].first : to;
        if (until >= from && wall_off[i].first <= to) {
            most = std::max(most, std::chrono::abs(wall_off[i].second));
        }
    }
    return most;
}

Duration Judge::Model::awake_for(Instant from, Instant to) const {
    Duration awake = to - from;
    for (const auto& [began, ended] : asleep) {
        awake -= std::max(Duration{0}, std::min(ended, to) - std::max(began, from));
    }
    return awake;
}

Duration Judge::Model::most_wall_moved(Instant from, Instant to) const {
    std::optional<Duration> least;
    std::optional<Duration> most;
    for (std::size_t i = 0; i < wall_off.size(); ++i) {
        const Instant until = i + 1 < wall_off.size() ? wall_off[i + 1].first : to;
        if (until >= from && wall_off[i].first <= to) {
            least = std::min(least.value_or(wall_off[i].second), wall_off[i].second);
            most = std::max(most.value_or(wall_off[i].second), wall_off[i].second);
        }
    }
    return least ? *most - *least : Duration{0};
}

void Judge::violated(std::string invariant, Moment at, std::string text) {
    constexpr std::size_t most = 200;  // the first ones tell; a broken variant must not fill the memory
    tally_.mark("violation." + invariant);
    if (violations_.size() < most) {
        violations_.push_back({.invariant = std::move(invariant), .at = at, .text = std::move(text)});
    }
}

namespace {

Duration gap_of(const Judge::Model& model, const AccountName& account) {
    Duration poll = minutes{1};
    // The longest poll of the last configurations: a change takes effect with the next look.
    for (std::size_t i = 0; i < std::min<std::size_t>(2, model.configs.size()); ++i) {
        for (const AccountConfig& each : model.configs[model.configs.size() - 1 - i].second->accounts) {
            poll = each.name == account ? std::max(poll, each.poll_interval) : poll;
        }
    }
    return poll * 3;
}

}  // namespace

void Judge::finish_look(RunTruth& truth) {
    Model& model = *model_;
    if (!truth.look) {
        return;
    }
    OwnLook look = *std::exchange(truth.look, std::nullopt);
    // Two looks at once (a poll and a fence) hear the guest once each, and each knows what the other heard.
    const auto kernels = truth.newest.find(Signal::kernels);
    if (kernels != truth.newest.end() && model.awake_for(kernels->second.second, look.at) <= look_longest) {
        look.answers.insert({Signal::kernels, kernels->second.first});
    }
    if (look.answers.contains(Signal::processes)) {
        // One of the two may not have heard the kernels, and be back first: the other's probe counts, once.
        const auto heard = std::exchange(truth.kernels_quiet, std::nullopt);
        const auto said = look.answers.find(Signal::kernels);
        if (heard && model.awake_for(*heard, look.at) <= look_longest && said != look.answers.end() &&
            said->second == Verdict::unknown) {
            said->second = Verdict::quiet;
        }
    }
    const auto resource = model.resources.find(truth.run.resource);
    const Config* config = model.config();
    const Rule* rule = config != nullptr && resource != model.resources.end()
                           ? own_rule(*config, resource->second, truth.run.machine_type)
                           : nullptr;
    const bool machine = resource != model.resources.end() && resource->second.kind == ResourceKind::machine;
    note_dark(truth, look);
    absorb(truth, look, rule, gap_of(model, truth.run.account), machine);
}

void Judge::run_began(const TrueRun& run, Moment at) {
    RunTruth& truth = model_->runs[run.run];
    truth.run = run;
    truth.began = at;
    truth.prices.emplace_back(at.utc, run.per_hour);
    tally_.mark("run");
}

void Judge::run_ended(const RunId& run, const std::string& by, Moment at) {
    RunTruth& truth = model_->runs[run];
    truth.ended = at;
    truth.ended_by = by;
    truth.work_since.reset();
    tally_.mark("run.ended_by_" + by);
}

void Judge::price_changed(const RunId& run, Money per_hour, bool announced, Moment at) {
    RunTruth& truth = model_->runs[run];
    if (!announced) {
        truth.unannounced.emplace_back(at, Money{per_hour.nanos - truth.prices.back().second.nanos});
    }
    if (!truth.ended) {
        truth.prices.emplace_back(at.utc, per_hour);
    }
}

void Judge::moved(const RunId& run, Money per_hour, Moment at) {
    RunTruth& truth = model_->runs[run];
    truth.moved.emplace_back(at, Money{per_hour.nanos - truth.prices.back().second.nanos});
    truth.prices.emplace_back(at.utc, per_hour);
}

void Judge::began_at_unheard_price(const RunId& run, Money more, Moment changed) {
    model_->runs[run].unannounced.emplace_back(changed, more);
}

void Judge::work_began(const RunId& run, Moment at) {
    model_->runs[run].work_since = at;
}

void Judge::work_ended(const RunId& run, Moment) {
    model_->runs[run].work_since.reset();
}

void Judge::answered(const RunId& run, Signal source, Verdict verdict, Moment at) {
    RunTruth& truth = model_->runs[run];
    if (truth.ended) {
        return;  // that is no look at it: a stop may be on its way for what was seen before
    }
    // Whose time to answer is over now was asked before: who has answered in this moment was asked later.
    const auto newest = truth.newest.find(source);
    if (verdict == Verdict::unknown && newest != truth.newest.end() && newest->second.second == at.mono &&
        newest->second.first != Verdict::unknown) {
        return;
    }
    // The probe comes last: what is heard of the kernels after it is of another look.
    const bool other = truth.look &&
                       (truth.look->answers.contains(source) ||
                        (source == Signal::kernels && truth.look->answers.contains(Signal::processes)) ||
                        model_->awake_for(truth.look->begun, at.mono) > look_longest);
    if (other) {
        finish_look(truth);
    }
    if (!truth.look) {
        truth.look = OwnLook{.begun = at.mono, .at = at.mono, .answers = {}};
    }
    truth.look->at = at.mono;
    truth.look->answers[source] = verdict;
    truth.work_seen_since = truth.work_seen_since || verdict == Verdict::active;
    truth.newest[source] = {verdict, at.mono};
    if (source == Signal::kernels && verdict != Verdict::unknown) {
        truth.kernels_quiet = verdict == Verdict::quiet ? std::optional{at.mono} : std::nullopt;
    }
    truth.probed = truth.probed || source == Signal::processes;
}

void Judge::files_changed(const RunId& run, const TrueFiles& files, Moment at) {
    RunTruth& truth = model_->runs[run];
    truth.files_past.emplace_back(std::exchange(truth.files, files), at.mono);
    while (at.mono - truth.files_past.front().second > knowledge_lag) {
        truth.files_past.pop_front();
    }
}

void Judge::listed(const AccountName& account, Moment at, const std::vector<RunId>& shown) {
    model_->listed[account].push_back(at);
    model_->shown[account].insert(shown.begin(), shown.end());
    for (const RunId& run : shown) {
        if (const auto truth = model_->runs.find(run); truth != model_->runs.end()) {
            truth->second.listed_at = at.mono;
        }
    }
    model_->failing.erase(account);  // also where a full disk keeps it from being written down
    model_->note_wall(at);
}

void Judge::looked_up(const RunId& run, bool on, Moment at) {
    constexpr std::size_t kept = 64;
    auto& all = model_->runs[run].looked_up;
    all.emplace_back(at.mono, on);
    if (all.size() > kept) {
        all.pop_front();
    }
}

void Judge::reports_ends(const AccountName& account) {
    model_->reporting.insert(account);
}

void Judge::shown_on(const RunId& run, WallTime date) {
    WallTime& newest = model_->shown_on[run];
    newest = std::max(newest, date);
}

void Judge::end_asked(const RunId& run, bool told) {
    bool& heard = model_->asked_ends[run];
    heard = heard || told;
}

void Judge::published(const Receipt& receipt, const TrueFiles& held, Moment at) {
    judge_pack(receipt, held, at);
}

void Judge::config_in_force(std::shared_ptr<const Config> config, Moment at) {
    Model& m = *model_;
    const Config* before = m.config();
    // Neither a limit that became shorter nor an absence stops anything sooner than one full ladder from now.
    for (auto& [id, truth] : m.runs) {
        const auto resource = m.resources.find(truth.run.resource);
        const bool absent = std::exchange(truth.absent, false);
        if (truth.ended || resource == m.resources.end()) {
            continue;
        }
        finish_look(truth);
        const Rule* was = before != nullptr ? own_rule(*before, resource->second, truth.run.machine_type)
                                            : nullptr;
        const Rule* is = own_rule(*config, resource->second, truth.run.machine_type);
        if (is != nullptr && (absent || was == nullptr || is->idle_limit < was->idle_limit)) {
            truth.own.quiet = std::min(truth.own.quiet,
                                       std::max(Duration{0}, is->idle_limit - own_ladder_head(*is)));
        }
    }
    m.configs.emplace_back(at.mono, std::move(config));
    while (m.configs.size() > 2 && at.mono - m.configs.front().first > configs_kept) {
        m.configs.pop_front();
    }
    tally_.mark("config");
}

void Judge::config_read(bool whole) {
    model_->config_refused = !whole;
}

void Judge::clock_stepped(Duration by, Moment at) {
    Model& m = *model_;
    m.note_wall(at);
    const bool awake = m.awake_since && at.mono - *m.awake_since > minutes{10};
    const bool alone = m.steps.empty();
    m.steps.clear();  // several at once may come to nothing
    if (awake && alone && std::chrono::abs(by) > seconds{10} && (m.down.empty() || m.down.back().second)) {
        m.steps.emplace_back(at.mono, by);
    }
    tally_.mark("clock.step");
}

void Judge::suspended(Duration length, Moment at) {
    model_->asleep.emplace_back(at.mono, at.mono + length);
    note_awake({.mono = at.mono + length, .utc = at.utc, .wall = at.wall});
    tally_.mark("suspend");
}

void Judge::crashed(Moment at) {
    Model& m = *model_;
    for (auto& [id, truth] : m.runs) {
        if (truth.durable_own) {
            std::tie(truth.own, truth.look) = *truth.durable_own;
        }
    }
    m.down.emplace_back(at.mono, std::nullopt);
    note_awake(at);
    m.awake_since.reset();
    m.shown.clear();
    m.asked_ends.clear();
    for (auto& [key, parcel] : m.parcels) {
        if (std::exchange(parcel.in_flight, false)) {
            ++parcel.uncertain;  // taken, and nobody who lives on knows it
        }
    }
    tally_.mark("crash");
}

void Judge::booted(Moment at) {
    Model& m = *model_;
    if (!m.down.empty() && !m.down.back().second) {
        m.down.back().second = at.mono;
        m.asleep.emplace_back(m.down.back().first, at.mono);
    }
    note_awake(at);
    m.unheard.clear();
    for (const auto& [id, silence] : m.silences) {
        note_silence(silence.row, at);
    }
    // What was not looked at for longer than a gap restarts low enough for a whole ladder, of the configuration that
    // is read now; a shorter silence is bridged as between any two looks.
    for (auto& [id, truth] : m.runs) {
        if (truth.ended) {
            continue;
        }
        finish_look(truth);
        const Duration gap = gap_of(m, truth.run.account);
        const bool unbroken = truth.own.last && at.mono - *truth.own.last <= gap;
        if (!unbroken) {
            truth.own.last.reset();
            truth.absent = true;
            // The whole ladder is given again.
            if (const auto live = m.live.find(id); live != m.live.end()) {
                m.quiet_when_due.erase(live->second);
            }
        }
        // Probes before it are forgotten, and so is how long a kernel has been stalled.
        truth.own.probes = 0;
        truth.own.first_probe.reset();
        truth.own.stalled = Duration{0};
        truth.own.last_stalled.reset();
    }
    tally_.mark("boot");
}

void Judge::calm(Moment at) {
    model_->calm_since = at.mono;
}

void Judge::stop_sent(StopMethod method, const RunId& meant, Moment at) {
    finish_look(model_->runs[meant]);
    judge_call(method, meant, at);
}

void Judge::stop_called(StopMethod method, const RunId& meant, const std::optional<RunId>& reached,
                        bool ended, Moment at) {
    tally_.mark(std::string{"stop.call."} + (method == StopMethod::provider ? "provider" : "guest"));
    if (reached && *reached != meant) {
        violated("I4", at,
                 "a stop of " + meant.value + " reached " + reached->value + (ended ? " and ended it" : ""));
    }
    RunTruth& truth = model_->runs[meant];
    if (!truth.calls.empty() && at.mono - truth.calls.back() < seconds{60}) {
        violated("I4", at,
                 "two stop calls of " + meant.value + " within " + words(at.mono - truth.calls.back()));
    }
    truth.calls.push_back(at.mono);
}

void Judge::ended(const End& end, Moment at) {
    for (auto& [id, truth] : model_->runs) {
        finish_look(truth);
    }
    judge_ledger(end, at);
    judge_outbox(end, at);
    judge_failover(end, at);
    judge_alerts_left(end, at);
    judge_calm(end, at);
}

}  // namespace curfew::simulation
