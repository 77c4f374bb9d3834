#include "curfew/app/outlook.hpp"

#include "curfew/app/messages.hpp"
#include "curfew/app/open_rows.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace curfew {

namespace {

constexpr Duration look_every = minutes{1};
constexpr Duration learn_every = hours{1};
constexpr Duration gap_max = minutes{5};
constexpr Duration usual_window = hours{24 * 7};
constexpr Duration uncertain_day = hours{1};  // more doubt than that, and a day tells nothing
constexpr Duration credit_runway_min = hours{24};
constexpr Duration credit_end_near = hours{24 * 7};
constexpr std::int64_t day_ms = 24LL * 3600 * 1000;
constexpr std::size_t names_told = 5;

Date date_from(std::string_view text) {
    const auto number = [&](std::size_t at, std::size_t size) {
        int value = 0;
        std::from_chars(text.data() + at, text.data() + at + size, value);
        return value;
    };
    CURFEW_ASSERT(text.size() == 10, "the store writes days as 2026-11-23");
    return {number(0, 4), static_cast<unsigned>(number(5, 2)), static_cast<unsigned>(number(8, 2))};
}

/// What an add-on belongs to, as far as it is known, for scopes.
Resource owner_of(const LiveAddOn& live, const Picture& picture) {
    const auto owner = picture.resources.find(live.add_on.resource);
    Resource resource = owner == picture.resources.end() ? Resource{} : owner->second.resource;
    resource.id = live.add_on.resource;
    resource.account = live.account;
    resource.name = resource.name.empty() ? live.add_on.name : resource.name;
    return resource;
}

std::string burn_key(const AccountName& account) {
    return "burn_rate/" + account.value;
}

}  // namespace

Money burn_of(const Picture& picture, const std::optional<AccountName>& account, WallTime now) {
    Money sum;
    each_meter(picture, [&](const AccountName& payer, const Meter& meter) {
        sum += !account || payer == *account ? burn(meter, now) : Money{};
    });
    return sum;
}

Outlook::Outlook(World& world, Alarms& alarms)
    : world_(world), alarms_(alarms), rest_(world.loop, world.scheduler) {}

void Outlook::stop() {
    rest_.stop();
}

void Outlook::wake() {
    learned_at_.reset();
    rest_.wake();
}

Task<void> Outlook::run() {
    do {
        co_await look();
    } while (co_await rest_.lasts(look_every));
}

Task<void> Outlook::look() {
    const Instant now = world_.scheduler.mono();
    if (!learned_at_ || now - *learned_at_ >= learn_every) {
        learned_at_ = now;
        co_await learn_usual();
        auto made = co_await forecasts();
        if (!made) {
            spdlog::warn("event=no_forecast error=\"{}\"", to_string(made.error()));
        }
    }
    const auto report = co_await credits_now();
    Batch batch;
    Alarms::Memory memory = alarms_.remember([&] {
        judge_burn(batch);
        if (report) {
            judge_credits(*report, batch);
        }
    });
    if (batch.empty()) {
        co_return;
    }
    auto done = co_await alarms_.commit(std::move(batch), std::move(memory));
    if (!done) {
        spdlog::error("event=outlook_not_durable error=\"{}\"", to_string(done.error()));
        co_return;
    }
    alarms_.committed();
}

// ---- forecasts -----------------------------------------------------------------------------------

