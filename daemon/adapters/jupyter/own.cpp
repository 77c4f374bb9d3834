#include "adapters/jupyter/own.hpp"

#include <algorithm>

namespace curfew::jupyter {

Own::Things& Own::of(const RunId& run, Instant now) {
    auto entry = runs_.find(run);
    if (entry == runs_.end()) {
        std::erase_if(runs_, [&](const auto& one) { return now - one.second.used >= run_idle_max; });
        if (runs_.size() >= runs_max) {
            runs_.erase(std::ranges::min_element(runs_, {}, [](const auto& one) { return one.second.used; }));
        }
        entry = runs_.try_emplace(run).first;
    }
    entry->second.used = now;
    return entry->second;
}

void Own::opened(const RunId& run, Kind kind, const std::string& name, bool unique, Instant now) {
    auto& things = all(of(run, now), kind);
    if (things.size() >= things_max) {
        const auto oldest = std::ranges::min_element(
            things, {}, [](const auto& one) { return one.second.left.value_or(instant_never); });
        things.erase(oldest);
    }
    things[name] = {.unique = unique, .left = {}};
}

void Own::gone(const RunId& run, Kind kind, const std::string& name) {
    if (const auto entry = runs_.find(run); entry != runs_.end()) {
        all(entry->second, kind).erase(name);
    }
}

void Own::left(const RunId& run, Kind kind, const std::string& name, Instant now) {
    auto& things = all(of(run, now), kind);
    if (const auto thing = things.find(name); thing != things.end()) {
        thing->second.left = now;
    }
}

std::set<std::string> Own::names(const RunId& run, Kind kind, Instant now) const {
    std::set<std::string> names;
    if (const auto entry = runs_.find(run); entry != runs_.end()) {
        for (const auto& [name, thing] : all(entry->second, kind)) {
            if (!thing.left || thing.unique || now - *thing.left < doubtful) {
                names.insert(name);
            }
        }
    }
    return names;
}

std::vector<std::string> Own::leftovers(const RunId& run, Kind kind) const {
    std::vector<std::string> names;
    if (const auto entry = runs_.find(run); entry != runs_.end()) {
        for (const auto& [name, thing] : all(entry->second, kind)) {
            if (thing.left && thing.unique) {
                names.push_back(name);
            }
        }
    }
    return names;
}

void Own::socket(const RunId& run, int more, Instant now) {
    int& sockets = of(run, now).sockets;
    sockets = std::max(0, sockets + more);  // the run may have been forgotten since
}

int Own::sockets(const RunId& run) const {
    const auto entry = runs_.find(run);
    return entry == runs_.end() ? 0 : entry->second.sockets;
}

void Own::touching(const RunId& run, std::optional<WallTime> from, Instant now) {
    Things& things = of(run, now);
    things.touched_from = from;
    things.touched_until = {};
}

void Own::touched(const RunId& run, std::optional<WallTime> until, Instant now) {
    of(run, now).touched_until = until;
}

bool Own::moved_by_us(const RunId& run, WallTime last_activity) const {
    const auto entry = runs_.find(run);
    if (entry == runs_.end() || !entry->second.touched_from) {
        return false;
    }
    const Things& things = entry->second;
    return last_activity >= *things.touched_from &&
           (!things.touched_until || last_activity <= *things.touched_until);
}

}  // namespace curfew::jupyter
