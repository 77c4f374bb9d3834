// What Paperspace sends, and what it might send.
#include "adapters/http/json.hpp"
#include "adapters/paperspace/wire.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace curfew;
using namespace curfew::paperspace;

namespace {

json::Value parsed(const std::string& text) {
    auto value = json::parse(text);
    REQUIRE(value);
    return std::move(*value);
}

WallTime at(const std::string& text) {
    return parse_wall_time(text).value();
}

/// An item as v1 lists it, with members replaced or added by `changes` ("key":value pairs).
std::string item(const std::string& changes = {}) {
    // The first of equal keys counts.
    return "{" + changes + (changes.empty() ? "" : ",") +
           R"("id":"n8k2m4p6q0","name":"diffusion-train","state":"Running","machineType":"A4000",
              "projectId":"p5t6u7v8w9x","notebookRepoId":"rabcdefgh123456",
              "fqdn":"n8k2m4p6q0.clg07azjl.paperspacegradient.com","token":"0f1e2d3c4b5a69788796a5b4c3d2e1f0",
              "dtCreated":"2026-11-20T08:00:00.000Z","dtModified":"2026-11-23T02:10:00.000Z",
              "dtStarted":"2026-11-23T02:09:41.000Z",
              "startedByUser":{"id":"u1ab2cd3","email":"ana@example.org","firstName":"Ana","lastName":null}})";
}

std::string run_of(const std::string& id, const std::string& state, const std::string& started,
                   const std::string& repo = "r1",
                   const std::string& created = "\"2026-11-20T08:00:00.000Z\"") {
    return item(R"("id":")" + id + R"(","state":")" + state + R"(","dtStarted":)" + started +
                R"(,"notebookRepoId":")" + repo + R"(","dtCreated":)" + created + R"(,"name":"of )" + id +
                "\"");
}

std::vector<Resource> resources(const std::vector<std::string>& items) {
    std::vector<NotebookItem> read;
    for (const std::string& text : items) {
        auto one = notebook_item(parsed(text));
        REQUIRE(one);
        read.push_back(std::move(*one));
    }
    return notebooks_from(std::move(read), AccountName{"lab"});
}

std::string event_of(const std::string& id, const std::string& name, const std::string& state,
                     const std::string& started, const std::string& finished,
                     const std::string& error = "null") {
    const auto quoted = [](const std::string& t) {
        return t.empty() ? std::string{"null"} : "\"2026-11-23T" + t + ":00.000Z\"";
    };
    return R"({"id":")" + id + R"(","name":")" + name + R"(","state":")" + state +
           R"(","machineId":"m1","dtCreated":)" + quoted(started) + R"(,"dtStarted":)" + quoted(started) +
           R"(,"dtFinished":)" + quoted(finished) + R"(,"error":)" + error + "}";
}

std::optional<MachineRun> newest(const std::vector<std::string>& events) {
    std::string list;
    for (const std::string& e : events) {
        list += (list.empty() ? "" : ",") + e;
    }
    return newest_run(parsed(R"({"hasMore":false,"nextPage":null,"items":[)" + list + "]}"));
}

WallTime today(const std::string& hour_minute) {
    return at("2026-11-23T" + hour_minute + ":00Z");
}

}  // namespace

TEST_CASE("states of notebooks, in any case") {
    struct Row {
        std::string word;
        RunState state;
    };
    const std::vector<Row> rows{{"Pending", RunState::pending},     {"Provisioned", RunState::provisioned},
                                {"Running", RunState::running},     {"Stopped", RunState::stopped},
                                {"Cancelled", RunState::stopped},   {"Cancel", RunState::stopped},
                                {"Error", RunState::failed},        {"Failed", RunState::failed},
                                {"Preempted", RunState::failed},    {"running", RunState::running},
                                {"RUNNING", RunState::running},     {"cancelled", RunState::stopped},
                                {"CANCELLED", RunState::stopped},   {"", RunState::unknown},
                                {"Hibernating", RunState::unknown}, {"Running ", RunState::unknown},
                                {"Canceled", RunState::unknown},    {"off", RunState::unknown},
                                {"Stopping", RunState::unknown},    {"null", RunState::unknown}};
    for (const Row& row : rows) {
        CAPTURE(row.word);
        CHECK(notebook_state(row.word) == row.state);
    }
}

