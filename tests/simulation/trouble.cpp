#include "simulation/trouble.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace curfew::simulation {

namespace {

using Rate = std::int64_t Rates::*;

/// What gets bad for a while, with others of its kind.
const std::vector<std::vector<Rate>>& kinds_of_spells() {
    static const std::vector<std::vector<Rate>> kinds{
        {&Rates::partial, &Rates::absent},
        {&Rates::stale},
        {&Rates::doubled, &Rates::odd_state},
        {&Rates::stop_lost, &Rates::lost_reply},
        {&Rates::stop_refused},
        {&Rates::stop_ignored, &Rates::slow_teardown},
        {&Rates::guest_hangs, &Rates::guest_late},
        {&Rates::guest_refuses, &Rates::probe_fails},
        {&Rates::changes_underway},
        {&Rates::read_fails, &Rates::vault_fails},
        {&Rates::vault_full},
        {&Rates::vault_slow, &Rates::slow_commit},
        {&Rates::slow_commit},
        {&Rates::receiver_down, &Rates::receiver_slow},
        {&Rates::lost_ack, &Rates::lost_parcel},
        {&Rates::restart_underway},
        {&Rates::work_underway},
        {&Rates::lost_request, &Rates::latency},
        {&Rates::broken, &Rates::garbage},
        {&Rates::no_metrics},
    };
    return kinds;
}

}  // namespace

Trouble::Trouble(Stage& stage, Surroundings around, Host& host, People& people, Story& story)
    : stage_(stage), around_(std::move(around)), host_(host), people_(people), story_(story),
      chance_(stage.dice.split("chance")), untimely_(stage.dice.split("untimely")),
      together_(stage.dice.split("together")), moves_(stage.dice.split("move")),
      gaps_(stage.dice.split("gaps")) {}

void Trouble::begin() {
    now_and_then(story_.crash_every, &Trouble::crash);
    now_and_then(story_.reboot_every, &Trouble::reboot);
    now_and_then(story_.suspend_every, &Trouble::suspend);
    now_and_then(story_.clock_every, &Trouble::set_clock);
    now_and_then(story_.disk_every, &Trouble::disk_trouble);
    now_and_then(story_.outage_every, &Trouble::outage);
    now_and_then(story_.key_every, &Trouble::refuse_key);
    now_and_then(story_.receiver_every, &Trouble::receiver_trouble);
    now_and_then(story_.reload_every, &Trouble::reload);
    now_and_then(story_.vanish_every, &Trouble::vanish);
    now_and_then(story_.mend_every, &Trouble::mend);
    now_and_then(story_.spell_every, &Trouble::spell);
    now_and_then(story_.price_every, &Trouble::list_price);
    now_and_then(story_.leave_every, &Trouble::everybody_leaves);
    now_and_then(story_.move_every, &Trouble::move, moves_);
    now_and_then(story_.hasty_every, &Trouble::haste);
    now_and_then(story_.wipe_every, &Trouble::wipe);
    if (story_.clock_off != Duration{0}) {
        stage_.clock.step(story_.clock_off);
        clock_is_set(story_.clock_off);
    }
    dated_prices();
    if (story_.dead_channel > Duration{0}) {
        stage_.clock.after(chance_.between(minutes{10}, hours{12}), [this] {
            auto receiver = around_.receivers.begin();
            std::advance(receiver, static_cast<std::ptrdiff_t>(chance_.below(around_.receivers.size())));
            receiver->second.down_until = stage_.clock.now() + story_.dead_channel;
        });
    }
    stage_.durable = [this](const Batch& batch) { durable(batch); };
    stage_.asked = [this](const Batch& batch) { return while_stop_is_written(batch); };
}

Duration Trouble::time_off() {
    return calm_               ? Duration{seconds{2}}
           : chance_.one_in(4) ? chance_.skewed(seconds{2}, hours{10})
                               : Duration{seconds{2}};
}

void Trouble::now_and_then(Duration every, Happening what) {
    now_and_then(every, what, chance_);
}

void Trouble::now_and_then(Duration every, Happening what, Dice& dice) {
    if (every <= Duration{0}) {
        return;
    }
    stage_.clock.after(dice.between(every / 4, every * 2), [this, every, what, &dice] {
        if (!calm_) {
            (this->*what)();
            now_and_then(every, what, dice);
        }
    });
}

