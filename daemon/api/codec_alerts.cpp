#include "codec.hpp"

namespace curfew::api {

namespace {

Json told_json(const std::vector<Destination>& told) {
    Json list = Json::array();
    for (const Destination& destination : told) {
        list.push_back({{"channel", destination.channel.value}, {"to", empty_is_null(destination.to)}});
    }
    return list;
}

template <class Name>
Json names_json(const std::vector<Name>& names) {
    Json list = Json::array();
    for (const Name& name : names) {
        list.push_back(name.value);
    }
    return list;
}

}  // namespace

Json to_json(const Alert& a) {
    const Message& m = a.message;
    return {{"id", a.id.value},
            {"key", a.key},
            {"kind", std::string{to_string(a.kind)}},
            {"severity", std::string{to_string(a.severity)}},
            {"state", std::string{to_string(a.state)}},
            {"since", to_string(a.since)},
            {"changed_at", to_string(a.changed_at)},
            {"title", a.title},
            {"account", empty_is_null(a.account.value)},
            {"resource", empty_is_null(a.resource.value)},
            {"resource_name", empty_is_null(m.resource_name)},
            {"run", empty_is_null(a.run.value)},
            {"rule", empty_is_null(m.rule.value)},
            {"budget", empty_is_null(m.budget.value)},
            {"owner", empty_is_null(m.owner)},
            {"flapping", a.flapping},
            {"silenced_by", empty_is_null(a.silenced_by.value)},
            {"inhibited_by", empty_is_null(a.inhibited_by)},
            {"acknowledged_by", empty_is_null(a.acknowledged_by)},
            {"note", empty_is_null(a.note)},
            {"escalated", a.escalated},
            {"told", told_json(a.told)},
            {"told_at", to_json(a.told_at)},
            {"reason", empty_is_null(a.reason)},
            {"do_next", empty_is_null(m.do_next)}};
}

Json to_json(const AlertEvent& event) {
    return {{"at", to_string(event.at)},
            {"state", std::string{to_string(event.state)}},
            {"what", event.what},
            {"reason", event.reason},
            {"by", empty_is_null(event.by)}};
}

Json to_json(const OutboxRow& row) {
    const Message& m = row.message;
    const bool waits = row.state == OutboxState::waiting;
    return {{"id", row.id},
            {"seq", row.seq},
            {"state", std::string{to_string(row.state)}},
            {"channel", row.channel.value},
            {"to", empty_is_null(row.to)},
            {"kind", std::string{to_string(m.kind)}},
            {"severity", std::string{to_string(m.severity)}},
            {"telling", std::string{to_string(m.telling)}},
            {"alert", empty_is_null(m.alert.value)},
            {"title", m.title},
            {"created_at", to_string(row.created_at)},
            {"attempts", row.attempts},
            {"next_at", waits ? Json(to_string(row.next_at)) : Json(nullptr)},
            {"last_error", empty_is_null(row.last_error)},
            {"parcel", empty_is_null(row.parcel.value)}};
}

Json to_json(const Silence& silence, WallTime now) {
    const SilenceScope& scope = silence.scope;
    Json kinds = Json::array();
    for (const AlertKind kind : scope.kinds) {
        kinds.push_back(std::string{to_string(kind)});
    }
    return {{"id", silence.id.value},
            {"kind", std::string{to_string(silence.kind)}},
            {"in_force", !silence.ended_at && silence.until > now},
            {"resources", scope.resources},
            {"accounts", names_json(scope.accounts)},
            {"rules", names_json(scope.rules)},
            {"budgets", names_json(scope.budgets)},
            {"kinds", std::move(kinds)},
            {"alert", empty_is_null(scope.alert.value)},
            {"from", to_string(silence.from)},
            {"until", to_string(silence.until)},
            {"ended_at", to_json(silence.ended_at)},
            {"reason", silence.reason},
            {"by", silence.by}};
}

}  // namespace curfew::api
