#include "alert_routes.hpp"
#include "curfew/api/api.hpp"
#include "money_routes.hpp"
#include "replies.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace curfew::api {

namespace {

constexpr Duration replayed_by_default = hours{24 * 30};

/// What a body of /v1/release names; without any name, keeps, leases and a stop that was asked for.
ReleaseOptions release_options(const Json& body) {
    ReleaseOptions options;
    options.job = text_of(body, "job");
    const bool keeps = flag_of(body, "keep", false);
    const bool leases = flag_of(body, "lease", false) || !options.job.empty();
    const bool exemptions = flag_of(body, "exemption", false);
    if (keeps || leases || exemptions) {
        options.keeps = keeps;
        options.leases = leases;
        options.exemptions = exemptions;
        options.stop = false;
    }
    return options;
}

}  // namespace

Handler::Handler(World& world, Control& control, Reporter& reporter, MoneyReporter& money,
                 Historian& historian, RuleParser parse_rule)
    : world_(world), control_(control), reporter_(reporter), historian_(historian),
      parse_rule_(std::move(parse_rule)),
      money_routes_(std::make_unique<MoneyRoutes>(world, control, reporter, money)),
      alert_routes_(std::make_unique<AlertRoutes>(world, control, reporter)) {}

Handler::~Handler() = default;

Task<Reply> Handler::handle(Request request, Peer peer) {
    if (request.method == "GET") {
        co_return co_await read(request);
    }
    if (request.method == "POST" && request.path == "/v1/rules/test") {
        co_return co_await test_rule(std::move(request));
    }
    if (!peer.admin) {
        co_return problem(405, Exit::not_allowed, "read_only", "this socket answers GET only",
                          "changes go to the admin socket");
    }
    if ((request.method == "PUT" || request.method == "DELETE") && request.path.starts_with("/v1/budgets/")) {
        co_return co_await money_routes_->change(std::move(request), peer);
    }
    if (request.method != "POST") {
        co_return problem(405, Exit::usage, "method",
                          "GET and POST are all there is, and PUT and DELETE of budgets");
    }
    co_return co_await change(request, peer);
}

Task<Reply> Handler::read(const Request& request) {
    const std::string& path = request.path;
    if (path == "/v1/status") {
        co_return co_await status();
    }
    if (path.starts_with("/v1/explain/")) {
        co_return co_await explain(request);
    }
    if (path == "/v1/plan") {
        co_return co_await plan();
    }
    if (path == "/v1/receipts") {
        co_return co_await receipts(request);
    }
    if (path.starts_with("/v1/receipts/")) {
        co_return co_await receipt(path.substr(13));
    }
    if (path == "/v1/events") {
        co_return co_await events(request);
    }
    if (path == "/v1/doctor") {
        co_return co_await doctor();
    }
    if (path == "/v1/verify") {
        co_return co_await verify();
    }
    if (path.starts_with("/v1/verify/")) {
        co_return co_await verify_receipt(path.substr(11));
    }
    if (path == "/v1/rules") {
        co_return co_await rules();
    }
    if (path == "/v1/version") {
        co_return good(Json{{"schema", std::string{schema::version}},
                            {"version", std::string{version_text}},
                            {"program", "curfewd"}});
    }
    if (auto reply = co_await money_routes_->read(request)) {
        co_return std::move(*reply);
    }
    if (auto reply = co_await alert_routes_->read(request)) {
        co_return std::move(*reply);
    }
    co_return problem(
        404, Exit::usage, "no_route", "there is no " + path,
        "/v1/status /v1/explain/NAME /v1/plan /v1/spend /v1/budgets /v1/forecast /v1/credit "
        "/v1/advice /v1/export/focus /v1/receipts /v1/events /v1/alerts /v1/alerts/ID "
        "/v1/silences /v1/outbox /v1/rules /v1/doctor /v1/verify /v1/verify/RECEIPT /v1/version");
}

Task<Reply> Handler::status() {
    auto report = co_await reporter_.status();
    co_return report ? good(to_json(*report)) : problem(report.error());
}

Task<Reply> Handler::explain(Request request) {
    const auto resource = reporter_.resolve(request.path.substr(12));
    if (!resource) {
        co_return problem(resource.error());
    }
    if (const std::string text = value_of(request, "at"); !text.empty()) {
        const auto at = time_of(text, world_.scheduler.wall());
        if (!at) {
            co_return problem(400, Exit::usage, "invalid", "at: " + at.error().text, time_hint);
        }
        auto report = co_await historian_.explain_at(*resource, *at);
        co_return report ? good(to_json(*report)) : problem(report.error());
    }
    auto report = co_await reporter_.explain(*resource);
    co_return report ? good(to_json(*report)) : problem(report.error());
}

Task<Reply> Handler::plan() {
    co_return good(to_json(historian_.plan()));
}

