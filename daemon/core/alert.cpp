#include "curfew/core/alert.hpp"

#include <array>

namespace curfew {

std::string_view to_string(Severity severity) {
    switch (severity) {
        case Severity::info:
            return "info";
        case Severity::warning:
            return "warning";
        case Severity::critical:
            break;
    }
    return "critical";
}

std::string_view to_string(AlertState state) {
    switch (state) {
        case AlertState::firing:
            return "firing";
        case AlertState::acknowledged:
            return "acknowledged";
        case AlertState::resolved:
            return "resolved";
        case AlertState::pending:
            break;
    }
    return "pending";
}

std::string_view to_string(AlertKind kind) {
    switch (kind) {
        case AlertKind::stop_warning:
            return "stop_warning";
        case AlertKind::stop_cancelled:
            return "stop_cancelled";
        case AlertKind::stopped:
            return "stopped";
        case AlertKind::stop_failed:
            return "stop_failed";
        case AlertKind::pack_failed:
            return "pack_failed";
        case AlertKind::budget_threshold:
            return "budget_threshold";
        case AlertKind::key_rejected:
            return "key_rejected";
        case AlertKind::blind:
            return "blind";
        case AlertKind::unpriced:
            return "unpriced";
        case AlertKind::undelivered:
            return "undelivered";
        case AlertKind::breaker:
            return "breaker";
        case AlertKind::disk:
            return "disk";
        case AlertKind::config:
            return "config";
        case AlertKind::would_stop:
            return "would_stop";
        case AlertKind::trial_over:
            return "trial_over";
        case AlertKind::false_stops:
            return "false_stops";
        case AlertKind::bad_stamp:
            return "bad_stamp";
        case AlertKind::drift:
            return "drift";
        case AlertKind::burn_rate:
            return "burn_rate";
        case AlertKind::credit:
            return "credit";
        case AlertKind::stale:
            return "stale";
        case AlertKind::backlog:
            return "backlog";
        case AlertKind::dead_letter:
            return "dead_letter";
        case AlertKind::database:
            return "database";
        case AlertKind::clock:
            return "clock";
        case AlertKind::cycles:
            return "cycles";
        case AlertKind::digest:
            return "digest";
        case AlertKind::summary:
            return "summary";
        case AlertKind::test:
            break;
    }
    return "test";
}

std::string_view to_string(Telling telling) {
    switch (telling) {
        case Telling::notice:
            return "notice";
        case Telling::firing:
            return "firing";
        case Telling::rise:
            return "rise";
        case Telling::repeat:
            return "repeat";
        case Telling::escalation:
            return "escalation";
        case Telling::acknowledged:
            return "acknowledged";
        case Telling::resolved:
            break;
    }
    return "resolved";
}

std::optional<Duration> retry_delay(int attempts_made, unsigned jitter) {
    static constexpr std::array<Duration, 10> schedule{seconds{0},  seconds{5},  seconds{30}, minutes{2},
                                                       minutes{10}, minutes{30}, hours{2},    hours{6},
                                                       hours{12},   hours{24}};
    if (attempts_made < 0 || attempts_made >= static_cast<int>(schedule.size())) {
        return std::nullopt;
    }
    const std::int64_t base = schedule[static_cast<std::size_t>(attempts_made)].count();
    const std::int64_t thousandths = 800 + static_cast<std::int64_t>(jitter % 1000) * 400 / 1000;
    return Duration{base * thousandths / 1000};
}

}  // namespace curfew
