#include "codec.hpp"

#include "curfew/api/wire.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace curfew::api {

namespace {

Json holds_json(const std::vector<Hold>& holds) {
    Json list = Json::array();
    for (const Hold& hold : holds) {
        list.push_back(to_json(hold));
    }
    return list;
}

Json price_json(const LiveResource& live) {
    if (live.price == nullptr) {
        return {{"amount", nullptr},
                {"currency", "USD"},
                {"per", "hour"},
                {"as_of", nullptr},
                {"status", "unpriced"}};
    }
    Json json = to_json(live.price->rate.per_hour);
    json["per"] = "hour";
    json["as_of"] = live.price->as_of;
    json["status"] = live.price->override_of_user ? "override" : "priced";
    return json;
}

Json resource_json(const LiveResource& live, WallTime now) {
    const Run& run = live.current.run;
    const bool on = bills(run.state);
    Json up = nullptr;
    if (on && run.started_at && now > *run.started_at) {
        up = word(now - *run.started_at);
    }
    return {{"resource", live.resource.id.value},
            {"name", live.resource.name},
            {"provider", "paperspace"},
            {"account", live.resource.account.value},
            {"project", empty_is_null(live.resource.project)},
            {"owner", empty_is_null(live.resource.owner)},
            {"kind", std::string{to_string(live.resource.kind)}},
            {"machine_type", run.machine_type},
            {"state", std::string{to_string(run.state)}},
            {"state_text", run.state_text},
            {"billing", on},
            {"run",
             {{"id", run.id.value},
              {"started", to_json(run.started_at)},
              {"ended", to_json(run.ended_at)},
              {"up", up}}},
            {"older_runs_billing", live.older.size()},
            {"verdict", std::string{to_string(live.current.judgement.verdict)}},
            {"quiet", word(live.current.clock.quiet)},
            {"coverage", std::string{to_string(live.current.judgement.coverage)}},
            {"price", price_json(live)}};
}

Json enforcement_or_null(const Enforcement* e) {
    return e != nullptr ? to_json(*e) : Json(nullptr);
}

Json signals_json(const std::vector<Observation>& observations, Instant now) {
    Json signals = Json::array();
    for (const Observation& o : observations) {
        const Duration age = std::max(Duration{0}, now - o.at);
        const bool expired = age > o.ttl;
        signals.push_back({{"source", std::string{to_string(o.source)}},
                           {"verdict", std::string{to_string(expired ? Verdict::unknown : o.verdict)}},
                           {"strength", std::string{to_string(o.strength)}},
                           {"at", to_string(o.wall)},
                           {"age", word(age)},
                           {"ttl", word(o.ttl)},
                           {"expired", expired},
                           {"last_active_at", to_json(o.last_active_at)},
                           {"evidence", o.evidence}});
    }
    return signals;
}

Json rule_json(const RuleItem& item) {
    Json trial = nullptr;
    if (item.trial_until) {
        trial = {{"until", to_json(item.trial_until)},
                 {"left", word(item.trial_left)},
                 {"would_stop", item.would_stop}};
    }
    Json breaker = nullptr;
    if (item.breaker) {
        breaker = {{"why", item.breaker->why}, {"since", to_string(item.breaker->at)}};
    }
    return {{"name", item.rule.name.value},
            {"mode", std::string{to_string(item.mode)}},
            {"mode_configured", std::string{to_string(item.rule.mode)}},
            {"idle_limit", to_string(item.rule.idle_limit)},
            {"observe_first", to_string(item.rule.observe_first)},
            {"trial", trial},
            {"breaker", breaker},
            {"matches", item.matches},
            {"running", item.running},
            {"stops_7d", item.stops},
            {"false_stops_7d", item.false_stops},
            {"flagged", item.flagged}};
}

}  // namespace

std::string word(Duration d) {
    return to_string(std::chrono::floor<seconds>(d));
}

Json empty_is_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

Json to_json(const Saved& saved) {
    return {{"amount", to_decimal(saved.total)},
            {"currency", std::string{saved.total.currency.view()}},
            {"stops", saved.stops},
            {"unpriced", saved.unpriced},
            {"how",
             "rate x time off after a stop by Curfew until the next start or now, at most 12 h a stop; free "
             "machine types and flat machines save nothing"}};
}

Json to_json(Money money) {
    return {{"amount", to_decimal(money)}, {"currency", std::string{money.currency.view()}}};
}

Json to_json(const std::optional<Money>& money) {
    return money ? to_json(*money) : Json(nullptr);
}

