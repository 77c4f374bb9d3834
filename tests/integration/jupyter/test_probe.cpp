// Probes through real servers: the output whole, nothing left behind, no clock moved but the server's own.
#include "adapters/http/json.hpp"
#include "adapters/jupyter/terminal.hpp"
#include "hostile_server.hpp"
#include "jupyter_server.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

using namespace curfew;
using namespace support;
namespace fs = std::filesystem;

namespace {

constexpr const char* nonce = "0123456789abcdef";

/// A script of these lines, which says its end.
ProbeScript script_of(const std::string& text) {
    return {text + "\nprintf 'probe-end-%s\\n' " + nonce + "\n", std::string{"probe-end-"} + nonce};
}
const std::string last_line = std::string{"probe-end-"} + nonce + "\n";

Result<ProbeAnswer> probe(Rig& rig, const std::string& text, Duration limit = seconds{60}) {
    return rig.run(rig.guest()->probe(script_of(text), rig.in(limit)));
}

std::string text_of(const Result<ProbeAnswer>& answer) {
    INFO((answer ? std::string{} : to_string(answer.error())));
    REQUIRE(answer);
    return answer->text;
}

json::Value parsed(const http::Response& response) {
    auto value = json::parse(response.body);
    REQUIRE(value);
    return std::move(*value);
}

std::vector<std::string> listed_names(Rig& rig, const std::string& what, const char* key) {
    const auto response = rig.ask("GET", "/api/" + what + "?no_track_activity=1");
    std::vector<std::string> names;
    if (response.status == 200) {
        for (const json::Value& item : parsed(response).items()) {
            names.push_back(item[key].text());
        }
    }
    return names;
}

/// Nothing of ours is there.
void check_clean(Rig& rig) {
    CHECK(listed_names(rig, "terminals", "name").empty());
    CHECK(listed_names(rig, "kernels", "id").empty());
}

/// A process whose arguments end so.
bool runs(const std::string& arguments_end) {
    std::error_code error;
    for (const auto& item : fs::directory_iterator("/proc", error)) {
        std::ifstream in(item.path() / "cmdline", std::ios::binary);
        std::ostringstream text;
        text << in.rdbuf();  // of a process that ends meanwhile nothing; an iterator would throw
        std::string line = text.str();
        std::ranges::replace(line, '\0', ' ');
        if (line.ends_with(arguments_end + " ")) {
            return true;
        }
    }
    return false;
}

bool ends_soon(const std::string& arguments_end) {
    for (int i = 0; i < 600 && runs(arguments_end); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    return !runs(arguments_end);
}

/// Every file of a server's home with its text, but for the server's own log and records of itself.
std::map<std::string, std::string> files_of(const JupyterServer& server) {
    std::map<std::string, std::string> files;
    for (const auto& item : fs::recursive_directory_iterator(server.home())) {
        const std::string inside = item.path().lexically_relative(server.home()).string();
        if (item.is_regular_file() && inside != "log" && !inside.starts_with("runtime")) {
            files[inside] = file_text(item.path());
        }
    }
    return files;
}

struct Place {
    Kind kind;
    bool terminals;
    std::string shell;
};

Settings settings_of(const Place& place) {
    Settings settings{.shell = place.shell, .options = {}, .profile = {}};
    if (!place.terminals) {
        settings.options = {"terminals_enabled=False"};
    }
    return settings;
}

/// One server for each way to run a probe, for all test cases.
JupyterServer& server_at(const Place& place) {
    static std::map<std::string, std::unique_ptr<JupyterServer>> servers;
    auto& server =
        servers[std::to_string(static_cast<int>(place.kind)) + place.shell + (place.terminals ? "t" : "k")];
    if (!server) {
        server = std::make_unique<JupyterServer>(place.kind, settings_of(place));
    }
    return *server;
}

const Place plain_shell{Kind::jupyter_server, true, ""};
const Place plain_notebook{Kind::notebook, true, ""};
const Place bash{Kind::jupyter_server, true, "/bin/bash"};
const Place bash_notebook{Kind::notebook, true, "/bin/bash"};
const Place kernel{Kind::jupyter_server, false, ""};
const Place kernel_notebook{Kind::notebook, false, ""};

const Observation* seen(const std::vector<Observation>& observations, Signal source) {
    const auto found = std::ranges::find(observations, source, &Observation::source);
    return found == observations.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("a probe's output arrives whole, and what it opened is gone") {
    const Place place = GENERATE(plain_shell, plain_notebook, bash, bash_notebook, kernel, kernel_notebook);
    JupyterServer& server = server_at(place);
    Rig rig(server.port());
    CAPTURE(place.shell, place.terminals);
    const std::string odd =
        "tab\there \x01\x02\x1b[31m red \r\n nul-free \x7f \\ \\n 'q' \"d\" $HOME `id` é€\n";
    const auto answer = probe(rig, "printf '%s' '" +
                                       std::string{"tab\there \x01\x02\x1b[31m red \r\n nul-free "
                                                   "\x7f \\ \\n "} +
                                       R"('"'q'"' "d" $HOME `id` é€)" +
                                       "\n'\ni=0\nwhile [ $i -lt 1000 ]; do printf '%0100d\\n' $i; "
                                       "i=$((i+1)); done\nprintf 'bad \\377 byte\\n'\nprintf 'no newline '");
    std::string expected = odd;
    for (int i = 0; i < 1000; ++i) {
        const std::string number = std::to_string(i);
        expected += std::string(100 - number.size(), '0') + number + "\n";
    }
    expected += "bad \xEF\xBF\xBD byte\nno newline " + last_line;
    CHECK(text_of(answer) == expected);
    CHECK(answer->parent_is_ours);
    CHECK(answer->own_bytes > 100'000);
    CHECK(answer->own_bytes < 20'000'000);
    check_clean(rig);
}

TEST_CASE("any script runs as it is: quotes, long lines, thousands of bytes") {
    const Place place = GENERATE(plain_shell, bash_notebook, kernel);
    Rig rig(server_at(place).port());
    std::string text = "x='" + std::string(5000, 'x') + "'\nprintf '%s\\n' ${#x}\n";
    text += "case a in (a) echo \"it's\";; esac; echo '!! !x \\'; echo $((1<<3)) \\\\ \"\\$x\"\n";
    text += ":\n=\n\n   \n.\n";  // words of the loop that reads it
    text += "cat <<'HERE'\n\ttab ! ' \" \\ $x `x` %s %% \\0101\nHERE\n";
    for (int i = 0; i < 40; ++i) {
        text += "# a comment of the kind that makes a script long, and more of it, and more\n";
    }
    text += "echo $# $0; read l; echo \"read: $?\"; ls /nowhere-at-all >/dev/null 2>&1; echo $?";
    REQUIRE(script_of(text).text.size() > 8000);
    TempFolder folder;
    write_file(folder.path() / "script", script_of(text).text);
    std::string expected;
    shell("/bin/sh -c \"$(cat '" + (folder.path() / "script").string() + "')\" </dev/null", expected);
    std::string got = text_of(probe(rig, text));
    // A shell names itself in its own complaints.
    CHECK(got == expected);
    CHECK(got.ends_with(last_line));
}

TEST_CASE("the texts that are typed") {
    CHECK(jupyter::boot_line().size() < 1000);
    CHECK(jupyter::boot_line().find("curfew-ready") == std::string::npos);
    CHECK(jupyter::boot_line().find("curfew-over") == std::string::npos);
    CHECK(jupyter::boot_line().find_first_of("!") == std::string::npos);
    const auto lines = jupyter::script_lines(std::string(3000, '\xFF') + ".\\\n");
    CHECK(lines.size() > 2);
    CHECK(lines.back() == "=\r");
    for (const std::string& line : lines) {
        CHECK(line.size() < 1000);
        CHECK(line.find('\r') == line.size() - 1);
        CHECK(
            std::ranges::all_of(line.substr(0, line.size() - 1), [](char c) { return c >= 32 && c < 127; }));
    }
}

TEST_CASE("a script that hangs ends at the deadline, with all that it started") {
    const Place place = GENERATE(plain_shell, bash_notebook, kernel);
    Rig rig(server_at(place).port());
    const auto answer = probe(rig, "echo begun; sleep 6131", seconds{6});
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Errc::timeout);
    CHECK(answer.error().may_retry());
    check_clean(rig);
    CHECK(ends_soon("sleep 6131"));
}

TEST_CASE("more output than there may be is too much") {
    const Place place = GENERATE(plain_shell, bash_notebook, kernel);
    Rig rig(server_at(place).port());
    const auto answer = probe(rig, "i=0; while [ $i -lt 30000 ]; do printf '%0100d\\n' $i; i=$((i+1)); done");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Errc::too_large);
    check_clean(rig);
    // and just below it there is room
    const auto most = probe(rig, "head -c 2090000 /dev/zero | tr '\\0' x; echo");
    CHECK(text_of(most).size() == 2'090'001 + last_line.size());
    check_clean(rig);
}

TEST_CASE("a script that ends without its last line is no answer") {
    const Place place = GENERATE(plain_shell, kernel_notebook);
    Rig rig(server_at(place).port());
    const auto answer = probe(rig, "echo begun; exit 3");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Errc::protocol);
    CHECK(answer.error().text == "the probe ended before its last line");
    check_clean(rig);
}

TEST_CASE("a shell that kills itself is no answer, and its terminal is gone") {
    Rig rig(server_at(plain_shell).port());
    const auto answer = probe(rig, "kill -9 $PPID; sleep 9");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Errc::protocol);
    check_clean(rig);
}

