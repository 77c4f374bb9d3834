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
    return dump(json{{"id", m.id},
                     {"alert", m.alert.value},
                     {"kind", static_cast<int>(m.kind)},
                     {"severity", static_cast<int>(m.severity)},
                     {"state", static_cast<int>(m.state)},
                     {"at", m.at.ms},
                     {"title", m.title},
                     {"body", m.body},
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
                     {"expires_at", time_json(m.expires_at)}});
}

Result<Message> message_from(const std::string& document) {
    try {
        const json j = json::parse(document);
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
        return m;
    } catch (const json::exception& e) {
        return fail(Errc::corrupt, std::string{"a message that cannot be read: "} + e.what(), "database");
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
