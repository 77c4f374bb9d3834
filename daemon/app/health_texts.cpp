#include "curfew/app/health_texts.hpp"

#include "curfew/app/messages.hpp"

#include <algorithm>
#include <utility>

namespace curfew::health_texts {

namespace {

Message self(AlertKind kind, Severity severity, std::string title, std::string do_next = "curfew doctor") {
    Message m;
    m.kind = kind;
    m.severity = severity;
    m.title = std::move(title);
    m.do_next = std::move(do_next);
    return m;
}

Message of(const OfAccount& what, AlertKind kind, Severity severity, std::string title) {
    Message m = self(kind, severity, std::move(title));
    m.account = what.account;
    m.per_hour = what.burn;
    return m;
}

Message about(const ChannelName& channel, AlertKind kind, Severity severity, std::string title,
              std::string do_next) {
    Message m = self(kind, severity, std::move(title), std::move(do_next));
    m.channel = channel;
    return m;
}

/// What runs goes on costing while Curfew cannot act.
std::string money_text(Money burn) {
    return burn.positive() ? to_string(burn) + "/h goes on" : std::string{"nothing was burning money there"};
}

std::string whole_seconds(Duration d) {
    return messages::in_words(std::chrono::floor<seconds>(d < Duration{0} ? -d : d));
}

std::string size_text(std::int64_t bytes) {
    constexpr std::int64_t mebibyte = 1 << 20;
    const bool large = bytes >= 1024 * mebibyte;
    const std::int64_t tenths = bytes * 10 / (large ? 1024 * mebibyte : mebibyte);
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + (large ? " GiB" : " MiB");
}

std::string counted(std::int64_t count, const std::string& what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : ", ") + word;
    }
    return text;
}

/// As one word of a shell.
std::string quoted(const std::string& path) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
               c == '.' || c == '-' || c == '_';
    };
    if (!path.empty() && std::ranges::all_of(path, plain)) {
        return path;
    }
    std::string word = "'";
    for (const char c : path) {
        word += c == '\'' ? std::string{"'\\''"} : std::string(1, c);
    }
    return word + "'";
}

std::string look_at_disk(const std::string& path) {
    return "df -h " + quoted(path);
}

}  // namespace

Message stale(const OfAccount& what, Duration age, bool only_parts, Severity severity) {
    Message m = of(what, AlertKind::stale, severity,
                   "Account " + what.account.value + " was last seen whole " + whole_seconds(age) + " ago (" +
                       what.since + "); " + money_text(what.burn) +
                       ", and what was started since then is not watched");
    m.body = {only_parts ? "The provider's lists came, but not whole: what they left out keeps its last "
                           "state, is billed on and is not stopped."
                         : "No look at the account came to its end. Its runs keep their last state, are "
                           "billed on and are not stopped."};
    return m;
}

Message fresh(const OfAccount& what) {
    return of(
        what, AlertKind::stale, Severity::info,
        "Account " + what.account.value + " is seen whole again; " + to_string(what.burn) + "/h runs there");
}

Message cycles(const OfAccount& what, int failed, const std::string& error) {
    Message m = of(what, AlertKind::cycles, Severity::critical,
                   "Curfew has not seen account " + what.account.value + " since " + what.since + " (" +
                       counted(failed, "poll") +
                       " in a row failed); nothing there is warned of or stopped, " + money_text(what.burn));
    m.body = {error,
              "Curfew goes on trying. Until it works, stop what is not needed in the provider's console."};
    return m;
}

Message cycles_again(const OfAccount& what) {
    return of(what, AlertKind::cycles, Severity::info,
              "Curfew sees account " + what.account.value + " again and acts there as before; " +
                  to_string(what.burn) + "/h runs there");
}

Message passes(const std::string& since, int failed, const std::string& error) {
    Message m = self(AlertKind::cycles, Severity::critical,
                     "Curfew has not come through its own checks since " + since + " (" +
                         std::to_string(failed) +
                         " in a row failed); stops and messages may wait, and what runs goes on costing");
    m.body = {error};
    return m;
}

Message passes_again() {
    return self(AlertKind::cycles, Severity::info, "Curfew comes through its own checks again");
}

Message backlog(const ChannelName& channel, std::int64_t waiting, Duration oldest, const std::string& error) {
    Message m = about(
        channel, AlertKind::backlog, Severity::warning,
        "Channel " + channel.value + " has not taken a message for " + whole_seconds(oldest) + " (" +
            std::to_string(waiting) +
            " wait in all); warnings may come late, and a stop waits for its warning while money runs",
        "curfew outbox ls");
    if (!error.empty()) {
        m.body.push_back("The last attempt: " + error);
    }
    return m;
}

Message backlog_over(const ChannelName& channel) {
    return about(channel, AlertKind::backlog, Severity::info,
                 "Channel " + channel.value + ": nothing waits for long any more", "curfew outbox ls");
}

Message dead_letter(const GivenUp& newest, const std::string& since, std::int64_t count) {
    const std::string& channel = newest.channel.value;
    Message m = about(newest.channel, AlertKind::dead_letter, std::max(Severity::warning, newest.severity),
                      "Channel " + channel + " did not get " + counted(count, "message") + " since " + since +
                          ": " + newest.why,
                      "curfew outbox retry");
    m.body = {
        "Nobody was told by this channel, so money may run that nobody knows of. Repair the channel, "
        "prove it with `curfew notify test " +
        channel + "`, then send again with the line below."};
    if (!newest.title.empty()) {
        m.body.insert(m.body.begin(), "Given up: " + newest.title);
    }
    return m;
}

