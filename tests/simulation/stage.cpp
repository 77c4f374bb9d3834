#include "simulation/stage.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdio>
#include <cstring>

namespace curfew::simulation {

namespace asio = boost::asio;

void Trace::take(std::string_view text) {
    take(text.size());
    while (text.size() >= 8) {
        std::uint64_t word = 0;
        for (unsigned i = 0; i < 8; ++i) {  // of one order on every machine
            word |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
        }
        take(word);
        text.remove_prefix(8);
    }
    for (const char c : text) {
        take(std::uint64_t{static_cast<unsigned char>(c)});
    }
}

void Trace::note(Instant at, std::string_view what, std::string_view of, std::int64_t number) {
    ++notes_;
    take(static_cast<std::uint64_t>(at.ms));
    take(what);
    take(of);
    take(static_cast<std::uint64_t>(number));
    if (print_) {
        std::fprintf(stderr, "%12lld  %.*s %.*s %lld\n", static_cast<long long>(at.ms),
                     static_cast<int>(what.size()), what.data(), static_cast<int>(of.size()), of.data(),
                     static_cast<long long>(number));
    }
}

Task<void> Line::for_ever() const {
    asio::steady_timer waiting(loop, asio::steady_timer::time_point::max());
    for (;;) {
        boost::system::error_code ended;
        co_await waiting.async_wait(asio::bind_cancellation_slot(
            asio::cancellation_slot{}, asio::redirect_error(asio::use_awaitable, ended)));
    }
}

Task<void> Line::pass(Duration d) const {
    if (dead) {
        co_await for_ever();
    }
    if (d <= Duration{0}) {
        co_await asio::post(loop, asio::use_awaitable);
    } else {
        co_await scheduler.sleep_for(d);
    }
    if (dead) {
        co_await for_ever();
    }
}

Task<void> Line::until(Instant host_mono) const {
    if (dead) {
        co_await for_ever();
    }
    co_await scheduler.sleep_until(host_mono);
    if (dead) {
        co_await for_ever();
    }
}

}  // namespace curfew::simulation
