// Core machines: their runs are told from their events.
#include "integration/paperspace/emulated.hpp"

#include <string>

using namespace curfew;
using event::Answer;
using support::Account;
using support::find;

namespace {

struct Box : Account {
    explicit Box(bool held = false) {
        hold(held);
        id = control("POST", "/machines", R"({"name":"train-box","machineType":"A4000"})")["id"].text();
    }

    /// The machine as a fresh list shows it.
    Resource seen() {
        const auto listing = list();
        REQUIRE(listing);
        const Resource* machine = find(*listing, ResourceId{id});
        REQUIRE(machine);
        return *machine;
    }
    RunRef ref() { return {ResourceKind::machine, ResourceId{id}, seen().run.id}; }
    bool becomes(const std::string& state) {
        return loop.until(
            [&] { return truth({ResourceKind::machine, ResourceId{id}, {}}, "state") == state; });
    }
    void verb(const std::string& what) { control("POST", "/machines/" + id + "/" + what, "{}"); }
    std::int64_t stops() { return calls("method=PATCH&path=/stop"); }

    std::string id;
};

}  // namespace

TEST_CASE("a machine is listed with a run of its own") {
    Box b;
    REQUIRE(b.becomes("ready"));
    const Resource m = b.seen();
    CHECK(m.kind == ResourceKind::machine);
    CHECK(m.name == "train-box");
    CHECK(m.run.state == RunState::running);
    CHECK(m.run.state_text == "ready");
    CHECK(m.run.machine_type == "A4000");
    CHECK(m.run.started_at);
    CHECK_FALSE(m.run.ended_at);
    CHECK(m.run.id.value.starts_with(b.id + "@evt"));
    CHECK(m.run.address.starts_with("203.0.113."));  // a range for documentation
    CHECK(m.run.token.empty());
}

TEST_CASE("the events of a machine are read again only when it changed") {
    Box b;
    REQUIRE(b.becomes("ready"));
    b.seen();
    const std::int64_t before = b.calls("path=machine-events");
    b.seen();
    b.seen();
    CHECK(b.calls("path=machine-events") == before);
    b.verb("stop");
    REQUIRE(b.becomes("off"));
    b.seen();
    CHECK(b.calls("path=machine-events") == before + 1);
}

TEST_CASE("a run keeps its id from its first moment, over a restart, until its end") {
    Box b(true);
    const RunId booting = b.seen().run.id;
    CHECK(b.seen().run.state == RunState::provisioned);
    b.hold(false);
    REQUIRE(b.becomes("ready"));
    const Resource ready = b.seen();
    CHECK(ready.run.id == booting);
    b.hold(true);
    b.verb("restart");
    CHECK(b.seen().run.id == booting);
    CHECK(bills(b.seen().run.state));
    b.hold(false);
    REQUIRE(b.becomes("ready"));
    b.hold(true);
    b.verb("stop");
    CHECK(b.seen().run.id == booting);
    CHECK(b.seen().run.state == RunState::stopping);
    b.hold(false);
    REQUIRE(b.becomes("off"));
    b.hold(true);
    const Resource off = b.seen();
    CHECK(off.run.id == booting);
    CHECK(off.run.state == RunState::stopped);
    CHECK(off.run.started_at == ready.run.started_at);
    REQUIRE(off.run.ended_at);
    CHECK(*off.run.ended_at > *off.run.started_at);
    b.verb("start");
    const Resource again = b.seen();
    CHECK(again.run.id != booting);
    CHECK(bills(again.run.state));
    CHECK_FALSE(again.run.ended_at);
    b.hold(false);
    REQUIRE(b.becomes("ready"));
    CHECK(b.seen().run.id == again.run.id);
    CHECK(b.seen().run.started_at == again.run.started_at);
}

TEST_CASE("runs begin and end where the invoice says") {
    Box b;
    REQUIRE(b.becomes("ready"));
    b.verb("stop");
    REQUIRE(b.becomes("off"));
    const Resource off = b.seen();
    const json::Value invoice = b.control("GET", "/invoice");
    int lines = 0;
    for (const json::Value& line : invoice["lines"].items()) {
        if (line["resource"].text() == b.id && line["kind"].text() == "compute") {
            ++lines;
            CHECK(line["from"].time() == off.run.started_at);
            CHECK(line["to"].time() == off.run.ended_at);
        }
    }
    CHECK(lines == 1);
    const auto ended = b.loop.run(
        b.cloud->ended_at({ResourceKind::machine, ResourceId{b.id}, off.run.id}, b.in(seconds{60})));
    REQUIRE(ended);
    REQUIRE(*ended);
    CHECK((*ended)->at == off.run.ended_at);
}

