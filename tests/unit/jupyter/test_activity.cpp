#include "adapters/jupyter/wire.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace curfew;
using namespace curfew::jupyter;

namespace {

const WallTime noon = *parse_wall_time("2026-11-23T12:00:00Z");

json::Value value(const std::string& text) {
    auto parsed = json::parse(text);
    REQUIRE(parsed);
    return std::move(*parsed);
}

std::string kernel(const std::string& state, const std::string& stamp) {
    return R"([{"id": "a44b1c2d-0000", "name": "python3", "last_activity": ")" + stamp +
           R"(", "execution_state": ")" + state + R"(", "connections": 0}])";
}

}  // namespace

TEST_CASE("the state of a kernel decides, and a stale `starting` is quiet") {
    const std::string fresh = "2026-11-23T11:59:58.315765Z";
    const std::string stale = "2026-11-23T11:00:00.000001Z";
    struct Row {
        std::string state;
        std::string stamp;
        Verdict verdict;
    };
    const std::vector<Row> rows{
        {"busy", fresh, Verdict::active},         {"busy", stale, Verdict::active},
        {"idle", fresh, Verdict::quiet},          {"idle", stale, Verdict::quiet},
        {"restarting", stale, Verdict::active},   {"autorestarting", stale, Verdict::active},
        {"dead", stale, Verdict::quiet},          {"starting", fresh, Verdict::active},
        {"starting", stale, Verdict::quiet},      {"starting", "2026-11-23T11:59:00.000Z", Verdict::quiet},
        {"starting", "no time", Verdict::active}, {"unknown", fresh, Verdict::unknown},
        {"terminating", stale, Verdict::unknown}, {"", stale, Verdict::unknown},
        {"Busy", stale, Verdict::unknown},        {"starting", "2026-11-23T12:00:09Z", Verdict::active},
    };
    for (const Row& row : rows) {
        INFO(row.state << " at " << row.stamp);
        const Reading reading = read_kernels(value(kernel(row.state, row.stamp)), noon);
        CHECK(reading.verdict == row.verdict);
        CHECK(reading.strength == Strength::strong);
        CHECK_FALSE(reading.evidence.empty());
    }
}

TEST_CASE("without the server's time a `starting` kernel is at work") {
    CHECK(read_kernels(value(kernel("starting", "2026-11-23T11:00:00Z")), std::nullopt).verdict ==
          Verdict::active);
    CHECK(read_kernels(value(kernel("idle", "2026-11-23T11:00:00Z")), std::nullopt).verdict ==
          Verdict::quiet);
}

TEST_CASE("a busy kernel beats an unknown one, an unknown one beats idle ones") {
    const std::string idle =
        R"({"id": "1", "execution_state": "idle", "last_activity": "2026-11-23T11:30:00Z"})";
    const std::string busy =
        R"({"id": "2", "execution_state": "busy", "last_activity": "2026-11-23T10:00:00Z"})";
    const std::string odd =
        R"({"id": "3", "execution_state": "zen", "last_activity": "2026-11-23T10:00:00Z"})";
    CHECK(read_kernels(value("[" + idle + "," + odd + "," + busy + "]"), noon).verdict == Verdict::active);
    CHECK(read_kernels(value("[" + odd + "," + idle + "]"), noon).verdict == Verdict::unknown);
    const Reading resting = read_kernels(value("[" + idle + "," + idle + "]"), noon);
    CHECK(resting.verdict == Verdict::quiet);
    REQUIRE(resting.active_ago);
    CHECK(*resting.active_ago == minutes{30});
    CHECK(read_kernels(value("[]"), noon).verdict == Verdict::quiet);
    CHECK(read_kernels(value("[]"), noon).evidence == "no kernel");
}

