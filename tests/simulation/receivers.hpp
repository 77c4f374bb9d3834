// Who is told: mail servers, web hooks and pagers that are slow, down, refuse, or take something and never say so.
#pragma once

#include "curfew/ports/channel.hpp"
#include "curfew/ports/disk.hpp"
#include "curfew/ports/heartbeat.hpp"
#include "curfew/ports/supervisor.hpp"
#include "simulation/stage.hpp"

#include <optional>
#include <string>

namespace curfew::simulation {

/// Outlives every life of the daemon.
struct Receiver {
    ChannelName name;
    bool groups = true;
    Dice dice;
    std::optional<Instant> down_until;
    bool gone = false;  // 410, until somebody sets it up again
};

class SimChannel final : public Channel {
public:
    SimChannel(Stage& stage, Receiver& receiver, Line line)
        : stage_(stage), receiver_(receiver), line_(line) {}
    const ChannelName& name() const override { return receiver_.name; }
    bool groups() const override { return receiver_.groups; }
    Task<Result<Delivered>> deliver(Parcel parcel, Deadline deadline) override;

private:
    Task<Result<Delivered>> attempt(Parcel parcel, Deadline deadline);

    Stage& stage_;
    Receiver& receiver_;
    Line line_;
};

class SimHeartbeat final : public Heartbeat {
public:
    SimHeartbeat(Stage& stage, Dice& dice, Line line) : stage_(stage), dice_(dice), line_(line) {}
    Task<Result<void>> beat(std::string bad) override;

private:
    Stage& stage_;
    Dice& dice_;
    Line line_;
};

class SimDisks final : public DiskGauge {
public:
    SimDisks(const bool& full, Line line) : full_(full), line_(line) {}
    Task<Result<Space>> space(std::string folder) override;

private:
    const bool& full_;
    Line line_;
};

class SimSupervisor final : public Supervisor {
public:
    void ready() override {}
    void reloading() override {}
    void stopping() override {}
    void status(const std::string& /*line*/) override {}
    void alive() override {}
    std::optional<Duration> watchdog_interval() const override { return minutes{10}; }
};

}  // namespace curfew::simulation
