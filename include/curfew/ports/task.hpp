// The coroutine type of every port, and deadlines.
#pragma once

#include "curfew/core/error.hpp"
#include "curfew/core/time.hpp"

#include <boost/asio/awaitable.hpp>

namespace curfew {

template <class T>
using Task = boost::asio::awaitable<T>;

/// Absolute and monotonic: what is left of a budget is passed on, never a fresh timeout.
struct Deadline {
    Instant at = instant_never;
    Deadline earlier(Instant other) const { return {at < other ? at : other}; }
};

}  // namespace curfew
