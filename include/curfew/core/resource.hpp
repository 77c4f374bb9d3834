// Resources (what people name) and runs (one stretch from start to stop).
#pragma once

#include "curfew/core/add_on.hpp"
#include "curfew/core/ids.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/secret.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

enum class ResourceKind : std::uint8_t { notebook, machine };

enum class RunState : std::uint8_t {
    pending,      // asked for, not yet on a machine
    provisioned,  // on a machine, not yet usable
    running,
    stopping,
    stopped,  // known not to bill, however the provider words it (stopped, cancelled, off …)
    failed,   // ended by an error; known not to bill
    unknown,  // a word we do not know: bills for the ledger, is never stopped by a rule
};

std::string_view to_string(ResourceKind kind);
std::string_view to_string(RunState state);
/// From the stored word; an unknown word is RunState::unknown.
RunState run_state_from(std::string_view word);

/// Does this state cost money as far as we know? `unknown` does: money counts on until a stop is
/// proven. `pending` does not: it may be a queue for capacity.
constexpr bool bills(RunState state) {
    return state == RunState::running || state == RunState::stopping || state == RunState::provisioned ||
           state == RunState::unknown;
}
/// States in which the provider is known not to bill any more.
constexpr bool is_off(RunState state) {
    return state == RunState::stopped || state == RunState::failed;
}

/// One run as one listing showed it.
struct Run {
    RunId id;
    RunState state = RunState::unknown;
    std::string state_text;  // the provider's own word, kept
    std::string machine_type;
    std::optional<Rate> listed_rate;     // the provider's own price of it, where the API tells one
    std::optional<WallTime> started_at;  // the provider's stamp; absent before the first start
    std::optional<WallTime> ended_at;    // only where the provider reports it
    std::string address;                 // host of the guest, empty when it has none
    Secret token;                        // of the guest; in memory only
};

/// One resource as one listing showed it, with its newest run. Older runs of the same resource that
/// still bill are listed beside it, since every one of them costs money.
struct Resource {
    ResourceId id;
    AccountName account;
    std::string provider;  // of the account
    ResourceKind kind = ResourceKind::notebook;
    std::string name;
    std::string project;
    std::string owner;  // e-mail of who started it, where the provider tells
    std::vector<std::string> tags;
    Run run;
    std::vector<Run> other_runs;
};

/// What one listing of an account showed. `complete` only when every page came and none repeated:
/// otherwise what is missing is unknown, never absent.
struct Listing {
    std::vector<Resource> resources;
    bool complete = false;
    /// Asked for less often than runs: nullopt = not asked this time. Complete by itself when given.
    std::optional<std::vector<AddOn>> add_ons;
    std::optional<WallTime> provider_time;  // the server's Date header
};

}  // namespace curfew
