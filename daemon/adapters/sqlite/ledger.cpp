#include "adapters/sqlite/ledger.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>
#include <utility>

namespace curfew::sqlite {

namespace {

constexpr std::size_t remembered_max = 50'000;  // lines, of each store
constexpr std::int64_t rows_per_check = 100'000;
constexpr int page_max = 10'000;
constexpr WallTime end_of_time{7'289'654'400'000};  // of 2200, as for every stamp
constexpr Duration checked_at_start = hours{48};
/// A row's error in money is not made greater than a million: it is one already.
constexpr std::int64_t error_nanos_max = 1'000'000 * nanos_per_unit;

// Stored for good: a code keeps its meaning.
constexpr std::array meter_codes{MeterKind::compute, MeterKind::storage, MeterKind::ip, MeterKind::other};
constexpr std::array source_codes{CostSource::own, CostSource::provider, CostSource::adjustment};

template <class Codes, class Value>
std::int64_t code_of(const Codes& codes, Value value) {
    return std::ranges::find(codes, value) - codes.begin();
}

template <class Codes>
auto of_code(const Codes& codes, std::int64_t code) {
    const bool known = code >= 0 && code < static_cast<std::int64_t>(codes.size());
    return known ? codes[static_cast<std::size_t>(code)] : codes.back();
}

Currency currency_of(const std::string& code) {
    Currency out;
    std::copy_n(code.begin(), std::min(code.size(), out.code.size()), out.code.begin());
    return out;
}

/// What is summed, of one row or of many.
struct Figures {
    std::int64_t gross = 0;
    std::int64_t quantity = 0;
    std::int64_t error_bar = 0;
    std::int64_t error = 0;
    std::int64_t unpriced = 0;  // rows
    std::int64_t rows = 0;
    bool operator==(const Figures&) const = default;
};

/// False when a sum leaves the range of money.
[[nodiscard]] bool add(Figures& sum, const Figures& f) {
    sum.unpriced += f.unpriced;
    sum.rows += f.rows;
    return !__builtin_add_overflow(sum.gross, f.gross, &sum.gross) &&
           !__builtin_add_overflow(sum.quantity, f.quantity, &sum.quantity) &&
           !__builtin_add_overflow(sum.error_bar, f.error_bar, &sum.error_bar) &&
           !__builtin_add_overflow(sum.error, f.error, &sum.error);
}

Figures figures_of(CostSource source, Duration length, std::int64_t gross, Duration error_bar,
                   const std::optional<std::int64_t>& rate) {
    Figures f{.gross = gross, .quantity = length.count(), .error_bar = error_bar.count(), .rows = 1};
    // An adjustment takes back what was counted too much, or adds what was not counted.
    if (source == CostSource::adjustment && gross <= 0) {
        f.quantity = -f.quantity;
    }
    if (rate && error_bar > Duration{0}) {
        const auto error = cost_of(Rate{Money{*rate}}, error_bar);
        f.error = std::min(error ? error->nanos : error_nanos_max, error_nanos_max);
    }
    f.unpriced = !rate && source != CostSource::adjustment ? 1 : 0;
    return f;
}

/// Calls take(time, resource's number, terms' number, figures) for each row, in the order of time.
template <class Take>
void each_row(Database& db, WallTime from, WallTime to, Take take) {
    Query q(
        db,
        "SELECT c.from_ms, l.resource, c.terms, c.source, c.for_ms, c.gross_nanos, c.error_bar_ms, "
        "t.rate_nanos FROM cost c CROSS JOIN cost_line l ON l.no = c.line CROSS JOIN cost_terms t ON t.no = "
        "c.terms WHERE c.from_ms >= ? AND c.from_ms < ? ORDER BY c.from_ms",
        from.ms, to.ms);
    while (q.row()) {
        take(WallTime{q.integer(0)}, q.integer(1), q.integer(2),
             figures_of(of_code(source_codes, q.integer(3)), Duration{q.integer(4)}, q.integer(5),
                        Duration{q.integer(6)}, q.optional_integer(7)));
    }
}

/// The same of days, each at its beginning.
template <class Take>
void each_day(Database& db, WallTime from, WallTime to, Take take) {
    Query q(
        db,
        "SELECT day_ms, resource, terms, gross_nanos, quantity_ms, error_bar_ms, error_nanos, unpriced, rows "
        "FROM cost_day WHERE day_ms >= ? AND day_ms < ? ORDER BY day_ms",
        from.ms, to.ms);
    while (q.row()) {
        take(WallTime{q.integer(0)}, q.integer(1), q.integer(2),
             Figures{.gross = q.integer(3),
                     .quantity = q.integer(4),
                     .error_bar = q.integer(5),
                     .error = q.integer(6),
                     .unpriced = q.integer(7),
                     .rows = q.integer(8)});
    }
}

bool same_days(const Zone& a, const Zone& b) {
    return a.first_offset == b.first_offset &&
           std::ranges::equal(a.transitions, b.transitions,
                              [](const Zone::Transition& x, const Zone::Transition& y) {
                                  return x.at == y.at && x.offset == y.offset;
                              });
}

/// The zone's name, and a number that is another when its days are.
std::string mark_of(const Zone& zone) {
    std::uint64_t hash = 14'695'981'039'346'656'037U;  // FNV-1a
    const auto mix = [&](std::int64_t value) {
        for (int byte = 0; byte < 8; ++byte) {
            hash = (hash ^ (static_cast<std::uint64_t>(value) >> (8 * byte) & 0xFF)) * 1'099'511'628'211U;
        }
    };
    mix(zone.first_offset.count());
    for (const Zone::Transition& t : zone.transitions) {
        mix(t.at.ms);
        mix(t.offset.count());
    }
    return zone.name + " " + std::to_string(hash);
}

/// Sums of a question. What is added comes in the order of time, so that only the groups of one day or hour are
/// open at once.
class Sums {
public:
    Sums(Database& db, const SpendQuery& query) : db_(db), query_(query) {
        for (const SpendBy by : query.by) {
            days_ = days_ || by == SpendBy::day;
            hours_ = hours_ || by == SpendBy::hour;
            by_resource_ = by_resource_ || by == SpendBy::resource || by == SpendBy::account ||
                           by == SpendBy::project || by == SpendBy::user;
        }
    }

