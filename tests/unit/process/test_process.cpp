// Programs: what they get, what comes back, and that nothing of them is left, however they end.
#include "adapters/process/runner.hpp"
#include "integration/http/loop.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using namespace curfew;
using process::Ended;
using process::Options;
using process::Program;
using process::Runner;
using support::Loop;

namespace {

namespace fs = std::filesystem;

struct Rig {
    Loop loop;
    Runner runner;

    explicit Rig(Options options = {}) : runner(loop.context().get_executor(), loop.scheduler(), options) {
        ::signal(SIGPIPE, SIG_IGN);  // as main.cpp does
    }
    Result<Ended> run(Program program, Duration patience = seconds{60}) {
        return loop.run(runner.run(std::move(program), loop.scheduler().in(patience)));
    }
    Result<Ended> sh(const std::string& script, Duration patience = seconds{60}) {
        return run({.argv = {"/bin/sh", "-c", script}}, patience);
    }
};

std::size_t descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) {
        ++count;
    }
    return count;
}

/// Is a process with this number there, and no zombie?
bool alive(const std::string& pid) {
    std::ifstream stat("/proc/" + pid + "/stat");
    std::string text;
    std::getline(stat, text);
    const std::size_t name_end = text.rfind(')');
    return name_end != std::string::npos && text.substr(name_end + 2, 1) != "Z";
}

