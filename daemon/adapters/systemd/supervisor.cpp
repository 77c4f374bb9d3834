#include "adapters/systemd/supervisor.hpp"

#include <systemd/sd-daemon.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace curfew::systemd {

void SystemdSupervisor::ready() {
    ::sd_notify(0, "READY=1");
}

void SystemdSupervisor::reloading() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    const auto usec = std::int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
    ::sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(usec)).c_str());
}

void SystemdSupervisor::stopping() {
    ::sd_notify(0, "STOPPING=1");
}

void SystemdSupervisor::status(const std::string& line) {
    std::string clean = line;
    std::ranges::replace(clean, '\n', ' ');
    ::sd_notify(0, ("STATUS=" + clean).c_str());
}

void SystemdSupervisor::alive() {
    ::sd_notify(0, "WATCHDOG=1");
}

std::optional<Duration> SystemdSupervisor::watchdog_interval() const {
    std::uint64_t usec = 0;
    if (::sd_watchdog_enabled(0, &usec) <= 0) {
        return std::nullopt;
    }
    return Duration{static_cast<std::int64_t>(usec / 1000)};
}

Result<std::map<std::string, int>> inherited_sockets() {
    char** names = nullptr;
    const int count = ::sd_listen_fds_with_names(1, &names);
    if (count < 0) {
        return fail(Errc::invalid, std::string{"sockets of the manager: "} + std::strerror(-count));
    }
    std::map<std::string, int> sockets;
    Result<void> bad{};
    for (int i = 0; i < count; ++i) {
        const int fd = SD_LISTEN_FDS_START + i;
        const std::string name = names != nullptr && names[i] != nullptr ? names[i] : "";
        if (::sd_is_socket_unix(fd, SOCK_STREAM, 1, nullptr, 0) <= 0) {
            bad = fail(Errc::invalid,
                       "the manager handed over something that is no listening Unix stream socket", name);
        }
        ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
        sockets[name] = fd;
    }
    for (int i = 0; i < count && names != nullptr; ++i) {
        std::free(names[i]);
    }
    std::free(names);
    if (!bad) {
        return std::unexpected(bad.error());
    }
    return sockets;
}

namespace {

/// An open file of the right kind and mode.
struct PrivateFile {
    int fd = -1;
    std::string path;
    bool regular = false;
    bool open_to_others = false;

    PrivateFile() = default;
    PrivateFile(PrivateFile&& other) noexcept
        : fd(std::exchange(other.fd, -1)), path(std::move(other.path)), regular(other.regular),
          open_to_others(other.open_to_others) {}
    PrivateFile& operator=(PrivateFile&&) = delete;
    ~PrivateFile() {
        if (fd >= 0) {
            ::close(fd);
        }
    }
};

Result<PrivateFile> open_private(const std::string& file_or_credential) {
    constexpr std::string_view prefix = "credential:";
    PrivateFile file;
    file.path = file_or_credential;
    const bool credential = file.path.starts_with(prefix);
    if (credential) {
        const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
        const std::string name = file.path.substr(prefix.size());
        if (folder == nullptr || name.empty() || name.find('/') != std::string::npos) {
            return fail(Errc::invalid, "no such credential (LoadCredential= in the unit hands it over)",
                        file.path);
        }
        file.path = std::string{folder} + "/" + name;
    }
    file.fd = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file.fd < 0) {
        return fail(Errc::not_found, std::string{"cannot be read: "} + std::strerror(errno),
                    file_or_credential);
    }
    struct stat info{};
    file.regular = ::fstat(file.fd, &info) == 0 && S_ISREG(info.st_mode);
    // systemd guards its folder itself, and may show the file's access list as group bits.
    const mode_t forbidden = credential ? S_IRWXO : S_IRWXG | S_IRWXO;
    file.open_to_others = (info.st_mode & forbidden) != 0;
    return file;
}

std::unexpected<Error> not_readable(const std::string& file_or_credential) {
    return fail(Errc::invalid, "is not a readable file", file_or_credential);
}

std::unexpected<Error> open_to_others(const PrivateFile& file, const std::string& file_or_credential) {
    return fail(Errc::unsafe, "can be read by group or others; run: chmod 600 " + file.path,
                file_or_credential);
}

}  // namespace

Result<Secret> read_secret(const std::string& file_or_credential) {
    auto file = open_private(file_or_credential);
    if (!file) {
        return std::unexpected(file.error());
    }
    std::string text;
    std::array<char, 4096> buffer{};
    bool readable = file->regular;
    while (readable && text.size() <= 65'536) {
        const ssize_t got = ::read(file->fd, buffer.data(), buffer.size());
        if (got <= 0) {
            readable = got == 0;
            break;
        }
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    explicit_bzero(buffer.data(), buffer.size());
    if (text.ends_with('\n')) {
        text.pop_back();
    }
    Secret secret{std::move(text)};
    if (!readable) {
        return not_readable(file_or_credential);
    }
    if (file->open_to_others) {
        return open_to_others(*file, file_or_credential);
    }
    const std::string_view value = secret.reveal();
    if (value.empty() || value.size() > 65'536) {
        return fail(Errc::invalid, "is empty or larger than 64 KiB", file_or_credential);
    }
    if (std::ranges::any_of(value,
                            [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
        return fail(Errc::invalid, "holds control characters; it must be one line", file_or_credential);
    }
    return secret;
}

Result<std::string> private_file(const std::string& file_or_credential) {
    auto file = open_private(file_or_credential);
    if (!file) {
        return std::unexpected(file.error());
    }
    if (!file->regular) {
        return not_readable(file_or_credential);
    }
    if (file->open_to_others) {
        return open_to_others(*file, file_or_credential);
    }
    return std::move(file->path);
}

}  // namespace curfew::systemd