    void add(WallTime at, std::int64_t resource, std::int64_t terms, const Figures& figures) {
        if ((days_ || hours_) && at >= until_) {
            begin(at);
        }
        Figures& sum = open_[group_of(by_resource_ ? resource : 0, terms)];
        whole_ = sqlite::add(sum, figures) && whole_;
    }

    Result<std::vector<SpendRow>> take() {
        end();
        if (!whole_) {
            return fail(Errc::too_large, "a sum of the ledger is beyond what money can hold", "database");
        }
        std::ranges::sort(rows_, [](const SpendRow& a, const SpendRow& b) {
            if (a.keys != b.keys) {
                return a.keys < b.keys;
            }
            return a.meter != b.meter ? to_string(a.meter) < to_string(b.meter)
                                      : a.gross.currency < b.gross.currency;
        });
        return std::move(rows_);
    }

private:
    struct Group {
        std::vector<std::string> keys;  // those of time are empty
        MeterKind meter = MeterKind::compute;
        Currency currency;
        auto operator<=>(const Group&) const = default;
    };

    void begin(WallTime at) {
        end();
        until_ = end_of_time;
        if (days_) {
            const Period day = day_of(at, query_.zone);
            day_ = day.id.substr(0, day.id.find('@'));
            until_ = day.to;
        }
        if (hours_) {
            const WallTime hour = full_hour(at);
            hour_ = to_string(hour);
            until_ = std::min(until_, hour + hours{1});
        }
    }

    void end() {
        for (std::size_t i = 0; i < open_.size(); ++i) {
            const Figures sum = std::exchange(open_[i], {});
            if (sum.rows == 0) {
                continue;
            }
            const Group& group = *groups_[i];
            SpendRow row{.keys = group.keys,
                         .meter = group.meter,
                         .gross = {sum.gross, group.currency},
                         .quantity = Duration{sum.quantity},
                         .error_bar = Duration{sum.error_bar},
                         .error = {sum.error, group.currency},
                         .unpriced = sum.unpriced > 0};
            for (std::size_t k = 0; k < query_.by.size(); ++k) {
                if (query_.by[k] == SpendBy::day) {
                    row.keys[k] = day_;
                } else if (query_.by[k] == SpendBy::hour) {
                    row.keys[k] = hour_;
                }
            }
            rows_.push_back(std::move(row));
        }
    }

