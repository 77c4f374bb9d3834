#include "samples.hpp"

#include "curfew/app/messages.hpp"
#include "curfew/app/parcels.hpp"
#include "curfew/app/summary.hpp"

#include <utility>

namespace curfew::renderings {

namespace {

constexpr std::int64_t cent = nanos_per_unit / 100;

class NoEntropy final : public Entropy {
public:
    std::uint64_t next() override { return 0; }
};

WallTime at(std::string_view text) {
    return parse_wall_time(text).value();
}

Zone rome() {
    return {"Europe/Rome", hours{1}, {}};
}

messages::Subject demo() {
    messages::Subject s;
    s.account = AccountName{"team"};
    s.resource = ResourceId{"n8k2vq"};
    s.name = "diffusion-finetune";
    s.run = RunId{"r41c7x"};
    s.owner = "ana@example.com";
    s.rule = RuleName{"night"};
    s.machine_type = "A100-80G";
    s.cause = "rule night";
    s.reason = "quiet 31m of 1h, rule night";
    s.evidence = "kernel idle, no process above 0.2 cores, GPU at 0 %";
    s.now = at("2026-11-23T22:15:00Z");
    s.zone = rome();
    s.stops_at = at("2026-11-23T22:45:00Z");
    s.per_hour = Money{318 * cent};
    s.cost_so_far = Money{2703 * cent};
    s.vaults = "home (/srv/curfew)";
    s.manual_way =
        "Stop it by hand: open the provider's console, find notebook diffusion-finetune (n8k2vq), stop it.";
    return s;
}

Receipt receipt() {
    Receipt r;
    r.id = ReceiptId{"rcp_7f3a"};
    r.files = 214;
    r.bytes = std::int64_t{3} << 30;
    r.verified_at = at("2026-11-23T22:49:00Z");
    r.proofs = {{VaultName{"home"}, "/srv/curfew/diffusion-finetune/2026-11-23T22-49", "sha256 read back"}};
    r.not_covered = {{"/tmp/cache", "outside the persistent folders", false}};
    return r;
}

Budget team() {
    Budget b;
    b.name = BudgetName{"team"};
    b.amount = Money{50000 * cent};
    b.zone = rome();
    b.thresholds = {{90, ThresholdAction::warn}, {100, ThresholdAction::stop}};
    b.mode = Mode::enforce;
    return b;
}

Message threshold(const Budget& budget, std::size_t which, std::int64_t cents) {
    Treasurer::Finding finding;
    finding.budget = &budget;
    const Threshold& reached = budget.thresholds.at(which);
    finding.crossing = {reached, reached.at(budget.amount), "2026-11@Europe/Rome"};
    finding.spend.spent = Money{cents * cent};
    finding.spend.burn_per_hour = Money{954 * cent};
    return messages::budget_threshold(finding, true);
}

Week week() {
    Week w{.from = at("2026-11-16T08:00:00Z"), .to = at("2026-11-23T08:00:00Z"), .zone = rome()};
    const auto line = [&](std::string name, std::int64_t cents, int hours_on) {
        SpendLine l;
        l.keys = {name};
        l.name = std::move(name);
        l.compute = Money{cents * cent};
        l.time = hours{hours_on};
        w.total.compute += l.compute;
        w.lines.push_back(std::move(l));
    };
    line("diffusion-finetune", 13356, 42);
    line("eval-suite", 4104, 54);
    line("scratch", 1216, 16);
    w.saved = {.total = Money{8721 * cent}, .stops = 6};
    BudgetItem item;
    item.budget = team();
    item.live.spend.spent = Money{38640 * cent};
    item.spent_thousandths = 772;
    item.elapsed_thousandths = 744;
    item.ends_at = at("2026-11-29T20:10:00Z");
    w.budgets = {item};
    w.stopped = {"scratch (Mon 23:45 Europe/Rome)", "eval-suite (Tue 20:05 Europe/Rome)",
                 "diffusion-finetune (Thu 01:12 Europe/Rome)"};
    w.held = {"diffusion-finetune by a keep of ana (uid 1000)"};
    w.alerts = {
        "eval-suite (A4000) goes on billing $0.76 an hour ($18.24 so far): its files could not be saved, so "
        "it was not stopped"};
    return w;
}

OutboxRow row(Message message, std::string id) {
    OutboxRow r;
    message.id = id;
    r.id = std::move(id);
    r.message = std::move(message);
    return r;
}

Message a_digest() {
    messages::Subject other = demo();
    other.resource = ResourceId{"n31xyz"};
    other.run = RunId{"r77"};
    other.name = "eval-suite";
    other.machine_type = "A4000";
    other.per_hour = Money{76 * cent};
    other.cost_so_far = Money{1824 * cent};
    other.reason = "the vault home is full";
    const std::vector<OutboxRow> rows{row(messages::stop_failed(demo()), "a"),
                                      row(messages::pack_failed(other), "b")};
    return digest(rows,
                  {{AlertKind::stop_failed, Severity::critical, 1},
                   {AlertKind::pack_failed, Severity::critical, 1},
                   {AlertKind::blind, Severity::warning, 31}},
                  "dig_1", at("2026-11-23T22:20:00Z"));
}

}  // namespace

std::vector<Sample> samples() {
    NoEntropy entropy;
    const Budget budget = team();
    messages::Subject used = demo();
    used.reason = "it is at work again";
    messages::Subject failed = demo();
    failed.reason = "the provider still reports it running 6 minutes after it said yes";
    messages::Subject full = demo();
    full.reason = "the vault home is full";
    std::vector<Sample> all{
        {"stop_warning", "A stop is near", "30, 10 and 2 minutes before, as the rule says.",
         messages::stop_warning(demo(), entropy)},
        {"stop_cancelled", "It is not stopped after all", "To those who were warned.",
         messages::stop_cancelled(used)},
        {"stopped", "It is stopped", "Once the provider has confirmed it twice.",
         messages::stopped(demo(), receipt())},
        {"stop_failed", "It could not be stopped", "At once, and every hour until somebody acknowledges it.",
         messages::stop_failed(failed)},
        {"pack_failed", "Its files could not be saved", "At once, and every hour.",
         messages::pack_failed(full)},
        {"budget_warning", "A budget is nearly spent", "Once per threshold and period.",
         threshold(budget, 0, 45180)},
        {"budget_stop", "A hard budget is spent", "When what it covers begins to be stopped.",
         threshold(budget, 1, 49040)},
        {"digest", "Many at once", "Above 20 messages an hour and channel.", a_digest()},
        {"summary", "The week", "Mondays at 9:00, or as [alerts] summary says.", summary_of(week())}};
    for (Sample& sample : all) {
        Message& m = sample.message;
        m.id = "msg_" + sample.name;
        m.at = at(m.kind == AlertKind::stopped ? "2026-11-23T22:52:00Z" : "2026-11-23T22:15:00Z");
        if (m.alert.empty() && m.severity == Severity::critical && m.kind != AlertKind::digest) {
            m.alert = AlertId{"alr_19c4e2"};
            m.telling = Telling::firing;
        }
    }
    return all;
}

}  // namespace curfew::renderings
