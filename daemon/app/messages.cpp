#include "curfew/app/messages.hpp"

#include "curfew/core/schedule.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace curfew::messages {

namespace {

constexpr std::size_t name_bytes_max = 80;
constexpr Duration worth_sending_after = hours{1};
constexpr std::string_view console_url = "https://console.paperspace.com/";

/// "$0.76 an hour, $12.34 so far".
std::string money_text(const Subject& s) {
    const std::string so_far = s.cost_so_far ? to_string(*s.cost_so_far) + " so far" : "";
    if (!s.per_hour) {
        return so_far.empty() ? "what it costs is not known" : so_far + ", its price an hour is not known";
    }
    return to_string(*s.per_hour) + " an hour" + (so_far.empty() ? "" : ", " + so_far);
}

/// "$0.76 an hour ($12.34 so far)", after "costs".
std::string bill_text(const Subject& s) {
    const std::string so_far = s.cost_so_far ? " (" + to_string(*s.cost_so_far) + " so far)" : "";
    return (s.per_hour ? to_string(*s.per_hour) + " an hour"
                       : std::string{"money at a price that is not known"}) +
           so_far;
}

std::string named(const Subject& s) {
    return s.name + (s.machine_type.empty() ? "" : " (" + s.machine_type + ")");
}

std::string sentence(const std::string& text) {
    return text.empty() || text.ends_with('.') ? text : text + ".";
}

std::string why_text(const Subject& s) {
    return "Why: " + sentence(s.reason) + (s.evidence.empty() ? "" : " Seen: " + sentence(s.evidence));
}

std::string count_text(std::int64_t count, std::string_view one) {
    return std::to_string(count) + " " + std::string{one} + (count == 1 ? "" : "s");
}

/// "2026-11@Europe/Rome" as "2026-11, Europe/Rome".
std::string period_text(std::string id) {
    const std::size_t at = id.find('@');
    return at == std::string::npos ? id : id.replace(at, 1, ", ");
}

std::string size_text(std::int64_t bytes) {
    constexpr std::int64_t mebibyte = 1 << 20;
    if (bytes < mebibyte) {
        return std::to_string(bytes / 1024) + " KiB";
    }
    const std::int64_t tenths = bytes * 10 / (bytes < 1024 * mebibyte ? mebibyte : 1024 * mebibyte);
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) +
           (bytes < 1024 * mebibyte ? " MiB" : " GiB");
}

Message base(const Subject& s, AlertKind kind, Severity severity) {
    Message m;
    m.kind = kind;
    m.severity = severity;
    m.at = s.now;
    m.account = s.account;
    m.resource = s.resource;
    m.resource_name = s.name;
    m.run = s.run;
    m.owner = s.owner;
    m.rule = s.rule;
    m.budget = s.budget;
    m.cause = s.cause;
    m.cost_so_far = s.cost_so_far;
    m.per_hour = s.per_hour;
    return m;
}

std::string save_text(const Subject& s) {
    return s.vaults.empty()
               ? std::string{"Nothing is copied first: no vault is configured. Save what you need yourself."}
               : "Its files are first copied to " + s.vaults + ", and every copy is read back" +
                     (s.pack_within ? "; after " + in_words(*s.pack_within) +
                                          " it is stopped even if the copy is not whole"
                                    : std::string{}) +
                     ". What is only in memory (variables of kernels, unsaved tabs) is lost.";
}

void append_receipt(Message& m, const Receipt& receipt, const Zone& zone) {
    std::string text = "Saved and read back: " + count_text(receipt.files, "file") + ", " +
                       size_text(receipt.bytes) + ", at " + at_words(receipt.verified_at, zone) +
                       ", receipt " + receipt.id.value + ".";
    for (const VaultProof& proof : receipt.proofs) {
        text += " " + proof.vault.value + ": " + proof.locator + " (" + proof.method + ").";
    }
    m.body.push_back(std::move(text));
    if (!receipt.not_covered.empty()) {
        std::string missing = "Not saved:";
        std::size_t shown = 0;
        for (const NotCovered& item : receipt.not_covered) {
            if (shown == 8) {
                missing += " and " + std::to_string(receipt.not_covered.size() - shown) + " more";
                break;
            }
            missing += (shown == 0 ? " " : ", ") + printable(item.what) + " (" + item.why + ")";
            ++shown;
        }
        missing += ".";
        m.body.push_back(std::move(missing));
    }
}

}  // namespace

