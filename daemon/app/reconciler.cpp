#include "curfew/app/reconciler.hpp"

#include "curfew/app/messages.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace curfew {

namespace {

constexpr Duration ask_every = hours{1};
constexpr Money drift_min{nanos_per_unit};
constexpr std::int64_t drift_percent = 5;

constexpr int failures_max = 3;

std::string key_of_failure(const AccountName& account) {
    return "balance/" + account.value;
}

Money distance(Money a, Money b) {
    return a < b ? b - a : a - b;
}

}  // namespace

Reconciler::Reconciler(World& world, Alarms& alarms, AccountName account)
    : world_(world), alarms_(alarms), account_(std::move(account)) {}

Task<void> Reconciler::ask(Batch& batch) {
    const Instant now = world_.scheduler.mono();
    const std::shared_ptr<Cloud> cloud = world_.cloud(account_);
    const AccountConfig* account = world_.account(account_);
    if (cloud == nullptr || account == nullptr || (asked_ && now - *asked_ < ask_every)) {
        co_return;
    }
    asked_ = now;
    auto answer = co_await cloud->reported(world_.scheduler.in(account->request_timeout));
    if (!answer) {
        failed(answer.error(), batch);
        co_return;
    }
    failures_ = 0;
    Message again;
    again.kind = AlertKind::drift;
    again.account = account_;
    again.title = "Account " + account_.value + ": the provider's own figure can be read again";
    again.do_next = "curfew spend";
    alarms_.resolve(key_of_failure(account_), std::move(again), batch);
    if (!*answer) {
        co_return;  // the account has no such figure
    }
    const Reported& reported = **answer;
    LiveAccount& live = world_.picture.accounts[account_];
    if (live.reported && live.reported->generated_at >= reported.generated_at) {
        co_return;
    }
    const ReportedRow row{.account = account_,
                          .month = reported.month,
                          .month_to_date = reported.month_to_date,
                          .generated_at = reported.generated_at,
                          .fetched_at = world_.scheduler.wall()};
    batch.emplace_back(row);
    std::optional<Money> ours;
    if (co_await watched_from(reported.month)) {
        ours = co_await accrued(reported);
    }
    LiveAccount& now_live = world_.picture.accounts[account_];
    now_live.reported = row;
    now_live.accrued_then = ours;
    if (ours && ours->currency == row.month_to_date.currency) {
        judge(row, *ours, batch);
    } else {
        spdlog::info("event=reported account={} month_to_date={} compared=no reason=\"{}\"", account_.value,
                     to_decimal(row.month_to_date),
                     "the month was not watched from its first minute, or is not in US dollars");
    }
}

void Reconciler::failed(const Error& error, Batch& batch) {
    const std::string text = to_string(error);
    failing_since_ = failures_ == 0 ? world_.scheduler.wall() : failing_since_;
    spdlog::warn("event=reported_not_read account={} error=\"{}\"", account_.value, text);
    if (++failures_ < failures_max) {
        return;
    }
    Message m;
    m.kind = AlertKind::drift;
    m.severity = Severity::warning;
    m.account = account_;
    m.title = "Account " + account_.value + ": the provider's own figure cannot be read since " +
              messages::at_words(failing_since_, world_.config->zone) +
              "; what Curfew counts goes on, but nothing is compared with the bill";
    m.body = {text, "It is read from balance_url of the account, with the key in balance_key_file."};
    m.do_next = "curfew doctor";
    alarms_.raise(key_of_failure(account_), std::move(m), batch);
}

/// Something of the account was seen before the month began, so whatever came later was seen as well.
Task<bool> Reconciler::watched_from(WallTime month) const {
    auto rows = co_await world_.store.resources();
    co_return rows&& std::ranges::any_of(
        *rows, [&](const ResourceRow& row) { return row.account == account_ && row.first_seen <= month; });
}

Task<std::optional<Money>> Reconciler::accrued(const Reported& reported) const {
    auto rows = co_await world_.store.spend(
        {.from = reported.month, .to = reported.generated_at, .by = {SpendBy::account}, .zone = Zone{}});
    if (!rows) {
        co_return std::nullopt;
    }
    Money sum{0, reported.month_to_date.currency};
    const auto add = [&](Money more) {
        if (more.currency == sum.currency) {
            sum += more;
        }
    };
    for (const SpendRow& row : *rows) {
        if (row.keys.at(0) == account_.value) {
            add(row.gross);
        }
    }
    each_meter(world_.picture, [&](const AccountName& account, const Meter& meter) {
        if (account == account_) {
            add(accrued_since(meter, reported.month, reported.generated_at));
        }
    });
    if (const auto closed = world_.picture.unstored.find(account_); closed != world_.picture.unstored.end()) {
        for (const CostRow& row : closed->second) {
            if (row.from >= reported.month && row.from < reported.generated_at) {
                add(row.gross);
            }
        }
    }
    co_return sum;
}

void Reconciler::judge(const ReportedRow& row, Money ours, Batch& batch) {
    const Money theirs = row.month_to_date;
    const Money allowed = std::max(drift_min, percent_of(std::max(ours, theirs), drift_percent));
    const std::string key = "drift/" + account_.value;
    if (distance(ours, theirs) <= allowed) {
        alarms_.resolve(key, std::nullopt, batch);
        return;
    }
    Message m;
    m.kind = AlertKind::drift;
    m.severity = Severity::warning;
    m.account = account_;
    m.title = "Account " + account_.value + ": the provider reports " + to_string(theirs) +
              " for the month so far, Curfew counted " + to_string(ours) + ", so " +
              to_string(distance(ours, theirs)) + " is not explained";
    m.body = {
        "The provider's figure is of " + messages::at_words(row.generated_at, world_.config->zone) +
            ". Both are kept, and neither changes the other.",
        "A price that changed, a resource that Curfew does not see (another key, another team) or a plan's "
        "fee are the usual reasons. `curfew spend` shows ours; prices are set right in "
        "daemon.price_overrides."};
    m.do_next = "curfew spend --by resource";
    alarms_.raise(key, std::move(m), batch);
}

}  // namespace curfew
