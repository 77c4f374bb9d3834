// What happens to the machine that Curfew runs on and to what lies around it: crashes, clocks that are set, disks
// that fill, providers and receivers that are away, prices that change. Some of it comes now and then, in spells,
// and some just when an enforcement is under way.
#pragma once

#include "simulation/host.hpp"
#include "simulation/people.hpp"
#include "simulation/story.hpp"

#include <map>
#include <string>

namespace curfew::simulation {

class Trouble {
public:
    Trouble(Stage& stage, Surroundings around, Host& host, People& people, Story& story);
    void begin();
    /// All of it is over, and nothing new comes.
    void calm();
    /// How long it takes until somebody starts the process again.
    Duration time_off();

private:
    using Happening = void (Trouble::*)();
    void now_and_then(Duration every, Happening what);
    void now_and_then(Duration every, Happening what, Dice& dice);
    void crash();
    void reboot();
    void suspend();
    void set_clock();
    void clock_is_set(Duration by);
    void disk_trouble();
    void outage();
    void refuse_key();
    void receiver_trouble();
    void reload();
    void vanish();
    void wipe();
    void mend();
    void spell();
    void spell(std::int64_t Rates::* rate, std::int64_t per_million, Duration length);
    void list_price();
    void move();
    void dated_prices();
    void change_price(const std::string& machine_type, Money per_hour, bool told_in_time);
    void everybody_leaves();
    void haste();
    void ask_for_reload();

    /// Something has just become durable.
    void durable(const Batch& batch);
    void disturb(const Enforcement& e);
    /// Things that are rare apart, and come together here.
    bool coincides();
    void restart_within_wave(const Enforcement& e);
    void money_ends(const FiredThresholdRow& row);
    void cut_short(const GapRow& row);
    Duration while_stop_is_written(const Batch& batch);
    void disturb_process(Duration in);
    void disturb_surroundings(const Enforcement& e, Duration in);

    Stage& stage_;
    Surroundings around_;
    Host& host_;
    People& people_;
    Story& story_;
    Dice chance_;
    Dice untimely_;
    Dice together_;
    Dice moves_;
    Dice gaps_;
    struct UnderWay {
        EnforcementState state = EnforcementState::watching;
        Cause cause;
    };
    std::map<EnforcementId, UnderWay> under_way_;
    bool calm_ = false;
};

}  // namespace curfew::simulation
