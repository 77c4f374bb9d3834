// A probe of a machine that is what it should be: what comes back, how much, and what is left afterwards.
#include "curfew/core/probe.hpp"
#include "sshd.hpp"

#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <sstream>

using namespace curfew;
using support::Rig;
using support::Sshd;

namespace {

std::string line(const std::string& text, int number) {
    std::istringstream in(text);
    std::string found;
    for (int i = 0; i <= number; ++i) {
        std::getline(in, found);
    }
    return found;
}

/// Waits until the machine has written the file.
std::string text_soon(Rig& rig, const std::string& path) {
    rig.loop.until([&] { return support::file_text(path).ends_with('\n'); });
    return line(support::file_text(path), 0);
}

}  // namespace

TEST_CASE("what a script prints comes back whole") {
    const Sshd sshd;
    Rig rig({sshd.block()});
    const auto small = rig.probe("echo 'it'\"'\"'s $HOME \"quoted\" \\ !' ; echo err >&2");
    REQUIRE(small);
    CHECK(small->text == "it's $HOME \"quoted\" \\ !\nPROBE END\n");
    CHECK(small->parent_is_ours);

    const auto large = rig.probe("seq 1 280000");  // 1.85 MB of at most 2 MiB
    REQUIRE(large);
    std::string expected;
    for (int i = 1; i <= 280'000; ++i) {
        expected += std::to_string(i) + "\n";
    }
    CHECK((large->text == expected + "PROBE END\n"));
    CHECK(large->own_bytes > small->own_bytes + 1'840'000);
    CHECK(rig.nothing_runs());
}

TEST_CASE("the probe's own script runs and ends with its frame") {
    const Sshd sshd;
    Rig rig({sshd.block()});
    const ProbeScript script = probe_script("0123456789abcdef", {});
    const auto answer = rig.loop.run(rig.guest()->probe(script, rig.loop.scheduler().in(seconds{120})));
    REQUIRE(answer);
    CHECK(answer->text.find(script.end) != std::string::npos);
}

TEST_CASE("a script of any length arrives whole, and reads nothing of what keeps it alive") {
    const Sshd sshd;
    Rig rig({sshd.block()});
    std::string script = "n=0\n";
    for (int i = 0; i < 15'000; ++i) {
        script += "n=$((n+1))   # é\n";
    }
    CHECK(script.size() > 250'000);
    const auto answer = rig.probe(script + "echo $n; cat; echo 'after cat'");
    REQUIRE(answer);
    CHECK(answer->text == "15000\nafter cat\nPROBE END\n");
}

TEST_CASE("the shell leads its group, and its parent was started for it") {
    const Sshd sshd;
    Rig rig({sshd.block()});
    const auto answer = rig.probe("echo $$; cut -d' ' -f5 /proc/$$/stat; echo $PPID; cat /proc/$PPID/comm");
    REQUIRE(answer);
    CHECK(line(answer->text, 0) == line(answer->text, 1));
    CHECK(line(answer->text, 3) == "sshd");
    CHECK(support::gone_soon(line(answer->text, 0)));
    CHECK(support::gone_soon(line(answer->text, 2)));
}

TEST_CASE("the exit status matters only where the frame is missing") {
    const Sshd sshd;
    Rig rig({sshd.block()});
    CHECK(rig.probe_as_is("printf 'PROBE %s\\n' END; exit 3"));
    CHECK(rig.probe_as_is("printf 'PROBE %s\\n' END; exit 255"));
    const auto half = rig.probe_as_is("echo half; echo 'out of memory' >&2; exit 3");
    REQUIRE_FALSE(half);
    CHECK(half.error().code == Errc::protocol);
    CHECK(half.error().may_retry());
    CHECK(half.error().text == "the probe did not come to its end (status 3): out of memory");
    CHECK(half.error().where == "127.0.0.1");
    CHECK(rig.probe_as_is("true").error().code == Errc::protocol);
    const auto hostile = rig.probe_as_is("printf 'a\\033[31m\\377b\\n' >&2; exit 1");
    CHECK(hostile.error().text == "the probe did not come to its end (status 1): a?[31m?b");
    CHECK(rig.probe_as_is("no-such-command").error().code == Errc::not_found);
    CHECK(rig.probe_as_is("kill -KILL $$").error().code == Errc::unavailable);  // ssh says 255
    CHECK(rig.nothing_runs());
}

TEST_CASE("banners and what a login prints are noise around the answer") {
    const support::Folder folder;
    support::write_file(folder / "banner", "REMOTE HOST IDENTIFICATION HAS CHANGED, says a banner\n");
    const Sshd sshd(R"(restrict,command="echo Welcome; echo motd >&2; eval \"$SSH_ORIGINAL_COMMAND\"")",
                    "PrintMotd yes\nBanner " + (folder / "banner") + "\n");
    Rig rig({sshd.block()});
    const auto answer = rig.probe("echo inside");
    REQUIRE(answer);
    CHECK(answer->text == "Welcome\ninside\nPROBE END\n");
}

