// Starts one program with nothing of ours but three pipes: posix_spawn, own process group, no descriptor
// above 2, every signal at its default, and a pidfd to wait on. fork() is not used: the event loop lives on.
#pragma once

#include "curfew/core/error.hpp"

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace curfew::process {

/// Closes its descriptor when it dies.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd();

    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_ = -1;
};

struct Spawned {
    pid_t pid = -1;  // leads a process group of the same number
    Fd pidfd;        // readable once it has ended; whoever reaps it does so through this
    Fd input;        // our ends of its pipes, non-blocking
    Fd output;
    Fd errors;
};

/// `argv[0]` is an absolute path. Errors: invalid for what cannot be passed on, not_found (never) when
/// there is no such program, forbidden (never) when it may not be run, overloaded (later) when the system
/// is out of something.
Result<Spawned> spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                      const std::string& folder);

}  // namespace curfew::process
