// Pack without a stop.
#include "curfew/app/enforcer.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace curfew {

namespace {

constexpr Duration commit_retry = seconds{5};

}  // namespace

Result<ReceiptId> Enforcer::pack_only(const LiveResource& live, const std::string& actor) {
    if (!accepting_) {
        return fail(Errc::unavailable, "the daemon is shutting down", {}, Retry::later());
    }
    if (live.current.run.state != RunState::running) {
        return fail(Errc::conflict, live.resource.name + " is not running, so there is nothing to copy from");
    }
    if (active_.contains(live.current.run.id) &&
        active_.at(live.current.run.id).e.state == EnforcementState::packing) {
        return fail(Errc::conflict, live.resource.name + " is being packed already");
    }
    const ReceiptId receipt{"rcp_" + world_.entropy.hex(8)};
    tasks_.spawn("pack only " + live.resource.id.value, do_pack_only(live.resource.id, receipt, actor));
    return receipt;
}

Task<void> Enforcer::do_pack_only(ResourceId resource, ReceiptId receipt, std::string actor) {
    Enforcement subject;  // only to name things in the audit
    subject.resource = resource;
    const auto find = [&]() -> LiveResource* { return resource_of(subject); };
    auto earlier = co_await world_.store.receipts(resource, 1);
    LiveResource* live = find();
    if (live == nullptr || !earlier) {
        co_return;
    }
    subject.account = live->resource.account;
    subject.run = live->current.run.id;
    subject.cause = Cause{CauseKind::manual, actor};
    const IntentRow intent{.id = "int_" + world_.entropy.hex(8),
                           .enforcement = {},
                           .run = subject.run,
                           .act = "pack",
                           .at = world_.scheduler.wall()};
    Batch begin{intent, audit(subject, "pack.asked", "pack without a stop, " + receipt.value)};
    auto begun = co_await world_.store.commit(std::move(begin));
    live = find();
    if (!begun || live == nullptr) {
        co_return;
    }
    std::optional<Receipt> previous;
    if (!earlier->empty()) {
        previous = std::move(earlier->front());
    }
    std::shared_ptr<Guest> guest = world_.guests.open(live->resource.account, live->resource,
                                                      live->current.run);
    Result<Receipt> packed = fail(Errc::not_found, "this resource has no guest that Curfew can copy from");
    if (guest) {
        packed = co_await packer_.pack(guest, order_for(*live, receipt, {}, std::move(previous)),
                                       world_.scheduler.in(pack_limit));
    }
    Batch end{OutcomeRow{.intent = intent.id,
                         .outcome = packed ? "receipt " + packed->id.value : to_string(packed.error()),
                         .at = world_.scheduler.wall()}};
    end.emplace_back(audit(subject, packed ? "pack.done" : "pack.failed",
                           packed ? packed->id.value + ": " + std::to_string(packed->files) + " files"
                                  : receipt.value + ": " + to_string(packed.error())));
    if (packed) {
        end.emplace_back(*packed);
    }
    co_await make_durable(std::move(end));
}

/// Acts of an earlier life that nobody goes on with: a pack without a stop, or one of an enforcement that is over.
void Enforcer::close_orphans(const std::vector<IntentRow>& open_intents) {
    Batch orphans;
    for (const IntentRow& intent : open_intents) {
        if (std::ranges::none_of(
                active_, [&](const auto& entry) { return entry.second.e.id == intent.enforcement; })) {
            orphans.emplace_back(OutcomeRow{.intent = intent.id,
                                            .outcome = "unknown: the daemon restarted before it ended",
                                            .at = world_.scheduler.wall()});
        }
    }
    if (!orphans.empty()) {
        tasks_.spawn("acts of an earlier life", make_durable(std::move(orphans)));
    }
}

/// Until the database takes it.
Task<void> Enforcer::make_durable(Batch batch) {
    for (;;) {
        auto done = co_await world_.store.commit(batch);
        if (done || !accepting_) {
            break;
        }
        spdlog::error("event=outcome_not_durable error=\"{}\"", to_string(done.error()));
        co_await world_.scheduler.sleep_for(commit_retry);
    }
}

}  // namespace curfew