Json to_json(const std::optional<WallTime>& time) {
    return time ? Json(to_string(*time)) : Json(nullptr);
}

Json envelope(std::string_view schema, const Freshness& freshness) {
    Json degraded = Json::array();
    for (const Degraded& d : freshness.degraded) {
        degraded.push_back({{"what", d.what}, {"why", d.why}, {"since", to_json(d.since)}});
    }
    Json stale = nullptr;
    if (freshness.as_of) {
        stale = std::max<std::int64_t>(0, (freshness.now - *freshness.as_of).count() / 1000);
    }
    return {{"schema", std::string{schema}},
            {"as_of", to_json(freshness.as_of)},
            {"stale_for", stale},
            {"now", to_string(freshness.now)},
            {"degraded", degraded}};
}

Json to_json(const StatusReport& report) {
    Json json = envelope(schema::status, report.freshness);
    json["totals"] = {{"per_hour", to_json(report.per_hour)},
                      {"today", to_json(report.today)},
                      {"month", to_json(report.month)},
                      {"unpriced", report.unpriced},
                      {"saved", to_json(report.saved)}};
    json["alerts"] = {{"firing", report.alerts_firing},
                      {"critical", report.alerts_critical},
                      {"dead_letters", report.dead_letters}};
    Json budgets = Json::array();
    for (const BudgetItem& item : report.budgets) {
        budgets.push_back(to_json(item));
    }
    json["budgets"] = std::move(budgets);
    Json rules = Json::array();
    std::ranges::transform(report.rules, std::back_inserter(rules), rule_json);
    json["rules"] = std::move(rules);
    Json items = Json::array();
    for (const StatusItem& item : report.items) {
        Json row = resource_json(*item.live, report.freshness.now);
        row["today"] = to_json(item.today);
        row["month"] = to_json(item.month);
        row["run_cost"] = to_json(item.run_cost);
        row["exact"] = item.exact;
        row["stops_at"] = to_json(item.live->stops_at);
        row["mode"] = std::string{to_string(item.live->mode)};
        row["rule"] = empty_is_null(item.live->rule);
        row["on_trial"] = item.live->on_trial;
        row["holds"] = holds_json(item.live->holds);
        row["beaten_by_hold"] = item.live->beaten_by_hold;
        row["enforcement"] = enforcement_or_null(item.live->under_way());
        row["why"] = item.live->why;
        items.push_back(std::move(row));
    }
    json["items"] = std::move(items);
    return json;
}

Json to_json(const ExplainReport& report) {
    const LiveResource& live = *report.live;
    Json json = envelope(schema::explain, report.freshness);
    json["subject"] = resource_json(live, report.freshness.now);
    json["at"] = nullptr;
    json["looked_at"] = to_json(
        live.current.observed_at
            ? std::optional{report.freshness.now - (report.mono - *live.current.observed_at)}
            : std::nullopt);
    json["signals"] = signals_json(report.observations, report.mono);
    json["decided_by"] = live.current.judgement.step;
    json["quiet"] = word(live.current.clock.quiet);
    json["limit"] = live.idle_limit.count() > 0 ? Json(to_string(live.idle_limit)) : Json(nullptr);
    json["rule"] = empty_is_null(live.rule);
    json["mode"] = std::string{to_string(live.mode)};
    json["protected"] = live.protected_;
    json["rule_now"] = report.rule_now ? rule_json(*report.rule_now) : Json(nullptr);
    json["beaten_by_hold"] = live.beaten_by_hold;
    json["why"] = live.why;
    json["next"] = report.next;
    json["stops_at"] = to_json(live.stops_at);
    json["would_stop"] = report.would_stop;
    json["would_keep"] = report.would_keep;
    json["run_cost"] = to_json(report.run_cost);
    json["holds"] = holds_json(live.holds);
    Json budgets = Json::array();
    for (const BudgetItem& item : report.budgets) {
        budgets.push_back(to_json(item));
    }
    json["budgets"] = std::move(budgets);
    Json history = Json::array();
    for (const Enforcement& e : report.history) {
        history.push_back(to_json(e));
    }
    json["enforcements"] = std::move(history);
    return json;
}