Task<Result<Outlook::Past>> Outlook::past(Zone zone, WallTime now, const std::vector<ResourceRow>& known) {
    const std::int64_t today = days_from_civil(local_date(now, zone));
    const auto begin_of = [&](std::int64_t day) { return zone.from_local(day * day_ms); };
    auto rows = co_await world_.store.spend({.from = begin_of(today - forecast_days_max),
                                             .to = begin_of(today),
                                             .by = {SpendBy::day, SpendBy::resource, SpendBy::type},
                                             .zone = zone});
    if (!rows) {
        co_return std::unexpected(rows.error());
    }
    Past past;
    std::map<ResourceId, const ResourceRow*> by_id;
    std::optional<WallTime> watched_since;
    for (const ResourceRow& row : known) {
        by_id.emplace(row.id, &row);
        watched_since = std::min(watched_since.value_or(row.first_seen), row.first_seen);
    }
    for (std::int64_t day = today - forecast_days_max; watched_since && day < today; ++day) {
        if (begin_of(day) >= *watched_since) {
            past.days.push_back(civil_from_days(day));
        }
    }
    for (const SpendRow& row : *rows) {
        if (row.meter != MeterKind::compute) {
            continue;
        }
        PastDay day{
            .day = date_from(row.keys.at(0)), .scope = {}, .spent = row.gross, .error_bar = row.error_bar};
        day.scope.id = ResourceId{row.keys.at(1)};
        day.scope.run.machine_type = row.keys.at(2);
        if (const auto found = by_id.find(day.scope.id); found != by_id.end()) {
            const ResourceRow& r = *found->second;
            const AccountConfig* account = world_.account(r.account);
            day.scope.account = r.account;
            day.scope.provider = account == nullptr ? std::string{} : account->provider;
            day.scope.kind = r.kind;
            day.scope.name = r.name;
            day.scope.project = r.project;
            day.scope.owner = r.owner;
        }
        past.costs.push_back(std::move(day));
    }
    co_return past;
}

ForecastInput Outlook::input_of(const Match& scope, const Past& past, Period period, const Zone& zone,
                                Money accrued, WallTime now) const {
    ForecastInput in{.period = std::move(period),
                     .zone = zone,
                     .now = now,
                     .accrued = accrued,
                     .fixed_per_hour = Money{0, accrued.currency},
                     .running = {},
                     .history = {}};
    for (const auto& [id, live] : world_.picture.resources) {
        if (!matches(scope, live.resource)) {
            continue;
        }
        const bool ends = live.stops_at && live.mode == Mode::enforce;
        each_meter(live, [&](const Meter& meter) {
            if (meter.open) {
                in.running.push_back(
                    {.per_hour = burn(meter, now),
                     .age = std::max(Duration{0}, now - meter.started),
                     .ends_in = ends ? std::optional{std::max(Duration{0}, *live.stops_at - now)}
                                     : std::nullopt});
            }
        });
    }
    for (const auto& [id, live] : world_.picture.add_ons) {
        if (live.meter.open && matches(scope, owner_of(live, world_.picture))) {
            in.fixed_per_hour += rest_of(live.meter, now, now + hours{1});
        }
    }
    std::map<Date, std::pair<Money, Duration>> days;
    for (const Date& day : past.days) {
        days.emplace(day, std::pair{Money{0, accrued.currency}, Duration{0}});
    }
    for (const PastDay& cost : past.costs) {
        const auto day = days.find(cost.day);
        if (day != days.end() && matches(scope, cost.scope)) {
            day->second.first += cost.spent;
            day->second.second += cost.error_bar;
        }
    }
    for (const auto& [day, sum] : days) {
        if (sum.second <= uncertain_day) {
            in.history.push_back({.day = day, .spent = sum.first});
        }
    }
    return in;
}

