// Amounts for a scope and a period, with thresholds that fire once per period (design § 4.4).
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/ledger.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/period.hpp"
#include "curfew/core/rule.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

/// In rising order of force.
enum class ThresholdAction : std::uint8_t {
    notify,
    warn,
    stop,      // warned, packed, stopped
    stop_now,  // likewise, with a short notice, and without a whole pack when that takes too long
};
std::string_view to_string(ThresholdAction action);
constexpr bool stops(ThresholdAction action) {
    return action >= ThresholdAction::stop;
}

/// Which figure a threshold is held against.
enum class Basis : std::uint8_t {
    accrued,   // by our own meter
    reported,  // by the provider
    max,       // the larger of the two; ours where the provider reports nothing
    forecast,  // what the period is likely to end at
};
std::string_view to_string(Basis basis);

/// Exactly one of `percent`, `amount` and `runway` is given.
struct Threshold {
    std::optional<std::int64_t> percent;  // of the amount, 1 … 1000
    ThresholdAction action = ThresholdAction::notify;
    std::optional<Money> amount = std::nullopt;
    std::optional<Duration> runway = std::nullopt;  // reached when what is left lasts for less
    Basis basis = Basis::accrued;
    Duration pack_within = minutes{10};  // of stop_now: how long a pack may take before the stop goes on

    /// "80 %", "$20.00" or "a runway of 2h", with the basis unless it is our own meter.
    std::string words() const;
    /// What stays the same when the budget's amount is changed.
    std::string stem() const;
    /// Tells it from the budget's others, also over a restart, and from itself under another amount.
    std::string key(Money of_budget) const;
    /// Its figure; of a runway the budget's amount.
    Money at(Money of_budget) const;
    bool operator==(const Threshold&) const = default;
};

struct Budget {
    BudgetName name;
    Money amount;
    Zone zone;  // of its calendar
    PeriodSpec period = {};
    Match scope;                        // empty = everything
    std::vector<Threshold> thresholds;  // as written
    Mode mode = Mode::observe;
    bool reserve_storage = false;  // what storage costs for the rest of the period is not free to be spent
    std::string origin = {};       // where it stands: "/etc/curfew/curfew.toml:14:1", or who set it
    /// Has it a threshold that stops? Then it is hard: a keep may not break it.
    bool hard() const;
};

/// What a budget's scope costs now.
struct BudgetSpend {
    Money spent;                         // accrued in the period, own meter: a lower bound when not complete
    Money burn_per_hour;                 // of what runs now
    bool seen = true;                    // false: something could not be looked at, or is not summed up yet
    bool priced = true;                  // false: something is unpriced, and counts as nothing
    Money reserve = {};                  // for storage until the period ends
    std::optional<Money> reported = {};  // by the provider, for the period
    std::optional<Money> forecast = {};  // of the whole period; absent while there is too little to say
    bool complete() const { return seen && priced; }
};

/// How long a stop takes to take effect, piece by piece: a poll sees that it is time, the notice passes, the
/// work is packed, the provider stops.
struct Lead {
    Duration poll = minutes{1};
    Duration notice = minutes{10};
    Duration pack = minutes{10};
    Duration stop = minutes{6};
    bool operator==(const Lead&) const = default;
    Duration whole() const { return poll + notice + pack + stop; }
    /// Of a threshold that stops: stop_now waits for less.
    Duration of(const Threshold& threshold) const;
};
/// The notice before a stop_now, at most.
constexpr Duration stop_now_notice = minutes{1};
/// Pack and stop are the 95th percentile (nearest rank) of what was measured; with fewer than 5 of a kind, the
/// 10 and 6 minutes that Lead begins with.
Lead lead_of(std::span<const Duration> packs, std::span<const Duration> stops, Duration poll,
             Duration notice);

/// A threshold that is reached and has not fired in this period.
struct ThresholdCrossing {
    Threshold threshold;
    Money at;            // its amount
    std::string period;  // id
};

/// Is it reached? A `stop` threshold of our own meter or the provider's is reached early: what is reserved and
/// what is spent until a stop begun now has taken effect count as spent. Without the figure of its basis
/// nothing is reached.
bool reached(const Budget& budget, const Threshold& threshold, const BudgetSpend& spend, const Lead& lead);

/// `fired` holds the keys of thresholds that fired in `period` already.
/// Missing data never clears anything: what fired stays fired.
std::vector<ThresholdCrossing> crossings(const Budget& budget, const Period& period, const BudgetSpend& spend,
                                         const Lead& lead, std::span<const std::string> fired);

/// The threshold that makes the budget stop things now: of those that stop and have fired, the most forceful.
/// nullptr when it is not exhausted.
const Threshold* exhausting(const Budget& budget, std::span<const std::string> fired);

/// What is left of a budget, the reserve taken off; negative when exceeded.
Money left_of(const Budget& budget, const BudgetSpend& spend);
/// What is left until the first threshold in money that stops; of the whole amount where there is none.
Money left_until_stop(const Budget& budget, const BudgetSpend& spend);
/// How long it lasts; nullopt when nothing burns, or for longer than ten years.
std::optional<Duration> lasts(Money left, Money burn_per_hour);

/// What of a row falls into a period: by time, rounded once. Rows are cut at full hours of UTC, and periods of
/// some zones are not.
Money part_of(const CostRow& row, const Period& period);

/// What became of a budget's thresholds in one period, as it is stored: one row of text for every firing, and
/// one for every time that a threshold was armed again. Rows are only ever added.
class FiredLog {
public:
    /// A stored row.
    void add(std::string_view row);
    /// Fired, and not armed again since.
    bool fired(const std::string& key) const;
    /// Fired or armed under this very key: its state does not follow from another amount's.
    bool knows(const std::string& key) const { return entries_.contains(key); }
    /// Fired, and not armed again, under another amount.
    bool fired_like(const Threshold& threshold) const;
    /// Both answer the row to be stored.
    std::string fire(const std::string& key);
    std::string arm(const std::string& key);
    /// It counts as fired, though nothing is stored, until it is fired or armed, or all such are forgotten.
    void suppose(const std::string& key) { supposed_.insert(key); }
    void forget_supposed() { supposed_.clear(); }
    std::vector<std::string> keys() const;  // that have fired

private:
    struct Entry {
        int fired = 0;   // times
        int armed = -1;  // after so many firings
    };
    std::map<std::string, Entry> entries_;
    std::set<std::string> supposed_;
};

/// Brings the log up to date before thresholds are judged; answers the rows to be stored. A threshold that
/// fired under another amount and is still reached has fired; one that is not reached any more is armed again, as
/// what is priced goes. While that cannot be told, because not all is seen or a figure is missing, it counts as fired.
/// In a rolling period a threshold is armed again once complete data
/// shows less than 90 % of it.
std::vector<std::string> settle(const Budget& budget, const BudgetSpend& spend, const Lead& lead,
                                FiredLog& log);

/// Stop order of a hard budget: quiet ones first (longest quiet first), then the costliest.
struct StopCandidate {
    RunId run;
    bool quiet = false;
    Duration quiet_for{0};
    Money per_hour;
};
void sort_for_stopping(std::vector<StopCandidate>& candidates);

}  // namespace curfew