TEST_CASE("kernels of wrong types are unknown, never idle") {
    for (const char* text : {"{}", "null", "3", "\"idle\"", "[1]", "[null]", "[[]]", "[{}]",
                             R"([{"execution_state": 1}])", R"([{"execution_state": null}])",
                             R"([{"execution_state": ["idle"]}])", R"({"execution_state": "idle"})"}) {
        INFO(text);
        CHECK(read_kernels(value(text), noon).verdict == Verdict::unknown);
    }
    CHECK(read_kernels(value(R"([{"execution_state": "idle", "last_activity": 17, "id": {}}])"), noon)
              .verdict == Verdict::quiet);
}

TEST_CASE("what a kernel calls itself does not reach a terminal") {
    const Reading reading = read_kernels(
        value(R"([{"id": "\u001b[2J\u0007abcdefgh", "execution_state": "busy"}])"), noon);
    CHECK(reading.evidence == "kernel ?[2J?abc busy");
}

TEST_CASE("a terminal that printed a moment ago is at work, silence is quiet") {
    const std::string fresh = R"({"name": "1", "last_activity": "2026-11-23T11:59:30Z"})";
    const std::string stale = R"({"name": "2", "last_activity": "2026-11-23T11:58:59Z"})";
    const std::string blank = R"({"name": "3"})";
    const auto verdict = [](const std::string& text) { return read_terminals(value(text), noon).verdict; };
    CHECK(verdict("[]") == Verdict::quiet);
    CHECK(verdict("[" + stale + "]") == Verdict::quiet);
    CHECK(verdict("[" + stale + "," + fresh + "]") == Verdict::active);
    CHECK(verdict("[" + fresh + "," + stale + "]") == Verdict::active);
    CHECK(verdict("[" + blank + "," + stale + "]") == Verdict::unknown);
    CHECK(verdict("[" + stale + "," + blank + "]") == Verdict::unknown);
    // Evidence of work counts, whatever else cannot be read.
    CHECK(verdict("[" + fresh + "," + blank + "]") == Verdict::active);
    CHECK(verdict("[" + blank + "," + fresh + "]") == Verdict::active);
    for (const char* text :
         {"{}", "null", "[1]", "[{\"last_activity\": 5}]", "[{\"last_activity\": \"soon\"}]"}) {
        INFO(text);
        CHECK(verdict(text) == Verdict::unknown);
    }
    CHECK(read_terminals(value("[" + stale + "]"), std::nullopt).verdict == Verdict::unknown);
}

TEST_CASE("the server's own state is weak evidence") {
    const auto status = [](const std::string& connections, const std::string& last) {
        return read_status(
            value(R"({"connections": )" + connections + R"(, "kernels": 1, "last_activity": ")" + last +
                  R"(", "started": "2026-11-23T03:11:07.483841Z"})"),
            noon);
    };
    const auto open = status("2", "2026-11-23T03:12:18.315765Z");
    REQUIRE(open);
    CHECK(open->connections == 2);
    CHECK(open->started == "2026-11-23T03:11:07.483841Z");
    CHECK(open->reading.verdict == Verdict::active);
    CHECK(open->reading.strength == Strength::weak);
    CHECK(status("0", "2026-11-23T03:12:18.315765Z")->reading.verdict == Verdict::quiet);
    CHECK(status("0", "2026-11-23T11:56:00Z")->reading.verdict == Verdict::active);
    CHECK(status("0", "2026-11-23T12:00:30Z")->reading.active_ago == Duration{0});
    CHECK(status("-4", "2026-11-23T03:12:18Z")->connections == 0);
    CHECK_FALSE(status("\"many\"", "2026-11-23T03:12:18Z"));
    CHECK_FALSE(status("1.5", "2026-11-23T03:12:18Z"));
    CHECK_FALSE(status("99999999999999999999", "2026-11-23T03:12:18Z"));
    for (const char* text : {"{}", "[]", "null", R"({"connections": 0})", R"({"started": "x"})",
                             R"({"connections": 0, "started": 4})"}) {
        INFO(text);
        CHECK_FALSE(read_status(value(text), noon));
    }
}