TEST_CASE("a slow shell that reads what comes early and prints a banner still runs the probe") {
    Settings settings{.shell = "/bin/bash", .options = {}, .profile = {}};
    settings.profile =
        "echo Welcome; printf 'curfew-ready? [y/n] '; sleep 4\n"
        "/usr/bin/python3 -c 'import termios; termios.tcflush(0, termios.TCIFLUSH)'\n"
        "PS1='\\[\\e[1m\\]\\u@\\h\\n> '; PROMPT_COMMAND='history -a'; unset HISTCONTROL\n";
    JupyterServer server(GENERATE(Kind::jupyter_server, Kind::notebook), settings);
    Rig rig(server.port());
    CHECK(text_of(probe(rig, "echo here")) == "here\n" + last_line);
    check_clean(rig);
}

TEST_CASE("no file of the user's changes, histories included") {
    Settings settings{.shell = "/bin/bash", .options = {}, .profile = {}};
    settings.profile =
        "HISTCONTROL=; HISTFILE=~/.bash_history; HISTSIZE=1000; shopt -s histappend\n"
        "PROMPT_COMMAND='history -a'\n";
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer server(kind, settings);
    write_file(server.home() / ".bash_history", "ls\n");
    write_old(server.root() / "n.ipynb", "{}");
    Rig rig(server.port());
    probe(rig, "echo first");  // what a first terminal makes, whoever opens it
    const auto before = files_of(server);
    REQUIRE(before.at(".bash_history") == "ls\n");
    CHECK(text_of(probe(rig, "echo a; pwd >/dev/null")) == "a\n" + last_line);
    CHECK_FALSE(probe(rig, "sleep 7", seconds{3}));
    CHECK(files_of(server) == before);
}

