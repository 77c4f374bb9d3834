#include "isolation.hpp"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace emulator {
namespace {

bool write_whole(const char* path, const std::string& text) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(fd);
    return written;
}

bool terminals_open() {
    const int fd = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const char* name = ::grantpt(fd) == 0 && ::unlockpt(fd) == 0 ? ::ptsname(fd) : nullptr;
    const bool good = name != nullptr && ::access(name, R_OK | W_OK) == 0;
    ::close(fd);
    return good;
}

}  // namespace

bool enter_namespaces() {
    constexpr int own = CLONE_NEWPID | CLONE_NEWNS;
    const uid_t user = ::geteuid();
    const gid_t group = ::getegid();
    if (::unshare(own) == 0) {
        return true;
    }
    // A group can only be mapped by somebody who has given up changing groups.
    return ::unshare(own | CLONE_NEWUSER) == 0 && write_whole("/proc/self/setgroups", "deny") &&
           write_whole("/proc/self/uid_map", "0 " + std::to_string(user) + " 1") &&
           write_whole("/proc/self/gid_map", "0 " + std::to_string(group) + " 1");
}

bool mount_own_proc() {
    constexpr unsigned long plain = MS_NOSUID | MS_NOEXEC;
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("proc", "/proc", "proc", plain | MS_NODEV, nullptr) != 0) {
        return false;
    }
    if (::mount("devpts", "/dev/pts", "devpts", plain, "newinstance,ptmxmode=0666,mode=0620") == 0 &&
        !terminals_open()) {
        ::umount2("/dev/pts", MNT_DETACH);
    }
    return true;
}

bool isolation_works() {
    // The process that enters the namespaces is not the first one in them.
    const pid_t outer = ::fork();
    if (outer == 0) {
        if (!enter_namespaces()) {
            ::_exit(1);
        }
        const pid_t first = ::fork();
        if (first == 0) {
            ::_exit(::getpid() == 1 && mount_own_proc() ? 0 : 1);
        }
        int status = 0;
        ::_exit(first > 0 && ::waitpid(first, &status, 0) == first && status == 0 ? 0 : 1);
    }
    int status = 0;
    return outer > 0 && ::waitpid(outer, &status, 0) == outer && status == 0;
}

}  // namespace emulator