TEST_CASE("states of machines: all but off cost money") {
    for (const std::string word : {"starting", "stopping", "restarting", "serviceready", "ready", "upgrading",
                                   "provisioning", "READY", "hibernated", "", "stopped"}) {
        CAPTURE(word);
        CHECK(bills(machine_state(word)));
        CHECK_FALSE(is_off(machine_state(word)));
    }
    CHECK(is_off(machine_state("off")));
    CHECK(is_off(machine_state("OFF")));
    CHECK(machine_state("ready") == RunState::running);
    CHECK(machine_state("stopping") == RunState::stopping);
    CHECK(machine_state("on") == RunState::unknown);
}

TEST_CASE("an error that comes as a success") {
    CHECK(hidden_error(parsed(R"({"code":"NOT_FOUND","message":"Notebook not found."})")) ==
          "NOT_FOUND: Notebook not found.");
    CHECK(hidden_error(parsed(R"({"code":"BAD_REQUEST","message":"x","issues":[{"message":"y"}]})")) ==
          "BAD_REQUEST: x");
    CHECK(hidden_error(parsed(R"({"code":500,"message":"x"})")));
    for (const std::string fine :
         {R"(null)", R"([])", R"("HEALTHY")", R"({})", R"({"code":"X"})", R"({"message":"x"})",
          R"({"code":null,"message":"x"})", R"({"code":"X","message":null})", R"({"code":"X","message":5})",
          R"({"code":"X","message":"x","a":1,"b":2})", R"({"hasMore":false,"items":[],"nextPage":null})"}) {
        CAPTURE(fine);
        CHECK_FALSE(hidden_error(parsed(fine)));
    }
}

TEST_CASE("an item of the list") {
    const auto n = notebook_item(parsed(item()));
    REQUIRE(n);
    CHECK(n->resource == ResourceId{"rabcdefgh123456"});
    CHECK(n->run.id == RunId{"n8k2m4p6q0"});
    CHECK(n->name == "diffusion-train");
    CHECK(n->project == "p5t6u7v8w9x");
    CHECK(n->owner == "ana@example.org");
    CHECK(n->created_at == at("2026-11-20T08:00:00Z"));
    CHECK(n->run.state == RunState::running);
    CHECK(n->run.state_text == "Running");
    CHECK(n->run.machine_type == "A4000");
    CHECK(n->run.started_at == at("2026-11-23T02:09:41Z"));
    CHECK_FALSE(n->run.ended_at);
    CHECK(n->run.address == "n8k2m4p6q0.clg07azjl.paperspacegradient.com");
    CHECK(n->run.token.equals("0f1e2d3c4b5a69788796a5b4c3d2e1f0"));
}

TEST_CASE("nulls, gaps and wrong types of an item are unknown, never guessed") {
    const auto nulls = notebook_item(
        parsed(item(R"("machineType":null,"fqdn":null,"token":null,"dtStarted":null,"startedByUser":null,)"
                    R"("projectId":null,"name":null)")));
    REQUIRE(nulls);
    CHECK(nulls->run.machine_type.empty());
    CHECK(nulls->run.address.empty());
    CHECK(nulls->run.token.empty());
    CHECK_FALSE(nulls->run.started_at);
    CHECK(nulls->owner.empty());
    CHECK(nulls->name.empty());

    const auto bare = notebook_item(parsed(R"({"id":"n1"})"));
    REQUIRE(bare);
    CHECK(bare->resource == ResourceId{"n1"});  // without a stable id a run is all there is
    CHECK(bare->run.state == RunState::unknown);
    CHECK(bills(bare->run.state));
    CHECK(notebook_item(parsed(item(R"("notebookRepoId":null)")))->resource == ResourceId{"n8k2m4p6q0"});

    const auto odd = notebook_item(
        parsed(item(R"("state":7,"machineType":{"a":1},"dtStarted":1795399800,"dtCreated":"yesterday",)"
                    R"("fqdn":[],"startedByUser":"Ana Ruiz")")));
    REQUIRE(odd);
    CHECK(odd->run.state == RunState::unknown);
    CHECK(odd->run.machine_type.empty());
    CHECK_FALSE(odd->run.started_at);
    CHECK_FALSE(odd->created_at);
    CHECK(odd->owner.empty());

    for (const std::string nothing :
         {"null", "5", "[]", "\"n1\"", "{}", R"({"id":null})", R"({"id":5})", R"({"id":""})",
          R"({"id":["n1"]})", R"({"name":"x","notebookRepoId":"r"})"}) {
        CAPTURE(nothing);
        CHECK_FALSE(notebook_item(parsed(nothing)));
    }
}