Task<Result<std::vector<ForecastItem>>> Outlook::forecasts() {
    const std::shared_ptr<const Config> config = world_.config;
    const WallTime now = world_.scheduler.wall();
    const Period month = month_of(now, config->zone);
    auto known = co_await world_.store.resources();
    // Before the store is asked: what is cut while it answers is in neither of the two otherwise.
    const auto open_now = open_rows(world_.picture, world_.scheduler.now());
    auto so_far = co_await world_.store.spend(
        {.from = month.from, .to = month.to, .by = {}, .zone = config->zone});
    if (!known || !so_far) {
        co_return std::unexpected(!known ? known.error() : so_far.error());
    }
    std::map<std::string, Past> pasts;  // by zone
    std::vector<Zone> zones{config->zone};
    std::ranges::transform(config->budgets, std::back_inserter(zones), &Budget::zone);
    for (const Zone& zone : zones) {
        if (!pasts.contains(zone.name)) {
            auto made = co_await past(zone, now, *known);
            if (!made) {
                co_return std::unexpected(made.error());
            }
            pasts.emplace(zone.name, std::move(*made));
        }
    }
    Money accrued;
    for (const SpendRow& row : *so_far) {
        accrued += row.gross;
    }
    for (const LedgerRow& open : open_now) {
        accrued += open.row.from >= month.from ? open.row.gross : Money{};
    }
    std::vector<ForecastItem> items;
    const auto add = [&](std::optional<BudgetName> budget, const Match& scope, const Period& period,
                         const Zone& zone, Money spent, std::optional<Money> amount) {
        auto made = forecast(input_of(scope, pasts.at(zone.name), period, zone, spent, now));
        Forecast told = made ? std::move(*made) : Forecast{};
        told.accrued = spent;
        told.insufficient = made ? told.insufficient : to_string(made.error());
        items.push_back({std::move(budget), period, amount, std::move(told)});
    };
    add(std::nullopt, {}, month, config->zone, accrued, std::nullopt);
    for (const Budget& budget : config->budgets) {
        const auto live = world_.picture.budgets.find(budget.name);
        if (live == world_.picture.budgets.end() || !has_end(budget.period.kind) || !live->second.active) {
            continue;
        }
        add(budget.name, budget.scope, live->second.period, budget.zone, live->second.spend.spent,
            budget.amount);
        const auto& expected = items.back().forecast.expected;
        live->second.forecast = expected ? std::optional{expected->p50} : std::nullopt;
    }
    co_return items;
}

// ---- the burn alarm ------------------------------------------------------------------------------

Task<void> Outlook::learn_usual() {
    const WallTime now = world_.scheduler.wall();
    auto rows = co_await world_.store.spend({.from = now - usual_window,
                                             .to = full_hour(now),
                                             .by = {SpendBy::account, SpendBy::hour},
                                             .zone = Zone{}});
    if (!rows) {
        spdlog::warn("event=usual_burn_unknown error=\"{}\"", to_string(rows.error()));
        co_return;
    }
    std::map<AccountName, std::map<std::string, Money>> hourly;
    for (const SpendRow& row : *rows) {
        hourly[AccountName{row.keys.at(0)}][row.keys.at(1)] += row.gross;
    }
    usual_.clear();
    for (const auto& [account, costs] : hourly) {
        std::vector<Money> hours_of_it;
        for (const auto& [hour, cost] : costs) {
            hours_of_it.push_back(cost);
        }
        usual_[account] = usual_per_hour(hours_of_it);
    }
}

void Outlook::judge_burn(Batch& batch) {
    const BurnRule& rule = world_.config->burn;
    const Now now = world_.scheduler.now();
    std::set<std::string> still;
    for (const AccountConfig& account : world_.config->accounts) {
        const std::string key = burn_key(account.name);
        if (rule.factor_percent == 0) {
            continue;
        }
        BurnWatch& watch = watches_[account.name];
        watch.firing = watch.firing || alarms_.firing(key);
        const bool seen = world_.picture.seen_lately(account, now.mono);
        const auto usual = usual_.find(account.name);
        const Money burning = burn_of(world_.picture, account.name, now.wall);
        const BurnStep step = advance(rule, watch,
                                      {.per_hour = seen ? std::optional{burning} : std::nullopt,
                                       .usual = usual == usual_.end() ? std::nullopt : usual->second,
                                       .at = now.mono,
                                       .max_gap = gap_max});
        watch = step.next;
        if (watch.firing) {
            still.insert(key);
        }
        if (step.event != BurnEvent::fired) {
            continue;
        }
        std::vector<std::pair<Money, std::string>> costly;
        for (const auto& [id, resource] : world_.picture.resources) {
            Money per_hour;
            each_meter(resource, [&](const Meter& meter) { per_hour += burn(meter, now.wall); });
            if (resource.resource.account == account.name && per_hour.positive()) {
                costly.emplace_back(per_hour, messages::printable(resource.resource.name));
            }
        }
        std::ranges::sort(costly, [](const auto& a, const auto& b) {
            return a.first != b.first ? a.first > b.first : a.second < b.second;
        });
        std::string names;
        for (std::size_t i = 0; i < std::min(costly.size(), names_told); ++i) {
            names += (i == 0 ? "" : ", ") + costly[i].second + " (" + to_string(costly[i].first) +
                     " an hour)";
        }
        Message m;
        m.kind = AlertKind::burn_rate;
        m.severity = Severity::warning;
        m.account = account.name;
        m.title = "Account " + account.name.value + " burns " + to_string(burning) + " an hour, for " +
                  messages::in_words(rule.lasting) + " by now; " + to_string(*usual->second) + " is usual";
        m.body = {"Costliest: " + names + "."};
        m.per_hour = burning;
        m.do_next = "curfew status";
        alarms_.raise(key, std::move(m), batch);
    }
    alarms_.resolve_others("burn_rate/", still, batch);
}

