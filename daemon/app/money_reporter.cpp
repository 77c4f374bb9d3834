#include "curfew/app/money_reporter.hpp"

#include "curfew/app/open_rows.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace curfew {

namespace {

std::string day_text(WallTime t, const Zone& zone) {
    const std::string id = day_of(t, zone).id;
    return id.substr(0, id.find('@'));
}

/// As the store has them, of a row that is not in it yet.
std::string key_of(const LedgerRow& row, SpendBy by, const Zone& zone) {
    switch (by) {
        case SpendBy::resource:
            return row.row.resource.value;
        case SpendBy::account:
            return row.account.value;
        case SpendBy::project:
            return row.project;
        case SpendBy::user:
            return row.owner;
        case SpendBy::type:
            return row.row.sku;
        case SpendBy::rule:
            return row.row.rule;
        case SpendBy::day:
            return day_text(row.row.from, zone);
        case SpendBy::hour:
            break;
    }
    return to_string(full_hour(row.row.from));
}

void add(SpendLine& line, const SpendRow& row) {
    const bool compute = row.meter == MeterKind::compute;
    (compute ? line.compute : line.storage) += row.gross;
    line.time += compute ? row.quantity : Duration{0};
    line.error_bar += row.error_bar;
    line.error += row.error;
    line.unpriced = line.unpriced || row.unpriced;
}

void add(SpendLine& total, const SpendLine& line) {
    total.compute += line.compute;
    total.storage += line.storage;
    total.time += line.time;
    total.error_bar += line.error_bar;
    total.error += line.error;
    total.unpriced = total.unpriced || line.unpriced;
}

/// Sums by `keys`, without what is at `without` (a key that was asked for only to choose by).
class Lines {
public:
    explicit Lines(std::optional<std::size_t> without) : without_(without) {}
    void put(const SpendRow& row) {
        std::vector<std::string> keys = row.keys;
        if (without_) {
            keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(*without_));
        }
        SpendLine& line = lines_[keys];
        line.keys = std::move(keys);
        add(line, row);
        coverage.metered += row.quantity;
        coverage.estimated += row.error_bar;
    }
    std::vector<SpendLine> take(bool by_time) {
        std::vector<SpendLine> out;
        for (auto& [keys, line] : lines_) {
            out.push_back(std::move(line));
        }
        if (!by_time) {
            std::ranges::sort(out, [](const SpendLine& a, const SpendLine& b) {
                return a.gross() != b.gross() ? a.gross() > b.gross() : a.keys < b.keys;
            });
        }
        return out;
    }
    Watched coverage;

private:
    std::optional<std::size_t> without_;
    std::map<std::vector<std::string>, SpendLine> lines_;
};

std::string newest_price(const PriceBook& prices) {
    std::string newest;
    for (const auto& [type, price] : prices.rows()) {
        newest = std::max(newest, price.as_of);
    }
    return newest;
}

}  // namespace

