// What real servers say of their use, and that asking does not look like use.
#include "adapters/http/json.hpp"
#include "jupyter_server.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <thread>

using namespace curfew;
using namespace support;

namespace {

const Observation& seen(const std::vector<Observation>& observations, Signal source) {
    const auto found = std::ranges::find(observations, source, &Observation::source);
    REQUIRE(found != observations.end());
    return *found;
}

json::Value parsed(const http::Response& response) {
    auto value = json::parse(response.body);
    REQUIRE(value);
    return std::move(*value);
}

std::string start_kernel(Rig& rig) {
    const auto response = rig.ask("POST", "/api/kernels", R"({"name": "python3"})");
    REQUIRE(response.status == 201);
    return parsed(response)["id"].text();
}

Observation kernels(Rig& rig) {
    auto observations = rig.observe();
    REQUIRE(observations);
    return seen(*observations, Signal::kernels);
}

bool becomes(Rig& rig, Verdict verdict, int tries) {
    for (int i = 0; i < tries; ++i) {
        if (kernels(rig).verdict == verdict) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{200});
    }
    return false;
}

/// Deleted at the end of a test, whatever came of it.
struct OneKernel {
    /// A server misses what a kernel says in its first moments: it is used until its server heard of it.
    explicit OneKernel(Rig& with, const JupyterServer& server) : rig(with), id(start_kernel(with)) {
        bool heard = false;
        for (int i = 0; i < 50 && !heard; ++i) {
            Script use({"busy.py", std::to_string(server.port()), server.token(), id, "/"});
            REQUIRE(use.wait() == 0);
            heard = becomes(rig, Verdict::quiet, 3);
        }
        REQUIRE(heard);
    }
    ~OneKernel() { rig.ask("DELETE", "/api/kernels/" + id); }
    OneKernel(const OneKernel&) = delete;
    OneKernel& operator=(const OneKernel&) = delete;
    Rig& rig;
    std::string id;
};

}  // namespace

TEST_CASE("a server with nothing running is quiet") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    Rig rig(shared(kind).port());
    const auto observations = rig.observe();
    REQUIRE(observations);
    const Observation& kernel = seen(*observations, Signal::kernels);
    CHECK(kernel.verdict == Verdict::quiet);
    CHECK(kernel.evidence == "no kernel");
    CHECK(kernel.run == RunId{"n1"});
    CHECK(kernel.ttl >= minutes{5});
    CHECK(seen(*observations, Signal::terminals).verdict == Verdict::quiet);
    CHECK(seen(*observations, Signal::server).strength == Strength::weak);
}

TEST_CASE("a kernel at work is active with no tab open, and quiet after it") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    Rig rig(server.port());
    const OneKernel kernel(rig, server);
    const TempFolder signals;
    const std::string go = (signals.path() / "go").string();
    Script busy({"busy.py", std::to_string(server.port()), server.token(), kernel.id, go});
    REQUIRE(busy.wait() == 0);
    // The client heard that its code began; the server hears it by itself, on a loaded machine a little later.
    CHECK(becomes(rig, Verdict::active, 300));
    const Observation at_work = kernels(rig);
    CHECK(at_work.verdict == Verdict::active);
    CHECK(at_work.strength == Strength::strong);
    CHECK(at_work.evidence == "kernel " + kernel.id.substr(0, 8) + " busy");
    write_file(go, "");
    CHECK(becomes(rig, Verdict::quiet, 300));
    CHECK(kernels(rig).evidence == "1 kernels, all idle");
}

TEST_CASE("an open terminal is seen and a deleted one is gone") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    Rig rig(shared(kind).port());
    const auto made = rig.ask("POST", "/api/terminals");
    REQUIRE(made.status == 200);
    auto observations = rig.observe();
    REQUIRE(observations);
    CHECK(seen(*observations, Signal::terminals).verdict == Verdict::active);
    rig.ask("DELETE", "/api/terminals/" + parsed(made)["name"].text());
    observations = rig.observe();
    REQUIRE(observations);
    CHECK(seen(*observations, Signal::terminals).verdict == Verdict::quiet);
}

TEST_CASE("hours of polling and a whole pack move no clock of the server") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    Rig rig(server.port());
    const OneKernel kernel(rig, server);
    const auto made = rig.ask("POST", "/api/terminals");
    write_old(server.root() / "a" / "weights.bin", std::string(300'000, 'w'));
    write_old(server.root() / "n.ipynb",
              R"({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})");
    const auto clocks = [&] {
        const auto list = [&](const char* what) {
            return parsed(rig.ask("GET", std::string{"/api/"} + what + "?no_track_activity=1"))
                .items()
                .at(0)["last_activity"]
                .text();
        };
        return std::vector{parsed(rig.ask("GET", "/api/status"))["last_activity"].text(), list("kernels"),
                           list("terminals")};
    };
    const auto before = settled(clocks);
    REQUIRE(before.size() == 3);
    CHECK_FALSE(before[0].empty());
    const auto guest = rig.guest();
    for (int i = 0; i < 200; ++i) {
        REQUIRE(rig.run(guest->observe({}, rig.in(seconds{60}))));
    }
    Packing packing(rig);
    packing.policy.html = true;
    const auto receipt = packing.pack();
    REQUIRE(receipt);
    CHECK(receipt->files == 2);
    CHECK(packing.unchanged(*receipt) == true);
    CHECK(clocks() == before);
    rig.ask("DELETE", "/api/terminals/" + parsed(made)["name"].text());
}

TEST_CASE("a wrong token is said so and nothing is written") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "model.bin", "weights");
    Rig honest(server.port());
    const FileEntry file = file_of(*honest.walk(), "model.bin");
    Rig rig(server.port(), "wrong");
    CHECK(rig.observe().error().code == Errc::unauthorized);
    CHECK(rig.walk().error().code == Errc::unauthorized);
    const auto got = rig.read(file);
    REQUIRE_FALSE(got.report);
    CHECK(got.report.error().code == Errc::unauthorized);
    CHECK(got.report.error().text.find("wrong") == std::string::npos);
    CHECK(got.bytes.empty());
    Packing packing(rig);
    CHECK(packing.pack().error().code == Errc::unauthorized);
    CHECK(packing.nothing_written());
    CHECK(rig.run(rig.guest()->to_html("n.ipynb", "{}", rig.in(seconds{60}))).error().code ==
          Errc::unauthorized);
    CHECK(rig.run(rig.guest()->shut_down(rig.in(seconds{60}))).answer == event::Answer::refused);
    CHECK(honest.observe());
}

TEST_CASE("the server can be ended with its own token, and a gone one is unavailable") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer server(kind);
    Rig rig(server.port());
    REQUIRE(rig.observe());
    const StopReply reply = rig.run(rig.guest()->shut_down(rig.in(seconds{60})));
    CHECK(reply.answer == event::Answer::accepted);
    CHECK(server.ended_within(seconds{60}));
    CHECK(rig.observe().error().code == Errc::unavailable);
    CHECK(rig.observe().error().may_retry());
    CHECK(rig.walk().error().code == Errc::unavailable);
    Packing packing(rig);
    CHECK(packing.pack().error().code == Errc::unavailable);
    CHECK(packing.nothing_written());
}
