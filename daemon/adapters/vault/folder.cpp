#include "adapters/vault/folder.hpp"

#include <openssl/evp.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace curfew::vault {

namespace {

constexpr std::size_t hash_chunk = 1U << 20;
constexpr off_t read_ahead = off_t{8} << 20;  // what the disk fetches while we hash

/// Opens `path` below `folder` part by part, so that no link and no ".." on the way leads elsewhere: ELOOP, EXDEV.
/// Not by openat2, which does the same in one call: RestrictSUIDSGID= of our unit answers it with ENOSYS.
int beneath(int folder, const std::string& path, int flags, mode_t mode) {
    if (path.empty() || path.front() == '/') {
        errno = path.empty() ? ENOENT : EXDEV;
        return -1;
    }
    Descriptor way;
    int at = folder;
    for (std::size_t begin = 0;;) {
        const std::size_t slash = path.find('/', begin);
        const bool last = slash == std::string::npos;
        const std::string part = path.substr(begin, last ? slash : slash - begin);
        if (part == "..") {
            errno = EXDEV;
            return -1;
        }
        const int how = last ? flags : O_PATH | O_DIRECTORY;
        int fd = -1;
        do {
            fd = ::openat(at, part.c_str(), how | O_NOFOLLOW | O_CLOEXEC, mode);
        } while (fd < 0 && errno == EINTR);
        if (fd < 0 && errno == ENOTDIR) {  // also what O_DIRECTORY says of a link
            struct stat info{};
            const bool link = ::fstatat(at, part.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                              S_ISLNK(info.st_mode);
            errno = link ? ELOOP : ENOTDIR;
        }
        if (fd < 0 || last) {
            return fd;
        }
        way = Descriptor{fd};
        at = way.get();
        begin = slash + 1;
    }
}

}  // namespace

Descriptor::~Descriptor() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Error disk_error(const std::string& what, const std::string& path) {
    const int code = errno;
    if (code == ENOSPC || code == EDQUOT) {
        return {Errc::disk_full, Retry::later(), what + ": the disk is full", path};
    }
    if (code == EXDEV || code == ELOOP) {
        return {Errc::unsafe, Retry::never(), what + ": the path leads outside the vault", path};
    }
    if (code == ENOENT) {
        return {Errc::not_found, Retry::never(), what + ": " + std::strerror(code), path};
    }
    return {Errc::disk, Retry::later(), what + ": " + std::strerror(code), path};
}

Result<Descriptor> open_folder(const std::string& path, bool create) {
    if (create) {
        for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
            const std::string part = path.substr(0, slash);
            if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
                return std::unexpected(disk_error("cannot make a folder", part));
            }
            if (slash == std::string::npos) {
                break;
            }
        }
    }
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return std::unexpected(disk_error("cannot open the folder", path));
    }
    return Descriptor{fd};
}

Result<void> make_parents(const Descriptor& folder, const std::string& path) {
    for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        const std::string part = path.substr(0, slash);
        const std::size_t up = part.rfind('/');
        const std::string parent = up == std::string::npos ? "." : part.substr(0, up);
        const Descriptor at{beneath(folder.get(), parent, O_RDONLY | O_DIRECTORY, 0)};
        const std::string name = up == std::string::npos ? part : part.substr(up + 1);
        if (!at || (::mkdirat(at.get(), name.c_str(), 0700) != 0 && errno != EEXIST)) {
            return std::unexpected(disk_error("cannot make a folder", part));
        }
    }
    return {};
}

Result<void> remove_below(const Descriptor& folder, const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash);
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    const Descriptor at{beneath(folder.get(), parent, O_RDONLY | O_DIRECTORY, 0)};
    if ((!at || ::unlinkat(at.get(), name.c_str(), 0) != 0) && errno != ENOENT && errno != ENOTDIR) {
        return std::unexpected(disk_error("cannot remove", path));
    }
    return {};
}

Result<Descriptor> open_below(const Descriptor& folder, const std::string& path, int flags, bool create) {
    Descriptor file{beneath(folder.get(), path, flags, 0600)};
    if (!file && create && errno == ENOENT) {  // most files have neighbours, so their folder is there
        if (auto made = make_parents(folder, path); !made) {
            return std::unexpected(made.error());
        }
        file = Descriptor{beneath(folder.get(), path, flags, 0600)};
    }
    if (!file) {
        return std::unexpected(disk_error("cannot open", path));
    }
    return file;
}

Result<void> write_all(const Descriptor& file, std::span<const std::byte> bytes, const std::string& path) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return std::unexpected(disk_error("cannot write", path));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

Result<std::string> read_all(const Descriptor& file, std::int64_t bytes_max, const std::string& path) {
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) {
        return std::unexpected(disk_error("cannot look at", path));
    }
    if (info.st_size > bytes_max) {
        return fail(Errc::too_large, "larger than allowed here", path);
    }
    std::string text(static_cast<std::size_t>(info.st_size), '\0');
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t got = ::pread(file.get(), text.data() + done, text.size() - done,
                                    static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return std::unexpected(disk_error("cannot read", path));
        }
        done += static_cast<std::size_t>(got);
    }
    return text;
}

Result<void> put(const Descriptor& folder, const std::string& path, std::string_view text) {
    auto file = open_below(folder, path, O_WRONLY | O_CREAT | O_TRUNC, true);
    if (!file) {
        return std::unexpected(file.error());
    }
    auto written = write_all(*file, std::as_bytes(std::span{text.data(), text.size()}), path);
    if (written && ::fsync(file->get()) != 0) {
        return std::unexpected(disk_error("cannot sync", path));
    }
    return written;
}

Result<Hashed> hash_file(const Descriptor& folder, const std::string& path) {
    auto file = open_below(folder, path, O_RDONLY, false);
    if (!file) {
        return std::unexpected(file.error());
    }
    ::posix_fadvise(file->get(), 0, 0, POSIX_FADV_DONTNEED);
    ::posix_fadvise(file->get(), 0, read_ahead, POSIX_FADV_WILLNEED);
    static thread_local std::vector<std::byte> chunk(hash_chunk);
    Hasher hasher;
    Hashed out;
    for (;;) {
        const ssize_t got = ::read(file->get(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return std::unexpected(disk_error("cannot read back", path));
        }
        if (got == 0) {
            break;
        }
        ::posix_fadvise(file->get(), out.bytes + read_ahead, got, POSIX_FADV_WILLNEED);
        hasher.add(std::span{chunk}.first(static_cast<std::size_t>(got)));
        out.bytes += got;
    }
    out.sha256 = hasher.finish();
    return out;
}

Hasher::Hasher() : context_(EVP_MD_CTX_new()) {
    CURFEW_ASSERT(context_ != nullptr &&
                      EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_sha256(), nullptr) == 1,
                  "SHA-256 is there");
}

Hasher::~Hasher() {
    EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_));
}

void Hasher::add(std::span<const std::byte> bytes) {
    EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size());
}

Sha256 Hasher::finish() {
    Sha256 hash{};
    unsigned size = 0;
    EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), hash.data(), &size);
    return hash;
}

Sha256 sha256_of(std::string_view text) {
    Hasher hasher;
    hasher.add(std::as_bytes(std::span{text.data(), text.size()}));
    return hasher.finish();
}

}  // namespace curfew::vault
