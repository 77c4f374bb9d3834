#include "curfew/app/watcher.hpp"

#include "curfew/app/enforcer.hpp"
#include "curfew/app/outlook.hpp"
#include "curfew/core/mutant.hpp"
#include "curfew/core/replay.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace curfew {

namespace {

constexpr std::size_t guests_at_once = 64;
constexpr std::size_t carried_max = 200'000;
constexpr Duration failure_pause_max = minutes{5};
constexpr Duration retry_after_max = minutes{10};
constexpr Duration observation_refresh = minutes{10};
constexpr std::size_t gaps_max = 10'000;
constexpr Duration dates_differ = minutes{1};  // more than that is worth telling of a clock
constexpr int old_in_step_max = 2;
constexpr Duration teardown_longest = minutes{5};

RunRow row_of(const LiveResource& live, const Run& run, WallTime now) {
    return {.id = run.id,
            .resource = live.resource.id,
            .account = live.resource.account,
            .machine_type = run.machine_type,
            .state = run.state,
            .state_text = run.state_text,
            .started_at = run.started_at,
            .ended_at = run.ended_at,
            .first_seen = now,
            .last_seen = now};
}

ResourceRow row_of(const Resource& r, WallTime now, bool gone) {
    return {.id = r.id,
            .account = r.account,
            .kind = r.kind,
            .name = r.name,
            .project = r.project,
            .owner = r.owner,
            .first_seen = now,
            .last_seen = now,
            .gone = gone};
}

bool same_row(const Resource& a, const Resource& b) {
    return a.name == b.name && a.project == b.project && a.owner == b.owner;
}

bool same_row(const Run& a, const Run& b) {
    return a.id == b.id && a.state == b.state && a.state_text == b.state_text &&
           a.machine_type == b.machine_type && a.started_at == b.started_at;
}

/// While a clock adds the store works it out from the account's last poll. One that stands still since, after an
/// absence or by a look before a stop, has to be durable with the next: it would go on over what nobody saw (I2).
/// So has one of a run at which this poll and the one before did not look.
void store_stopped_clocks(Picture& picture, const AccountConfig& account, Instant polled, Batch& batch) {
    for (auto& [id, live] : picture.resources) {
        LiveRun& run = live.current;
        const bool adds = run.clock.last_quiet_at &&
                          polled - *run.clock.last_quiet_at <= clock_carry(account.poll_interval);
        if (live.resource.account == account.name && run.clock_adds && !adds) {
            run.clock_adds = false;
            batch.emplace_back(QuietRow{.run = run.run.id,
                                        .clock = {.quiet = run.clock.quiet, .last_quiet_at = std::nullopt}});
        }
    }
}

/// When a run that is seen now began, by the monotonic clock.
Instant began(const Run& run, const Now& now) {
    return run.started_at ? now.mono - std::max(Duration{0}, now.wall - *run.started_at) : now.mono;
}

}  // namespace

Watcher::Watcher(World& world, AccountName account, Bookkeeper& books, Treasurer& treasurer, Looker& looker,
                 Enforcer& enforcer, Alarms& alarms, Health& health)
    : world_(world), account_(std::move(account)), books_(books), treasurer_(treasurer), looker_(looker),
      enforcer_(enforcer), alarms_(alarms), health_(health), stamps_(world, alarms, account_),
      reconciler_(world, alarms, account_), wakeup_(world.loop) {}

const AccountConfig& Watcher::config() {
    // A cycle under way may end after its account has left the configuration.
    if (const AccountConfig* account = world_.account(account_)) {
        config_ = *account;
    }
    return config_;
}

LiveAccount& Watcher::picture_of_account() {
    LiveAccount& account = world_.picture.accounts[account_];
    account.name = account_;
    return account;
}

Message Watcher::message(AlertKind kind, Severity severity, std::string title) const {
    Message m;
    m.kind = kind;
    m.severity = severity;
    m.title = std::move(title);
    m.account = account_;
    return m;
}

/// What runs there costs, in words, as far as it was last known.
std::string Watcher::burning_text() const {
    const Money burning = burn_of(world_.picture, account_, world_.scheduler.wall());
    return burning.positive() ? ", and burns " + to_string(burning) + " an hour" : std::string{};
}

void Watcher::stop() {
    stopping_ = true;
    wakeup_.notify();
}

void Watcher::poll_now(bool whole) {
    whole_ = whole_ || whole;
    wakeup_.notify();
}

