#include "curfew/app/bookkeeper.hpp"

#include "curfew/core/mutant.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

namespace curfew {

namespace {

constexpr Duration clock_slack = minutes{5};
constexpr Duration date_step = seconds{1};  // the Date of a list
constexpr std::string_view standing = "machine/";

RunId standing_meter(const ResourceId& machine) {
    return RunId{std::string{standing} + machine.value};
}

bool of_add_on(const Meter& meter) {
    return meter.kind != MeterKind::compute || meter.run.value.starts_with(standing);
}

MeterKind meter_kind(AddOnKind kind) {
    switch (kind) {
        case AddOnKind::public_ip:
            return MeterKind::ip;
        case AddOnKind::private_network:
            return MeterKind::other;
        case AddOnKind::machine:
            return MeterKind::compute;
        case AddOnKind::block_storage:
        case AddOnKind::snapshot:
        case AddOnKind::shared_drive:
        case AddOnKind::template_image:
        case AddOnKind::overage:
            break;
    }
    return MeterKind::storage;
}

/// By the words that a meter keeps of it.
AddOnKind kind_of(const Meter& meter) {
    constexpr std::array kinds{
        AddOnKind::block_storage,  AddOnKind::public_ip,       AddOnKind::snapshot, AddOnKind::shared_drive,
        AddOnKind::template_image, AddOnKind::private_network, AddOnKind::overage};
    if (meter.kind == MeterKind::compute) {
        return AddOnKind::machine;
    }
    const auto found = std::ranges::find_if(
        kinds, [&](AddOnKind kind) { return meter.sku.starts_with(to_string(kind)); });
    return found == kinds.end() ? AddOnKind::block_storage : *found;
}

bool off_bills(const Config& config, const Resource& resource) {
    return resource.kind == ResourceKind::machine &&
           std::ranges::any_of(config.accounts, [&](const AccountConfig& account) {
               return account.name == resource.account && account.bill_machines_off;
           });
}

/// What changed since the last look did so somewhere in between.
void changed_unseen(std::vector<CostRow>& rows, Duration since_last_look) {
    if (!rows.empty() && since_last_look > Duration{0}) {
        rows.back().estimated = true;
        rows.back().error_bar = std::max(rows.back().error_bar, since_last_look);
    }
}

void append(std::vector<CostRow>& rows, std::vector<CostRow> more) {
    std::ranges::move(more, std::back_inserter(rows));
}

}  // namespace

const FlatPrice* flat_price(const Config& config, const Resource& resource) {
    if (resource.kind != ResourceKind::machine) {
        return nullptr;
    }
    const auto found = std::ranges::find_if(config.flat, [&](const FlatPrice& flat) {
        return std::ranges::any_of(
            flat.match, [&](const std::string& glob) { return glob_matches(glob, resource.name); });
    });
    return found == config.flat.end() ? nullptr : &*found;
}

std::string saves_nothing(const Config& config, const Resource& resource) {
    if (const FlatPrice* flat = flat_price(config, resource)) {
        return "flat price of " + to_string(flat->per_month) + " a month, on or off: a stop saves nothing";
    }
    return off_bills(config, resource) ? "billed while off as well (bill_machines_off): a stop saves nothing"
                                       : std::string{};
}

Bookkeeper::Bookkeeper(World& world, PriceBook prices)
    : world_(world), prices_(std::move(prices)), prices_read_(world.scheduler.mono()) {}

void Bookkeeper::load(const std::vector<Meter>& meters, const std::vector<ResourceRow>& known) {
    for (const Meter& meter : meters) {
        if (!of_add_on(meter)) {
            if (!meter.open) {
                counted_.insert_or_assign(meter.run, meter);
            }
            continue;
        }
        if (!meter.open) {
            ended_.insert_or_assign(meter.run, meter);
            continue;
        }
        const auto row = std::ranges::find(known, meter.resource, &ResourceRow::id);
        LiveAddOn& live = world_.picture.add_ons[meter.run];
        live.add_on.id = meter.run.value;
        live.add_on.kind = kind_of(meter);
        live.add_on.resource = meter.resource;
        live.add_on.name = row != known.end() ? row->name : meter.sku;
        live.account = row != known.end() ? row->account : AccountName{};
        live.meter = meter;
        live.first_seen = meter.started;
    }
}

std::optional<WallTime> Bookkeeper::listed_since(const AccountName& account) const {
    std::optional<WallTime> newest;
    const auto take = [&](const Meter& meter) {
        newest = std::max(newest.value_or(meter.last_seen_billing), meter.last_seen_billing);
    };
    for (const auto& [id, live] : world_.picture.resources) {
        if (live.resource.account == account) {
            each_meter(live, take);
        }
    }
    for (const auto& [run, meter] : counted_) {
        const auto live = world_.picture.resources.find(meter.resource);
        if (live != world_.picture.resources.end() && live->second.resource.account == account) {
            take(meter);
        }
    }
    return newest;
}

void Bookkeeper::put(const AccountName& account, Meter& meter, std::vector<CostRow> rows, bool changed,
                     Batch& batch) {
    changed = changed || !rows.empty();
    for (CostRow& row : rows) {
        cut_.push_back(row);
        world_.picture.unstored[account].push_back(row);
        batch.emplace_back(std::move(row));
    }
    if (changed) {
        batch.emplace_back(meter);
    }
    if (!meter.open && !of_add_on(meter)) {
        counted_.insert_or_assign(meter.run, meter);
    }
}

std::optional<WallTime> Bookkeeper::counted(const RunId& run) const {
    const auto found = counted_.find(run);
    return found == counted_.end() ? std::nullopt : std::optional{found->second.counted_to};
}

void Bookkeeper::forget_counted(WallTime now) {
    std::erase_if(counted_, [&](const auto& entry) { return now - entry.second.counted_to > counted_kept; });
}

// ---- runs ------------------------------------------------------------------------------------------

Tariff Bookkeeper::tariff_of(const Run& run, const std::string& machine_type, WallTime at) const {
    const Price* price = prices_.find(machine_type, at);
    const bool ours = price != nullptr && (price->override_of_user || machine_type.starts_with("Free-"));
    const auto rate = !ours && run.listed_rate && run.machine_type == machine_type ? run.listed_rate
                      : price != nullptr ? std::optional{price->rate}
                                         : std::nullopt;
    return {.rate = rate, .monthly_cap = std::nullopt};
}

const Price* Bookkeeper::price_of(const Resource& resource, const Run& run, WallTime at) {
    const Price* price = prices_.find(run.machine_type, at);
    const FlatPrice* flat = flat_price(*world_.config, resource);
    const Tariff tariff = tariff_of(run, run.machine_type, at);
    if (flat == nullptr && (!tariff.rate || (price != nullptr && *tariff.rate == price->rate))) {
        return price;
    }
    Price& made = made_[resource.id];
    made = price != nullptr ? *price : Price{};
    made.rate = flat != nullptr ? Rate{} : *tariff.rate;
    made.as_of = to_string(at).substr(0, 10);
    made.note = flat != nullptr ? saves_nothing(*world_.config, resource) : "listed by the provider";
    made.override_of_user = flat != nullptr;
    return &made;
}

void Bookkeeper::replace_prices(PriceBook prices) {
    prices_ = std::move(prices);
    prices_read_ = world_.scheduler.mono();
}

/// Full hours up to `until`, and a cut where a dated price begins to hold before. What the list of `listed_at` says is
/// the price of that time: of other times only the table knows, where the provider goes by it.
void Bookkeeper::count(Meter& meter, const Run& run, WallTime listed_at, WallTime until,
                       std::vector<CostRow>& rows) const {
    const auto changes = mutant(Mutant::dated_price_ignored)
                             ? std::vector<WallTime>{}
                             : prices_.changes(meter.sku, meter.counted_to, std::max(until, listed_at));
    for (std::size_t i = 0; i < changes.size() && changes[i] <= until; ++i) {
        const WallTime at = changes[i];
        append(rows, advance(meter, at));
        if (at - meter.counted_to >= hours{1}) {
            return;  // it catches up over several calls
        }
        Tariff tariff = tariff_of(run, meter.sku, at);
        if (at > listed_at || (i + 1 < changes.size() && changes[i + 1] <= listed_at)) {
            const Price* before = prices_.find(meter.sku, at - Duration{1});
            const Price* price = prices_.find(meter.sku, at);
            const bool by_table = price != nullptr && before != nullptr && meter.tariff.rate == before->rate;
            tariff = by_table ? Tariff{.rate = price->rate, .monthly_cap = std::nullopt} : meter.tariff;
        }
        if (tariff != meter.tariff) {
            append(rows, reprice(meter, at, meter.sku, tariff));
        }
    }
    append(rows, advance(meter, until));
}

void Bookkeeper::began(const LiveResource& live, LiveRun& run, WallTime started, Batch& batch) {
    if (run.meter && run.meter->counted_to == run.meter->started && !counted_.contains(run.run.id)) {
        run.meter->started = run.meter->counted_to = started;
        put(live.resource.account, *run.meter, {}, true, batch);
    }
}

void Bookkeeper::bills(const LiveResource& live, LiveRun& run, WallTime now, Batch& batch) {
    const bool is_new = !run.meter;
    const WallTime started = run.run.started_at.value_or(now);
    const auto stood = stood_until_.find(live.resource.id);
    // A stamp that is believed and ahead of our clock says that this one is behind.
    const WallTime from = std::max(started,
                                   stood == stood_until_.end() ? started : std::min(now, stood->second));
    if (const auto before = counted_.find(run.run.id); is_new && before != counted_.end()) {
        // It goes on, though it seemed to have ended; what is counted is, also where our clock has been set back.
        run.meter = before->second;
        run.meter->open = true;
        run.meter->counted_to = std::max(run.meter->counted_to, from);
    } else if (is_new) {
        run.meter = Meter{.resource = live.resource.id,
                          .run = run.run.id,
                          .sku = run.run.machine_type,
                          .tariff = tariff_of(run.run, run.run.machine_type, from),
                          .started = started,
                          .counted_to = from,
                          .last_seen_billing = now};
        // It began at a price of its own time, if the provider goes by the table.
        const Price* then = prices_.find(run.run.machine_type, from);
        const Price* today = prices_.find(run.run.machine_type, std::max(now, from));
        if (then != nullptr && today != nullptr && run.meter->tariff.rate == today->rate) {
            run.meter->tariff.rate = then->rate;
        }
    }
    Meter& meter = *run.meter;
    meter.rule = live.rule;
    const AccountConfig* account = world_.account(live.resource.account);
    meter.increment = account != nullptr ? account->billing_increment : Increment::none;
    std::vector<CostRow> rows;
    // It billed when the list was asked for: an hour is over once that is past it by the provider's clock as well.
    const WallTime seen_billing = std::min(now, live.asked_at.value_or(now));
    const auto by_list = [&](const Tariff& tariff) {
        return meter.sku != run.run.machine_type || tariff.rate == run.run.listed_rate;
    };
    const auto caught_up = [&](WallTime at) { return at - meter.counted_to < hours{1}; };
    // What is in a table holds from when that was read, by the clock of the list. Only one that may be from before
    // shows nothing of it: the first since the start, if by our clock it is as old. No later list is.
    const Duration since_read = world_.scheduler.mono() - prices_read_;
    const auto of_account = world_.picture.accounts.find(live.resource.account);
    const bool is_first = of_account != world_.picture.accounts.end() && of_account->second.first_list;
    const bool in_force = !is_first || now - seen_billing < since_read + date_step;
    const WallTime read = seen_billing - since_read;
    bool changes = false;
    if (in_force && meter.counted_to < read) {
        count(meter, run.run, now, read, rows);
        const Tariff tariff = tariff_of(run.run, meter.sku, read);
        changes = caught_up(read) && !by_list(tariff) && tariff != meter.tariff;
        if (changes) {
            append(rows, reprice(meter, read, meter.sku, tariff));
        }
    }
    count(meter, run.run, now, seen_billing, rows);
    // What is counted already has its price: one that began since then holds from there on.
    const Tariff tariff = tariff_of(run.run, run.run.machine_type, std::max(seen_billing, meter.counted_to));
    const bool other = meter.sku != run.run.machine_type || meter.tariff != tariff;
    if (other && (in_force || by_list(tariff)) && caught_up(seen_billing)) {
        changes = true;
        const bool unseen = by_list(tariff);
        append(rows, reprice(meter, seen_billing, run.run.machine_type, tariff));
        changed_unseen(rows, unseen ? seen_billing - meter.last_seen_billing : Duration{0});
    }
    meter.last_seen_billing = seen_billing;  // perhaps no longer when the answer had come
    put(live.resource.account, meter, std::move(rows), is_new || changes, batch);
}

void Bookkeeper::ended(const LiveResource& live, LiveRun& run, std::optional<WallTime> ended_at,
                       WallTime latest, Duration beside, Batch& batch) {
    if (!run.meter) {
        return;
    }
    CURFEW_ASSERT(run.meter->resource == live.resource.id, "I6: a meter belongs to its resource");
    Meter meter = *std::exchange(run.meter, std::nullopt);
    const bool believed = ended_at && *ended_at >= run.run.started_at.value_or(meter.started);
    // Of what it had cost until an end that was told before, nothing is given back again.
    const WallTime at = believed && !mutant(Mutant::ended_billed_until_now)
                            ? std::max(*ended_at, meter.started)
                            : latest;
    // Between the last sight of it and the latest time, whichever of the two is later; both may be of a clock that was
    // ahead.
    const Duration bar = believed ? Duration{0}
                                  : std::max({Duration{std::chrono::abs(latest - meter.last_seen_billing)},
                                              beside, latest - world_.scheduler.wall()});
    std::vector<CostRow> rows;
    count(meter, run.run, meter.last_seen_billing, at, rows);
    append(rows, close(meter, at, !believed,
                       mutant(Mutant::no_error_bar) ? Duration{0}
                       : mutant(Mutant::bar_halved) ? bar / 2
                                                    : bar));
    spread_doubt(rows, std::max(beside, latest - world_.scheduler.wall()));
    if (believed) {
        WallTime& newest = ends_of_runs_[live.resource.id];
        newest = std::max(newest, at);
    }
    put(live.resource.account, meter, std::move(rows), true, batch);
}

void Bookkeeper::came_and_went(const LiveResource& live, LiveRun& run, std::optional<WallTime> ended_at,
                               WallTime latest, Duration beside, Batch& batch) {
    CURFEW_ASSERT(run.run.started_at && !run.meter, "I6: a run is billed once, from its start");
    const Config& config = *world_.config;
    if (flat_price(config, live.resource) != nullptr || off_bills(config, live.resource)) {
        return;
    }
    const WallTime started = *run.run.started_at;
    bills(live, run, started, batch);
    ended(live, run, ended_at, std::max(latest, started), beside, batch);
}

// ---- machines that cost the same on or off ---------------------------------------------------------

bool Bookkeeper::stands(LiveResource& live, WallTime now, Batch& batch) {
    const Config& config = *world_.config;
    const FlatPrice* flat = flat_price(config, live.resource);
    const RunId key = standing_meter(live.resource.id);
    if (flat == nullptr && !off_bills(config, live.resource)) {
        gone(live, now, batch);  // it was one until now
        return false;
    }
    const Run& run = live.current.run;
    const Tariff tariff = flat != nullptr ? Tariff{.rate = std::nullopt, .monthly_cap = flat->per_month}
                                          : tariff_of(run, run.machine_type, now);
    bool ran = false;  // by the hour, until now
    const auto end_run = [&](LiveRun& each) {
        if (each.meter) {
            Meter meter = *std::exchange(each.meter, std::nullopt);
            std::vector<CostRow> last;
            count(meter, each.run, now, now, last);
            append(last, close(meter, now, false, Duration{0}));
            put(live.resource.account, meter, std::move(last), true, batch);
            ran = true;
        }
    };
    end_run(live.current);
    std::ranges::for_each(live.older, end_run);
    auto [entry, is_new] = world_.picture.add_ons.try_emplace(key);
    LiveAddOn& stands = entry->second;
    stands.account = live.resource.account;
    stands.add_on.id = key.value;
    stands.add_on.kind = AddOnKind::machine;
    stands.add_on.resource = live.resource.id;
    stands.add_on.name = live.resource.name;
    std::vector<CostRow> rows;
    if (is_new) {
        stands.first_seen = now;
        const bool on = curfew::bills(run.state) && run.started_at && *run.started_at < now && !ran;
        const WallTime from = !on               ? now
                              : flat != nullptr ? std::max(*run.started_at, utc_month_begin(now))
                                                : *run.started_at;
        stands.meter = Meter{.resource = live.resource.id,
                             .run = key,
                             .sku = run.machine_type,
                             .tariff = flat != nullptr ? tariff : tariff_of(run, run.machine_type, from),
                             .started = from,
                             .counted_to = from,
                             .last_seen_billing = now};
        if (const auto before = ended_.extract(key)) {
            stands.meter = before.mapped();
            reopen(stands.meter, now);
        }
    }
    Meter& meter = stands.meter;
    meter.rule = live.rule;
    if (meter.tariff.monthly_cap) {
        append(rows, advance(meter, now));
    } else {
        count(meter, run, now, now, rows);
    }
    const bool other = meter.sku != run.machine_type || meter.tariff != tariff;
    if (other) {
        append(rows, reprice(meter, now, run.machine_type, tariff));
    }
    meter.last_seen_billing = now;
    put(live.resource.account, meter, std::move(rows), is_new || other, batch);
    return true;
}

void Bookkeeper::gone(const LiveResource& live, WallTime now, Batch& batch) {
    auto stood = world_.picture.add_ons.extract(standing_meter(live.resource.id));
    if (!stood) {
        return;
    }
    Meter& meter = stood.mapped().meter;
    const Duration bar = now - meter.last_seen_billing;
    put(live.resource.account, meter, close(meter, now, bar > Duration{0}, std::max(Duration{0}, bar)), true,
        batch);
    ended_.insert_or_assign(meter.run, meter);
    stood_until_.insert_or_assign(live.resource.id, now);
}

// ---- add-ons ---------------------------------------------------------------------------------------

void Bookkeeper::add_ons(const AccountName& account, const std::vector<AddOn>& list, WallTime now,
                         Batch& batch) {
    auto& all = world_.picture.add_ons;
    std::set<RunId> seen;
    for (const AddOn& add_on : list) {
        const RunId key{add_on.id};
        const auto [entry, is_new] = all.try_emplace(key);
        LiveAddOn& live = entry->second;
        // Two keys of one team show the same thing: it is billed once, to the first.
        const bool others = !live.account.empty() && live.account != account &&
                            world_.account(live.account) != nullptr;
        if (others || !seen.insert(key).second) {
            continue;
        }
        if (add_on.resource.value == add_on.id && (is_new || live.add_on.name != add_on.name)) {
            // It belongs to nothing: the ledger finds its name and account here, and nobody looks for a run.
            batch.emplace_back(ResourceRow{.id = add_on.resource,
                                           .account = account,
                                           .kind = ResourceKind::machine,
                                           .name = add_on.name,
                                           .project = {},
                                           .owner = {},
                                           .first_seen = now,
                                           .last_seen = now,
                                           .gone = true});
        }
        live.add_on = add_on;
        live.account = account;
        live.absent = 0;
        listed(live, is_new, now, batch);
    }
    const bool only = world_.config->accounts.size() == 1;
    for (auto entry = all.begin(); entry != all.end();) {
        LiveAddOn& live = entry->second;
        const bool ours = live.account == account || (live.account.empty() && only);
        if (!ours || live.add_on.kind == AddOnKind::machine || seen.contains(entry->first) ||
            ++live.absent < 2) {
            ++entry;  // one list without it proves nothing
            continue;
        }
        if (live.meter.open) {
            put(account, live.meter, end_stretch(live, now), true, batch);
        }
        ended_.insert_or_assign(entry->first, live.meter);
        entry = all.erase(entry);
    }
    lists_[account] = now;
}

/// From the provider's stamp, but not from before anybody watched: of the first list from the month's beginning,
/// so that the month's figure and its cap are whole.
Meter Bookkeeper::new_meter(const LiveAddOn& live, WallTime now) const {
    const WallTime month = utc_month_begin(now);
    const auto list = lists_.find(live.account);
    const auto account = world_.picture.accounts.find(live.account);
    const auto watched = account == world_.picture.accounts.end() ? std::nullopt
                                                                  : account->second.last_success;
    const WallTime floor = list != lists_.end() ? list->second : std::min(month, watched.value_or(month));
    const std::optional<WallTime>& since = live.add_on.since;
    const WallTime from = since ? std::min(now, std::max(*since, floor)) : now;
    Meter meter{.resource = live.add_on.resource,
                .run = RunId{live.add_on.id},
                .kind = meter_kind(live.add_on.kind),
                .started = from,
                .counted_to = from,
                .last_seen_billing = now};
    if (since && *since < from) {
        meter.used_in_month = from - std::max(*since, utc_month_begin(from));
    }
    const AddOnPrice price = prices_.find(live.add_on.kind, live.add_on.bytes, from);
    meter.sku = price.sku;
    meter.tariff = price.tariff;
    return meter;
}

/// Ends what billed until now or until a stamp says; `latest` is when it is known not to have billed.
std::vector<CostRow> Bookkeeper::end_stretch(LiveAddOn& live, WallTime latest) const {
    Meter& meter = live.meter;
    std::optional<WallTime> end = live.add_on.billing ? std::nullopt : live.add_on.until;
    const auto run = ends_of_runs_.find(meter.resource);
    if (!end && live.add_on.kind == AddOnKind::public_ip && run != ends_of_runs_.end() &&
        run->second > meter.started && run->second <= latest && run->second >= meter.counted_to) {
        end = run->second;  // a dynamic address goes with its machine
    }
    const bool believed = end && *end >= meter.started && *end <= world_.scheduler.wall() + clock_slack;
    std::vector<CostRow> rows;
    count_add_on(live, believed ? *end : latest, rows);
    const Duration bar = std::max(Duration{0}, latest - meter.last_seen_billing);
    append(rows, believed ? close(meter, *end, false, Duration{0}) : close(meter, latest, true, bar));
    spread_doubt(rows, Duration{0});
    return rows;
}

/// As `count`, with the dated prices of add-ons.
void Bookkeeper::count_add_on(LiveAddOn& live, WallTime until, std::vector<CostRow>& rows) const {
    Meter& meter = live.meter;
    for (const WallTime at : prices_.changes(live.add_on.kind, meter.counted_to, until)) {
        append(rows, advance(meter, at));
        if (at - meter.counted_to >= hours{1}) {
            return;
        }
        const AddOnPrice price = prices_.find(live.add_on.kind, live.add_on.bytes, at);
        append(rows, reprice(meter, at, price.sku, price.tariff));
    }
    append(rows, advance(meter, until));
}

void Bookkeeper::listed(LiveAddOn& live, bool is_new, WallTime now, Batch& batch) {
    Meter& meter = live.meter;
    const AddOn& add_on = live.add_on;
    if (is_new) {
        live.first_seen = now;
        if (const auto before = ended_.extract(RunId{add_on.id})) {
            meter = before.mapped();
        } else {
            meter.open = false;
        }
    }
    const auto owner = world_.picture.resources.find(add_on.resource);
    const std::string rule = owner != world_.picture.resources.end() ? owner->second.rule : std::string{};
    meter.rule = rule;
    bool changed = false;
    std::vector<CostRow> rows;
    const std::optional<WallTime> since = add_on.since ? std::optional{std::min(*add_on.since, now)}
                                                       : std::nullopt;
    if (!add_on.billing) {
        if (meter.open) {
            rows = end_stretch(live, now);
            changed = true;
        }
    } else {
        if (meter.open && since && *since > meter.last_seen_billing) {
            append(rows, end_stretch(live, *since));  // it went and came back between two lists
        }
        if (meter.run.empty()) {
            meter = new_meter(live, now);
            meter.rule = rule;
            changed = true;
        } else if (!meter.open) {
            reopen(meter, since.value_or(now));
            changed = true;
        }
        count_add_on(live, now, rows);
        const AddOnPrice price = prices_.find(add_on.kind, add_on.bytes, now);
        if (meter.sku != price.sku || meter.tariff != price.tariff) {
            const bool size = meter.sku != price.sku || add_on.kind == AddOnKind::overage;
            append(rows, reprice(meter, now, price.sku, price.tariff));
            changed_unseen(rows, size ? now - meter.last_seen_billing : Duration{0});
            changed = true;
        }
        if (meter.resource != add_on.resource) {
            append(rows, reprice(meter, now, meter.sku, meter.tariff));  // an address outlives its machine
            meter.resource = add_on.resource;
            changed = true;
        }
        meter.last_seen_billing = std::max(meter.last_seen_billing, now);  // our clock may be set back
    }
    put(live.account, meter, std::move(rows), changed, batch);
}

void Bookkeeper::note_parked(WallTime now) {
    for (auto& [id, live] : world_.picture.add_ons) {
        const auto owner = world_.picture.resources.find(live.add_on.resource);
        if (owner == world_.picture.resources.end() || !is_off(owner->second.current.run.state)) {
            live.idle_since.reset();
        } else if (!live.idle_since) {
            live.idle_since = owner->second.current.run.ended_at.value_or(now);
        }
    }
}

std::vector<CostRow> Bookkeeper::take_rows() {
    return std::exchange(cut_, {});
}

}  // namespace curfew