std::string printable(std::string_view name) {
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const auto c = static_cast<unsigned char>(name[i]);
        const bool starts_character = (c & 0xC0U) != 0x80U;
        if (out.size() >= name_bytes_max && starts_character) {
            return out + "…";
        }
        out += c < 0x20 || c == 0x7F ? '?' : name[i];
    }
    return out;
}

std::string in_words(Duration d) {
    struct Unit {
        Duration one;
        std::string_view name;
    };
    static constexpr std::array<Unit, 4> units{
        {{hours{24}, "day"}, {hours{1}, "hour"}, {minutes{1}, "minute"}, {seconds{1}, "second"}}};
    for (std::size_t i = 0; i < units.size(); ++i) {
        const std::int64_t count = d / units[i].one;
        if (count == 0) {
            continue;
        }
        std::string text = count_text(count, units[i].name);
        if (i + 1 < units.size()) {
            const std::int64_t rest = (d % units[i].one) / units[i + 1].one;
            text += rest > 0 ? " " + count_text(rest, units[i + 1].name) : std::string{};
        }
        return text;
    }
    return "less than a second";
}

std::string at_words(WallTime t, const Zone& zone) {
    const std::string full = to_string(t);  // 2026-11-23T10:15:00Z
    return local_words(t, zone) + (zone.name == "UTC" ? "" : " (" + full.substr(11, 5) + " UTC)");
}

int thousandths(std::int64_t part, std::int64_t whole) {
    if (whole <= 0 || part <= 0) {
        return 0;
    }
    const __int128 share = __int128{part} * 1000 / whole;
    return static_cast<int>(std::min<__int128>(share, 1'000'000));
}

void concern(Message& m, const LiveResource& live) {
    m.account = live.resource.account;
    m.resource = live.resource.id;
    m.resource_name = printable(live.resource.name);
    m.run = live.current.run.id;
    m.owner = live.resource.owner;
}

Subject subject_of(const LiveResource& live, const Enforcement& e, const Now& now, const Config& config) {
    Subject s;
    s.account = e.account;
    s.resource = e.resource;
    s.name = printable(live.resource.name);
    s.run = e.run;
    s.owner = live.resource.owner;
    s.zone = config.zone;
    s.machine_type = printable(live.current.run.machine_type);
    switch (e.cause.kind) {
        case CauseKind::idle:
            s.cause = "rule " + e.cause.name;
            s.rule = RuleName{e.cause.name};
            break;
        case CauseKind::schedule:
            s.cause = "off hours of rule " + e.cause.name;
            s.rule = RuleName{e.cause.name};
            break;
        case CauseKind::age:
            s.cause = "maximum age of rule " + e.cause.name;
            s.rule = RuleName{e.cause.name};
            break;
        case CauseKind::budget:
            s.cause = "budget " + e.cause.name;
            s.budget = BudgetName{e.cause.name};
            break;
        case CauseKind::manual:
            s.cause = "stop asked by " + e.cause.name;
            break;
    }
    s.kind = e.cause.kind;
    s.reason = e.reason;
    s.evidence = live.current.judgement.step;
    s.now = now.wall;
    const Rule* rule = rule_for(config.rules, live.resource);
    s.acts = live.mode == Mode::enforce || e.cause.kind == CauseKind::manual;
    s.may_keep = e.cause.kind == CauseKind::idle || e.cause.kind == CauseKind::schedule;
    s.by_activity = e.cause.kind == CauseKind::idle ||
                    (e.cause.kind == CauseKind::schedule && (rule == nullptr || rule->respect_activity));
    s.stops_at = live.stops_at;
    s.unpacked = e.override_.has_value();
    if (live.mode == Mode::enforce && e.cause.kind != CauseKind::manual && !e.notice_at) {
        // Whatever the clock says, nothing happens before a warning was delivered for this long.
        const WallTime earliest = now.wall + live.min_notice;
        s.stops_at = std::max(s.stops_at.value_or(earliest), earliest);
    }
    if (live.price != nullptr) {
        s.per_hour = live.price->rate.per_hour;
        if (live.current.run.started_at && now.wall > *live.current.run.started_at) {
            const WallTime until = live.current.run.ended_at.value_or(now.wall);
            auto cost = cost_of(live.price->rate,
                                std::max(Duration{0}, until - *live.current.run.started_at));
            if (cost) {
                s.cost_so_far = *cost;
            }
        }
    }
    for (const VaultConfig& vault : config.vaults) {
        s.vaults += (s.vaults.empty() ? "" : ", ") + vault.name.value + " (" + vault.path + ")";
    }
    s.manual_way = "Stop it by hand: open the provider's console, find " +
                   std::string{live.resource.kind == ResourceKind::notebook ? "notebook " : "machine "} +
                   s.name + " (" + s.resource.value + "), stop it.";
    return s;
}