Task<void> Watcher::run() {
    while (!stopping_) {
        const Duration pause = co_await cycle();
        if (stopping_) {
            break;
        }
        // Between 95 and 105 %, so that many daemons do not ask in step.
        const Duration jittered = pause * (95 + static_cast<int>(world_.entropy.below(11))) / 100;
        alarm_ = world_.scheduler.at(world_.scheduler.mono() + jittered, [this] { wakeup_.notify(); });
        co_await wakeup_.wait();
    }
    alarm_.cancel();
}

Task<void> Watcher::check_key() {
    const std::shared_ptr<Cloud> cloud = world_.cloud(account_);
    if (cloud == nullptr) {
        co_return;
    }
    auto identity = co_await cloud->check_key(world_.scheduler.in(config().request_timeout));
    if (identity) {
        picture_of_account().identity = *identity;
        key_checked_ = true;
    }
}

Task<Duration> Watcher::cycle() {
    LiveAccount& account = picture_of_account();
    account.last_attempt_mono = world_.scheduler.mono();
    const std::shared_ptr<Cloud> cloud = world_.cloud(account_);
    if (cloud == nullptr) {
        co_return config().poll_interval;  // the account has just left the configuration
    }
    asked_at_ = world_.scheduler.wall();
    auto listing = co_await cloud->list(world_.scheduler.in(config().list_timeout));
    if (!listing) {
        co_return co_await failed(std::move(listing.error()));
    }
    const bool first = !account.listed;
    if (is_old(*listing)) {
        co_return co_await failed(
            {Errc::unavailable, Retry::later(),
             "the provider answered with an old list, of " + to_string(*listing->provider_time), "list"});
    }
    account.first_list = first;
    shown_at_ = std::min(asked_at_, listing->provider_time.value_or(asked_at_));
    CycleEnd end{
        .account = account_,
        .error = {},
        .whole = listing->complete,
        .ahead = listing->provider_time ? std::optional{clock_ahead(*listing->provider_time)} : std::nullopt};
    if (!key_checked_) {
        co_await check_key();
    }
    Batch batch = std::exchange(carried_, {});
    std::vector<Ending> endings;
    apply(*listing, batch, endings);
    co_await find_ends(endings);
    co_await find_past_runs();
    bill_past_runs(endings, batch);
    close_ended(endings, batch);
    if (listing->add_ons) {
        books_.add_ons(account_, stamps_.checked(std::move(*listing->add_ons), batch),
                       world_.scheduler.wall(), batch);
    }
    books_.note_parked(world_.scheduler.wall());
    if (listing->complete) {
        stamps_.settle(listing->add_ons.has_value(), batch);
    }
    co_await reconciler_.ask(batch);
    co_await ask_guests(batch);
    co_await treasurer_.find_sums(world_.store, world_.config, world_.scheduler.now());

    const Now now = world_.scheduler.now();
    account.last_success = now.wall;
    account.last_success_mono = now.mono;
    account.sighted = account.last_attempt_mono;
    account.error.clear();
    account.key_rejected = false;
    account.complete = listing->complete;
    account.failures_in_a_row = 0;
    alarms_.resolve("key/" + account_.value,
                    message(AlertKind::key_rejected, Severity::info,
                            "Account " + account_.value + " is watched again: its key works"),
                    batch);
    alarms_.resolve("blind/" + account_.value,
                    message(AlertKind::blind, Severity::info,
                            "Account " + account_.value + " can be seen again, and is watched"),
                    batch);
    judge_unseen(batch);
    judge_money(batch);
    // A row may begin a day before it ends.
    batch.emplace_back(HistoryPrune{now.wall - world_.config->history - history_row_max});
    store_stopped_clocks(world_.picture, config(), now.mono, batch);
    // Whatever came after the list was asked for is not in it, however long the guests took since.
    batch.emplace_back(AccountPollRow{.account = account_,
                                      .mono = *account.sighted,
                                      .wall = now.wall - (now.mono - *account.sighted),
                                      .complete = listing->complete,
                                      .error = {}});
    if (co_await commit(std::move(batch))) {
        act();
    } else {
        end.error = account.error;
    }
    health_.cycle_ended(end);
    forget_gone();
    // Polls keep their pace though a guest that hangs makes a cycle long; the provider gets a pause all the same.
    const Duration poll = config().poll_interval;
    co_return poll - std::min<Duration>(world_.scheduler.mono() - *account.last_attempt_mono, poll * 3 / 4);
}

