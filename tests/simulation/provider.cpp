#include "simulation/provider.hpp"

#include <algorithm>
#include <utility>

namespace curfew::simulation {

namespace {

constexpr std::size_t lists_kept = 4;
constexpr Duration lag_max = minutes{15};
constexpr Duration long_unseen = minutes{30};

Error timed_out(bool sent) {
    return {Errc::timeout, sent ? Retry::ambiguous() : Retry::later(),
            sent ? "no answer in time" : "it could not be reached in time", "provider"};
}

/// As the adapter words it: without a response nobody knows, whatever became of the request.
StopReply reply_of(const Error& error) {
    using event::Answer;
    const Errc code = error.code;
    const bool key = code == Errc::unauthorized || code == Errc::forbidden;
    const bool unwilling = code == Errc::not_found || code == Errc::rate_limited;
    return {key                      ? Answer::unauthorized
            : code == Errc::conflict ? Answer::already_off
            : unwilling              ? Answer::refused
                                     : Answer::ambiguous,
            error.text};
}

}  // namespace

Error SimCloud::refused() {
    switch (account_.dice.below(5)) {
        case 0:
            return {Errc::forbidden, Retry::never(), "HTTP 403", "provider"};
        case 1:
            return {Errc::not_found, Retry::never(), "HTTP 404", "provider"};
        case 2:
            return {Errc::conflict, Retry::never(), "HTTP 409", "provider"};
        case 3:
            return {Errc::rate_limited, Retry::after(Duration{account_.dice.between(1000, 900'000)}),
                    "HTTP 429", "provider"};
        default:
            return {Errc::unauthorized, Retry::never(), "HTTP 401", "provider"};
    }
}

Task<std::optional<Error>> SimCloud::reach(const char* what, Deadline deadline) {
    Dice& dice = account_.dice;
    const Rates& rates = stage_.rates;
    stage_.note(what, account_.name.value);
    co_await line_.pass(Duration{dice.one_in(3) ? dice.between(5, 400) : 0});
    if (account_.down_until && stage_.clock.now() < *account_.down_until) {
        stage_.injected("provider_down");
        if (dice.one_in(2)) {
            co_await line_.until(deadline.at);
            co_return timed_out(false);
        }
        co_return Error{Errc::unavailable, Retry::later(), "connection refused", "provider"};
    }
    if (account_.key_refused_until && stage_.clock.now() < *account_.key_refused_until) {
        stage_.injected("key_refused");
        co_return Error{Errc::unauthorized, Retry::never(), "HTTP 401: the key is not known", "provider"};
    }
    if (stage_.goes_wrong(dice, rates.lost_request, "lost_request")) {
        if (dice.one_in(2)) {
            co_await line_.until(deadline.at);
            co_return timed_out(true);  // who sent it cannot tell that it was lost on the way there
        }
        co_return Error{Errc::unavailable, Retry::later(), "connection refused", "provider"};
    }
    if (stage_.goes_wrong(dice, rates.refused, "refused")) {
        co_return refused();
    }
    co_return std::nullopt;
}

Task<std::optional<Error>> SimCloud::come_back(const char* what, Deadline deadline) {
    Dice& dice = account_.dice;
    const Rates& rates = stage_.rates;
    if (stage_.goes_wrong(dice, rates.lost_reply, "lost_reply")) {
        if (dice.one_in(2)) {
            co_await line_.until(deadline.at);
            co_return timed_out(true);
        }
        co_return Error{Errc::unavailable, Retry::ambiguous(), "the connection broke", "provider"};
    }
    if (stage_.goes_wrong(dice, rates.broken, "broken")) {
        co_return Error{Errc::unavailable, Retry::later(), "HTTP 502", "provider"};
    }
    if (stage_.goes_wrong(dice, rates.garbage, "garbage")) {
        co_return Error{Errc::protocol, Retry::later(), "an answer that is no JSON", "provider"};
    }
    if (stage_.goes_wrong(dice, rates.latency, "latency")) {
        const Duration slow = dice.skewed(seconds{1}, minutes{2});
        if (line_.scheduler.mono() + slow >= deadline.at) {
            co_await line_.until(deadline.at);
            co_return timed_out(true);
        }
        co_await line_.pass(slow);
    }
    if (line_.scheduler.mono() > deadline.at) {
        co_return timed_out(true);
    }
    stage_.note(what, "answered");
    co_return std::nullopt;
}

Task<Result<std::string>> SimCloud::check_key(Deadline deadline) {
    if (auto lost = co_await reach("check_key", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    if (auto lost = co_await come_back("check_key", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    co_return std::string{"Ana, team lab"};
}

/// Where the provider tells when a run ended: of some a time that cannot be true, whenever it is asked.
std::optional<WallTime> SimCloud::told_end(const SimRun& run) const {
    if (!run.ended || !account_.reports_ends) {
        return std::nullopt;
    }
    Dice odd = stage_.dice.split("stamp " + run.id.value);
    if (!odd.chance(account_.odd_ends)) {
        return run.ended;
    }
    switch (odd.below(3)) {
        case 0:
            return WallTime{odd.between(0, 1000)};
        case 1:
            return run.started - odd.skewed(minutes{1}, hours{30});
        default:
            return *run.ended + hours{24 * odd.between(60, 400)};
    }
}

Run SimCloud::shown(const SimResource& r, const SimRun& run) const {
    Run out = fleet_.shown(r, run);
    out.ended_at = told_end(run);
    if (account_.lists_prices && run.bills()) {
        out.listed_rate = curfew::Rate{fleet_.rate_of(run.machine_type)};
    }
    return out;
}

std::vector<Resource> SimCloud::everything() const {
    std::vector<Resource> out;
    const auto all = fleet_.of_account.find(account_.name);
    if (all == fleet_.of_account.end()) {
        return out;
    }
    for (const SimResource* r : all->second) {
        if (!r->listed || r->runs.empty()) {
            continue;
        }
        Resource shown;
        shown.id = r->id;
        shown.account = r->account;
        shown.provider = "paperspace";
        shown.kind = r->kind;
        shown.name = r->name;
        shown.project = r->project;
        shown.owner = r->owner;
        shown.run = this->shown(*r, r->runs.back());
        for (std::size_t i = 0; i + 1 < r->runs.size(); ++i) {
            if (r->runs[i].bills()) {
                shown.other_runs.push_back(this->shown(*r, r->runs[i]));
            }
        }
        out.push_back(std::move(shown));
    }
    return out;
}

bool SimCloud::told_truly(const ResourceId& resource, const Run& shown) const {
    const SimRun* run = fleet_.run(resource, shown.id);
    return run != nullptr && run->ended && shown.ended_at == run->ended;
}

/// The copy of their database that was asked has not heard yet that this run ended a moment ago.
bool SimCloud::lags(Resource& shown, WallTime date) {
    const SimResource* r = fleet_.find(shown.id);
    const SimRun* run = fleet_.run(shown.id, shown.run.id);
    if (r == nullptr || run == nullptr || !run->ended || *run->ended + lag_max < date ||
        !stage_.goes_wrong(account_.lags, stage_.rates.lags, "lagging_list")) {
        return false;
    }
    SimRun before = *run;
    before.state = RunState::running;
    before.ended.reset();
    shown.run = this->shown(*r, before);
    stage_.judge.shown_on(run->id, date);
    return true;
}

void SimCloud::spoil(Listing& listing) {
    Dice& dice = account_.dice;
    const Rates& rates = stage_.rates;
    auto& all = listing.resources;
    bool spoilt = false;
    if (!all.empty() && stage_.goes_wrong(dice, rates.partial, "partial_list")) {
        listing.complete = false;
        const auto kept = static_cast<std::ptrdiff_t>(dice.below(all.size()));
        all.erase(all.begin() + kept, all.end());
        spoilt = true;
    }
    if (!all.empty() && stage_.goes_wrong(dice, rates.absent, "absent_once")) {
        // Once is no proof: the provider's list is only eventually consistent.
        if (account_.lists % 3 == 0) {
            all.erase(all.begin() + static_cast<std::ptrdiff_t>(dice.below(all.size())));
            spoilt = true;
        }
    }
    if (!account_.earlier.empty() && stage_.goes_wrong(dice, rates.stale, "stale_list")) {
        // From a cache, with its date of then; or from a copy of their database that lags a little, under today's.
        const WallTime of = account_.earlier.front().date;
        if (account_.lists % 2 == 0 || *listing.provider_time - of > lag_max) {
            listing.provider_time = of;
        }
        all = account_.earlier.front().resources;
        const auto note = [&](const Run& shown) {
            if (bills(shown.state)) {
                stage_.judge.shown_on(shown.id, *listing.provider_time);
            }
        };
        for (const Resource& each : all) {
            note(each.run);
            std::ranges::for_each(each.other_runs, note);
        }
        spoilt = true;
    }
    for (Resource& each : all) {
        spoilt = lags(each, *listing.provider_time) || spoilt;
    }
    if (!all.empty() && stage_.goes_wrong(dice, rates.doubled, "doubled_list")) {
        const Resource again = dice.pick(all);
        all.push_back(again);
        listing.complete = false;  // an item that comes twice: the adapter does not call that complete
        spoilt = true;
    }
    if (!all.empty() && stage_.goes_wrong(dice, rates.odd_state, "odd_state")) {
        Resource& one = all[static_cast<std::size_t>(dice.below(all.size()))];
        if (bills(one.run.state)) {
            one.run.state = RunState::unknown;
            one.run.state_text = "Quiescing";
        }
        spoilt = true;
    }
    if (!spoilt && listing.complete) {
        std::vector<RunId> shown;
        for (const Resource& each : all) {
            shown.push_back(each.run.id);
            if (each.run.ended_at && told_truly(each.id, each.run)) {
                stage_.judge.end_asked(each.run.id, true);
            }
            std::ranges::transform(each.other_runs, std::back_inserter(shown), &Run::id);
        }
        stage_.judge.listed(account_.name, stage_.moment(), shown);
    }
}

Task<Result<Listing>> SimCloud::list(Deadline deadline) {
    if (auto lost = co_await reach("list", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    Listing listing;
    listing.complete = true;
    listing.resources = everything();
    listing.provider_time = WallTime{stage_.clock.utc().ms / 1000 * 1000};
    const std::vector<Resource> fresh = listing.resources;
    const WallTime date = *listing.provider_time;
    if (auto lost = co_await come_back("list", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    ++account_.lists;
    spoil(listing);
    account_.earlier.push_back({.date = date, .resources = fresh});
    if (account_.earlier.size() > lists_kept) {
        account_.earlier.pop_front();
    }
    stage_.note("listed", account_.name.value, static_cast<std::int64_t>(listing.resources.size()));
    co_return listing;
}

Task<Result<RunLook>> SimCloud::look(RunRef ref, Deadline deadline) {
    worst_moment_(ref.resource);
    if (auto lost = co_await reach("look", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    RunLook look;
    const SimResource* r = fleet_.find(ref.resource);
    if (r != nullptr && r->listed) {
        const SimRun* run = fleet_.run(ref.resource, ref.run);
        look.listed = run != nullptr;
        look.newest = !r->runs.empty() && r->runs.back().id == ref.run;
        look.run = run != nullptr ? shown(*r, *run) : Run{};
        // One copy of its database has forgotten already what another one still tears down. Not twice: that is proof.
        if (run != nullptr && run->state == RunState::stopping && !account_.denied.contains(ref.run) &&
            stage_.goes_wrong(account_.denials, stage_.rates.denied, "denied")) {
            account_.denied.insert(ref.run);
            look = RunLook{};
        }
    }
    if (auto lost = co_await come_back("look", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    stage_.judge.looked_up(ref.run, look.listed && !is_off(look.run.state), stage_.moment());
    co_return look;
}

Task<StopReply> SimCloud::stop(RunRef ref, Deadline deadline) {
    Dice& dice = account_.dice;
    worst_moment_(ref.resource);
    // On its way it does not depend on us any more: what was sent arrives, also when we die meanwhile.
    if (line_.dead) {
        co_await line_.for_ever();
    }
    stage_.note("stop.sent", ref.run.value);
    stage_.tally.mark("stop.sent");
    stage_.judge.stop_sent(StopMethod::provider, ref.run, stage_.moment());
    if (auto lost = co_await reach("stop", deadline)) {
        co_return reply_of(*lost);
    }
    if (stage_.goes_wrong(dice, stage_.rates.stop_refused, "stop_refused")) {
        co_return reply_of(refused());
    }
    const bool lost_way = stage_.goes_wrong(dice, stage_.rates.stop_lost, "stop_lost");
    if (lost_way && dice.one_in(2)) {
        co_return reply_of(Error{Errc::unavailable, Retry::ambiguous(), "the connection broke", "provider"});
    }
    SimRun* run = fleet_.run(ref.resource, ref.run);
    const bool on = run != nullptr && run->bills();
    const bool stopping = on && run->state == RunState::stopping;
    bool ended = false;
    StopReply reply{event::Answer::accepted, "OK"};
    if (!on || stopping) {
        reply = {event::Answer::already_off, "HTTP 409: it is not running"};
    } else if (stage_.goes_wrong(dice, stage_.rates.stop_ignored, "stop_ignored")) {
        stage_.tally.mark("stop.ignored");
    } else {
        const Duration teardown = stage_.goes_wrong(dice, stage_.rates.slow_teardown, "slow_teardown")
                                      ? dice.between(minutes{1}, minutes{5})
                                      : dice.between(seconds{2}, seconds{40});
        ended = fleet_.begin_stop(ref.resource, ref.run, teardown);
    }
    stage_.judge.stop_called(StopMethod::provider, ref.run, on ? std::optional{ref.run} : std::nullopt, ended,
                             stage_.moment());
    stage_.tally.mark(ended ? "stop.took_effect" : "stop.without_effect");
    if (lost_way) {
        stage_.tally.mark("stop.answer_lost");
        co_return reply_of(Error{Errc::unavailable, Retry::ambiguous(), "the connection broke", "provider"});
    }
    if (auto lost = co_await come_back("stop", deadline)) {
        stage_.tally.mark("stop.answer_lost");
        co_return reply_of(*lost);
    }
    stage_.tally.mark(reply.answer == event::Answer::accepted ? "stop.accepted" : "stop.already_off");
    co_return reply;
}

Task<Result<std::optional<RunEnd>>> SimCloud::ended_at(RunRef ref, Deadline deadline) {
    stage_.judge.end_asked(ref.run, false);
    if (auto lost = co_await reach("ended_at", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    std::optional<RunEnd> end;
    bool truly = false;
    if (const SimRun* run = fleet_.run(ref.resource, ref.run); run != nullptr && told_end(*run)) {
        end = RunEnd{*told_end(*run)};
        truly = end->at == *run->ended;
    }
    if (auto lost = co_await come_back("ended_at", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    stage_.judge.end_asked(ref.run, truly);
    co_return end;
}

Task<Result<std::vector<Run>>> SimCloud::past_runs(ResourceKind /*kind*/, ResourceId resource, WallTime since,
                                                   Deadline deadline) {
    if (auto lost = co_await reach("past_runs", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    std::vector<Run> out;
    bool unseen = false;
    if (const SimResource* r = fleet_.find(resource)) {
        for (const SimRun& run : r->runs) {
            if (run.started >= since && run.ended) {
                out.push_back(shown(*r, run));
                unseen = unseen || (run.started > since && run.id != r->runs.back().id &&
                                    *run.ended - run.started > long_unseen);
            }
        }
    }
    if (unseen && stage_.goes_wrong(account_.untold, stage_.rates.untold, "untold")) {
        co_return std::unexpected(Error{Errc::unavailable, Retry::later(), "HTTP 502", "provider"});
    }
    if (auto lost = co_await come_back("past_runs", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    for (const Run& run : out) {
        stage_.judge.end_asked(run.id, run.ended_at && told_truly(resource, run));
    }
    co_return out;
}

Task<Result<std::optional<Reported>>> SimCloud::reported(Deadline deadline) {
    if (!account_.reports_money) {
        co_return std::optional<Reported>{};
    }
    if (auto lost = co_await reach("reported", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    const WallTime now = stage_.clock.utc();
    const Reported reported{.month = utc_month_begin(now),
                            .month_to_date = fleet_.month_to_date(account_.name),
                            .generated_at = now};
    if (auto lost = co_await come_back("reported", deadline)) {
        co_return std::unexpected(std::move(*lost));
    }
    co_return reported;
}

Task<Result<std::vector<Observation>>> SimCloud::metrics(RunRef ref, Duration window, Deadline deadline) {
    worst_moment_(ref.resource);
    if (auto lost = co_await reach("metrics", deadline)) {
        stage_.judge.answered(ref.run, Signal::metrics, Verdict::unknown, stage_.moment());
        co_return std::unexpected(std::move(*lost));
    }
    Verdict verdict = Verdict::unknown;
    const SimResource* r = fleet_.find(ref.resource);
    const bool measured = r != nullptr && r->has_metrics && r->on() && r->runs.back().id == ref.run &&
                          !stage_.goes_wrong(account_.dice, stage_.rates.no_metrics, "no_metrics");
    if (measured) {
        const bool lately = r->works() || (r->worked_until && stage_.clock.now() - *r->worked_until < window);
        verdict = lately ? Verdict::active : Verdict::quiet;
    }
    if (auto lost = co_await come_back("metrics", deadline)) {
        stage_.judge.answered(ref.run, Signal::metrics, Verdict::unknown, stage_.moment());
        co_return std::unexpected(std::move(*lost));
    }
    const Now now = line_.scheduler.now();
    stage_.judge.answered(ref.run, Signal::metrics, verdict, stage_.moment());
    co_return std::vector<Observation>{{.source = Signal::metrics,
                                        .run = ref.run,
                                        .at = now.mono,
                                        .wall = now.wall,
                                        .verdict = verdict,
                                        .last_active_at = std::nullopt,
                                        .strength = Strength::strong,
                                        .evidence = verdict == Verdict::active  ? "1.00 cores"
                                                    : verdict == Verdict::quiet ? "0.00 cores"
                                                                                : "no series",
                                        .ttl = observation_ttl(account_.poll)}};
}

}  // namespace curfew::simulation