TEST_CASE("a machine is stopped once, and what is off is not stopped") {
    Box b;
    REQUIRE(b.becomes("ready"));
    const RunRef ref = b.ref();
    CHECK(b.stop(ref).answer == Answer::accepted);
    CHECK(b.stops() == 1);
    CHECK(b.goes_off(ref));
    CHECK(b.truth(ref, "state") == "off");
    CHECK(b.stop(ref).answer == Answer::already_off);
    CHECK(b.stops() == 1);  // looked at, not called
}

TEST_CASE("a stop never reaches a newer run of a machine, not even one that still boots") {
    Box b;
    REQUIRE(b.becomes("ready"));
    const RunRef first = b.ref();
    b.verb("stop");
    REQUIRE(b.becomes("off"));
    b.hold(true);
    b.verb("start");
    CHECK(b.stop(first).answer == Answer::refused);  // while it boots
    {
        const auto look = b.look(first);
        REQUIRE(look);
        CHECK_FALSE(look->listed);
        CHECK_FALSE(look->newest);
    }
    b.hold(false);
    REQUIRE(b.becomes("ready"));
    CHECK(b.stop(first).answer == Answer::refused);
    CHECK(b.stops() == 0);
    b.loop.wait(Duration{300});
    CHECK(b.truth(first, "state") == "ready");
    const auto ended = b.loop.run(b.cloud->ended_at(first, b.in(seconds{60})));
    REQUIRE(ended);
    CHECK_FALSE(*ended);
    CHECK(b.stop(b.ref()).answer == Answer::accepted);
}

TEST_CASE("a stop of a machine without an answer is ambiguous and sent once") {
    for (const std::string fault :
         {R"({"kind":"stop_hangs"})", R"({"kind":"drop","match":{"method":"PATCH"}})",
          R"({"kind":"drop_after","match":{"method":"PATCH"}})",
          R"({"kind":"status","status":502,"match":{"method":"PATCH"}})"}) {
        CAPTURE(fault);
        Box b;
        REQUIRE(b.becomes("ready"));
        const RunRef ref = b.ref();
        b.fault(fault);
        CHECK(b.stop(ref, seconds{3}).answer == Answer::ambiguous);  // enough to send it
        b.loop.wait(Duration{100});
        CHECK(b.stops() == 1);
    }
}

TEST_CASE("a machine that cannot be looked at is not stopped") {
    for (const std::string fault : {R"({"kind":"status","status":500,"match":{"method":"GET"}})",
                                    R"({"kind":"garbage_json","match":{"path":"machine-events"}})",
                                    R"({"kind":"status","status":404,"match":{"method":"GET"}})"}) {
        CAPTURE(fault);
        Box b;
        REQUIRE(b.becomes("ready"));
        const RunRef ref = b.ref();
        b.fault(fault);
        CHECK(b.stop(ref).answer == Answer::refused);
        CHECK(b.stops() == 0);
    }
}

TEST_CASE("a machine whose events cannot be read makes the list incomplete") {
    Box b;
    REQUIRE(b.becomes("ready"));
    b.fault(R"({"kind":"status","status":500,"match":{"path":"machine-events"}})");
    const auto listing = b.list();
    REQUIRE(listing);
    CHECK_FALSE(listing->complete);
    b.control("DELETE", "/faults");
    CHECK(b.list()->complete);
}

TEST_CASE("an unknown state costs, a destroyed machine is gone") {
    Box b;
    REQUIRE(b.becomes("ready"));
    const RunRef ref = b.ref();
    b.control("POST", "/machines/" + b.id + "/set", R"({"state":"meditating"})");
    const Resource odd = b.seen();
    CHECK(odd.run.state == RunState::unknown);
    CHECK(odd.run.state_text == "meditating");
    CHECK(odd.run.id == ref.run);
    b.verb("destroy");
    const auto listing = b.list();
    REQUIRE(listing);
    CHECK(listing->complete);
    CHECK(find(*listing, ResourceId{b.id}) == nullptr);
    const auto look = b.look(ref);
    REQUIRE(look);
    CHECK_FALSE(look->listed);
}
