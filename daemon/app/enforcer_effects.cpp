// What an enforcement does once its transition is durable: look, pack, stop, look up. Each ends in an event.
#include "curfew/app/enforcer.hpp"
#include "curfew/core/mutant.hpp"

#include <utility>

namespace curfew {

namespace {

constexpr Duration look_limit = minutes{2};
constexpr Duration walk_limit = minutes{20};
constexpr Duration stop_call_limit = seconds{60};
constexpr Duration fence_age_max = seconds{30};

/// Variants that are wrong about the last look go through with it.
bool looks_are_left_out() {
    return mutant(Mutant::call_unchecked) || mutant(Mutant::fence_skipped) || mutant(Mutant::fence_ignored) ||
           mutant(Mutant::retried_without_a_look) || mutant(Mutant::recover_resends);
}

}  // namespace

Task<FreshLook> Enforcer::fresh_look(RunId run, bool fence) {
    FreshLook look;
    look.answered = false;
    look.why = "the run is not in the picture any more";
    const auto found = active_.find(run);
    LiveResource* live = found == active_.end() ? nullptr : resource_of(found->second.e);
    if (live == nullptr || live->current.run.id != run) {
        look.answered = live != nullptr;  // another run has begun
        look.newest = live == nullptr;
        co_return look;
    }
    if (live->resource.kind == ResourceKind::notebook && live->current.run.token.empty()) {
        look.why = "not listed since the daemon started";
        co_return look;
    }
    const Enforcement e = found->second.e;
    const Resource resource = live->resource;
    const std::shared_ptr<Cloud> cloud = world_.cloud(e.account);
    const AccountConfig* account = world_.account(e.account);
    if (cloud == nullptr || account == nullptr) {
        co_return look;
    }
    // Files first: a walk takes long, and the signals must be the freshest of all.
    if (fence && e.receipt && !e.override_ && !mutant(Mutant::stop_without_receipt)) {
        auto receipt = co_await world_.store.receipt(*e.receipt);
        std::shared_ptr<Guest> guest = world_.guests.open(e.account, resource, live->current.run);
        if (!receipt || !*receipt || !guest) {
            look.why = "the receipt cannot be compared with the guest";
            co_return look;
        }
        const Rule* rule = rule_for(world_.config->rules, resource);
        auto same = co_await packer_.unchanged(guest, **receipt, rule != nullptr ? rule->pack : PackPolicy{},
                                               world_.scheduler.in(walk_limit));
        if (!same) {
            look.why = "cannot compare the files with the receipt: " + to_string(same.error());
            co_return look;
        }
        look.files_unchanged = *same;
    }
    const Instant begun = world_.scheduler.mono();
    if (const auto active = active_.find(run); fence && active != active_.end()) {
        active->second.looked_at = begun;
    }
    auto seen = co_await cloud->look({resource.kind, e.resource, run}, world_.scheduler.in(look_limit));
    if (!seen) {
        look.why = "the provider does not answer: " + to_string(seen.error());
        co_return look;
    }
    look.newest = seen->newest;
    look.gone = !seen->listed || is_off(seen->run.state);
    look.same_run_on = seen->listed && bills(seen->run.state) && seen->run.state != RunState::unknown;
    live = resource_of(e);
    if (live == nullptr || live->current.run.id != run) {
        look.answered = true;
        look.newest = false;
        co_return look;
    }
    // What does not look at activity does not ask for it: a guest that hangs must not hold up a hard budget.
    std::optional<Looker::Look> everything;
    if (by_activity(e.cause.kind, policy_for(e))) {
        everything = co_await looker_.look(resource, seen->listed ? seen->run : resource.run,
                                           looker_.plan(*live, Looker::Depth::last),
                                           world_.scheduler.in(look_limit));
    }
    look.answered = true;
    live = resource_of(e);
    if (live == nullptr || live->current.run.id != run) {
        look.newest = false;
        co_return look;
    }
    if (everything) {
        looker_.absorb(*live, std::move(*everything));
    }
    const AssessResult result = looker_.assess_now(*live, look.newest, look.gone);
    look.verdict = live->current.judgement.verdict;
    const std::optional<Cause>& asks = result.assessment.cause;
    // A rule whose own limit is not reached stops nothing. After an absence the quiet clock stands before the ladder,
    // which is given again: nobody knows what was done meanwhile.
    const Rule* rule = rule_for(world_.config->rules, resource);
    const bool quiet_enough = e.cause.kind != CauseKind::idle || rule == nullptr ||
                              live->current.clock.quiet >= rule->idle_limit;
    // Until its first list a restarted daemon has the age from its own clock, which may have been wrong.
    const bool old_enough = e.cause.kind != CauseKind::age ||
                            (rule != nullptr && rule->max_age &&
                             assess_input(world_, *live, world_.scheduler.mono()).age >= *rule->max_age);
    // What may be done is decided for who asks now: another budget than the one that was told of is another matter.
    const bool same = asks && asks->kind == e.cause.kind &&
                      (asks->kind != CauseKind::budget || asks->name == e.cause.name);
    look.asked = same && quiet_enough && old_enough;
    look.held_by = mutant(Mutant::hold_ignored_under_way) ? std::nullopt : result.assessment.held_by;
    look.mode = result.mode;
    look.mode_why = result.assessment.mode_why;
    look.breaker_open = result.assessment.breaker_open;
    look.why = live->current.judgement.step;
    if (fence && world_.scheduler.mono() - begun > fence_age_max) {
        look.same_run_on = false;  // too slow to vouch for this moment: look again
        look.why = "the last look took longer than " + to_string(fence_age_max);
    }
    co_return look;
}

Task<void> Enforcer::do_look(RunId run, bool fence) {
    if (const auto begins = active_.find(run); begins != active_.end()) {
        begins->second.looked_for = begins->second.e.cause;
    }
    FreshLook look = co_await fresh_look(run, fence);
    if (const auto found = active_.find(run); found != active_.end()) {
        found->second.looking = false;
        post(run, event::Looked{std::move(look)});
    }
}

PackOrder Enforcer::order_for(const LiveResource& live, ReceiptId receipt, EnforcementId enforcement,
                              std::optional<Receipt> previous) const {
    PackOrder order;
    order.receipt = std::move(receipt);
    order.enforcement = std::move(enforcement);
    order.account = live.resource.account;
    order.resource = live.resource;
    order.resource.run = live.current.run;
    const Rule* rule = rule_for(world_.config->rules, live.resource);
    order.policy = rule != nullptr ? rule->pack : PackPolicy{};
    order.previous = std::move(previous);
    return order;
}

Task<void> Enforcer::do_pack(RunId run) {
    const auto found = active_.find(run);
    LiveResource* live = found == active_.end() ? nullptr : resource_of(found->second.e);
    if (live == nullptr || live->current.run.id != run) {
        post(run, event::PackFailed{
                      {Errc::not_found, Retry::later(), "the run is not in the picture", run.value}});
        co_return;
    }
    const EnforcementId enforcement = found->second.e.id;
    const ReceiptId id{"rcp_" + world_.entropy.hex(8)};
    auto earlier = co_await world_.store.receipts(live->resource.id, 1);
    if (!earlier) {
        // A database that did not answer once says nothing of the guest.
        earlier.error().retry = Retry::later();
        post(run, event::PackFailed{std::move(earlier.error())});
        co_return;
    }
    const auto again = active_.find(run);
    live = again == active_.end() ? nullptr : resource_of(again->second.e);
    std::shared_ptr<Guest> guest = live == nullptr ? nullptr
                                                   : world_.guests.open(live->resource.account,
                                                                        live->resource, live->current.run);
    if (guest == nullptr) {
        post(run, event::PackFailed{{Errc::not_found, Retry::never(),
                                     "this resource has no guest that Curfew can copy from", run.value}});
        co_return;
    }
    std::optional<Receipt> previous;
    if (!earlier->empty()) {
        previous = std::move(earlier->front());
    }
    if (previous && mutant(Mutant::older_receipt_reused)) {
        again->second.receipt = previous;
        post(run, event::PackDone{previous->id});
        co_return;
    }
    auto packed = co_await packer_.pack(guest, order_for(*live, id, enforcement, std::move(previous)),
                                        world_.scheduler.in(pack_limit));
    world_.at_point("pack ended");
    const auto still = active_.find(run);
    if (still == active_.end()) {
        co_return;
    }
    if (!packed) {
        post(run, event::PackFailed{packed.error()});
        co_return;
    }
    still->second.receipt = *packed;
    post(run, event::PackDone{packed->id});
}

/// Why the last look does not speak for this moment any more: since then the database may have taken its time, the
/// machine may have slept, and a poll may have seen, or may be about to hear, something else (I2).
std::optional<std::string> Enforcer::overtaken(const Active& active, const LiveRun& run) const {
    if (looks_are_left_out()) {
        return std::nullopt;
    }
    if (!active.looked_at || world_.scheduler.mono() - *active.looked_at > fence_age_max) {
        return "the last look is older than " + to_string(fence_age_max);
    }
    if (!by_activity(active.e.cause.kind, policy_for(active.e))) {
        return std::nullopt;
    }
    if (looker_.asking(run.run.id)) {
        return "it is just being looked at";
    }
    if (run.judgement.verdict != Verdict::quiet) {
        return "since the last look: " + run.judgement.step;
    }
    return std::nullopt;
}

Task<void> Enforcer::do_stop(RunId run) {
    const Enforcement e = active_.at(run).e;
    CURFEW_ASSERT(e.state == EnforcementState::stopping && e.run == run, "I4");
    CURFEW_ASSERT(e.receipt || e.override_, "I1");
    StopReply reply{event::Answer::refused, "the run is not in the picture"};
    LiveResource* live = resource_of(e);
    const std::shared_ptr<Cloud> cloud = world_.cloud(e.account);
    if (live != nullptr && cloud != nullptr &&
        (live->current.run.id == run || mutant(Mutant::stop_by_resource))) {
        const Deadline deadline = world_.scheduler.in(stop_call_limit);
        world_.at_point("calling stop");
        if (auto why = overtaken(active_.at(run), live->current)) {
            reply = {event::Answer::not_sent, std::move(*why)};
        } else if (e.method == StopMethod::provider) {
            const RunId& meant = mutant(Mutant::stop_by_resource) ? live->current.run.id : run;
            reply = co_await cloud->stop({live->resource.kind, e.resource, meant}, deadline);
        } else if (auto guest = world_.guests.open(e.account, live->resource, live->current.run)) {
            reply = co_await guest->shut_down(deadline);
        } else {
            reply.text = "it has no guest to ask";
        }
    }
    world_.at_point("stop answered");
    if (const auto found = active_.find(run); found != active_.end()) {
        found->second.calling = false;
        post(run, event::StopAnswered{reply.answer, reply.text});
    }
}

Task<void> Enforcer::do_look_up(RunId run) {
    const auto asked = active_.find(run);
    if (asked == active_.end()) {
        co_return;
    }
    const Enforcement e = asked->second.e;
    event::Sighting sighting = event::Sighting::unclear;
    const LiveResource* live = resource_of(e);
    const std::shared_ptr<Cloud> cloud = world_.cloud(e.account);
    if (cloud != nullptr) {
        const ResourceKind kind = live != nullptr ? live->resource.kind : ResourceKind::notebook;
        auto look = co_await cloud->look({kind, e.resource, run}, world_.scheduler.in(look_limit));
        if (look) {
            const bool off = !look->listed || is_off(look->run.state);
            sighting = off ? event::Sighting::off : event::Sighting::on;
        }
    }
    if (const auto found = active_.find(run); found != active_.end()) {
        found->second.looking = false;
        post(run, event::Seen{sighting});
    }
}

}  // namespace curfew