Task<Reply> Handler::test_rule(Request request) {
    auto body = body_of(request);
    if (!body) {
        co_return problem(body.error());
    }
    const WallTime now = world_.scheduler.wall();
    const std::string since = text_of(*body, "since");
    const auto from = since.empty() ? Result<WallTime>{now - replayed_by_default} : time_of(since, now);
    if (!from || *from >= now) {
        co_return problem(400, Exit::usage, "invalid",
                          from ? "since lies ahead: " + since : "since: " + from.error().text, time_hint);
    }
    const std::string file = text_of(*body, "file");
    auto rule = parse_rule_(text_of(*body, "rule"), file.empty() ? "rule" : file);
    if (!rule) {
        co_return problem(422, Exit::findings, "rule", rule.error().text);
    }
    auto report = co_await historian_.test_rule(std::move(*rule), *from);
    co_return report ? good(to_json(*report)) : problem(report.error());
}

Task<Reply> Handler::receipts(Request request) {
    std::optional<ResourceId> resource;
    if (const std::string noun = value_of(request, "resource"); !noun.empty()) {
        const auto found = reporter_.resolve(noun);
        if (!found) {
            co_return problem(found.error());
        }
        resource = *found;
    }
    auto rows = co_await world_.store.receipts(
        resource, static_cast<int>(std::min<std::int64_t>(number_of(request, "limit", 50), page_max)));
    if (!rows) {
        co_return problem(rows.error());
    }
    Json json = envelope(schema::receipts, reporter_.freshness());
    json["items"] = Json::array();
    for (const Receipt& receipt : *rows) {
        json["items"].push_back(to_json(receipt));
    }
    co_return good(json);
}

Task<Reply> Handler::receipt(std::string id) {
    auto found = co_await world_.store.receipt(ReceiptId{id});
    if (!found) {
        co_return problem(found.error());
    }
    if (!*found) {
        co_return problem(404, Exit::not_found, "not_found", "no receipt " + id,
                          "curfew receipts lists them");
    }
    Json json = envelope(schema::receipt, reporter_.freshness());
    json.update(to_json(**found));
    co_return good(json);
}

Task<Reply> Handler::events(Request request) {
    std::optional<ResourceId> resource;
    if (const std::string noun = value_of(request, "resource"); !noun.empty()) {
        const auto found = reporter_.resolve(noun);
        if (!found) {
            co_return problem(found.error());
        }
        resource = *found;
    }
    const int limit = static_cast<int>(
        std::clamp<std::int64_t>(number_of(request, "limit", 200), 1, page_max));
    auto rows = co_await world_.store.audit(number_of(request, "after", 0), limit, resource);
    if (!rows) {
        co_return problem(rows.error());
    }
    Json json = envelope(schema::events, reporter_.freshness());
    json["items"] = Json::array();
    for (const AuditRow& row : *rows) {
        json["items"].push_back(to_json(row));
    }
    const bool more = static_cast<int>(rows->size()) == limit;
    json["next"] = more ? Json(rows->back().seq) : Json(nullptr);
    co_return good(json);
}

Task<Reply> Handler::doctor() {
    auto findings = co_await reporter_.doctor();
    if (!findings) {
        co_return problem(findings.error());
    }
    co_return this->findings(schema::doctor, *findings);
}

Task<Reply> Handler::verify() {
    auto found = co_await reporter_.verify();
    co_return found ? findings(schema::verify, *found) : problem(found.error());
}

/// One at a time: its files may be many gigabytes.
Task<Reply> Handler::verify_receipt(std::string id) {
    auto receipt = co_await world_.store.receipt(ReceiptId{id});
    if (!receipt) {
        co_return problem(receipt.error());
    }
    if (!*receipt) {
        co_return problem(404, Exit::not_found, "not_found", "no receipt " + id,
                          "curfew receipts lists them");
    }
    const std::string whole = std::to_string((*receipt)->files) + " files are those of the manifest";
    auto same = co_await control_.check_copies(std::move(**receipt));
    co_return findings(schema::verify,
                       {{same.has_value(), "receipt " + id, same ? whole : to_string(same.error())}});
}

Reply Handler::findings(std::string_view schema, const std::vector<DoctorFinding>& items) const {
    Json json = envelope(schema, reporter_.freshness());
    json["items"] = Json::array();
    for (const DoctorFinding& finding : items) {
        json["items"].push_back({{"good", finding.good}, {"what", finding.what}, {"text", finding.text}});
    }
    return good(json);
}

Task<Reply> Handler::rules() {
    auto report = co_await reporter_.rules();
    co_return report ? good(to_json(*report)) : problem(report.error());
}

/// The same key gives the first answer again, so that a client that lost an answer may simply ask again.
Task<Reply> Handler::change(const Request& request, const Peer& peer) {
    if (request.idempotency_key.empty()) {
        co_return co_await perform(request, peer);
    }
    const std::string key = peer.actor + " " + request.path + " " + request.idempotency_key;
    auto first = co_await world_.store.idempotent(key);
    if (first && *first) {
        co_return Reply{(*first)->status, "application/json", (*first)->body};
    }
    Reply reply = co_await perform(request, peer);
    if (reply.status == 200) {
        Batch batch{IdempotencyRow{
            .key = key, .status = reply.status, .body = reply.body, .at = world_.scheduler.wall()}};
        (void)co_await world_.store.commit(std::move(batch));
    }
    co_return reply;
}