// ---- the process and its host --------------------------------------------------------------------------

// What is asleep does not crash, nor is it started anew: that would read its configuration in its sleep.
void Trouble::crash() {
    if (stage_.clock.suspended()) {
        return;
    }
    switch (chance_.below(8)) {
        case 0:
            host_.die("at rest");
            break;
        case 1:
        case 2:
            host_.point_deaths = chance_.between(1, 12);
            break;
        case 3:
            host_.deaths.before = chance_.between(1, 12);
            break;
        case 4:
            host_.deaths.after = chance_.between(1, 12);
            break;
        case 5:
            host_.deaths.inside = chance_.between(1, 6);
            host_.deaths.writes_inside = chance_.between(0, 9);
            break;
        default:
            host_.handler_deaths = chance_.between(1, 400);
            break;
    }
}

void Trouble::reboot() {
    if (stage_.clock.suspended()) {
        return;
    }
    host_.die("the host lost power");
    stage_.clock.reboot();
    stage_.tally.mark("reboot");
    if (coincides()) {  // and its first start there does not get far
        host_.handler_deaths = together_.between(1, 80);
    }
}

void Trouble::suspend() {
    if (stage_.clock.suspended()) {
        return;
    }
    const Duration length = chance_.skewed(minutes{1}, hours{20});
    stage_.injected("suspend");
    stage_.judge.suspended(length, stage_.moment());
    stage_.clock.suspend();
    stage_.clock.after(length, [this] {
        stage_.clock.wake();
        stage_.note("woke");
    });
}

void Trouble::set_clock() {
    Duration by{0};
    if (chance_.one_in(3)) {
        by = stage_.clock.set_right();
    } else {
        by = chance_.skewed(seconds{1}, hours{8}) * (chance_.one_in(2) ? 1 : -1);
        stage_.clock.step(by);
    }
    stage_.clock.drift(chance_.one_in(2) ? chance_.between(-40, 40) : 0);
    clock_is_set(by);
}

void Trouble::clock_is_set(Duration by) {
    stage_.injected("clock_set");
    stage_.note("clock", {}, by.count());
    stage_.judge.clock_stepped(by, stage_.moment());
}

void Trouble::disk_trouble() {
    switch (chance_.below(3)) {
        case 0:
            stage_.injected("disk_full");
            host_.full_disk(true);
            stage_.clock.after(chance_.skewed(minutes{1}, hours{6}), [this] { host_.full_disk(false); });
            break;
        case 1:
            stage_.injected("disk_write_error");
            host_.disk.fail_next_write();
            break;
        default:
            stage_.injected("disk_sync_error");
            host_.disk.fail_next_sync();
            break;
    }
}

// ---- what lies around it -------------------------------------------------------------------------------

void Trouble::outage() {
    auto account = around_.accounts.begin();
    std::advance(account, static_cast<std::ptrdiff_t>(chance_.below(around_.accounts.size())));
    account->second.down_until = stage_.clock.now() + chance_.skewed(minutes{2}, hours{12});
}

void Trouble::refuse_key() {
    auto account = around_.accounts.begin();
    std::advance(account, static_cast<std::ptrdiff_t>(chance_.below(around_.accounts.size())));
    account->second.key_refused_until = stage_.clock.now() + chance_.skewed(minutes{5}, hours{12});
}

void Trouble::receiver_trouble() {
    auto receiver = around_.receivers.begin();
    std::advance(receiver, static_cast<std::ptrdiff_t>(chance_.below(around_.receivers.size())));
    const Instant until = stage_.clock.now() + chance_.skewed(minutes{2}, hours{30});
    receiver->second.down_until = std::max(receiver->second.down_until.value_or(until), until);
}

void Trouble::ask_for_reload() {
    host_.ask("reload", [](Daemon& daemon, World&) -> Task<std::string> {
        auto done = co_await daemon.reload("curfewd (SIGHUP)");
        co_return done ? "ok" : "refused";
    });
}

void Trouble::reload() {
    const bool bad = chance_.one_in(6);
    if (bad) {
        stage_.injected("bad_config");
    } else {
        change_config(host_.config, chance_);
        for (const AccountConfig& account : host_.config.accounts) {
            around_.accounts.at(account.name).poll = account.poll_interval;
        }
    }
    host_.config_is_bad = bad;
    ask_for_reload();
}

