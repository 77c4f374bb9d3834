// What could be spent less on, from facts that others gathered over a window of the past (design § 4.4). Advice
// is said only of what was seen: what nobody looked at is never called idle.
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

/// A run on a machine type with GPUs, as far as it lies within the window.
struct GpuLife {
    ResourceId resource;
    std::string name;
    std::string machine_type;
    Rate rate;
    Duration billed{0};
    Duration seen{0};     // of it, with the GPUs watched: each look counts until the next, never across a gap
    bool worked = false;  // any of it was GPU work
};

/// One resource under the idle limit of its rule. Quiet stretches are what the quiet clock counted.
struct IdleHabit {
    ResourceId resource;
    std::string name;
    RuleName rule;
    Duration limit{0};
    Rate rate;
    std::vector<Duration> before_stops;  // billed quiet time before each stop by the rule
    std::vector<Duration> pauses;        // quiet stretches that ended in work
    int other_ends = 0;                  // runs that ended otherwise, at work or by hand
};

struct StorageUse {
    AccountName account;
    std::int64_t over_bytes = 0;  // above the plan, as they are billed
    Money per_month;              // of these
};

/// Something that costs though it does not run: a disk, an address, a machine that is billed while it is off.
struct Parked {
    ResourceId resource;
    std::string name;
    std::string what;  // "disk of 100 GB", for people
    Money per_month;
    Duration age{0};      // since it stopped, or was first seen so
    bool orphan = false;  // belongs to nothing that is there
};

struct AdviceInput {
    Duration window{0};  // that the facts cover, above 0
    std::vector<GpuLife> gpus;
    std::string cpu_type;          // to compare with
    std::optional<Rate> cpu_rate;  // absent: unpriced, nothing is compared
    std::vector<IdleHabit> idle;
    std::vector<StorageUse> storage;
    std::vector<Parked> parked;
};

enum class AdviceKind : std::uint8_t { gpu_without_work, shorter_limit, storage_over_plan, parked, orphan };
std::string_view to_string(AdviceKind kind);

/// What an idle limit would have done within the window.
struct LimitTrial {
    Duration limit{0};
    Money saved;
    int interruptions = 0;  // pauses that lasted as long: work would have been stopped
};

struct Advice {
    AdviceKind kind = AdviceKind::parked;
    std::vector<ResourceId> resources;  // empty: of an account
    AccountName account;                // of storage_over_plan
    std::string text;                   // the story with the money, for people
    std::string how;                    // it was computed
    Money saving;                       // in 30 days, at the pace of the window
    std::vector<LimitTrial> limits;     // of shorter_limit: all that were tried, from long to short
};

/// Shorter lives say nothing.
constexpr Duration gpu_life_min = hours{1};
/// A life is judged when so much of it was seen; the money is that of the part that was seen.
constexpr int gpu_seen_percent = 90;
/// No shorter limit is ever advised, nor one from fewer stops.
constexpr Duration idle_limit_min = minutes{5};
constexpr int idle_stops_min = 3;

/// The largest saving first; at most one entry per resource (and machine type) and kind.
/// - gpu_without_work: lives of at least an hour, nine tenths seen, all of it without GPU work.
/// - shorter_limit: every run that ended in the window was ended by the rule, at least three times. Tried are
///   3/4, 1/2 and 1/4 of the limit; advised is the one that saves most of those that interrupt nothing.
/// - storage_over_plan, parked, orphan: as handed in, where they cost something.
/// Facts in which amounts overflow or currencies mix are left out rather than guessed at. Errc::invalid for a
/// window that is not above 0.
Result<std::vector<Advice>> advise(const AdviceInput& in);

/// Lives of at least an hour without known GPU work of which too little was seen to say that there was none.
int unjudged_gpu_lives(const AdviceInput& in);

}  // namespace curfew
