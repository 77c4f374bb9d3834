// Keeps the ledger: opens, advances and closes the meters of runs and add-ons as listings show them. Every
// billed second ends up in exactly one row (I6). Rows that it closes are in `Picture::unstored` until the batch goes
// to the store.
#pragma once

#include "curfew/app/world.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace curfew {

/// The flat price of a machine; nullptr when it is billed by the hour.
const FlatPrice* flat_price(const Config& config, const Resource& resource);
/// Why a stop would save nothing; empty when one would.
std::string saves_nothing(const Config& config, const Resource& resource);

class Bookkeeper {
public:
    /// So long it knows what was billed of what is over; nothing is asked for from further back.
    static constexpr Duration counted_kept = hours{24 * 7};

    Bookkeeper(World& world, PriceBook prices);

    /// Meters as the store has them, those of runs for `counted`; `known` tells whose the add-ons are.
    void load(const std::vector<Meter>& meters, const std::vector<ResourceRow>& known);

    /// A run that billed already shows its start only now: it bills from there, unless an hour of it is counted.
    void began(const LiveResource& live, LiveRun& run, WallTime started, Batch& batch);
    /// The run is listed in a state that bills: its meter is opened or advanced. A dated price makes a new row
    /// at its time; one of a table from when that was read on, and a change of machine type, or one that only
    /// shows now, from the list on. One that was taken for ended too early goes on from where it was billed to.
    /// Not for what `stands`.
    void bills(const LiveResource& live, LiveRun& run, WallTime now, Batch& batch);
    /// How far a run that has no meter any more was billed; nullopt = not within the last 7 days.
    std::optional<WallTime> counted(const RunId& run) const;
    /// No list of the account from before this can be news: of then is the newest one by which something was billed,
    /// as stored. Never later than the date of that list, whatever our own clock was. nullopt = there was none.
    std::optional<WallTime> listed_since(const AccountName& account) const;
    /// What ended long ago does not come back.
    void forget_counted(WallTime now);

    /// The run does not bill any more. `ended_at` is the provider's stamp where it has one that can be true;
    /// otherwise the end lies between the last look that showed it billing and `latest`, or `beside` later: it may
    /// have been torn down while the one that took its place was running.
    void ended(const LiveResource& live, LiveRun& run, std::optional<WallTime> ended_at, WallTime latest,
               Duration beside, Batch& batch);

    /// The run began and ended while nobody looked: billed from its start, which must be known; as `ended`.
    void came_and_went(const LiveResource& live, LiveRun& run, std::optional<WallTime> ended_at,
                       WallTime latest, Duration beside, Batch& batch);

    /// A listed machine: does it cost the same on or off (a flat price, or machines billed while off)? Then its
    /// own meter is advanced, and none of its runs has one. Called before `bills`.
    bool stands(LiveResource& live, WallTime now, Batch& batch);
    /// The resource is gone for good.
    void gone(const LiveResource& live, WallTime now, Batch& batch);

    /// A complete list of the add-ons of an account. One that two of them leave out has ended. Called after the
    /// ends of runs, which are those of dynamic addresses.
    void add_ons(const AccountName& account, const std::vector<AddOn>& list, WallTime now, Batch& batch);
    /// Since when the resources of add-ons are off.
    void note_parked(WallTime now);

    /// Rows closed since the last call, for the sums of budgets.
    std::vector<CostRow> take_rows();

    const PriceBook& prices() const { return prices_; }
    /// What an hour of the run costs: the user's price, else the provider's own, else the shipped one; nullptr =
    /// unpriced. Valid until prices are replaced, and of what the resource costs at the newest call.
    const Price* price_of(const Resource& resource, const Run& run, WallTime at);
    void replace_prices(PriceBook prices);

private:
    Tariff tariff_of(const Run& run, const std::string& machine_type, WallTime at) const;
    void count(Meter& meter, const Run& run, WallTime listed_at, WallTime until,
               std::vector<CostRow>& rows) const;
    void listed(LiveAddOn& live, bool is_new, WallTime now, Batch& batch);
    void count_add_on(LiveAddOn& live, WallTime now, std::vector<CostRow>& rows) const;
    Meter new_meter(const LiveAddOn& live, WallTime now) const;
    std::vector<CostRow> end_stretch(LiveAddOn& live, WallTime latest) const;
    void put(const AccountName& account, Meter& meter, std::vector<CostRow> rows, bool changed, Batch& batch);

    World& world_;
    PriceBook prices_;
    Instant prices_read_;                         // when
    std::map<ResourceId, Price> made_;            // prices that stand in no table
    std::map<RunId, Meter> ended_;                // of add-ons that are gone; they may come back
    std::map<RunId, Meter> counted_;              // closed, of runs: a list may have left them out by mistake
    std::map<AccountName, WallTime> lists_;       // newest list of add-ons
    std::map<ResourceId, WallTime> stood_until_;  // machines that are billed by the hour again
    std::map<ResourceId, WallTime> ends_of_runs_;  // newest, by the provider's stamp
    std::vector<CostRow> cut_;
};

}  // namespace curfew