/// Of the provider's clock before ours, as far as neither the time of the request nor the whole seconds of its Date
/// explain it.
Duration Watcher::clock_ahead(WallTime provider) const {
    const WallTime now = world_.scheduler.wall();
    if (provider > now) {
        return provider - now;
    }
    const Duration behind = asked_at_ - (provider + Duration{999});
    return behind > Duration{0} ? -behind : Duration{0};
}

/// When it is known not to bill any more: where it has a start of the provider's, by his clock, if ours is wrong by
/// more than a minute. Ours may have been ahead; what was counted then is not given back without a stamp, since the
/// run may go on.
WallTime Watcher::known_off(const LiveRun& run) const {
    const Now ours = world_.scheduler.now();
    const WallTime now = run.run.started_at ? world_.picture.checked_time(account_, ours) : ours.wall;
    const WallTime started = run.run.started_at.value_or(now);
    const WallTime least = run.meter ? std::max(started, run.meter->counted_to) : started;
    return now < least ? std::max(least, provider_now().wall) : now;
}

/// Was it made before an earlier one was here? A cache, or a copy that lags, answers so: what it shows is no news, and
/// what has ended since would begin anew. Of the time before a restart the meters tell. A clock of the provider's that
/// was set back is followed once its dates go on like time.
bool Watcher::is_old(const Listing& listing) {
    if (!listing.provider_time) {
        return false;
    }
    LiveAccount& account = picture_of_account();
    const Instant asked = account.last_attempt_mono.value_or(world_.scheduler.mono());
    const Dated now{.date = *listing.provider_time, .at = world_.scheduler.mono()};
    const auto fresh_after = [&](const Dated& earlier) {
        return now.date + dates_differ >= earlier.by(asked);
    };
    const auto known = account.listed ? std::nullopt : books_.listed_since(account_);
    const bool fresh = account.listed ? fresh_after(*account.listed)
                                      : !known || now.date + dates_differ >= *known;
    if (!fresh && !mutant(Mutant::stale_list_believed)) {
        old_in_step_ = old_list_ && fresh_after(*old_list_) ? old_in_step_ + 1 : 0;
        old_list_ = now;
        if (old_in_step_ < old_in_step_max) {
            return true;
        }
    }
    account.listed = now;
    old_list_.reset();
    old_in_step_ = 0;
    return false;
}

Now Watcher::provider_now() const {
    const Now now = world_.scheduler.now();
    const auto account = world_.picture.accounts.find(account_);
    const bool dated = account != world_.picture.accounts.end() && account->second.listed;
    return dated ? Now{now.mono, account->second.listed->by(now.mono)} : now;
}

Task<Duration> Watcher::failed(Error error) {
    LiveAccount& account = picture_of_account();
    ++account.failures_in_a_row;
    const bool refused = error.code == Errc::unauthorized || error.code == Errc::forbidden;
    const std::string text = to_string(error);
    if (account.error != text) {
        spdlog::warn("event=poll_failed account={} error=\"{}\"", account_.value, text);
    }
    account.error = text;
    account.key_rejected = refused;
    Batch batch = std::exchange(carried_, {});
    if (refused) {
        Message m = message(AlertKind::key_rejected, Severity::critical,
                            "Account " + account_.value + " is not watched" + burning_text() +
                                ": the provider refuses its key, so nothing there can be seen or stopped");
        m.body = {text, "The key is read from " + config().key_file +
                            ". Make a new one in the provider's console, put it there, and run the command."};
        m.do_next = "curfew reload";
        alarms_.raise("key/" + account_.value, std::move(m), batch);
    } else if (account.failures_in_a_row == 3) {
        Message m = message(AlertKind::blind, Severity::warning,
                            "Account " + account_.value + " cannot be seen" + burning_text() +
                                ": 3 polls failed, and nothing there is judged or stopped");
        m.body = {text};
        m.do_next = "curfew doctor";
        alarms_.raise("blind/" + account_.value, std::move(m), batch);
    }
    for (auto& [id, live] : world_.picture.resources) {
        if (live.resource.account == account_ && live.current.meter) {
            const QuietClock before = live.current.clock;
            looker_.absorb_nothing(live.current, "the account cannot be seen", config());
            store_look(live.current, before, batch);
        }
    }
    judge_money(batch);
    const Now now = world_.scheduler.now();
    store_stopped_clocks(world_.picture, config(), now.mono, batch);
    batch.emplace_back(AccountPollRow{
        .account = account_, .mono = now.mono, .wall = now.wall, .complete = false, .error = text});
    if (co_await commit(std::move(batch))) {
        act();
    }
    health_.cycle_ended({.account = account_, .error = text, .whole = false, .ahead = {}});
    if (refused && account.failures_in_a_row >= 2) {
        co_return failure_pause_max;
    }
    if (error.retry.kind == Retry::Kind::after) {
        // The jitter may shorten a pause by 5 %; what the provider asked for is the least it gets.
        const Duration asked = std::min<Duration>(error.retry.delay, retry_after_max) * 100 / 95 +
                               Duration{1};
        co_return std::clamp(asked, config().poll_interval,
                             std::max<Duration>(retry_after_max, config().poll_interval));
    }
    const int doublings = std::min(account.failures_in_a_row - 1, 8);
    const Duration longest = std::min(failure_pause_max, config().poll_interval * (1 << doublings));
    const auto half = static_cast<std::uint64_t>(std::max<std::int64_t>(1, longest.count() / 2));
    co_return std::max<Duration>(
        longest / 2 + Duration{static_cast<std::int64_t>(world_.entropy.below(half))},
        std::min<Duration>(config().poll_interval, seconds{1}));
}