TEST_CASE("one resource per stable id, the newest start as its run") {
    const auto seen = resources({run_of("n1", "Cancelled", R"("2026-11-21T10:00:00.000Z")"),
                                 run_of("n3", "Running", R"("2026-11-23T10:00:00.000Z")"),
                                 run_of("n2", "Cancelled", R"("2026-11-22T10:00:00.000Z")"),
                                 run_of("n9", "Running", R"("2026-11-20T10:00:00.000Z")", "r2")});
    REQUIRE(seen.size() == 2);
    CHECK(seen[0].id == ResourceId{"r1"});
    CHECK(seen[0].account == AccountName{"lab"});
    CHECK(seen[0].kind == ResourceKind::notebook);
    CHECK(seen[0].run.id == RunId{"n3"});
    CHECK(seen[0].name == "of n3");
    CHECK(seen[0].other_runs.empty());
    CHECK(seen[1].run.id == RunId{"n9"});
}

TEST_CASE("older runs that still cost are listed beside the newest, whatever its state") {
    const auto seen = resources({run_of("n4", "Cancelled", R"("2026-11-23T10:00:00.000Z")"),
                                 run_of("n3", "Running", R"("2026-11-22T10:00:00.000Z")"),
                                 run_of("n2", "Hibernating", R"("2026-11-21T10:00:00.000Z")"),
                                 run_of("n1", "Error", R"("2026-11-20T10:00:00.000Z")")});
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].run.id == RunId{"n4"});
    REQUIRE(seen[0].other_runs.size() == 2);
    CHECK(seen[0].other_runs[0].id == RunId{"n3"});
    CHECK(seen[0].other_runs[1].id == RunId{"n2"});
    CHECK(seen[0].other_runs[1].state == RunState::unknown);
}

TEST_CASE("runs that come twice count once, and the order of the list does not matter") {
    const std::string a = run_of("n1", "Running", R"("2026-11-21T10:00:00.000Z")");
    const std::string b = run_of("n2", "Running", R"("2026-11-22T10:00:00.000Z")");
    for (const auto& list : {std::vector{a, b, a, b, b}, std::vector{b, a}, std::vector{a, a, b}}) {
        const auto seen = resources(list);
        REQUIRE(seen.size() == 1);
        CHECK(seen[0].run.id == RunId{"n2"});
        REQUIRE(seen[0].other_runs.size() == 1);
        CHECK(seen[0].other_runs[0].id == RunId{"n1"});
    }
}

TEST_CASE("equal starts are told apart by creation, then by id") {
    const std::string same = R"("2026-11-21T10:00:00.000Z")";
    CHECK(resources({run_of("n1", "Running", same, "r1", R"("2026-11-20T09:00:00.000Z")"),
                     run_of("n2", "Running", same)})[0]
              .run.id == RunId{"n1"});
    CHECK(resources({run_of("n2", "Running", same), run_of("n1", "Running", same)})[0].run.id == RunId{"n2"});
    CHECK(resources({run_of("n1", "Running", same), run_of("n2", "Running", "null")})[0].run.id ==
          RunId{"n1"});
}

