#include "curfew/core/activity.hpp"

#include <algorithm>
#include <array>

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

Judgement combine(std::span<const Observation> observations, Instant now) {
    const auto seen = newest_of_each(observations, now);
    Judgement judgement;

    const Seen& kernels = at(seen, Signal::kernels);
    const std::array second{&at(seen, Signal::processes), &at(seen, Signal::gpu), &at(seen, Signal::metrics)};
    const auto known = [](const Seen* s) { return s->present && s->verdict != Verdict::unknown; };
    const bool second_known = std::ranges::any_of(second, known);
    const bool second_present = std::ranges::any_of(second, [](const Seen* s) { return s->present; });
    if (known(&kernels)) {
        judgement.coverage = second_known ? Coverage::full : Coverage::partial;
    }

    for (const Seen& s : seen) {
        if (!s.present || s.verdict != Verdict::active) {
            continue;
        }
        if (s.from->strength == Strength::strong) {
            judgement.verdict = Verdict::active;
            judgement.step = words(s);
            return judgement;
        }
        judgement.weak_activity = true;
    }
    // A strong source that was asked and could not say may be hiding work.
    for (const Seen& s : seen) {
        const bool stands_in = s.present && second_known && std::ranges::find(second, &s) != second.end();
        if (s.present && s.verdict == Verdict::unknown && s.from->strength == Strength::strong &&
            !stands_in) {
            judgement.step = words(s) + " (unknown is never quiet)";
            return judgement;
        }
    }
    if (!kernels.present) {
        judgement.step = "kernels: not seen";
        return judgement;
    }
    if (second_present && !second_known) {
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
            return {};
        case Verdict::unknown:
            clock.last_quiet_at.reset();
            return clock;
        case Verdict::quiet:
            break;
    }
    if (clock.last_quiet_at && at - *clock.last_quiet_at <= max_gap) {
        clock.quiet += at - *clock.last_quiet_at;
    }
    clock.last_quiet_at = at;
    return clock;
}

QuietClock resume(QuietClock clock, Instant now, bool same_boot, Duration max_gap, Duration limit,
                  Duration ladder_head) {
    const bool unbroken = same_boot && clock.last_quiet_at && now >= *clock.last_quiet_at &&
                          now - *clock.last_quiet_at <= max_gap;
    if (unbroken) {
        return clock;
    }
    clock.last_quiet_at.reset();
    const Duration ceiling = std::max(Duration{0}, limit - ladder_head);
    clock.quiet = std::min(clock.quiet, ceiling);
    return clock;
}

}  // namespace curfew
