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

}  // namespace curfew