void Watcher::apply(const Listing& listing, Batch& batch, std::vector<Ending>& endings) {
    const bool first_sight = !picture_of_account().last_success;
    std::set<ResourceId> seen;
    for (const Resource& resource : listing.resources) {
        if (!seen.insert(resource.id).second) {
            continue;  // a second time in one list, whose pages have moved: what is new of it the next one tells
        }
        const auto known = world_.picture.resources.find(resource.id);
        apply_resource(
            stamps_.checked(resource, known == world_.picture.resources.end() ? nullptr : &known->second,
                            listing.provider_time, batch),
            first_sight, batch, endings);
    }
    if (!listing.complete && !mutant(Mutant::partial_list_is_whole)) {
        return;
    }
    for (auto& [id, live] : world_.picture.resources) {
        if (live.resource.account == account_ && !seen.contains(id)) {
            apply_absent(live, batch, endings);
        }
    }
}

void Watcher::apply_resource(const Resource& seen, bool first_sight, Batch& batch,
                             std::vector<Ending>& endings) {
    const Now now = world_.scheduler.now();
    auto [entry, is_new] = world_.picture.resources.try_emplace(seen.id);
    LiveResource& live = entry->second;
    const bool other_run = is_new || live.current.run.id != seen.run.id;
    if (!is_new && other_run && seen.run.started_at && live.current.run.started_at &&
        *seen.run.started_at < *live.current.run.started_at && !mutant(Mutant::stale_list_believed)) {
        return;  // a stale list: it shows a run older than the one we know
    }
    // One that was gone, and was kept in mind for its stop, is written down as being there again.
    if (is_new || live.current.gone() || !same_row(live.resource, seen)) {
        batch.emplace_back(row_of(seen, now.wall, false));
    }
    if (other_run || !same_row(live.current.run, seen.run)) {
        LiveResource named;
        named.resource = seen;
        batch.emplace_back(row_of(named, seen.run, now.wall));
    }
    if (other_run && !(is_new && first_sight)) {
        note_other_run(live, seen, is_new, batch);
    }
    if (other_run) {
        LiveRun run;
        run.first_seen = now.mono;
        // Of two that run at once either may be shown as the newest; its meter goes on (I6).
        const auto known = std::ranges::find(live.older, seen.run.id,
                                             [](const LiveRun& o) { return o.run.id; });
        if (known != live.older.end()) {
            run = std::move(*known);
            live.older.erase(known);
        }
        run.clock = mutant(Mutant::clock_outlives_run) ? live.current.clock : QuietClock{};
        if (!is_new && live.current.meter) {
            live.older.push_back(std::move(live.current));
        }
        live.current = std::move(run);
    }
    const Instant by_stamp = began(seen.run, provider_now());
    // Perhaps it was taken from our own wall clock, of which nobody knows how wrong it was.
    const bool off = picture_of_account().listed && seen.run.started_at &&
                     std::chrono::abs(by_stamp - live.current.began) > dates_differ;
    if (other_run || live.current.run.started_at != seen.run.started_at || off) {
        live.current.began = by_stamp;
    }
    // Not before it began: over a restart that is carried by the wall clock, which may have been set.
    if (picture_of_account().listed && seen.run.started_at) {
        live.current.first_seen = std::max(live.current.first_seen, live.current.began);
    }
    live.resource = seen;
    live.resource.provider = config().provider;
    live.seen_at = now.wall;
    live.asked_at = shown_at_;
    // The end comes from elsewhere than the list, which goes on saying nothing of it.
    const std::optional<WallTime> ended = other_run ? books_.counted(seen.run.id) : live.current.run.ended_at;
    if (!other_run && !live.current.run.started_at && seen.run.started_at) {
        books_.began(live, live.current, *seen.run.started_at, batch);
    }
    live.current.run = seen.run;
    if (!live.current.run.ended_at && is_off(seen.run.state)) {
        live.current.run.ended_at = ended;
    }
    live.current.absent_in_complete_lists = 0;
    live.price = books_.price_of(seen, seen.run, now.wall);
    bill(live, seen, other_run && !first_sight, batch, endings);
}

