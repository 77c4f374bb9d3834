#include "guests.hpp"

#include "isolation.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <stdexcept>
#include <system_error>

namespace emulator {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace asio::experimental::awaitable_operators;

struct ProcessRow {
    pid_t parent = 0;
    double cpu_seconds = 0;
    std::int64_t resident_bytes = 0;
};

std::string read_small(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return {};
    }
    std::array<char, 2048> bytes{};
    const ssize_t size = ::read(fd, bytes.data(), bytes.size());
    ::close(fd);
    return size > 0 ? std::string(bytes.data(), static_cast<std::size_t>(size)) : std::string{};
}

std::unordered_map<pid_t, ProcessRow> processes() {
    static const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    static const std::int64_t page = ::sysconf(_SC_PAGESIZE);
    std::unordered_map<pid_t, ProcessRow> out;
    DIR* directory = ::opendir("/proc");
    if (directory == nullptr) {
        return out;
    }
    while (const dirent* entry = ::readdir(directory)) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9') {
            continue;
        }
        const std::string text = read_small(std::string{"/proc/"} + entry->d_name + "/stat");
        // The name in parentheses may hold anything, so fields are counted from its last one.
        const std::size_t close = text.rfind(')');
        if (close == std::string::npos) {
            continue;
        }
        char state = 0;
        int parent = 0;
        unsigned long user = 0;
        unsigned long system = 0;
        long child_user = 0;
        long child_system = 0;
        long resident = 0;
        if (std::sscanf(
                text.c_str() + close + 1,
                " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %*d %*d %*u %*u %ld",
                &state, &parent, &user, &system, &child_user, &child_system, &resident) == 7) {
            ProcessRow row;
            row.parent = parent;
            row.cpu_seconds =
                (static_cast<double>(user + system) + static_cast<double>(child_user + child_system)) / ticks;
            row.resident_bytes = resident * page;
            out.emplace(std::atoi(entry->d_name), row);
        }
    }
    ::closedir(directory);
    return out;
}

/// Kills all below `root`, however deep, and whatever they still fork meanwhile.
void kill_descendants(pid_t root) {
    for (int round = 0; round < 2000; ++round) {
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        const auto table = processes();
        bool any = false;
        for (const auto& [pid, row] : table) {
            pid_t up = row.parent;
            for (int depth = 0; up > 1 && up != root && depth < 64; ++depth) {
                const auto found = table.find(up);
                up = found == table.end() ? 0 : found->second.parent;
            }
            if (up == root && pid != root) {
                any = true;
                ::kill(pid, SIGKILL);
            }
        }
        if (!any) {
            return;
        }
        ::poll(nullptr, 0, 2);
    }
}

/// Below the range of outgoing connections, so that none of those takes it before Jupyter does.
std::uint16_t free_port(const asio::any_io_executor& executor) {
    static std::minstd_rand random{std::random_device{}()};
    std::uniform_int_distribution<int> pick{12000, 32000};
    for (;;) {
        asio::ip::tcp::acceptor probe{executor};
        boost::system::error_code error;
        const asio::ip::tcp::endpoint wanted{asio::ip::address_v4::loopback(),
                                             static_cast<std::uint16_t>(pick(random))};
        probe.open(wanted.protocol());
        probe.bind(wanted, error);
        if (!error) {
            probe.listen(1, error);
        }
        if (!error) {
            return wanted.port();
        }
    }
}

const char* word_of(House house) {
    switch (house) {
        case House::container:
            return "container";
        case House::container_of_jupyter:
            return "container-of-jupyter";
        case House::shared:
            break;
    }
    return "shared";
}

}  // namespace

void make_guest_folders(const fs::path& folder) {
    for (const char* name : {"notebooks", "storage", "tmp", "home", "tmp/runtime", "bin"}) {
        fs::create_directories(folder / name);
    }
    // A terminal's shell is a login shell, and /etc/profile sets PATH anew.
    if (const fs::path profile = folder / "home/.profile"; !fs::exists(profile)) {
        std::ofstream{profile} << "PATH=\"" << (folder / "bin").string() << ":$PATH\"\n";
    }
    fs::permissions(folder / "tmp/runtime", fs::perms::owner_all);
}

void wipe_ephemeral(const fs::path& folder) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator{folder, ignored}) {
        if (entry.path().filename() != "notebooks" && entry.path().filename() != "storage") {
            fs::remove_all(entry.path(), ignored);
        }
    }
}