Task<Result<SpendReport>> MoneyReporter::spend(SpendAsk ask) {
    const Zone zone = world_.config->zone;
    const auto has = [&](SpendBy by) { return std::ranges::find(ask.by, by) != ask.by.end(); };
    SpendQuery query{.from = ask.from, .to = ask.to, .by = ask.by, .zone = zone};
    std::optional<std::size_t> resource_at;
    std::optional<std::size_t> without;
    if (has(SpendBy::resource) || !ask.name.empty()) {
        const auto found = std::ranges::find(query.by, SpendBy::resource);
        resource_at = static_cast<std::size_t>(found - query.by.begin());
        if (found == query.by.end()) {
            query.by.push_back(SpendBy::resource);
            without = resource_at;
        }
    }
    // Before the store is asked: what is cut while it answers is in neither of the two otherwise.
    const auto open_now = open_rows(world_.picture, world_.scheduler.now());
    auto rows = co_await world_.store.spend(query);
    auto known = co_await world_.store.resources();
    auto saving = co_await reporter_.saved();
    if (!rows || !known || !saving) {
        co_return std::unexpected(!rows ? rows.error() : !known ? known.error() : saving.error());
    }
    std::map<std::string, std::string> names;
    Lines lines(without);
    for (const ResourceRow& row : *known) {
        names.emplace(row.id.value, row.name);
        lines.coverage.watched_since = std::min(lines.coverage.watched_since.value_or(row.first_seen),
                                                row.first_seen);
    }
    const auto chosen = [&](const SpendRow& row) {
        if (ask.name.empty()) {
            return true;
        }
        const std::string& id = row.keys.at(*resource_at);
        const auto name = names.find(id);
        return id == ask.name || (name != names.end() && glob_matches(ask.name, name->second));
    };
    for (const SpendRow& row : *rows) {
        if (chosen(row)) {
            lines.put(row);
        }
    }
    SpendReport report{.freshness = reporter_.freshness(), .ask = ask, .saved = *saving};
    for (const LedgerRow& open : open_now) {
        if (open.row.from < report.ask.from || open.row.from >= report.ask.to) {
            continue;
        }
        SpendRow row{.keys = {},
                     .meter = open.row.meter,
                     .gross = open.row.gross,
                     .quantity = open.row.to - open.row.from,
                     .error_bar = {},
                     .error = {},
                     .unpriced = !open.row.rate};
        for (const SpendBy by : query.by) {
            row.keys.push_back(key_of(open, by, zone));
        }
        if (chosen(row)) {
            lines.put(row);
        }
    }
    report.lines = lines.take(has(SpendBy::day) || has(SpendBy::hour));
    report.coverage = lines.coverage;
    report.prices_as_of = newest_price(prices_);
    report.reported = reported();
    report.parked = parked();
    for (SpendLine& line : report.lines) {
        add(report.total, line);
        if (resource_at && !without) {
            const auto name = names.find(line.keys.at(*resource_at));
            line.name = name == names.end() ? std::string{} : name->second;
        }
    }
    co_return report;
}

std::vector<ReportedItem> MoneyReporter::reported() const {
    std::vector<ReportedItem> items;
    for (const auto& [name, account] : world_.picture.accounts) {
        if (account.reported) {
            items.push_back({*account.reported, account.accrued_then});
        }
    }
    return items;
}

std::vector<ParkedItem> MoneyReporter::parked() const {
    std::vector<ParkedItem> items;
    for (const auto& [id, live] : world_.picture.add_ons) {
        if (!live.meter.open || !(live.idle_since || live.add_on.orphan)) {
            continue;
        }
        items.push_back({.id = live.add_on.id,
                         .resource = live.add_on.resource,
                         .account = live.account,
                         .name = live.add_on.name,
                         .sku = live.meter.sku,
                         .since = live.idle_since     ? live.idle_since
                                  : live.add_on.since ? live.add_on.since
                                                      : std::optional{live.first_seen},
                         .per_month = live.meter.tariff.monthly_cap,
                         .orphan = live.add_on.orphan});
    }
    std::ranges::sort(items, [](const ParkedItem& a, const ParkedItem& b) {
        const std::int64_t of_a = a.per_month ? a.per_month->nanos : 0;
        const std::int64_t of_b = b.per_month ? b.per_month->nanos : 0;
        return of_a != of_b ? of_a > of_b : a.id < b.id;
    });
    return items;
}

Result<BudgetsReport> MoneyReporter::budgets(const std::string& name) const {
    BudgetsReport report{.freshness = reporter_.freshness(), .items = reporter_.budgets()};
    if (name.empty()) {
        return report;
    }
    std::string known;
    for (const BudgetItem& item : report.items) {
        known += (known.empty() ? "" : ", ") + item.budget.name.value;
    }
    std::erase_if(report.items, [&](const BudgetItem& item) { return item.budget.name.value != name; });
    if (report.items.empty()) {
        return fail(Errc::not_found,
                    known.empty() ? "there is no budget" : "no budget is called so; there are: " + known,
                    name);
    }
    return report;
}

