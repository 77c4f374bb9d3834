#include "adapters/process/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace curfew::process {

namespace {

constexpr int first_free = 3;  // after standard input, output and errors

std::unexpected<Error> out_of(const char* what, int error, const std::string& program) {
    return fail(Errc::overloaded, std::string{what} + ": " + std::strerror(error), program, Retry::later());
}

struct Pipe {
    Fd reading;
    Fd writing;
};

/// Never one of 0 to 2, even where those are closed: the child's own would fall over them.
Result<Pipe> make_pipe(bool we_read, const std::string& program) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return out_of("no pipe", errno, program);
    }
    Pipe pipe{Fd{ends[0]}, Fd{ends[1]}};
    for (Fd* end : {&pipe.reading, &pipe.writing}) {
        if (end->get() < first_free) {
            *end = Fd{::fcntl(end->get(), F_DUPFD_CLOEXEC, first_free)};
        }
        if (!*end) {
            return out_of("no pipe", errno, program);
        }
    }
    const int ours = we_read ? pipe.reading.get() : pipe.writing.get();
    ::fcntl(ours, F_SETFL, ::fcntl(ours, F_GETFL) | O_NONBLOCK);
    return pipe;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (const std::string& text : texts) {
        all.push_back(const_cast<char*>(text.c_str()));
    }
    all.push_back(nullptr);
    return all;
}

/// What the child does before it becomes the program.
class Actions {
public:
    Actions() {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawnattr_init(&attributes_);
    }
    Actions(const Actions&) = delete;
    Actions& operator=(const Actions&) = delete;
    ~Actions() {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }

    int prepare(const Pipe& input, const Pipe& output, const Pipe& errors, const std::string& folder) {
        sigset_t none;
        sigset_t all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        const int results[] = {
            ::posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str()),
            ::posix_spawn_file_actions_adddup2(&actions_, input.reading.get(), STDIN_FILENO),
            ::posix_spawn_file_actions_adddup2(&actions_, output.writing.get(), STDOUT_FILENO),
            ::posix_spawn_file_actions_adddup2(&actions_, errors.writing.get(), STDERR_FILENO),
            ::posix_spawn_file_actions_addclosefrom_np(&actions_, first_free),
            ::posix_spawnattr_setsigmask(&attributes_, &none),
            ::posix_spawnattr_setsigdefault(&attributes_, &all),  // SIGPIPE, which we ignore, above all
            ::posix_spawnattr_setpgroup(&attributes_, 0),
            ::posix_spawnattr_setflags(
                &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)};
        const auto* bad = std::ranges::find_if(results, [](int result) { return result != 0; });
        return bad == std::end(results) ? 0 : *bad;
    }

    const posix_spawn_file_actions_t* actions() const { return &actions_; }
    const posix_spawnattr_t* attributes() const { return &attributes_; }

private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

std::unexpected<Error> not_started(int error, const std::string& program) {
    switch (error) {
        case ENOENT:
        case ENOTDIR:
            return fail(Errc::not_found, "there is no such program, or no folder to run it in", program);
        case EACCES:
        case EPERM:
        case ENOEXEC:
            return fail(Errc::forbidden, std::string{"it may not be run: "} + std::strerror(error), program);
        case E2BIG:
            return fail(Errc::too_large, "its arguments are too long", program);
        default:
            return out_of("it could not be started", error, program);
    }
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        if (fd_ >= 0) {
            ::close(fd_);
        }
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

Fd::~Fd() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<Spawned> spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                      const std::string& folder) {
    if (argv.empty() || !argv.front().starts_with('/')) {
        return fail(Errc::invalid, "a program is named by its absolute path",
                    argv.empty() ? "" : argv.front());
    }
    const std::string& program = argv.front();
    const auto holds_end = [](const std::string& text) { return text.find('\0') != std::string::npos; };
    if (std::ranges::any_of(argv, holds_end) || std::ranges::any_of(environment, holds_end)) {
        return fail(Errc::invalid, "an argument holds a zero byte", program);
    }
    auto input = make_pipe(false, program);
    auto output = make_pipe(true, program);
    auto errors = make_pipe(true, program);
    if (!input || !output || !errors) {
        return std::unexpected(!input ? input.error() : !output ? output.error() : errors.error());
    }
    Actions actions;
    if (const int bad = actions.prepare(*input, *output, *errors, folder); bad != 0) {
        return out_of("it could not be started", bad, program);
    }
    Spawned spawned;
    if (const int bad = ::posix_spawn(&spawned.pid, program.c_str(), actions.actions(), actions.attributes(),
                                      pointers(argv).data(), pointers(environment).data());
        bad != 0) {
        return not_started(bad, program);
    }
    // By number: the header of glibc 2.36 cannot be used from C++. Close-on-exec by itself.
    spawned.pidfd = Fd{static_cast<int>(::syscall(SYS_pidfd_open, spawned.pid, 0))};
    if (!spawned.pidfd) {
        const int error = errno;
        ::kill(-spawned.pid, SIGKILL);
        ::waitpid(spawned.pid, nullptr, 0);  // dead already: this does not wait
        return out_of("it could not be watched", error, program);
    }
    // Keys may be in its memory. Where a sandbox forbids this, its own LimitCORE=0 does the same.
    const rlimit no_core{};
    ::prlimit(spawned.pid, RLIMIT_CORE, &no_core, nullptr);
    spawned.input = std::move(input->writing);
    spawned.output = std::move(output->reading);
    spawned.errors = std::move(errors->reading);
    return spawned;
}

}  // namespace curfew::process