Message dead_letter_over(const ChannelName& channel, std::int64_t count) {
    return about(channel, AlertKind::dead_letter, Severity::info,
                 "Channel " + channel.value + " takes messages again" +
                     (count > 0 ? "; " + counted(count, "message") + " given up can be sent again" : ""),
                 "curfew outbox retry");
}

Message disk(const std::vector<std::string>& folders, const std::string& path, const Space& space,
             SpaceLevel level, const std::string& since) {
    const bool critical = level == SpaceLevel::critical;
    Message m = self(AlertKind::disk, critical ? Severity::critical : Severity::warning,
                     std::string{critical ? "The disk is nearly full: " : "The disk gets full: "} +
                         size_text(space.free) + " of " + size_text(space.total) + " left since " + since +
                         " for " + joined(folders),
                     look_at_disk(path));
    m.body = {critical
                  ? "Copies are refused now, so what needs one is not stopped and goes on costing; when "
                    "the database cannot be written either, nothing is stopped at all."
                  : "Copies are refused below 5 % (at most 1 GiB): then what needs one is not stopped and "
                    "goes on costing."};
    return m;
}

Message disk_unreadable(const std::vector<std::string>& folders, const std::string& path,
                        const std::string& error, const std::string& since) {
    Message m = self(AlertKind::disk, Severity::critical,
                     "The disk of " + joined(folders) + " cannot be looked at since " + since +
                         "; what needs a copy there is not stopped and goes on costing",
                     look_at_disk(path));
    m.body = {error};
    return m;
}

Message disk_again(const std::vector<std::string>& folders, const std::optional<Space>& space) {
    return self(AlertKind::disk, Severity::info,
                "The disk has room again for " + joined(folders) +
                    (space ? ": " + size_text(space->free) + " of " + size_text(space->total) + " free"
                           : std::string{}));
}

Message not_written(const std::string& since, const Error& error, Money burn, const std::string& state_dir) {
    Message m = self(AlertKind::database, Severity::critical,
                     "Curfew cannot write its database since " + since +
                         ": nothing is warned of or stopped, " + money_text(burn),
                     look_at_disk(state_dir));
    m.per_hour = burn;
    m.body = {to_string(error),
              "What is seen meanwhile is kept in memory and written when it can be. Make room or repair the "
              "disk; Curfew goes on by itself. A restart before that loses what is in memory."};
    return m;
}

Message written_again(const std::string& since) {
    return self(AlertKind::database, Severity::info,
                "Curfew writes its database again" +
                    (since.empty() ? std::string{} : " (it could not from " + since + " on)") +
                    "; it warns and stops as before");
}

Message log_grows(const std::string& since, std::int64_t bytes, const std::string& state_dir) {
    Message m = self(AlertKind::database, Severity::warning,
                     "The database's log grows since " + since + " (" + size_text(bytes) +
                         ") and does not get into the database; when the disk is full of it, nothing is "
                         "stopped any more",
                     look_at_disk(state_dir));
    m.body = {"Another program that has the database open is the usual reason."};
    return m;
}

Message log_good() {
    return self(AlertKind::database, Severity::info, "The database's log is written back again");
}

Message no_copy(const std::string& since, const std::string& error, const std::string& state_dir) {
    Message m = self(AlertKind::database, Severity::warning,
                     "The daily copy of the database fails since " + since +
                         "; if the database is damaged meanwhile, what was spent since the last copy is lost",
                     look_at_disk(state_dir));
    m.body = {error, "It is tried again every hour."};
    return m;
}

Message copy_again() {
    return self(AlertKind::database, Severity::info, "The daily copy of the database is made again");
}

Message whole_again() {
    return self(AlertKind::database, Severity::info,
                "The database was copied and found whole since it was replaced");
}

Message clock_step(const std::string& at, Duration moved) {
    Message m = self(AlertKind::clock, Severity::warning,
                     "This host's clock was set " + std::string{moved < Duration{0} ? "back" : "forward"} +
                         " by " + whole_seconds(moved) + " at " + at +
                         "; no stop comes sooner or later by it, but amounts of hours and days may be off by "
                         "as much",
                     "timedatectl status");
    m.body = {
        "Idle times and deadlines are measured by another clock. Budgets, off hours and the ledger go by "
        "the date and the hour."};
    return m;
}

Message clock_steady() {
    return self(AlertKind::clock, Severity::info, "This host's clock runs evenly again",
                "timedatectl status");
}

Message clock_skew(const AccountName& account, const std::string& since, Duration ahead) {
    Message m = self(
        AlertKind::clock, Severity::warning,
        "This host's clock is " + whole_seconds(ahead) + (ahead > Duration{0} ? " behind" : " before") +
            " that of account " + account.value + "'s provider since " + since +
            "; costs are counted into wrong hours, and budgets and off hours begin and end at the "
            "wrong time",
        "timedatectl status");
    m.account = account;
    return m;
}

Message clock_right(const AccountName& account) {
    Message m = self(AlertKind::clock, Severity::info,
                     "This host's clock and that of account " + account.value + "'s provider agree again",
                     "timedatectl status");
    m.account = account;
    return m;
}

Message heartbeat_unheard(const std::string& since, int failures, const std::string& error) {
    Message m = self(AlertKind::undelivered, Severity::warning,
                     "The heartbeat is not heard since " + since + " (" + counted(failures, "ping") +
                         " in a row failed); if Curfew died now, nobody would be told, and what runs would "
                         "go on costing");
    m.body = {error};
    return m;
}

Message heartbeat_heard() {
    return self(AlertKind::undelivered, Severity::info, "The heartbeat is heard again");
}

}  // namespace curfew::health_texts
