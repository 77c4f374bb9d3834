// A server that says exactly the bytes a test wants, on a thread per connection, plain or TLS.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace support {

class Server;

/// One connection, inside a script.
class Peer {
public:
    /// The next whole request (head and body by Content-Length); empty when the client has gone.
    std::string request();
    /// So many bytes of what follows it; fewer when the client has gone.
    std::string bytes(std::size_t count);
    bool send(std::string_view bytes);
    /// False when the server is ending.
    bool pause(std::chrono::milliseconds d);
    /// Waits until the client closes or the server ends.
    void await_close();
    /// Says good-bye in TLS; without it a closed connection is a truncated one.
    void say_goodbye();
    /// The end of the script ends the connection with a reset instead of a good-bye.
    void reset_at_end();
    int number() const { return number_; }  // 1 for the first connection
    std::string server_name() const;        // SNI

private:
    friend class Server;
    long read(char* into, std::size_t size);
    Server* server_ = nullptr;
    int fd_ = -1;
    int number_ = 0;
    SSL* ssl_ = nullptr;
    std::string buffer_;
};

struct ServerTls {
    std::string certificate;  // files
    std::string key;
    int version_max = 0;  // e.g. TLS1_1_VERSION
    int version_min = 0;
    bool weak = false;         // keys, digests and ciphers that OpenSSL would not serve with
    std::string ciphers = {};  // of TLS 1.2 and before
};

class Server {
public:
    using Script = std::function<void(Peer&)>;
    explicit Server(Script script, ServerTls tls = {});
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    std::uint16_t port() const { return port_; }
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    std::string url(std::string_view path = "/") const { return "http://" + address() + std::string{path}; }
    int accepted() const { return accepted_; }
    int most_at_once() const { return most_; }
    int open() const;  // connections that neither side has closed, as far as the server knows
    std::vector<std::string> requests() const;
    std::vector<std::string> names() const;

private:
    friend class Peer;
    void accept_all();
    void serve(int fd, int number);

    Script script_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    SSL_CTX* context_ = nullptr;
    std::atomic<int> accepted_ = 0;
    std::atomic<int> now_ = 0;
    std::atomic<int> most_ = 0;
    std::atomic<bool> ending_ = false;
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
    std::vector<std::string> names_;
    std::vector<int> open_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

/// "HTTP/1.1 200 OK" with a length and this body.
std::string answer(std::string_view body, std::string_view more_headers = {});

/// Answers every request with its own target.
void echo(Peer& peer);

/// The value of a request's header; empty when it has none.
std::string header(const std::string& head, const std::string& name);
/// The answer to a WebSocket's request, with the key that belongs to it or another one.
std::string upgrade(const std::string& request, const std::string& accept = {});

constexpr int text_frame = 1;
constexpr int close_frame = 8;
constexpr int ping_frame = 9;
constexpr int pong_frame = 10;

/// A WebSocket frame of a server.
std::string frame(int kind, const std::string& body, bool last = true);

struct ClientFrame {
    int kind = 0;
    bool masked = false;
    std::string body;
};

/// The next frame of a client; kind 0 when it has gone.
ClientFrame next_frame(Peer& peer);

}  // namespace support
