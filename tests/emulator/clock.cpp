#include "clock.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

namespace emulator {
namespace {

std::int64_t real_micros() {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

std::optional<int> digits(std::string_view text, std::size_t from, std::size_t count) {
    if (text.size() < from + count) {
        return std::nullopt;
    }
    int value = 0;
    const auto* begin = text.data() + from;
    const auto [end, error] = std::from_chars(begin, begin + count, value);
    if (error != std::errc{} || end != begin + count) {
        return std::nullopt;
    }
    return value;
}

struct Civil {
    std::chrono::year_month_day date;
    std::chrono::hh_mm_ss<std::chrono::milliseconds> time;
};

Civil civil(Millis at) {
    const std::chrono::sys_time<std::chrono::milliseconds> point{std::chrono::milliseconds{at}};
    const auto day = std::chrono::floor<std::chrono::days>(point);
    return {std::chrono::year_month_day{day}, std::chrono::hh_mm_ss{point - day}};
}

std::string text_of(Millis at, bool micros) {
    const Civil c = civil(at);
    char out[64];
    std::snprintf(out, sizeof out, "%04d-%02u-%02uT%02d:%02d:%02d.%03d%sZ", static_cast<int>(c.date.year()),
                  static_cast<unsigned>(c.date.month()), static_cast<unsigned>(c.date.day()),
                  static_cast<int>(c.time.hours().count()), static_cast<int>(c.time.minutes().count()),
                  static_cast<int>(c.time.seconds().count()), static_cast<int>(c.time.subseconds().count()),
                  micros ? "000" : "");
    return out;
}

}  // namespace

VirtualClock::VirtualClock(Millis origin, Millis start_real, std::int64_t speed)
    : virtual_{true}, origin_{origin}, start_real_{start_real}, speed_{speed} {}

Millis VirtualClock::real_now() {
    return real_micros() / 1000;
}

Millis VirtualClock::now() const {
    if (!virtual_) {
        return real_now();
    }
    // In microseconds, so that a fast clock does not move in steps of its speed.
    return origin_ + (real_micros() - start_real_ * 1000) * speed_ / 1000;
}

boost::asio::awaitable<void> VirtualClock::sleep_until(Millis when) const {
    boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor};
    for (Millis left = when - now(); left > 0; left = when - now()) {
        // Short enough that a jump of the real wall clock is noticed.
        const std::int64_t wait = std::min<std::int64_t>(left * 1000 / speed_ + 50, 60'000'000);
        timer.expires_after(std::chrono::microseconds{wait});
        co_await timer.async_wait(boost::asio::use_awaitable);
    }
}

std::string iso(Millis at) {
    return text_of(at, false);
}

std::string http_date(Millis at) {
    static constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const Civil c = civil(at);
    const std::chrono::weekday day{std::chrono::sys_days{c.date}};
    char out[64];
    std::snprintf(out, sizeof out, "%s, %02u %s %04d %02d:%02d:%02d GMT", days.at(day.c_encoding()),
                  static_cast<unsigned>(c.date.day()), months.at(static_cast<unsigned>(c.date.month()) - 1),
                  static_cast<int>(c.date.year()), static_cast<int>(c.time.hours().count()),
                  static_cast<int>(c.time.minutes().count()), static_cast<int>(c.time.seconds().count()));
    return out;
}

std::string iso_micros(Millis at) {
    return text_of(at, true);
}

std::optional<Millis> parse_iso(std::string_view text) {
    if (!text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
        Millis seconds = 0;
        std::from_chars(text.data(), text.data() + text.size(), seconds);
        return seconds > 100'000'000'000 ? seconds : seconds * 1000;
    }
    const auto year = digits(text, 0, 4);
    const auto month = digits(text, 5, 2);
    const auto day = digits(text, 8, 2);
    if (!year || !month || !day) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{std::chrono::year{*year},
                                           std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    if (!date.ok()) {
        return std::nullopt;
    }
    Millis at = std::chrono::duration_cast<std::chrono::milliseconds>(
                    std::chrono::sys_days{date}.time_since_epoch())
                    .count();
    if (text.size() <= 10) {
        return at;
    }
    const auto hour = digits(text, 11, 2);
    const auto minute = digits(text, 14, 2);
    if (!hour || !minute) {
        return std::nullopt;
    }
    at += (*hour * 60LL + *minute) * 60'000;
    std::size_t pos = 16;
    if (pos < text.size() && text[pos] == ':') {
        const auto second = digits(text, 17, 2);
        if (!second) {
            return std::nullopt;
        }
        at += *second * 1000LL;
        pos = 19;
    }
    if (pos < text.size() && text[pos] == '.') {
        Millis unit = 100;
        for (++pos; pos < text.size() && text[pos] >= '0' && text[pos] <= '9'; ++pos, unit /= 10) {
            at += (text[pos] - '0') * unit;
        }
    }
    // A '+' that a client did not escape arrives as a space.
    if (pos < text.size() && (text[pos] == '+' || text[pos] == '-' || text[pos] == ' ')) {
        const auto zone_hour = digits(text, pos + 1, 2).value_or(0);
        const auto zone_minute = digits(text, pos + 4, 2).value_or(0);
        const Millis zone = (zone_hour * 60LL + zone_minute) * 60'000;
        at += text[pos] == '-' ? zone : -zone;
    }
    return at;
}

std::optional<Millis> parse_interval(std::string_view text) {
    Millis value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || value <= 0 || value > 1'000'000'000) {
        return std::nullopt;
    }
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    if (unit == "ms") {
        return value;
    }
    if (unit.empty() || unit == "s") {
        return value * 1000;
    }
    if (unit == "m") {
        return value * 60'000;
    }
    if (unit == "h") {
        return value * 3'600'000;
    }
    return std::nullopt;
}

Month month_of(Millis at) {
    const auto date = civil(at).date;
    const std::chrono::year_month month{date.year(), date.month()};
    const auto millis = [](std::chrono::year_month m) {
        return std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::chrono::sys_days{m / std::chrono::day{1}}.time_since_epoch())
            .count();
    };
    return {millis(month), millis(month + std::chrono::months{1}), iso(millis(month)).substr(0, 7)};
}

}  // namespace emulator
