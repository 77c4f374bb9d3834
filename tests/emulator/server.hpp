// The listeners: HTTP/1.1 with keep-alive, plain or TLS, on loopback ports that the kernel picks.
#pragma once

#include "emulator.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ssl/context.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace emulator {

/// Listens from now on; gives the port.
std::uint16_t serve_api(const boost::asio::any_io_executor& executor, Emulator& emulator,
                        const std::string& host, boost::asio::ssl::context* tls);
std::uint16_t serve_guests(const boost::asio::any_io_executor& executor, Emulator& emulator,
                           boost::asio::ssl::context* tls);
/// A whole reply's head; `length` is the body's; with a Date header when there is a time.
std::string reply_head(const Reply& reply, std::uint64_t length, bool keep_alive,
                       std::optional<Millis> date = std::nullopt);

}  // namespace emulator
