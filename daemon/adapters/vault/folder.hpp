// Files below one folder, and never outside it: every name is resolved by the kernel beneath the folder's
// descriptor, symbolic links refused. Blocking; for worker threads.
#pragma once

#include "curfew/core/error.hpp"
#include "curfew/core/receipt.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace curfew::vault {

/// Owns one descriptor.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor();
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_ = -1;
};

/// errno as an error; ENOSPC and EDQUOT are Errc::disk_full.
Error disk_error(const std::string& what, const std::string& path);

/// Opens (and makes, 0700) the folder.
Result<Descriptor> open_folder(const std::string& path, bool create);
/// Opens `path` below `folder`; with `create` parents are made as well.
Result<Descriptor> open_below(const Descriptor& folder, const std::string& path, int flags, bool create);
/// Removes one file or link below `folder`; what is not there is removed already.
Result<void> remove_below(const Descriptor& folder, const std::string& path);
Result<void> make_parents(const Descriptor& folder, const std::string& path);
Result<void> write_all(const Descriptor& file, std::span<const std::byte> bytes, const std::string& path);
/// Whole content, at most `bytes_max` (Errc::too_large).
Result<std::string> read_all(const Descriptor& file, std::int64_t bytes_max, const std::string& path);
/// Writes a small file anew.
Result<void> put(const Descriptor& folder, const std::string& path, std::string_view text);

struct Hashed {
    Sha256 sha256{};
    std::int64_t bytes = 0;
};
/// Hash of a file as the disk has it: what was cached of it is dropped first.
Result<Hashed> hash_file(const Descriptor& folder, const std::string& path);

/// SHA-256 piece by piece.
class Hasher {
public:
    Hasher();
    ~Hasher();
    Hasher(const Hasher&) = delete;
    Hasher& operator=(const Hasher&) = delete;
    void add(std::span<const std::byte> bytes);
    Sha256 finish();

private:
    void* context_;
};
Sha256 sha256_of(std::string_view text);

}  // namespace curfew::vault