void Trouble::vanish() {
    auto it = around_.fleet.resources.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(chance_.below(around_.fleet.resources.size())));
    SimResource& r = *it->second;
    if (r.on() || !r.listed) {
        return;  // what bills is listed; only what is off goes away
    }
    stage_.injected("vanished");
    r.listed = false;
    const ResourceId id = r.id;
    stage_.clock.after(chance_.skewed(minutes{10}, hours{40}),
                       [this, id] { around_.fleet.find(id)->listed = true; });
}

/// A slip of the hand, or a disk that is not mounted any more.
void Trouble::wipe() {
    auto it = around_.fleet.resources.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(together_.below(around_.fleet.resources.size())));
    if (it->second->on()) {
        stage_.injected("wiped");
        around_.fleet.wipe_files(*it->second);
    }
}

void Trouble::mend() {
    people_.mend();
}

void Trouble::everybody_leaves() {
    stage_.tally.mark("everybody.left");
    const Duration away = chance_.skewed(hours{2}, hours{30});
    if (together_.one_in(2)) {
        people_.lesson(together_.between(minutes{30}, hours{2}), away);
    } else {
        people_.everybody_leaves(away);
    }
}

void Trouble::haste() {
    auto it = around_.fleet.resources.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(chance_.below(around_.fleet.resources.size())));
    if (!it->second->on()) {
        stage_.tally.mark("hasty");
        people_.changes_his_mind(it->first, chance_.one_in(2));
    }
}

/// Something that goes wrong now and then goes wrong most of the time.
void Trouble::spell() {
    const std::vector<Rate>& kind = chance_.pick(kinds_of_spells());
    const Duration length = chance_.skewed(minutes{5}, hours{6});
    stage_.tally.mark("spell");
    for (const Rate rate : kind) {
        const bool often = rate == &Rates::restart_underway || rate == &Rates::work_underway ||
                           rate == &Rates::slow_commit;
        spell(rate, often ? chance_.between(20'000, 150'000) : chance_.between(100'000, 800'000), length);
    }
}

void Trouble::spell(Rate rate, std::int64_t per_million, Duration length) {
    stage_.rates.*rate = per_million;
    stage_.note("spell", {}, per_million);
    stage_.clock.after(length, [this, rate] {
        if (!calm_) {
            stage_.rates.*rate = story_.rates_of_faults.*rate;
        }
    });
}

// ---- prices --------------------------------------------------------------------------------------------

void Trouble::change_price(const std::string& machine_type, Money per_hour, bool told_in_time) {
    around_.fleet.price_change(machine_type, per_hour, told_in_time);
}

/// Some are announced: the table has had them all along, with the time from which they hold.
void Trouble::dated_prices() {
    for (const PriceRow& row : story_.table) {
        const Duration in = row.since.value_or(stage_.clock.utc()) - stage_.clock.utc();
        if (row.since && in > Duration{0}) {
            stage_.clock.after(in, [this, row] { change_price(row.machine_type, row.per_hour, true); });
        }
    }
}

void Trouble::move() {
    auto it = around_.fleet.resources.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(moves_.below(around_.fleet.resources.size())));
    around_.fleet.move(*it->second);
}

/// Others come without a word: the provider's lists show them, or somebody edits the table when he has heard.
void Trouble::list_price() {
    const std::string& type = chance_.pick(story_.types);
    const bool dated = std::ranges::any_of(
        story_.table, [&](const PriceRow& row) { return row.machine_type == type && row.since; });
    const auto row = std::ranges::find(story_.table, type, &PriceRow::machine_type);
    if (dated || row == story_.table.end() || stage_.clock.suspended()) {
        return;  // nobody edits the table of a machine that sleeps, and what nobody could know is no fault
    }
    row->per_hour = percent_of(row->per_hour, chance_.between(40, 220));
    change_price(type, row->per_hour, false);
    host_.prices = story_.prices();
    host_.config_is_bad = false;
    ask_for_reload();
}

// ---- just when it matters ------------------------------------------------------------------------------