TEST_CASE("a machine of the list") {
    const auto m = machine_item(parsed(
        R"j({"id":"psq1w2e3r4","name":"train-box","state":"ready","machineType":"A4000","ram":"48318382080",
            "region":"East Coast (NY2)","privateIp":"10.1.2.3","publicIp":"203.0.113.9",
            "usageRate":0.76,"dtModified":"2026-11-23T01:00:00.000Z","dtDeleted":null,"reservation":null})j"));
    REQUIRE(m);
    CHECK(m->resource == ResourceId{"psq1w2e3r4"});
    CHECK(m->name == "train-box");
    CHECK(m->state == RunState::running);
    CHECK(m->state_text == "ready");
    CHECK(m->machine_type == "A4000");
    CHECK(m->region == "East Coast (NY2)");
    CHECK(m->address == "203.0.113.9");
    CHECK(m->listed_rate == Rate{Money{760'000'000}});
    for (const std::string absurd :
         {"-1", "1e5", "\"100000\"", "1000.01", "1e300", "\"A4000 Hourly\"", "null"}) {
        CAPTURE(absurd);
        CHECK_FALSE(machine_item(parsed(R"({"id":"x","usageRate":)" + absurd + "}"))->listed_rate);
    }
    CHECK(machine_item(parsed(R"({"id":"x","publicIp":null})"))->address.empty());
    CHECK(m->modified == "2026-11-23T01:00:00.000Z");
    CHECK(machine_item(parsed(R"({"id":"x"})"))->state == RunState::unknown);
    for (const std::string nothing : {"null", "{}", R"({"id":7})", R"({"id":null,"name":"x"})", "[]"}) {
        CAPTURE(nothing);
        CHECK_FALSE(machine_item(parsed(nothing)));
    }
}

TEST_CASE("the newest run of a machine, from its events") {
    CHECK_FALSE(newest({}));
    const auto created = newest({event_of("e1", "create", "done", "08:00", "08:02")});
    REQUIRE(created);
    CHECK(created->start_event == "e1");
    CHECK(created->started_at == today("08:00"));  // it costs from its start on, not from when it is up
    CHECK_FALSE(created->stopped_at);

    const auto stopped = newest({event_of("e2", "stop", "done", "09:00", "09:01"),
                                 event_of("e1", "create", "done", "08:00", "08:02")});
    CHECK(stopped->start_event == "e1");
    CHECK(stopped->stopped_at == today("09:01"));

    const auto again = newest({event_of("e1", "create", "done", "08:00", "08:02"),
                               event_of("e3", "start", "done", "10:00", "10:03"),
                               event_of("e2", "stop", "done", "09:00", "09:01")});
    CHECK(again->start_event == "e3");
    CHECK_FALSE(again->stopped_at);

    const auto forced = newest({event_of("e1", "start", "done", "08:00", "08:02"),
                                event_of("e2", "vm-shutdown-force", "done", "09:00", "09:05")});
    CHECK(forced->stopped_at == today("09:05"));
}

TEST_CASE("a start under way is a new run already") {
    // Otherwise a stop that was meant for the run before would reach it (I4).
    const std::vector<std::string> events{event_of("e1", "start", "done", "08:00", "08:02"),
                                          event_of("e2", "stop", "done", "09:00", "09:01"),
                                          event_of("e3", "start", "in progress", "09:30", "")};
    const auto booting = newest(events);
    REQUIRE(booting);
    CHECK(booting->start_event == "e3");
    CHECK(booting->started_at == today("09:30"));
    CHECK_FALSE(booting->stopped_at);
    CHECK(newest({events[0], events[1], event_of("e3", "start", "done", "09:30", "09:33")})->start_event ==
          "e3");
    CHECK(newest({events[0], event_of("e3", "start", "new", "09:30", "")})->start_event == "e3");
    // Stopped while it booted: it was on, and cost.
    const auto cut = newest({events[0], events[1], event_of("e3", "start", "cancelled", "09:30", "09:31"),
                             event_of("e4", "stop", "done", "09:31", "09:32")});
    CHECK(cut->start_event == "e3");
    CHECK(cut->stopped_at == today("09:32"));
    // Cancelled before it began, or failed: it never was.
    CHECK(newest({events[0], events[1], event_of("e3", "start", "cancelled", "", "09:31")})->start_event ==
          "e1");
    CHECK(
        newest({events[0], events[1], event_of("e3", "start", "error", "09:30", "09:31", R"("no capacity")")})
            ->start_event == "e1");
}

