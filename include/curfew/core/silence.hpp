// Silences and maintenance: what people asked not to be told of, always with an end.
#pragma once

#include "curfew/core/alert.hpp"
#include "curfew/core/error.hpp"
#include "curfew/core/ids.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

enum class SilenceKind : std::uint8_t {
    silence,      // nobody is told; everything else goes on
    maintenance,  // … and nothing that it covers is stopped (I3)
};
std::string_view to_string(SilenceKind kind);

/// Covers what matches every field that is not empty; all empty = everything.
struct SilenceScope {
    std::vector<std::string> resources;  // globs of names, or ids
    std::vector<AccountName> accounts;
    std::vector<RuleName> rules;
    std::vector<BudgetName> budgets;
    std::vector<AlertKind> kinds;  // none for maintenance
    AlertId alert;                 // this one alone
};

struct Silence {
    SilenceId id;
    SilenceKind kind = SilenceKind::silence;
    SilenceScope scope;
    WallTime from;
    WallTime until;  // mandatory
    std::string reason;
    std::string by;
    std::optional<WallTime> ended_at;  // by hand, before `until`
};

constexpr Duration silence_min = minutes{1};
constexpr Duration silence_max = hours{24 * 7};

/// What a scope is compared with: an alert, a message, or a resource that could be stopped.
struct SilenceSubject {
    AlertId alert;
    std::optional<AlertKind> kind;
    ResourceId resource;
    std::string resource_name;
    AccountName account;
    RuleName rule;
    BudgetName budget;
};
SilenceSubject subject_of(const Message& message);

/// A failed stop and the warning of one are covered only by a scope that names them, by alert or by kind: who
/// silenced an account did not mean them.
bool covers(const SilenceScope& scope, const SilenceSubject& subject);

/// Errors: invalid, with what is wrong: no end, an end too near or too far, a maintenance of kinds, budgets or
/// one alert (it is of resources, accounts and rules).
Result<void> check(const Silence& silence, WallTime now);

/// "maintenance until 2026-11-23T10:15:00Z by ana: new disks".
std::string in_words(const Silence& silence);

}  // namespace curfew
