// The emulator's wall clock: real time, or a faster one with its own origin, and the date texts of the wire.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace emulator {

using Millis = std::int64_t;

class VirtualClock {
public:
    VirtualClock() = default;
    VirtualClock(Millis origin, Millis start_real, std::int64_t speed);

    [[nodiscard]] Millis now() const;
    [[nodiscard]] std::int64_t speed() const { return speed_; }
    /// Resumes when the virtual clock has reached `when`.
    [[nodiscard]] boost::asio::awaitable<void> sleep_until(Millis when) const;
    [[nodiscard]] static Millis real_now();

private:
    bool virtual_ = false;
    Millis origin_ = 0;
    Millis start_real_ = 0;
    std::int64_t speed_ = 1;
};

/// 2026-11-23T02:09:41.000Z
std::string iso(Millis at);
/// Of an HTTP Date header: Mon, 23 Nov 2026 02:09:41 GMT
std::string http_date(Millis at);
/// Jupyter's form: 2026-11-23T02:09:41.000000Z
std::string iso_micros(Millis at);
/// Lenient: date, 'T' or space, time, optional fraction, optional Z or +hh:mm; digits alone: epoch seconds.
std::optional<Millis> parse_iso(std::string_view text);
/// "30s", "5m", "1h", "250ms", "30" (seconds).
std::optional<Millis> parse_interval(std::string_view text);
/// Of the calendar month (UTC) that holds `at`: its start and the start of the next one.
struct Month {
    Millis from;
    Millis to;
    std::string name;  // 2026-11
};
Month month_of(Millis at);

}  // namespace emulator
