#include "network/relay.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace network {

namespace {

constexpr int tick_ms = 10;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons(port);
    return name;
}

bool ready(int fd) {
    pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&wanted, 1, tick_ms) > 0;
}

bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

void end(int fd, Cut cut) {
    if (cut == Cut::reset) {
        const linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    ::close(fd);
}

}  // namespace

Relay::Relay(std::uint16_t server_port) : server_port_(server_port) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name = loopback(0);
    socklen_t size = sizeof name;
    // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): the form of the socket calls
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&name), size) != 0 ||
        ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
        throw std::runtime_error("cannot listen");
    }
    // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
    port_ = ntohs(name.sin_port);
    acceptor_ = std::thread([this] {
        while (!ending_) {
            const int client = ready(listener_) ? ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC) : -1;
            if (client >= 0) {
                ++accepted_;
                threads_.emplace_back([this, client] { serve(client); });
            }
        }
    });
}

Relay::~Relay() {
    ending_ = true;
    acceptor_.join();
    for (std::thread& thread : threads_) {
        thread.join();
    }
    ::close(listener_);
}

void Relay::next(Fate fate) {
    const std::lock_guard guard(mutex_);
    fate_ = fate;
}

void Relay::be_proxy(std::string answer_to_connect) {
    const std::lock_guard guard(mutex_);
    connect_answer_ = std::move(answer_to_connect);
}

std::string Relay::heads() const {
    const std::lock_guard guard(mutex_);
    return heads_;
}

void Relay::serve(int client) {
    Fate fate;
    std::string connect_answer;
    {
        const std::lock_guard guard(mutex_);
        fate = fate_;
        connect_answer = connect_answer_;
    }
    if (!connect_answer.empty()) {
        std::string head;
        std::array<char, 1024> piece{};
        while (!ending_ && head.find("\r\n\r\n") == std::string::npos) {
            const auto got = ready(client) ? ::recv(client, piece.data(), piece.size(), 0) : -1;
            if (got == 0) {
                break;
            }
            head.append(piece.data(), static_cast<std::size_t>(std::max<long>(got, 0)));
        }
        const std::lock_guard guard(mutex_);
        heads_ += head;
        send_all(client, connect_answer);
    }
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in name = loopback(server_port_);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the form of the socket calls
    if (::connect(server, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) {
        pump(client, server, fate);
    }
    ::close(server);
    end(client, fate.cut);
}

/// Returns when it is time to end the client's connection.
void Relay::pump(int client, int server, Fate fate) {
    std::array<char, 16 * 1024> piece{};
    std::size_t asked = 0;
    std::size_t answered = 0;
    bool cut = fate.answer_bytes == 0 || fate.request_bytes == 0;
    while (!ending_) {
        if (cut && fate.cut != Cut::silence) {
            break;
        }
        std::array<pollfd, 2> wanted{pollfd{.fd = client, .events = POLLIN, .revents = 0},
                                     pollfd{.fd = server, .events = POLLIN, .revents = 0}};
        ::poll(wanted.data(), wanted.size(), tick_ms);
        if (wanted[0].revents != 0) {
            const auto got = ::recv(client, piece.data(), piece.size(), 0);
            if (got <= 0) {
                break;
            }
            const auto pass = std::min(static_cast<std::size_t>(got), fate.request_bytes - asked);
            asked += pass;
            cut = cut || asked == fate.request_bytes;
            if (!send_all(server, {piece.data(), cut ? 0 : pass})) {
                break;
            }
        }
        if (wanted[1].revents != 0 && !cut) {
            const auto got = ::recv(server, piece.data(), piece.size(), 0);
            if (got <= 0) {
                break;
            }
            const auto pass = std::min(static_cast<std::size_t>(got), fate.answer_bytes - answered);
            answered += pass;
            cut = cut || answered == fate.answer_bytes;
            if (!send_all(client, {piece.data(), pass})) {
                break;
            }
        }
    }
    last_answer_ = answered;
}

}  // namespace network
