// Conditions with a life, and the one record that every channel renders.
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

enum class Severity : std::uint8_t { info, warning, critical };
std::string_view to_string(Severity severity);

enum class AlertState : std::uint8_t { firing, acknowledged, resolved };
std::string_view to_string(AlertState state);

enum class AlertKind : std::uint8_t {
    stop_warning,    // a run will be stopped
    stop_cancelled,  // … will not, to those who were told
    stopped,         // done, with what was saved
    stop_failed,     // still billing
    pack_failed,
    budget_threshold,
    key_rejected,
    blind,        // an account or a run cannot be seen
    unpriced,     // a machine type without a price
    undelivered,  // every channel failed
    breaker,
    disk,
    config,       // a reload was refused; the old configuration is in force
    would_stop,   // observe mode: what would have happened
    trial_over,   // a rule acts from now on, with what it would have stopped so far
    false_stops,  // a rule stops what is used again soon after
    bad_stamp,    // the provider reports a time that cannot be true; it is not billed by
    drift,        // the provider's own figure is far from ours
    burn_rate,    // an account burns money much faster than usual
    credit,       // a credit is nearly used up, or ends with money left
};
std::string_view to_string(AlertKind kind);

/// Everything a person needs, in one record; mail and webhook are renderings of it.
struct Message {
    std::string id;  // stable over every retry and channel: webhook-id, Message-ID
    AlertId alert;
    AlertKind kind = AlertKind::stop_warning;
    Severity severity = Severity::info;
    AlertState state = AlertState::firing;
    WallTime at;
    std::string title;              // the whole story in one line, with the money
    std::vector<std::string> body;  // paragraphs
    std::string do_next;            // one line that can be copied: `curfew keep demo --for 2h`
    AccountName account;
    ResourceId resource;
    std::string resource_name;
    RunId run;
    std::string cause;  // "rule night", "budget team"
    std::optional<WallTime> stops_at;
    std::optional<Money> cost_so_far;
    std::optional<Money> per_hour;
    std::optional<Money> saved;
    std::optional<WallTime> expires_at;  // past this it is superseded, not sent late
};

/// One condition. `key` identifies it ("stop_failed/n8k2…"): a second firing of a firing key is no
/// new alert (once per state, not per poll).
struct Alert {
    AlertId id;
    std::string key;
    AlertKind kind = AlertKind::blind;
    Severity severity = Severity::warning;
    AlertState state = AlertState::firing;
    WallTime since;
    WallTime changed_at;
    std::string title;
    AccountName account;
    ResourceId resource;
    RunId run;
};

/// Retry schedule of the outbox: 0 s, 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 6 h, 12 h, 24 h, ± 20 %
/// by `jitter` in [0, 1000). nullopt after the last: a dead letter.
std::optional<Duration> retry_delay(int attempts_made, unsigned jitter);

}  // namespace curfew
