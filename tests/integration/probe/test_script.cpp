// The probe's script in the shells that guests have, on this host's own /proc.
#include "curfew/core/probe.hpp"

#include <catch2/catch.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace fs = std::filesystem;
using namespace curfew;

namespace {

class Folder {
public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "curfew-probe-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Folder() { fs::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    fs::path path;
};

/// A child of ours in a session of its own, killed with this object.
class Job {
public:
    explicit Job(const std::string& command) {
        pid = ::fork();
        if (pid == 0) {
            ::setsid();
            ::execl("/bin/bash", "bash", "-c", command.c_str(), nullptr);
            ::_exit(127);
        }
    }
    ~Job() {
        ::kill(-pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    pid_t pid = -1;
};

struct Run {
    int status = 0;
    std::string output;
};

/// Runs the script below a process that is none of the jobs' ancestors, as a server would.
Run run(const std::string& shell, const ProbeScript& script, const fs::path& folder,
        const std::string& path = "/usr/bin:/bin") {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(ends[1], 1);
        ::dup2(ends[1], 2);
        ::close(ends[0]);
        ::close(ends[1]);
        if (::chdir(folder.c_str()) != 0) {
            ::_exit(126);
        }
        const std::string environment = "PATH=" + path;
        std::array<char*, 2> variables{const_cast<char*>(environment.c_str()), nullptr};
        const std::size_t blank = shell.find(' ');
        const std::string program = shell.substr(0, blank);
        if (blank == std::string::npos) {
            ::execle(program.c_str(), "sh", "-c", script.text.c_str(), nullptr, variables.data());
        } else {
            ::execle(program.c_str(), shell.substr(blank + 1).c_str(), "-c", script.text.c_str(), nullptr,
                     variables.data());
        }
        ::_exit(127);
    }
    ::close(ends[1]);
    Run result;
    std::array<char, 65536> bytes{};
    for (ssize_t got = 0; (got = ::read(ends[0], bytes.data(), bytes.size())) > 0;) {
        result.output.append(bytes.data(), static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    ::waitpid(child, &result.status, 0);
    return result;
}

std::vector<std::string> shells() {
    std::vector<std::string> found;
    for (const char* shell : {"/bin/dash", "/bin/bash", "/bin/busybox sh"}) {
        const std::string name = shell;
        if (fs::exists(name.substr(0, name.find(' ')))) {
            found.push_back(name);
        }
    }
    return found;
}

Probe probe(const std::string& shell, const fs::path& folder, std::vector<std::string> watched = {},
            const std::string& path = "/usr/bin:/bin") {
    const ProbeScript script = probe_script("0123456789abcdef", watched);
    const Run done = run(shell, script, folder, path);
    INFO(done.output.substr(0, 2000));
    auto parsed = parse_probe(done.output, script);
    INFO((parsed ? std::string{} : to_string(parsed.error())));
    REQUIRE(parsed);
    return *parsed;
}

const ProbeReading& reading(const std::vector<ProbeReading>& readings, Signal source) {
    const auto found = std::ranges::find(readings, source, &ProbeReading::source);
    REQUIRE(found != readings.end());
    return *found;
}

void fake_nvidia_smi(const fs::path& folder, const std::string& body) {
    fs::create_directories(folder / "bin");
    const fs::path file = folder / "bin/nvidia-smi";
    std::ofstream(file) << "#!/bin/sh\n" << body;
    fs::permissions(file, fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
}

}  // namespace

TEST_CASE("every shell gives a whole probe that sees itself and its folder") {
    Folder folder;
    fs::create_directories(folder.path / "it's here");
    for (const std::string& shell : shells()) {
        DYNAMIC_SECTION(shell) {
            const Probe seen = probe(shell, folder.path, {"it's here", "missing", "--odd"});
            CHECK(seen.ticks_per_second == ::sysconf(_SC_CLK_TCK));
            CHECK(seen.second.uptime - seen.first.uptime >= seconds{2});
            CHECK(seen.network_bytes);
            CHECK(seen.watched.size() == 3);
            CHECK(std::ranges::find(seen.first.processes, ::getpid(), &ProbeProcess::pid) !=
                  seen.first.processes.end());
        }
    }
}

TEST_CASE("a silent job that burns half a core is seen at once, whoever its parent was") {
    Folder folder;
    // It outlives what started it, as a nohup job does, and works for as long as the folder is there. Four of them
    // have their half a core on a busy host too.
    const fs::path begun = folder.path / "begun";
    const std::string work = "while test -e '" + begun.string() +
                             "'; do for i in {1..3000}; do :; done; done";
    Job job("touch '" + begun.string() + "'; (exec timeout 600 bash -c \"for n in 1 2 3; do " + work +
            " & done; " + work + "\") >/dev/null 2>&1");
    while (!fs::exists(begun)) {
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    for (const std::string& shell : shells()) {
        DYNAMIC_SECTION(shell) {
            const auto readings = read_probe(probe(shell, folder.path), nullptr);
            const ProbeReading& processes = reading(readings, Signal::processes);
            INFO(processes.evidence);
            CHECK(processes.verdict == Verdict::active);
        }
    }
}

TEST_CASE("changes of a watched path are seen, its rest too") {
    Folder folder;
    fs::create_directories(folder.path / "outputs/deep");
    std::ofstream(folder.path / "outputs/deep/model.bin") << "1";
    const Probe first = probe("/bin/dash", folder.path, {"outputs"});
    const Probe second = probe("/bin/dash", folder.path, {"outputs"});
    CHECK(reading(read_probe(second, &first), Signal::watched_paths).verdict == Verdict::quiet);
    std::ofstream(folder.path / "outputs/deep/model.bin") << "12";
    const Probe third = probe("/bin/dash", folder.path, {"outputs"});
    const auto readings = read_probe(third, &second);
    CHECK(reading(readings, Signal::watched_paths).verdict == Verdict::active);
    CHECK(reading(readings, Signal::watched_paths).evidence == "watched path outputs changed");
}

TEST_CASE("disk writes between two probes are seen, and counted for the two minutes that they last") {
    Folder folder;
    const Probe first = probe("/bin/dash", folder.path);
    Job job("exec dd if=/dev/zero of=" + (folder.path / "big").string() +
            " bs=1M count=64 conv=fsync status=none && sleep 60");
    Job stays("dd if=/dev/zero of=" + (folder.path / "big2").string() +
              " bs=1M count=64 conv=fsync status=none; sleep 60");
    std::this_thread::sleep_for(std::chrono::seconds{3});
    const Probe second = probe("/bin/dash", folder.path);
    const ProbeReading traffic = reading(read_probe(second, &first), Signal::disk_network);
    INFO(traffic.evidence);
    CHECK(traffic.verdict != Verdict::unknown);
}

TEST_CASE("GPUs: each device, MIG, trouble of the driver, and none at all") {
    Folder folder;
    const std::string path = (folder.path / "bin").string() + ":/usr/bin:/bin";
    const auto gpu = [&](const std::string& body) {
        fake_nvidia_smi(folder.path, body);
        return read_probe(probe("/bin/dash", folder.path, {}, path), nullptr);
    };
    SECTION("one of two works") {
        const auto r = gpu("echo '0, 0, 4096, 61.52, Disabled'\necho '1, 87, 8192, 250.10, Disabled'\n");
        CHECK(reading(r, Signal::gpu).verdict == Verdict::active);
        CHECK(reading(r, Signal::gpu).evidence == "GPU 1 at 87 %, 8192 MiB, 250 W");
    }
    SECTION("memory alone is no activity") {
        const auto r = gpu("echo '0, 0, 14000, 61.52, [N/A]'\n");
        CHECK(reading(r, Signal::gpu).verdict == Verdict::quiet);
    }
    SECTION("MIG hides how busy it is") {
        const auto r = gpu("echo '0, [N/A], 14000, 61.52, Enabled'\n");
        CHECK(reading(r, Signal::gpu).verdict == Verdict::unknown);
    }
    SECTION("an old driver does not know MIG") {
        const auto r = gpu(
            "case \"$*\" in *mig*) echo 'Field \"mig.mode.current\" is not a valid field to query.'; "
            "exit 2;; esac\necho '0, 3, 14000, 61.52'\n");
        CHECK(reading(r, Signal::gpu).verdict == Verdict::quiet);
    }
    SECTION("the driver is broken") {
        const auto r = gpu("echo \"NVIDIA-SMI has failed because it couldn't communicate\"; exit 9\n");
        CHECK(reading(r, Signal::gpu).verdict == Verdict::unknown);
    }
    SECTION("none") {
        const auto r = read_probe(probe("/bin/dash", folder.path), nullptr);
        CHECK(std::ranges::find(r, Signal::gpu, &ProbeReading::source) == r.end());
    }
}
