#include "curfew/app/holds.hpp"

#include <algorithm>
#include <utility>

namespace curfew {

namespace {

Duration keep_time(const Hold& hold, const Period& period) {
    const WallTime from = std::max(hold.from, period.from);
    const WallTime until = std::min(hold.released_at.value_or(hold.until), period.to);
    return hold.kind == HoldKind::keep && until > from ? until - from : Duration{0};
}

std::string price_text(const KeepOffer& offer) {
    return offer.priced ? ", costs " + to_string(offer.price) : std::string{", unpriced"};
}

std::string because(const std::string& reason) {
    return reason.empty() ? reason : ": " + reason;
}

bool meant(const Hold& hold, const ReleaseOptions& options) {
    switch (hold.kind) {
        case HoldKind::keep:
            return options.keeps;
        case HoldKind::exemption:
            return options.exemptions;
        case HoldKind::lease:
            break;
    }
    return options.leases && (options.job.empty() || options.job == hold.job);
}

std::optional<Rate> rate_of(const LiveResource& live) {
    return live.price != nullptr ? std::optional{live.price->rate} : std::nullopt;
}

/// Nothing holds a maximum age of a rule that acts: what would go beyond it is refused.
Result<void> within_age(const World& world, const LiveResource& live, Duration how_long) {
    const Rule* rule = rule_for(world.config->rules, live.resource);
    if (rule == nullptr || !rule->max_age || live.mode != Mode::enforce) {
        return {};
    }
    const Duration left = std::max(Duration{0},
                                   *rule->max_age - (world.scheduler.mono() - live.current.began));
    if (how_long <= left) {
        return {};
    }
    return fail(Errc::conflict, "nothing holds its maximum age (rule " + rule->name.value +
                                    "), which it reaches in " + to_string(std::chrono::floor<seconds>(left)));
}

/// An offer that neither a budget nor the age of the rule forbids; a refusal names the budget.
Result<KeepOffer> allowed(const World& world, const LiveResource& live, Duration how_long,
                          const std::optional<Treasurer::Left>& left, Result<KeepOffer> offer) {
    if (!offer) {
        if (left && offer.error().code == Errc::conflict) {
            offer.error().text += " (budget " + left->budget.value + ")";
        }
        return offer;
    }
    if (auto fits = within_age(world, live, how_long); !fits) {
        return std::unexpected(fits.error());
    }
    return offer;
}

}  // namespace

Holds::Holds(World& world, const Treasurer& treasurer, const Looker& looker, Enforcer& enforcer)
    : world_(world), treasurer_(treasurer), looker_(looker), enforcer_(enforcer) {}

void Holds::load(const std::vector<Hold>& stored) {
    const WallTime now = world_.scheduler.wall();
    for (const Hold& hold : stored) {
        if (hold.kind == HoldKind::exemption && !hold.released_at && now < hold.until) {
            world_.picture.exemptions.insert_or_assign(hold.resource, hold);
        }
    }
}

LiveResource* Holds::find(const ResourceId& id) {
    const auto found = world_.picture.resources.find(id);
    return found == world_.picture.resources.end() ? nullptr : &found->second;
}

LiveResource* Holds::running(const ResourceId& id) {
    LiveResource* live = find(id);
    return live != nullptr && bills(live->current.run.state) ? live : nullptr;
}

Hold Holds::hold_of(const LiveResource& live, HoldKind kind, WallTime until, std::string reason,
                    const std::string& actor) const {
    return {.id = HoldId{"hld_" + world_.entropy.hex(8)},
            .kind = kind,
            .resource = live.resource.id,
            .run = kind == HoldKind::exemption ? RunId{} : live.current.run.id,
            .from = world_.scheduler.wall(),
            .until = until,
            .reason = std::move(reason),
            .by = actor,
            .released_at = std::nullopt,
            .job = {}};
}

void Holds::reassess(LiveResource& live) {
    enforcer_.assessed(live, looker_.assess_now(live));
}

Task<Result<void>> Holds::place(Hold hold, std::vector<Hold> replaced, std::string text) {
    LiveResource* live = find(hold.resource);
    if (live == nullptr) {
        co_return fail(Errc::not_found, "it is gone", hold.resource.value);
    }
    Batch batch;
    for (Hold& old : replaced) {
        old.released_at = hold.from;
        batch.emplace_back(old);
    }
    batch.emplace_back(hold);
    batch.emplace_back(audit_row(world_, *live, "hold.placed", hold.by, std::move(text)));
    auto done = co_await world_.store.commit(std::move(batch));
    if (!done) {
        co_return done;
    }
    if (hold.kind == HoldKind::exemption) {
        world_.picture.exemptions.insert_or_assign(hold.resource, hold);
    }
    live = find(hold.resource);
    if (live != nullptr) {
        std::erase_if(live->holds, [&](const Hold& h) {
            return std::ranges::find(replaced, h.id, &Hold::id) != replaced.end();
        });
        live->holds.push_back(std::move(hold));
        reassess(*live);
    }
    co_return Result<void>{};
}

Task<Result<KeepAnswer>> Holds::keep(ResourceId resource, Duration how_long, std::string reason,
                                     std::string actor) {
    return keep(Wish{.resource = std::move(resource),
                     .how_long = how_long,
                     .reason = std::move(reason),
                     .actor = std::move(actor),
                     .link = std::nullopt});
}

Task<Result<KeepAnswer>> Holds::keep_by(KeepLink link) {
    return keep(Wish{.resource = link.resource,
                     .how_long = link.length,
                     .reason = "keep link sent with warning " + link.warning,
                     .actor = "keep link",
                     .link = link});
}

Task<Result<std::optional<Hold>>> Holds::placed_by(KeepLink link) {
    // It was not placed before the link was made.
    auto placed = co_await world_.store.holds(link.resource, link.valid_until - keep_link_valid_max);
    if (!placed) {
        co_return std::unexpected(placed.error());
    }
    const auto found = std::ranges::find(*placed, link.warning, &Hold::link);
    co_return found == placed->end() ? std::nullopt : std::optional{*found};
}

Task<Result<KeepAnswer>> Holds::keep(Wish wish) {
    const ResourceId& resource = wish.resource;
    const Duration how_long = wish.how_long;
    const Period month = month_of(world_.scheduler.wall(), world_.config->zone);
    auto earlier = co_await world_.store.holds(resource, month.from);
    LiveResource* live = running(resource);
    if (!earlier) {
        co_return std::unexpected(earlier.error());
    }
    if (live == nullptr) {
        co_return fail(Errc::not_found, "it is not running, so there is nothing to keep", resource.value);
    }
    if (wish.link && wish.link->run != live->current.run.id) {
        co_return fail(Errc::conflict, "it was started anew since that warning");
    }
    Duration used{0};
    for (const Hold& hold : *earlier) {
        used += keep_time(hold, month);
    }
    const auto left = treasurer_.left_for(*world_.config, *live);
    const auto offer = allowed(world_, *live, how_long, left,
                               offer_keep(how_long, used, world_.config->keep, rate_of(*live),
                                          left ? std::optional{left->amount} : std::nullopt));
    if (!offer) {
        co_return std::unexpected(offer.error());
    }
    Hold hold = hold_of(*live, HoldKind::keep, world_.scheduler.wall() + how_long, wish.reason, wish.actor);
    hold.link = wish.link ? wish.link->warning : std::string{};
    auto placed = co_await place(
        hold, {}, "keep until " + to_string(hold.until) + price_text(*offer) + because(hold.reason));
    if (!placed) {
        co_return std::unexpected(placed.error());
    }
    co_return KeepAnswer{hold, *offer};
}

Task<Result<KeepAnswer>> Holds::lease(ResourceId resource, Duration how_long, std::string job,
                                      std::string reason, std::string actor) {
    LiveResource* live = running(resource);
    if (live == nullptr) {
        co_return fail(Errc::not_found, "it is not running, so no job can lease it", resource.value);
    }
    if (auto good = check_job(job); !good) {
        co_return std::unexpected(good.error());
    }
    const WallTime now = world_.scheduler.wall();
    std::vector<Hold> replaced;
    std::size_t others = 0;
    for (const Hold& hold : live->holds) {
        if (hold.kind == HoldKind::lease && hold.run == live->current.run.id && hold.in_force(now)) {
            if (hold.job == job) {
                replaced.push_back(hold);
            } else {
                ++others;
            }
        }
    }
    if (others >= leases_max) {
        co_return fail(Errc::conflict, std::to_string(others) + " other jobs hold leases of it already");
    }
    const auto left = treasurer_.left_for(*world_.config, *live);
    const auto offer = allowed(world_, *live, how_long, left,
                               offer_lease(how_long, world_.config->lease, rate_of(*live),
                                           left ? std::optional{left->amount} : std::nullopt));
    if (!offer) {
        co_return std::unexpected(offer.error());
    }
    Hold hold = hold_of(*live, HoldKind::lease, now + how_long, std::move(reason), actor);
    hold.job = std::move(job);
    const std::string text = (replaced.empty() ? "lease for job " : "lease renewed for job ") + hold.job +
                             " until " + to_string(hold.until) + price_text(*offer) + because(hold.reason);
    auto placed = co_await place(hold, std::move(replaced), text);
    if (!placed) {
        co_return std::unexpected(placed.error());
    }
    co_return KeepAnswer{std::move(hold), *offer};
}

Task<Result<Hold>> Holds::exempt(ResourceId resource, HoldEnd end, std::string reason, std::string actor) {
    LiveResource* live = find(resource);
    if (live == nullptr) {
        co_return fail(Errc::not_found, "no such resource", resource.value);
    }
    const WallTime now = world_.scheduler.wall();
    const WallTime until = end.until ? *end.until : now + end.after;
    if (auto good = check_exemption(until - now, reason); !good) {
        co_return std::unexpected(good.error());
    }
    std::vector<Hold> replaced;
    if (const auto old = world_.picture.exemptions.find(resource);
        old != world_.picture.exemptions.end() && old->second.in_force(now)) {
        replaced.push_back(old->second);
    }
    const Hold hold = hold_of(*live, HoldKind::exemption, until, std::move(reason), actor);
    const std::string text = (replaced.empty() ? "exempt until " : "exemption replaced: until ") +
                             to_string(until) + ": " + hold.reason;
    auto placed = co_await place(hold, std::move(replaced), text);
    if (!placed) {
        co_return std::unexpected(placed.error());
    }
    co_return hold;
}

Task<Result<Released>> Holds::release(ResourceId resource, ReleaseOptions options, std::string actor) {
    LiveResource* live = find(resource);
    if (live == nullptr) {
        co_return fail(Errc::not_found, "no such resource", resource.value);
    }
    const WallTime now = world_.scheduler.wall();
    Batch batch;
    Released released;
    std::vector<HoldId> ended;
    for (const Hold& hold : live->holds) {
        if (meant(hold, options) && hold.in_force(now)) {
            Hold over = hold;
            over.released_at = now;
            batch.emplace_back(std::move(over));
            ended.push_back(hold.id);
            released.keeps += hold.kind == HoldKind::keep ? 1 : 0;
            released.leases += hold.kind == HoldKind::lease ? 1 : 0;
            released.exemptions += hold.kind == HoldKind::exemption ? 1 : 0;
        }
    }
    batch.emplace_back(audit_row(world_, *live, "hold.released", actor,
                                 std::to_string(released.keeps) + " keeps, " +
                                     std::to_string(released.leases) + " leases, " +
                                     std::to_string(released.exemptions) + " exemptions ended"));
    auto done = co_await world_.store.commit(std::move(batch));
    if (!done) {
        co_return std::unexpected(done.error());
    }
    const auto is_over = [&](const HoldId& id) { return std::ranges::find(ended, id) != ended.end(); };
    std::erase_if(world_.picture.exemptions, [&](const auto& entry) { return is_over(entry.second.id); });
    live = find(resource);
    if (live != nullptr) {
        std::erase_if(live->holds, [&](const Hold& h) { return is_over(h.id); });
        const Enforcement* e = live->under_way();
        if (options.stop && e != nullptr && e->cause.kind == CauseKind::manual) {
            released.stops = enforcer_.cancel(resource, "called off by " + actor) ? 1 : 0;
        } else {
            reassess(*live);
        }
    }
    co_return released;
}

}  // namespace curfew
