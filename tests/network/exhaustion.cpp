// Without descriptors, and after thousands of connections.
#include "network/bench.hpp"
#include "network/certificates.hpp"

#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <thread>

using namespace curfew;
using namespace curfew::http;
using namespace network;
using support::Server;

namespace {

/// Only so many descriptors beyond those that are open. Numbers below the limit are taken first, so that none is free
/// in between.
class Scarce {
public:
    explicit Scarce(int spare) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        int highest = 0;
        for (int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC); fd >= 0 && fd < 200;
             fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
            held_.push_back(fd);
            highest = fd;
        }
        rlimit less = before_;
        less.rlim_cur = static_cast<rlim_t>(highest) + 1;
        ::setrlimit(RLIMIT_NOFILE, &less);
        for (int i = 0; i < spare; ++i) {
            ::close(held_.back());
            held_.pop_back();
        }
    }
    Scarce(const Scarce&) = delete;
    Scarce& operator=(const Scarce&) = delete;
    ~Scarce() {
        ::setrlimit(RLIMIT_NOFILE, &before_);
        for (const int fd : held_) {
            ::close(fd);
        }
    }

private:
    rlimit before_{};
    std::vector<int> held_;
};

/// Answers on one thread without keeping anything, in one of several ways by turns.
class Mill {
public:
    Mill() {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof name;
        // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): the form of the socket calls
        REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&name), size) == 0);
        REQUIRE(::listen(listener_, 128) == 0);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size);
        // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
        port_ = ntohs(name.sin_port);
        thread_ = std::thread([this] { grind(); });
    }
    Mill(const Mill&) = delete;
    Mill& operator=(const Mill&) = delete;
    ~Mill() {
        ending_ = true;
        thread_.join();
        ::close(listener_);
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }
    int accepted() const { return accepted_; }

private:
    void grind() {
        static constexpr std::array<std::string_view, 6> answers = {
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
            "HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "garbage\r\n\r\n",
            "",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        };
        while (!ending_) {
            pollfd wanted{.fd = listener_, .events = POLLIN, .revents = 0};
            if (::poll(&wanted, 1, 10) <= 0) {
                continue;
            }
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) {
                continue;
            }
            std::array<char, 4096> request{};
            (void)::recv(fd, request.data(), request.size(), 0);
            const std::string_view text = answers.at(static_cast<std::size_t>(accepted_++) % answers.size());
            (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
            if (text.empty()) {
                const linger now{.l_onoff = 1, .l_linger = 0};
                ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
            }
            ::close(fd);
        }
    }

    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> ending_ = false;
    std::atomic<int> accepted_ = 0;
    std::thread thread_;
};

}  // namespace

TEST_CASE(
    "without descriptors a request fails as one that may be tried again, and works when there are some") {
    Server server(support::echo);
    Bench b;
    Request stop = post(server.url(), "{}");
    {
        const Scarce none(0);
        for (const Request& request :
             {get(server.url()), stop, get("http://localhost:1/"), get("http://no.invalid/")}) {
            const auto lost = b.send(request);
            INFO(told(lost));
            REQUIRE_FALSE(lost);
            CHECK(lost.error().code == Errc::unavailable);
            CHECK(lost.error().may_retry());
            CHECK_FALSE(lost.error().ambiguous());
        }
        CHECK(b.client.connections() == 0);
    }
    CHECK(b.send(get(server.url())));
    const auto asked = b.send(stop);
    CHECK(asked);
}

TEST_CASE("a certificate that cannot be judged for want of descriptors is not called a bad one") {
    const Identity box("DNS:box.test");
    Server server(support::echo, box.tls());
    for (const bool given : {true, false}) {
        CAPTURE(given);
        Request request = get("https://box.test/x");
        request.route = {.connect_to = server.address(), .ca_file = given ? box.ca_file() : ""};
        for (int spare = 0; spare < 4; ++spare) {
            CAPTURE(spare);
            Bench b;
            Result<Response> scarce;
            {
                // The server is in this process: its end of the connection takes one as well.
                const Scarce few(spare);
                scarce = b.send(request, seconds{2});
            }
            INFO(told(scarce));
            if (!scarce && scarce.error().code != Errc::unsafe) {
                CHECK(scarce.error().may_retry());
            }
            // What was read without descriptors is not believed later.
            const auto later = b.send(request);
            INFO(told(later));
            CHECK(later.has_value() == given);
            CHECK((later || later.error().code == Errc::unsafe));
            if (given) {
                CHECK((scarce || scarce.error().code == Errc::unavailable ||
                       scarce.error().code == Errc::timeout));
            }
        }
    }
}

TEST_CASE("ten thousand connections, good and bad, leave nothing behind") {
    Mill mill;
    Bench b;
    int good = 0;
    int bad = 0;
    const auto run = [&](int count) {
        for (int i = 0; i < count; i += 10) {
            std::vector<support::Loop::Running<Result<Response>>> batch;
            for (int k = 0; k < 10; ++k) {
                batch.push_back(
                    b.loop.start(b.client.send(get(mill.url()), b.loop.scheduler().in(minutes{5}))));
            }
            for (auto& one : batch) {
                (one.get() ? good : bad) += 1;
            }
        }
    };
    run(2'000);
    const int before = descriptors();
    const long memory = resident_kib();
    const auto heap = static_cast<long>(::mallinfo2().uordblks);
    run(8'000);
    const long grown = resident_kib() - memory;
    const long held = static_cast<long>(::mallinfo2().uordblks) - heap;
    std::printf(
        "10000 connections: %d answers, %d errors; %d descriptors, %ld KiB resident, %ld bytes of heap "
        "more\n",
        good, bad, descriptors() - before, grown, held);
    CHECK(mill.accepted() == 10'000);
    CHECK(good == 5'000);
    CHECK(bad == 5'000);
    CHECK(b.client.connections() == 0);
    CHECK(descriptors() == before);
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
    CHECK(grown < 4'096);
    CHECK(held < 65'536);
#endif
}
