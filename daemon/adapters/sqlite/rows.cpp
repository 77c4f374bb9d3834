#include "adapters/sqlite/rows.hpp"

#include "adapters/sqlite/alerts.hpp"
#include "adapters/sqlite/columns.hpp"
#include "adapters/sqlite/documents.hpp"
#include "adapters/sqlite/history.hpp"
#include "adapters/sqlite/outbox.hpp"
#include "curfew/core/mutant.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace curfew::sqlite {

namespace {

constexpr std::string_view chain_start = "curfew audit";
constexpr std::int64_t rule_events_kept = 20'000;
constexpr std::int64_t quarantine_kept = 20'000;

ResourceKind resource_kind(const std::string& word) {
    return word_to(std::array{ResourceKind::notebook, ResourceKind::machine}, word);
}
MeterKind meter_kind(const std::string& word) {
    return word_to(std::array{MeterKind::other, MeterKind::compute, MeterKind::storage, MeterKind::ip}, word);
}
Signal signal_from(const std::string& word) {
    return word_to(std::array{Signal::session, Signal::heartbeat, Signal::kernels, Signal::terminals,
                              Signal::server, Signal::metrics, Signal::processes, Signal::gpu,
                              Signal::disk_network, Signal::watched_paths},
                   word);
}

std::optional<std::int64_t> nanos(const std::optional<Rate>& rate) {
    return rate ? std::optional{rate->per_hour.nanos} : std::nullopt;
}
Currency currency(const std::string& code) {
    Currency out;
    for (std::size_t i = 0; i < 3 && i < code.size(); ++i) {
        out.code[i] = code[i];
    }
    return out;
}
std::optional<Rate> rate(const std::optional<std::int64_t>& nanos_per_hour, const std::string& code) {
    return nanos_per_hour ? std::optional{Rate{Money{*nanos_per_hour, currency(code)}}} : std::nullopt;
}

// ---- the audit's chain: SHA-256 over the hash before and every column, each with its length ---------

std::string chain_hash(const std::string& before, const AuditRow& r) {
    Sha256 hash{};
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    CURFEW_ASSERT(context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1,
                  "SHA-256 is there");
    const auto add = [&](const std::string& text) {
        const std::string length = std::to_string(text.size()) + ":";
        EVP_DigestUpdate(context, length.data(), length.size());
        EVP_DigestUpdate(context, text.data(), text.size());
    };
    add(before);
    add(std::to_string(r.seq));
    add(std::to_string(r.at.ms));
    for (const std::string* text :
         {&r.kind, &r.account.value, &r.resource.value, &r.run.value, &r.actor, &r.text}) {
        add(*text);
    }
    unsigned size = 0;
    EVP_DigestFinal_ex(context, hash.data(), &size);
    EVP_MD_CTX_free(context);
    return to_hex(hash);
}

struct Writer {
    Database& db;
    Ledger& ledger;