std::shared_ptr<Guest> Guest::launch(asio::any_io_executor executor, const GuestSpec& spec,
                                     std::function<void()> on_exit) {
    make_guest_folders(spec.folder);
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): the constructor is private
    std::shared_ptr<Guest> guest{new Guest};
    guest->port_ = free_port(executor);
    guest->token_ = spec.token;
    const std::string folder = spec.folder.string();
    const std::string root = spec.container_root ? folder : folder + "/notebooks";
    std::vector<std::string> words{"curfew-emulator",
                                   keeper_mode,
                                   std::to_string(::getpid()),
                                   word_of(spec.house),
                                   spec.log.string(),
                                   root,
                                   "PATH=" + folder + "/bin:/usr/bin:/bin",
                                   "LANG=C.UTF-8",
                                   "SHELL=/bin/bash",
                                   "TERM=xterm",
                                   "HOME=" + folder + "/home",
                                   "TMPDIR=" + folder + "/tmp",
                                   "JUPYTER_CONFIG_DIR=" + folder + "/home/.jupyter",
                                   "JUPYTER_DATA_DIR=" + folder + "/home/.local/share/jupyter",
                                   "JUPYTER_RUNTIME_DIR=" + folder + "/tmp/runtime",
                                   "IPYTHONDIR=" + folder + "/home/.ipython",
                                   "PAPERSPACE_NOTEBOOK_REPO_ID=" + spec.repo_id,
                                   "PAPERSPACE_NOTEBOOK_ID=" + spec.run_id};
    words.insert(words.end(), spec.environment.begin(), spec.environment.end());
    words.insert(words.end(),
                 {"--", "/usr/bin/python3", "-m", "jupyter_server", "--ip=127.0.0.1",
                  "--port=" + std::to_string(guest->port_), "--ServerApp.port_retries=0",
                  "--ServerApp.token=" + spec.token, "--ServerApp.root_dir=" + root, "--no-browser",
                  "--allow-root", "--ServerApp.allow_remote_access=True", "--ServerApp.trust_xheaders=True",
                  "--ServerApp.allow_origin=*", "--ServerApp.disable_check_xsrf=False"});
    words.insert(words.end(), spec.jupyter_args.begin(), spec.jupyter_args.end());
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) {
        throw std::system_error{errno, std::generic_category(), "fork"};
    }
    if (pid == 0) {
        ::syscall(SYS_close_range, 3U, ~0U, 0U);
        ::execv("/proc/self/exe", argv.data());
        ::_exit(127);
    }
    guest->pid_ = pid;
    const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0) {
        const int error = errno;
        ::kill(pid, SIGKILL);
        throw std::system_error{error, std::generic_category(), "pidfd_open"};
    }
    asio::co_spawn(executor, guest->watch(pidfd, std::move(on_exit)), asio::detached);
    return guest;
}

Guest::~Guest() {
    if (!exited_ && pid_ > 0) {
        ::kill(pid_, SIGINT);
    }
}

asio::awaitable<void> Guest::watch(int pidfd, std::function<void()> on_exit) {
    const auto self = shared_from_this();
    asio::posix::stream_descriptor descriptor{co_await asio::this_coro::executor, pidfd};
    co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    ::waitpid(pid_, nullptr, 0);
    exited_ = true;
    on_exit();
}

void Guest::terminate() const {
    if (!exited_) {
        ::kill(pid_, SIGTERM);
    }
}

void Guest::kill() const {
    if (!exited_) {
        ::kill(pid_, SIGINT);
    }
}

