// The ledger's tables: cost rows, which are only ever added, and their sums by day, which can be made anew from
// them. Belongs to the store's database thread; like everywhere behind `Database`, the first error sticks there.
#pragma once

#include "adapters/sqlite/database.hpp"
#include "curfew/ports/store.hpp"

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace curfew::sqlite {

class Ledger {
public:
    explicit Ledger(Database& db) : db_(db) {}

    /// Within a transaction. A row that is there already changes nothing, its day neither.
    void write(const CostRow& row);
    /// Numbers given in a transaction that came to nothing will be given again, to others.
    void rolled_back();

    /// Days of `zone` from now on. Checks the newest of them; makes all anew when they were of another zone, or
    /// rows were written without any.
    void use_zone(Zone zone);

    struct Checked {
        std::int64_t repaired = 0;     // days
        std::optional<WallTime> next;  // where to go on; absent = all were seen
    };
    /// Within a transaction. Compares days with their rows, from `from` on, until some number of rows was read.
    Checked check_days(WallTime from);
    /// Days that `use_zone` repaired since the last call.
    std::int64_t take_repaired() { return std::exchange(repaired_, 0); }

    Result<std::vector<SpendRow>> spend(const SpendQuery& query);
    /// At most 10,000 rows, whatever `limit`. Errc::invalid when `after` is not a place in the ledger.
    Result<LedgerPage> page(WallTime from, WallTime to, const std::string& after, int limit);

private:
    struct Line {
        std::int64_t resource = 0;
        std::int64_t no = 0;
    };
    using LineKey = std::tuple<std::string, std::string, MeterKind>;
    using TermsKey =
        std::tuple<std::string, std::string, MeterKind, std::string, std::optional<std::int64_t>>;

    Line line_of(const CostRow& row);
    std::int64_t terms_of(const CostRow& row);
    /// The whole days that sums may answer for: what lies before and behind is summed by rows.
    std::pair<WallTime, WallTime> whole_days(const SpendQuery& query, WallTime from, WallTime to);
    bool any_row(WallTime from, WallTime to);
    std::optional<WallTime> next_entry(WallTime from);
    /// How many rows the day has; `repaired` is raised when its sums were not theirs.
    std::int64_t check_day(const Period& day, std::int64_t& repaired);

    Database& db_;
    std::optional<Zone> zone_;
    Period day_;  // of the newest row that was written
    std::int64_t repaired_ = 0;
    std::map<LineKey, Line> lines_;
    std::map<TermsKey, std::int64_t> terms_;
};

}  // namespace curfew::sqlite