TEST_CASE("a kernel's probe leaves no line in a history") {
    const Place place = GENERATE(kernel, kernel_notebook);
    JupyterServer& server = server_at(place);
    Rig rig(server.port());
    CHECK(text_of(probe(rig, "echo unmistakable-words")) == "unmistakable-words\n" + last_line);
    const auto files = files_of(server);
    for (const auto& [name, text] : files) {
        INFO(name);
        CHECK(text.find("unmistakable-words") == std::string::npos);
        CHECK((name.starts_with("ipython/") || name.starts_with(".") || name.starts_with("config/") ||
               name.starts_with("data/")));
    }
    CHECK(fs::is_empty(server.root()));
    std::string lines;
    shell(
        "/usr/bin/python3 -c 'import sqlite3, sys; "
        "print(sqlite3.connect(sys.argv[1]).execute(\"select count(*) from history\").fetchone())' '" +
            (server.home() / "ipython" / "profile_default" / "history.sqlite").string() + "'",
        lines);
    CHECK(lines == "(0,)\n");
}

TEST_CASE("a probe moves the clock of nothing of the user's, and its own use does not count") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer server(kind);
    Rig rig(server.port());
    const auto made = rig.ask("POST", "/api/kernels", R"({"name": "python3"})");
    REQUIRE(made.status == 201);
    const std::string id = parsed(made)["id"].text();
    Script use({"busy.py", std::to_string(server.port()), server.token(), id, "/"});
    REQUIRE(use.wait() == 0);
    const std::string terminal = parsed(rig.ask("POST", "/api/terminals"))["name"].text();
    const auto clocks = [&] {
        const auto clock = [&](const char* what) {
            return parsed(rig.ask("GET", std::string{"/api/"} + what + "?no_track_activity=1"))
                .items()
                .at(0)["last_activity"]
                .text();
        };
        return std::vector{clock("kernels"), clock("terminals")};
    };
    const auto server_clock = [&] { return parsed(rig.ask("GET", "/api/status"))["last_activity"].text(); };
    const auto before = settled(clocks);
    const std::string server_before = server_clock();
    for (int i = 0; i < 3; ++i) {
        text_of(probe(rig, "echo here"));
    }
    CHECK(clocks() == before);
    const std::string server_after = server_clock();
    CHECK(server_after > server_before);  // measured: our own terminal moves it
    UNSCOPED_INFO("server clock " << server_before << " -> " << server_after);
    CHECK(listed_names(rig, "terminals", "name") == std::vector{terminal});
    CHECK(listed_names(rig, "kernels", "id") == std::vector{id});
    rig.ask("DELETE", "/api/terminals/" + terminal + "?no_track_activity=1");
    rig.ask("DELETE", "/api/kernels/" + id + "?no_track_activity=1");
    text_of(probe(rig, "echo here"));
    const auto observations = rig.observe();
    REQUIRE(observations);
    const Observation* state = seen(*observations, Signal::server);
    REQUIRE(state != nullptr);
    CHECK(state->verdict == Verdict::quiet);
    CHECK(state->evidence == "no open connection, no request but Curfew's own");
    std::this_thread::sleep_for(seconds{3});
    rig.ask("GET", "/api/kernels");  // a page of the user's
    const auto later = rig.observe();
    REQUIRE(later);
    CHECK(seen(*later, Signal::server)->verdict == Verdict::active);
    CHECK(seen(*later, Signal::server)->strength == Strength::weak);
}

