// Probes through a server that lies: a typed error in time, and what was opened is asked to go.
#include "integration/http/server.hpp"
#include "rig.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <mutex>

using namespace curfew;
using namespace support;

namespace {

const ProbeScript script{"echo a", "the-end-of-it"};

std::string stdout_frame(const std::string& text) {
    return frame(text_frame, R"(["stdout", ")" + text + R"("])");
}

/// A server with terminals; what comes over their WebSocket is the test's.
class Stage {
public:
    explicit Stage(Server::Script talk, std::string name = R"({"name": "1"})")
        : name_(std::move(name)), talk_(std::move(talk)), server_([this](Peer& peer) { serve(peer); }) {}

    Error probe(Duration limit = seconds{60}) {
        Rig rig(server_.port());
        const auto guest = rig.guest();
        const auto answer = rig.run(guest->probe(script, rig.in(limit)));
        REQUIRE_FALSE(answer);
        INFO(to_string(answer.error()));
        CHECK_FALSE(answer.error().text.empty());
        return answer.error();
    }
    std::vector<std::string> deleted() const {
        std::vector<std::string> paths;
        for (const std::string& asked : server_.requests()) {
            if (asked.starts_with("DELETE ")) {
                paths.push_back(asked.substr(7, asked.find('?') - 7));
            }
        }
        return paths;
    }
    int port() const { return server_.port(); }
    std::vector<std::string> requests() const { return server_.requests(); }

private:
    void serve(Peer& peer) {
        for (std::string asked = peer.request(); !asked.empty(); asked = peer.request()) {
            if (asked.starts_with("GET /terminals/websocket/")) {
                peer.send(upgrade(asked) + frame(text_frame, R"(["setup", {}])"));
                talk_(peer);
                return;
            }
            if (asked.starts_with("POST ") && name_.empty()) {
                return;  // its answer is lost
            }
            peer.send(answer(asked.starts_with("POST ") ? name_ : "{}"));
        }
    }

    std::string name_;
    Server::Script talk_;
    Server server_;
};

}  // namespace

TEST_CASE("a shell that never stops to print is too much") {
    Stage stage([](Peer& peer) {
        while (peer.send(stdout_frame(std::string(10'000, 'x')))) {
        }
    });
    CHECK(stage.probe().code == Errc::too_large);
    CHECK(stage.deleted() == std::vector<std::string>{"/api/terminals/1"});
}

TEST_CASE("a server that sends without an end what is no output is too much") {
    Stage stage([](Peer& peer) {
        while (peer.send(frame(text_frame, R"(["odd", ")" + std::string(1'000'000, 'x') + R"("])"))) {
        }
    });
    CHECK(stage.probe().code == Errc::too_large);
    CHECK(stage.deleted().size() == 1);
}

TEST_CASE("output of a probe that goes on and on is too much") {
    Stage stage([](Peer& peer) {
        peer.send(stdout_frame("curfew-ready\\n"));
        while (peer.send(stdout_frame(std::string(10'000, 'x')))) {
        }
    });
    CHECK(stage.probe().code == Errc::too_large);
    CHECK(stage.deleted().size() == 1);
}

TEST_CASE("messages of odd forms are passed over, what is no JSON is not") {
    const bool json = GENERATE(true, false);
    Stage stage([json](Peer& peer) {
        for (const char* odd :
             {"[]", "{}", "3", "null", R"(["stdout"])", R"(["stdout", 3])", R"([["stdout"], "x"])"}) {
            peer.send(frame(text_frame, odd));
        }
        peer.send(frame(2, "binary"));
        if (!json) {
            peer.send(frame(text_frame, "stdout"));
        }
        peer.await_close();
    });
    CHECK(stage.probe(seconds{json ? 4 : 60}).code == (json ? Errc::timeout : Errc::protocol));
    CHECK(stage.deleted().size() == 1);
}

TEST_CASE("a terminal that ended by itself is not deleted: its name may be another's") {
    Stage stage([](Peer& peer) {
        peer.send(stdout_frame("curfew-ready\\n") + frame(text_frame, R"(["disconnect", 1])"));
        peer.await_close();
    });
    CHECK(stage.probe().code == Errc::protocol);
    CHECK(stage.deleted().empty());
}

TEST_CASE("a name that is none is not used") {
    const std::string name = GENERATE(values<std::string>(
        {"../kernels/1", "", "1/2", "a b", "1?x=y", std::string(65, '1'), "1\\r\\nX: y"}));
    Stage stage([](Peer& peer) { peer.await_close(); }, R"({"name": ")" + name + R"("})");
    CHECK(stage.probe().code == Errc::protocol);
    CHECK(stage.requests().size() == 1);
}

TEST_CASE("when the answer is lost, what was asked for by name is removed") {
    Stage stage([](Peer& peer) { peer.await_close(); }, "");
    const Error error = stage.probe();
    CHECK(error.code == Errc::unavailable);
    CHECK(error.may_retry());
    const auto deleted = stage.deleted();
    REQUIRE(deleted.size() == 1);
    CHECK(deleted[0].starts_with("/api/terminals/curfew"));
    CHECK(stage.requests().at(0).find(R"({"name":")" + deleted[0].substr(15) + R"("})") != std::string::npos);
}

TEST_CASE("the script is typed once, when the shell is ready, in short lines") {
    const bool has_stty = GENERATE(true, false);
    const std::string newline = has_stty ? "\\n" : "\\r\\n";
    std::mutex mutex;
    std::vector<std::string> typed;
    Stage stage([&](Peer& peer) {
        const auto next = [&] {
            const std::string body = next_frame(peer).body;
            const std::lock_guard guard(mutex);
            typed.push_back(body);
        };
        peer.send(stdout_frame("Welcome to curfew-ready? $ "));
        next();
        peer.send(stdout_frame("curfew-") + stdout_frame("ready" + newline));
        next();
        next();
        peer.send(stdout_frame("curfew-ready\\n"));  // says nothing now
        peer.send(stdout_frame("a" + newline + "the-end-of") + stdout_frame("-it" + newline + "curfew-over"));
        next();
    });
    Rig rig(stage.port());
    const auto guest = rig.guest();
    const auto answer = rig.run(guest->probe(script, rig.in(seconds{60})));
    REQUIRE(answer);
    CHECK(answer->text ==
          (has_stty ? "curfew-ready\na\nthe-end-of-it\n" : "curfew-ready\na\r\nthe-end-of-it\r\n"));
    CHECK(stage.deleted().size() == 1);
    const std::lock_guard guard(mutex);
    REQUIRE(typed.size() >= 3);
    CHECK(typed[0].find("exec /bin/sh") != std::string::npos);
    CHECK(typed[1] == R"(["stdin",":echo a\r"])");
    CHECK(typed[2] == R"(["stdin","=\r"])");
}

TEST_CASE("a script that is over without its last line is known at once") {
    Stage stage([](Peer& peer) {
        peer.send(stdout_frame("curfew-ready\\n"));
        peer.send(stdout_frame("a\\ncurfew-ov") + stdout_frame("er\\r\\n"));
        peer.await_close();
    });
    CHECK(stage.probe().code == Errc::protocol);
    CHECK(stage.deleted().size() == 1);
}
