#include "curfew/core/hold.hpp"

namespace curfew {

std::string_view to_string(HoldKind kind) {
    switch (kind) {
        case HoldKind::keep:
            return "keep";
        case HoldKind::exemption:
            return "exemption";
        case HoldKind::lease:
            break;
    }
    return "lease";
}

Result<KeepOffer> offer_keep(Duration asked, Duration used_this_period, const KeepPolicy& policy,
                             std::optional<Rate> rate, std::optional<Money> left_in_budget) {
    if (asked <= Duration{0}) {
        return fail(Errc::invalid, "a keep needs a length above zero, e.g. --for 2h");
    }
    if (asked > policy.max_at_once) {
        return fail(Errc::invalid, "a keep may last at most " + to_string(policy.max_at_once) +
                                       " at a time (asked: " + to_string(asked) + ")");
    }
    if (used_this_period + asked > policy.max_per_period) {
        const Duration left = policy.max_per_period - used_this_period;
        return fail(Errc::invalid, "keeps of this resource may last " + to_string(policy.max_per_period) +
                                       " in a month; " + to_string(left > Duration{0} ? left : Duration{0}) +
                                       " are left");
    }
    if (!rate) {
        if (left_in_budget) {
            return fail(Errc::conflict,
                        "this machine type has no price, so nobody can say whether the hard budget holds");
        }
        return KeepOffer{.price = {}, .priced = false};
    }
    const auto price = cost_of(*rate, asked);
    if (!price) {
        return std::unexpected(price.error());
    }
    if (left_in_budget && *price > *left_in_budget) {
        return fail(Errc::conflict, "it would cost " + to_string(*price) + " and a hard budget has " +
                                        to_string(*left_in_budget) + " left");
    }
    return KeepOffer{.price = *price, .priced = true};
}

const Hold* strongest_hold(std::span<const Hold> holds, const ResourceId& resource, const RunId& run,
                           WallTime now) {
    const Hold* best = nullptr;
    for (const Hold& hold : holds) {
        const bool ours = hold.resource == resource && (hold.run.empty() || hold.run == run);
        if (ours && hold.in_force(now) && (best == nullptr || hold.until > best->until)) {
            best = &hold;
        }
    }
    return best;
}

}  // namespace curfew