TEST_CASE("two starts without an id are two runs") {
    // Named alike, a stop that was meant for the first would reach the second (I4).
    const std::string first = event_of("", "start", "done", "08:00", "08:02");
    const std::string stop = event_of("e2", "stop", "done", "09:00", "09:01");
    const auto before = newest({first});
    const auto after = newest({first, stop, event_of("", "start", "done", "09:30", "09:33")});
    REQUIRE((before && after));
    CHECK_FALSE(before->start_event.empty());
    CHECK(before->start_event != after->start_event);
}

TEST_CASE("events that are no start and no stop, and stops that are not done") {
    const std::string start = event_of("e1", "start", "done", "08:00", "08:02");
    for (const std::string& other :
         {event_of("e2", "restart", "done", "09:00", "09:01"),
          event_of("e2", "bill-sessions", "done", "09:00", "09:01"),
          event_of("e2", "snapshot-create", "done", "09:00", "09:01"),
          event_of("e2", "stop", "in progress", "09:00", ""), event_of("e2", "stop", "new", "", ""),
          event_of("e2", "stop", "cancelled", "09:00", "09:01"),
          event_of("e2", "stop", "error", "09:00", "09:01", R"("timed out")"),
          event_of("e2", "stop", "error", "09:00", ""), event_of("e2", "stop", "done", "09:00", "")}) {
        CAPTURE(other);
        const auto run = newest({other, start});
        REQUIRE(run);
        CHECK(run->start_event == "e1");
        CHECK_FALSE(run->stopped_at);
    }
}

TEST_CASE("state error without an error is a success") {
    const auto run = newest({event_of("e1", "start", "error", "08:00", "08:02"),
                             event_of("e2", "stop", "error", "09:00", "09:01")});
    REQUIRE(run);
    CHECK(run->start_event == "e1");
    CHECK(run->stopped_at == today("09:01"));
    CHECK_FALSE(newest({event_of("e1", "start", "error", "08:00", "")}));
}

TEST_CASE("only the first stop ends a run, and a stop before every start ends nothing") {
    const auto twice = newest({event_of("e1", "start", "done", "08:00", "08:02"),
                               event_of("e2", "stop", "done", "09:00", "09:01"),
                               event_of("e3", "stop", "done", "11:00", "11:01")});
    CHECK(twice->stopped_at == today("09:01"));
    CHECK_FALSE(newest({event_of("e2", "stop", "done", "09:00", "09:01")}));
    CHECK_FALSE(newest({event_of("e2", "stop", "done", "07:00", "07:01"),
                        event_of("e1", "start", "done", "08:00", "08:02")})
                    ->stopped_at);
}

TEST_CASE("events of wrong types are passed over") {
    const auto run = newest_run(
        parsed(R"({"items":[null,5,"start",{},{"name":"start","state":"done"},{"name":7,"state":[]},)" +
               event_of("e1", "start", "done", "08:00", "08:02") + "]}"));
    REQUIRE(run);
    CHECK(run->start_event == "e1");
    for (const std::string none : {"null", "[]", "{}", R"({"items":{}})", R"({"items":null})"}) {
        CHECK_FALSE(newest_run(parsed(none)));
    }
}

TEST_CASE("types without a GPU") {
    for (const std::string cpu : {"C1", "C3", "C10", "Free-CPU", "CPU", "Free-C4"}) {
        CAPTURE(cpu);
        CHECK(is_cpu_type(cpu));
    }
    for (const std::string gpu : {"A4000", "Free-A4000", "GPU+", "Free-GPU", "P4000", "V100-32G", "H100x8",
                                  "", "C", "Cx", "Free-", "c3"}) {
        CAPTURE(gpu);
        CHECK_FALSE(is_cpu_type(gpu));
    }
}

