#include "adapters/clock/real_scheduler.hpp"

#include <date/tz.h>
#include <fmt/format.h>

#include <exception>

namespace curfew::clock {

Result<Zone> load_zone(std::string_view name) {
    using std::chrono::seconds;
    const date::sys_days first = date::year{1970} / 1 / 1;
    const date::sys_days last = date::year{2100} / 1 / 1;
    try {
        const date::time_zone* zone = date::locate_zone(std::string{name});
        Zone data;
        data.name = name;
        date::sys_info info = zone->get_info(date::sys_seconds{first});
        data.first_offset = info.offset;
        while (info.end < date::sys_seconds{last}) {
            const date::sys_seconds at = info.end;
            info = zone->get_info(at);
            data.transitions.push_back({WallTime{at.time_since_epoch().count() * 1000}, info.offset});
        }
        return data;
    } catch (const std::exception&) {
        return fail(Errc::invalid, fmt::format("no such time zone: \"{}\" (write it like Europe/Rome or UTC)",
                                               name.substr(0, 60)));
    }
}

}  // namespace curfew::clock
