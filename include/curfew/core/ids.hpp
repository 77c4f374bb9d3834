// Names of things, as types that do not convert into each other.
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <utility>

namespace curfew {

template <class Tag>
struct Id {
    std::string value;
    Id() = default;
    explicit Id(std::string text) : value(std::move(text)) {}
    bool empty() const { return value.empty(); }
    auto operator<=>(const Id&) const = default;
};

using AccountName = Id<struct AccountTag>;  // as written in the configuration
using ResourceId = Id<struct ResourceTag>;  // stable: notebookRepoId, machine id
using RunId = Id<struct RunTag>;            // one start-to-stop stretch: notebook id
using RuleName = Id<struct RuleTag>;
using BudgetName = Id<struct BudgetTag>;
using ChannelName = Id<struct ChannelTag>;
using VaultName = Id<struct VaultTag>;
using EnforcementId = Id<struct EnforcementTag>;
using ReceiptId = Id<struct ReceiptTag>;
using AlertId = Id<struct AlertTag>;
using HoldId = Id<struct HoldTag>;
using SilenceId = Id<struct SilenceTag>;
using ParcelId = Id<struct ParcelTag>;  // one sending: webhook-id, Message-ID

}  // namespace curfew

template <class Tag>
struct std::hash<curfew::Id<Tag>> {
    std::size_t operator()(const curfew::Id<Tag>& id) const noexcept {
        return std::hash<std::string>{}(id.value);
    }
};