TEST_CASE("a script that hangs is ended by the deadline, here and there") {
    const Sshd sshd;
    Rig rig({sshd.block()});
    const std::string pids = sshd.folder() / "pids";
    const auto answer = rig.probe(
        "trap '' HUP TERM PIPE; sleep 1000 & echo $$ $! >" + pids + "; while :; do sleep 1000; done",
        seconds{8});  // it has begun by then
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Errc::timeout);
    CHECK(answer.error().may_retry());
    std::istringstream in(support::file_text(pids));
    std::string shell;
    std::string sleep;
    in >> shell >> sleep;
    REQUIRE_FALSE(sleep.empty());
    CHECK(support::gone_soon(shell));
    CHECK(support::gone_soon(sleep));
    CHECK(rig.nothing_runs());
    CHECK(rig.probe("echo again"));
}

TEST_CASE("when we are killed nothing is left either") {
    const Sshd sshd;
    Rig rig({sshd.block()});
    const std::string pids = sshd.folder() / "pids";
    const pid_t child = ::fork();
    if (child == 0) {
        Rig own({sshd.block()});
        (void)own.probe("echo $$ >" + pids + "; sleep 1000", seconds{1000});
        ::_exit(0);
    }
    const std::string shell = text_soon(rig, pids);
    REQUIRE_FALSE(shell.empty());
    CHECK(support::alive(shell));
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    CHECK(support::gone_soon(shell));
    CHECK(rig.loop.until([&] { return support::processes_with("-p " + std::to_string(sshd.port())) == 0; }));
}

TEST_CASE("more than the limit is too large, and ends there as well") {
    const Sshd sshd;
    Rig rig({sshd.block()});
    const std::string pids = sshd.folder() / "pids";
    const auto answer = rig.probe("echo $$ >" + pids + "; head -c 3000000 /dev/zero; sleep 1000");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Errc::too_large);
    CHECK(answer.error().retry == Retry::never());
    CHECK(support::gone_soon(line(support::file_text(pids), 0)));
    CHECK(rig.nothing_runs());
}

TEST_CASE("many machines at once all get their answers") {
    const Sshd sshd;
    Rig rig({sshd.block()});
    const auto machine = rig.guest();
    std::vector<support::Loop::Running<Result<ProbeAnswer>>> all;
    for (int i = 0; i < 20; ++i) {
        all.push_back(rig.loop.start(machine->probe(
            {.text = "echo n" + std::to_string(i) + "; printf 'PROBE %s\\n' END", .end = "PROBE END"},
            rig.loop.scheduler().in(seconds{120}))));
    }
    for (int i = 0; i < 20; ++i) {
        const auto answer = all[static_cast<std::size_t>(i)].get();
        REQUIRE(answer);
        CHECK(answer->text == "n" + std::to_string(i) + "\nPROBE END\n");
    }
    CHECK(rig.nothing_runs());
}

TEST_CASE("what a machine has not got is refused by type") {
    const Sshd sshd;
    Rig rig({sshd.block()});
    const auto machine = rig.guest();
    const Deadline soon = rig.loop.scheduler().in(seconds{60});
    const auto seen = rig.loop.run(machine->observe({}, soon));
    REQUIRE(seen);
    CHECK(seen->empty());
    const auto walk = rig.loop.run(machine->walk({}, soon));
    REQUIRE_FALSE(walk);
    CHECK(walk.error().code == Errc::invalid);
    CHECK(walk.error().retry == Retry::never());
    CHECK(rig.loop.run(machine->to_html("a.ipynb", "{}", soon)).error().code == Errc::invalid);
    const StopReply reply = rig.loop.run(machine->shut_down(soon));
    CHECK(reply.answer == event::Answer::refused);
    CHECK(machine->parallel_reads() == 1);
}