/// The members of the present, so that whoever reads one reads the other; what is not recorded is null or
/// empty.
Json to_json(const MomentReport& report) {
    const Moment& m = report.moment;
    Json json = envelope(schema::explain, report.freshness);
    Json subject = resource_json(*report.live, report.freshness.now);
    subject["machine_type"] = report.run.machine_type;
    subject["state"] = report.off ? "stopped" : "running";
    subject["state_text"] = nullptr;
    subject["billing"] = !report.off;
    subject["run"] = {{"id", report.run.id.value},
                      {"started", to_json(report.run.started_at)},
                      {"ended", to_json(report.off ? report.run.ended_at : std::nullopt)},
                      {"up", report.off || !report.run.started_at || m.at < *report.run.started_at
                                 ? Json(nullptr)
                                 : Json(word(m.at - *report.run.started_at))}};
    subject["older_runs_billing"] = nullptr;
    subject["verdict"] = std::string{to_string(m.judgement.verdict)};
    subject["quiet"] = word(m.clock.quiet);
    subject["coverage"] = std::string{to_string(m.judgement.coverage)};
    json["subject"] = std::move(subject);
    json["at"] = to_string(m.at);
    json["looked_at"] = to_json(m.looked_at);
    json["signals"] = signals_json(m.observations, replay_instant(m.at));
    json["decided_by"] = m.judgement.step;
    json["quiet"] = word(m.clock.quiet);
    json["limit"] = m.result.idle_limit.count() > 0 ? Json(to_string(m.result.idle_limit)) : Json(nullptr);
    json["rule"] = empty_is_null(report.rule);
    json["mode"] = std::string{to_string(m.result.mode)};
    json["protected"] = report.live->protected_;
    json["rule_now"] = nullptr;
    json["why"] = m.result.assessment.why;
    json["next"] = report.next;
    json["stops_at"] = to_json(m.result.stops_in && m.result.mode == Mode::enforce
                                   ? std::optional{m.at + *m.result.stops_in}
                                   : std::nullopt);
    json["would_stop"] = report.would_stop;
    json["would_keep"] = report.would_keep;
    json["run_cost"] = to_json(report.run_cost);
    json["holds"] = m.hold ? holds_json({*m.hold}) : Json::array();
    json["budgets"] = Json::array();
    json["enforcements"] = Json::array();
    return json;
}

Json to_json(const ReplayReport& report) {
    Json json = envelope(schema::replay, report.freshness);
    json["from"] = to_string(report.from);
    json["to"] = to_string(report.to);
    json["rule"] = {{"name", report.rule.name.value},
                    {"idle_limit", to_string(report.rule.idle_limit)},
                    {"accept_partial", report.rule.accept_partial}};
    Json items = Json::array();
    for (const ReplayItem& item : report.items) {
        const ReplayStop& stop = *item.test.stop;
        items.push_back({{"resource", item.resource.value},
                         {"name", item.name},
                         {"run", item.run.id.value},
                         {"machine_type", item.run.machine_type},
                         {"at", to_string(stop.at)},
                         {"why", stop.why},
                         {"warnings", stop.warnings},
                         {"really_ended", to_json(item.run.ended_at)},
                         {"saved", to_json(stop.saved)},
                         {"saved_before_use", to_json(stop.saved_before_use)},
                         {"active_again", to_json(stop.active_again)},
                         {"suspect", stop.suspect_soon() ? Json("soon")
                                     : stop.active_again ? Json("later")
                                                         : Json(nullptr)}});
    }
    json["totals"] = {{"runs", report.runs},
                      {"warned", report.warned},
                      {"stops", report.items.size()},
                      {"saved", to_json(report.saved)},
                      {"saved_before_use", to_json(report.saved_before_use)},
                      {"suspect_soon", report.suspect_soon},
                      {"suspect_later", report.suspect_later},
                      {"unpriced", report.unpriced},
                      {"cut", report.cut}};
    json["how"] =
        "as if in mode enforce and every warning were delivered at once, first stop of each run; saved is "
        "rate x "
        "time until the run really ended, saved_before_use until it was active again";
    json["items"] = std::move(items);
    return json;
}

