// Those who use the machines, and those who run Curfew.
#pragma once

#include "simulation/fleet.hpp"
#include "simulation/host.hpp"
#include "simulation/story.hpp"

#include <string>
#include <vector>

namespace curfew::simulation {

class People {
public:
    People(Stage& stage, Fleet& fleet, Host& host, const Story& story);
    void begin();
    /// Nobody begins anything new; who is at work comes to an end.
    void calm();
    /// Somebody restarts, or works, just when Curfew looks.
    void worst_moment(const ResourceId& resource);
    void comes_back(const ResourceId& id);
    void restarts(const ResourceId& id);
    void stops(const ResourceId& id);
    /// Starts what is off, stops it within minutes, and may start it again before that one is gone.
    void changes_his_mind(const ResourceId& id, bool again);
    /// Everybody's work ends now, and nobody does any for so long.
    void everybody_leaves(Duration away);
    /// A course: everybody begins now, and leaves at once.
    void lesson(Duration length, Duration away);
    void keeps(const ResourceId& id, Duration length);
    void leases(const ResourceId& id, Duration length);
    void maintains(const ResourceId& id, Duration length);
    /// What needs a person: a breaker, a channel that said that it is gone.
    void mend();

private:
    void plan_session(SimResource& r, Duration in);
    void session(const ResourceId& id, std::uint64_t number);
    void stretch(const ResourceId& id, const RunId& run, int left);
    void pause(const ResourceId& id, const RunId& run, int left);
    void leave(SimResource& r);
    void save(const ResourceId& id, const RunId& run);
    void operate();
    void lasts(const ResourceId& id, Duration in, bool held);
    SimResource* still(const ResourceId& id, const RunId& run);
    Duration until_hour(int hour);

    Stage& stage_;
    Fleet& fleet_;
    Host& host_;
    Dice users_;
    Dice operators_;
    Dice worst_;
    Duration operator_every_;
    Instant nobody_until_{};
    bool calm_ = false;
};

}  // namespace curfew::simulation
