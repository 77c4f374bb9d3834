#include "curfew/app/parcels.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

namespace curfew {

namespace {

constexpr std::size_t names_in_title = 3;

/// The part that all have in common, or nothing.
template <class Value>
Value common(const std::vector<OutboxRow>& rows, Value Message::* field) {
    const Value& first = rows.front().message.*field;
    const bool same = std::ranges::all_of(rows,
                                          [&](const OutboxRow& r) { return r.message.*field == first; });
    return same ? first : Value{};
}

/// The sum over the newest row of each resource; nullopt if one is unknown, or they are of several currencies.
std::optional<Money> sum(const std::vector<OutboxRow>& rows, std::optional<Money> Message::* field) {
    std::map<std::string, std::optional<Money>> newest;
    for (const OutboxRow& row : rows) {
        newest[row.message.resource.value] = row.message.*field;
    }
    std::optional<Money> total;
    for (const auto& [resource, amount] : newest) {
        if (!amount || (total && total->currency != amount->currency)) {
            return std::nullopt;
        }
        if (total && amount->nanos > std::numeric_limits<std::int64_t>::max() - total->nanos) {
            return std::nullopt;
        }
        total = total ? Money{total->nanos + amount->nanos, amount->currency} : *amount;
    }
    return total;
}

std::string count_of(std::int64_t n, const std::string& one, const std::string& many) {
    return std::to_string(n) + " " + (n == 1 ? one : many);
}

std::string listed(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < names_in_title; ++i) {
        text += (text.empty() ? "" : ", ") + names[i];
    }
    if (names.size() > names_in_title) {
        text += " and " + std::to_string(names.size() - names_in_title) + " more";
    }
    return text;
}

/// What many notebooks of one kind are in a title; "" = it speaks of alerts instead.
std::string_view verb_of(AlertKind kind) {
    static constexpr std::array verbs{
        std::pair{AlertKind::stop_warning, "will be stopped"},
        std::pair{AlertKind::stop_cancelled, "will not be stopped"},
        std::pair{AlertKind::stopped, "were stopped"},
        std::pair{AlertKind::stop_failed, "could not be stopped and still cost money"},
        std::pair{AlertKind::pack_failed, "could not be packed"},
        std::pair{AlertKind::would_stop, "would have been stopped"}};
    const auto found = std::ranges::find(verbs, kind, &std::pair<AlertKind, const char*>::first);
    return found == verbs.end() ? std::string_view{} : found->second;
}

const OutboxRow& worst_of(const std::vector<OutboxRow>& rows) {
    return *std::ranges::max_element(
        rows, [](const OutboxRow& a, const OutboxRow& b) { return a.message.severity < b.message.severity; });
}

/// The whole life of an alert lies in these rows.
bool began_and_ended(const std::vector<const Message*>& life) {
    return !life.front()->alert.empty() && life.size() > 1 && life.front()->state != AlertState::resolved &&
           life.back()->state == AlertState::resolved;
}

std::string line_of(const Message& m, bool over) {
    return (over ? "Began and ended: " : "") + m.title +
           (m.do_next.empty() ? std::string{} : " → " + m.do_next);
}

/// An end without words of its own, of a run that other news in the parcel is about: "is stopped" says it all.
bool echoes(const Message& m, const std::vector<OutboxRow>& rows) {
    const auto says_more = [&](const OutboxRow& r) {
        return r.message.run == m.run && r.message.alert != m.alert && r.message.at >= m.at &&
               !r.message.title.starts_with(over_words);
    };
    return m.telling == Telling::resolved && m.title.starts_with(over_words) && !m.run.empty() &&
           std::ranges::any_of(rows, says_more);
}

std::map<std::string, std::vector<const Message*>> lives(const std::vector<OutboxRow>& rows) {
    std::map<std::string, std::vector<const Message*>> by_alert;
    for (const OutboxRow& row : rows) {
        by_alert[row.message.alert.empty() ? row.id : row.message.alert.value].push_back(&row.message);
    }
    return by_alert;
}

std::vector<std::string> lines_of(const std::vector<OutboxRow>& rows) {
    const auto by_alert = lives(rows);
    std::vector<std::string> lines;
    for (const OutboxRow& row : rows) {
        const auto& life = by_alert.at(row.message.alert.empty() ? row.id : row.message.alert.value);
        lines.push_back(line_of(row.message, began_and_ended(life) && life.back() == &row.message));
    }
    return lines;
}

std::string title_of(const std::vector<OutboxRow>& rows, const Message& whole) {
    const auto by_alert = lives(rows);
    if (by_alert.size() == 1) {
        const Message& newest = rows.back().message;
        return began_and_ended(by_alert.begin()->second) ? "Began and ended: " + newest.title : newest.title;
    }
    const auto alerts = static_cast<std::int64_t>(by_alert.size());
    const std::string where = whole.cause.empty() ? std::string{} : " of " + whole.cause;
    const AlertKind kind = rows.front().message.kind;
    const bool one_kind = std::ranges::all_of(rows,
                                              [&](const OutboxRow& r) { return r.message.kind == kind; });
    const bool all_over = std::ranges::all_of(
        rows, [](const OutboxRow& r) { return r.message.state == AlertState::resolved; });
    std::vector<std::string> names;
    for (const OutboxRow& row : rows) {
        const std::string& name = row.message.resource_name;
        if (!name.empty() && std::ranges::find(names, name) == names.end()) {
            names.push_back(name);
        }
    }
    if (one_kind && !verb_of(kind).empty() && !names.empty()) {
        const std::string money = whole.per_hour && whole.per_hour->nanos > 0
                                      ? " (" + to_string(*whole.per_hour) + "/h together)"
                                      : std::string{};
        return count_of(static_cast<std::int64_t>(names.size()), "notebook", "notebooks") + " " +
               std::string{verb_of(kind)} + ": " + listed(names) + money;
    }
    return count_of(alerts, "alert", "alerts") + where + (all_over ? " are over: " : ": ") +
           worst_of(rows).message.title + (alerts > 1 ? ", and " + std::to_string(alerts - 1) + " more" : "");
}

void set_times(const std::vector<OutboxRow>& rows, Message& whole) {
    bool all_expire = true;
    for (const OutboxRow& row : rows) {
        const Message& m = row.message;
        if (m.stops_at) {
            whole.stops_at = std::min(whole.stops_at.value_or(*m.stops_at), *m.stops_at);
        }
        if (m.expires_at) {
            whole.expires_at = std::max(whole.expires_at.value_or(*m.expires_at), *m.expires_at);
        }
        all_expire = all_expire && m.expires_at;
    }
    if (!all_expire) {
        whole.expires_at.reset();
    }
}

}  // namespace