TEST_CASE("what a probe has open is not taken for the user's") {
    const Place place = GENERATE(plain_shell, plain_notebook, kernel, kernel_notebook);
    JupyterServer& server = server_at(place);
    Rig rig(server.port());
    std::optional<Result<ProbeAnswer>> answer;
    const TempFolder signals;
    const std::string go = (signals.path() / "go").string();
    const auto prober = rig.guest();
    boost::asio::co_spawn(
        rig.io,
        [](std::shared_ptr<Guest> guest, std::string go, Deadline deadline,
           std::optional<Result<ProbeAnswer>>& out) -> Task<void> {
            out.emplace(co_await guest->probe(
                script_of("echo a; while ! test -e '" + go + "'; do sleep 0.1; done; echo b"), deadline));
        }(prober, go, rig.in(minutes{2}), answer),
        [](const std::exception_ptr&) {});
    int looks = 0;
    bool was_open = false;
    while (!answer) {
        const auto observations = rig.observe();
        REQUIRE(observations);
        was_open = was_open || !listed_names(rig, "terminals", "name").empty() ||
                   !listed_names(rig, "kernels", "id").empty();
        looks += was_open ? 1 : 0;
        if (looks == 6) {
            write_file(go, "");
        }
        for (const Observation& one : *observations) {
            INFO(one.evidence);
            const bool earlier = one.evidence.starts_with("a request ");  // of another test case
            CHECK((one.verdict == Verdict::quiet || (one.source == Signal::server && earlier)));
        }
        rig.run([](Scheduler& s) -> Task<bool> {
            co_await s.sleep_for(Duration{300});
            co_return true;
        }(rig.scheduler));
    }
    CHECK(looks > 5);
    CHECK(text_of(*answer) == "a\nb\n" + last_line);
    check_clean(rig);
}

