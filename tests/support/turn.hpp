// A turn of the loop: what completes through it never completes inside its caller.
#pragma once

#include "curfew/ports/scheduler.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace curfew::test {

inline Task<void> turn(boost::asio::io_context& io) {
    co_await boost::asio::post(io, boost::asio::use_awaitable);
}

}  // namespace curfew::test