// ---- credits -------------------------------------------------------------------------------------

Task<Result<CreditReport>> Outlook::credits(WallTime from) {
    const std::shared_ptr<const Config> config = world_.config;
    const WallTime now = world_.scheduler.wall();
    WallTime first = from;
    for (const Credit& credit : config->credits) {
        first = std::min(first, credit.from);
    }
    const auto open_now = open_rows(world_.picture, world_.scheduler.now());  // as in forecasts
    auto rows = co_await world_.store.spend(
        {.from = first, .to = now, .by = {SpendBy::account, SpendBy::day}, .zone = config->zone});
    if (!rows) {
        co_return std::unexpected(rows.error());
    }
    std::vector<Charge> charges;
    for (const SpendRow& row : *rows) {
        const std::int64_t day = days_from_civil(date_from(row.keys.at(1)));
        // The first day may have begun before the credit did; its rows are those that came after.
        charges.push_back({.account = AccountName{row.keys.at(0)},
                           .at = std::max(first, config->zone.from_local(day * day_ms)),
                           .gross = row.gross});
    }
    for (const LedgerRow& open : open_now) {
        if (open.row.from >= first) {
            charges.push_back({.account = open.account, .at = open.row.from, .gross = open.row.gross});
        }
    }
    co_return apply_credits(config->credits, std::move(charges), now, from, now + Duration{1});
}

/// Nothing where it is not known: what is not known clears nothing.
Task<std::optional<CreditReport>> Outlook::credits_now() {
    if (world_.config->credits.empty()) {
        co_return CreditReport{};
    }
    auto report = co_await credits(world_.scheduler.wall());
    if (!report) {
        spdlog::warn("event=credits_unknown error=\"{}\"", to_string(report.error()));
        co_return std::nullopt;
    }
    co_return std::move(*report);
}

void Outlook::judge_credits(const CreditReport& report, Batch& batch) {
    const WallTime now = world_.scheduler.wall();
    std::set<std::string> still;
    for (const CreditStanding& standing : report.credits) {
        const Credit& credit = standing.credit;
        if (standing.state != CreditState::usable || !standing.left.positive()) {
            continue;
        }
        Money burning;
        for (const AccountConfig& account : world_.config->accounts) {
            burning += credit.covers(account.name) ? burn_of(world_.picture, account.name, now) : Money{};
        }
        const auto day_cost = cost_of(Rate{burning}, credit_runway_min);
        // Once each: told, they stay until the credit is over, whatever burns meanwhile.
        const auto judge = [&](const char* what, bool is_so, std::string title) {
            const std::string key = "credit/" + credit.name + "/" + what;
            if (!is_so && !alarms_.firing(key)) {
                return;
            }
            still.insert(key);
            Message m;
            m.kind = AlertKind::credit;
            m.severity = Severity::warning;
            m.cause = "credit " + credit.name;
            m.title = std::move(title);
            m.per_hour = burning;
            m.do_next = "curfew credit";
            alarms_.raise(key, std::move(m), batch);
        };
        judge("end", credit.until - now <= credit_end_near,
              "Credit " + credit.name + ": " + to_string(standing.left) + " of it is lost on " +
                  messages::at_words(credit.until, world_.config->zone) + ", in " +
                  messages::in_words(credit.until - now) + ", unless it is used");
        judge("runway", !day_cost || *day_cost > standing.left,
              "Credit " + credit.name + " has " + to_string(standing.left) + " left, less than a day at " +
                  to_string(burning) + " an hour; then it costs money");
    }
    alarms_.resolve_others("credit/", still, batch);
}

}  // namespace curfew