    std::size_t group_of(std::int64_t resource, std::int64_t terms) {
        const auto [known, fresh] = group_numbers_.try_emplace(static_cast<std::uint64_t>(resource) << 32 |
                                                               static_cast<std::uint64_t>(terms));
        if (fresh) {
            const auto [group, added] = numbers_.try_emplace(describe(resource, terms), groups_.size());
            if (added) {
                groups_.push_back(&group->first);
                open_.emplace_back();
            }
            known->second = group->second;
        }
        return known->second;
    }

    struct Terms {
        MeterKind meter = MeterKind::compute;
        Currency currency;
        std::string sku;
        std::string rule;
    };

    const Terms& terms_of(std::int64_t no) {
        const auto [terms, fresh] = terms_.try_emplace(no);
        if (fresh) {
            Query q(db_, "SELECT meter, currency, sku, rule FROM cost_terms WHERE no = ?", no);
            if (q.row()) {
                terms->second = {of_code(meter_codes, q.integer(0)), currency_of(q.text(1)), q.text(2),
                                 q.text(3)};
            }
        }
        return terms->second;
    }

    Group describe(std::int64_t resource, std::int64_t no) {
        std::array<std::string, 4> of_resource;
        if (by_resource_) {
            Query q(
                db_,
                "SELECT c.resource, COALESCE(r.account, ''), COALESCE(r.project, ''), COALESCE(r.owner, '') "
                "FROM cost_resource c LEFT JOIN resource r ON r.id = c.resource WHERE c.no = ?",
                resource);
            if (q.row()) {
                of_resource = {q.text(0), q.text(1), q.text(2), q.text(3)};
            }
        }
        const Terms& terms = terms_of(no);
        Group group{.keys = {}, .meter = terms.meter, .currency = terms.currency};
        for (const SpendBy by : query_.by) {
            group.keys.push_back(by == SpendBy::resource  ? of_resource[0]
                                 : by == SpendBy::account ? of_resource[1]
                                 : by == SpendBy::project ? of_resource[2]
                                 : by == SpendBy::user    ? of_resource[3]
                                 : by == SpendBy::type    ? terms.sku
                                 : by == SpendBy::rule    ? terms.rule
                                                          : std::string{});
        }
        return group;
    }