Task<Result<ForecastReport>> MoneyReporter::forecast() {
    auto items = co_await outlook_.forecasts();
    if (!items) {
        co_return std::unexpected(items.error());
    }
    co_return ForecastReport{.freshness = reporter_.freshness(), .items = std::move(*items)};
}

Task<Result<CreditsReport>> MoneyReporter::credits() {
    const WallTime now = world_.scheduler.wall();
    const Period month = month_of(now, world_.config->zone);
    auto made = co_await outlook_.credits(month.from);
    if (!made) {
        co_return std::unexpected(made.error());
    }
    CreditsReport report{.freshness = reporter_.freshness(),
                         .month = month,
                         .report = std::move(*made),
                         .accounts = {},
                         .prices_as_of = newest_price(prices_)};
    for (const AccountConfig& account : world_.config->accounts) {
        if (std::ranges::none_of(world_.config->credits,
                                 [&](const Credit& credit) { return credit.covers(account.name); })) {
            continue;
        }
        // What runs now, then what ran lately.
        std::vector<std::string> recent;
        for (const bool on : {true, false}) {
            for (const auto& [id, live] : world_.picture.resources) {
                const std::string& type = live.current.run.machine_type;
                if (live.resource.account == account.name && bills(live.current.run.state) == on &&
                    std::ranges::find(recent, type) == recent.end()) {
                    recent.push_back(type);
                }
            }
        }
        AccountRunway of{.account = account.name,
                         .runway = runway(report.report, account.name, now, prices_, recent),
                         .burn_per_hour = burn_of(world_.picture, account.name, now),
                         .lasts = std::nullopt};
        of.lasts = lasts(of.runway.left, of.burn_per_hour);
        report.accounts.push_back(std::move(of));
    }
    co_return report;
}

Task<Result<AdviceReport>> MoneyReporter::advice(WallTime since) {
    auto facts = co_await adviser_.facts(since);
    if (!facts) {
        co_return std::unexpected(facts.error());
    }
    auto items = advise(*facts);
    if (!items) {
        co_return std::unexpected(items.error());
    }
    co_return AdviceReport{.freshness = reporter_.freshness(),
                           .since = since,
                           .items = std::move(*items),
                           .unjudged_gpu_runs = unjudged_gpu_lives(*facts),
                           .prices_as_of = newest_price(prices_)};
}

Task<Result<FocusPage>> MoneyReporter::focus(WallTime from, WallTime to, std::string after, int limit) {
    auto page = co_await world_.store.ledger(from, to, std::move(after), limit);
    if (!page) {
        co_return std::unexpected(page.error());
    }
    FocusPage out{.rows = {}, .next = std::move(page->next)};
    out.rows.reserve(page->rows.size());
    for (const LedgerRow& entry : page->rows) {
        const AccountConfig* account = world_.account(entry.account);
        const auto live = world_.picture.resources.find(entry.row.resource);
        const Price* price = prices_.find(entry.row.sku, entry.row.from);
        const FocusSubject subject{.account = entry.account,
                                   .provider = account == nullptr ? "paperspace" : account->provider,
                                   .kind = entry.kind,
                                   .name = entry.name,
                                   .project = entry.project,
                                   .tags = live == world_.picture.resources.end()
                                               ? std::vector<std::string>{}
                                               : live->second.resource.tags,
                                   .gpus = price == nullptr ? std::nullopt : std::optional{price->gpus},
                                   .quiet = std::nullopt};
        out.rows.push_back(focus_row(entry.row, subject));
        out.unpriced += entry.row.rate ? 0 : 1;
        out.estimated += entry.row.estimated ? 1 : 0;
    }
    co_return out;
}

}  // namespace curfew