/// What it costs, as this list shows it. `unseen` = its newest run shows for the first time.
void Watcher::bill(LiveResource& live, const Resource& seen, bool unseen, Batch& batch,
                   std::vector<Ending>& endings) {
    const Now now = world_.scheduler.now();
    if (books_.stands(live, now.wall, batch)) {
        live.older.clear();  // it costs the same whatever runs
        return;
    }
    if (bills(seen.run.state)) {
        live.current.ending = false;
        books_.bills(live, live.current, now.wall, batch);
    } else if (is_off(seen.run.state) && live.current.meter) {
        live.current.ending = true;
        endings.push_back({seen.id, seen.run.id, seen.run.ended_at});
    } else if (is_off(seen.run.state) && unseen && seen.run.started_at && !books_.counted(seen.run.id) &&
               !mutant(Mutant::came_and_went_unbilled)) {
        // It came and went between two polls; its own stamps say what it cost.
        endings.push_back({.resource = seen.id, .run = seen.run.id, .at = seen.run.ended_at, .unseen = true});
    }
    for (LiveRun& older : live.older) {
        const auto still = std::ranges::find(seen.other_runs, older.run.id, &Run::id);
        if (still != seen.other_runs.end() && bills(still->state)) {
            older.run = *still;
            older.ending = false;
            books_.bills(live, older, now.wall, batch);
        } else {
            older.ending = true;
            // Never seen beside the newest run, it ended about when that one began.
            const auto& gaps = picture_of_account().gaps;
            const bool replaced = std::ranges::any_of(gaps, [&](const LiveGap& gap) {
                return gap.row.before == older.run.id && gap.row.after == seen.run.id;
            });
            endings.push_back(
                {seen.id, older.run.id, std::nullopt, replaced ? seen.run.started_at : std::nullopt});
        }
    }
    for (const Run& other : seen.other_runs) {
        const bool known = std::ranges::any_of(live.older,
                                               [&](const LiveRun& o) { return o.run.id == other.id; });
        if (!known && bills(other.state) && !mutant(Mutant::second_run_unbilled)) {
            LiveRun run;
            run.run = other;
            run.first_seen = now.mono;
            run.began = began(other, provider_now());
            batch.emplace_back(row_of(live, other, now.wall));
            books_.bills(live, run, now.wall, batch);
            live.older.push_back(std::move(run));
        }
    }
}

void Watcher::apply_absent(LiveResource& live, Batch& batch, std::vector<Ending>& endings) {
    ++live.current.absent_in_complete_lists;
    if (!live.current.gone() && !mutant(Mutant::gone_after_one_list)) {
        return;
    }
    const WallTime now = world_.scheduler.wall();
    books_.gone(live, now, batch);
    live.current.ending = true;
    if (live.current.meter) {
        endings.push_back({live.resource.id, live.current.run.id, std::nullopt});
    }
    for (LiveRun& older : live.older) {
        older.ending = true;
        endings.push_back({live.resource.id, older.run.id, std::nullopt});
    }
    live.current.run.state = RunState::stopped;
    live.current.run.state_text = "gone";
    batch.emplace_back(row_of(live, live.current.run, now));
    batch.emplace_back(row_of(live.resource, live.seen_at, true));
}

