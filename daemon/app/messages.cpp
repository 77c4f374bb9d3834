#include "curfew/app/messages.hpp"

#include "curfew/core/schedule.hpp"

#include <algorithm>
#include <utility>

namespace curfew::messages {

namespace {

constexpr std::size_t name_bytes_max = 80;
constexpr Duration worth_sending_after = hours{1};

std::string per_hour_text(const Subject& s) {
    return s.per_hour ? to_string(*s.per_hour) + "/h" : std::string{"unpriced"};
}

std::string so_far_text(const Subject& s) {
    return s.cost_so_far ? to_string(*s.cost_so_far) + " so far" : std::string{"cost unknown"};
}

std::string clock_text(WallTime t) {
    const std::string full = to_string(t);  // 2026-11-23T10:15:00Z
    return full.substr(11, 5) + " UTC";
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
    m.cause = s.cause;
    m.cost_so_far = s.cost_so_far;
    m.per_hour = s.per_hour;
    return m;
}

std::string save_text(const Subject& s) {
    return s.vaults.empty()
               ? std::string{"Nothing will be copied first: no vault is configured."}
               : "Before the stop its files are copied to " + s.vaults + " and every copy is read back" +
                     (s.pack_within ? "; after " + to_string(*s.pack_within) +
                                          " it is stopped even if the copy is not whole"
                                    : std::string{}) +
                     ". Kernel memory and unsaved tabs are not files and are lost.";
}

void append_receipt(Message& m, const Receipt& receipt) {
    std::string text = "Saved: " + std::to_string(receipt.files) + " files, " + size_text(receipt.bytes) +
                       ", verified at " + clock_text(receipt.verified_at) + ", receipt " + receipt.id.value +
                       ".";
    for (const VaultProof& proof : receipt.proofs) {
        text += " " + proof.vault.value + ": " + proof.locator + " (" + proof.method + ").";
    }
    m.body.push_back(std::move(text));
    if (!receipt.not_covered.empty()) {
        std::string missing = "Not covered:";
        std::size_t shown = 0;
        for (const NotCovered& item : receipt.not_covered) {
            if (shown == 8) {
                missing += " and " + std::to_string(receipt.not_covered.size() - shown) + " more.";
                break;
            }
            missing += " " + printable(item.what) + " (" + item.why + ");";
            ++shown;
        }
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

Subject subject_of(const LiveResource& live, const Enforcement& e, const Now& now, const Config& config) {
    Subject s;
    s.account = e.account;
    s.resource = e.resource;
    s.name = printable(live.resource.name);
    s.run = e.run;
    s.machine_type = live.current.run.machine_type;
    switch (e.cause.kind) {
        case CauseKind::idle:
            s.cause = "rule " + e.cause.name;
            break;
        case CauseKind::schedule:
            s.cause = "off hours of rule " + e.cause.name;
            break;
        case CauseKind::age:
            s.cause = "maximum age of rule " + e.cause.name;
            break;
        case CauseKind::budget:
            s.cause = "budget " + e.cause.name;
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
    s.manual_way =
        live.resource.kind == ResourceKind::notebook
            ? "Stop it in the console: https://console.paperspace.com/ (notebook " + s.resource.value + ")"
            : "Stop it in the console: https://console.paperspace.com/ (machine " + s.resource.value + ")";
    return s;
}

namespace {

/// What puts the stop off, and what does not.
std::string keep_text(const Subject& s) {
    switch (s.kind) {
        case CauseKind::idle:
            return "Use it again and nothing happens. To keep it running as it is:";
        case CauseKind::schedule:
            return s.by_activity ? "As long as it is at work nothing happens. To keep it running as it is:"
                                 : "It is stopped even if it is at work. To keep it running:";
        case CauseKind::age:
            return "It is stopped even if it is at work, and a keep cannot put off a maximum age. Started "
                   "again, it is a new run with an age of its own.";
        case CauseKind::budget:
        case CauseKind::manual:
            break;
    }
    return "This comes from a hard budget, so it cannot be put off by a keep.";
}

}  // namespace

Message stop_warning(const Subject& s, Entropy& entropy) {
    Message m = base(s, AlertKind::stop_warning, Severity::warning);
    m.id = "msg_" + entropy.hex(12);
    m.stops_at = s.stops_at;
    const std::string when = s.stops_at ? " at " + clock_text(*s.stops_at) + " (in " +
                                              to_string(std::max(Duration{0}, *s.stops_at - s.now)) + ")"
                                        : std::string{" soon"};
    m.title = s.name + " (" + s.machine_type + ", " + per_hour_text(s) + ", " + so_far_text(s) +
              ") will be packed and stopped" + when;
    m.body = {"Why: " + s.reason + ". " + s.evidence + ".", save_text(s)};
    m.body.push_back(keep_text(s));
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
    m.title = s.name + " will not be stopped: " + s.reason + " (" + per_hour_text(s) + ", " + so_far_text(s) +
              ")";
    m.do_next = "curfew explain " + s.resource.value;
    return m;
}

Message stopped(const Subject& s, const std::optional<Receipt>& receipt) {
    Message m = base(s, AlertKind::stopped, Severity::info);
    m.state = AlertState::resolved;
    m.saved = s.per_hour;
    m.title = s.name + " is stopped" +
              (receipt ? ", " + std::to_string(receipt->files) + " files saved"
                       : std::string{" without a pack"}) +
              "; " +
              (s.per_hour ? to_string(*s.per_hour) + " saved every hour from now" : "it was unpriced") +
              (s.cost_so_far ? " (the run cost " + to_string(*s.cost_so_far) + ")" : "");
    m.body = {"Why: " + s.cause +
              ". The provider confirmed twice that it does not bill any more; Curfew looks "
              "again after 10 and 60 minutes."};
    if (receipt) {
        append_receipt(m, *receipt);
        m.do_next = "curfew receipts " + receipt->id.value;
    } else {
        m.do_next = "curfew events " + s.resource.value;
    }
    return m;
}

Message pack_failed(const Subject& s) {
    Message m = base(s, AlertKind::pack_failed, Severity::critical);
    if (s.unpacked) {
        m.title = s.name + " (" + per_hour_text(s) + ", " + so_far_text(s) +
                  "): its files could not be packed as a whole, and it is stopped all the same";
        m.body = {s.reason + ".",
                  "What is not in an earlier receipt and not on persistent storage is lost. "
                  "This is by " +
                      s.cause + "."};
        m.do_next = "curfew explain " + s.resource.value;
        return m;
    }
    m.title = s.name + " goes on billing " + per_hour_text(s) + " (" + so_far_text(s) +
              "): its files could not be packed, so it was not stopped";
    m.body = {s.reason + ".", "Nothing was lost. Curfew tries again where trying can help."};
    m.do_next = "curfew explain " + s.resource.value;
    return m;
}

Message stop_failed(const Subject& s) {
    Message m = base(s, AlertKind::stop_failed, Severity::critical);
    m.title = s.name + " IS STILL BILLING " + per_hour_text(s) + " (" + so_far_text(s) +
              ") although Curfew tried to stop it";
    m.body = {s.reason + ".", s.manual_way + (s.unpacked ? ". " : ". Its files are packed; ") +
                                  "Curfew goes on trying by every way it has."};
    m.do_next = "curfew explain " + s.resource.value;
    return m;
}

Message undelivered(const Subject& s) {
    Message m = base(s, AlertKind::undelivered, Severity::critical);
    m.title = "No channel took the warning about " + s.name + ", so its stop waits (" + per_hour_text(s) +
              ")";
    m.body = {s.reason + ".",
              "Repair the channels of the configuration; see what waits with the line below."};
    m.do_next = "curfew doctor";
    return m;
}

Message would_stop(const Subject& s) {
    Message m = base(s, AlertKind::would_stop, Severity::info);
    m.saved = s.per_hour;
    m.title = s.name + " would have been stopped now, saving " + per_hour_text(s) + " (mode observe or warn)";
    m.body = {"Why: " + s.reason + ". " + s.evidence + ".", "Set mode = \"enforce\" to let Curfew act."};
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
    return "It begins " + to_string(std::chrono::ceil<seconds>(lead.of(threshold))) +
           " before the amount would be spent: a poll (" + to_string(used.poll) + "), the notice (" +
           to_string(used.notice) + "), a pack (" + to_string(std::chrono::ceil<seconds>(used.pack)) +
           ") and a stop (" + to_string(std::chrono::ceil<seconds>(used.stop)) + ").";
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
    Message m;
    m.kind = AlertKind::budget_threshold;
    m.severity = severity_of(threshold.action);
    const std::string what = finding.resource != nullptr
                                 ? " for " + printable(finding.resource->resource.name)
                                 : std::string{};
    m.title = "Budget " + finding.budget->name.value + what + ": " + to_string(spend.spent) + " of " +
              to_string(finding.budget->amount) + " spent, " + threshold.words() + " reached";
    m.cause = "budget " + finding.budget->name.value;
    m.cost_so_far = spend.spent;
    m.per_hour = spend.burn_per_hour;
    m.body = {
        "Period " + finding.crossing.period + ". Now burning " + to_string(spend.burn_per_hour) + " an hour" +
        (spend.complete ? "" : "; something is unpriced or could not be seen, so it may be more") + "."};
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
        m.body.emplace_back(acts ? "What it covers is packed and stopped now, quiet ones first."
                                 : "Nothing is stopped: the mode is not enforce.");
        m.body.push_back(lead_text(finding.lead, threshold));
    }
    if (finding.resource != nullptr) {
        m.account = finding.resource->resource.account;
        m.resource = finding.resource->resource.id;
        m.resource_name = printable(finding.resource->resource.name);
        m.run = finding.resource->current.run.id;
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
              std::to_string(about.count()) + " minutes with " + name + " (" + live.current.run.machine_type +
              (live.price != nullptr ? ", " + to_string(live.price->rate.per_hour) + "/h" : std::string{}) +
              "); " +
              (acts ? "it will be packed and stopped at about " +
                          local_words(now + admission.lasts, admission.budget->zone)
                    : "nothing is stopped: the mode is not enforce");
    m.cause = "budget " + admission.budget->name.value;
    m.account = live.resource.account;
    m.resource = live.resource.id;
    m.resource_name = name;
    m.run = live.current.run.id;
    m.per_hour = live.price != nullptr ? std::optional{live.price->rate.per_hour} : std::nullopt;
    m.body = {"It was just started. No keep puts that off; a larger amount of the budget does."};
    m.do_next = "curfew explain " + live.resource.id.value;
    return m;
}

}  // namespace curfew::messages
