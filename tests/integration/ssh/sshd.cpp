#include "sshd.hpp"

#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace support {

namespace fs = std::filesystem;
using namespace curfew;

namespace {

constexpr const char* sshd_program = "/usr/sbin/sshd";
constexpr const char* run_folder = "/run/sshd";

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

void pause_a_little() {
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
    std::vector<char*> all;
    for (const std::string& word : words) {
        all.push_back(const_cast<char*>(word.c_str()));
    }
    all.push_back(nullptr);
    return all;
}

void need(const char* program, const char* package) {
    if (::access(program, X_OK) != 0) {
        std::printf("%s is missing (apt-get install %s)\n", program, package);
        std::fflush(stdout);
        std::_Exit(77);
    }
}

std::string own_name() {
    const passwd* entry = ::getpwuid(::getuid());
    REQUIRE(entry != nullptr);
    return entry->pw_name;
}

}  // namespace

Folder::Folder() {
    char name[] = "/tmp/curfew-ssh-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
}

Folder::~Folder() {
    fs::remove_all(path_);
}

void write_file(const std::string& path, const std::string& text, mode_t mode) {
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), mode);
}

std::string file_text(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

std::string output_of(const std::vector<std::string>& words) {
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const auto argv = pointers(words);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
        text.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    INFO(words.front());
    REQUIRE(status == 0);
    return text;
}

bool alive(const std::string& pid) {
    const std::string stat = file_text("/proc/" + pid + "/stat");
    const std::size_t name_end = stat.rfind(')');
    return name_end != std::string::npos && stat.substr(name_end + 2, 1) != "Z";
}

bool gone_soon(const std::string& pid) {
    for (int i = 0; i < 3000 && alive(pid); ++i) {
        pause_a_little();
    }
    return !alive(pid);
}

int processes_with(const std::string& words_of_command_line) {
    int count = 0;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") == std::string::npos) {
            std::string line = file_text(entry.path() / "cmdline");
            std::ranges::replace(line, '\0', ' ');
            count += line.find(words_of_command_line) != std::string::npos ? 1 : 0;
        }
    }
    return count;
}

std::string make_key(const std::string& path, const std::string& type) {
    output_of({"/usr/bin/ssh-keygen", "-q", "-t", type, "-N", "", "-C", "test", "-f", path});
    const std::string line = file_text(path + ".pub");
    return line.substr(0, line.rfind(' '));
}

Sshd::Sshd(std::string authorized, std::string more) {
    need(sshd_program, "openssh-server");
    need("/usr/bin/ssh", "openssh-client");
    if (::geteuid() == 0) {
        made_run_folder_ = ::mkdir(run_folder, 0755) == 0;  // as the distribution's unit would
    }
    host_key_ = make_key(folder_ / "host_key");
    const std::string client = make_key(folder_ / "client_key");
    write_file(folder_ / "authorized_keys", (authorized.empty() ? "" : authorized + " ") + client + "\n");
    write_file(folder_ / "config", "Port " + std::to_string(port()) +
                                       "\nListenAddress 127.0.0.1\nPidFile none\nUsePAM no\nStrictModes no\n"
                                       "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
                                       "KbdInteractiveAuthentication no\nHostKey " +
                                       (folder_ / "host_key") + "\nAuthorizedKeysFile " +
                                       (folder_ / "authorized_keys") + "\n" + more);
    const std::vector<std::string> words{sshd_program, "-D", "-e", "-f", folder_ / "config"};
    const auto argv = pointers(words);
    const std::string log = folder_ / "log";
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(out, STDOUT_FILENO);
        ::dup2(out, STDERR_FILENO);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(out);
    for (int i = 0; i < 3000 && !answers(port()); ++i) {
        if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = -1;
            FAIL("sshd does not start: " << file_text(log));
        }
        pause_a_little();
    }
    REQUIRE(answers(port()));
}

Sshd::~Sshd() {
    if (pid_ > 0) {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    if (made_run_folder_) {
        ::rmdir(run_folder);
    }
}

SshConfig Sshd::block() const {
    return {.match = {"*"},
            .user = own_name(),
            .key_file = folder_ / "client_key",
            .host_key = host_key_,
            .host = {},
            .port = port()};
}

Rig::Rig(std::vector<SshConfig> all, const std::string& program)
    : blocks(std::move(all)), runner(loop.context().get_executor(), loop.scheduler()),
      door(runner, [this]() -> const std::vector<SshConfig>& { return blocks; }, folder / "ssh", program) {
    ::signal(SIGPIPE, SIG_IGN);  // as main.cpp does
}

std::unique_ptr<Guest> Rig::guest(const std::string& name, const std::string& address) {
    Resource machine;
    machine.id = ResourceId{"ps1"};
    machine.kind = ResourceKind::machine;
    machine.name = name;
    machine.run.id = RunId{"ps1@evt1"};
    machine.run.address = address;
    return door.open(AccountName{"main"}, machine, machine.run);
}

Result<ProbeAnswer> Rig::probe_as_is(const std::string& script, Duration patience) {
    const auto machine = guest();
    REQUIRE(machine);
    return loop.run(machine->probe({.text = script, .end = "PROBE END"}, loop.scheduler().in(patience)));
}

Result<ProbeAnswer> Rig::probe(const std::string& script, Duration patience) {
    return probe_as_is(script + "\nprintf 'PROBE %s\\n' END\n", patience);
}

bool Rig::nothing_runs() {
    // Each of them runs in our folder.
    const auto count = [this] {
        int found = 0;
        for (const auto& entry : fs::directory_iterator("/proc")) {
            std::error_code error;
            const fs::path where = fs::read_symlink(entry.path() / "cwd", error);
            found += !error && where == folder / "ssh" ? 1 : 0;
        }
        return found;
    };
    for (int i = 0; i < 3000 && count() > 0; ++i) {
        pause_a_little();
    }
    return count() == 0;
}

}  // namespace support
