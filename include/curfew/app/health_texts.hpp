// What people are told about Curfew itself: what, since when, what it means for money, what to do.
#pragma once

#include "curfew/app/notifier.hpp"
#include "curfew/core/alert.hpp"
#include "curfew/core/error.hpp"
#include "curfew/core/health.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::health_texts {

/// An account at a moment.
struct OfAccount {
    AccountName account;
    std::string since;  // "Mon 10:05 UTC"
    Money burn;         // an hour, by the meters that are open
};

/// `only_parts` = looks came, but none that was whole.
Message stale(const OfAccount& what, Duration age, bool only_parts, Severity severity);
Message fresh(const OfAccount& what);

Message cycles(const OfAccount& what, int failed, const std::string& error);
Message cycles_again(const OfAccount& what);
/// Of the daemon's own pass: nothing of it is about one account.
Message passes(const std::string& since, int failed, const std::string& error);
Message passes_again();

/// `waiting` = how many in all, `oldest` = for how long the oldest one of the channel waits.
Message backlog(const ChannelName& channel, std::int64_t waiting, Duration oldest, const std::string& error);
Message backlog_over(const ChannelName& channel);

/// `newest` of `count` since then.
Message dead_letter(const GivenUp& newest, const std::string& since, std::int64_t count);
Message dead_letter_over(const ChannelName& channel, std::int64_t count);

/// `folders` = what lies on that file system, "the state of Curfew (/var/lib/curfew)".
Message disk(const std::vector<std::string>& folders, const std::string& path, const Space& space,
             SpaceLevel level, const std::string& since);
Message disk_unreadable(const std::vector<std::string>& folders, const std::string& path,
                        const std::string& error, const std::string& since);
Message disk_again(const std::vector<std::string>& folders, const std::optional<Space>& space);

Message not_written(const std::string& since, const Error& error, Money burn, const std::string& state_dir);
/// `since` = "": before this process, nobody knows.
Message written_again(const std::string& since);
Message log_grows(const std::string& since, std::int64_t bytes, const std::string& state_dir);
Message log_good();
Message no_copy(const std::string& since, const std::string& error, const std::string& state_dir);
Message copy_again();
Message whole_again();

Message clock_step(const std::string& at, Duration moved);
Message clock_steady();
Message clock_skew(const AccountName& account, const std::string& since, Duration ahead);
Message clock_right(const AccountName& account);

Message heartbeat_unheard(const std::string& since, int failures, const std::string& error);
Message heartbeat_heard();

}  // namespace curfew::health_texts
