// What people are told about an enforcement, written for a tired person on a phone: the first line is
// the whole story with the money, and what to do next is one line that can be copied.
#pragma once

#include "curfew/app/picture.hpp"
#include "curfew/app/treasurer.hpp"
#include "curfew/core/alert.hpp"
#include "curfew/core/receipt.hpp"
#include "curfew/ports/entropy.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace curfew::messages {

/// What every message about one run needs to know.
struct Subject {
    AccountName account;
    ResourceId resource;
    std::string name;  // control characters escaped
    RunId run;
    std::string owner;
    RuleName rule;  // whose doing it is; or
    BudgetName budget;
    std::string machine_type;
    CauseKind kind = CauseKind::idle;
    std::string
        cause;  // "rule night", "off hours of rule night", "budget team", "stop asked by ana (uid 1000)"
    std::string reason;    // of the newest transition
    std::string evidence;  // what decided, "kernels: all idle"
    WallTime now;
    Zone zone;  // people's
    std::optional<WallTime> stops_at;
    std::optional<Money> per_hour;  // absent = unpriced
    std::optional<Money> cost_so_far;
    bool acts = true;                     // else the mode lets it only be warned of
    bool may_keep = true;                 // a maximum age and a hard budget cannot be put off
    bool by_activity = true;              // work puts it off
    std::string vaults;                   // "home (/srv/curfew)"
    std::optional<Duration> pack_within;  // then it is stopped without a whole pack
    bool unpacked = false;                // it goes on without one
    std::string manual_way;               // where to stop it by hand
};
Subject subject_of(const LiveResource& live, const Enforcement& e, const Now& now, const Config& config);

Message stop_warning(const Subject& subject, Entropy& entropy);
Message stop_cancelled(const Subject& subject);
Message stopped(const Subject& subject, const std::optional<Receipt>& receipt);
Message pack_failed(const Subject& subject);
Message stop_failed(const Subject& subject);
Message undelivered(const Subject& subject);
Message would_stop(const Subject& subject);

/// `acts`: the modes of all concerned let the budget stop things.
Message budget_threshold(const Treasurer::Finding& finding, bool acts);
Message budget_admission(const Treasurer::Admission& admission, bool acts, WallTime now);

/// Names come from strangers: control characters become "?", at most 80 bytes of whole characters.
std::string printable(std::string_view name);

/// "2 hours 30 minutes": the two largest units.
std::string in_words(Duration d);
/// "Mon 11:15 Europe/Rome (10:15 UTC)".
std::string at_words(WallTime t, const Zone& zone);
/// `part` of `whole`, for bars.
int thousandths(std::int64_t part, std::int64_t whole);
/// Says what it is about: resource, run, account, owner.
void concern(Message& m, const LiveResource& live);

}  // namespace curfew::messages
