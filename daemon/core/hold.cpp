#include "curfew/core/hold.hpp"

#include "curfew/core/mutant.hpp"

#include <algorithm>
#include <utility>

namespace curfew {

namespace {

constexpr std::size_t job_bytes_max = 128;

/// How strong: a lease has the force of a keep.
int force_of(HoldKind kind) {
    return kind == HoldKind::exemption ? 1 : 0;
}

bool printable(std::string_view text) {
    return std::ranges::none_of(text, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7F;
    });
}

Result<KeepOffer> price_of(Duration asked, std::optional<Rate> rate, std::optional<Money> left_in_budget) {
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

}  // namespace

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
    return price_of(asked, rate, left_in_budget);
}

Result<KeepOffer> offer_lease(Duration asked, const LeasePolicy& policy, std::optional<Rate> rate,
                              std::optional<Money> left_in_budget) {
    if (asked <= Duration{0}) {
        return fail(Errc::invalid, "a lease needs a length above zero, e.g. --for 2h");
    }
    if (asked > policy.max_at_once) {
        return fail(Errc::invalid, "a lease may last at most " + to_string(policy.max_at_once) +
                                       " at a time (asked: " + to_string(asked) +
                                       "); a job that goes on renews it");
    }
    return price_of(asked, rate, left_in_budget);
}

Result<void> check_job(std::string_view job) {
    if (job.empty()) {
        return fail(Errc::invalid, "a lease needs the name of its job, e.g. --job train-7");
    }
    if (job.size() > job_bytes_max || !printable(job)) {
        return fail(Errc::invalid, "the name of a job has at most " + std::to_string(job_bytes_max) +
                                       " bytes and no control characters");
    }
    return {};
}

Result<void> check_exemption(Duration asked, std::string_view reason) {
    if (asked <= Duration{0}) {
        return fail(Errc::invalid, "an exemption needs an end in the future, e.g. --for 30d");
    }
    if (asked > exemption_max) {
        return fail(Errc::invalid, "an exemption may last at most 90 days (asked: " + to_string(asked) +
                                       "); what must never be stopped belongs in daemon.protect");
    }
    if (reason.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        return fail(Errc::invalid, "an exemption needs a reason: --reason TEXT");
    }
    return {};
}

const Hold* strongest_hold(std::span<const Hold> holds, const ResourceId& resource, const RunId& run,
                           WallTime now) {
    const Hold* best = nullptr;
    for (const Hold& hold : holds) {
        const bool ours = hold.resource == resource && (hold.run.empty() || hold.run == run);
        if (ours && hold.in_force(mutant(Mutant::keep_never_ends) ? hold.from : now) &&
            (best == nullptr ||
             std::pair{force_of(hold.kind), hold.until} > std::pair{force_of(best->kind), best->until})) {
            best = &hold;
        }
    }
    return best;
}

}  // namespace curfew
