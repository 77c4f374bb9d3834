// Stops of notebooks, looks at one run, its end and its metrics.
#include "integration/paperspace/emulated.hpp"

#include <string>
#include <vector>

using namespace curfew;
using event::Answer;
using support::Account;

namespace {

std::int64_t stops(Account& a) {
    return a.calls("path=stopNotebook");
}

}  // namespace

TEST_CASE("a stop is accepted, acts on exactly this run, and is sent once") {
    for (const std::string style : {"empty", "true"}) {
        Account a;
        a.control("POST", "/settings", R"({"stop_reply":")" + style + "\"}");
        const RunRef ref = a.notebook("one");
        const RunRef other = a.notebook("other");
        const StopReply reply = a.stop(ref);
        CHECK(reply.answer == Answer::accepted);
        CHECK(a.goes_off(ref));
        CHECK(a.truth(ref, "state") == "Cancelled");
        CHECK(a.truth(other, "state") == "Running");
        CHECK(stops(a) == 1);
    }
}

TEST_CASE("a stop of what is off already says so") {
    Account a;
    const RunRef ref = a.notebook();
    a.end(ref);
    CHECK(a.stop(ref).answer == Answer::already_off);
    CHECK(stops(a) == 1);
}

TEST_CASE("answers to a stop") {
    struct Row {
        std::string fault;
        Answer answer;
    };
    const std::vector<Row> rows{
        {R"({"kind":"status","status":409,"body":{"error":{"name":"ApplicationError","status":409,"message":"x"}}})",
         Answer::already_off},
        {R"({"kind":"status","status":401})", Answer::unauthorized},
        {R"({"kind":"status","status":403})", Answer::unauthorized},
        {R"({"kind":"status","status":400,"body":{"status":400,"message":"Invalid API token"}})",
         Answer::unauthorized},
        {R"({"kind":"status","status":400})", Answer::refused},
        {R"({"kind":"status","status":404})", Answer::refused},
        {R"({"kind":"status","status":429})", Answer::refused},
        {R"({"kind":"status","status":302,"location":"/login"})", Answer::refused},
        {R"({"kind":"status","status":200,"body":{"code":"FORBIDDEN","message":"x"}})", Answer::refused},
        {R"({"kind":"status","status":500})", Answer::ambiguous},
        {R"({"kind":"status","status":504,"html":"<h1>late</h1>"})", Answer::ambiguous},
        {R"({"kind":"status","status":408})", Answer::ambiguous},
    };
    for (const Row& row : rows) {
        CAPTURE(row.fault);
        Account a;
        const RunRef ref = a.notebook();
        a.fault(row.fault);
        const StopReply reply = a.stop(ref);
        CHECK(static_cast<int>(reply.answer) == static_cast<int>(row.answer));
        CHECK(reply.text.find(a.key) == std::string::npos);
        CHECK(stops(a) == 1);
        CHECK(a.truth(ref, "state") == "Running");
    }
}

TEST_CASE("a stop with a bad key is unauthorized") {
    Account a;
    const RunRef ref = a.notebook();
    const auto cloud = a.with("another key");
    CHECK(a.loop.run(cloud->stop(ref, a.in(seconds{60}))).answer == Answer::unauthorized);
    CHECK(a.truth(ref, "state") == "Running");
}

TEST_CASE("a stop without an answer is ambiguous and never sent again") {
    for (const std::string fault : {R"({"kind":"stop_hangs"})", R"({"kind":"stop_hangs","acts":true})",
                                    R"({"kind":"hang"})", R"({"kind":"drop"})", R"({"kind":"drop_after"})"}) {
        for (const bool kept : {false, true}) {
            CAPTURE(fault, kept);
            Account a;
            const RunRef ref = a.notebook();
            if (kept) {  // a connection to the legacy host that could be tried again
                REQUIRE(a.loop.run(a.cloud->ended_at(ref, a.in(seconds{60}))));
            }
            a.fault(fault);
            const StopReply reply = a.stop(ref, seconds{2});  // enough to send it
            CHECK(reply.answer == Answer::ambiguous);
            a.loop.wait(Duration{200});
            CHECK(stops(a) == 1);
            a.control("DELETE", "/faults");
            const bool acts = std::string{fault}.find("acts") != std::string::npos ||
                              std::string{fault}.find("drop_after") != std::string::npos;
            if (acts) {
                CHECK(a.goes_off(ref));  // only a look tells
            } else {
                CHECK(a.look(ref)->run.state == RunState::running);
            }
        }
    }
}

