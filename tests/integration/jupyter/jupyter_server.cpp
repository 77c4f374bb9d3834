#include "jupyter_server.hpp"

#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <memory>
#include <thread>

namespace support {

namespace fs = std::filesystem;
using namespace curfew;

namespace {

sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
}

bool answers(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port);
    const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return connected;
}

/// In a process group of its own that dies with us.
pid_t start(const std::vector<std::string>& words, const std::vector<std::string>& environment,
            const fs::path& log) {
    std::vector<char*> argv;
    for (const std::string& word : words) {
        argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    std::vector<char*> envp;
    for (const std::string& line : environment) {
        envp.push_back(const_cast<char*>(line.c_str()));
    }
    envp.push_back(nullptr);
    const std::string log_path = log.string();
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::setpgid(0, 0);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int out = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        ::dup2(out, 1);
        ::dup2(out, 2);
        ::execve(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    REQUIRE(pid > 0);
    ::setpgid(pid, pid);
    return pid;
}

void end(pid_t pid) {
    ::kill(-pid, SIGTERM);
    for (int i = 0; i < 30; ++i) {
        if (::waitpid(pid, nullptr, WNOHANG) != 0) {
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    ::kill(-pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
}

}  // namespace

JupyterServer::JupyterServer(Kind kind, const Settings& settings) {
    fs::create_directories(root());
    fs::create_directories(outside());
    const bool classic = kind == Kind::notebook;
    const std::string app = classic ? "--NotebookApp." : "--ServerApp.";
    const std::string home = home_.path().string();
    std::vector<std::string> words{"/usr/bin/python3",
                                   "-m",
                                   classic ? "notebook" : "jupyter_server",
                                   "--allow-root",
                                   "--no-browser",
                                   "--ip=127.0.0.1",
                                   "--port=" + std::to_string(port()),
                                   app + "token=" + token_,
                                   app + "port_retries=0",
                                   app + (classic ? "notebook_dir=" : "root_dir=") + root().string()};
    for (const std::string& option : settings.options) {
        words.push_back(app + option);
    }
    std::vector<std::string> environment{"PATH=/usr/bin:/bin",
                                         "HOME=" + home,
                                         "JUPYTER_CONFIG_DIR=" + home + "/config",
                                         "JUPYTER_DATA_DIR=" + home + "/data",
                                         "JUPYTER_RUNTIME_DIR=" + home + "/runtime",
                                         "IPYTHONDIR=" + home + "/ipython",
                                         "LC_ALL=C.UTF-8"};
    if (!settings.shell.empty()) {
        environment.push_back("SHELL=" + settings.shell);
    }
    if (!settings.profile.empty()) {
        write_file(home_.path() / ".profile", settings.profile);
    }
    pid_ = start(words, environment, home_.path() / "log");
    for (int i = 0; i < 1200 && !answers(port()); ++i) {
        if (::waitpid(pid_, nullptr, WNOHANG) != 0) {
            pid_ = -1;
            FAIL("the server does not start: " << file_text(home_.path() / "log"));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    REQUIRE(answers(port()));
}

JupyterServer::~JupyterServer() {
    if (pid_ > 0) {
        end(pid_);
    }
}

void JupyterServer::empty_root() const {
    for (const auto& item : fs::directory_iterator(root())) {
        fs::remove_all(item.path());
    }
    for (const auto& item : fs::directory_iterator(outside())) {
        fs::remove_all(item.path());
    }
}

void JupyterServer::kill() {
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

bool JupyterServer::ended_within(Duration time) {
    for (Duration passed{0}; passed < time; passed += Duration{100}) {
        if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = -1;
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    return false;
}

JupyterServer& shared(Kind kind) {
    static std::map<Kind, std::unique_ptr<JupyterServer>> servers;
    std::unique_ptr<JupyterServer>& server = servers[kind];
    if (!server) {
        server = std::make_unique<JupyterServer>(kind);
    }
    server->empty_root();
    return *server;
}

Script::Script(std::vector<std::string> words) {
    const char* source = std::getenv("CURFEW_SOURCE");
    REQUIRE(source != nullptr);
    words.front() = std::string{source} + "/tests/integration/jupyter/" + words.front();
    words.insert(words.begin(), "/usr/bin/python3");
    pid_ = start(words, {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}, "/dev/null");
}

Script::~Script() {
    if (pid_ > 0) {
        end(pid_);
    }
}

int Script::wait() {
    int status = 0;
    REQUIRE(::waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace support