Task<Reply> Handler::lease(ResourceId resource, std::string how_long, std::string job, std::string reason,
                           std::string actor) {
    const auto length = parse_duration(how_long);
    if (!length) {
        co_return problem(length.error());
    }
    auto answer = co_await control_.lease(resource, *length, job, reason, actor);
    co_return answer ? good(to_json(*answer)) : problem(answer.error());
}

Task<Reply> Handler::exempt(ResourceId resource, HoldEnd end, std::string reason, std::string actor) {
    auto hold = co_await control_.exempt(resource, end, reason, actor);
    if (!hold) {
        co_return problem(hold.error());
    }
    Json json{{"schema", std::string{schema::hold}}};
    json.update(to_json(*hold));
    json["price"] = nullptr;
    co_return good(json);
}

Task<Reply> Handler::release(ResourceId resource, ReleaseOptions options, std::string actor) {
    auto ended = co_await control_.release(resource, options, actor);
    if (!ended) {
        co_return problem(ended.error());
    }
    co_return good(Json{{"schema", std::string{schema::release}},
                        {"resource", resource.value},
                        {"released", ended->all()},
                        {"keeps", ended->keeps},
                        {"leases", ended->leases},
                        {"exemptions", ended->exemptions},
                        {"stops", ended->stops}});
}

Task<Reply> Handler::perform(Request request, Peer peer) {
    auto body = body_of(request);
    if (!body) {
        co_return problem(body.error());
    }
    if (request.path == "/v1/reload") {
        auto done = co_await control_.reload(peer.actor);
        if (!done) {
            co_return problem(422, Exit::findings, "config", done.error().text,
                              "the old configuration stays in force");
        }
        co_return good(Json{{"reloaded", true}});
    }
    if (request.path == "/v1/poll") {
        control_.poll_now();
        co_return good(Json{{"polling", true}});
    }
    if (auto reply = co_await alert_routes_->change(request, *body, peer)) {
        co_return std::move(*reply);
    }
    if (request.path.starts_with("/v1/rules/") && request.path.ends_with("/reset") &&
        request.path.size() > 16) {
        const std::string name = request.path.substr(10, request.path.size() - 16);
        auto done = co_await control_.reset_rule(RuleName{name}, peer.actor);
        co_return done
            ? good(Json{{"schema", std::string{schema::rule_reset}}, {"rule", name}, {"reset", *done}})
            : problem(done.error());
    }
    static constexpr std::array routes{"/v1/keep",    "/v1/lease", "/v1/exempt",
                                       "/v1/release", "/v1/stop",  "/v1/pack"};
    if (std::ranges::find(routes, request.path) == routes.end()) {
        co_return problem(404, Exit::usage, "no_route", "there is no " + request.path);
    }
    const auto resource = reporter_.resolve(text_of(*body, "resource"));
    if (!resource) {
        co_return problem(resource.error());
    }
    if (request.path == "/v1/keep") {
        const auto how_long = parse_duration(text_of(*body, "for"));
        if (!how_long) {
            co_return problem(how_long.error());
        }
        auto answer = co_await control_.keep(*resource, *how_long, text_of(*body, "reason"), peer.actor);
        co_return answer ? good(to_json(*answer)) : problem(answer.error());
    }
    if (request.path == "/v1/release") {
        co_return co_await release(*resource, release_options(*body), peer.actor);
    }
    if (request.path == "/v1/lease") {
        co_return co_await lease(*resource, text_of(*body, "for"), text_of(*body, "job"),
                                 text_of(*body, "reason"), peer.actor);
    }
    if (request.path == "/v1/exempt") {
        const auto end = end_of(*body, world_.config->zone, "an exemption");
        co_return end ? co_await exempt(*resource, *end, text_of(*body, "reason"), peer.actor)
                      : problem(end.error());
    }
    if (request.path == "/v1/pack") {
        auto receipt = co_await control_.pack(*resource, peer.actor);
        co_return receipt ? good(Json{{"receipt", receipt->value}, {"resource", resource->value}})
                          : problem(receipt.error());
    }
    StopOptions options{.pack = flag_of(*body, "pack", true),
                        .dry_run = flag_of(*body, "dry_run", false),
                        .accepted_risks = {}};
    if (const auto risks = body->find("accept_risks"); risks != body->end() && risks->is_array()) {
        for (const Json& risk : *risks) {
            if (risk.is_string()) {
                options.accepted_risks.push_back(risk.get<std::string>());
            }
        }
    }
    auto answer = co_await control_.stop(*resource, options, peer.actor);
    co_return answer ? good(to_json(*answer)) : problem(answer.error());
}

}  // namespace curfew::api
