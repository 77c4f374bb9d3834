#include "curfew/core/activity.hpp"

#include "curfew/core/mutant.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace curfew {

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::active:
            return "active";
        case Verdict::quiet:
            return "quiet";
        case Verdict::unknown:
            break;
    }
    return "unknown";
}

std::string_view to_string(Strength strength) {
    return strength == Strength::strong ? "strong" : "weak";
}

std::string_view to_string(Coverage coverage) {
    switch (coverage) {
        case Coverage::full:
            return "full";
        case Coverage::partial:
            return "partial";
        case Coverage::none:
            break;
    }
    return "none";
}

std::string_view to_string(Signal signal) {
    switch (signal) {
        case Signal::kernels:
            return "kernels";
        case Signal::terminals:
            return "terminals";
        case Signal::server:
            return "server";
        case Signal::metrics:
            return "metrics";
        case Signal::processes:
            return "processes";
        case Signal::gpu:
            return "gpu";
        case Signal::disk_network:
            return "disk_network";
        case Signal::watched_paths:
            return "watched_paths";
        case Signal::session:
            return "session";
        case Signal::heartbeat:
            break;
    }
    return "heartbeat";
}

Verdict verdict_from(std::string_view word) {
    if (word == "active") {
        return Verdict::active;
    }
    return word == "quiet" ? Verdict::quiet : Verdict::unknown;
}

namespace {

constexpr std::size_t signal_count = static_cast<std::size_t>(Signal::heartbeat) + 1;

/// What the newest observation of one source says now; a stale one says nothing.
struct Seen {
    bool present = false;
    Verdict verdict = Verdict::unknown;
    const Observation* from = nullptr;
};

/// A total order, so that two observations of one source and one instant do not depend on which
/// came first: the one that speaks for activity wins, then the one that does not know.
bool supersedes(const Observation& a, const Observation& b) {
    if (a.at != b.at) {
        return a.at > b.at;
    }
    const auto caution = [](const Observation& o) {
        const int verdict = o.verdict == Verdict::active ? 2 : o.verdict == Verdict::unknown ? 1 : 0;
        return verdict * 2 + (o.strength == Strength::strong ? 1 : 0);
    };
    if (caution(a) != caution(b)) {
        return caution(a) > caution(b);
    }
    if (a.ttl != b.ttl) {
        return a.ttl < b.ttl;
    }
    return a.evidence < b.evidence;
}

std::array<Seen, signal_count> newest_of_each(std::span<const Observation> observations, Instant now) {
    std::array<Seen, signal_count> seen{};
    for (const Observation& o : observations) {
        Seen& slot = seen[static_cast<std::size_t>(o.source)];
        if (slot.from == nullptr || supersedes(o, *slot.from)) {
            slot.from = &o;
        }
    }
    for (Seen& slot : seen) {
        if (slot.from != nullptr) {
            slot.present = true;
            slot.verdict = now - slot.from->at <= slot.from->ttl ? slot.from->verdict : Verdict::unknown;
        }
    }
    return seen;
}

std::string words(const Seen& seen) {
    std::string text{to_string(seen.from->source)};
    text += ": ";
    text += seen.from->evidence.empty() ? std::string{to_string(seen.verdict)} : seen.from->evidence;
    return text;
}

const Seen& at(const std::array<Seen, signal_count>& seen, Signal signal) {
    return seen[static_cast<std::size_t>(signal)];
}

}  // namespace

void take_in(std::vector<Observation>& known, std::vector<Observation> seen, Instant now) {
    // A poll and a last look may ask at once: which of them ends first says nothing of whose word is newer.
    std::erase_if(seen, [&](const Observation& o) {
        return std::ranges::any_of(known,
                                   [&](const Observation& k) { return k.source == o.source && k.at > o.at; });
    });
    const auto has = [&](Signal source) {
        return std::ranges::find(seen, source, &Observation::source) != seen.end();
    };
    const bool cut_short = !has(Signal::terminals) && std::ranges::any_of(seen, [](const Observation& o) {
        return o.source == Signal::kernels && o.verdict == Verdict::active;
    });
    std::erase_if(known, [&](const Observation& old) {
        const bool lapsed = is_probed(old.source) && now - old.at > old.ttl;
        const bool skipped = cut_short && old.source == Signal::terminals;
        return lapsed || skipped || has(old.source);
    });
    std::ranges::move(seen, std::back_inserter(known));
}