bool gone_soon(const std::string& pid) {
    for (int i = 0; i < 1500 && alive(pid); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    return !alive(pid);
}

/// Has this process no child at all, not even one that nobody reaped?
bool childless() {
    return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD;
}

std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

/// A deadline long after the first words of a script.
constexpr Duration begun_by_then = seconds{3};

struct Folder {
    std::string path;
    Folder() {
        char name[] = "/tmp/curfew-process-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path = name;
    }
    ~Folder() { fs::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
};

}  // namespace

TEST_CASE("both outputs and the exit status come back") {
    Rig rig;
    const auto ended = rig.sh("echo out; echo err >&2; exit 7");
    REQUIRE(ended);
    CHECK(ended->code == 7);
    CHECK(ended->signal == 0);
    CHECK(ended->output == "out\n");
    CHECK(ended->errors == "err\n");
    CHECK(childless());
}

TEST_CASE("a signal is not an exit status") {
    Rig rig;
    const auto ended = rig.sh("kill -SEGV $$");
    REQUIRE(ended);
    CHECK(ended->code == -1);
    CHECK(ended->signal == SIGSEGV);
}

TEST_CASE("nothing is inherited but PATH and LANG") {
    Rig rig;
    ::setenv("CURFEW_CANARY", "from the parent", 1);
    ::setenv("LANG", "C.UTF-8", 1);
    const auto ended = rig.run({.argv = {"/usr/bin/env"}, .environment = {"GIVEN=yes", "PATH=/given"}});
    ::unsetenv("CURFEW_CANARY");
    REQUIRE(ended);
    std::istringstream in(ended->output);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    std::ranges::sort(lines);
    CHECK(lines == std::vector<std::string>{"GIVEN=yes", "LANG=C.UTF-8", "PATH=/given"});
}

TEST_CASE("it runs in a group, with default signals and in the folder that was named") {
    Rig rig;
    const Folder folder;
    // A signal that we ignore would be ignored by every program from then on.
    const auto ended = rig.run({.argv = {"/bin/sh", "-c",
                                         "pwd; cut -d' ' -f5 /proc/$$/stat; echo $$; "
                                         "grep -E 'Sig(Ign|Blk)' /proc/$$/status | tr -d '\\n\\t'"},
                                .folder = folder.path});
    REQUIRE(ended);
    std::istringstream in(ended->output);
    std::string where;
    std::string group;
    std::string pid;
    std::string signals;
    in >> where >> group >> pid >> signals;
    CHECK(where == folder.path);
    CHECK(group == pid);
    // Of all signals only the two that glibc keeps for its threads may be ignored.
    CHECK(signals.starts_with("SigBlk:0000000000000000SigIgn:"));
    CHECK(signals.ends_with("80000000") != signals.ends_with("00000000"));
}

TEST_CASE("descriptors are not passed on, and ours do not grow") {
    Rig rig;
    const int open_to_children = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as some library may
    REQUIRE(rig.sh("true"));
    const std::size_t before = descriptors();
    for (int i = 0; i < 40; ++i) {
        const auto ended = rig.sh("ls /proc/self/fd | wc -l");
        REQUIRE(ended);
        CHECK(ended->output == "4\n");  // 0, 1, 2 and the folder that ls reads
        CHECK_FALSE(rig.run({.argv = {"/nonexistent"}}));
        CHECK_FALSE(rig.sh("head -c 200000 /dev/zero"));
    }
    CHECK(descriptors() == before);
    CHECK(childless());
    ::close(open_to_children);
}

TEST_CASE("input of any size arrives whole, and then ends") {
    Rig rig;
    std::string input(5'000'000, 'x');
    input.replace(4'999'990, 3, "end");
    const auto ended = rig.run({.argv = {"/bin/sh", "-c", "wc -c; echo done"}, .input = input});
    REQUIRE(ended);
    CHECK(ended->output == "5000000\ndone\n");

    const auto through = rig.run(
        {.argv = {"/bin/cat"}, .input = std::string(300'000, 'y'), .output_max = 300'000});
    REQUIRE(through);
    CHECK(through->output == std::string(300'000, 'y'));
}

TEST_CASE("a program that does not read its input is no failure") {
    Rig rig;
    const auto ended = rig.run(
        {.argv = {"/bin/sh", "-c", "exec <&-; echo fine; exit 3"}, .input = std::string(1'000'000, 'x')});
    REQUIRE(ended);
    CHECK(ended->output == "fine\n");
    CHECK(ended->code == 3);
}

TEST_CASE("input that is held does not end before the program does") {
    Rig rig;
    const auto held = rig.run({.argv = {"/bin/sh", "-c", "read line; echo got $line; cat; echo ended"},
                               .input = "it\n",
                               .hold_input = true},
                              Duration{400});
    REQUIRE_FALSE(held);
    CHECK(held.error().code == Errc::timeout);
    const auto own_end = rig.run(
        {.argv = {"/bin/sh", "-c", "read line; echo got $line"}, .input = "it\n", .hold_input = true});
    REQUIRE(own_end);
    CHECK(own_end->output == "got it\n");
}

TEST_CASE("what is not there or no program is told apart") {
    Rig rig;
    const auto missing = rig.run({.argv = {"/usr/bin/no-such-program"}});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == Errc::not_found);
    CHECK(missing.error().retry == Retry::never());
    CHECK(missing.error().where == "/usr/bin/no-such-program");
    CHECK(rig.run({.argv = {"/etc/passwd"}}).error().code == Errc::forbidden);
    CHECK(rig.run({.argv = {"/"}}).error().code == Errc::forbidden);
    CHECK(rig.run({.argv = {"/bin/true"}, .folder = "/nonexistent"}).error().code == Errc::not_found);
    CHECK(rig.run({.argv = {}}).error().code == Errc::invalid);
    CHECK(rig.run({.argv = {"true"}}).error().code == Errc::invalid);
    CHECK(rig.run({.argv = {"/bin/echo", std::string{"a\0b", 3}}}).error().code == Errc::invalid);
    CHECK(rig.run({.argv = {"/bin/echo", std::string(4'000'000, 'x')}}).error().code == Errc::too_large);
    CHECK(childless());
}

TEST_CASE("an argument is one argument, whatever is in it") {
    Rig rig;
    const auto ended = rig.run({.argv = {"/usr/bin/printf", "[%s]", "a b", "$(id)", "'; rm -rf /", "*", ""}});
    REQUIRE(ended);
    CHECK(ended->output == "[a b][$(id)]['; rm -rf /][*][]");
}

TEST_CASE("more output than allowed ends it") {
    Rig rig;
    const auto just = rig.run({.argv = {"/bin/sh", "-c", "head -c 100000 /dev/zero"}, .output_max = 100'000});
    REQUIRE(just);
    CHECK(just->output.size() == 100'000);
    const auto more = rig.run({.argv = {"/bin/sh", "-c", "head -c 100001 /dev/zero"}, .output_max = 100'000});
    REQUIRE_FALSE(more);
    CHECK(more.error().code == Errc::too_large);
    CHECK(more.error().retry == Retry::never());
    const auto endless = rig.run({.argv = {"/usr/bin/yes"}});
    REQUIRE_FALSE(endless);
    CHECK(endless.error().code == Errc::too_large);
    CHECK(childless());
}

TEST_CASE("of standard error the end is kept, and its size ends nothing") {
    Rig rig;
    const auto ended = rig.run(
        {.argv = {"/bin/sh", "-c", "head -c 3000000 /dev/zero >&2; echo last >&2"}, .errors_max = 1000});
    REQUIRE(ended);
    CHECK(ended->code == 0);
    CHECK(ended->errors.size() == 1000);
    CHECK(ended->errors.ends_with("last\n"));
}

TEST_CASE("the deadline ends it, and everything that it started") {
    Rig rig;
    const Folder folder;
    const auto ended = rig.run(
        {.argv = {"/bin/sh", "-c", "sleep 1000 & echo $! >child; echo $$ >own; wait"}, .folder = folder.path},
        begun_by_then);
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == Errc::timeout);
    CHECK(ended.error().may_retry());
    const std::string child = first_line(folder.path + "/child");
    REQUIRE_FALSE(child.empty());
    CHECK(gone_soon(child));
    CHECK(gone_soon(first_line(folder.path + "/own")));
    CHECK(childless());
}

TEST_CASE("a program that is asked to end may tidy up first") {
    Rig rig(Options{.grace = minutes{1}});
    const Folder folder;
    const auto ended = rig.run({.argv = {"/bin/sh", "-c",
                                         "trap 'echo tidying; echo tidy >tidied; exit 0' TERM; "
                                         "while :; do sleep 0.05; done"},
                                .folder = folder.path},
                               begun_by_then);
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == Errc::timeout);
    CHECK(first_line(folder.path + "/tidied") == "tidy");
}

TEST_CASE("one that does not want to end is killed after the grace") {
    Rig rig(Options{.grace = Duration{600}});
    const Folder folder;
    const Instant begin = rig.loop.scheduler().mono();
    const auto ended = rig.run(
        {.argv = {"/bin/sh", "-c", "trap '' TERM; echo $$ >own; while :; do sleep 0.05; done"},
         .folder = folder.path},
        begun_by_then);
    const Duration took = rig.loop.scheduler().mono() - begin;
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == Errc::timeout);
    CHECK(took >= begun_by_then + Duration{500});
    const std::string own = first_line(folder.path + "/own");
    REQUIRE_FALSE(own.empty());
    CHECK(gone_soon(own));
    CHECK(childless());
}

TEST_CASE("what it leaves in its group ends with it, and what left the group is not waited for") {
    Rig rig(Options{.drain = Duration{300}});
    const Folder folder;
    const auto in_group = rig.run(
        {.argv = {"/bin/sh", "-c", "sleep 1000 & echo $!; echo said"}, .folder = folder.path});
    REQUIRE(in_group);
    const std::string pid = in_group->output.substr(0, in_group->output.find('\n'));
    CHECK(in_group->output == pid + "\nsaid\n");
    CHECK(gone_soon(pid));

    const auto escaped = rig.run({.argv = {"/bin/sh", "-c",
                                           "setsid sh -c 'echo $$ >pid; exec sleep 1000' & "
                                           "while ! test -s pid; do sleep 0.02; done; echo said"},
                                  .folder = folder.path});
    REQUIRE(escaped);
    CHECK(escaped->output == "said\n");
    std::istringstream number(first_line(folder.path + "/pid"));
    pid_t left = 0;
    number >> left;
    REQUIRE(left > 1);
    CHECK(alive(std::to_string(left)));
    ::kill(left, SIGKILL);
}

TEST_CASE("a cancelled caller is answered at once and leaves nothing") {
    Rig rig;
    const Folder folder;
    boost::asio::cancellation_signal cancel;
    std::optional<Result<Ended>> result;
    bool over = false;
    const auto caller = [&](Program program) -> Task<void> {
        auto ended = co_await rig.runner.run(std::move(program), rig.loop.scheduler().in(seconds{60}));
        result.emplace(std::move(ended));
    };
    boost::asio::co_spawn(
        rig.loop.context(),
        caller({.argv = {"/bin/sh", "-c", "trap '' TERM; echo $$ >own; while :; do sleep 0.05; done"},
                .folder = folder.path}),
        boost::asio::bind_cancellation_slot(cancel.slot(), [&](const std::exception_ptr&) { over = true; }));
    REQUIRE(rig.loop.until([&] { return !first_line(folder.path + "/own").empty(); }));
    cancel.emit(boost::asio::cancellation_type::terminal);
    rig.loop.context().restart();
    rig.loop.context().poll();  // waits for nothing
    REQUIRE(over);
    REQUIRE(result);
    REQUIRE_FALSE(*result);
    CHECK(result->error().code == Errc::cancelled);
    CHECK(rig.loop.until([&] { return childless(); }));
    CHECK_FALSE(alive(first_line(folder.path + "/own")));
}

TEST_CASE("only so many run at once, the others take their turns") {
    Rig rig(Options{.at_once = 2, .waiting_max = 3});
    const Folder folder;
    const auto program = [&](const std::string& script) {
        return rig.loop.start(rig.runner.run({.argv = {"/bin/sh", "-c", script}, .folder = folder.path},
                                             rig.loop.scheduler().in(seconds{60})));
    };
    // Each counts those that run beside it.
    const std::string counting = "mkdir run.$$; ls -d run.* | wc -l; sleep 0.2; rmdir run.$$";
    std::vector<Loop::Running<Result<Ended>>> all;
    for (int i = 0; i < 5; ++i) {
        all.push_back(program(counting));
    }
    auto refused = rig.loop.run(rig.runner.run({.argv = {"/bin/true"}}, rig.loop.scheduler().in(seconds{1})));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::overloaded);
    for (auto& one : all) {
        const auto ended = one.get();
        REQUIRE(ended);
        CHECK((ended->output == "1\n" || ended->output == "2\n"));
    }
    // Whoever waits in vain gets a timeout, and does not take the turn of somebody else.
    auto slow = program("while ! test -e go; do sleep 0.05; done");
    auto slower = program("while ! test -e go; do sleep 0.05; done");
    const auto late = rig.loop.run(
        rig.runner.run({.argv = {"/bin/true"}}, rig.loop.scheduler().in(Duration{100})));
    REQUIRE_FALSE(late);
    CHECK(late.error().code == Errc::timeout);
    std::ofstream(folder.path + "/go") << "now";
    CHECK(slow.get());
    CHECK(slower.get());
    CHECK(rig.sh("true"));
}

TEST_CASE("whoever is cancelled in the queue starts nothing and keeps no turn") {
    Rig rig(Options{.at_once = 1});
    const Folder folder;
    const Folder signals;
    boost::asio::cancellation_signal waiting;
    boost::asio::cancellation_signal granted;
    std::vector<Errc> ended;
    const auto caller = [&](std::string script) -> Task<void> {
        auto result = co_await rig.runner.run(
            {.argv = {"/bin/sh", "-c", std::move(script)}, .folder = folder.path},
            rig.loop.scheduler().in(seconds{60}));
        ended.push_back(result ? Errc::internal : result.error().code);
    };
    const auto first = [&]() -> Task<void> {
        (void)co_await rig.runner.run(
            {.argv = {"/bin/sh", "-c", "while ! test -e go; do sleep 0.05; done"}, .folder = signals.path},
            rig.loop.scheduler().in(seconds{60}));
        // The turn is the next one's by now, who has not been woken yet.
        granted.emit(boost::asio::cancellation_type::terminal);
    };
    const auto spawn = [&](Task<void> task, boost::asio::cancellation_signal* signal) {
        const auto over = [](const std::exception_ptr& bug) {
            if (bug) {
                std::rethrow_exception(bug);
            }
        };
        if (signal != nullptr) {
            boost::asio::co_spawn(rig.loop.context(), std::move(task),
                                  boost::asio::bind_cancellation_slot(signal->slot(), over));
        } else {
            boost::asio::co_spawn(rig.loop.context(), std::move(task), over);
        }
    };
    spawn(first(), nullptr);
    spawn(caller("touch one"), &granted);
    spawn(caller("touch two"), &waiting);
    rig.loop.wait(Duration{50});
    waiting.emit(boost::asio::cancellation_type::terminal);
    std::ofstream(signals.path + "/go") << "now";
    REQUIRE(rig.loop.until([&] { return ended.size() == 2; }));
    CHECK(ended == std::vector<Errc>{Errc::cancelled, Errc::cancelled});
    CHECK(rig.sh("true"));
    CHECK(fs::is_empty(folder.path));
    CHECK(childless());
}

TEST_CASE("a program of a loop that ended is killed with it") {
    const Folder folder;
    std::string pid;
    {
        Rig rig;
        auto running = rig.loop.start(rig.runner.run(
            {.argv = {"/bin/sh", "-c", "echo $$ >own; exec sleep 1000"}, .folder = folder.path},
            rig.loop.scheduler().in(seconds{60})));
        REQUIRE(rig.loop.until([&] { return !first_line(folder.path + "/own").empty(); }));
        pid = first_line(folder.path + "/own");
    }
    CHECK(gone_soon(pid));
    ::waitpid(-1, nullptr, 0);
}
