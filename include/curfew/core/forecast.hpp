// What a period will have cost at its end, and an alarm when money burns unusually fast (design § 4.4).
// Both are answers of "about": a forecast gives a range, never one figure, and says so when there is not
// enough to say anything.
#pragma once

#include "curfew/core/error.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace curfew {

/// Older days say nothing any more.
constexpr int forecast_days_max = 56;
/// Fewer whole days are not enough to say anything.
constexpr int forecast_days_min = 7;

/// What compute cost on one local day that was watched from beginning to end. A day without cost is a row
/// of 0; a day that was not watched whole has no row, since unknown is not 0.
struct DaySpend {
    Date day;
    Money spent;
};

/// Something that costs by the hour now.
struct RunningCost {
    Money per_hour;
    Duration age{0};                  // since its start
    std::optional<Duration> ends_in;  // from now, where a rule or a person ends it; absent: nobody knows
};

struct ForecastInput {
    Period period;
    Zone zone;  // of the days of `history`
    WallTime now;
    Money accrued;         // in the period up to now, of everything in scope
    Money fixed_per_hour;  // storage, addresses: what costs on whatever happens
    std::vector<RunningCost> running;
    std::vector<DaySpend> history;  // in any order; today and later days are passed over
};

/// One in ten ends below p10, one in ten above p90, as far as the past repeats itself.
/// accrued <= committed <= p10 <= p50 <= p90, and none of the three is negative.
struct ForecastRange {
    Money p10;
    Money p50;
    Money p90;
    bool operator==(const ForecastRange&) const = default;
};

struct Forecast {
    Money accrued;
    /// Accrued, what costs on until the end, and what runs until its end where that is known. Needs no history.
    Money committed;
    std::optional<ForecastRange> expected;  // absent: `insufficient` says why
    std::string insufficient;
    int sample = 0;      // days of history that were used
    std::string method;  // in words
};

/// The same input gives the same answer: instead of chance, every combination is weighed of
/// - each week of the last 56 days, repeated by its weekdays to the end of the period (a day that is not known
///   costs the mean of its kind: Monday to Friday, or weekend);
/// - with half the weight as it was, with half grown by what one week grew over the up to four before it, at
///   most halved or doubled;
/// - where something runs whose end nobody knows, ten lengths for it: from 1/19 to 19 times its age, half of
///   them beyond its age.
/// Where at least the last four days all lie beyond three quarters of those of their kind before, something has
/// changed: these days, repeated, get three quarters of the weight.
/// A day costs what history says or what runs on it, whichever is more: history holds the like of what runs,
/// so the sum of both would count it twice.
/// Errors: invalid (a period that ends before it begins or in more than ten years, a cost per hour that is
/// negative or above a million, two currencies), too_large (p90 is beyond 9.2 billion).
Result<Forecast> forecast(const ForecastInput& in);

/// When is burning fast unusual?
struct BurnRule {
    std::int64_t factor_percent = 300;  // of the usual cost per hour; 300 = three times
    Duration lasting = minutes{30};     // observed above it, added up on the monotonic clock (I14)
};

/// Hours with cost that must be known before anything is usual.
constexpr int usual_hours_min = 24;
/// The median of the cost of past hours, those at 0 not counted; of an even number the lower middle.
/// Absent: fewer than 24 such hours, or two currencies. Callers hand in the last seven days.
std::optional<Money> usual_per_hour(std::span<const Money> hourly);

/// The alarm of one account or budget, as far as it has got. It fires once above the line (factor × usual) and
/// clears below nine tenths of it. After a restart of the host `seen` has no meaning and is left out.
struct BurnWatch {
    Duration above{0};            // observed above the line since the last look below it
    std::optional<Instant> seen;  // the last look that could tell …
    bool over = false;            // … and whether it was above
    bool firing = false;
    std::optional<Money> line;  // the newest that was known
    bool operator==(const BurnWatch&) const = default;
};

struct BurnLook {
    std::optional<Money> per_hour;  // what runs costs now; absent: not known
    std::optional<Money> usual;     // absent: too little is known
    Instant at;
    Duration max_gap{0};  // looks further apart add nothing
};

enum class BurnEvent : std::uint8_t { none, fired, cleared };

struct BurnStep {
    BurnWatch next;
    BurnEvent event = BurnEvent::none;
};
/// A look that could not tell changes nothing: it neither fires nor clears. Without a usual cost nothing fires;
/// what fires already is then judged by the last line that was known.
BurnStep advance(const BurnRule& rule, const BurnWatch& watch, const BurnLook& look);

}  // namespace curfew