namespace {

/// What puts the stop off, and what does not.
std::string keep_text(const Subject& s) {
    switch (s.kind) {
        case CauseKind::idle:
            return "Use it again and nothing happens; or keep it running with the command.";
        case CauseKind::schedule:
            return s.by_activity
                       ? "As long as it is at work nothing happens. Or keep it running with the command."
                       : "It is stopped even if it is at work. Keep it running with the command.";
        case CauseKind::age:
            return "It is stopped even if it is at work, and a keep cannot put off a maximum age. Started "
                   "again, it is a new run with an age of its own.";
        case CauseKind::budget:
            return "It is stopped even if it is at work, and no keep puts that off: the money of budget " +
                   s.budget.value + " is spent. A larger amount of the budget does.";
        case CauseKind::manual:
            break;
    }
    return "Somebody asked for it, so no keep puts it off.";
}

}  // namespace

Message stop_warning(const Subject& s, Entropy& entropy) {
    Message m = base(s, AlertKind::stop_warning, Severity::warning);
    m.id = "msg_" + entropy.hex(12);
    m.stops_at = s.stops_at;
    if (s.acts) {
        const std::string when = s.stops_at ? " in " +
                                                  in_words(std::chrono::round<minutes>(
                                                      std::max<Duration>(minutes{1}, *s.stops_at - s.now))) +
                                                  ", at " + at_words(*s.stops_at, s.zone)
                                            : std::string{" soon"};
        m.title = named(s) + " will be packed and stopped" + when + ": " + money_text(s);
        m.body = {why_text(s), keep_text(s), save_text(s)};
    } else {
        m.title = named(s) + " would be packed and stopped if its mode were enforce: " + money_text(s);
        m.body = {why_text(s), "As it is, nothing ends it but you. " + s.manual_way};
    }
    m.do_next = s.may_keep ? "curfew keep " + s.resource.value + " --for 2h"
                           : "curfew explain " + s.resource.value;
    if (s.stops_at) {
        // Undelivered, it holds the stop up, and is worth sending as long as it does.
        m.expires_at = *s.stops_at + worth_sending_after;
    }
    return m;
}

Message stop_cancelled(const Subject& s) {
    Message m = base(s, AlertKind::stop_cancelled, Severity::info);
    m.state = AlertState::resolved;
    m.title = named(s) + " will not be stopped (" + s.reason + "): it goes on at " + money_text(s);
    m.do_next = "curfew explain " + s.resource.value;
    return m;
}

Message stopped(const Subject& s, const std::optional<Receipt>& receipt) {
    Message m = base(s, AlertKind::stopped, Severity::info);
    m.state = AlertState::resolved;
    m.saved = s.per_hour;
    m.title = s.name + " is stopped" + (receipt ? "" : " without a pack") +
              (s.per_hour ? ": " + to_string(*s.per_hour) + " saved every hour from now"
                          : std::string{": its price is not known"}) +
              (s.cost_so_far ? ", the run cost " + to_string(*s.cost_so_far) : "") +
              (receipt ? "; " + count_text(receipt->files, "file") + " saved" : "");
    m.body = {"Why: " + s.cause +
              ". The provider said twice that it does not bill any more; Curfew looks again after 10 and 60 "
              "minutes."};
    if (receipt) {
        append_receipt(m, *receipt, s.zone);
        m.do_next = "curfew receipts " + receipt->id.value;
    } else {
        m.do_next = "curfew events " + s.resource.value;
    }
    return m;
}

