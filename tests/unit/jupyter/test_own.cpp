#include "adapters/jupyter/own.hpp"
#include "adapters/jupyter/wire.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace curfew;
using namespace curfew::jupyter;

namespace {

using Names = std::set<std::string>;
const RunId run{"n1"};
const Instant start{1'000'000'000};
const WallTime noon = *parse_wall_time("2026-11-23T12:00:00Z");

json::Value value(const std::string& text) {
    auto parsed = json::parse(text);
    REQUIRE(parsed);
    return std::move(*parsed);
}

}  // namespace

TEST_CASE("what a probe has open is its run's, until it is known to be gone") {
    Own own;
    own.opened(run, Own::Kind::terminal, "2", false, start);
    own.opened(run, Own::Kind::kernel, "k", true, start);
    const Instant late = start + hours{5};
    CHECK(own.names(run, Own::Kind::terminal, late) == Names{"2"});
    CHECK(own.names(run, Own::Kind::kernel, late) == Names{"k"});
    CHECK(own.names(RunId{"n2"}, Own::Kind::terminal, late).empty());
    CHECK(own.leftovers(run, Own::Kind::kernel).empty());
    own.socket(run, 1, start);
    CHECK(own.sockets(run) == 1);
    own.socket(run, -1, start);
    own.socket(run, -1, start);
    CHECK(own.sockets(run) == 0);
    own.gone(run, Own::Kind::terminal, "2");
    own.gone(run, Own::Kind::kernel, "k");
    CHECK(own.names(run, Own::Kind::terminal, late).empty());
    CHECK(own.names(run, Own::Kind::kernel, late).empty());
}

TEST_CASE("a name that others may get is ours for a while only, one of our own until it is removed") {
    Own own;
    for (const bool unique : {true, false}) {
        own.opened(run, Own::Kind::terminal, unique ? "curfew1" : "2", unique, start);
        own.left(run, Own::Kind::terminal, unique ? "curfew1" : "2", start);
    }
    CHECK(own.names(run, Own::Kind::terminal, start + minutes{4}) == Names{"2", "curfew1"});
    CHECK(own.names(run, Own::Kind::terminal, start + minutes{5}) == Names{"curfew1"});
    CHECK(own.leftovers(run, Own::Kind::terminal) == std::vector<std::string>{"curfew1"});
}

TEST_CASE("what is remembered is bounded") {
    Own own;
    for (int i = 0; i < 100; ++i) {
        own.opened(run, Own::Kind::terminal, std::to_string(i), true, start);
        own.left(run, Own::Kind::terminal, std::to_string(i), start + Duration{i});
    }
    const Names names = own.names(run, Own::Kind::terminal, start);
    CHECK(names.size() == Own::things_max);
    CHECK(names.contains("99"));
    for (std::size_t i = 0; i < Own::runs_max; ++i) {
        own.opened(RunId{"r" + std::to_string(i)}, Own::Kind::kernel, "k", true, start + minutes{1});
    }
    CHECK(own.names(run, Own::Kind::terminal, start).empty());
    CHECK(own.names(RunId{"r7"}, Own::Kind::kernel, start) == Names{"k"});
    own.opened(RunId{"new"}, Own::Kind::kernel, "k", true, start + hours{25});
    CHECK(own.names(RunId{"r7"}, Own::Kind::kernel, start).empty());
}

TEST_CASE("the server's clock is ours between a probe's beginning and its end") {
    Own own;
    CHECK_FALSE(own.moved_by_us(run, noon));
    own.touching(run, noon, start);
    CHECK(own.moved_by_us(run, noon));
    CHECK(own.moved_by_us(run, noon + hours{1}));
    CHECK_FALSE(own.moved_by_us(run, noon - Duration{1}));
    own.touched(run, noon + seconds{9}, start);
    CHECK(own.moved_by_us(run, noon + seconds{9}));
    CHECK_FALSE(own.moved_by_us(run, noon + seconds{10}));
    own.touching(run, std::nullopt, start);
    CHECK_FALSE(own.moved_by_us(run, noon));
}

TEST_CASE("kernels and terminals of our own do not count") {
    const auto kernels = value(
        R"([{"id": "ours", "execution_state": "busy", "last_activity": "2026-11-23T11:59:58Z"},
            {"id": "theirs", "execution_state": "idle", "last_activity": "2026-11-23T11:00:00Z"}])");
    CHECK(read_kernels(kernels, noon).verdict == Verdict::active);
    const Reading rest = read_kernels(kernels, noon, {"ours"});
    CHECK(rest.verdict == Verdict::quiet);
    CHECK(rest.evidence == "1 kernels, all idle");
    CHECK(*rest.active_ago == hours{1});
    const auto terminals = value(R"([{"name": "1", "last_activity": "2026-11-23T11:59:58Z"}])");
    CHECK(read_terminals(terminals, noon).verdict == Verdict::active);
    CHECK(read_terminals(terminals, noon, {"1"}).evidence == "no terminal");
    CHECK(read_terminals(terminals, noon, {"2"}).verdict == Verdict::active);
}

TEST_CASE("sockets and requests of our own do not count") {
    const auto body = value(
        R"({"connections": 1, "kernels": 1, "last_activity": "2026-11-23T11:59:58Z", "started": "x"})");
    CHECK(read_status(body, noon)->reading.verdict == Verdict::active);
    CHECK(read_status(body, noon, 1)->connections == 0);
    CHECK(read_status(body, noon, 1)->reading.evidence == "a request 2s ago");
    CHECK(read_status(body, noon, 2)->connections == 0);
    const auto always = [](WallTime at) { return at == noon - seconds{2}; };
    CHECK(read_status(body, noon, 1, always)->reading.verdict == Verdict::quiet);
    CHECK(read_status(body, noon, 0, always)->reading.verdict == Verdict::active);
}

TEST_CASE("a kernel that was used of late is weak evidence") {
    Reading kernels{.verdict = Verdict::quiet, .active_ago = minutes{4}, .evidence = {}};
    REQUIRE(kernels_used(kernels));
    CHECK(kernels_used(kernels)->strength == Strength::weak);
    CHECK(kernels_used(kernels)->verdict == Verdict::active);
    CHECK(kernels_used(kernels)->evidence == "a kernel was used 4m ago");
    kernels.active_ago = minutes{5};
    CHECK_FALSE(kernels_used(kernels));
    kernels.active_ago.reset();
    CHECK_FALSE(kernels_used(kernels));
}