namespace {

const WallTime from{1'795'399'800'000};

/// A chart of one pod, a point each 30 s from `from` on.
std::string chart(const std::vector<std::string>& values, std::int64_t first = from.ms / 1000) {
    std::string points;
    for (const std::string& value : values) {
        points += (points.empty() ? "" : ",") + std::string{R"({"time_stamp":)"} + std::to_string(first) +
                  R"(,"value":)" + value + "}";
        first += 30;
    }
    return R"({"n1":[)" + points + "]}";
}

MetricsReading reading(const std::string& cpu, const std::string& gpu, bool percent = false,
                       bool needs_gpu = true) {
    return read_metrics(parsed(R"({"handle":"n1","object_type":"notebook","charts":{"cpuPercentage":)" + cpu +
                               R"(,"gpuUtilization":)" + gpu + "}}"),
                        from, percent, needs_gpu);
}

std::vector<std::string> times(int count, const std::string& value) {
    return std::vector<std::string>(static_cast<std::size_t>(count), value);
}

}  // namespace

TEST_CASE("metrics are active at a fifth of a core or five percent of a GPU") {
    struct Row {
        std::string cpu;
        std::string gpu;
        Verdict verdict;
    };
    const std::vector<Row> rows{
        {chart({R"("0.0233")", R"("0.0929")"}), chart({R"("0")"}), Verdict::quiet},
        {chart({R"("0.2")"}), chart({R"("0")"}), Verdict::active},
        {chart({R"("0.199")"}), chart({R"("4.999")"}), Verdict::quiet},
        {chart({R"("0.1")", R"("0.3")"}), chart({R"("0")"}), Verdict::active},  // the mean counts
        {chart({R"("0.1")", R"("0.29")"}), chart({R"("0")"}), Verdict::quiet},
        {chart({R"("0.01")"}), chart({R"("5")"}), Verdict::active},
        {chart({R"("0.01")"}), chart({R"("37")"}), Verdict::active},
        {"null", chart({R"("80")"}), Verdict::active},  // activity needs no second witness
        {chart({R"("1.5")"}), "null", Verdict::active},
        {chart({"0.01"}), chart({"0"}), Verdict::quiet},  // numbers that are numbers
        {chart({R"("1e-2")"}), chart({R"("0.0")"}), Verdict::quiet},
    };
    for (const Row& row : rows) {
        CAPTURE(row.cpu, row.gpu);
        CHECK(reading(row.cpu, row.gpu).verdict == row.verdict);
    }
}

TEST_CASE("what was not measured is unknown, never quiet") {
    const std::string quiet_cpu = chart({R"("0.01")"});
    const std::string quiet_gpu = chart({R"("0")"});
    for (const std::string& nothing :
         {std::string{"null"}, std::string{"{}"}, std::string{"[]"}, std::string{R"({"n1":[]})"},
          std::string{R"({"n1":null})"}, chart({"null"}), chart({R"("")"}), chart({R"("NaN")"}),
          chart({R"("+Inf")"}), chart({R"("n/a")"}), chart({"true"}), chart({R"("0.01 ")"}),
          chart({R"("0.01")"}, from.ms / 1000 - 3600), std::string{"5"}, std::string{R"({"n1":[5,null,{}]})"},
          std::string{R"({"n1":[{"value":"0.01"}]})"}}) {
        CAPTURE(nothing);
        CHECK(reading(nothing, quiet_gpu).verdict == Verdict::unknown);
        CHECK(reading(quiet_cpu, nothing).verdict == Verdict::unknown);
        CHECK(reading(quiet_cpu, nothing, false, false).verdict == Verdict::quiet);  // a type without a GPU
        CHECK(reading(nothing, nothing, false, false).verdict == Verdict::unknown);
        CHECK(reading(nothing, nothing).evidence == "nothing was measured");
    }
    for (const std::string body : {"null", "{}", "[]", R"({"charts":null})", R"({"charts":[]})"}) {
        CHECK(read_metrics(parsed(body), from, false, false).verdict == Verdict::unknown);
    }
}

TEST_CASE("of a GPU the 95th percentile counts, of the CPU the mean") {
    auto gpu = times(100, R"("0")");
    for (std::size_t i = 0; i < 4; ++i) {
        gpu[i * 7] = R"("100")";
    }
    CHECK(reading(chart({R"("0.01")"}), chart(gpu)).verdict == Verdict::quiet);  // 4 of 100
    for (std::size_t i = 0; i < 3; ++i) {
        gpu[i * 7 + 1] = R"("100")";
    }
    CHECK(reading(chart({R"("0.01")"}), chart(gpu)).verdict == Verdict::active);  // 7 of 100
    CHECK(reading(chart({R"("0.01")"}), chart({R"("9")"})).verdict == Verdict::active);
}