TEST_CASE("a probe that is cancelled removes what it opened") {
    const Place place = GENERATE(plain_shell, bash_notebook, kernel);
    JupyterServer& server = server_at(place);
    Rig rig(server.port());
    bool ended = false;
    std::exception_ptr thrown;
    boost::asio::cancellation_signal cancel;
    const auto prober = rig.guest();
    boost::asio::co_spawn(
        rig.io,
        [](std::shared_ptr<Guest> guest, Deadline deadline) -> Task<void> {
            co_await guest->probe(script_of("echo a; sleep 6132"), deadline);
        }(prober, rig.in(seconds{60})),
        boost::asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr how) {
            thrown = std::move(how);
            ended = true;
        }));
    for (int i = 0; i < 500 && !runs("sleep 6132"); ++i) {
        rig.run([](Scheduler& s) -> Task<bool> {
            co_await s.sleep_for(Duration{100});
            co_return true;
        }(rig.scheduler));
    }
    REQUIRE(runs("sleep 6132"));
    cancel.emit(boost::asio::cancellation_type::terminal);
    while (!ended) {
        rig.io.restart();
        rig.io.run_one();
    }
    CHECK(thrown);  // as every cancelled coroutine ends
    check_clean(rig);
    CHECK(ends_soon("sleep 6132"));
}

TEST_CASE("a server that is gone, or does not know us, is a typed error") {
    JupyterServer server(GENERATE(Kind::jupyter_server, Kind::notebook));
    Rig rig(server.port());
    Rig stranger(server.port(), "wrong");
    const auto refused = probe(stranger, "echo a");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::unauthorized);
    CHECK(to_string(refused.error()).find("wrong") == std::string::npos);
    check_clean(rig);
    server.kill();
    const auto gone = probe(rig, "echo a");
    REQUIRE_FALSE(gone);
    CHECK(gone.error().code == Errc::unavailable);
    CHECK(gone.error().may_retry());
}