Task<void> Watcher::find_ends(std::vector<Ending>& endings) {
    const std::shared_ptr<Cloud> cloud = world_.cloud(account_);
    const Deadline deadline = world_.scheduler.in(config().request_timeout);
    co_await for_each_bounded(world_.loop, endings.size(), 8, [&](std::size_t i) -> Task<void> {
        Ending& ending = endings[i];
        const auto live = world_.picture.resources.find(ending.resource);
        if (cloud == nullptr || ending.at || live == world_.picture.resources.end()) {
            co_return;
        }
        auto end = co_await cloud->ended_at({live->second.resource.kind, ending.resource, ending.run},
                                            deadline);
        if (end && *end) {
            ending.at = (*end)->at;
        }
    });
}

/// The provider has told of it, or never will be asked.
void Watcher::close_gap(const LiveGap& gap, Batch& batch) {
    if (gap.stored) {
        GapRow row = gap.row;
        row.closed = true;
        batch.emplace_back(std::move(row));
    }
}

/// A time by our clock, by the provider's: as far as it can be told, and rather too early.
WallTime Watcher::by_theirs(WallTime ours) const {
    return std::min(ours, ours - (world_.scheduler.wall() - provider_now().wall));
}

/// When the account was listed last, by the provider's clock.
WallTime Watcher::last_sight() const {
    const Now theirs = provider_now();
    const LiveAccount& account = world_.picture.accounts.at(account_);
    return account.sighted ? theirs.wall - (theirs.mono - *account.sighted)
                           : by_theirs(account.last_success.value_or(world_.scheduler.wall()));
}

/// Another run than the one that was seen last: others may have come and gone in between.
void Watcher::note_other_run(const LiveResource& before, const Resource& seen, bool is_new, Batch& batch) {
    const Run& last = before.current.run;
    const WallTime now = world_.scheduler.wall();
    std::vector<LiveGap>& gaps = picture_of_account().gaps;
    const auto left = picture_of_account().gone.extract(seen.id);
    WallTime sight = is_new ? last_sight() : by_theirs(before.seen_at);
    if (is_new && left) {
        sight = std::max(std::min(sight, by_theirs(left.mapped())),
                         by_theirs(now) - Bookkeeper::counted_kept);
    }
    gaps.push_back({.row = {.resource = seen.id,
                            .after = seen.run.id,
                            .account = account_,
                            .kind = seen.kind,
                            .before = last.id,
                            .since = last.started_at.value_or(sight)}});
    if (gaps.size() > gaps_max) {
        spdlog::error("event=gap_dropped account={} resource={}", account_.value,
                      gaps.front().row.resource.value);
        close_gap(gaps.front(), batch);
        gaps.erase(gaps.begin());
    }
}

Task<void> Watcher::find_past_runs() {
    const std::shared_ptr<Cloud> cloud = world_.cloud(account_);
    const Deadline deadline = world_.scheduler.in(config().request_timeout);
    std::vector<LiveGap>& gaps = picture_of_account().gaps;
    co_await for_each_bounded(world_.loop, gaps.size(), 8, [&](std::size_t i) -> Task<void> {
        LiveGap& gap = gaps[i];
        if (cloud == nullptr || gap.answered) {
            co_return;
        }
        auto runs = co_await cloud->past_runs(gap.row.kind, gap.row.resource, gap.row.since, deadline);
        if (runs) {
            gap.answered = true;
            gap.runs = std::move(*runs);
        } else {
            spdlog::warn("event=past_runs_not_read account={} resource={} error=\"{}\"", account_.value,
                         gap.row.resource.value, to_string(runs.error()));
        }
    });
}

void Watcher::bill_past_runs(std::vector<Ending>& endings, Batch& batch) {
    std::vector<LiveGap>& gaps = picture_of_account().gaps;
    for (LiveGap& gap : gaps) {
        const auto live = world_.picture.resources.find(gap.row.resource);
        if (gap.answered && live != world_.picture.resources.end()) {
            bill_past_runs(live->second, gap, endings, batch);
        }
        if (gap.answered) {
            close_gap(gap, batch);
        } else if (!std::exchange(gap.stored, true)) {
            batch.emplace_back(gap.row);
        }
    }
    std::erase_if(gaps, [](const LiveGap& gap) { return gap.answered; });
}