void Trouble::durable(const Batch& batch) {
    for (const Write& write : batch) {
        if (const auto* fired = std::get_if<FiredThresholdRow>(&write)) {
            money_ends(*fired);
        }
        if (const auto* gap = std::get_if<GapRow>(&write)) {
            cut_short(*gap);
        }
        const auto* e = std::get_if<Enforcement>(&write);
        if (e == nullptr) {
            continue;
        }
        UnderWay& known = under_way_[e->id];
        const bool entered = known.state != e->state;
        known = {.state = e->state, .cause = e->cause};
        if (!e->live()) {
            under_way_.erase(e->id);
        } else if (entered && !calm_ && stage_.goes_wrong(untimely_, stage_.rates.untimely, "untimely")) {
            disturb(*e);
        }
        if (entered && e->state == EnforcementState::confirming) {
            restart_within_wave(*e);
        }
    }
}

// ---- two things at once --------------------------------------------------------------------------------

bool Trouble::coincides() {
    return !calm_ && stage_.goes_wrong(together_, story_.coincidences, "coincidence");
}

/// A rule has just stopped one, others of it are about to follow, and the process dies.
void Trouble::restart_within_wave(const Enforcement& e) {
    const auto follow = std::ranges::count_if(under_way_, [&](const auto& entry) {
        const auto& [state, cause] = entry.second;
        const bool soon = state == EnforcementState::warned || state == EnforcementState::due ||
                          state == EnforcementState::packing || state == EnforcementState::packed;
        return soon && of_rule(cause.kind) && cause.name == e.cause.name;
    });
    if (!of_rule(e.cause.kind) || follow < 2) {
        return;
    }
    stage_.tally.mark("wave");
    if (coincides() || coincides()) {
        stage_.clock.after(together_.skewed(Duration{5}, seconds{10}), [this] {
            if (!calm_) {
                host_.die("at rest");
            }
        });
    }
}

/// Who hears that the money comes to its end keeps what he has, or no vault takes anything.
void Trouble::money_ends(const FiredThresholdRow& row) {
    if (!coincides()) {
        return;
    }
    if (together_.one_in(2)) {
        spell(&Rates::vault_fails, 1'000'000, together_.skewed(minutes{30}, hours{8}));
        return;
    }
    stage_.note("held for", row.budget.value);
    for (const auto& [id, r] : around_.fleet.resources) {
        const Duration length = together_.between(hours{3}, hours{11});
        if (r->on()) {
            stage_.clock.after(together_.skewed(seconds{1}, minutes{5}), [this, resource = id, length] {
                if (!calm_) {
                    people_.leases(resource, length);
                }
            });
        }
    }
}

/// While the intent of a stop is being written its user starts the notebook anew, and a poll sees that; or the disk
/// takes so long that the last look is an old one once it answers.
Duration Trouble::while_stop_is_written(const Batch& batch) {
    const auto stop = std::ranges::find_if(batch, [](const Write& write) {
        const auto* intent = std::get_if<IntentRow>(&write);
        return intent != nullptr && intent->act.starts_with("stop:");
    });
    const auto row = std::ranges::find_if(batch, [](const Write& write) {
        const auto* e = std::get_if<Enforcement>(&write);
        return e != nullptr && e->state == EnforcementState::stopping;
    });
    if (stop == batch.end() || row == batch.end() || !coincides()) {
        return Duration{0};
    }
    if (together_.one_in(3)) {
        return together_.between(minutes{1}, minutes{4});
    }
    const ResourceId id = std::get<Enforcement>(*row).resource;
    stage_.clock.after(Duration{together_.between(1, 500)}, [this, id] {
        if (const SimResource* r = around_.fleet.find(id); !calm_ && r != nullptr && r->on()) {
            people_.restarts(id);
            host_.ask("poll_now", [](Daemon& daemon, World&) -> Task<std::string> {
                daemon.poll_now();
                co_return "ok";
            });
        }
    });
    return together_.between(seconds{1}, seconds{12});
}

/// It is known that there may have been runs unseen, nobody has told of them yet, and the process dies.
void Trouble::cut_short(const GapRow& row) {
    if (!row.closed && !calm_ && stage_.goes_wrong(gaps_, stage_.rates.untold, "gap_cut_short")) {
        stage_.clock.after(gaps_.between(seconds{1}, seconds{50}), [this] {
            if (!calm_) {
                host_.die("at rest");
            }
        });
    }
}