TEST_CASE("points before the window do not count") {
    auto values = times(10, R"("3.5")");
    const auto quiet = times(10, R"("0.01")");
    values.insert(values.end(), quiet.begin(), quiet.end());
    const std::string cpu = chart(values, from.ms / 1000 - 300);
    CHECK(reading(cpu, chart({R"("0")"})).verdict == Verdict::quiet);
    CHECK(reading(chart({R"("0.9")"}, from.ms / 1000), chart({R"("0")"})).verdict == Verdict::active);
    CHECK(reading(chart({R"("0.9")"}, from.ms / 1000 - 1), chart({R"("0")"})).verdict == Verdict::unknown);
}

TEST_CASE("stamps may be strings, and all pods count") {
    CHECK(reading(R"({"n1":[{"time_stamp":"1795399830","value":"0.01"}]})", chart({R"("0")"})).verdict ==
          Verdict::quiet);
    const std::string pods =
        R"({"a":[{"time_stamp":1795399830,"value":"0"}],"b":[{"time_stamp":1795399830,"value":"90"}]})";
    CHECK(reading(chart({R"("0.01")"}), pods).verdict == Verdict::active);
}

TEST_CASE("the unit of the CPU is a setting") {
    CHECK(reading(chart({R"("19")"}), chart({R"("0")"}), true).verdict == Verdict::quiet);
    CHECK(reading(chart({R"("20")"}), chart({R"("0")"}), true).verdict == Verdict::active);
    CHECK(reading(chart({R"("0.5")"}), chart({R"("0")"}), true).verdict == Verdict::quiet);
    CHECK(reading(chart({R"("0.5")"}), chart({R"("0")"}), false).verdict == Verdict::active);
}

TEST_CASE("evidence says what was read") {
    CHECK(reading(chart({R"("0.0233")", R"("0.0929")"}), chart({R"("3")"})).evidence ==
          "0.05 cores, GPU 3.00 %");
    CHECK(reading(chart({R"("0.05")"}), "null").evidence == "0.05 cores, the GPU was not measured");
    CHECK(reading("null", chart({R"("97.5")"})).evidence == "GPU 97.50 %");
    CHECK(reading("null", chart({R"("1")"})).evidence.find("CPU") != std::string::npos);
}

TEST_CASE("all runs of a machine, oldest first, whatever the order of its events") {
    const std::vector<std::string> texts{event_of("e6", "vm-upgrade", "done", "11:30", "11:31"),
                                         event_of("e7", "start", "in progress", "12:00", ""),
                                         event_of("e1", "create", "done", "08:00", "08:02"),
                                         event_of("e5", "stop", "done", "11:00", "11:01"),
                                         event_of("e2", "stop", "error", "08:30", "08:31", R"("no")"),
                                         event_of("e3", "vm-shutdown-force", "done", "09:00", "09:01"),
                                         event_of("e4", "start", "done", "10:00", "10:02")};
    std::vector<json::Value> events;
    for (const std::string& text : texts) {
        events.push_back(parsed(text));
    }
    const auto runs = machine_runs(events);
    REQUIRE(runs.size() == 3);
    CHECK(runs[0].start_event == "e1");
    CHECK(runs[0].started_at == today("08:00"));
    CHECK(runs[0].stopped_at == today("09:01"));
    CHECK(runs[0].retyped);
    CHECK(runs[1].start_event == "e4");
    CHECK(runs[1].stopped_at == today("11:01"));
    CHECK(runs[1].retyped);
    CHECK(runs[2].start_event == "e7");
    CHECK_FALSE(runs[2].stopped_at);
    CHECK_FALSE(runs[2].retyped);
    CHECK(machine_runs({}).empty());
    CHECK(newest({event_of("e1", "start", "done", "08:00", "08:02"),
                  event_of("e2", "deactivate", "done", "09:00", "09:00")})
              ->stopped_at == today("09:00"));
}