    Database& db_;
    const SpendQuery& query_;
    bool days_ = false;
    bool hours_ = false;
    bool by_resource_ = false;
    bool whole_ = true;
    WallTime until_;  // of the open day or hour
    std::string day_;
    std::string hour_;
    std::unordered_map<std::int64_t, Terms> terms_;
    std::unordered_map<std::uint64_t, std::size_t> group_numbers_;  // by resource and terms
    std::map<Group, std::size_t> numbers_;
    std::vector<const Group*> groups_;
    std::vector<Figures> open_;
    std::vector<SpendRow> rows_;
};

}  // namespace

// ---- writing -------------------------------------------------------------------------------------

void Ledger::rolled_back() {
    lines_.clear();
    terms_.clear();
}

Ledger::Line Ledger::line_of(const CostRow& row) {
    LineKey key{row.resource.value, row.run.value, row.meter};
    if (const auto known = lines_.find(key); known != lines_.end()) {
        return known->second;
    }
    Query(db_, "INSERT INTO cost_resource (resource) VALUES (?) ON CONFLICT (resource) DO NOTHING",
          row.resource.value)
        .run();
    const std::int64_t meter = code_of(meter_codes, row.meter);
    Query(db_,
          "INSERT INTO cost_line (resource, run, meter) SELECT no, ?2, ?3 FROM cost_resource WHERE resource "
          "= ?1"
          " ON CONFLICT (resource, run, meter) DO NOTHING",
          row.resource.value, row.run.value, meter)
        .run();
    Query q(
        db_,
        "SELECT r.no, l.no FROM cost_resource r JOIN cost_line l ON l.resource = r.no WHERE r.resource = ?"
        " AND l.run = ? AND l.meter = ?",
        row.resource.value, row.run.value, meter);
    if (!q.row()) {
        return {};  // an error, which the caller sees
    }
    if (lines_.size() >= remembered_max) {
        lines_.clear();
    }
    return lines_.emplace(std::move(key), Line{.resource = q.integer(0), .no = q.integer(1)}).first->second;
}

std::int64_t Ledger::terms_of(const CostRow& row) {
    const auto rate = row.rate ? std::optional{row.rate->per_hour.nanos} : std::nullopt;
    const std::string currency{row.gross.currency.view()};
    TermsKey key{row.sku, row.rule, row.meter, currency, rate};
    if (const auto known = terms_.find(key); known != terms_.end()) {
        return known->second;
    }
    const std::int64_t meter = code_of(meter_codes, row.meter);
    Query(db_,
          "INSERT INTO cost_terms (meter, sku, rate_nanos, currency, rule) VALUES (?,?,?,?,?) ON CONFLICT DO "
          "NOTHING",
          meter, row.sku, rate, currency, row.rule)
        .run();
    Query q(db_,
            "SELECT no FROM cost_terms WHERE sku = ? AND rule = ? AND meter = ? AND currency = ? AND "
            "rate_nanos IS ?",
            row.sku, row.rule, meter, currency, rate);
    if (!q.row()) {
        return 0;
    }
    if (terms_.size() >= remembered_max) {
        terms_.clear();
    }
    return terms_.emplace(std::move(key), q.integer(0)).first->second;
}

void Ledger::write(const CostRow& row) {
    const Line line = line_of(row);
    const std::int64_t terms = terms_of(row);
    // A cycle whose commit failed is written again with the next; the key makes that harmless. Only the
    // key: OR IGNORE would also drop a row that breaks a CHECK, and its money with it.
    Query(db_, "INSERT INTO cost VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (from_ms, line, source) DO NOTHING",
          row.from.ms, line.no, code_of(source_codes, row.source), std::int64_t{(row.to - row.from).count()},
          terms, row.gross.nanos, row.estimated, std::int64_t{row.error_bar.count()})
        .run();
    if (!db_.ok() || db_.changes() == 0) {
        return;
    }
    if (!zone_) {
        Query(db_, "DELETE FROM meta WHERE key = 'cost_days'").run();
        return;
    }
    if (row.from < day_.from || row.from >= day_.to) {
        day_ = day_of(row.from, *zone_);
    }
    const Figures f = figures_of(row.source, row.to - row.from, row.gross.nanos, row.error_bar,
                                 row.rate ? std::optional{row.rate->per_hour.nanos} : std::nullopt);
    Query(
        db_,
        "INSERT INTO cost_day VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (day_ms, resource, terms) DO UPDATE SET "
        "gross_nanos = gross_nanos + excluded.gross_nanos, quantity_ms = quantity_ms + excluded.quantity_ms, "
        "error_bar_ms = error_bar_ms + excluded.error_bar_ms, error_nanos = error_nanos + "
        "excluded.error_nanos, "
        "unpriced = unpriced + excluded.unpriced, rows = rows + excluded.rows",
        day_.from.ms, line.resource, terms, f.gross, f.quantity, f.error_bar, f.error, f.unpriced, f.rows)
        .run();
}

// ---- sums by day ---------------------------------------------------------------------------------

void Ledger::use_zone(Zone zone) {
    const std::string mark = mark_of(zone);
    zone_ = std::move(zone);
    day_ = {};
    db_.execute("BEGIN IMMEDIATE");
    std::string stored;
    std::int64_t newest = 0;
    {
        Query q(db_,
                "SELECT (SELECT value FROM meta WHERE key = 'cost_days'), (SELECT MAX(from_ms) FROM cost)");
        if (q.row()) {
            stored = q.text(0);
            newest = q.integer(1);
        }
    }
    if (stored == mark) {
        repaired_ += check_days(std::max(WallTime{0}, WallTime{newest} - checked_at_start)).repaired;
    } else {
        Query(db_, "DELETE FROM cost_day").run();
        for (std::optional<WallTime> from = WallTime{0}; from;) {
            from = check_days(*from).next;
        }
        Query(db_, "INSERT OR REPLACE INTO meta VALUES ('cost_days', ?)", mark).run();
    }
    db_.execute("COMMIT");
    if (!db_.ok()) {
        zone_.reset();
    }
}

std::optional<WallTime> Ledger::next_entry(WallTime from) {
    Query q(db_,
            "SELECT MIN(at) FROM (SELECT MIN(from_ms) AS at FROM cost WHERE from_ms >= ?1 AND from_ms < ?2"
            " UNION ALL SELECT MIN(day_ms) FROM cost_day WHERE day_ms >= ?1 AND day_ms < ?2)",
            from.ms, end_of_time.ms);
    const auto at = q.row() ? q.optional_integer(0) : std::nullopt;
    return at ? std::optional{WallTime{*at}} : std::nullopt;
}

Ledger::Checked Ledger::check_days(WallTime from) {
    Checked checked;
    if (!zone_) {
        return checked;
    }
    if (from <= WallTime{0}) {
        Query(db_, "DELETE FROM cost_day WHERE day_ms >= ? OR day_ms < ?", end_of_time.ms,
              day_of(WallTime{0}, *zone_).from.ms)
            .run();
        checked.repaired = db_.ok() && db_.changes() > 0 ? 1 : 0;
    }
    std::int64_t rows = 0;
    auto at = next_entry(from);
    while (at && rows < rows_per_check) {
        const Period day = day_of(*at, *zone_);
        rows += check_day(day, checked.repaired);
        at = next_entry(day.to);
    }
    checked.next = at;
    return checked;
}

std::int64_t Ledger::check_day(const Period& day, std::int64_t& repaired) {
    std::map<std::pair<std::int64_t, std::int64_t>, Figures> right;
    std::int64_t rows = 0;
    bool whole = true;
    each_row(db_, day.from, day.to,
             [&](WallTime, std::int64_t resource, std::int64_t terms, const Figures& figures) {
                 whole = add(right[{resource, terms}], figures) && whole;
                 ++rows;
             });
    std::size_t same = 0;
    bool differs = !whole;
    each_day(db_, day.from, day.to,
             [&](WallTime at, std::int64_t resource, std::int64_t terms, const Figures& figures) {
                 const auto found = right.find({resource, terms});
                 const bool is = at == day.from && found != right.end() && found->second == figures;
                 differs = differs || !is;
                 same += is ? 1 : 0;
             });
    if (!differs && same == right.size()) {
        return rows;
    }
    ++repaired;
    Query(db_, "DELETE FROM cost_day WHERE day_ms >= ? AND day_ms < ?", day.from.ms, day.to.ms).run();
    for (const auto& [key, f] : right) {
        Query(db_, "INSERT INTO cost_day VALUES (?,?,?,?,?,?,?,?,?)", day.from.ms, key.first, key.second,
              f.gross, f.quantity, f.error_bar, f.error, f.unpriced, f.rows)
            .run();
    }
    return rows;
}

// ---- reading -------------------------------------------------------------------------------------

bool Ledger::any_row(WallTime from, WallTime to) {
    Query q(db_, "SELECT 1 FROM cost WHERE from_ms >= ? AND from_ms < ? LIMIT 1", from.ms, to.ms);
    return q.row();
}

std::pair<WallTime, WallTime> Ledger::whole_days(const SpendQuery& query, WallTime from, WallTime to) {
    const auto has = [&](SpendBy by) { return std::ranges::find(query.by, by) != query.by.end(); };
    const bool of_other_days = has(SpendBy::day) && zone_ && !same_days(query.zone, *zone_);
    if (!zone_ || has(SpendBy::hour) || of_other_days || from < WallTime{0} || to > end_of_time) {
        return {to, to};
    }
    // A day that is cut where it has no rows is as good as whole.
    const Period first = day_of(from, *zone_);
    const Period last = day_of(to, *zone_);
    const WallTime begin = any_row(first.from, from) ? first.to : first.from;
    const WallTime end = any_row(to, last.to) ? last.from : last.to;
    return begin < end ? std::pair{begin, end} : std::pair{to, to};
}

Result<std::vector<SpendRow>> Ledger::spend(const SpendQuery& query) {
    Sums sums(db_, query);
    const auto add = [&](WallTime at, std::int64_t resource, std::int64_t terms, const Figures& figures) {
        sums.add(at, resource, terms, figures);
    };
    WallTime from = query.from;
    WallTime to = query.from;
    {
        Query q(db_, "SELECT (SELECT MIN(from_ms) FROM cost), (SELECT MAX(from_ms) FROM cost)");
        if (q.row() && !q.is_null(0)) {
            from = std::max(from, WallTime{q.integer(0)});
            to = std::min(query.to, WallTime{q.integer(1)} + Duration{1});
        }
    }
    if (from < to) {
        const auto [begin, end] = whole_days(query, from, to);
        each_row(db_, from, std::min(begin, to), add);
        each_day(db_, begin, end, add);
        each_row(db_, end, to, add);
    }
    return sums.take();
}

namespace {

struct Place {
    std::int64_t from = 0;
    std::int64_t line = 0;
    std::int64_t source = -1;
};

std::string to_text(const Place& place) {
    return std::to_string(place.from) + "." + std::to_string(place.line) + "." + std::to_string(place.source);
}

std::optional<Place> place_from(const std::string& text) {
    Place place;
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::int64_t* part : {&place.from, &place.line, &place.source}) {
        const auto [rest, error] = std::from_chars(at, end, *part);
        const bool last = part == &place.source;
        if (error != std::errc{} || (last ? rest != end : rest == end || *rest != '.')) {
            return std::nullopt;
        }
        at = last ? rest : rest + 1;
    }
    return place;
}

LedgerRow ledger_row(const Query& q) {
    const Currency currency = currency_of(q.text(9));
    const auto rate = q.optional_integer(10);
    const WallTime from{q.integer(0)};
    return {.row = {.resource = ResourceId{q.text(3)},
                    .run = RunId{q.text(4)},
                    .meter = of_code(meter_codes, q.integer(5)),
                    .from = from,
                    .to = from + Duration{q.integer(6)},
                    .sku = q.text(7),
                    .rate = rate ? std::optional{Rate{Money{*rate, currency}}} : std::nullopt,
                    .gross = {q.integer(8), currency},
                    .source = of_code(source_codes, q.integer(2)),
                    .estimated = q.integer(11) != 0,
                    .error_bar = Duration{q.integer(12)},
                    .rule = q.text(13)},
            .account = AccountName{q.text(14)},
            .kind = q.text(15) == "machine" ? ResourceKind::machine : ResourceKind::notebook,
            .name = q.text(16),
            .project = q.text(17),
            .owner = q.text(18)};
}

}  // namespace