Message pack_failed(const Subject& s) {
    Message m = base(s, AlertKind::pack_failed, Severity::critical);
    m.do_next = "curfew explain " + s.resource.value;
    if (s.unpacked) {
        m.title = named(s) +
                  " is being stopped although not all of its files could be saved: " + money_text(s);
        m.body = {"Why: " + sentence(s.reason),
                  "What is neither in an earlier receipt nor on persistent storage is lost. This is what " +
                      s.cause + " asks for."};
        return m;
    }
    m.title = named(s) + " goes on billing " + bill_text(s) +
              ": its files could not be saved, so it was not stopped";
    m.body = {"Why: " + sentence(s.reason),
              "Nothing was lost. Curfew tries again where that can help; the command says what "
              "it waits for. To stop it without saving: curfew stop " +
                  s.resource.value + " --no-pack"};
    return m;
}

Message stop_failed(const Subject& s) {
    Message m = base(s, AlertKind::stop_failed, Severity::critical);
    m.title = named(s) + " IS STILL BILLING " + bill_text(s) + ": Curfew could not stop it";
    m.body = {s.manual_way + (s.unpacked ? "" : " Its files are saved."),
              "Why: " + sentence(s.reason) + " Curfew goes on trying by every way it has."};
    m.do_next = std::string{console_url};
    return m;
}

Message undelivered(const Subject& s) {
    Message m = base(s, AlertKind::undelivered, Severity::critical);
    m.title = named(s) + " is not stopped yet, because no channel took the warning: " + money_text(s);
    m.body = {"Why: " + sentence(s.reason),
              "The command says what is wrong with the channels. Without a delivered warning "
              "Curfew waits for an hour more, then it goes on."};
    m.do_next = "curfew doctor";
    return m;
}

Message would_stop(const Subject& s) {
    Message m = base(s, AlertKind::would_stop, Severity::info);
    m.saved = s.per_hour;
    m.title = named(s) + " would have been stopped now" +
              (s.per_hour ? ", saving " + to_string(*s.per_hour) + " an hour" : std::string{}) +
              (s.cost_so_far ? " (" + to_string(*s.cost_so_far) + " so far)" : "") +
              ": nothing was done, Curfew only watches here";
    m.body = {why_text(s),
              "A mode is not enforce: of everything, of the account, or of the rule. With mode = \"enforce\" "
              "Curfew "
              "acts."};
    m.do_next = "curfew explain " + s.resource.value;
    return m;
}

namespace {

std::string lead_text(const Lead& lead, const Threshold& threshold) {
    Lead used = lead;
    if (threshold.action == ThresholdAction::stop_now) {
        used.notice = std::min(used.notice, stop_now_notice);
        used.pack = std::min(used.pack, threshold.pack_within);
    }
    return "Stopping begins " + to_string(std::chrono::ceil<seconds>(lead.of(threshold))) +
           " before the amount would be spent: a poll (" + to_string(used.poll) + "), the notice (" +
           to_string(used.notice) + "), a pack (" + to_string(std::chrono::ceil<seconds>(used.pack)) +
           ") and a stop (" + to_string(std::chrono::ceil<seconds>(used.stop)) + ").";
}

std::string left_text(Money left, Money burning) {
    if (!left.positive()) {
        return "; nothing is left";
    }
    const auto lasting = lasts(left, burning);
    const auto coarse = [](Duration d) -> Duration {
        return d >= hours{2} ? Duration{std::chrono::floor<hours>(d)}
                             : Duration{std::chrono::floor<minutes>(d)};
    };
    return "; " + to_string(left) + " left" +
           (lasting && *lasting >= minutes{1}
                ? ", about " + in_words(coarse(*lasting)) + " at " + to_string(burning) + " an hour"
                : std::string{});
}

Severity severity_of(ThresholdAction action) {
    return action == ThresholdAction::notify ? Severity::info
           : action == ThresholdAction::warn ? Severity::warning
                                             : Severity::critical;
}

}  // namespace

