// A provider that bills nothing and says what it is told to, and guests with files.
#pragma once

#include "curfew/ports/cloud.hpp"
#include "curfew/ports/guest.hpp"
#include "support/manual_scheduler.hpp"

#include <boost/asio/io_context.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace curfew::test {

/// One user's process in a guest that can be probed; cores in hundredths.
struct FakeInside {
    std::int64_t centicores = 0;
    std::int64_t ticks = 0;  // used up to `since`
    Instant since;
    bool answers = true;
    int probes = 0;
    Duration takes{0};  // a probe

    std::int64_t ticks_at(Instant t) const { return ticks + centicores * (t - since).count() / 1000; }
    void load(std::int64_t hundredths, Instant now) {
        ticks = ticks_at(now);
        since = now;
        centicores = hundredths;
    }
};

/// What a provider measured of a machine with a GPU.
struct FakeSeries {
    int centicores = 0;
    std::optional<int> gpu_percent;  // absent: not measured
};

struct FakeNotebook {
    Resource resource;
    std::optional<FakeSeries> series;  // else an idle CPU, and no word of a GPU
    std::string kernel = "idle";
    std::optional<Duration> kernel_silent_for;  // the age of its clock, constant
    std::optional<FakeInside> inside;           // else no probe can be run
    int looks = 0;
    bool guest_hangs = false;  // takes every question and says nothing
    std::map<std::string, std::pair<std::string, std::int64_t>> files;  // path → bytes, mtime in µs
    bool guest_answers = true;
};

/// Provider and guests in one, since what one does shows in the other.
struct FakeWorld {
    std::map<ResourceId, std::vector<Run>> past_runs;
    bool past_runs_fail = false;
    std::optional<std::vector<AddOn>> add_ons;
    std::optional<Reported> reported;
    explicit FakeWorld(boost::asio::io_context& loop, ManualScheduler& time) : io(loop), scheduler(time) {}
    boost::asio::io_context& io;
    ManualScheduler& scheduler;
    std::map<std::string, FakeNotebook> notebooks;  // by name
    std::optional<Error> list_fails;
    std::optional<Error> reported_fails;
    bool list_hangs = false;
    std::optional<Duration> provider_ahead;  // of our clock; absent: the provider says no time
    bool list_complete = true;
    bool listed_twice = false;           // everything, in one list
    std::map<RunId, int> asked_ends;     // how often
    std::function<void()> on_end_asked;  // what others see meanwhile
    bool metrics = true;                 // the provider has any
    int lists = 0;
    std::vector<RunId> stop_calls;
    std::function<StopReply(FakeNotebook&)> on_stop;  // else accepted, and off at once
    bool guest_refuses = false;                       // to shut down
    std::function<void()> on_read;                    // while a pack reads a file

    FakeNotebook& add(const std::string& name, const std::string& type = "A4000");
    void start(FakeNotebook& n);
    void end(FakeNotebook& n);

private:
    int starts_ = 0;
};

class FakeCloud final : public Cloud {
public:
    explicit FakeCloud(FakeWorld& world) : world_(world) {}
    const AccountName& account() const override { return name_; }
    Task<Result<std::string>> check_key(Deadline) override;
    Task<Result<Listing>> list(Deadline) override;
    Task<Result<RunLook>> look(RunRef ref, Deadline) override;
    Task<StopReply> stop(RunRef ref, Deadline) override;
    Task<Result<std::vector<Run>>> past_runs(ResourceKind, ResourceId resource, WallTime since,
                                             Deadline) override;
    Task<Result<std::optional<Reported>>> reported(Deadline) override;
    Task<Result<std::optional<RunEnd>>> ended_at(RunRef ref, Deadline) override;
    Task<Result<std::vector<Observation>>> metrics(RunRef ref, Duration, Deadline) override;

private:
    FakeWorld& world_;
    AccountName name_{"me"};
};

class FakeGuest final : public Guest {
public:
    FakeGuest(FakeWorld& world, std::string name) : world_(world), name_(std::move(name)) {}
    Task<Result<std::vector<Observation>>> observe(LookOrder, Deadline deadline) override;
    Task<Result<ProbeAnswer>> probe(ProbeScript script, Deadline) override;
    Task<Result<Walk>> walk(WalkLimits, Deadline) override;
    Task<Result<ReadReport>> read(FileEntry file, std::int64_t, Duration, ByteSink& sink, Deadline) override;
    Task<Result<std::string>> to_html(std::string, std::string, Deadline) override;
    Task<StopReply> shut_down(Deadline) override;
    int parallel_reads() const override { return 2; }

private:
    FakeWorld& world_;
    std::string name_;
};

class FakeDoor final : public GuestDoor {
public:
    explicit FakeDoor(FakeWorld& world) : world_(world) {}
    std::unique_ptr<Guest> open(const AccountName&, const Resource& resource, const Run& run) override;

private:
    FakeWorld& world_;
};

}  // namespace curfew::test