    void operator()(const ResourceRow& r) const {
        Query(db,
              "INSERT INTO resource VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
              "account=excluded.account,"
              " name=excluded.name, project=excluded.project, owner=excluded.owner, "
              "last_seen=excluded.last_seen,"
              " gone=excluded.gone",
              r.id.value, r.account.value, std::string{to_string(r.kind)}, r.name, r.project, r.owner,
              r.first_seen.ms, r.last_seen.ms, r.gone)
            .run();
    }
    void operator()(const RunRow& r) const {
        Query(db,
              "INSERT INTO run VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
              "machine_type=excluded.machine_type,"
              " state=excluded.state, state_text=excluded.state_text, started_at=excluded.started_at,"
              " ended_at=excluded.ended_at, last_seen=excluded.last_seen",
              r.id.value, r.resource.value, r.account.value, r.machine_type, std::string{to_string(r.state)},
              r.state_text, ms(r.started_at), ms(r.ended_at), r.first_seen.ms, r.last_seen.ms)
            .run();
    }
    void operator()(const Meter& m) const {
        const auto& [rate, cap] = m.tariff;
        const auto cap_nanos = cap ? std::optional{cap->nanos} : std::nullopt;
        const Currency priced_in = rate ? rate->per_hour.currency : cap ? cap->currency : m.closed.currency;
        Query(db, "INSERT OR REPLACE INTO meter VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", m.run.value,
              std::string{to_string(m.kind)}, m.resource.value, m.sku, nanos(rate), cap_nanos,
              std::string{priced_in.view()}, std::string{to_string(m.increment)}, m.rule, m.started.ms,
              m.counted_to.ms, m.last_seen_billing.ms, std::int64_t{m.used_in_month.count()}, m.closed.nanos,
              std::string{m.closed.currency.view()}, m.open)
            .run();
    }
    void operator()(const CostRow& c) const { ledger.write(c); }
    void operator()(const Observation& o) const {
        Query(db, "INSERT OR REPLACE INTO observation VALUES (?,?,?,?,?,?,?,?,?)", o.run.value,
              std::string{to_string(o.source)}, o.at.ms, o.wall.ms, std::string{to_string(o.verdict)},
              ms(o.last_active_at), std::string{to_string(o.strength)}, o.evidence,
              std::int64_t{o.ttl.count()})
            .run();
    }
    void operator()(const QuietRow& q) const {
        Query(db, "INSERT OR REPLACE INTO quiet_clock VALUES (?,?,?)", q.run.value,
              std::int64_t{q.clock.quiet.count()}, ms(q.clock.last_quiet_at))
            .run();
    }
    void operator()(const AccountPollRow& p) const {
        Query(db,
              "INSERT INTO poll VALUES (?,?,?,?,?) ON CONFLICT (account) DO UPDATE SET "
              "complete=excluded.complete,"
              " error=excluded.error, mono=CASE excluded.error WHEN '' THEN excluded.mono ELSE mono END,"
              " wall=CASE excluded.error WHEN '' THEN excluded.wall ELSE wall END",
              p.account.value, p.mono.ms, p.wall.ms, p.complete, p.error)
            .run();
    }
    void operator()(const Enforcement& e) const {
        const auto by = e.override_ ? std::optional{e.override_->by} : std::nullopt;
        const auto why = e.override_ ? std::optional{e.override_->reason} : std::nullopt;
        const auto receipt = e.receipt ? std::optional{e.receipt->value} : std::nullopt;
        Query(db,
              "INSERT INTO enforcement VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) "
              "DO UPDATE SET"
              " cause_kind=excluded.cause_kind, cause_name=excluded.cause_name, state=excluded.state,"
              " warned_step=excluded.warned_step, warned_at=excluded.warned_at, notice_at=excluded.notice_at,"
              " pack_attempts=excluded.pack_attempts, stop_attempts=excluded.stop_attempts, "
              "method=excluded.method,"
              " next_at=excluded.next_at, stop_called_at=excluded.stop_called_at, receipt=excluded.receipt,"
              " override_by=excluded.override_by, override_reason=excluded.override_reason,"
              " off_sightings=excluded.off_sightings, relooks=excluded.relooks, reason=excluded.reason,"
              " outcome=excluded.outcome",
              e.id.value, e.account.value, e.resource.value, e.run.value,
              std::string{to_string(e.cause.kind)}, e.cause.name, std::string{to_string(e.state)},
              e.warned_step, ms(e.warned_at), ms(e.notice_at), e.pack_attempts, e.stop_attempts,
              std::string{to_string(e.method)}, ms(e.next_at), ms(e.stop_called_at), receipt, by, why,
              e.off_sightings, e.relooks, e.reason, e.outcome)
            .run();
    }
    void operator()(const AuditRow& given) const {
        AuditRow r = given;
        std::string before{chain_start};
        {
            Query last(db, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1");
            r.seq = 1;
            if (last.row()) {
                r.seq = last.integer(0) + 1;
                before = last.text(1);
            }
        }
        Query(db, "INSERT INTO audit VALUES (?,?,?,?,?,?,?,?,?)", r.seq, r.at.ms, r.kind, r.account.value,
              r.resource.value, r.run.value, r.actor, r.text, chain_hash(before, r))
            .run();
    }
    void operator()(const IntentRow& i) const {
        Query(db, "INSERT INTO intent VALUES (?,?,?,?,?)", i.id, i.enforcement.value, i.run.value, i.act,
              i.at.ms)
            .run();
    }
    void operator()(const OutcomeRow& o) const {
        Query(db, "INSERT OR IGNORE INTO outcome VALUES (?,?,?)", o.intent, o.outcome, o.at.ms).run();
    }
    void operator()(const Hold& h) const {
        if (mutant(Mutant::hold_not_stored)) {
            return;
        }
        Query(db,
              "INSERT INTO hold VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
              "released_at=excluded.released_at",
              h.id.value, std::string{to_string(h.kind)}, h.resource.value, h.run.value, h.from.ms,
              h.until.ms, h.reason, h.by, ms(h.released_at), h.job, h.link)
            .run();
    }
    void operator()(const Alert& a) const { write(db, a); }
    void operator()(const AlertEvent& e) const { write(db, e); }
    void operator()(const Silence& silence) const { write(db, silence); }
    void operator()(const AlertPrune& prune) const { write(db, prune); }
    void operator()(const OutboxRow& o) const { write(db, o); }
    void operator()(const ParcelRow& p) const { write(db, p); }
    void operator()(const ChannelStateRow& c) const { write(db, c); }
    void operator()(const ParcelFill& fill) const { write(db, fill); }
    void operator()(const OutboxEnd& end) const { write(db, end); }
    void operator()(const OutboxBury& bury) const { write(db, bury); }
    void operator()(const FailoverDone& done) const { write(db, done); }
    void operator()(const GapRow& g) const {
        if (g.closed) {
            Query(db, "DELETE FROM gap WHERE resource = ? AND after_run = ?", g.resource.value, g.after.value)
                .run();
            return;
        }
        Query(db, "INSERT OR IGNORE INTO gap VALUES (?,?,?,?,?,?)", g.resource.value, g.after.value,
              g.account.value, std::string{to_string(g.kind)}, g.before.value, g.since.ms)
            .run();
    }
    void operator()(const FiredThresholdRow& f) const {
        Query(db, "INSERT OR IGNORE INTO fired VALUES (?,?,?,?)", f.budget.value, f.period, f.key, f.at.ms)
            .run();
    }
    void operator()(const BudgetEdit& e) const {
        Query(db, "INSERT INTO budget_edit (budget, document, by, at) VALUES (?,?,?,?)", e.budget.value,
              e.document, e.by, e.at.ms)
            .run();
    }
    void operator()(const ReportedRow& r) const {
        Query(
            db,
            "INSERT INTO reported VALUES (?,?,?,?,?,?) ON CONFLICT (account, month, generated_at) DO NOTHING",
            r.account.value, r.month.ms, r.generated_at.ms, r.month_to_date.nanos,
            std::string{r.month_to_date.currency.view()}, r.fetched_at.ms)
            .run();
    }
    void operator()(const QuarantineRow& r) const {
        Query(db,
              "INSERT INTO quarantine (account, resource, run, text, at) VALUES (?,?,?,?,?)"
              " ON CONFLICT (account, resource, run, text) DO NOTHING",
              r.account.value, r.resource.value, r.run.value, r.text, r.at.ms)
            .run();
        Query(db, "DELETE FROM quarantine WHERE seq <= (SELECT MAX(seq) FROM quarantine) - ?",
              quarantine_kept)
            .run();
    }
    void operator()(const Receipt& r) const {
        CURFEW_ASSERT(r.verified, "I1: only proven receipts are stored");
        // The column is the order in which they were stored: a clock that was set back makes no older one the newest.
        // What it said is in the document.
        Query(db,
              "INSERT OR IGNORE INTO receipt VALUES (?1, ?2, ?3,"
              " MAX(?4, (SELECT COALESCE(MAX(verified_at) + 1, ?4) FROM receipt)), ?5)",
              r.id.value, r.resource.value, r.run.value, r.verified_at.ms, to_document(r))
            .run();
    }
    void operator()(const HistoryRow& h) const { write_history(db, h); }
    void operator()(const HistoryPrune& p) const { prune_history(db, p); }
    void operator()(const IdempotencyRow& i) const {
        Query(db, "INSERT OR IGNORE INTO idempotency VALUES (?,?,?,?)", i.key, i.status, i.body, i.at.ms)
            .run();
    }
    void operator()(const RuleTrial& t) const {
        Query(db,
              "INSERT INTO rule_trial VALUES (?,?,?,?) ON CONFLICT (rule) DO UPDATE SET "
              "tried_ms=excluded.tried_ms, ended_at=excluded.ended_at",
              t.rule.value, t.first_seen.ms, std::int64_t{t.tried.count()}, ms(t.ended_at))
            .run();
    }
    void operator()(const RuleEvent& e) const {
        Query(db,
              "INSERT OR IGNORE INTO rule_event (rule, kind, at, resource, run, name) VALUES (?,?,?,?,?,?)",
              e.rule.value, std::string{to_string(e.kind)}, e.at.ms, e.resource.value, e.run.value, e.name)
            .run();
        // By number, not by age: a jump of the clock must not empty it.
        Query(db, "DELETE FROM rule_event WHERE seq <= (SELECT MAX(seq) FROM rule_event) - ?",
              rule_events_kept)
            .run();
    }
    void operator()(const Breaker& b) const {
        Query(db, "INSERT OR REPLACE INTO rule_breaker VALUES (?,?,?,?)", b.rule.value, b.why, b.at.ms,
              b.open)
            .run();
    }
};

// ---- reading ---------------------------------------------------------------------------------------

constexpr const char* resource_columns =
    "SELECT id, account, kind, name, project, owner, first_seen, last_seen, gone FROM resource";

ResourceRow resource_row(const Query& q) {
    return {.id = ResourceId{q.text(0)},
            .account = AccountName{q.text(1)},
            .kind = resource_kind(q.text(2)),
            .name = q.text(3),
            .project = q.text(4),
            .owner = q.text(5),
            .first_seen = {q.integer(6)},
            .last_seen = {q.integer(7)},
            .gone = q.integer(8) != 0};
}

RunRow run_row(const Query& q) {
    return {.id = RunId{q.text(0)},
            .resource = ResourceId{q.text(1)},
            .account = AccountName{q.text(2)},
            .machine_type = q.text(3),
            .state = run_state_from(q.text(4)),
            .state_text = q.text(5),
            .started_at = wall(q.optional_integer(6)),
            .ended_at = wall(q.optional_integer(7)),
            .first_seen = {q.integer(8)},
            .last_seen = {q.integer(9)}};
}

Observation observation(const Query& q) {
    return {.source = signal_from(q.text(1)),
            .run = RunId{q.text(0)},
            .at = {q.integer(2)},
            .wall = {q.integer(3)},
            .verdict = verdict_from(q.text(4)),
            .last_active_at = wall(q.optional_integer(5)),
            .strength = q.text(6) == "weak" ? Strength::weak : Strength::strong,
            .evidence = q.text(7),
            .ttl = Duration{q.integer(8)}};
}

Enforcement enforcement(const Query& q) {
    Enforcement e;
    e.id = EnforcementId{q.text(0)};
    e.account = AccountName{q.text(1)};
    e.resource = ResourceId{q.text(2)};
    e.run = RunId{q.text(3)};
    e.cause.kind = cause_kind_from(q.text(4));
    e.cause.name = q.text(5);
    e.state = enforcement_state_from(q.text(6)).value_or(EnforcementState::held);
    e.warned_step = static_cast<int>(q.integer(7));
    e.warned_at = instant(q.optional_integer(8));
    e.notice_at = instant(q.optional_integer(9));
    e.pack_attempts = static_cast<int>(q.integer(10));
    e.stop_attempts = static_cast<int>(q.integer(11));
    e.method = word_to(std::array{StopMethod::provider, StopMethod::guest}, q.text(12));
    e.next_at = instant(q.optional_integer(13));
    e.stop_called_at = instant(q.optional_integer(14));
    e.receipt = q.is_null(15) ? std::nullopt : std::optional{ReceiptId{q.text(15)}};
    if (!q.is_null(16)) {
        e.override_ = Override{.by = q.text(16), .reason = q.text(17)};
    }
    e.off_sightings = static_cast<int>(q.integer(18));
    e.relooks = static_cast<int>(q.integer(19));
    e.reason = q.text(20);
    e.outcome = q.text(21);
    return e;
}

Hold hold(const Query& q) {
    return {.id = HoldId{q.text(0)},
            .kind = word_to(std::array{HoldKind::keep, HoldKind::exemption, HoldKind::lease}, q.text(1)),
            .resource = ResourceId{q.text(2)},
            .run = RunId{q.text(3)},
            .from = {q.integer(4)},
            .until = {q.integer(5)},
            .reason = q.text(6),
            .by = q.text(7),
            .released_at = wall(q.optional_integer(8)),
            .job = q.text(9),
            .link = q.text(10)};
}

RuleEvent rule_event(const Query& q) {
    return {
        .rule = RuleName{q.text(0)},
        .kind = word_to(std::array{RuleEventKind::would_stop, RuleEventKind::stop, RuleEventKind::false_stop},
                        q.text(1)),
        .at = {q.integer(2)},
        .resource = ResourceId{q.text(3)},
        .run = RunId{q.text(4)},
        .name = q.text(5)};
}

AuditRow audit_row(const Query& q) {
    return {.seq = q.integer(0),
            .at = {q.integer(1)},
            .kind = q.text(2),
            .account = AccountName{q.text(3)},
            .resource = ResourceId{q.text(4)},
            .run = RunId{q.text(5)},
            .actor = q.text(6),
            .text = q.text(7)};
}

template <class Row, class Read>
std::vector<Row> all(Query& q, Read read) {
    std::vector<Row> rows;
    while (q.row()) {
        rows.push_back(read(q));
    }
    return rows;
}

constexpr const char* open_meters =
    "SELECT run, kind, resource, sku, rate_nanos, cap_nanos, currency, increment, rule, started, counted_to, "
    "last_seen_billing, used_in_month_ms, closed_nanos, closed_currency, open FROM meter WHERE open = 1"
    // What a closed add-on has used up of its month's cap matters until the month is over.
    " OR (cap_nanos IS NOT NULL AND counted_to > (SELECT MAX(counted_to) FROM meter WHERE cap_nanos IS NOT "
    "NULL)"
    " - 2764800000)"
    // A run that a list left out by mistake is billed on from where it was billed to.
    " OR (kind = 'compute' AND counted_to > (SELECT MAX(counted_to) FROM meter) - 604800000) ORDER BY run, "
    "kind";

Meter meter(const Query& q) {
    const std::string code = q.text(6);
    const auto cap = q.optional_integer(5);
    return {.resource = ResourceId{q.text(2)},
            .run = RunId{q.text(0)},
            .kind = meter_kind(q.text(1)),
            .sku = q.text(3),
            .tariff = {.rate = rate(q.optional_integer(4), code),
                       .monthly_cap = cap ? std::optional{Money{*cap, currency(code)}} : std::nullopt},
            .increment = word_to(std::array{Increment::none, Increment::minute, Increment::hour}, q.text(7)),
            .rule = q.text(8),
            .started = {q.integer(9)},
            .counted_to = {q.integer(10)},
            .last_seen_billing = {q.integer(11)},
            .used_in_month = Duration{q.integer(12)},
            .closed = {q.integer(13), currency(q.text(14))},
            .open = q.integer(15) != 0};
}

}  // namespace

void write(Database& db, Ledger& ledger, const Write& row) {
    std::visit(Writer{db, ledger}, row);
}

Result<StoredState> read_state(Database& db) {
    StoredState s;
    {
        Query q(db, "SELECT value FROM meta WHERE key = 'boot_id'");
        s.boot_id = q.row() ? q.text(0) : std::string{};
    }
    {
        Query q(db,
                "SELECT id, account, kind, name, project, owner, first_seen, last_seen, gone FROM resource "
                "WHERE gone = 0 ORDER BY id");
        s.resources = all<ResourceRow>(q, resource_row);
    }
    {
        Query q(
            db,
            "SELECT id, resource, account, machine_type, state, state_text, started_at, ended_at, "
            "first_seen, last_seen"
            " FROM run WHERE id IN (SELECT run FROM meter WHERE open = 1 UNION SELECT (SELECT id FROM run n"
            " WHERE n.resource = r.id ORDER BY COALESCE(n.started_at, 0) DESC, n.first_seen DESC, n.id LIMIT "
            "1)"
            " FROM resource r WHERE r.gone = 0) ORDER BY id");
        s.runs = all<RunRow>(q, run_row);
    }
    {
        Query q(db, open_meters);
        s.meters = all<Meter>(q, meter);
    }
    {
        // While a clock only goes on adding nothing is written: it stands where the last poll left it.
        Query q(
            db,
            "SELECT q.run, q.quiet_ms, q.last_quiet_at, p.mono FROM quiet_clock q JOIN run r ON r.id = q.run"
            " LEFT JOIN poll p ON p.account = r.account ORDER BY q.run");
        while (q.row()) {
            QuietRow row{
                .run = RunId{q.text(0)},
                .clock = {.quiet = Duration{q.integer(1)}, .last_quiet_at = instant(q.optional_integer(2))}};
            const auto polled = instant(q.optional_integer(3));
            if (row.clock.last_quiet_at && polled && *polled > *row.clock.last_quiet_at) {
                row.clock.quiet += *polled - *row.clock.last_quiet_at;
                row.clock.last_quiet_at = polled;
            }
            s.quiet_clocks.push_back(std::move(row));
        }
    }
    {
        Query q(db, "SELECT account, mono, wall, complete, error FROM poll ORDER BY account");
        while (q.row()) {
            s.polls.push_back({.account = AccountName{q.text(0)},
                               .mono = {q.integer(1)},
                               .wall = {q.integer(2)},
                               .complete = q.integer(3) != 0,
                               .error = q.text(4)});
        }
    }
    {
        Query q(db,
                "SELECT resource, after_run, account, kind, before_run, since FROM gap ORDER BY since, "
                "resource, after_run");
        while (q.row()) {
            s.gaps.push_back({.resource = ResourceId{q.text(0)},
                              .after = RunId{q.text(1)},
                              .account = AccountName{q.text(2)},
                              .kind = resource_kind(q.text(3)),
                              .before = RunId{q.text(4)},
                              .since = {q.integer(5)}});
        }
    }
    {
        Query q(db, "SELECT * FROM enforcement WHERE state NOT IN ('over', 'watching') ORDER BY id");
        s.enforcements = all<Enforcement>(q, enforcement);
    }
    {
        Query q(db, "SELECT * FROM hold WHERE released_at IS NULL ORDER BY id");
        s.holds = all<Hold>(q, hold);
    }
    auto alerts = read_alerts(db, false, 100'000);
    auto silences = read_silences(db, false, 10'000);
    if (!alerts || !silences) {
        return std::unexpected(alerts ? silences.error() : alerts.error());
    }
    s.alerts = std::move(*alerts);
    s.silences = std::move(*silences);
    s.channels = read_disabled_channels(db);
    {
        Query q(db,
                "SELECT budget, period, key, at FROM fired WHERE at > (SELECT COALESCE(MAX(at), 0) FROM "
                "fired) - 34560000000 ORDER BY budget, period, key");
        while (q.row()) {
            s.fired.push_back({.budget = BudgetName{q.text(0)},
                               .period = q.text(1),
                               .key = q.text(2),
                               .at = {q.integer(3)}});
        }
    }
    {
        Query q(db,
                "SELECT budget, document, by, at FROM budget_edit WHERE seq IN (SELECT MAX(seq) FROM "
                "budget_edit GROUP BY budget) ORDER BY budget");
        while (q.row()) {
            s.budget_edits.push_back({.budget = BudgetName{q.text(0)},
                                      .document = q.text(1),
                                      .by = q.text(2),
                                      .at = {q.integer(3)}});
        }
    }
    {
        Query q(db,
                "SELECT account, month, MAX(generated_at), nanos, currency, fetched_at FROM reported WHERE "
                "month > (SELECT COALESCE(MAX(month), 0) FROM reported) - 8035200000 GROUP BY account, month "
                "ORDER BY account, month");
        while (q.row()) {
            s.reported.push_back({.account = AccountName{q.text(0)},
                                  .month = {q.integer(1)},
                                  .month_to_date = {q.integer(3), currency(q.text(4))},
                                  .generated_at = {q.integer(2)},
                                  .fetched_at = {q.integer(5)}});
        }
    }
    {
        Query q(db,
                "SELECT i.id, i.enforcement, i.run, i.act, i.at FROM intent i LEFT JOIN outcome o ON "
                "o.intent = i.id WHERE o.intent IS NULL ORDER BY i.at, i.id");
        while (q.row()) {
            s.open_intents.push_back({.id = q.text(0),
                                      .enforcement = EnforcementId{q.text(1)},
                                      .run = RunId{q.text(2)},
                                      .act = q.text(3),
                                      .at = {q.integer(4)}});
        }
    }
    {
        Query q(db, "SELECT rule, first_seen, tried_ms, ended_at FROM rule_trial ORDER BY rule");
        while (q.row()) {
            s.trials.push_back({.rule = RuleName{q.text(0)},
                                .first_seen = {q.integer(1)},
                                .tried = Duration{q.integer(2)},
                                .ended_at = wall(q.optional_integer(3))});
        }
    }
    {
        Query q(db, "SELECT rule, why, at, open FROM rule_breaker ORDER BY rule");
        while (q.row()) {
            s.breakers.push_back({.rule = RuleName{q.text(0)},
                                  .why = q.text(1),
                                  .at = {q.integer(2)},
                                  .open = q.integer(3) != 0});
        }
    }
    return s;
}

std::vector<StoppedRun> read_stopped(Database& db) {
    Query q(
        db,
        "SELECT r.resource, r.id, r.machine_type, e.cause_kind, e.cause_name, r.ended_at,"
        " (SELECT MIN(n.started_at) FROM run n WHERE n.resource = r.resource AND n.started_at >= r.ended_at)"
        " FROM enforcement e JOIN run r ON r.id = e.run WHERE (e.state = 'stopped' OR e.outcome = 'stopped')"
        " AND r.ended_at IS NOT NULL ORDER BY r.ended_at, r.id");
    std::vector<StoppedRun> rows;
    while (q.row()) {
        rows.push_back({.resource = ResourceId{q.text(0)},
                        .run = RunId{q.text(1)},
                        .machine_type = q.text(2),
                        .cause = cause_kind_from(q.text(3)),
                        .cause_name = q.text(4),
                        .ended_at = {q.integer(5)},
                        .next_started_at = wall(q.optional_integer(6))});
    }
    return rows;
}

std::vector<ResourceRow> read_resources(Database& db) {
    Query q(db, resource_columns);
    return all<ResourceRow>(q, resource_row);
}

std::vector<RunRow> read_runs_of(Database& db, const ResourceId& resource, int limit) {
    Query q(db,
            "SELECT id, resource, account, machine_type, state, state_text, started_at, ended_at, "
            "first_seen, last_seen"
            " FROM run WHERE resource = ? ORDER BY first_seen DESC, id LIMIT ?",
            resource.value, limit);
    return all<RunRow>(q, run_row);
}

std::vector<Observation> read_observations(Database& db, const RunId& run) {
    Query q(
        db,
        "SELECT run, source, at, wall, verdict, last_active_at, strength, evidence, ttl_ms FROM observation"
        " WHERE run = ? ORDER BY source",
        run.value);
    return all<Observation>(q, observation);
}

std::vector<PastRun> read_recorded(Database& db, WallTime since, int limit) {
    Query q(
        db,
        "SELECT r.id, r.resource, r.account, r.machine_type, r.state, r.state_text, r.started_at, r.ended_at,"
        " r.first_seen, r.last_seen, m.rate_nanos, m.currency FROM run r JOIN history_run h ON h.run = r.id"
        " LEFT JOIN meter m ON m.run = r.id AND m.kind = 'compute' WHERE r.ended_at IS NULL OR r.ended_at >= "
        "?"
        " ORDER BY r.first_seen, r.id LIMIT ?",
        since.ms, limit);
    return all<PastRun>(q, [](const Query& row) {
        return PastRun{.run = run_row(row), .rate = rate(row.optional_integer(10), row.text(11))};
    });
}

std::vector<Enforcement> read_enforcements_of(Database& db, const ResourceId& resource, int limit) {
    Query q(db, "SELECT * FROM enforcement WHERE resource = ? ORDER BY (state = 'over'), id LIMIT ?",
            resource.value, limit);
    return all<Enforcement>(q, enforcement);
}

std::vector<AuditRow> read_audit(Database& db, std::int64_t after, int limit,
                                 const std::optional<ResourceId>& resource) {
    Query q(db,
            "SELECT seq, at, kind, account, resource, run, actor, text FROM audit WHERE seq > ?1 AND (?3 IS "
            "NULL OR resource = ?3)"
            " ORDER BY seq LIMIT ?2",
            after, limit, resource ? std::optional{resource->value} : std::nullopt);
    return all<AuditRow>(q, audit_row);
}

Result<std::vector<Receipt>> read_receipts(Database& db, const std::optional<ResourceId>& resource,
                                           int limit) {
    Query q(db,
            "SELECT document FROM receipt WHERE (?1 IS NULL OR resource = ?1) ORDER BY verified_at DESC, id "
            "LIMIT ?2",
            resource ? std::optional{resource->value} : std::nullopt, limit);
    std::vector<Receipt> rows;
    while (q.row()) {
        auto receipt = receipt_from(q.text(0));
        if (!receipt) {
            return std::unexpected(receipt.error());
        }
        rows.push_back(std::move(*receipt));
    }
    return rows;
}

Result<std::optional<Receipt>> read_receipt(Database& db, const ReceiptId& id) {
    Query q(db, "SELECT document FROM receipt WHERE id = ?", id.value);
    if (!q.row()) {
        return std::optional<Receipt>{};
    }
    auto receipt = receipt_from(q.text(0));
    if (!receipt) {
        return std::unexpected(receipt.error());
    }
    return std::optional{std::move(*receipt)};
}

std::vector<Hold> read_holds(Database& db, const std::optional<ResourceId>& resource, WallTime since) {
    Query q(db,
            "SELECT * FROM hold WHERE (?1 IS NULL OR resource = ?1) AND COALESCE(released_at, until_ms) >= "
            "?2 ORDER BY from_ms, id",
            resource ? std::optional{resource->value} : std::nullopt, since.ms);
    return all<Hold>(q, hold);
}

std::vector<RuleEvent> read_rule_events(Database& db, WallTime since, int limit) {
    Query q(
        db,
        "SELECT rule, kind, at, resource, run, name FROM rule_event WHERE at >= ? ORDER BY seq DESC LIMIT ?",
        since.ms, limit);
    return all<RuleEvent>(q, rule_event);
}

std::optional<IdempotencyRow> read_idempotent(Database& db, const std::string& key) {
    Query q(db, "SELECT key, status, body, at FROM idempotency WHERE key = ?", key);
    if (!q.row()) {
        return std::nullopt;
    }
    return IdempotencyRow{
        .key = q.text(0), .status = static_cast<int>(q.integer(1)), .body = q.text(2), .at = {q.integer(3)}};
}

std::vector<QuarantineRow> read_quarantine(Database& db, WallTime since, int limit) {
    Query q(
        db,
        "SELECT account, resource, run, text, at FROM quarantine WHERE at >= ? ORDER BY at DESC, seq DESC "
        "LIMIT ?",
        since.ms, limit);
    return all<QuarantineRow>(q, [](const Query& row) {
        return QuarantineRow{.account = AccountName{row.text(0)},
                             .resource = ResourceId{row.text(1)},
                             .run = RunId{row.text(2)},
                             .text = row.text(3),
                             .at = {row.integer(4)}};
    });
}

std::vector<StopTimes> read_stop_times(Database& db, int limit) {
    // The pack that led to the receipt, and all calls: one that a later look found in vain took its time as well.
    Query q(db,
            "SELECT s.first_call, (SELECT a.at FROM audit a WHERE a.run = s.run AND a.kind = "
            "'enforcement.stopped' AND a.at >= s.last_call ORDER BY a.seq LIMIT 1) AS confirmed,"
            " (SELECT o.at - i.at FROM intent i JOIN outcome o ON o.intent = i.id WHERE i.enforcement = s.id"
            " AND i.act = 'pack' AND o.outcome = 'receipt ' || s.receipt)"
            " FROM (SELECT e.id, e.run, e.receipt, MIN(i.at) AS first_call, MAX(i.at) AS last_call"
            " FROM enforcement e JOIN intent i ON i.enforcement = e.id AND i.act LIKE 'stop:%'"
            " WHERE e.state = 'stopped' OR e.outcome = 'stopped' GROUP BY e.id) s"
            " WHERE confirmed IS NOT NULL ORDER BY confirmed DESC, s.id LIMIT ?",
            limit);
    return all<StopTimes>(q, [](const Query& row) {
        const auto pack = row.optional_integer(2);
        return StopTimes{.pack = pack ? std::optional{Duration{*pack}} : std::nullopt,
                         .stop = Duration{row.integer(1) - row.integer(0)}};
    });
}

Result<std::int64_t> verify_chain(Database& db) {
    Query q(db, "SELECT seq, at, kind, account, resource, run, actor, text, hash FROM audit ORDER BY seq");
    std::string before{chain_start};
    std::int64_t expected = 1;
    while (q.row()) {
        const AuditRow row = audit_row(q);
        const std::string hash = q.text(8);
        if (row.seq != expected || chain_hash(before, row) != hash) {
            return fail(Errc::corrupt, "the audit was changed at row " + std::to_string(expected),
                        "database");
        }
        before = hash;
        ++expected;
    }
    return expected - 1;
}

}  // namespace curfew::sqlite