Message budget_threshold(const Treasurer::Finding& finding, bool acts) {
    const Threshold& threshold = finding.crossing.threshold;
    const BudgetSpend& spend = finding.spend;
    const Budget& budget = *finding.budget;
    Message m;
    m.kind = AlertKind::budget_threshold;
    m.severity = severity_of(threshold.action);
    const std::string what = finding.resource != nullptr
                                 ? " for " + printable(finding.resource->resource.name)
                                 : std::string{};
    m.title = "Budget " + budget.name.value + what + ": " + to_string(spend.spent) + " of " +
              to_string(budget.amount) + " spent, " + threshold.words() + " reached";
    if (stops(threshold.action)) {
        // Reached early, so that the amount is not exceeded.
        m.title += std::string{spend.spent < finding.crossing.at ? " with what a stop takes" : ""} +
                   (acts ? "; what it covers is packed and stopped now"
                         : "; nothing is stopped, the mode is not enforce");
    } else {
        m.title += left_text(left_of(budget, spend), spend.burn_per_hour);
    }
    m.cause = "budget " + budget.name.value;
    m.budget = budget.name;
    m.cost_so_far = spend.spent;
    m.per_hour = spend.burn_per_hour;
    m.tables = {{"Spent",
                 {{budget.name.value, to_string(spend.spent) + " of " + to_string(budget.amount),
                   thousandths(spend.spent.nanos, budget.amount.nanos)}}}};
    if (stops(threshold.action)) {
        m.body.emplace_back(
            acts ? "Quiet ones are stopped first. No keep puts it off; a larger amount of the budget does."
                 : "A budget with mode = \"enforce\" stops what it covers.");
    }
    m.body.push_back(
        "Period " + period_text(finding.crossing.period) + "." +
        (spend.complete() ? "" : " Something has no price or could not be seen, so it may be more."));
    if (threshold.basis == Basis::forecast && spend.forecast) {
        m.body.push_back("Forecast for the whole period: " + to_string(*spend.forecast) + ".");
    } else if (threshold.basis != Basis::accrued && spend.reported) {
        m.body.push_back("The provider reports " + to_string(*spend.reported) + ".");
    }
    if (spend.reserve.positive()) {
        m.body.push_back("Storage will cost " + to_string(spend.reserve) +
                         " until the period ends; that is held back.");
    }
    if (stops(threshold.action)) {
        m.body.push_back(lead_text(finding.lead, threshold));
    }
    if (finding.resource != nullptr) {
        concern(m, *finding.resource);
    }
    m.do_next = finding.resource != nullptr ? "curfew explain " + finding.resource->resource.id.value
                                            : std::string{"curfew spend --by resource"};
    return m;
}

Message budget_admission(const Treasurer::Admission& admission, bool acts, WallTime now) {
    const LiveResource& live = *admission.resource;
    const std::string name = printable(live.resource.name);
    const auto about = std::chrono::floor<minutes>(admission.lasts);
    Message m;
    m.kind = AlertKind::budget_threshold;
    m.severity = Severity::warning;
    m.stops_at = acts ? std::optional{now + admission.lasts} : std::nullopt;
    m.title = "Budget " + admission.budget->name.value + ": " + to_string(admission.left) + " left, about " +
              in_words(std::max<Duration>(minutes{1}, about)) + " with " + name + " (" +
              printable(live.current.run.machine_type) +
              (live.price != nullptr ? ", " + to_string(live.price->rate.per_hour) + " an hour"
                                     : std::string{}) +
              "); " +
              (acts ? "it will be packed and stopped at about " +
                          at_words(now + admission.lasts, admission.budget->zone)
                    : "nothing is stopped: the mode is not enforce");
    m.cause = "budget " + admission.budget->name.value;
    concern(m, live);
    m.budget = admission.budget->name;
    m.per_hour = live.price != nullptr ? std::optional{live.price->rate.per_hour} : std::nullopt;
    m.body = {"It was just started. No keep puts the stop off; a larger amount of the budget does."};
    m.do_next = "curfew explain " + live.resource.id.value;
    return m;
}

}  // namespace curfew::messages