Judgement combine(std::span<const Observation> observations, Instant now, ResourceKind kind) {
    const auto seen = newest_of_each(observations, now);
    Judgement judgement;

    const Seen& kernels = at(seen, Signal::kernels);
    const std::array second{&at(seen, Signal::processes), &at(seen, Signal::gpu), &at(seen, Signal::metrics)};
    const auto known = [](const Seen* s) { return s->present && s->verdict != Verdict::unknown; };
    const bool second_known = std::ranges::any_of(second, known);
    const bool second_present = std::ranges::any_of(second, [](const Seen* s) { return s->present; });
    const bool has_kernels = kind == ResourceKind::notebook;
    if (has_kernels ? known(&kernels) : second_known) {
        judgement.coverage = second_known ? Coverage::full : Coverage::partial;
    }

    const Seen* active = nullptr;
    const Seen* unknown = nullptr;
    bool only_second = true;  // is what cannot be seen
    for (const Seen& s : seen) {
        bool strong = s.present && s.from->strength == Strength::strong;
        if (mutant(Mutant::metrics_not_heard)) {
            strong &= &s != &at(seen, Signal::metrics);
        }
        // Of the second signals one is enough; any other strong source that was asked and could not say may
        // be hiding work.
        const bool stands_in = second_known && std::ranges::find(second, &s) != second.end() &&
                               &s != &at(seen, Signal::processes);
        if (strong && s.verdict == Verdict::active) {
            // What else speaks for work is better told than a busy kernel.
            active = active == nullptr || active == &kernels ? &s : active;
        } else if (s.present && s.verdict == Verdict::active) {
            judgement.weak_activity = true;
        } else if (strong && s.verdict == Verdict::unknown && !stands_in) {
            unknown = unknown == nullptr ? &s : unknown;
            only_second = only_second && (&s == &at(seen, Signal::gpu) || &s == &at(seen, Signal::metrics));
        }
    }
    if (active != nullptr) {
        const Seen& processes = at(seen, Signal::processes);
        const Seen& gpu = at(seen, Signal::gpu);
        judgement.verdict = Verdict::active;
        judgement.step = words(*active);
        judgement.only_kernels = active == &kernels;
        // A cell that prints is at work, however little it computes.
        const bool silent = active == &kernels && kernels.from->last_active_at &&
                            kernels.from->wall - *kernels.from->last_active_at >= kernels.from->ttl;
        judgement.kernel_alone = silent && unknown == nullptr && known(&processes) &&
                                 (!gpu.present || known(&gpu));
        return judgement;
    }
    if (unknown != nullptr && !mutant(Mutant::unknown_is_quiet)) {
        judgement.step = words(*unknown) + " (unknown is never quiet)";
        judgement.lacks_probe = only_second && known(&kernels);
        return judgement;
    }
    if (has_kernels && !kernels.present) {
        judgement.step = "kernels: not seen";
        return judgement;
    }
    if (!second_known && (second_present || !has_kernels)) {
        judgement.step = "processes, GPU and metrics: none could be seen";
        return judgement;
    }
    judgement.verdict = Verdict::quiet;
    judgement.step = second_known ? "all required signals are quiet"
                                  : "kernels are quiet; nothing else can be seen (partial coverage)";
    return judgement;
}

QuietClock tick(QuietClock clock, Verdict verdict, Instant at, Duration max_gap) {
    if (clock.last_quiet_at && at <= *clock.last_quiet_at) {
        // Not newer than what was counted; only word of activity may still change anything.
        return verdict == Verdict::active ? QuietClock{} : clock;
    }
    switch (verdict) {
        case Verdict::active:
            return mutant(Mutant::activity_keeps_clock) ? clock : QuietClock{};
        case Verdict::unknown:
            clock.last_quiet_at = mutant(Mutant::unknown_bridged) ? clock.last_quiet_at : std::nullopt;
            return clock;
        case Verdict::quiet:
            break;
    }
    if (clock.last_quiet_at &&
        at - *clock.last_quiet_at <= (mutant(Mutant::gap_bridged) ? hours{24} : max_gap)) {
        clock.quiet += at - *clock.last_quiet_at;
    }
    clock.last_quiet_at = at;
    return clock;
}

QuietClock whole_ladder_ahead(QuietClock clock, Duration limit, Duration ladder_head) {
    clock.last_quiet_at.reset();
    clock.quiet = std::min(clock.quiet, std::max(Duration{0}, limit - ladder_head));
    return clock;
}