asio::awaitable<void> Guest::wait_exit() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    while (!exited_) {
        timer.expires_after(std::chrono::milliseconds{5});
        co_await timer.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<bool> Guest::answers() const {
    auto executor = co_await asio::this_coro::executor;
    asio::ip::tcp::socket socket{executor};
    asio::steady_timer timer{executor, std::chrono::seconds{5}};
    std::string head;
    const std::uint16_t port = port_;
    const std::string request = "GET /api/status HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token " +
                                token_ + "\r\nConnection: close\r\n\r\n";
    // A branch that throws would leave || waiting for the timer.
    auto ask = [&socket, &head, &request, port]() -> asio::awaitable<void> {
        try {
            co_await socket.async_connect({asio::ip::address_v4::loopback(), port}, asio::use_awaitable);
            co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
            std::array<char, 512> bytes{};
            const std::size_t size = co_await socket.async_read_some(asio::buffer(bytes),
                                                                     asio::use_awaitable);
            head.assign(bytes.data(), size);
        } catch (const std::exception&) {
            head.clear();
        }
    };
    co_await (ask() || timer.async_wait(asio::use_awaitable));
    co_return head.starts_with("HTTP/1.1 200");
}

std::unordered_map<pid_t, TreeUsage> tree_usage(const std::vector<pid_t>& roots) {
    std::unordered_map<pid_t, TreeUsage> out;
    for (const pid_t root : roots) {
        out[root];
    }
    if (roots.empty()) {
        return out;
    }
    const auto table = processes();
    for (const auto& [pid, row] : table) {
        pid_t up = pid;
        for (int depth = 0; up > 1 && depth < 64; ++depth) {
            if (const auto found = out.find(up); found != out.end()) {
                found->second.cpu_seconds += row.cpu_seconds;
                found->second.resident_bytes += row.resident_bytes;
                break;
            }
            const auto parent = table.find(up);
            up = parent == table.end() ? 0 : parent->second.parent;
        }
    }
    return out;
}

namespace {

struct Keeping {
    House house;
    const char* folder;
    char** program;
    char** environment;
    const sigset_t* watched;
};

/// Never comes back: the process becomes Jupyter.
[[noreturn]] void become_jupyter(const Keeping& keeping) {
    ::setpgid(0, 0);
    sigprocmask(SIG_UNBLOCK, keeping.watched, nullptr);
    if (::chdir(keeping.folder) == 0) {
        ::execve(keeping.program[0], keeping.program, keeping.environment);
    }
    ::_exit(127);
}

/// Passes SIGTERM on to `jupyter` and reaps whatever ends. True when Jupyter has ended, false when all is to
/// end at once.
bool mind(pid_t jupyter, const sigset_t& watched) {
    for (;;) {
        const int signal = ::sigwaitinfo(&watched, nullptr);
        if (signal == SIGTERM) {
            ::kill(jupyter, SIGTERM);
        } else if (signal == SIGINT) {
            return false;
        } else if (signal == SIGCHLD) {
            for (pid_t gone = 0; (gone = ::waitpid(-1, nullptr, WNOHANG)) > 0;) {
                if (gone == jupyter) {
                    return true;
                }
            }
        }
    }
}

/// The container's first process, with which everything in it ends.
[[noreturn]] void run_container(const Keeping& keeping) {
    if (!mount_own_proc()) {
        std::perror("curfew-emulator: no /proc of its own");
        ::_exit(126);
    }
    if (keeping.house == House::container_of_jupyter) {
        become_jupyter(keeping);
    }
    const pid_t jupyter = ::fork();
    if (jupyter == 0) {
        become_jupyter(keeping);
    }
    mind(jupyter, *keeping.watched);
    ::_exit(0);
}

}  // namespace

int keeper_main(int argc, char** argv) {
    if (argc < 7) {
        return 2;
    }
    const std::string_view house{argv[3]};
    Keeping keeping{house == word_of(House::shared)      ? House::shared
                    : house == word_of(House::container) ? House::container
                                                         : House::container_of_jupyter,
                    argv[5], nullptr, nullptr, nullptr};
    const bool shared = keeping.house == House::shared;
    ::prctl(PR_SET_PDEATHSIG, SIGINT);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::setsid();
    if (::getppid() != std::atoi(argv[2])) {
        return 0;  // the emulator died before the line above took effect
    }
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGINT);
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, nullptr);
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int log = ::open(argv[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(null, 0);
    ::dup2(log, 1);
    ::dup2(log, 2);
    std::vector<char*> environment;
    int at = 6;
    for (; at < argc && std::strcmp(argv[at], "--") != 0; ++at) {
        environment.push_back(argv[at]);
    }
    environment.push_back(nullptr);
    keeping.program = argv + at + 1;
    keeping.environment = environment.data();
    keeping.watched = &watched;
    if (!shared && !enter_namespaces()) {
        std::perror("curfew-emulator: no namespaces");
        return 1;
    }
    const pid_t first = ::fork();
    if (first == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (shared) {
            become_jupyter(keeping);
        }
        run_container(keeping);
    }
    const bool ended = mind(first, watched);
    if (shared) {
        kill_descendants(::getpid());
    } else if (!ended) {
        ::kill(first, SIGKILL);  // and with it, by the kernel, all that is in its namespace
        ::waitpid(first, nullptr, 0);
    }
    return 0;
}

}  // namespace emulator