TEST_CASE("a stop that says yes and does nothing is seen by looking") {
    Account a;
    const RunRef ref = a.notebook();
    a.fault(R"({"kind":"stop_ignored"})");
    CHECK(a.stop(ref).answer == Answer::accepted);
    a.loop.wait(Duration{300});
    const auto look = a.look(ref);
    REQUIRE(look);
    CHECK(look->listed);
    CHECK(look->run.state == RunState::running);
}

TEST_CASE("the id of an earlier run stops nothing") {
    Account a;
    const RunRef first = a.notebook();
    a.end(first);
    const RunRef second = a.start(first);
    CHECK(a.stop(first).answer == Answer::refused);
    a.loop.wait(Duration{300});
    CHECK(a.truth(first, "id") == second.run.value);
    CHECK(a.truth(first, "state") == "Running");
    CHECK(a.stop({ResourceKind::notebook, first.resource, RunId{"\"},{\"x\":\""}}).answer == Answer::refused);
    CHECK(a.stop({ResourceKind::notebook, first.resource, RunId{""}}).answer == Answer::refused);
    CHECK(a.stop({ResourceKind::notebook, first.resource, RunId{first.resource.value}}).answer ==
          Answer::refused);
    CHECK(a.truth(first, "state") == "Running");
}

TEST_CASE("a look at one run") {
    Account a;
    const RunRef first = a.notebook();
    {
        const auto look = a.look(first);
        REQUIRE(look);
        CHECK(look->listed);
        CHECK(look->newest);
        CHECK(look->run.id == first.run);
        CHECK(look->run.state == RunState::running);
        CHECK_FALSE(look->run.token.empty());
    }
    a.end(first);
    CHECK(a.look(first)->run.state == RunState::stopped);
    const RunRef second = a.start(first);
    {
        const auto stale = a.look(first);
        REQUIRE(stale);
        CHECK_FALSE(stale->listed);
        CHECK_FALSE(stale->newest);
    }
    CHECK(a.look(second)->newest);
    a.fault(R"({"kind":"several_items"})");
    a.fault(R"({"kind":"unknown_state","state":"Lingering","match":{"run":")" + first.run.value + "\"}}");
    {
        const auto lingering = a.look(first);
        REQUIRE(lingering);
        CHECK(lingering->listed);
        CHECK_FALSE(lingering->newest);
        CHECK(lingering->run.state == RunState::unknown);
    }
    a.control("DELETE", "/faults");
    const auto never = a.look({ResourceKind::notebook, ResourceId{"rzzzzzzzzzzzzzz"}, RunId{"nzzzzzzzzz"}});
    REQUIRE(never);
    CHECK_FALSE(never->listed);
}

TEST_CASE("absence from an incomplete list proves nothing") {
    Account a;
    const RunRef last = a.notebook("oldest");
    a.control("POST", "/standins", R"({"count":120})");
    a.fault(R"({"kind":"status","status":500,"match":{"path":"after="}})");
    const auto unseen = a.look(last);
    REQUIRE_FALSE(unseen);
    CHECK(unseen.error().may_retry());
    a.control("DELETE", "/faults");
    CHECK(a.look(last)->listed);
    a.fault(R"({"kind":"status","status":500})");
    CHECK_FALSE(a.look(last));
}

TEST_CASE("the end of a run is the provider's own stamp") {
    Account a;
    const RunRef ref = a.notebook();
    {
        const auto running = a.loop.run(a.cloud->ended_at(ref, a.in(seconds{60})));
        REQUIRE(running);
        CHECK_FALSE(*running);
    }
    REQUIRE(a.stop(ref).answer == Answer::accepted);
    REQUIRE(a.goes_off(ref));
    const auto ended = a.loop.run(a.cloud->ended_at(ref, a.in(seconds{60})));
    REQUIRE(ended);
    REQUIRE(*ended);
    CHECK((*ended)->at == parse_wall_time(a.truth(ref, "dtFinished")).value());
    a.start(ref);
    const auto stale = a.loop.run(a.cloud->ended_at(ref, a.in(seconds{60})));
    REQUIRE(stale);
    CHECK_FALSE(*stale);  // nobody answers to the old id any more
    a.fault(R"({"kind":"status","status":500})");
    CHECK_FALSE(a.loop.run(a.cloud->ended_at(ref, a.in(seconds{60}))));
}

