#include "adapters/sqlite/documents.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>

namespace curfew::sqlite {

namespace {

using nlohmann::json;

json money_json(const std::optional<Money>& money) {
    return money ? json{{"nanos", money->nanos}, {"currency", std::string{money->currency.view()}}}
                 : json(nullptr);
}
json time_json(const std::optional<WallTime>& time) {
    return time ? json(time->ms) : json(nullptr);
}
std::optional<Money> money_from(const json& j) {
    if (j.is_null()) {
        return std::nullopt;
    }
    Money money{.nanos = j.at("nanos").get<std::int64_t>(), .currency = {}};
    const auto code = j.at("currency").get<std::string>();
    for (std::size_t i = 0; i < 3 && i < code.size(); ++i) {
        money.currency.code[i] = code[i];
    }
    return money;
}
std::optional<WallTime> time_from(const json& j) {
    return j.is_null() ? std::nullopt : std::optional{WallTime{j.get<std::int64_t>()}};
}
std::string dump(const json& j) {
    return j.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string to_document(const Message& m) {
    json tables = json::array();
    for (const MessageTable& table : m.tables) {
        json rows = json::array();
        for (const MessageTable::Row& row : table.rows) {
            rows.push_back({row.label, row.words, row.thousandths ? json(*row.thousandths) : json(nullptr)});
        }
        tables.push_back({{"title", table.title}, {"rows", std::move(rows)}});
    }
    return dump(json{{"id", m.id},
                     {"alert", m.alert.value},
                     {"kind", static_cast<int>(m.kind)},
                     {"severity", static_cast<int>(m.severity)},
                     {"state", static_cast<int>(m.state)},
                     {"at", m.at.ms},
                     {"title", m.title},
                     {"body", m.body},
                     {"tables", std::move(tables)},
                     {"do_next", m.do_next},
                     {"account", m.account.value},
                     {"resource", m.resource.value},
                     {"resource_name", m.resource_name},
                     {"run", m.run.value},
                     {"cause", m.cause},
                     {"stops_at", time_json(m.stops_at)},
                     {"cost_so_far", money_json(m.cost_so_far)},
                     {"per_hour", money_json(m.per_hour)},
                     {"saved", money_json(m.saved)},
                     {"expires_at", time_json(m.expires_at)},
                     {"telling", static_cast<int>(m.telling)},
                     {"key", m.key},
                     {"group", m.group},
                     {"rule", m.rule.value},
                     {"budget", m.budget.value},
                     {"owner", m.owner},
                     {"channel", m.channel.value},
                     {"keep_url", m.keep_url.value_or("")}});
}

namespace {

Message message_of(const json& j) {
    Message m;
    m.id = j.at("id").get<std::string>();
    m.alert = AlertId{j.at("alert").get<std::string>()};
    m.kind = static_cast<AlertKind>(j.at("kind").get<int>());
    m.severity = static_cast<Severity>(j.at("severity").get<int>());
    m.state = static_cast<AlertState>(j.at("state").get<int>());
    m.at = {j.at("at").get<std::int64_t>()};
    m.title = j.at("title").get<std::string>();
    m.body = j.at("body").get<std::vector<std::string>>();
    m.do_next = j.at("do_next").get<std::string>();
    m.account = AccountName{j.at("account").get<std::string>()};
    m.resource = ResourceId{j.at("resource").get<std::string>()};
    m.resource_name = j.at("resource_name").get<std::string>();
    m.run = RunId{j.at("run").get<std::string>()};
    m.cause = j.at("cause").get<std::string>();
    m.stops_at = time_from(j.at("stops_at"));
    m.cost_so_far = money_from(j.at("cost_so_far"));
    m.per_hour = money_from(j.at("per_hour"));
    m.saved = money_from(j.at("saved"));
    m.expires_at = time_from(j.at("expires_at"));
    // Messages of versions before 4 are without these.
    m.telling = static_cast<Telling>(j.value("telling", 0));
    m.key = j.value("key", "");
    m.group = j.value("group", "");
    m.rule = RuleName{j.value("rule", "")};
    m.budget = BudgetName{j.value("budget", "")};
    m.owner = j.value("owner", "");
    m.channel = ChannelName{j.value("channel", "")};
    for (const json& table : j.value("tables", json::array())) {
        MessageTable& added = m.tables.emplace_back(MessageTable{table.at("title").get<std::string>(), {}});
        for (const json& row : table.at("rows")) {
            added.rows.push_back({row.at(0).get<std::string>(), row.at(1).get<std::string>(),
                                  row.at(2).is_null() ? std::nullopt : std::optional{row.at(2).get<int>()}});
        }
    }
    if (const std::string url = j.value("keep_url", ""); !url.empty()) {
        m.keep_url = url;
    }
    return m;
}

std::vector<std::string> words(const auto& names) {
    std::vector<std::string> out;
    for (const auto& name : names) {
        out.push_back(name.value);
    }
    return out;
}
template <class Name>
std::vector<Name> names(const json& j) {
    std::vector<Name> out;
    for (const json& name : j) {
        out.push_back(Name{name.get<std::string>()});
    }
    return out;
}

}  // namespace

Result<Message> message_from(const std::string& document) {
    try {
        return message_of(json::parse(document));
    } catch (const json::exception& e) {
        return fail(Errc::corrupt, std::string{"a message that cannot be read: "} + e.what(), "database");
    }
}

std::string rest_of(const Alert& a) {
    json told = json::array();
    for (const Destination& d : a.told) {
        told.push_back({{"channel", d.channel.value}, {"to", d.to}});
    }
    json turns = json::array();
    for (const WallTime at : a.turns) {
        turns.push_back(at.ms);
    }
    return dump(json{{"message", json::parse(to_document(a.message))},
                     {"told", told},
                     {"told_at", time_json(a.told_at)},
                     {"acknowledged_by", a.acknowledged_by},
                     {"note", a.note},
                     {"escalated", a.escalated},
                     {"turns", turns},
                     {"flapping", a.flapping},
                     {"silenced_by", a.silenced_by.value},
                     {"inhibited_by", a.inhibited_by},
                     {"reason", a.reason}});
}

Result<void> read_rest(Alert& a, const std::string& document) {
    if (document.empty()) {  // of a version before 4
        a.message.key = a.key;
        a.message.alert = a.id;
        a.message.kind = a.kind;
        a.message.severity = a.severity;
        a.message.title = a.title;
        a.message.account = a.account;
        a.message.resource = a.resource;
        a.message.run = a.run;
        return {};
    }
    try {
        const json j = json::parse(document);
        a.message = message_of(j.at("message"));
        for (const json& d : j.at("told")) {
            a.told.push_back(
                {ChannelName{d.at("channel").get<std::string>()}, d.at("to").get<std::string>()});
        }
        a.told_at = time_from(j.at("told_at"));
        a.acknowledged_by = j.at("acknowledged_by").get<std::string>();
        a.note = j.at("note").get<std::string>();
        a.escalated = j.at("escalated").get<int>();
        for (const json& at : j.at("turns")) {
            a.turns.push_back({at.get<std::int64_t>()});
        }
        a.flapping = j.at("flapping").get<bool>();
        a.silenced_by = SilenceId{j.at("silenced_by").get<std::string>()};
        a.inhibited_by = j.at("inhibited_by").get<std::string>();
        a.reason = j.at("reason").get<std::string>();
        return {};
    } catch (const json::exception& e) {
        return fail(Errc::corrupt, std::string{"an alert that cannot be read: "} + e.what(), "database");
    }
}

std::string to_document(const SilenceScope& scope) {
    std::vector<int> kinds;
    for (const AlertKind kind : scope.kinds) {
        kinds.push_back(static_cast<int>(kind));
    }
    return dump(json{{"resources", scope.resources},
                     {"accounts", words(scope.accounts)},
                     {"rules", words(scope.rules)},
                     {"budgets", words(scope.budgets)},
                     {"kinds", kinds},
                     {"alert", scope.alert.value}});
}

Result<SilenceScope> scope_from(const std::string& document) {
    try {
        const json j = json::parse(document);
        SilenceScope scope;
        scope.resources = j.at("resources").get<std::vector<std::string>>();
        scope.accounts = names<AccountName>(j.at("accounts"));
        scope.rules = names<RuleName>(j.at("rules"));
        scope.budgets = names<BudgetName>(j.at("budgets"));
        for (const json& kind : j.at("kinds")) {
            scope.kinds.push_back(static_cast<AlertKind>(kind.get<int>()));
        }
        scope.alert = AlertId{j.at("alert").get<std::string>()};
        return scope;
    } catch (const json::exception& e) {
        return fail(Errc::corrupt, std::string{"a silence that cannot be read: "} + e.what(), "database");
    }
}

std::string to_document(const Receipt& r) {
    json html = json::array();
    for (const HtmlCopy& copy : r.html) {
        html.push_back(
            {{"notebook", copy.notebook_path}, {"local", copy.local_path}, {"failure", copy.failure}});
    }
    json missing = json::array();
    for (const NotCovered& item : r.not_covered) {
        missing.push_back({{"what", item.what}, {"why", item.why}, {"listed", item.listed}});
    }
    json proofs = json::array();
    for (const VaultProof& proof : r.proofs) {
        proofs.push_back(
            {{"vault", proof.vault.value}, {"locator", proof.locator}, {"method", proof.method}});
    }
    return dump(json{{"id", r.id.value},
                     {"enforcement", r.enforcement.value},
                     {"account", r.account.value},
                     {"resource", r.resource.value},
                     {"run", r.run.value},
                     {"resource_name", r.resource_name},
                     {"begun_at", r.begun_at.ms},
                     {"verified_at", r.verified_at.ms},
                     {"files", r.files},
                     {"bytes", r.bytes},
                     {"reused", r.reused},
                     {"manifest_sha256", r.manifest_sha256},
                     {"sums_sha256", r.sums_sha256},
                     {"html", html},
                     {"not_covered", missing},
                     {"proofs", proofs},
                     {"verified", r.verified}});
}

Result<Receipt> receipt_from(const std::string& document) {
    try {
        const json j = json::parse(document);
        Receipt r;
        r.id = ReceiptId{j.at("id").get<std::string>()};
        r.enforcement = EnforcementId{j.at("enforcement").get<std::string>()};
        r.account = AccountName{j.at("account").get<std::string>()};
        r.resource = ResourceId{j.at("resource").get<std::string>()};
        r.run = RunId{j.at("run").get<std::string>()};
        r.resource_name = j.at("resource_name").get<std::string>();
        r.begun_at = {j.at("begun_at").get<std::int64_t>()};
        r.verified_at = {j.at("verified_at").get<std::int64_t>()};
        r.files = j.at("files").get<std::int64_t>();
        r.bytes = j.at("bytes").get<std::int64_t>();
        r.reused = j.at("reused").get<std::int64_t>();
        r.manifest_sha256 = j.at("manifest_sha256").get<std::string>();
        r.sums_sha256 = j.at("sums_sha256").get<std::string>();
        for (const json& copy : j.at("html")) {
            r.html.push_back({copy.at("notebook").get<std::string>(), copy.at("local").get<std::string>(),
                              copy.at("failure").get<std::string>()});
        }
        for (const json& item : j.at("not_covered")) {
            r.not_covered.push_back({item.at("what").get<std::string>(), item.at("why").get<std::string>(),
                                     item.at("listed").get<bool>()});
        }
        for (const json& proof : j.at("proofs")) {
            r.proofs.push_back({VaultName{proof.at("vault").get<std::string>()},
                                proof.at("locator").get<std::string>(),
                                proof.at("method").get<std::string>()});
        }
        r.verified = j.at("verified").get<bool>();
        return r;
    } catch (const json::exception& e) {
        return fail(Errc::corrupt, std::string{"a receipt that cannot be read: "} + e.what(), "database");
    }
}

}  // namespace curfew::sqlite
