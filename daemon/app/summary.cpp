#include "curfew/app/summary.hpp"

#include "curfew/app/messages.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <utility>

namespace curfew {

namespace {

constexpr Duration look_every = minutes{10};  // a clock that was set is noticed
constexpr Duration first_look = minutes{5};   // the first polls have come by then
constexpr Duration too_late = hours{24 * 6};
constexpr int days_between = 6;
constexpr std::int64_t day_ms = 24LL * 3600 * 1000;
constexpr std::size_t resources_shown = 8;
constexpr std::size_t names_shown = 5;
constexpr int alerts_asked = 500;

std::string counted(std::int64_t count, const std::string& one) {
    return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

std::string listed(const std::vector<std::string>& items, const std::string& between) {
    std::string text;
    for (std::size_t i = 0; i < std::min(items.size(), names_shown); ++i) {
        text += (i == 0 ? "" : between) + items[i];
    }
    const std::size_t more = items.size() - std::min(items.size(), names_shown);
    return more == 0 ? text : text + " and " + std::to_string(more) + " more";
}

std::string local_day(WallTime t, const Zone& zone) {
    const std::string day = day_of(t, zone).id;  // "2026-11-23@Europe/Rome"
    return day.substr(0, day.find('@'));
}

/// Told, for the summary of that local day: an answer given once, as those of the API are.
std::string mark_of(WallTime due, const Zone& zone) {
    return "curfewd summary " + local_day(due, zone);
}

std::string name_of(const SpendLine& line) {
    return messages::printable(line.name.empty() ? line.keys.at(0) : line.name);
}

MessageTable spend_table(const Week& week) {
    MessageTable table{"Spent by resource", {}};
    const auto add = [&](std::string label, const SpendLine& line) {
        const std::string time = line.time > Duration{0} ? ", " + messages::in_words(line.time)
                                                         : std::string{};
        table.rows.push_back(
            {std::move(label),
             to_string(line.gross()) + (line.unpriced ? " and more without a price" : "") + time,
             messages::thousandths(line.gross().nanos, week.total.gross().nanos)});
    };
    SpendLine others;
    for (std::size_t i = 0; i < week.lines.size(); ++i) {
        const SpendLine& line = week.lines[i];
        if (i < resources_shown) {
            add(name_of(line), line);
        } else {
            others.compute += line.compute;
            others.storage += line.storage;
            others.time += line.time;
            others.unpriced = others.unpriced || line.unpriced;
        }
    }
    if (week.lines.size() > resources_shown) {
        add(counted(static_cast<std::int64_t>(week.lines.size() - resources_shown), "other"), others);
    }
    return table;
}

MessageTable budget_table(const Week& week) {
    MessageTable table{"Budgets now", {}};
    for (const BudgetItem& item : week.budgets) {
        if (!item.live.active) {
            continue;
        }
        std::string words = to_string(item.live.spend.spent) + " of " + to_string(item.budget.amount);
        if (item.elapsed_thousandths > 0) {
            words += ", " + std::to_string(item.elapsed_thousandths / 10) + " % of its time gone";
        }
        if (item.ends_at) {
            words += ", spent by " + local_words(*item.ends_at, week.zone);
        }
        table.rows.push_back({item.budget.name.value, std::move(words), item.spent_thousandths});
    }
    return table;
}

std::string saved_text(const Saved& saved) {
    return "about " + to_string(saved.total) + " saved by " + counted(saved.stops, "stop");
}

std::string_view hold_word(HoldKind kind) {
    switch (kind) {
        case HoldKind::keep:
            return "a keep";
        case HoldKind::lease:
            return "a job";
        case HoldKind::exemption:
            break;
    }
    return "an exemption";
}

}  // namespace

Message summary_of(const Week& week) {
    Message m;
    m.kind = AlertKind::summary;
    m.severity = Severity::info;
    m.cost_so_far = week.total.gross();
    m.title = "Week to " + local_day(week.to, week.zone) + ": " + to_string(week.total.gross()) + " spent" +
              (week.total.unpriced ? " (and more without a price)" : "");
    if (!week.lines.empty() && week.lines.front().gross().positive()) {
        m.title += ", most by " + name_of(week.lines.front()) + " (" + to_string(week.lines.front().gross()) +
                   ")";
    }
    m.title += week.saved.stops > 0 ? "; " + saved_text(week.saved) : std::string{"; nothing was stopped"};
    if (week.saved.stops > 0) {
        m.saved = week.saved.total;
    }
    const auto open = static_cast<std::int64_t>(week.alerts.size());
    m.title += open > 0                ? "; " + counted(open, "alert") + " open"
               : week.dead_letters > 0 ? "; " + counted(week.dead_letters, "message") + " undelivered"
                                       : std::string{"; nothing needs you"};
    if (!week.alerts.empty()) {
        m.body.push_back("Open: " + listed(week.alerts, "; ") + ".");
    }
    if (week.dead_letters > 0) {
        m.body.push_back(counted(week.dead_letters, "message") +
                         " could not be delivered; curfew outbox dead shows them.");
    }
    if (!week.stopped.empty()) {
        m.body.push_back("Stopped: " + listed(week.stopped, ", ") + ".");
        m.body.push_back(
            "What that saved is an estimate: the price of each until it was started again, at most 12 "
            "hours" +
            (week.saved.unpriced > 0
                 ? "; " + counted(week.saved.unpriced, "stop") + " of what has no price is not in it."
                 : std::string{"."}));
    }
    if (!week.held.empty()) {
        m.body.push_back("Held: " + listed(week.held, ", ") + ".");
    }
    for (MessageTable table : {spend_table(week), budget_table(week)}) {
        if (!table.rows.empty()) {
            m.tables.push_back(std::move(table));
        }
    }
    m.do_next = !week.alerts.empty()    ? "curfew alerts"
                : week.dead_letters > 0 ? "curfew outbox dead"
                                        : "curfew spend --by resource --since 7d";
    return m;
}

Summary::Summary(World& world, Alarms& alarms, Outlook& outlook, const PriceBook& prices)
    : world_(world), alarms_(alarms), reporter_(world, prices), money_(world, reporter_, outlook, prices),
      rest_(world.loop, world.scheduler) {}

void Summary::stop() {
    rest_.stop();
}

void Summary::wake() {
    settled_.reset();
    rest_.wake();
}

Task<void> Summary::run() {
    Duration pause = first_look;
    while (co_await rest_.lasts(pause)) {
        co_await look();
        pause = look_every;
        if (const auto& when = world_.config->alerts.summary) {
            const WallTime now = world_.scheduler.wall();
            pause = std::min<Duration>(pause, next_weekly(*when, now, world_.config->zone) - now);
        }
    }
}

Task<void> Summary::look() {
    const std::shared_ptr<const Config> config = world_.config;
    if (!config->alerts.summary || config->channels.empty()) {
        co_return;
    }
    const WallTime now = world_.scheduler.wall();
    const WallTime due = last_weekly(*config->alerts.summary, now, config->zone);
    if (settled_ == due) {
        co_return;
    }
    auto sent = co_await sent_near(due);
    auto known = co_await world_.store.resources();
    if (!sent || !known) {
        spdlog::warn("event=no_summary error=\"{}\"", to_string(!sent ? sent.error() : known.error()));
        co_return;
    }
    const bool watched = std::ranges::any_of(*known,
                                             [&](const ResourceRow& row) { return row.first_seen < due; });
    if (*sent || !watched || now - due > too_late) {
        settled_ = due;
        co_return;
    }
    auto week = co_await week_until(due);
    if (!week) {
        spdlog::warn("event=no_summary error=\"{}\"", to_string(week.error()));
        co_return;
    }
    Message message = summary_of(*week);
    Batch batch{IdempotencyRow{.key = mark_of(due, config->zone), .status = 0, .body = {}, .at = now},
                AuditRow{.seq = 0,
                         .at = now,
                         .kind = "summary",
                         .account = {},
                         .resource = {},
                         .run = {},
                         .actor = "curfewd",
                         .text = message.title}};
    alarms_.tell(std::move(message), batch);
    if (auto done = co_await world_.store.commit(std::move(batch)); !done) {
        spdlog::warn("event=no_summary error=\"{}\"", to_string(done.error()));
        co_return;
    }
    settled_ = due;
    alarms_.committed();
}

/// One within six days before counts as well: who moves the time to the next day is not told twice.
Task<Result<bool>> Summary::sent_near(WallTime due) {
    const Zone& zone = world_.config->zone;
    for (int days = 0; days <= days_between; ++days) {
        auto mark = co_await world_.store.idempotent(mark_of(due - Duration{days * day_ms}, zone));
        if (!mark) {
            co_return std::unexpected(mark.error());
        }
        if (*mark) {
            co_return true;
        }
    }
    co_return false;
}

Task<Result<Week>> Summary::week_until(WallTime due) {
    const std::shared_ptr<const Config> config = world_.config;
    Week week{.from = last_weekly(*config->alerts.summary, due - Duration{1}, config->zone),
              .to = due,
              .zone = config->zone};
    auto spent = co_await money_.spend(
        {.from = week.from, .to = week.to, .by = {SpendBy::resource}, .name = {}});
    auto saved = co_await reporter_.saved(week.from);
    auto alerts = co_await world_.store.alerts(false, alerts_asked);
    auto counts = co_await world_.store.outbox_counts();
    if (!spent || !saved || !alerts || !counts) {
        co_return std::unexpected(!spent    ? spent.error()
                                  : !saved  ? saved.error()
                                  : !alerts ? alerts.error()
                                            : counts.error());
    }
    week.lines = std::move(spent->lines);
    week.total = spent->total;
    week.saved = *saved;
    week.budgets = reporter_.budgets();
    std::ranges::sort(*alerts, [](const Alert& a, const Alert& b) {
        return a.severity != b.severity ? a.severity > b.severity : a.since < b.since;
    });
    for (const Alert& alert : *alerts) {
        week.alerts.push_back(alert.title);
    }
    week.dead_letters = (*counts)[OutboxState::dead];
    if (auto told = co_await tell_of_acts(week); !told) {
        co_return std::unexpected(told.error());
    }
    co_return week;
}

Task<Result<void>> Summary::tell_of_acts(Week& week) {
    auto known = co_await world_.store.resources();
    auto stopped = co_await world_.store.stopped_by_us();
    auto holds = co_await world_.store.holds(std::nullopt, week.from);
    if (!known || !stopped || !holds) {
        co_return std::unexpected(!known ? known.error() : !stopped ? stopped.error() : holds.error());
    }
    std::map<ResourceId, std::string> names;
    for (const ResourceRow& row : *known) {
        names.emplace(row.id, row.name);
    }
    const auto name = [&](const ResourceId& id) {
        const auto found = names.find(id);
        return messages::printable(found == names.end() ? id.value : found->second);
    };
    std::ranges::sort(*stopped, {}, &StoppedRun::ended_at);
    for (const StoppedRun& run : *stopped) {
        if (run.ended_at >= week.from && run.ended_at < week.to) {
            week.stopped.push_back(name(run.resource) + " (" + local_words(run.ended_at, week.zone) + ")");
        }
    }
    for (const Hold& hold : *holds) {
        if (hold.from < week.to) {
            week.held.push_back(name(hold.resource) + " by " + std::string{hold_word(hold.kind)} + " of " +
                                messages::printable(hold.by));
        }
    }
    co_return Result<void>{};
}

}  // namespace curfew