/// Each from its own start to its own end; where the provider does not tell the end, it lies at about the next start.
void Watcher::bill_past_runs(LiveResource& live, LiveGap& gap, std::vector<Ending>& endings, Batch& batch) {
    const WallTime now = world_.scheduler.wall();
    const auto after = live.current.run.id == gap.row.after ? live.current.run.started_at : std::nullopt;
    std::vector<Run> missed;
    for (Run& run : gap.runs) {
        const bool known = run.id == gap.row.before || run.id == gap.row.after ||
                           run.id == live.current.run.id || books_.counted(run.id) ||
                           std::ranges::any_of(live.older,
                                               [&](const LiveRun& o) { return o.run.id == run.id; });
        if (run.ended_at) {  // whoever it was asked about
            for (Ending& ending : endings) {
                ending.at = ending.run == run.id && !ending.at ? run.ended_at : ending.at;
            }
        }
        Run good = known ? Run{} : stamps_.checked(std::move(run), live.resource, batch);
        const bool between = good.started_at &&
                             (gap.row.before.empty() || *good.started_at > gap.row.since) &&
                             *good.started_at < after.value_or(std::max(now, provider_now().wall));
        if (!known && between) {
            missed.push_back(std::move(good));
        }
    }
    std::ranges::sort(missed, {}, &Run::started_at);
    for (std::size_t i = 0; i < missed.size(); ++i) {
        LiveRun run;
        run.run = missed[i];
        const WallTime off = known_off(run);
        const WallTime latest = i + 1 < missed.size() ? *missed[i + 1].started_at : after.value_or(off);
        const Duration beside = std::clamp(off - latest, Duration{0}, teardown_longest);
        books_.came_and_went(live, run, missed[i].ended_at, latest, beside, batch);
        run.run.state = is_off(run.run.state) ? run.run.state : RunState::stopped;
        run.run.ended_at = missed[i].ended_at.value_or(std::max(latest, *missed[i].started_at));
        batch.emplace_back(row_of(live, run.run, now));
    }
    if (!missed.empty()) {
        for (Ending& ending : endings) {
            if (ending.run == gap.row.before && ending.replaced_at) {
                ending.replaced_at = std::min(*ending.replaced_at, *missed.front().started_at);
            }
        }
    }
}

void Watcher::close_ended(const std::vector<Ending>& endings, Batch& batch) {
    const WallTime now = world_.scheduler.wall();
    for (const Ending& ending : endings) {
        const auto found = world_.picture.resources.find(ending.resource);
        if (found == world_.picture.resources.end()) {
            continue;
        }
        LiveResource& live = found->second;
        LiveRun* run = live.current.run.id == ending.run ? &live.current : nullptr;
        for (LiveRun& older : live.older) {
            run = older.run.id == ending.run ? &older : run;
        }
        if (run == nullptr) {
            continue;
        }
        const WallTime off = known_off(*run);
        WallTime latest = std::min(off, ending.replaced_at.value_or(off));
        latest = std::max(latest, run->run.started_at.value_or(latest));
        const Duration beside = std::min(off - latest, teardown_longest);
        const auto end = stamps_.checked_end(run->run, live.resource, ending.at, batch);
        if (ending.unseen && !run->meter) {
            books_.came_and_went(live, *run, end, latest, beside, batch);
        } else {
            books_.ended(live, *run, end, latest, beside, batch);
        }
        run->run.ended_at = end.value_or(latest);
        std::ranges::move(run->history.finish(), std::back_inserter(batch));
        if (!is_off(run->run.state)) {
            run->run.state = RunState::stopped;
        }
        batch.emplace_back(row_of(live, run->run, now));
        std::erase_if(live.older, [&](const LiveRun& older) { return older.run.id == ending.run; });
    }
}

Task<void> Watcher::ask_guests(Batch& batch) {
    std::vector<ResourceId> due;
    const auto depth = std::exchange(whole_, false) ? Looker::Depth::whole : Looker::Depth::due;
    // A poll comes up to 5 % early; what is due by the middle of the next one is asked now.
    const Instant soon = world_.scheduler.mono() + config().poll_interval / 2;
    for (const auto& [id, live] : world_.picture.resources) {
        const Run& run = live.current.run;
        // Who is just being looked at before a pack or a stop is not asked twice at once.
        const bool wanted = (live.current.next_look <= soon || live.enforcement ||
                             depth == Looker::Depth::whole) &&
                            !looker_.asking(run.id);
        if (live.resource.account == account_ && run.state == RunState::running && wanted &&
            live.current.absent_in_complete_lists == 0) {
            due.push_back(id);
        }
    }
    const Deadline deadline = world_.scheduler.in(config().list_timeout);
    co_await for_each_bounded(world_.loop, due.size(), guests_at_once, [&](std::size_t i) -> Task<void> {
        const auto before = world_.picture.resources.find(due[i]);
        if (before == world_.picture.resources.end()) {
            co_return;
        }
        const RunId asked = before->second.current.run.id;
        const Deadline own = deadline.earlier(world_.scheduler.in(config().request_timeout).at);
        auto look = co_await looker_.look(before->second.resource, before->second.current.run,
                                          looker_.plan(before->second, depth), own);
        const auto after = world_.picture.resources.find(due[i]);
        if (after != world_.picture.resources.end() && after->second.current.run.id == asked) {
            LiveRun& run = after->second.current;
            const QuietClock clock = run.clock;
            looker_.absorb(after->second, std::move(look));
            store_look(run, clock, batch);
        }
    });
}

