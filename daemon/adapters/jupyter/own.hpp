// What Curfew's own probes opened at the guests, so that no look takes it for the user's. Kept by the door,
// since a guest is opened anew for each use.
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/time.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace curfew::jupyter {

class Own {
public:
    static constexpr std::size_t runs_max = 4096;
    static constexpr std::size_t things_max = 16;  // per run and kind
    static constexpr Duration run_idle_max = hours{24};
    /// A terminal whose end is not known is not counted for so long. Names are used again; it is silent by
    /// then, and silence counts for nothing.
    static constexpr Duration doubtful = minutes{5};

    enum class Kind { terminal, kernel };
    struct Thing {
        bool unique = false;          // nobody else can ever have this name
        std::optional<Instant> left;  // since when: in use no more, and not known to be gone
    };
    struct Things {
        std::map<std::string, Thing> terminals;
        std::map<std::string, Thing> kernels;
        int sockets = 0;  // open ones to kernels
        /// By the server's clock: between them Curfew itself moved its last_activity. No end: it still does.
        std::optional<WallTime> touched_from;
        std::optional<WallTime> touched_until;
        Instant used;
    };

    void opened(const RunId& run, Kind kind, const std::string& name, bool unique, Instant now);
    void gone(const RunId& run, Kind kind, const std::string& name);
    void left(const RunId& run, Kind kind, const std::string& name, Instant now);
    /// Names that are not to be counted now.
    std::set<std::string> names(const RunId& run, Kind kind, Instant now) const;
    /// Was left, and can be removed without danger to anybody else.
    std::vector<std::string> leftovers(const RunId& run, Kind kind) const;

    void socket(const RunId& run, int more, Instant now);
    int sockets(const RunId& run) const;

    void touching(const RunId& run, std::optional<WallTime> from, Instant now);
    void touched(const RunId& run, std::optional<WallTime> until, Instant now);
    /// Was it Curfew that moved the server's clock to this?
    bool moved_by_us(const RunId& run, WallTime last_activity) const;

private:
    Things& of(const RunId& run, Instant now);
    static std::map<std::string, Thing>& all(Things& things, Kind kind) {
        return kind == Kind::terminal ? things.terminals : things.kernels;
    }
    static const std::map<std::string, Thing>& all(const Things& things, Kind kind) {
        return kind == Kind::terminal ? things.terminals : things.kernels;
    }

    std::map<RunId, Things> runs_;
};

}  // namespace curfew::jupyter
