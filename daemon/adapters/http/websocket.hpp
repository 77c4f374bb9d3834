// Outgoing WebSockets (RFC 6455) for adapters, at the level of messages, over the connections of `Client`:
// its TLS checks, routes, bounds and counts. No compression, no Origin, no redirect; pings are answered
// while a message is awaited. One loop, one reader.
#pragma once

#include "adapters/http/client.hpp"

#include <cstddef>
#include <memory>
#include <string>

namespace curfew::http {

class WebSocket {
public:
    struct Message {
        std::string bytes;
        bool text = true;
    };
    static constexpr std::size_t unsent_max = std::size_t{1} << 20;

    /// Connects and asks for the upgrade. Of the request its URL (http or https), route, headers and
    /// credential are used. `message_max` bounds a message that comes in. An answer other than 101 is the
    /// error of its status (`error_of`); one that is no sound handshake is Errc::protocol.
    static Task<Result<WebSocket>> open(Client& client, Scheduler& scheduler, Request request,
                                        std::size_t message_max, Deadline deadline);
    /// Ends the connection at once, without a farewell.
    ~WebSocket();
    WebSocket(WebSocket&&) noexcept;
    WebSocket& operator=(WebSocket&&) = delete;
    WebSocket(const WebSocket&) = delete;
    WebSocket& operator=(const WebSocket&) = delete;

    /// Queues a text message; safe while `receive` waits. What goes wrong later ends the connection, and so
    /// the next `receive`. Errc::overloaded beyond `unsent_max` bytes that have not left.
    Result<void> send(std::string text);

    /// The next whole message. Every error ends the connection: timeout, too_large beyond `message_max`,
    /// protocol for what is no WebSocket, unavailable when the peer closed or went away, cancelled.
    Task<Result<Message>> receive(Deadline deadline);

    /// Says farewell, waits for the peer's for at most a second, and ends the connection.
    Task<void> close();

private:
    struct Impl;
    explicit WebSocket(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace curfew::http
