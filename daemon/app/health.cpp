#include "curfew/app/health.hpp"

#include "curfew/app/health_texts.hpp"
#include "curfew/app/messages.hpp"
#include "curfew/app/outlook.hpp"
#include "curfew/core/route.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <set>

namespace curfew {

namespace {

namespace texts = health_texts;

constexpr Duration look_every = minutes{1};
constexpr Duration stale_critical_after = hours{6};
constexpr Duration step_told_for = hours{1};
constexpr Duration replaced_told_for = hours{12};
constexpr int skewed_looks = 2;  // an answer out of somebody's cache is as old as it says
constexpr Duration dead_calm = minutes{10};
constexpr Duration dead_every = minutes{10};
constexpr Duration written_calm = minutes{5};
constexpr Duration direct_every = hours{1};
constexpr Duration direct_timeout = seconds{30};
constexpr Duration late_after = minutes{15};
constexpr Duration cap_window = hours{1};
constexpr Duration much_after = minutes{2};
constexpr std::int64_t waiting_max = 1000;
constexpr std::int64_t log_bytes_max = std::int64_t{64} << 20;
constexpr int heartbeat_failures_max = 3;
constexpr std::size_t reason_bytes_max = 2000;

constexpr std::string_view stale_prefix = "self/stale/";
constexpr std::string_view cycles_prefix = "self/cycles/";
constexpr std::string_view skew_prefix = "self/clock/skew/";
constexpr std::string_view dead_prefix = "self/dead_letter/";
constexpr std::string_view backlog_prefix = "self/backlog/";
constexpr std::string_view disk_prefix = "self/disk/";
constexpr std::string_view step_key = "self/clock/step";
constexpr std::string_view passes_key = "self/passes";
constexpr std::string_view write_key = "self/database/write";
constexpr std::string_view log_key = "self/database/log";
constexpr std::string_view copy_key = "self/database/copy";
constexpr std::string_view heartbeat_key = "self/heartbeat";

template <class Name>
std::string key_of(std::string_view prefix, const Name& name) {
    return std::string{prefix} + name.value;
}

/// The middle one of three: between the readings of the two clocks the process may lose its turn.
Duration offset_of_clocks(const Scheduler& scheduler) {
    std::array<Duration, 3> offsets{};
    for (Duration& offset : offsets) {
        const Now now = scheduler.now();
        offset = Duration{now.wall.ms - now.mono.ms};
    }
    std::ranges::sort(offsets);
    return offsets[1];
}

}  // namespace

Health::Health(World& world, Alarms& alarms, TaskGroup& tasks)
    : world_(world), alarms_(alarms), tasks_(tasks), pulse_(world.loop, world.scheduler),
      rest_(world.loop, world.scheduler) {}

void Health::use(std::vector<std::shared_ptr<Channel>> channels, std::shared_ptr<Heartbeat> heartbeat,
                 std::shared_ptr<DiskGauge> disks) {
    channels_ = std::move(channels);
    pulse_.use(std::move(heartbeat), world_.config->heartbeat.interval);
    gauge_ = std::move(disks);
    std::erase_if(accounts_, [&](const auto& entry) { return world_.account(entry.first) == nullptr; });
}

void Health::stop() {
    pulse_.stop();
    rest_.stop();
}

Task<void> Health::run() {
    do {
        co_await look();
    } while (co_await rest_.lasts(look_every));
}

// ---- what others tell ----------------------------------------------------------------------------

Health::OfAccount& Health::of(const AccountName& name) {
    const auto [entry, is_new] = accounts_.try_emplace(name);
    if (is_new) {
        entry->second.whole_at = world_.scheduler.mono();
        entry->second.whole_wall = world_.scheduler.wall();
    }
    return entry->second;
}

void Health::cycle_ended(const CycleEnd& cycle) {
    if (world_.account(cycle.account) == nullptr) {
        return;  // it has just left the configuration
    }
    OfAccount& account = of(cycle.account);
    const bool was_bad = account.failed >= failed_cycles_max;
    account.failed = cycle.error.empty() ? 0 : account.failed + 1;
    account.polled = true;
    account.error = cycle.error;
    account.parts = cycle.error.empty() && !cycle.whole;
    if (cycle.error.empty() && cycle.whole) {
        account.seen_whole = true;
        account.whole_at = world_.scheduler.mono();
        account.whole_wall = world_.scheduler.wall();
    }
    if (cycle.ahead) {
        account.ahead = cycle.ahead;
        account.ahead_seen = clock_skewed(*cycle.ahead, account.skewed) ? account.ahead_seen + 1 : 0;
    }
    if (was_bad != (account.failed >= failed_cycles_max)) {
        rest_.wake();
    }
    pulse_.beat(what_is_bad());
}

void Health::not_durable(const Error& error) {
    refused_at_ = world_.scheduler.mono();
    if (!unwritten_) {
        unwritten_since_ = world_.scheduler.wall();
        rest_.wake();
    }
    unwritten_ = error;
}

void Health::taken(const ChannelName& channel) {
    of_channels_[channel].taken_at = world_.scheduler.mono();
}

void Health::given_up(const GivenUp& what) {
    OfChannel& channel = of_channels_[what.channel];
    channel.dead += what.rows;
    channel.dead_at = world_.scheduler.mono();
    channel.dead_since = channel.dead_since.value_or(world_.scheduler.wall());
    channel.newest = what;
    if (!alarms_.firing(key_of(dead_prefix, what.channel))) {
        rest_.wake();
    }
}

void Health::found(std::string key, Message fault) {
    given_.insert_or_assign(std::move(key), std::move(fault));
    rest_.wake();
}

void Health::mended(std::string key) {
    given_.insert_or_assign(std::move(key), std::nullopt);
    rest_.wake();
}

// ---- one pass ------------------------------------------------------------------------------------

Task<void> Health::look() {
    const Result<void> read_all = co_await read();
    passed(read_all);
    if (unwritten_) {
        co_await tell_unwritten();
    }
    Batch batch;
    Alarms::Memory memory;
    Given given;
    if (!unwritten_) {
        given = std::exchange(given_, {});
        memory = alarms_.remember([&] {
            judge(batch, read_all.has_value());
            judge_given(given, batch);
        });
    }
    bool written = !unwritten_;
    if (!batch.empty()) {
        auto done = co_await alarms_.commit(std::move(batch), std::move(memory));
        written = done.has_value();
        if (done) {
            alarms_.committed();
        } else {
            given_.merge(std::move(given));  // what came meanwhile is newer
            not_durable(done.error());
        }
    }
    step_written_ = step_written_ || written;
    pulse_.beat(what_is_bad());
}

void Health::passed(const Result<void>& pass) {
    if (pass) {
        failed_passes_ = 0;
        pass_error_.clear();
        return;
    }
    const std::string text = to_string(pass.error());
    if (pass_error_ != text) {
        spdlog::error("event=self_check_failed error=\"{}\"", text);
    }
    ++failed_passes_;
    pass_error_ = text;
}

Task<Result<void>> Health::read() {
    looked_since_ = looked_since_.value_or(world_.scheduler.mono());
    const Duration offset = offset_of_clocks(world_.scheduler);
    if (const Duration moved = offset - offset_.value_or(offset); clock_stepped(moved)) {
        stepped_at_ = world_.scheduler.mono();
        stepped_wall_ = world_.scheduler.wall();
        moved_ = moved;
        step_written_ = false;
        spdlog::warn("event=clock_set moved_ms={}", moved.count());
    }
    offset_ = offset;
    co_await ask_disks();
    auto store = co_await world_.store.health();
    if (!store) {
        co_return std::unexpected(store.error());
    }
    store_ = std::move(*store);
    co_return co_await ask_outbox();
}

/// The oldest row of each channel stands for all behind it. One that is in no parcel waits for its group, or for a
/// place under the cap of its channel, and is late only beyond that.
Task<Result<void>> Health::ask_outbox() {
    std::optional<std::int64_t> waiting;  // in all: counted only where it matters
    std::vector<Late> late;
    const std::shared_ptr<const Config> config = world_.config;
    for (const ChannelConfig& channel : config->channels) {
        auto oldest = co_await world_.store.outbox(
            {.state = OutboxState::waiting, .channel = channel.name, .after_seq = 0, .limit = 1});
        if (!oldest) {
            co_return std::unexpected(oldest.error());
        }
        if (oldest->empty()) {
            continue;
        }
        const OutboxRow& row = oldest->front();
        const WallTime now = world_.scheduler.wall();
        const Duration waits = now - row.created_at;
        const bool refused = row.attempts > 0 && waits >= late_after;
        const bool stuck = row.attempts == 0 && now - row.next_at >= late_after + cap_window;
        const bool overdue = now - row.next_at >= much_after;
        if (!waiting && (refused || stuck || overdue)) {
            auto counts = co_await world_.store.outbox_counts();
            if (!counts) {
                co_return std::unexpected(counts.error());
            }
            waiting = (*counts)[OutboxState::waiting];
        }
        const bool much = overdue && *waiting > waiting_max;
        if (refused || stuck || much) {
            late.push_back({.channel = channel.name, .waits = waits, .error = row.last_error});
        }
    }
    waiting_ = waiting.value_or(0);
    late_ = std::move(late);
    co_return co_await ask_dead();
}

/// Those of earlier processes: what is given up in this one is told as it happens.
Task<Result<void>> Health::ask_dead() {
    const Instant now = world_.scheduler.mono();
    const std::shared_ptr<const Config> config = world_.config;
    if (asked_dead_ && now - *asked_dead_ < dead_every && asked_dead_of_ == config) {
        co_return Result<void>{};
    }
    std::set<ChannelName> unsent;
    for (const ChannelConfig& channel : config->channels) {
        auto dead = co_await world_.store.outbox(
            {.state = OutboxState::dead, .channel = channel.name, .after_seq = 0, .limit = 1});
        if (!dead) {
            co_return std::unexpected(dead.error());
        }
        if (!dead->empty()) {
            unsent.insert(channel.name);
        }
    }
    unsent_ = std::move(unsent);
    asked_dead_ = now;
    asked_dead_of_ = config;
    co_return Result<void>{};
}

Task<void> Health::ask_disks() {
    disks_.clear();
    if (gauge_ == nullptr) {
        co_return;
    }
    const std::shared_ptr<DiskGauge> gauge = gauge_;
    const std::shared_ptr<const Config> config = world_.config;
    std::vector<std::pair<std::string, std::string>> folders{{"Curfew's state", config->state_dir}};
    for (const VaultConfig& vault : config->vaults) {
        folders.emplace_back("vault " + vault.name.value, vault.path);
    }
    std::vector<OfDisk> found;
    for (const auto& [what, path] : folders) {
        const std::string words = what + " (" + path + ")";
        Result<Space> space = co_await gauge->space(path);
        const auto same = std::ranges::find_if(
            found, [&](const OfDisk& d) { return space && d.space && d.space->volume == space->volume; });
        if (same != found.end()) {
            same->folders.push_back(words);
        } else {
            found.push_back({.folders = {words}, .path = path, .space = std::move(space)});
        }
    }
    disks_ = std::move(found);
}

void Health::judge(Batch& batch, bool read_all) {
    judge_accounts(batch);
    judge_clock(batch);
    if (read_all) {
        judge_channels(batch);
        judge_disks(batch);
        judge_database(batch);
    }
    if (failed_passes_ >= failed_cycles_max) {
        raise(passes_key, texts::passes(since(passes_key), failed_passes_, pass_error_), batch);
    } else if (failed_passes_ == 0) {
        end(passes_key, texts::passes_again(), batch);
    }
    if (pulse_.failures() >= heartbeat_failures_max) {
        raise(heartbeat_key,
              texts::heartbeat_unheard(words(pulse_.failing_since().value_or(world_.scheduler.wall())),
                                       pulse_.failures(), pulse_.error()),
              batch);
    } else if (pulse_.failures() == 0 && pulse_.heard()) {
        end(heartbeat_key, texts::heartbeat_heard(), batch);
    } else if (!pulse_.used()) {
        alarms_.resolve(std::string{heartbeat_key}, std::nullopt, batch);
    }
}

void Health::judge_given(const Given& given, Batch& batch) {
    for (const auto& [key, fault] : given) {
        if (fault) {
            alarms_.raise(key, *fault, batch);
        } else {
            alarms_.resolve(key, std::nullopt, batch);
        }
    }
}

void Health::judge_accounts(Batch& batch) {
    const Now now = world_.scheduler.now();
    std::set<std::string> known;
    for (const AccountConfig& config : world_.config->accounts) {
        OfAccount& account = of(config.name);
        const Duration age = now.mono - account.whole_at;
        const texts::OfAccount what{.account = config.name,
                                    .since = words(account.whole_wall),
                                    .burn = burn_of(world_.picture, config.name, now.wall)};

        const std::string cycles = key_of(cycles_prefix, config.name);
        const bool failing = account.failed >= failed_cycles_max;
        if (failing) {
            raise(cycles, texts::cycles(what, account.failed, account.error), batch);
        } else if (account.polled && account.failed == 0) {
            end(cycles, texts::cycles_again(what), batch);
        }

        // What fails is told as that.
        const std::string stale = key_of(stale_prefix, config.name);
        if (age >= stale_after(config.poll_interval) && !failing) {
            const Severity severity = age >= stale_critical_after ? Severity::critical : Severity::warning;
            raise(stale, texts::stale(what, age, account.parts, severity), batch);
        } else if (account.seen_whole && age < stale_after(config.poll_interval)) {
            end(stale, texts::fresh(what), batch);
        }

        const std::string skew = key_of(skew_prefix, config.name);
        account.skewed = account.ahead_seen >= skewed_looks;
        if (account.skewed) {
            raise(skew, texts::clock_skew(config.name, since(skew), *account.ahead), batch);
        } else if (account.ahead && account.ahead_seen == 0) {
            end(skew, texts::clock_right(config.name), batch);
        }
        known.insert({cycles, stale, skew});
    }
    for (const std::string_view prefix : {cycles_prefix, stale_prefix, skew_prefix}) {
        alarms_.resolve_others(std::string{prefix}, known, batch);
        std::erase_if(critical_, [&](const auto& entry) {
            return entry.first.starts_with(prefix) && !known.contains(entry.first);
        });
    }
}

void Health::judge_clock(Batch& batch) {
    // A disk that takes nothing for longer than that does not hide it.
    if (stepped_at_ && (!step_written_ || world_.scheduler.mono() - *stepped_at_ < step_told_for)) {
        raise(step_key, texts::clock_step(words(stepped_wall_), moved_), batch);
    } else if (world_.scheduler.mono() - *looked_since_ >= step_told_for) {
        end(step_key, texts::clock_steady(), batch);
    }
}

void Health::judge_channels(Batch& batch) {
    const Instant now = world_.scheduler.mono();
    std::set<std::string> known;
    for (auto& [name, channel] : of_channels_) {
        const std::string key = key_of(dead_prefix, name);
        const bool calm = !channel.dead_at || now - *channel.dead_at >= dead_calm;
        const bool works = channel.taken_at && (!channel.dead_at || *channel.taken_at > *channel.dead_at);
        if (calm && works) {
            end(key, texts::dead_letter_over(name, channel.dead), batch);
            channel.dead = 0;
            channel.dead_at.reset();
            channel.dead_since.reset();
        } else if (channel.dead_at) {
            raise(key, texts::dead_letter(channel.newest, words(*channel.dead_since), channel.dead), batch);
        }
        known.insert(key);
    }
    for (const ChannelName& channel : unsent_) {
        known.insert(key_of(dead_prefix, channel));
    }
    alarms_.resolve_others(std::string{dead_prefix}, known, batch);

    known.clear();
    for (const Late& late : late_) {
        const std::string key = key_of(backlog_prefix, late.channel);
        raise(key, texts::backlog(late.channel, waiting_, late.waits, late.error), batch);
        known.insert(key);
    }
    for (const ChannelConfig& channel : world_.config->channels) {
        const std::string key = key_of(backlog_prefix, channel.name);
        if (!known.contains(key)) {
            end(key, texts::backlog_over(channel.name), batch);
        }
        known.insert(key);
    }
    alarms_.resolve_others(std::string{backlog_prefix}, known, batch);
}

void Health::judge_disks(Batch& batch) {
    std::set<std::string> known;
    for (const OfDisk& disk : disks_) {
        const std::string key = std::string{disk_prefix} + disk.path;
        known.insert(key);
        if (!disk.space) {
            raise(key,
                  texts::disk_unreadable(disk.folders, disk.path, to_string(disk.space.error()), since(key)),
                  batch);
            continue;
        }
        SpaceLevel& level = level_[disk.path];
        level = level_of(*disk.space, level);
        if (level == SpaceLevel::good) {
            end(key, texts::disk_again(disk.folders, *disk.space), batch);
        } else {
            raise(key, texts::disk(disk.folders, disk.path, *disk.space, level, since(key)), batch);
        }
    }
    if (gauge_ != nullptr) {
        alarms_.resolve_others(std::string{disk_prefix}, known, batch);
        std::erase_if(critical_, [&](const auto& entry) {
            return entry.first.starts_with(disk_prefix) && !known.contains(entry.first);
        });
    }
}

void Health::judge_database(Batch& batch) {
    const std::string& folder = world_.config->state_dir;
    if (store_.log_bytes > log_bytes_max) {
        raise(log_key, texts::log_grows(since(log_key), store_.log_bytes, folder), batch);
    } else {
        end(log_key, texts::log_good(), batch);
    }
    if (!store_.copy_trouble.empty()) {
        raise(copy_key, texts::no_copy(since(copy_key), store_.copy_trouble, folder), batch);
    } else if (store_.copied_at) {
        end(copy_key, texts::copy_again(), batch);
    }
    // A new database is copied at once: people are to see for a while what they have lost.
    const auto replaced = alarms_.firing_since(std::string{replaced_key});
    if (replaced && store_.copied_at && *store_.copied_at - *replaced >= replaced_told_for) {
        end(replaced_key, texts::whole_again(), batch);
    }
    if (!refused_at_ || world_.scheduler.mono() - *refused_at_ >= written_calm) {
        end(write_key, texts::written_again(refused_at_ ? words(unwritten_since_) : std::string{}), batch);
    }
}

// ---- when nothing can be stored ------------------------------------------------------------------

/// The rows that only say so are the probe as well: with them there is always something to write.
Task<void> Health::tell_unwritten() {
    const WallTime now = world_.scheduler.wall();
    AuditRow row{.seq = 0,
                 .at = now,
                 .kind = "database.refused",
                 .account = {},
                 .resource = {},
                 .run = {},
                 .actor = "curfewd",
                 .text = "from " + to_string(unwritten_since_) + " on: " + to_string(*unwritten_)};
    Message m = texts::not_written(words(unwritten_since_), *unwritten_,
                                   burn_of(world_.picture, std::nullopt, now), world_.config->state_dir);
    Batch batch{std::move(row)};
    Alarms::Memory memory;
    if (told_directly_) {
        Message again = texts::written_again(words(unwritten_since_));
        again.state = AlertState::resolved;
        alarms_.tell(std::move(again), batch);
    } else {
        memory = alarms_.remember([&] { alarms_.raise(std::string{write_key}, m, batch); });
    }
    auto done = co_await alarms_.commit(std::move(batch), std::move(memory));
    if (done) {
        alarms_.committed();
        spdlog::info("event=database_written_again since={}", to_string(unwritten_since_));
        unwritten_.reset();
        told_directly_ = false;
        co_return;
    }
    not_durable(done.error());
    tell_directly(std::move(m));
}

void Health::tell_directly(Message message) {
    const Now now = world_.scheduler.now();
    told_directly_ = true;
    if (told_directly_at_ && now.mono - *told_directly_at_ < direct_every) {
        return;
    }
    told_directly_at_ = now.mono;
    message.id = "msg_" + world_.entropy.hex(12);
    message.at = now.wall;
    message.telling = Telling::firing;
    const Config& config = *world_.config;
    for (const Destination& to : self_paths(destinations(message, config.routing), message,
                                            config.routing.channels, config.alerts.failover)) {
        const auto channel = std::ranges::find_if(channels_,
                                                  [&](const auto& c) { return c->name() == to.channel; });
        if (channel != channels_.end()) {
            tasks_.spawn("direct alert by " + to.channel.value,
                         send(*channel, {.message = message, .to = to.to}));
        }
    }
}

Task<void> Health::send(std::shared_ptr<Channel> channel, Parcel parcel) {
    const auto sent = co_await channel->deliver(std::move(parcel), world_.scheduler.in(direct_timeout));
    if (sent) {
        spdlog::info("event=told_directly channel={}", channel->name().value);
    } else {
        spdlog::error("event=not_told_directly channel={} error=\"{}\"", channel->name().value,
                      to_string(sent.error()));
    }
}

// ---- small things --------------------------------------------------------------------------------

void Health::raise(std::string_view key, Message message, Batch& batch) {
    if (message.severity == Severity::critical) {
        critical_.insert_or_assign(std::string{key}, message.title);
    } else {
        critical_.erase(std::string{key});
    }
    alarms_.raise(std::string{key}, std::move(message), batch);
}

void Health::end(std::string_view key, Message message, Batch& batch) {
    since_.erase(std::string{key});
    critical_.erase(std::string{key});
    alarms_.resolve(std::string{key}, std::move(message), batch);
}

std::string Health::words(WallTime t) const {
    return messages::at_words(t, world_.config->zone);
}

std::string Health::since(std::string_view key) {
    return words(since_.try_emplace(std::string{key}, world_.scheduler.wall()).first->second);
}

std::string Health::what_is_bad() const {
    std::string text;
    const auto add = [&](const std::string& line) { text += (text.empty() ? "" : "\n") + line; };
    if (unwritten_) {
        add("the database takes nothing: " + to_string(*unwritten_));
    }
    if (!pass_error_.empty()) {
        add("a check of its own failed: " + pass_error_);
    }
    const Instant now = world_.scheduler.mono();
    for (const auto& [name, account] : accounts_) {
        const AccountConfig* config = world_.account(name);
        if (!account.error.empty()) {
            add("account " + name.value + ": " + account.error);
        } else if (config != nullptr && now - account.whole_at >= stale_after(config->poll_interval)) {
            add("account " + name.value + " was last seen whole at " + words(account.whole_wall));
        }
    }
    for (const auto& [key, title] : critical_) {
        add(title);
    }
    return text.size() <= reason_bytes_max ? text : text.substr(0, reason_bytes_max);
}

}  // namespace curfew
