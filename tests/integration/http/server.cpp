#include "integration/http/server.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <stdexcept>

namespace support {

namespace {

constexpr int tick_ms = 10;

/// Readable (or closed) within one tick.
bool ready(int fd) {
    pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&wanted, 1, tick_ms) > 0;
}

std::size_t length_of(std::string_view head) {
    std::string low{head};
    std::ranges::transform(low, low.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    constexpr std::string_view name = "\r\ncontent-length: ";
    const std::size_t at = low.find(name);
    std::size_t length = 0;
    if (at != std::string::npos) {
        std::from_chars(low.data() + at + name.size(), low.data() + low.size(), length);
    }
    return length;
}

std::string accept_key(const std::string& key) {
    const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<unsigned char, SHA_DIGEST_LENGTH> hash{};
    SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
    std::array<unsigned char, 64> encoded{};
    const int size = EVP_EncodeBlock(encoded.data(), hash.data(), static_cast<int>(hash.size()));
    return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(size)};
}

}  // namespace

long Peer::read(char* into, std::size_t size) {
    while (!server_->ending_) {
        if ((ssl_ != nullptr && SSL_pending(ssl_) > 0) || ready(fd_)) {
            return ssl_ != nullptr ? SSL_read(ssl_, into, static_cast<int>(size))
                                   : ::recv(fd_, into, size, 0);
        }
    }
    return -1;
}

std::string Peer::request() {
    for (;;) {
        const std::size_t end = buffer_.find("\r\n\r\n");
        if (end != std::string::npos) {
            const std::size_t whole = end + 4 + length_of(std::string_view{buffer_}.substr(0, end));
            if (buffer_.size() >= whole) {
                std::string text = buffer_.substr(0, whole);
                buffer_.erase(0, whole);
                const std::lock_guard guard(server_->mutex_);
                server_->requests_.push_back(text);
                return text;
            }
        }
        char chunk[16 * 1024];
        const long got = read(chunk, sizeof chunk);
        if (got <= 0) {
            return {};
        }
        buffer_.append(chunk, static_cast<std::size_t>(got));
    }
}

std::string Peer::bytes(std::size_t count) {
    while (buffer_.size() < count) {
        char chunk[16 * 1024];
        const long got = read(chunk, sizeof chunk);
        if (got <= 0) {
            break;
        }
        buffer_.append(chunk, static_cast<std::size_t>(got));
    }
    std::string text = buffer_.substr(0, count);
    buffer_.erase(0, text.size());
    return text;
}

bool Peer::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const long sent = ssl_ != nullptr
                              ? SSL_write(ssl_, bytes.data(),
                                          static_cast<int>(std::min<std::size_t>(bytes.size(), 1U << 20)))
                              : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

bool Peer::pause(std::chrono::milliseconds d) {
    for (; d.count() > 0 && !server_->ending_; d -= std::chrono::milliseconds{tick_ms}) {
        std::this_thread::sleep_for(std::min(d, std::chrono::milliseconds{tick_ms}));
    }
    return !server_->ending_;
}

void Peer::await_close() {
    char chunk[4096];
    while (read(chunk, sizeof chunk) > 0) {
    }
}

void Peer::reset_at_end() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void Peer::say_goodbye() {
    SSL_shutdown(ssl_);
}

std::string Peer::server_name() const {
    const char* name = ssl_ != nullptr ? SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name) : nullptr;
    return name != nullptr ? name : "";
}

Server::Server(Script script, ServerTls tls) : script_(std::move(script)) {
    std::signal(SIGPIPE, SIG_IGN);
    if (!tls.certificate.empty()) {
        context_ = SSL_CTX_new(TLS_server_method());
        if (tls.version_max != 0 || tls.weak) {
            SSL_CTX_set_security_level(context_, 0);  // the old versions are refused here otherwise
            SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
            SSL_CTX_set_max_proto_version(context_, tls.version_max);
        }
        if (tls.version_min != 0) {
            SSL_CTX_set_min_proto_version(context_, tls.version_min);
        }
        if (!tls.ciphers.empty() && SSL_CTX_set_cipher_list(context_, tls.ciphers.c_str()) != 1) {
            throw std::runtime_error("no such cipher: " + tls.ciphers);
        }
        if (SSL_CTX_use_certificate_chain_file(context_, tls.certificate.c_str()) != 1 ||
            SSL_CTX_use_PrivateKey_file(context_, tls.key.c_str(), SSL_FILETYPE_PEM) != 1) {
            throw std::runtime_error("cannot read " + tls.certificate);
        }
    }
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): the form of the socket calls
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&name), size) != 0 ||
        ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
        throw std::runtime_error("cannot listen");
    }
    // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
    port_ = ntohs(name.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
}

