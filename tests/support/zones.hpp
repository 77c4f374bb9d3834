// Zones with real clock changes (three with all of 2025 to 2027), written down from the tz database, so that
// neither the machine's zone files nor their parser decide what is right.
#pragma once

#include "curfew/core/time.hpp"

#include <string_view>
#include <vector>

namespace curfew::test {

inline WallTime utc(std::string_view text) {
    return parse_wall_time(text).value();
}

/// "2026-03-29T02:30:00Z" read as a local time.
inline WallTime local(const Zone& zone, std::string_view text) {
    return zone.from_local(utc(text).ms);
}

inline Zone::Transition change(std::string_view at, int offset_minutes) {
    return {utc(at), minutes{offset_minutes}};
}

inline const Zone rome{"Europe/Rome",
                       minutes{60},
                       {change("2025-03-30T01:00:00Z", 120), change("2025-10-26T01:00:00Z", 60),
                        change("2026-03-29T01:00:00Z", 120), change("2026-10-25T01:00:00Z", 60),
                        change("2027-03-28T01:00:00Z", 120), change("2027-10-31T01:00:00Z", 60)}};
inline const Zone new_york{"America/New_York",
                           minutes{-300},
                           {change("2025-03-09T07:00:00Z", -240), change("2025-11-02T06:00:00Z", -300),
                            change("2026-03-08T07:00:00Z", -240), change("2026-11-01T06:00:00Z", -300),
                            change("2027-03-14T07:00:00Z", -240), change("2027-11-07T06:00:00Z", -300)}};
inline const Zone lord_howe{"Australia/Lord_Howe",
                            minutes{660},
                            {change("2025-04-05T15:00:00Z", 630), change("2025-10-04T15:30:00Z", 660),
                             change("2026-04-04T15:00:00Z", 630), change("2026-10-03T15:30:00Z", 660),
                             change("2027-04-03T15:00:00Z", 630), change("2027-10-02T15:30:00Z", 660)}};

// Set back at one minute past midnight, into the day and the month before.
inline const Zone st_johns{"America/St_Johns",
                           minutes{-210},
                           {change("2009-03-08T03:31:00Z", -150), change("2009-11-01T02:31:00Z", -210)}};
// A whole day, 30 December 2011, did not exist.
inline const Zone apia{"Pacific/Apia", minutes{-600}, {change("2011-12-30T10:00:00Z", 840)}};

}  // namespace curfew::test