Message together(const std::vector<OutboxRow>& rows, const std::string& id, WallTime at) {
    if (rows.size() == 1) {
        return rows.front().message;
    }
    std::vector<OutboxRow> news;
    std::ranges::copy_if(rows, std::back_inserter(news),
                         [&](const OutboxRow& row) { return !echoes(row.message, rows); });
    if (news.size() == 1) {
        Message told = news.front().message;
        told.id = id;
        for (const OutboxRow& row : rows) {
            if (row.id != news.front().id) {
                told.body.push_back(row.message.title + ".");
            }
        }
        set_times(rows, told);
        return told;
    }
    Message whole;
    whole.id = id;
    whole.at = at;
    const Message& worst = worst_of(rows).message;
    const bool one_alert = !rows.front().message.alert.empty() && lives(rows).size() == 1;
    whole.alert = common(rows, &Message::alert);
    whole.kind = one_alert ? rows.back().message.kind : worst.kind;
    whole.severity = worst.severity;
    const bool all_over = std::ranges::all_of(
        rows, [](const OutboxRow& r) { return r.message.state == AlertState::resolved; });
    whole.state = one_alert  ? rows.back().message.state
                  : all_over ? AlertState::resolved
                             : AlertState::firing;
    whole.telling = one_alert ? rows.back().message.telling : worst.telling;
    whole.group = common(rows, &Message::group);
    whole.key = one_alert ? rows.front().message.key : whole.group;
    whole.cause = common(rows, &Message::cause);
    whole.account = common(rows, &Message::account);
    whole.resource = common(rows, &Message::resource);
    whole.resource_name = common(rows, &Message::resource_name);
    whole.run = common(rows, &Message::run);
    whole.rule = common(rows, &Message::rule);
    whole.budget = common(rows, &Message::budget);
    whole.owner = common(rows, &Message::owner);
    whole.per_hour = sum(rows, &Message::per_hour);
    whole.cost_so_far = sum(rows, &Message::cost_so_far);
    whole.saved = sum(rows, &Message::saved);
    set_times(rows, whole);
    whole.title = title_of(rows, whole);
    whole.body = lines_of(rows);
    if (!whole.run.empty()) {
        whole.keep_url = rows.back().message.keep_url;
    }
    const bool alone_critical = worst.severity == Severity::critical &&
                                std::ranges::count_if(rows, [](const OutboxRow& r) {
                                    return r.message.severity == Severity::critical;
                                }) == 1;
    whole.do_next = one_alert        ? rows.back().message.do_next
                    : alone_critical ? worst.do_next
                                     : "curfew alerts";
    return whole;
}

std::int64_t rows_of(const std::vector<OutboxRow>& named, const std::vector<KindCount>& sums) {
    std::int64_t rows = std::ranges::count_if(named,
                                              [](const OutboxRow& r) { return !r.enforcement.empty(); });
    for (const KindCount& count : sums) {
        rows += count.rows;
    }
    return rows;
}

Message digest(const std::vector<OutboxRow>& named, const std::vector<KindCount>& sums, const std::string& id,
               WallTime at) {
    Message whole;
    whole.id = id;
    whole.at = at;
    whole.kind = AlertKind::digest;
    whole.severity = worst_of(named).message.severity;
    whole.state = AlertState::firing;
    whole.key = "digest";
    whole.group = "digest";
    whole.cause = "the cap of messages an hour";
    set_times(named, whole);
    whole.expires_at.reset();
    std::map<Severity, std::int64_t> by_severity;
    std::map<std::pair<AlertKind, Severity>, std::int64_t> named_of;
    for (const OutboxRow& row : named) {
        if (row.enforcement.empty()) {
            ++named_of[{row.message.kind, row.message.severity}];
        } else {
            ++by_severity[row.message.severity];
        }
    }
    whole.body = lines_of(named);
    std::string rest;
    for (const KindCount& count : sums) {
        by_severity[count.severity] += count.rows;
        const std::int64_t unnamed = count.rows - named_of[{count.kind, count.severity}];
        if (unnamed > 0) {
            rest += (rest.empty() ? "" : ", ") + std::to_string(unnamed) + " × " +
                    std::string{to_string(count.kind)} + " (" + std::string{to_string(count.severity)} + ")";
        }
    }
    if (!rest.empty()) {
        whole.body.push_back("And without their names: " + rest + ".");
    }
    std::string severities;
    for (auto entry = by_severity.rbegin(); entry != by_severity.rend(); ++entry) {
        severities += (severities.empty() ? "" : ", ") + std::to_string(entry->second) + " " +
                      std::string{to_string(entry->first)};
    }
    whole.title = std::to_string(rows_of(named, sums)) + " messages in one (" + severities +
                  "): " + worst_of(named).message.title;
    whole.do_next = "curfew alerts";
    return whole;
}

}  // namespace curfew