Server::~Server() {
    ending_ = true;
    acceptor_.join();
    ::close(listener_);
    {
        const std::lock_guard guard(mutex_);
        for (const int fd : open_) {
            ::shutdown(fd, SHUT_RDWR);
        }
    }
    for (std::thread& thread : threads_) {
        thread.join();
    }
    SSL_CTX_free(context_);
}

std::vector<std::string> Server::requests() const {
    const std::lock_guard guard(mutex_);
    return requests_;
}

int Server::open() const {
    const std::lock_guard guard(mutex_);
    return static_cast<int>(open_.size());
}

std::vector<std::string> Server::names() const {
    const std::lock_guard guard(mutex_);
    return names_;
}

void Server::accept_all() {
    while (!ending_) {
        if (!ready(listener_)) {
            continue;
        }
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) {
            const int number = ++accepted_;
            const std::lock_guard guard(mutex_);
            open_.push_back(fd);
            threads_.emplace_back([this, fd, number] { serve(fd, number); });
        }
    }
}

void Server::serve(int fd, int number) {
    int seen = most_;
    const int here = ++now_;
    while (here > seen && !most_.compare_exchange_weak(seen, here)) {
    }
    Peer peer;
    peer.server_ = this;
    peer.fd_ = fd;
    peer.number_ = number;
    bool good = true;
    if (context_ != nullptr) {
        peer.ssl_ = SSL_new(context_);
        SSL_set_fd(peer.ssl_, fd);
        good = SSL_accept(peer.ssl_) == 1;
        const std::lock_guard guard(mutex_);
        names_.push_back(peer.server_name());
    }
    if (good) {
        script_(peer);
    }
    SSL_free(peer.ssl_);
    --now_;
    const std::lock_guard guard(mutex_);
    std::erase(open_, fd);
    ::close(fd);
}

std::string answer(std::string_view body, std::string_view more_headers) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           std::string{more_headers} + "\r\n" + std::string{body};
}

void echo(Peer& peer) {
    for (std::string text = peer.request(); !text.empty(); text = peer.request()) {
        const std::size_t from = text.find(' ') + 1;
        if (!peer.send(answer(text.substr(from, text.find(' ', from) - from)))) {
            return;
        }
    }
}

std::string header(const std::string& head, const std::string& name) {
    const std::size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) {
        return {};
    }
    const std::size_t from = at + name.size() + 4;
    return head.substr(from, head.find("\r\n", from) - from);
}

std::string upgrade(const std::string& request, const std::string& accept) {
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: " +
           (accept.empty() ? accept_key(header(request, "Sec-WebSocket-Key")) : accept) + "\r\n\r\n";
}

std::string frame(int kind, const std::string& body, bool last) {
    std::string out(1, static_cast<char>((last ? 0x80 : 0) | kind));
    if (body.size() < 126) {
        out += static_cast<char>(body.size());
    } else {
        const bool medium = body.size() < 65'536;
        out += static_cast<char>(medium ? 126 : 127);
        for (int shift = medium ? 8 : 56; shift >= 0; shift -= 8) {
            out += static_cast<char>(body.size() >> static_cast<unsigned>(shift) & 0xFFU);
        }
    }
    return out + body;
}

ClientFrame next_frame(Peer& peer) {
    const auto byte = [&](std::string& bytes, std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    std::string head = peer.bytes(2);
    if (head.size() < 2) {
        return {};
    }
    ClientFrame got{byte(head, 0) & 0x0F, (byte(head, 1) & 0x80) != 0, {}};
    std::size_t size = byte(head, 1) & 0x7FU;
    if (size >= 126) {
        std::string more = peer.bytes(size == 126 ? 2 : 8);
        size = 0;
        for (std::size_t i = 0; i < more.size(); ++i) {
            size = size << 8U | byte(more, i);
        }
    }
    std::string mask = got.masked ? peer.bytes(4) : std::string(4, '\0');
    got.body = peer.bytes(size);
    for (std::size_t i = 0; i < got.body.size() && mask.size() == 4; ++i) {
        got.body[i] = static_cast<char>(byte(got.body, i) ^ byte(mask, i % 4));
    }
    return got;
}

}  // namespace support