Json to_json(const PlanReport& report) {
    const WallTime now = report.freshness.now;
    Json json = envelope(schema::plan, report.freshness);
    json["until"] = to_string(report.until);
    json["totals"] = {{"saves", to_json(report.saves)},
                      {"would_save", to_json(report.would_save)},
                      {"without", to_json(report.without)},
                      {"unpriced", report.unpriced}};
    Json items = Json::array();
    for (const PlanItem& item : report.items) {
        Json warnings = Json::array();
        for (const PlannedAct& act : item.warnings) {
            warnings.push_back(to_string(now + act.in));
        }
        const bool stops = item.stop && item.stop->act == RuleWalk::Act::due;
        const char* act = stops ? "stop" : item.stop ? "would_stop" : item.warnings.empty() ? "none" : "warn";
        items.push_back(
            {{"resource", item.live->resource.id.value},
             {"name", item.live->resource.name},
             {"run", item.live->current.run.id.value},
             {"machine_type", item.live->current.run.machine_type},
             {"act", act},
             {"at", item.stop ? Json(to_string(now + item.stop->in)) : Json(nullptr)},
             {"by", item.stop ? Json(std::string{to_string(item.stop->cause.kind)}) : Json(nullptr)},
             {"by_name", item.stop ? Json(item.stop->cause.name) : Json(nullptr)},
             {"warnings", std::move(warnings)},
             {"saves", item.stop ? to_json(item.saves) : Json(nullptr)},
             {"price", price_json(*item.live)},
             {"why", item.why}});
    }
    json["items"] = std::move(items);
    return json;
}

Json to_json(const RulesReport& report) {
    Json json = envelope(schema::rules, report.freshness);
    Json items = Json::array();
    std::ranges::transform(report.items, std::back_inserter(items), rule_json);
    json["items"] = std::move(items);
    return json;
}

Json to_json(const Receipt& r) {
    Json html = Json::array();
    for (const HtmlCopy& copy : r.html) {
        html.push_back({{"notebook", copy.notebook_path},
                        {"html", empty_is_null(copy.local_path)},
                        {"failure", empty_is_null(copy.failure)}});
    }
    Json missing = Json::array();
    for (const NotCovered& item : r.not_covered) {
        missing.push_back({{"what", item.what}, {"why", item.why}, {"listed", item.listed}});
    }
    Json proofs = Json::array();
    for (const VaultProof& proof : r.proofs) {
        proofs.push_back(
            {{"vault", proof.vault.value}, {"locator", proof.locator}, {"method", proof.method}});
    }
    return {{"id", r.id.value},
            {"resource", r.resource.value},
            {"name", r.resource_name},
            {"run", r.run.value},
            {"account", r.account.value},
            {"enforcement", empty_is_null(r.enforcement.value)},
            {"begun_at", to_string(r.begun_at)},
            {"verified_at", to_string(r.verified_at)},
            {"files", r.files},
            {"bytes", r.bytes},
            {"reused", r.reused},
            {"partial", r.partial()},
            {"manifest_sha256", r.manifest_sha256},
            {"sums_sha256", r.sums_sha256},
            {"html", html},
            {"not_covered", missing},
            {"proofs", proofs}};
}

Json to_json(const AuditRow& row) {
    return {{"id", row.seq},
            {"at", to_string(row.at)},
            {"kind", row.kind},
            {"account", empty_is_null(row.account.value)},
            {"resource", empty_is_null(row.resource.value)},
            {"run", empty_is_null(row.run.value)},
            {"actor", row.actor},
            {"text", row.text}};
}

Json to_json(const Hold& hold) {
    return {{"id", hold.id.value},
            {"kind", std::string{to_string(hold.kind)}},
            {"resource", hold.resource.value},
            {"run", empty_is_null(hold.run.value)},
            {"from", to_string(hold.from)},
            {"until", to_string(hold.until)},
            {"reason", empty_is_null(hold.reason)},
            {"job", empty_is_null(hold.job)},
            {"by", hold.by},
            {"released_at", to_json(hold.released_at)}};
}

Json to_json(const Enforcement& e) {
    return {{"id", e.id.value},
            {"run", e.run.value},
            {"cause", std::string{to_string(e.cause.kind)}},
            {"cause_name", e.cause.name},
            {"state", std::string{to_string(e.state)}},
            {"warned_step", ladder_step(e.warned_step)},
            {"pack_attempts", e.pack_attempts},
            {"stop_attempts", e.stop_attempts},
            {"method", std::string{to_string(e.method)}},
            {"receipt", e.receipt ? Json(e.receipt->value) : Json(nullptr)},
            {"reason", e.reason},
            {"outcome", empty_is_null(e.outcome)}};
}

Json to_json(const KeepAnswer& answer) {
    Json json{{"schema", std::string{schema::hold}}};
    json.update(to_json(answer.hold));
    json["price"] = answer.offer.priced ? to_json(answer.offer.price) : Json(nullptr);
    return json;
}

Json to_json(const StopAnswer& answer) {
    return {{"schema", std::string{schema::enforcement}},
            {"enforcement", empty_is_null(answer.enforcement.value)},
            {"steps", answer.steps},
            {"per_hour", to_json(answer.per_hour)}};
}

}  // namespace curfew::api
