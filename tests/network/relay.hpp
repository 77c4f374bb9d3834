// Stands between a client and a real server on loopback, and breaks the connection where a test says.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace network {

enum class Cut : std::uint8_t { farewell, reset, silence };

/// What a relay does with one connection.
struct Fate {
    std::size_t answer_bytes = SIZE_MAX;   // from the server, then the cut
    std::size_t request_bytes = SIZE_MAX;  // from the client, then the cut
    Cut cut = Cut::farewell;
};

class Relay {
public:
    explicit Relay(std::uint16_t server_port);
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;
    ~Relay();

    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    void next(Fate fate);
    /// Bytes that the server sent over the last connection that has ended.
    std::size_t last_answer() const { return last_answer_; }
    /// All that clients sent first, before any tunnel: an answer to it makes this relay an HTTP proxy.
    void be_proxy(std::string answer_to_connect);
    std::string heads() const;
    int accepted() const { return accepted_; }

private:
    void serve(int client);
    void pump(int client, int server, Fate fate);

    std::uint16_t server_port_;
    std::uint16_t port_ = 0;
    int listener_ = -1;
    std::atomic<bool> ending_ = false;
    std::atomic<int> accepted_ = 0;
    std::atomic<std::size_t> last_answer_ = 0;
    mutable std::mutex mutex_;
    Fate fate_;
    std::string connect_answer_;
    std::string heads_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

}  // namespace network
