// Conditions with a life, and the one record that every channel renders.
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/schedule.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace curfew {

enum class Severity : std::uint8_t { info, warning, critical };
std::string_view to_string(Severity severity);

/// `silenced` and `flapping` are laid over: fields of the alert. Stored as numbers: new ones go to the end.
enum class AlertState : std::uint8_t { firing, acknowledged, resolved, pending };
std::string_view to_string(AlertState state);

/// Stored as numbers: new ones go to the end.
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
    stale,        // what is known of an account is older than it may be
    backlog,      // messages wait for longer than they should
    dead_letter,  // a message was given up
    database,     // writing fails, or a check found damage
    clock,        // the wall clock was set, or is far from the provider's
    cycles,       // the daemon's own cycles fail one after another
    digest,       // what a channel's cap or a storm put together
    summary,      // of the week
    test,         // `curfew notify test`
};
std::string_view to_string(AlertKind kind);
std::optional<AlertKind> alert_kind_from(std::string_view word);

/// Why somebody is told.
enum class Telling : std::uint8_t {
    notice,  // without a life: stopped, would stop, a summary
    firing,
    rise,  // in severity
    repeat,
    escalation,
    acknowledged,
    resolved,
};
std::string_view to_string(Telling telling);

/// Who is told: a channel, and on it its own receivers or one address.
struct Destination {
    ChannelName channel;
    std::string to;  // "" = the channel's own receivers
    auto operator<=>(const Destination&) const = default;
};

/// Figures beside each other, for renderings that can draw a bar.
struct MessageTable {
    struct Row {
        std::string label;
        std::string words;               // "$45.00 of $50.00"
        std::optional<int> thousandths;  // of a whole, for a bar; may be more than 1000
        bool operator==(const Row&) const = default;
    };
    std::string title;
    std::vector<Row> rows;
    bool operator==(const MessageTable&) const = default;
};

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
    std::vector<MessageTable> tables;
    std::string do_next;  // one line that can be copied: `curfew keep demo --for 2h`
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
    // What it is routed, grouped and threaded by.
    Telling telling = Telling::notice;
    std::string key;    // of its alert; "" for a notice. One thread, one incident
    std::string group;  // rule or budget, and account: what is told together
    RuleName rule;
    BudgetName budget;
    std::string owner;    // e-mail of the resource's owner, where the provider tells
    ChannelName channel;  // that does not work as it should: it is told by every other way
    /// Of a stop that a keep can put off: pressing it (POST) keeps the run for an hour, once. It is a credential
    /// only with its signature (core/keep_link), which is added in the parcel of a channel that shows a button;
    /// here and in the store it is without, so that no log, reply or backup holds one (I12).
    std::optional<std::string> keep_url;
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
    Message message;                // as last told, for repeats and for the end
    std::vector<Destination> told;  // who knows of it, in order
    std::optional<WallTime> told_at;
    std::string acknowledged_by;
    std::string note;
    int escalated = 0;            // steps of the escalation list that were taken
    std::vector<WallTime> turns;  // firings and ends of this key that count for flapping, oldest first
    bool flapping = false;
    SilenceId silenced_by;
    std::string inhibited_by;  // key of the alert that says it all
    std::string reason;        // of the last decision, in words
};

/// One line of the life of an alert, as decided: append-only.
struct AlertEvent {
    AlertId alert;
    WallTime at;
    AlertState state = AlertState::firing;
    std::string what;    // "fired", "told", "held back", "acknowledged", …
    std::string reason;  // of the table's row, in words
    std::string by;      // a person, "" = Curfew
};

/// Of the list by time: an alert that is critical and that nobody acknowledged goes to more people.
struct EscalationStep {
    Duration after;
    std::vector<ChannelName> channels;
};

/// [alerts]
struct AlertPolicy {
    Duration group_wait = seconds{30};     // from a first transition of a group to its message
    Duration group_interval = minutes{5};  // between two messages of one group
    Duration repeat_critical = hours{1};
    Duration repeat_warning = hours{12};
    std::vector<EscalationStep> escalation;  // in rising order of `after`
    int flap_turns = 6;                      // so many firings and ends within …
    Duration flap_window = hours{1};         // … make a key flapping, until it is still for …
    Duration flap_calm = minutes{30};
    int per_hour = 20;  // parcels an hour and channel; the rest is one digest
    ChannelName failover;
    Duration failover_after = minutes{2};              // critical, and no channel of its own took it
    std::optional<WeeklyTime> summary = WeeklyTime{};  // of the week, in the daemon's zone; absent = none
};

// ---- the life ------------------------------------------------------------------------------------

/// How long a condition of this kind has to hold before it fires.
Duration pending_of(AlertKind kind);

/// What happens to one alert.
namespace alert_input {
struct Holds {  // the condition, now
    Severity severity = Severity::warning;
    bool again = false;  // another step of a ladder of warnings: told again, though it is no worse
};
struct Over {};        // the condition holds no more
struct TimePassed {};  // `next_due` has come
struct Acknowledged {
    std::string by;
    std::string note;
};
struct Silenced {
    SilenceId silence;
};
struct Unsilenced {};
struct Inhibited {
    std::string key;  // of the alert that says it all
};
struct Uninhibited {};
}  // namespace alert_input
using AlertInput = std::variant<alert_input::Holds, alert_input::Over, alert_input::TimePassed,
                                alert_input::Acknowledged, alert_input::Silenced, alert_input::Unsilenced,
                                alert_input::Inhibited, alert_input::Uninhibited>;

struct AlertStep {
    Alert next;
    std::optional<Telling> telling;   // who hears of it is the caller's: `told` is his to add to
    std::optional<AlertEvent> event;  // absent = nothing changed, nothing to persist
};

/// The table. A key that is not known yet is an alert in state `resolved`, which holds the turns of its lives
/// before. `now` and the times of the alert are of one clock that is never set, so that a jump of the wall clock
/// changes no decision (I14). Who was told hears of a rise and of the end; a silence, an inhibition and
/// flapping hold back, and when they end while the condition holds it is told then.
AlertStep decide(const Alert& current, const AlertInput& input, const AlertPolicy& policy, WallTime now);

/// When `TimePassed` may change something next; nullopt = never by itself.
std::optional<WallTime> next_due(const Alert& alert, const AlertPolicy& policy);

/// What an alert says that makes others superfluous, and what would make it superfluous: equal texts meet.
/// "" = nothing. A failed stop is never superfluous.
std::string hides(const Alert& alert);
std::string hidden_by(const Alert& alert);
/// The first of `firing` that makes `alert` superfluous; nullptr = none does.
const Alert* inhibitor(const Alert& alert, const std::vector<const Alert*>& firing);

/// What is told together: a rule or a budget, else a kind, each within its account.
std::string group_of(const Message& message);
/// How long a message waits for others of its group. `told`: when the group was told last, or is going to be;
/// nullopt = not for long. What is critical or tells of a stop to come never waits longer than `group_wait`.
Duration wait_of(const Message& message, std::optional<Instant> told, const AlertPolicy& policy, Instant now);

/// Retry schedule of the outbox: 0 s, 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 6 h, 12 h, 24 h, ± 20 %
/// by `jitter` in [0, 1000). nullopt after the last: a dead letter.
std::optional<Duration> retry_delay(int attempts_made, unsigned jitter);

}  // namespace curfew