Result<LedgerPage> Ledger::page(WallTime from, WallTime to, const std::string& after, int limit) {
    const auto place = after.empty() ? Place{.from = from.ms} : place_from(after);
    if (!place) {
        return fail(Errc::invalid, "\"" + after.substr(0, 40) + "\" is not a place in the ledger", "after");
    }
    const int rows = std::clamp(limit, 1, page_max);
    Query q(
        db_,
        "SELECT c.from_ms, c.line, c.source, n.resource, l.run, l.meter, c.for_ms, t.sku, c.gross_nanos, "
        "t.currency, t.rate_nanos, c.estimated, c.error_bar_ms, t.rule, COALESCE(r.account, ''), "
        "COALESCE(r.kind, ''), COALESCE(r.name, ''), COALESCE(r.project, ''), COALESCE(r.owner, '') "
        "FROM cost c CROSS JOIN cost_line l ON l.no = c.line CROSS JOIN cost_resource n ON n.no = l.resource "
        "CROSS JOIN cost_terms t ON t.no = c.terms LEFT JOIN resource r ON r.id = n.resource "
        "WHERE c.from_ms >= ?1 AND c.from_ms < ?2 AND (c.from_ms, c.line, c.source) > (?3, ?4, ?5) "
        "ORDER BY c.from_ms, c.line, c.source LIMIT ?6",
        std::max(from.ms, place->from), to.ms, place->from, place->line, place->source, rows + 1);
    LedgerPage page;
    Place last;
    while (q.row()) {
        if (static_cast<int>(page.rows.size()) == rows) {
            page.next = to_text(last);
            break;
        }
        last = {q.integer(0), q.integer(1), q.integer(2)};
        page.rows.push_back(ledger_row(q));
    }
    return page;
}

}  // namespace curfew::sqlite
