// The other end of a connection, played by plain sockets on the same thread: writes what the fuzzer says, never waits.
#pragma once

#include "fuzz/target.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace curfew::fuzz {

class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_ = -1;
};

inline sockaddr_in tcp_address(std::uint32_t host, int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(host);
    return address;
}

/// Another address of the loopback each time: ended connections keep their pair of ends for a minute, and one
/// address would soon have none left.
inline std::uint32_t next_host() {
    static std::uint32_t turn = 0;
    turn = turn % 60'000 + 1;
    return 0x7F010000U + turn;
}
inline std::string host_text(std::uint32_t host) {
    std::string text = "127";
    for (const unsigned shift : {16U, 8U, 0U}) {
        text += "." + std::to_string(host >> shift & 255U);
    }
    return text;
}

inline int port_of(int fd) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    must(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return ntohs(address.sin_port);
}

/// At every address of this host, on a port of the kernel's choice.
inline Descriptor listen_anywhere(int flags) {
    Descriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    const sockaddr_in address = tcp_address(INADDR_ANY, 0);
    must(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    must(::listen(fd.get(), 64) == 0);
    return fd;
}

/// As much as the socket takes; what is beyond is lost.
inline void write_some(const Descriptor& fd, std::string_view bytes) {
    (void)::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/// Adds what has come. True when the other end has closed.
inline bool read_some(const Descriptor& fd, std::string& to) {
    std::array<char, 16'384> space;
    while (true) {
        const ssize_t got = ::recv(fd.get(), space.data(), space.size(), MSG_DONTWAIT);
        if (got <= 0) {
            return got == 0 || (errno != EAGAIN && errno != EINTR);
        }
        to.append(space.data(), static_cast<std::size_t>(got));
    }
}

}  // namespace curfew::fuzz
