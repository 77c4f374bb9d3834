#include "adapters/keep_key/keep_key.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace curfew::keep_key {

namespace {

constexpr int key_bytes = 32;

bool write_whole(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t put = ::write(fd, text.data(), text.size());
        if (put < 0) {
            return false;
        }
        text.remove_prefix(static_cast<std::size_t>(put));
    }
    return ::fsync(fd) == 0;
}

}  // namespace

Result<void> make(const std::string& path, Entropy& entropy) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0) {
        return {};
    }
    // A link of a finished file, so that nobody ever reads a part of it.
    const std::string draft = path + "." + entropy.hex(8);
    const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return fail(Errc::disk, std::string{"cannot be made: "} + std::strerror(errno), path);
    }
    const Secret line{entropy.hex(key_bytes) + "\n"};
    const bool made = write_whole(fd, line.reveal()) &&
                      (::link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST);
    const int why = errno;
    ::close(fd);
    ::unlink(draft.c_str());
    if (!made) {
        return fail(Errc::disk, std::string{"cannot be made: "} + std::strerror(why), path);
    }
    return {};
}

KeepMac mac_by(Secret key) {
    return [key = std::move(key)](std::string_view text) {
        std::array<unsigned char, EVP_MAX_MD_SIZE> code{};
        unsigned size = 0;
        const std::string_view bytes = key.reveal();
        const unsigned char* made = HMAC(EVP_sha256(), bytes.data(), static_cast<int>(bytes.size()),
                                         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                                         code.data(), &size);
        CURFEW_ASSERT(made != nullptr, "SHA-256 is part of every OpenSSL");
        return std::string{reinterpret_cast<const char*>(code.data()), size};
    };
}

}  // namespace curfew::keep_key
