#include "simulation/story.hpp"

#include "support/zones.hpp"

#include <algorithm>
#include <charconv>

namespace curfew::simulation {

namespace {

Zone draw_zone(Dice& dice) {
    switch (dice.below(4)) {
        case 0:
            return test::rome;
        case 1:
            return test::new_york;
        case 2:
            return test::lord_howe;
        default:
            return Zone{};
    }
}

Mode draw_mode(Dice& dice) {
    const auto n = dice.below(10);
    return n == 0 ? Mode::observe : n == 1 ? Mode::warn : Mode::enforce;
}

Rule draw_rule(Dice& dice, std::string name, std::vector<std::string> names) {
    Rule rule;
    rule.name = RuleName{std::move(name)};
    rule.match.names = std::move(names);
    rule.idle_limit = dice.skewed(minutes{20}, hours{3});
    rule.mode = draw_mode(dice);
    if (dice.one_in(4)) {
        rule.ladder = {minutes{60}, minutes{20}, minutes{5}};
    }
    rule.min_notice = dice.one_in(3) ? minutes{5} : minutes{10};
    if (dice.one_in(8)) {
        rule.observe_first = dice.skewed(hours{2}, hours{48});
    }
    rule.accept_partial = dice.one_in(3);
    rule.stalled_after = dice.one_in(2) ? hours{6} : hours{2};
    rule.probe.enabled = !dice.one_in(6);
    if (dice.one_in(3)) {
        static const std::vector<std::string> hours_off{"mon-fri 20:00-08:00", "sat-sun", "daily 23:30-06:00",
                                                        "daily 01:00-04:30"};
        std::vector<OffHours> weekly{*parse_off_hours(dice.pick(hours_off))};
        rule.schedule = Schedule{draw_zone(dice), std::move(weekly), {}};
        rule.respect_activity = !dice.one_in(3);
    }
    if (dice.one_in(3)) {
        rule.max_age = dice.skewed(hours{2}, hours{48});
    }
    rule.pack.html = dice.one_in(2);
    rule.pack.override_when_failed = dice.one_in(10);
    rule.pack.partial_ok = dice.one_in(4);
    Dice grace = dice.split("grace");
    if (grace.one_in(3)) {
        rule.start_grace = grace.skewed(minutes{15}, hours{4});
    }
    return rule;
}

Budget draw_budget(Dice& dice, std::string name, Money burn, const std::vector<AccountConfig>& accounts) {
    Budget budget;
    budget.name = BudgetName{std::move(name)};
    budget.zone = draw_zone(dice);
    static const std::vector<PeriodKind> kinds{PeriodKind::day,     PeriodKind::week, PeriodKind::month,
                                               PeriodKind::rolling, PeriodKind::run,  PeriodKind::total};
    budget.period.kind = dice.pick(kinds);
    budget.period.length = hours{dice.between(6, 72)};
    const std::int64_t hours_of_burn = budget.period.kind == PeriodKind::day       ? dice.between(3, 20)
                                       : budget.period.kind == PeriodKind::run     ? dice.between(2, 30)
                                       : budget.period.kind == PeriodKind::rolling ? dice.between(3, 40)
                                                                                   : dice.between(20, 300);
    budget.amount = Money{std::max<std::int64_t>(burn.nanos, 100'000'000) * hours_of_burn};
    if (dice.one_in(3)) {
        budget.scope.accounts = {accounts[static_cast<std::size_t>(dice.below(accounts.size()))].name.value};
    }
    budget.thresholds = {{50, ThresholdAction::notify}, {80, ThresholdAction::warn}};
    if (!dice.one_in(4)) {
        budget.thresholds.push_back(
            {100, dice.one_in(3) ? ThresholdAction::stop_now : ThresholdAction::stop});
    }
    budget.mode = draw_mode(dice);
    return budget;
}

Habits draw_habits(Dice& dice) {
    Habits h;
    h.work_min = dice.skewed(minutes{2}, minutes{40});
    h.work_max = h.work_min * 2 + dice.skewed(minutes{5}, hours{3});
    h.pause_min = dice.skewed(minutes{1}, minutes{20});
    h.pause_max = h.pause_min * 2 + dice.skewed(minutes{5}, hours{1});
    h.stretches = static_cast<int>(dice.between(1, 5));
    h.start_hour = static_cast<int>(dice.between(0, 23));
    h.away_max = dice.skewed(hours{4}, hours{30});
    h.stops_himself = dice.one_in(3) ? dice.between(0, 500'000) : dice.between(0, 50'000);
    h.by_process = dice.one_in(2) ? dice.between(0, 500'000) : 0;
    h.stalls = dice.one_in(4) ? dice.between(0, 200'000) : 0;
    return h;
}

/// Rare in some worlds, common in others, and absent from many.
std::int64_t rate(Dice& dice, std::int64_t most) {
    return dice.one_in(3) ? 0 : dice.skewed(Duration{most / 64 + 1}, Duration{most}).count();
}

Rates draw_rates(Dice& dice) {
    Rates r;
    r.lost_request = rate(dice, 60'000);
    r.lost_reply = rate(dice, 60'000);
    r.latency = rate(dice, 60'000);
    r.refused = rate(dice, 40'000);
    r.broken = rate(dice, 60'000);
    r.garbage = rate(dice, 30'000);
    r.partial = rate(dice, 60'000);
    r.stale = rate(dice, 40'000);
    r.doubled = rate(dice, 30'000);
    r.odd_state = rate(dice, 20'000);
    r.absent = rate(dice, 40'000);
    r.stop_ignored = rate(dice, 200'000);
    r.slow_teardown = rate(dice, 300'000);
    r.guest_hangs = rate(dice, 40'000);
    r.guest_refuses = rate(dice, 60'000);
    r.guest_late = rate(dice, 60'000);
    r.probe_fails = rate(dice, 80'000);
    r.no_metrics = rate(dice, 60'000);
    r.read_fails = rate(dice, 60'000);
    r.changes_underway = rate(dice, 80'000);
    r.restart_underway = rate(dice, 30'000);
    r.work_underway = rate(dice, 30'000);
    r.vault_full = rate(dice, 30'000);
    r.vault_fails = rate(dice, 30'000);
    r.vault_slow = rate(dice, 100'000);
    r.receiver_slow = rate(dice, 100'000);
    r.receiver_down = rate(dice, 100'000);
    r.receiver_refuses = rate(dice, 20'000);
    r.receiver_gone = rate(dice, 2'000);
    r.lost_ack = rate(dice, 60'000);
    r.lost_parcel = rate(dice, 40'000);
    r.stop_lost = rate(dice, 200'000);
    r.stop_refused = rate(dice, 200'000);
    r.slow_commit = rate(dice, 10'000);
    r.untimely = dice.one_in(6) ? 0 : dice.between(20'000, 300'000);
    Dice more = dice.split("more");
    r.denied = more.one_in(3) ? 0 : more.between(50'000, 500'000);
    r.unreadable = more.one_in(2) ? 0 : more.skewed(Duration{1'000}, Duration{20'000}).count();
    r.lags = more.one_in(2) ? 0 : more.between(20'000, 300'000);
    r.untold = more.one_in(2) ? 0 : more.between(300'000, 900'000);
    return r;
}

void draw_types(Story& story, Dice& dice, WallTime begins) {
    story.types = {"A4000", "A6000", "C3", "P4000", "H100"};
    const std::vector<std::int64_t> cents{76, 189, 5, 51, 595};
    for (std::size_t i = 0; i < story.types.size(); ++i) {
        // Odd rates, so that rounding has something to round.
        const std::int64_t nanos = cents[i] * 10'000'000 + (dice.one_in(2) ? dice.between(0, 9'999'999) : 0);
        const std::string& type = story.types[i];
        story.rates[type] = Money{nanos};
        if (dice.one_in(15)) {
            continue;  // the table does not know it
        }
        story.table.push_back({.machine_type = type, .per_hour = Money{nanos}});
        // Another price is announced for a minute to come.
        WallTime since = begins;
        for (std::int64_t more = dice.one_in(3) ? dice.between(1, 3) : 0; more > 0; --more) {
            since = since + dice.between(hours{2}, hours{40});
            since = WallTime{since.ms / 60'000 * 60'000};
            story.table.push_back({.machine_type = type,
                                   .per_hour = percent_of(Money{nanos}, dice.between(30, 250)),
                                   .since = since});
        }
    }
}

void draw_fleet(Story& story, Dice& dice, bool large) {
    const std::int64_t fleet = large            ? dice.between(80, 300)
                               : dice.one_in(8) ? dice.between(8, 16)
                                                : dice.between(2, 7);
    if (large) {
        static const std::vector<Duration> polls{minutes{10}, minutes{20}, minutes{30}, minutes{60}};
        for (AccountConfig& account : story.config.accounts) {
            account.poll_interval = dice.pick(polls);
        }
    }
    const bool shells = !dice.one_in(5);
    for (std::int64_t i = 0; i < fleet; ++i) {
        SimResource r;
        r.id = ResourceId{"r" + std::to_string(i)};
        r.account = dice.pick(story.config.accounts).name;
        r.name = (i % 3 == 0 ? "train-" : i % 3 == 1 ? "lab-" : "web-") + std::to_string(i);
        r.project = "p" + std::to_string(i % 2);
        r.owner = "user" + std::to_string(i % 4) + "@example.org";
        r.machine_type = story.types[static_cast<std::size_t>(dice.below(story.types.size()))];
        r.habits = draw_habits(dice);
        if (large && dice.one_in(2)) {  // a training that goes on for days, which nothing may stop
            r.habits.work_min = dice.between(hours{6}, hours{24});
            r.habits.work_max = r.habits.work_min + dice.skewed(hours{6}, hours{96});
        }
        r.has_shell = shells && !dice.one_in(6);
        const auto account = std::ranges::find(story.config.accounts, r.account, &AccountConfig::name);
        r.has_metrics = account->metrics && !dice.one_in(8);
        if (!r.has_shell && !r.has_metrics) {
            r.habits.by_process = 0;  // nobody could see it, however honest
        }
        story.resources.push_back(std::move(r));
    }
}

/// In some worlds limits are so tight that they come to act: rules of minutes, budgets of a few hours.
void draw_tight_limits(Story& story, Dice dice, Money burn, bool faults) {
    Config& c = story.config;
    if (dice.one_in(6)) {
        for (Rule& rule : c.rules) {
            rule.idle_limit = dice.between(minutes{5}, minutes{20});
        }
    }
    if (!dice.one_in(4)) {
        return;
    }
    if (c.budgets.empty()) {
        c.budgets.push_back(draw_budget(dice, "team", burn, c.accounts));
    }
    for (Budget& budget : c.budgets) {
        const bool short_period = budget.period.kind != PeriodKind::total;
        budget.amount = Money{std::max<std::int64_t>(burn.nanos, 100'000'000) *
                              (short_period ? dice.between(1, 6) : dice.between(10, 60)) / 2};
        if (!budget.hard()) {
            budget.thresholds.push_back({100, ThresholdAction::stop_now});
        }
        budget.mode = Mode::enforce;
    }
    if (faults) {  // and somebody hears of it in time
        story.coincidences = std::max<std::int64_t>(story.coincidences, 500'000);
    }
}

/// Budgets that only tell, of all kinds and scopes, with thresholds close to each other; and of those that stop some
/// are for a part of the fleet only.
void draw_scopes(Story& story, Dice dice, Money burn, WallTime begins) {
    Config& c = story.config;
    const auto some = [&](Match& scope) {
        switch (dice.below(4)) {
            case 0:
                scope.names = {dice.one_in(2) ? "train-*" : "*-1"};
                break;
            case 1:
                scope.projects = {"p" + std::to_string(dice.below(2))};
                break;
            case 2:
                scope.owners = {"user" + std::to_string(dice.below(3)) + "@*"};
                break;
            default:
                scope.accounts = {dice.pick(c.accounts).name.value};
                break;
        }
    };
    if (dice.one_in(3)) {
        for (Budget& budget : c.budgets) {
            some(budget.scope);
        }
    }
    for (std::int64_t i = dice.one_in(3) ? dice.between(1, 3) : 0; i > 0; --i) {
        static const std::vector<PeriodKind> kinds{PeriodKind::hour, PeriodKind::day,   PeriodKind::day,
                                                   PeriodKind::week, PeriodKind::month, PeriodKind::rolling,
                                                   PeriodKind::run,  PeriodKind::fixed, PeriodKind::total};
        Budget budget;
        budget.name = BudgetName{"watch" + std::to_string(i)};
        budget.zone = dice.one_in(2) ? test::lord_howe : draw_zone(dice);
        budget.period.kind = dice.pick(kinds);
        budget.period.length = hours{dice.between(2, 12)};
        budget.period.from = begins + hours{dice.between(1, 10)};
        budget.period.until = budget.period.from + minutes{dice.between(600, 3000)};
        if (dice.one_in(4)) {
            budget.scope.machine_types = {dice.pick(story.types)};
        } else if (!dice.one_in(3)) {
            some(budget.scope);
        }
        budget.amount = Money{std::max<std::int64_t>(burn.nanos, 100'000'000) / 2 * dice.between(1, 12)};
        budget.thresholds = {{20, ThresholdAction::notify},
                             {45, ThresholdAction::warn},
                             {70, ThresholdAction::notify},
                             {.percent = {},
                              .action = ThresholdAction::warn,
                              .amount = percent_of(budget.amount, dice.between(75, 130))}};
        budget.mode = dice.one_in(2) ? Mode::observe : Mode::warn;
        c.budgets.push_back(budget);
    }
}

/// Off hours over midnight for whoever is at work, and an amount for the day that stops nothing and is spent early.
void draw_nights(Story& story, Dice dice, Money burn) {
    Config& c = story.config;
    if (dice.one_in(6)) {
        static const std::vector<std::string> nights{"daily 20:00-04:30", "daily 23:30-06:00",
                                                     "mon-fri 18:00-08:00"};
        Rule& rule = c.rules[static_cast<std::size_t>(dice.below(c.rules.size()))];
        rule.schedule = Schedule{draw_zone(dice), {*parse_off_hours(dice.pick(nights))}, {}};
        rule.respect_activity = false;
        for (SimResource& r : story.resources) {
            if (dice.one_in(2)) {  // a training that goes on into the night
                r.habits.work_min = dice.between(hours{5}, hours{14});
                r.habits.work_max = r.habits.work_min + dice.skewed(hours{1}, hours{12});
            }
        }
    }
    if (dice.one_in(6)) {
        Budget budget;
        budget.name = BudgetName{"day"};
        budget.zone = draw_zone(dice);
        budget.period.kind = PeriodKind::day;
        budget.amount = Money{std::max<std::int64_t>(burn.nanos, 100'000'000) / 2 * dice.between(1, 8)};
        budget.thresholds = {{60, ThresholdAction::notify}, {100, ThresholdAction::stop}};
        budget.mode = Mode::warn;
        c.budgets.push_back(budget);
    }
}

/// Prices that a user knows better, machine types that change, and ends that are told wrong.
void draw_oddities(Story& story, Dice dice, bool faults) {
    if (dice.one_in(4)) {
        for (const std::string& type : story.types) {
            if (dice.one_in(2)) {
                story.own.insert(type);
            }
        }
    }
    story.moves = dice.one_in(3) ? dice.between(100'000, 600'000) : 0;
    story.move_every = dice.one_in(5) ? dice.skewed(hours{2}, hours{24}) : Duration{0};
    for (auto& [name, account] : story.accounts) {
        account.odd_ends = faults && dice.one_in(4) ? dice.between(20'000, 400'000) : 0;
    }
}

void draw_happenings(Story& story, Dice& dice, bool faults, bool crashes) {
    const auto now_and_then = [&](Duration often, Duration seldom, std::uint64_t never_one_in) {
        return dice.one_in(never_one_in) ? Duration{0} : dice.skewed(often, seldom);
    };
    story.operator_every = now_and_then(hours{1}, hours{24}, 4);
    story.leave_every = now_and_then(hours{8}, hours{72}, 3);
    story.price_every = now_and_then(hours{12}, hours{96}, 3);
    story.mend_every = now_and_then(hours{1}, hours{24}, 3);
    story.reload_every = now_and_then(hours{12}, hours{200}, 4);
    Dice users = dice.split("users");
    story.hasty_every = users.one_in(3) ? Duration{0} : users.skewed(hours{2}, hours{24});
    if (crashes) {
        story.crash_every = now_and_then(minutes{20}, hours{24}, 6);
        story.reboot_every = now_and_then(hours{12}, hours{240}, 3);
    }
    if (faults) {
        story.suspend_every = now_and_then(hours{12}, hours{240}, 3);
        story.clock_every = now_and_then(hours{12}, hours{240}, 3);
        story.disk_every = now_and_then(hours{6}, hours{240}, 3);
        story.outage_every = now_and_then(hours{6}, hours{120}, 3);
        story.key_every = now_and_then(hours{24}, hours{480}, 2);
        story.receiver_every = now_and_then(hours{3}, hours{120}, 3);
        story.vanish_every = now_and_then(hours{12}, hours{240}, 3);
        story.spell_every = now_and_then(hours{2}, hours{48}, 4);
        Dice losses = dice.split("losses");
        story.wipe_every = losses.one_in(2) ? Duration{0} : losses.skewed(hours{4}, hours{60});
        Dice host = dice.split("host");
        if (host.one_in(5)) {  // it runs on a laptop
            story.suspend_every = host.skewed(hours{2}, hours{10});
        }
        if (host.one_in(5)) {  // whose clock chip is taken for UTC, and shows another zone's time
            story.clock_off = hours{host.between(1, 12)} * (host.one_in(3) ? -1 : 1);
        }
        story.dead_channel = dice.one_in(3) ? dice.between(hours{40}, hours{96}) : Duration{0};
        story.rates_of_faults = draw_rates(dice);
        story.coincidences = dice.one_in(4) ? 0 : dice.between(50'000, 500'000);
    }
}

}  // namespace

PriceTables Story::prices() const {
    const std::string header = "machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\n";
    PriceTables text{.shipped = header, .own = header};
    for (const PriceRow& row : table) {
        const bool by_user = own.contains(row.machine_type);
        (by_user ? text.own : text.shipped) += row.machine_type + "," + to_decimal(row.per_hour) +
                                               ",1,GPU,16," +
                                               (row.since ? to_string(*row.since) : std::string{}) + ",\n";
        if (by_user && !row.since) {  // what Curfew comes with is of another contract
            text.shipped += row.machine_type + "," + to_decimal(percent_of(row.per_hour, 170)) +
                            ",1,GPU,16,,\n";
        }
    }
    text.shipped += "Other,1.00,1,GPU,16,,\n";
    return text;
}

Story draw_story(const Dice& seed, WallTime begins, bool faults, bool crashes, bool large) {
    Dice dice = seed.split("story");
    Story story;
    Config& c = story.config;
    c.mode = dice.one_in(12) ? draw_mode(dice) : Mode::enforce;
    c.zone = draw_zone(dice);
    c.state_dir = "/state";
    c.public_name = "host";
    const std::int64_t accounts = dice.one_in(4) ? 2 : 1;
    static const std::vector<Duration> polls{minutes{2}, minutes{5}, minutes{5}, minutes{5}, minutes{10}};
    for (std::int64_t i = 0; i < accounts; ++i) {
        AccountConfig account;
        account.name = AccountName{i == 0 ? "me" : "team"};
        account.poll_interval = dice.pick(polls);
        account.metrics = !dice.one_in(4);
        account.mode = dice.one_in(12) ? "warn" : "enforce";
        account.key_file = "/keys/" + account.name.value;
        c.accounts.push_back(account);
        story.accounts[account.name] = {
            .reports_ends = !dice.one_in(3), .reports_money = dice.one_in(3), .lists_prices = dice.one_in(3)};
    }
    c.vaults = {{.name = VaultName{"home"}, .kind = "folder", .path = "/vault", .required = true}};
    if (dice.one_in(3)) {
        c.vaults.push_back(
            {.name = VaultName{"away"}, .kind = "folder", .path = "/away", .required = dice.one_in(2)});
    }
    const std::int64_t channels = dice.between(1, 3);
    for (std::int64_t i = 0; i < channels; ++i) {
        ChannelConfig channel;
        channel.name = ChannelName{i == 0 ? "mail" : i == 1 ? "hook" : "pager"};
        channel.kind = i == 0 ? "mail" : i == 1 ? "webhook" : "pagerduty";
        c.channels.push_back(channel);
        c.routing.channels.push_back(channel.name);
    }
    if (channels > 1 && dice.one_in(3)) {
        Route route;
        route.at_least = Severity::critical;
        route.channels = {c.channels.back().name};
        route.go_on = dice.one_in(2);
        c.routing.routes.push_back(route);
    }
    if (dice.one_in(3)) {
        c.alerts.failover = c.channels.back().name;
    }
    if (dice.one_in(3)) {
        c.alerts.escalation = {{minutes{15}, {c.channels.front().name}}};
    }
    c.alerts.per_hour = static_cast<int>(dice.between(5, 40));
    if (dice.one_in(2)) {
        c.alerts.summary.reset();
    }
    if (dice.one_in(4)) {
        c.heartbeat.url = "https://heart.example/1";
    }
    draw_types(story, dice, begins);
    draw_fleet(story, dice, large);
    const std::int64_t rules = dice.between(1, 3);
    for (std::int64_t i = 0; i < rules; ++i) {
        static const std::vector<std::string> globs{"train-*", "lab-*"};
        const bool last = i + 1 == rules;
        c.rules.push_back(draw_rule(dice,
                                    i == 0   ? "night"
                                    : i == 1 ? "lab"
                                             : "rest",
                                    last && !dice.one_in(5)
                                        ? std::vector<std::string>{}
                                        : std::vector{globs[static_cast<std::size_t>(i % 2)]}));
    }
    if (dice.one_in(8)) {
        c.protect = {"lab-1"};
    }
    Money burn;
    for (const SimResource& r : story.resources) {
        burn += story.rates[r.machine_type];
    }
    const std::int64_t budgets = dice.one_in(3) ? dice.between(1, 2) : 0;
    for (std::int64_t i = 0; i < budgets; ++i) {
        c.budgets.push_back(draw_budget(dice, i == 0 ? "team" : "lab", burn, c.accounts));
    }
    const Dice tight = dice.split("tight");
    story.chaos = dice.skewed(hours{24}, hours{24 * 16});
    story.calm = dice.between(hours{48}, hours{96});
    draw_happenings(story, dice, faults, crashes);
    draw_tight_limits(story, tight, burn, faults);
    draw_scopes(story, dice.split("scopes"), burn, begins);
    draw_nights(story, dice.split("nights"), burn);
    draw_oddities(story, dice.split("oddities"), faults);
    return story;
}

void change_config(Config& config, Dice& dice) {
    switch (dice.below(10)) {
        case 0:
            config.mode = draw_mode(dice);
            break;
        case 1:
        case 2: {
            Rule& rule = config.rules[static_cast<std::size_t>(dice.below(config.rules.size()))];
            rule = draw_rule(dice, rule.name.value, rule.match.names);
            break;
        }
        case 3: {
            Rule& rule = config.rules[static_cast<std::size_t>(dice.below(config.rules.size()))];
            rule.idle_limit = std::max<Duration>(minutes{15}, rule.idle_limit / 2);
            break;
        }
        case 4:
            for (Budget& budget : config.budgets) {
                budget.amount = percent_of(budget.amount, dice.between(60, 160));
            }
            break;
        case 5:
            if (config.budgets.empty() || dice.one_in(2)) {
                std::erase_if(config.budgets, [](const Budget& b) { return b.name.value == "new"; });
                config.budgets.push_back(draw_budget(dice, "new", Money{1'000'000'000}, config.accounts));
            } else {
                config.budgets.pop_back();
            }
            break;
        case 6:
            if (config.channels.size() > 1 && dice.one_in(2)) {
                std::swap(config.channels.front(), config.channels.back());
                std::swap(config.routing.channels.front(), config.routing.channels.back());
            } else {
                config.alerts.group_wait = seconds{dice.between(0, 60)};
            }
            break;
        case 7:
            config.protect = dice.one_in(2) ? std::vector<std::string>{}
                                            : std::vector<std::string>{"train-*"};
            break;
        case 8:
            if (config.vaults.size() > 1) {
                config.vaults.pop_back();
            } else {
                config.vaults.push_back(
                    {.name = VaultName{"away"}, .kind = "folder", .path = "/away", .required = true});
            }
            break;
        default:
            config.zone = draw_zone(dice);
            break;
    }
}

std::string budget_document(const Budget& budget) {
    const bool stop = std::ranges::any_of(budget.thresholds,
                                          [](const Threshold& t) { return stops(t.action); });
    return budget.name.value + " " + to_decimal(budget.amount) + (stop ? " stop" : " notify");
}

Result<Budget> parse_budget(const std::string& document, const Config& config) {
    const std::size_t first = document.find(' ');
    const std::size_t second = document.find(' ', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
        return fail(Errc::invalid, "no budget");
    }
    const auto amount = parse_money(std::string_view{document}.substr(first + 1, second - first - 1));
    if (!amount) {
        return std::unexpected(amount.error());
    }
    Budget budget;
    budget.name = BudgetName{document.substr(0, first)};
    budget.amount = *amount;
    budget.zone = config.zone;
    budget.thresholds = {{50, ThresholdAction::notify}};
    if (document.substr(second + 1) == "stop") {
        budget.thresholds.push_back({100, ThresholdAction::stop});
    }
    budget.mode = Mode::enforce;
    return budget;
}

}  // namespace curfew::simulation