void Trouble::disturb(const Enforcement& e) {
    using State = EnforcementState;
    const bool waits = e.state == State::warned || e.state == State::pack_failed || e.state == State::held ||
                       e.state == State::stop_failed || e.state == State::stopped;
    const Duration in = waits                 ? untimely_.skewed(seconds{1}, minutes{12})
                        : untimely_.one_in(3) ? Duration{untimely_.between(0, 300)}
                                              : untimely_.skewed(Duration{500}, seconds{20});
    const bool process = e.state == State::stopping || e.state == State::confirming ||
                         e.state == State::packed;
    if (untimely_.below(10) < (process ? 5U : 3U)) {
        disturb_process(in);
    } else {
        disturb_surroundings(e, in);
    }
}

void Trouble::disturb_process(Duration in) {
    const std::uint64_t what = untimely_.below(12);
    const std::int64_t few = untimely_.between(1, 3);
    const std::int64_t some = untimely_.between(1, 40);
    const Duration length = untimely_.skewed(seconds{20}, hours{1});
    const auto later = [&](auto act) { stage_.clock.after(in, [this, act] { calm_ ? void() : act(); }); };
    switch (what) {
        case 0:
        case 1:
            later([this] { host_.die("at rest"); });
            break;
        case 2:
            later([this, few] { host_.point_deaths = few; });
            break;
        case 3:
            later([this, some] { host_.handler_deaths = some; });
            break;
        case 4:
            host_.deaths.before = few;
            break;
        case 5:
            host_.deaths.after = few;
            break;
        case 6:
        case 7:
            host_.deaths.inside = few;
            host_.deaths.writes_inside = some % 10;
            break;
        case 8:
            later([this] { reboot(); });
            break;
        case 9:
            later([this] { suspend(); });
            break;
        case 10:
            later([this, length] {
                stage_.injected("disk_full");
                host_.full_disk(true);
                stage_.clock.after(length, [this] { host_.full_disk(false); });
            });
            break;
        default:
            later([this] { host_.disk.fail_next_write(); });
            break;
    }
}

void Trouble::disturb_surroundings(const Enforcement& e, Duration in) {
    const std::uint64_t what = untimely_.below(20);
    const std::int64_t few = untimely_.between(1, 3);
    const Duration length = untimely_.skewed(minutes{20}, hours{10});
    const ResourceId id = e.resource;
    Fleet& fleet = around_.fleet;
    const auto later = [&](auto act) { stage_.clock.after(in, [this, act] { calm_ ? void() : act(); }); };
    if (what < 3) {
        later([this, id] { people_.comes_back(id); });
    } else if (what < 6) {
        later([this, id] { people_.restarts(id); });
    } else if (what < 9) {
        later([this, id, length] { people_.keeps(id, length); });
    } else if (what < 11) {
        later([&fleet, id, few] {
            if (SimResource* r = fleet.find(id); r != nullptr) {
                fleet.touch_files(*r, few);
            }
        });
    } else if (what == 11) {
        later([this, id] { people_.stops(id); });
    } else if (what < 14) {
        later([this] { set_clock(); });
    } else if (what < 16) {
        spell();
    } else if (what == 16) {
        later([this] { receiver_trouble(); });
    } else if (what == 17) {
        later([this] { reload(); });
    } else if (what == 18) {
        later([this] { list_price(); });
    } else {
        later([this, id, length] { people_.maintains(id, length); });
    }
}

void Trouble::calm() {
    calm_ = true;
    stage_.faults_on = false;
    stage_.rates = Rates{};
    host_.full_disk(false);
    host_.point_deaths = 0;
    host_.handler_deaths = 0;
    host_.deaths = {};
    if (stage_.clock.suspended()) {
        stage_.clock.wake();
    }
    for (auto& [name, account] : around_.accounts) {
        account.down_until.reset();
        account.key_refused_until.reset();
    }
    for (auto& [name, receiver] : around_.receivers) {
        receiver.down_until.reset();
        receiver.gone = false;
    }
    for (auto& [id, r] : around_.fleet.resources) {
        r->listed = true;
    }
    stage_.clock.drift(0);
    const Duration by = stage_.clock.set_right();
    if (by != Duration{0}) {
        stage_.judge.clock_stepped(by, stage_.moment());
    }
    host_.config_is_bad = false;
    host_.boot();
}

}  // namespace curfew::simulation
