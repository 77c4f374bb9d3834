// Names to addresses. The system's resolver blocks and cannot be interrupted, so each lookup has a thread, a few
// at a time: a name server that says nothing delays neither the loop, nor other names, nor the end of the process.
#pragma once

#include "curfew/core/error.hpp"
#include "curfew/core/time.hpp"
#include "curfew/ports/scheduler.hpp"
#include "curfew/ports/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace curfew::http {

using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

class Names {
public:
    /// Nobody waits longer than `patience` for a lookup; a late answer serves the next who asks.
    Names(boost::asio::any_io_executor loop, Scheduler& scheduler, Duration patience);
    ~Names();
    Names(const Names&) = delete;
    Names& operator=(const Names&) = delete;

    /// Addresses are kept for 5 min, and used for up to 1 h while the resolver fails or is silent.
    /// Errc::unavailable when there are none.
    Task<Result<Endpoints>> resolve(std::string host, std::uint16_t port, Deadline deadline);
    /// None of its addresses could be connected to: the next one who asks looks it up anew.
    void doubt(const std::string& host, std::uint16_t port);
    /// Lookups under way are left to themselves.
    void close();
    /// Names that are remembered, for leak tests (I13).
    std::size_t kept() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace curfew::http
