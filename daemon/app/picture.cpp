#include "curfew/app/picture.hpp"

#include "curfew/core/mutant.hpp"

#include <algorithm>
#include <chrono>

namespace curfew {

namespace {

constexpr Duration clocks_agree = minutes{1};  // the alert `clock` tells of more

/// An answer may be an old one, and none is of a time to come.
std::optional<WallTime> newest_date(const std::map<AccountName, LiveAccount>& accounts, Instant now) {
    std::optional<WallTime> newest;
    for (const auto& [name, account] : accounts) {
        if (account.listed) {
            newest = std::max(newest.value_or(account.listed->by(now)), account.listed->by(now));
        }
    }
    return newest;
}

/// `ours`, unless it is wrong by so much that the alert `clock` tells of it.
WallTime checked(WallTime ours, std::optional<WallTime> theirs) {
    return !theirs || std::chrono::abs(*theirs - ours) <= clocks_agree ? ours : *theirs;
}

}  // namespace

std::optional<WallTime> Picture::provider_time(const AccountName& account, Instant now) const {
    const auto own = accounts.find(account);
    if (own != accounts.end() && own->second.listed && !own->second.first_list) {
        return own->second.listed->by(now);
    }
    return newest_date(accounts, now);
}

WallTime Picture::billed_to(const AccountName& account, const LiveRun& run, const Now& now) const {
    CURFEW_ASSERT(run.meter, "I6: only what has a meter bills");
    if (run.ending) {
        return run.meter->last_seen_billing;
    }
    const auto theirs = provider_time(account, now.mono);
    if (run.run.started_at && theirs && !mutant(Mutant::billed_by_our_clock)) {
        return *theirs;
    }
    if (theirs) {
        return std::max(now.wall, *theirs);
    }
    const auto live = accounts.find(account);
    const bool dateless = live != accounts.end() && live->second.last_success_mono;
    return dateless || !run.run.started_at ? now.wall : run.meter->last_seen_billing;
}

WallTime Picture::checked_time(const AccountName& account, const Now& now) const {
    return checked(now.wall, provider_time(account, now.mono));
}

WallTime Picture::calendar(const Now& now) const {
    return checked(now.wall, newest_date(accounts, now.mono));
}

bool Picture::seen_lately(const AccountConfig& account, Instant now) const {
    const auto live = accounts.find(account.name);
    return live != accounts.end() && live->second.last_success_mono && live->second.error.empty() &&
           now - *live->second.last_success_mono <= observation_ttl(account.poll_interval);
}

bool Picture::dated_back(const LiveAccount& account, const Now& now) const {
    const auto theirs = provider_time(account.name, now.mono);
    return account.first_list && theirs && *theirs + clocks_agree < now.wall;
}

}  // namespace curfew