TEST_CASE("a script that cannot be run so is refused before anything is opened") {
    HostileServer server;
    Rig rig(server.port());
    const auto run = [&](ProbeScript script) {
        return rig.run(rig.guest()->probe(std::move(script), rig.in(seconds{60}))).error().code;
    };
    CHECK(run({"echo a", ""}) == Errc::invalid);
    CHECK(run({"echo end", "end"}) == Errc::invalid);
    CHECK(run({std::string(70'000, '#'), "end"}) == Errc::invalid);
    CHECK(run({std::string("echo \0", 6), "end"}) == Errc::invalid);
    CHECK_FALSE(server.saw_write());
}

TEST_CASE("where neither terminals nor kernels can be opened there is no probe") {
    HostileServer server;
    Rig rig(server.port());
    const std::string specs = GENERATE(
        std::string{},
        std::string{R"({"default": "ir", "kernelspecs": {"ir": {"spec": {"language": "R"}}}})"},
        std::string{R"({"default": "python3",
                        "kernelspecs": {"python3": {"spec": {"language": "python"}}}})"});
    server.set_trap([specs](const Asked& asked) -> std::optional<Reply> {
        if (asked.is("/api/kernelspecs") && !specs.empty()) {
            return HostileServer::json(specs);
        }
        if (asked.method == "POST" || asked.is("/api/kernelspecs")) {
            return Reply{.status = 404, .headers = {}, .body = "{}", .says_length = {}, .cut_after = {}};
        }
        return std::nullopt;
    });
    const auto answer = probe(rig, "echo a");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Errc::not_found);
    CHECK(answer.error().retry == Retry::never());
}

TEST_CASE("a terminal whose removal failed is ours for a while, and a named one is removed next time") {
    HostileServer server;
    Rig rig(server.port());
    const bool takes_names = GENERATE(true, false);
    std::mutex mutex;
    std::string name;
    std::vector<std::string> deleted;
    bool removes = false;
    const std::string fresh = to_string(WallTime{static_cast<std::int64_t>(std::time(nullptr)) * 1000});
    server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        const std::lock_guard lock(mutex);
        if (asked.method == "POST" && asked.is("/api/terminals")) {
            name = takes_names ? "wish" : "7";
            return HostileServer::json(R"({"name": ")" + name + R"("})");
        }
        if (asked.method == "DELETE") {
            deleted.push_back(asked.path);
            return Reply{.status = removes ? 204 : 500,
                         .headers = {},
                         .body = removes ? "" : "{}",
                         .says_length = {},
                         .cut_after = {}};
        }
        if (asked.is("/api/terminals") && !name.empty()) {
            return HostileServer::json(R"([{"name": ")" + name + R"(", "last_activity": ")" + fresh +
                                       R"("}])");
        }
        return std::nullopt;
    });
    CHECK(probe(rig, "echo a").error().code == Errc::not_found);  // it has no WebSockets
    CHECK(deleted.size() == 1);
    const auto observations = rig.observe();
    REQUIRE(observations);
    CHECK(seen(*observations, Signal::terminals)->evidence == "no terminal");
}

TEST_CASE("a fresh heartbeat is activity, and its text may ask for more time") {
    struct Row {
        Duration age;
        std::string text;
        std::optional<Verdict> verdict;
    };
    const Row row = GENERATE(values<Row>({
        {seconds{5}, "", Verdict::active},
        {minutes{9}, "a long text that is no duration, and much longer than sixty-four bytes are, so",
         Verdict::active},
        {minutes{11}, "", Verdict::quiet},
        {minutes{11}, "45m", Verdict::active},
        {minutes{11}, " 45m\n", Verdict::active},
        {minutes{46}, "45m", Verdict::quiet},
        {minutes{59}, "5h", Verdict::active},
        {minutes{61}, "5h", Verdict::quiet},
        {minutes{9}, "1m", Verdict::active},
        {minutes{11}, "soon", Verdict::quiet},
        {minutes{11}, "-45m", Verdict::quiet},
        {minutes{11}, "45m" + std::string(100, ' '), Verdict::quiet},
        {hours{-1}, "", Verdict::unknown},
    }));
    CAPTURE(to_string(row.age), row.text);
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    Rig rig(server.port());
    write_file(server.root() / "run" / "heart beat", row.text);
    age(server.root() / "run" / "heart beat", row.age);
    const auto guest = rig.guest();
    const auto observations = rig.run(guest->observe({.heartbeat = "run/heart beat"}, rig.in(seconds{60})));
    REQUIRE(observations);
    const Observation* heartbeat = seen(*observations, Signal::heartbeat);
    REQUIRE(heartbeat != nullptr);
    INFO(heartbeat->evidence);
    CHECK(heartbeat->verdict == row.verdict);
    CHECK(heartbeat->strength == Strength::strong);
    CHECK(heartbeat->evidence.size() < 200);
}