TEST_CASE("an answer about another run says nothing of this one") {
    Account a;
    const RunRef ref = a.notebook();
    a.fault(
        R"({"kind":"status","status":200,"body":{"handle":"nother","dtFinished":"2026-11-23T10:00:00.000Z"}})");
    const auto ended = a.loop.run(a.cloud->ended_at(ref, a.in(seconds{60})));
    REQUIRE(ended);
    CHECK_FALSE(*ended);
}

namespace {

Result<std::vector<Observation>> metrics(Account& a, const RunRef& ref) {
    return a.loop.run(a.cloud->metrics(ref, minutes{10}, a.in(seconds{60})));
}

/// Points lie on whole seconds, so what has just begun is measured a second later.
bool shows(Account& a, const RunRef& ref, Verdict verdict) {
    for (int i = 0; i < 600; ++i) {
        const auto seen = metrics(a, ref);
        if (seen && seen->size() == 1 && seen->at(0).verdict == verdict) {
            return true;
        }
        a.loop.wait(Duration{100});
    }
    return false;
}

void charts(Account& a, const RunRef& ref, const std::string& values) {
    a.control("POST", "/metrics", R"({"repo":")" + ref.resource.value + "\"," + values + "}");
}

}  // namespace

TEST_CASE("metrics are unknown until they were measured, then active or quiet") {
    Account a;
    const RunRef ref = a.notebook("gpu", R"("machineType":"A4000")");
    CHECK_FALSE(metrics(a, ref));  // its metrics host comes with a list
    REQUIRE(a.list());
    charts(a, ref, R"("null":true)");
    auto seen = metrics(a, ref);
    REQUIRE(seen);
    REQUIRE(seen->size() == 1);
    CHECK(seen->at(0).source == Signal::metrics);
    CHECK(seen->at(0).run == ref.run);
    CHECK(seen->at(0).verdict == Verdict::unknown);
    CHECK(seen->at(0).strength == Strength::strong);
    CHECK(seen->at(0).ttl >= Duration{minutes{5}});
    CHECK(a.calls("host=metrics") == 1);
}

TEST_CASE("metrics of a run that is busy") {
    Account a;
    a.control("POST", "/standins", R"({"count":1,"busy":true,"machineType":"A4000"})");
    const auto listing = a.list();
    REQUIRE(listing);
    const Resource& r = listing->resources.at(0);
    const RunRef ref{ResourceKind::notebook, r.id, r.run.id};
    REQUIRE(shows(a, ref, Verdict::active));
    const auto seen = metrics(a, ref);
    REQUIRE(seen);
    CHECK(seen->at(0).last_active_at);
    CHECK(seen->at(0).evidence.find("0.97 cores") != std::string::npos);
}

TEST_CASE("metrics of a quiet machine need the GPU where there is one") {
    Account a;
    const RunRef cpu = a.notebook("cpu", R"("machineType":"C4")");
    const RunRef gpu = a.notebook("gpu", R"("machineType":"A4000")");
    REQUIRE(a.list());
    CHECK(shows(a, cpu, Verdict::quiet));
    const auto unmeasured = metrics(a, gpu);
    REQUIRE(unmeasured);
    CHECK(unmeasured->at(0).verdict == Verdict::unknown);
    CHECK(unmeasured->at(0).evidence.find("GPU was not measured") != std::string::npos);
    charts(a, gpu, R"("gpu":1.5)");
    CHECK(shows(a, gpu, Verdict::quiet));
    charts(a, gpu, R"("gpu":80)");
    CHECK(shows(a, gpu, Verdict::active));
}

TEST_CASE("a metrics host that fails is an error, not silence") {
    Account a;
    const RunRef ref = a.notebook();
    REQUIRE(a.list());
    for (const std::string fault : {R"("kind":"status","status":500)", R"("kind":"garbage_json")",
                                    R"("kind":"drop")", R"("kind":"status","status":404)"}) {
        CAPTURE(fault);
        a.fault(std::string{R"({"match":{"host":"metrics"},)"} + fault + "}");
        CHECK_FALSE(metrics(a, ref));
        a.control("DELETE", "/faults");
    }
    CHECK(metrics(a, ref));
}

TEST_CASE("connections return to none when the client closes") {
    Account a;
    const RunRef ref = a.notebook();
    REQUIRE(a.list());
    REQUIRE(metrics(a, ref));
    REQUIRE(a.stop(ref).answer == Answer::accepted);
    CHECK(a.client.connections() >= 3);
    a.loop.run(a.client.close());
    CHECK(a.client.connections() == 0);
    CHECK_FALSE(a.list());
}
