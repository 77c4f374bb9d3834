// The emulator as a child process, and an account of it behind the real adapter.
#pragma once

#include "adapters/http/client.hpp"
#include "adapters/http/json.hpp"
#include "adapters/paperspace/cloud.hpp"
#include "integration/http/loop.hpp"

#include <catch2/catch.hpp>

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace support {

class Emulator {
public:
    Emulator();
    Emulator(const Emulator&) = delete;
    Emulator& operator=(const Emulator&) = delete;
    ~Emulator();
    std::string of(const std::string& member) const { return ready_[member].text(); }

private:
    std::string folder_;
    pid_t pid_ = -1;
    curfew::json::Value ready_;
};

/// An empty account at an emulator of its own, behind the real adapter.
struct Account {
    Account();

    curfew::json::Value control(const std::string& method, const std::string& path,
                                const std::string& body = {});
    void fault(const std::string& description) { control("POST", "/faults", description); }
    /// No start and no stop of a notebook or machine ends before this is taken back.
    void hold(bool held) { control("POST", "/settings", held ? R"({"hold":true})" : R"({"hold":false})"); }
    /// A notebook that runs at once: repo, run.
    curfew::RunRef notebook(const std::string& name = "standin", const std::string& more = {});
    /// Starts it again and waits: another run.
    curfew::RunRef start(const curfew::RunRef& ref);
    void end(const curfew::RunRef& ref);
    std::int64_t calls(const std::string& query);
    /// A member of a notebook in the emulator's own state.
    std::string truth(const curfew::RunRef& ref, const std::string& member);

    curfew::Deadline in(curfew::Duration d) { return loop.scheduler().in(d); }
    curfew::Result<curfew::Listing> list(curfew::Duration limit = curfew::seconds{60}) {
        return loop.run(cloud->list(in(limit)));
    }
    curfew::StopReply stop(const curfew::RunRef& ref, curfew::Duration limit = curfew::seconds{60}) {
        return loop.run(cloud->stop(ref, in(limit)));
    }
    curfew::Result<curfew::RunLook> look(const curfew::RunRef& ref) {
        return loop.run(cloud->look(ref, in(curfew::seconds{60})));
    }
    /// Looks until the run is off.
    bool goes_off(const curfew::RunRef& ref);
    std::shared_ptr<curfew::Cloud> with(const std::string& key, bool notebooks = true, bool machines = true);

    /// Changes to the configuration of the clouds that `with` makes.
    std::function<void(curfew::AccountConfig&)> adjust = [](curfew::AccountConfig&) {};
    std::string balance_key;

    Emulator emulator;
    Loop loop;
    /// Nothing but a deadline ends a wait.
    curfew::http::Client client{
        loop.context().get_executor(), loop.scheduler(), {.stall_timeout = curfew::hours{1}}};
    std::string key;
    std::shared_ptr<curfew::Cloud> cloud;
};

const curfew::Resource* find(const curfew::Listing& listing, const curfew::ResourceId& id);

}  // namespace support