void Watcher::store_look(LiveRun& run, const QuietClock& before, Batch& batch) const {
    const Instant now = world_.scheduler.mono();
    for (const Observation& o : run.observations) {
        const auto stored = run.stored.find(o.source);
        if (stored == run.stored.end() || stored->second.first != o.verdict ||
            now - stored->second.second > observation_refresh) {
            run.stored.insert_or_assign(o.source, std::pair{o.verdict, now});
            batch.emplace_back(o);
        }
    }
    std::ranges::move(run.history.take(now), std::back_inserter(batch));
    // While the clock only goes on adding, the store can work it out from the account's last poll.
    const bool goes_on = run.clock_adds && run.clock.last_quiet_at && before.last_quiet_at &&
                         run.clock.quiet - before.quiet == *run.clock.last_quiet_at - *before.last_quiet_at;
    if (run.clock == before || goes_on) {
        return;
    }
    run.clock_adds = run.clock.last_quiet_at.has_value();
    batch.emplace_back(QuietRow{.run = run.run.id, .clock = run.clock});
}

Task<bool> Watcher::commit(Batch batch) {
    // Guests were asked since, or the disk was: others may have written these alerts meanwhile.
    alarms_.refresh(batch);
    // What a failed transaction must not lose: everything but the newest look, which comes again.
    Batch copy;
    std::ranges::copy_if(batch, std::back_inserter(copy),
                         [](const Write& w) { return !std::holds_alternative<Observation>(w); });
    const bool tells = std::ranges::any_of(
        batch, [](const Write& w) { return std::holds_alternative<OutboxRow>(w); });
    // Whoever asks the store from here on is answered after this.
    std::vector<CostRow> handed = std::exchange(world_.picture.unstored[account_], {});
    auto done = co_await world_.store.commit(std::move(batch));
    if (done) {
        if (tells) {
            alarms_.committed();
        }
        co_return true;
    }
    spdlog::error("event=commit_failed account={} error=\"{}\"", account_.value, to_string(done.error()));
    health_.not_durable(done.error());
    picture_of_account().error = "the database does not take what was seen: " + to_string(done.error());
    if (copy.size() < carried_max) {
        carried_ = mutant(Mutant::rows_lost_with_commit) ? Batch{} : std::move(copy);
        world_.picture.unstored[account_] = std::move(handed);
    } else {
        spdlog::critical("event=rows_lost count={}", copy.size());
    }
    co_return false;
}

void Watcher::act() {
    std::vector<StopCandidate> order;
    std::map<RunId, ResourceId> by_run;
    for (const auto& [id, live] : world_.picture.resources) {
        if (live.resource.account == account_) {
            by_run.emplace(live.current.run.id, id);
            order.push_back({.run = live.current.run.id,
                             .quiet = live.current.judgement.verdict == Verdict::quiet,
                             .quiet_for = live.current.clock.quiet,
                             .per_hour = live.price != nullptr ? live.price->rate.per_hour : Money{}});
        }
    }
    sort_for_stopping(order);
    for (const StopCandidate& candidate : order) {
        LiveResource& live = world_.picture.resources.at(by_run.at(candidate.run));
        enforcer_.assessed(live, looker_.assess_now(live, true, live.current.gone()));
    }
}

void Watcher::forget_gone() {
    const WallTime now = world_.scheduler.wall();
    books_.forget_counted(now);
    std::map<ResourceId, WallTime>& gone = picture_of_account().gone;
    std::erase_if(gone, [&](const auto& entry) { return now - entry.second > Bookkeeper::counted_kept; });
    std::erase_if(world_.picture.resources, [&](const auto& entry) {
        const LiveResource& live = entry.second;
        const bool over = live.resource.account == account_ && live.current.gone() && !live.enforcement;
        if (over) {
            gone.insert_or_assign(entry.first, live.seen_at);
        }
        return over;
    });
}

}  // namespace curfew