QuietClock resume(QuietClock clock, Instant now, bool same_boot, Duration max_gap, Duration limit,
                  Duration ladder_head) {
    const bool unbroken = same_boot && clock.last_quiet_at && now >= *clock.last_quiet_at &&
                          now - *clock.last_quiet_at <= max_gap;
    if (unbroken || mutant(Mutant::quiet_kept_over_gap)) {
        return clock;
    }
    return whole_ladder_ahead(clock, limit, ladder_head);
}

Judgement judge_stall(Judgement judgement, const QuietClock& stall, Duration stalled_after) {
    if (judgement.kernel_alone && stall.quiet >= stalled_after) {
        judgement.stalled = true;
        judgement.verdict = Verdict::quiet;
        judgement.step += ", and nothing has used CPU, GPU, disk or network for " +
                          to_string(std::chrono::floor<seconds>(stall.quiet)) +
                          ": it is stalled (waiting for input, or dead)";
    }
    return judgement;
}

Verdict stall_verdict(const Judgement& judgement) {
    if (judgement.kernel_alone) {
        return Verdict::quiet;
    }
    const bool unclear = judgement.verdict == Verdict::unknown || judgement.only_kernels;
    return unclear ? Verdict::unknown : Verdict::active;
}

namespace {

constexpr int stall_probes = 12;  // in `stalled_after`: so much work cannot hide between two of them
constexpr int polls_between_quiet_looks = 2;
constexpr int polls_between_idle_looks = 10;
constexpr int polls_of_margin = 3;
constexpr int polls_between_failed_probes = 5;

Duration head_of(const LookPolicy& policy) {
    return policy.ladder.empty() ? Duration{0} : policy.ladder.front();
}

int steps_of(const LookPolicy& policy, Duration left) {
    return static_cast<int>(
        std::ranges::count_if(policy.ladder, [&](Duration step) { return left <= step; }));
}

Duration stall_pause(const LookPolicy& policy) {
    return std::max<Duration>(policy.stalled_after / stall_probes, policy.poll);
}

}  // namespace

bool probed_enough(const ProbeState& probes, const LookPolicy& policy, Instant now) {
    return mutant(Mutant::probes_not_counted) || (probes.quiet >= quiet_probes_needed && probes.first_quiet &&
                                                  now - *probes.first_quiet >= head_of(policy));
}

bool probe_due(const ProbeState& probes, const LookPolicy& policy, Duration left, bool busy, Instant now) {
    if (!policy.probes || !probes.possible) {
        return false;
    }
    const Duration since = probes.last ? now - *probes.last : Duration::max();
    if (busy) {
        return since >= stall_pause(policy);
    }
    if (policy.nothing_else && since >= policy.poll * polls_between_quiet_looks) {
        return true;
    }
    if (probes.failed) {
        return since >= policy.poll * polls_between_failed_probes;
    }
    const int step = steps_of(policy, left);
    const bool candidate = step > 0 || left <= Duration{0};
    const bool new_step = step > probes.step || probes.quiet == 0;
    return candidate && (new_step || (left <= Duration{0} && !probed_enough(probes, policy, now)));
}

Duration probe_ttl(const LookPolicy& policy, Duration left, bool busy) {
    Duration next = busy ? stall_pause(policy) : std::max<Duration>(left, Duration{0});
    for (const Duration step : policy.ladder) {
        if (!busy && step < left) {
            next = left - step;
            break;
        }
    }
    const Duration again = policy.poll * (polls_between_failed_probes + polls_of_margin);
    return std::max({observation_ttl(policy.poll), again, next + policy.poll * polls_of_margin});
}

ProbeState probed(ProbeState probes, Verdict verdict, bool whole, int step, Instant now) {
    probes.last = now;
    probes.step = step;
    probes.failed = !whole;
    if (verdict == Verdict::active) {
        probes.quiet = 0;
        probes.first_quiet.reset();
    } else if (verdict == Verdict::quiet && whole) {
        ++probes.quiet;
        probes.first_quiet = probes.first_quiet.value_or(now);
    }
    return probes;
}

Duration look_after(Verdict verdict, Duration left, const LookPolicy& policy, bool has_rule) {
    if (!has_rule) {
        return policy.poll * polls_between_idle_looks;
    }
    const bool far = left > head_of(policy) + policy.poll * polls_of_margin;
    return verdict == Verdict::quiet && far ? policy.poll * polls_between_quiet_looks : policy.poll;
}

}  // namespace curfew
