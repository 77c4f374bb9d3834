#include "peers.hpp"

#include "support/port.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>

namespace peers {

namespace {

constexpr const char* python = "/usr/bin/python3";

[[noreturn]] void skip(const std::string& what) {
    std::cerr << "skipped: " << what << "\n";
    std::_Exit(77);
}

void require_tools() {
    static const bool there = std::system(
                                  (std::string{python} + " -c 'import aiosmtpd' 2>/dev/null").c_str()) == 0 &&
                              std::system("openssl version >/dev/null 2>&1") == 0;
    if (!there) {
        skip("python3-aiosmtpd or openssl is missing");
    }
}

void shell(const std::string& command) {
    INFO(command);
    REQUIRE(std::system(("(" + command + ") >/dev/null 2>&1").c_str()) == 0);
}

[[noreturn]] void become(const std::vector<std::string>& words, int input, int output) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(input, STDIN_FILENO);
    ::dup2(output, STDOUT_FILENO);
    std::vector<char*> argv;
    for (const std::string& word : words) {
        argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    ::execv(argv.front(), argv.data());
    ::_exit(127);
}

std::string line_from(int fd) {
    std::string line;
    char c = 0;
    while (::read(fd, &c, 1) == 1 && c != '\n') {
        line += c;
    }
    return line;
}

}  // namespace

Folder::Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "curfew-channels-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

Certificates::Certificates(const Folder& folder)
    : ca(folder / "ca.pem"), server(folder / "server.pem"), other(folder / "other.pem") {
    require_tools();
    const std::string make =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 ";
    const std::string ca_key = folder / "ca.key";
    shell(make + "-subj /CN=Curfew-test-CA -keyout " + ca_key + " -out " + ca);
    const auto leaf = [&](const std::string& file, const std::string& names) {
        shell(make + "-subj /CN=leaf -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=" +
              names + " -CA " + ca + " -CAkey " + ca_key + " -keyout " + file + ".key -out " + file);
        shell("cat " + file + ".key >>" + file);
    };
    leaf(server, "DNS:localhost,IP:127.0.0.1");
    leaf(other, "DNS:elsewhere.example");
}

Server::Server(const std::string& script, const std::vector<std::string>& arguments) {
    require_tools();
    const char* source = std::getenv("CURFEW_SOURCE");
    REQUIRE(source != nullptr);
    const std::string path = std::string{source} + "/tests/integration/channels/" + script;
    std::vector<std::string> words{python, path};
    if (script.ends_with(".mjs")) {
        words = {"/usr/bin/env", "node", path};
    }
    words.insert(words.end(), arguments.begin(), arguments.end());
    int in[2] = {};
    int out[2] = {};
    REQUIRE(::pipe2(in, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
        become(words, in[0], out[1]);
    }
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    const std::string line = line_from(out[0]);
    ::close(out[0]);
    if (!line.starts_with("port ")) {
        FAIL(script << " did not start: " << line);
    }
    port_ = std::stoi(line.substr(5));
}

Server::~Server() {
    ::close(input_);
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
}

std::vector<nlohmann::json> records(const std::string& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() == ".json") {
            files.push_back(entry.path());
        }
    }
    std::ranges::sort(files);
    std::vector<nlohmann::json> found;
    for (const auto& file : files) {
        std::ifstream in(file);
        found.push_back(nlohmann::json::parse(in));
    }
    return found;
}

int closed_port() {
    static const support::Port port;
    return port.number();
}

curfew::Result<curfew::Delivered> Loop::deliver(curfew::Channel& channel, curfew::Message message,
                                                curfew::Duration within, std::string to) {
    std::optional<curfew::Result<curfew::Delivered>> result;
    boost::asio::co_spawn(
        context, channel.deliver({.message = std::move(message), .to = std::move(to)}, scheduler.in(within)),
        [&](const std::exception_ptr& thrown, curfew::Result<curfew::Delivered> r) {
            REQUIRE(!thrown);
            result = std::move(r);
        });
    context.restart();
    while (!result && context.run_one() > 0) {
    }
    REQUIRE(result.has_value());
    return *result;
}

curfew::Message warning() {
    curfew::Message m;
    m.id = "msg_0123456789ab";
    m.alert = curfew::AlertId{"al_77"};
    m.kind = curfew::AlertKind::stop_warning;
    m.severity = curfew::Severity::warning;
    m.at = *curfew::parse_wall_time("2026-11-23T10:15:00Z");
    m.title = "demo (A4000, $0.76/h, $12.34 so far) will be packed and stopped at 10:45 UTC (in 30m)";
    m.body = {"Why: quiet for 1h. No kernel, no GPU.",
              "Use it again and nothing happens. To keep it running:"};
    m.do_next = "curfew keep demo --for 2h";
    m.account = curfew::AccountName{"team"};
    m.resource = curfew::ResourceId{"n8k2"};
    m.resource_name = "demo";
    m.run = curfew::RunId{"r_1"};
    m.cause = "rule night";
    m.stops_at = *curfew::parse_wall_time("2026-11-23T10:45:00Z");
    m.cost_so_far = *curfew::parse_money("12.34");
    m.per_hour = *curfew::parse_money("0.76");
    return m;
}

}  // namespace peers
