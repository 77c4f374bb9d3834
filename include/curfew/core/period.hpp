// The stretches of time that a budget's amount is for. Every period is half-open, belongs to the calendar of
// its zone, and has an identity as text, so that a reset needs no job: another id is another period.
//
//   hour     2026-11-26T14@Europe/Rome     month    2026-11@Europe/Rome     fixed    fixed:FROM/UNTIL (RFC 3339)
//   day      2026-11-26@Europe/Rome        quarter  2026-Q4@Europe/Rome     rolling  rolling:7d
//   week     2026-W48@Europe/Rome          year     2026@Europe/Rome        run      run:ID         total    total
//
// A month, quarter or year that begins on another day than the 1st says so ("2026-11/15@…"), and so does a
// week that does not begin on Monday ("2026-W48/7@…"): two cuts of the calendar never share an id.
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace curfew {

enum class PeriodKind : std::uint8_t { hour, day, week, month, quarter, year, fixed, rolling, run, total };
std::string_view to_string(PeriodKind kind);
std::optional<PeriodKind> period_kind_from(std::string_view word);

struct PeriodSpec {
    PeriodKind kind = PeriodKind::month;
    /// 1 … 31: the day of the month on which months, quarters and years begin; in a shorter month its last.
    int anchor = 1;
    int week_start = 1;  // ISO: 1 = Monday … 7 = Sunday
    WallTime from;       // of fixed
    WallTime until;
    Duration length{0};  // of rolling, whole hours
    bool operator==(const PeriodSpec&) const = default;
};

/// The period that `t` lies in; of fixed the one there is, whether `t` lies in it or not. A local time that a
/// clock change leaves out begins at the first instant after the gap; an hour that comes twice is one period.
/// A rolling one reaches back `length` from the full hour (UTC) and to the end of this hour. Of `run` it is
/// without limits and nameless: see `period_of`.
Period period_at(const PeriodSpec& spec, WallTime t, const Zone& zone);
Period period_of(const RunId& run);

/// Does it end and begin anew, so that what is left of it can be looked ahead?
constexpr bool has_end(PeriodKind kind) {
    return kind != PeriodKind::rolling && kind != PeriodKind::run && kind != PeriodKind::total;
}

}  // namespace curfew