TEST_CASE("a heartbeat that is not there says nothing, and one that cannot be read is unknown") {
    JupyterServer& server = shared(GENERATE(Kind::jupyter_server, Kind::notebook));
    Rig rig(server.port());
    const auto look = [&](const std::string& path) {
        const auto guest = rig.guest();
        auto observations = rig.run(guest->observe({.heartbeat = path}, rig.in(seconds{60})));
        REQUIRE(observations);
        const Observation* one = seen(*observations, Signal::heartbeat);
        return one == nullptr ? std::nullopt : std::optional{one->verdict};
    };
    write_file(server.root() / "folder" / "x", "x");
    CHECK(look("") == std::nullopt);
    CHECK(look("missing") == std::nullopt);
    CHECK(look("no/such/folder") == std::nullopt);
    CHECK(look("folder") == Verdict::unknown);
}

TEST_CASE("a heartbeat's path that leads out of the root is never asked for") {
    HostileServer server;
    Rig rig(server.port());
    const std::string path = GENERATE(
        values<std::string>({"../x", "a/../../x", "a/..", "/etc/x", "a//x", "."}));
    const auto guest = rig.guest();
    const auto observations = rig.run(guest->observe({.heartbeat = path}, rig.in(seconds{60})));
    REQUIRE(observations);
    CHECK(seen(*observations, Signal::heartbeat)->verdict == Verdict::unknown);
    CHECK(server.times_asked("/api/contents/" + path) == 0);
}

TEST_CASE("a heartbeat of a server that lies is unknown with a reason") {
    HostileServer server;
    Rig rig(server.port());
    const int what = GENERATE(0, 1, 2, 3, 4);
    server.put("beat", "45m",
               to_string(WallTime{(static_cast<std::int64_t>(std::time(nullptr)) - 900) * 1000}));
    server.set_trap([&, what](const Asked& asked) -> std::optional<Reply> {
        const bool model = asked.is("/api/contents/beat");
        if (what == 0 && model) {
            return HostileServer::page(500);
        }
        if (what == 1 && model) {
            return HostileServer::json("[]");
        }
        if (what == 2 && model) {
            return HostileServer::redirect("/login");
        }
        if (what == 3 && model) {
            Reply reply = server.honest(asked);
            reply.says_date = false;
            return reply;
        }
        if (what == 4 && asked.is("/files/beat")) {
            return HostileServer::redirect("/login");
        }
        return std::nullopt;
    });
    const auto guest = rig.guest();
    const auto observations = rig.run(guest->observe({.heartbeat = "beat"}, rig.in(seconds{60})));
    REQUIRE(observations);
    CHECK(seen(*observations, Signal::heartbeat)->verdict == Verdict::unknown);
    CHECK_FALSE(seen(*observations, Signal::heartbeat)->evidence.empty());
}

TEST_CASE("who looks only for activity asks no more when it is found") {
    HostileServer server;
    Rig rig(server.port());
    const auto guest = rig.guest();
    server.put("beat", "");
    const LookOrder order{.heartbeat = "beat", .until_active = GENERATE(true, false)};
    const std::string busy = GENERATE(values<std::string>({"/api/kernels", "/api/terminals", "none"}));
    const std::string now = to_string(WallTime{static_cast<std::int64_t>(std::time(nullptr)) * 1000});
    server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (!asked.is(busy)) {
            return std::nullopt;
        }
        return HostileServer::json(
            R"([{"id": "a", "name": "1", "execution_state": "busy", "last_activity": ")" + now + R"("}])");
    });
    const auto observations = rig.run(guest->observe(order, rig.in(seconds{60})));
    REQUIRE(observations);
    const bool short_look = order.until_active && busy != "none";
    CHECK(observations->size() == (!short_look ? 4U : busy == "/api/kernels" ? 1U : 2U));
    CHECK(server.times_asked("/api/kernels") == 1);
    CHECK(server.times_asked("/api/terminals") == (short_look && busy == "/api/kernels" ? 0 : 1));
    CHECK(server.times_asked("/api/status") == (short_look ? 0 : 1));
    CHECK(server.times_asked("/api/contents/beat") == (short_look ? 0 : 1));
}
