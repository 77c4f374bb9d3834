// The current API: https://api.paperspace.com/v1 with a Bearer key.
#include "emulator.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <tuple>

namespace emulator {
namespace {

const char* code_of(int status) {
    switch (status) {
        case 400:
        case 431:
            return "BAD_REQUEST";
        case 401:
            return "UNAUTHORIZED";
        case 403:
            return "FORBIDDEN";
        case 404:
            return "NOT_FOUND";
        case 405:
            return "METHOD_NOT_SUPPORTED";
        case 408:
            return "TIMEOUT";
        case 409:
            return "CONFLICT";
        case 412:
            return "PRECONDITION_FAILED";
        case 413:
            return "PAYLOAD_TOO_LARGE";
        case 429:
            return "TOO_MANY_REQUESTS";
        case 499:
            return "CLIENT_CLOSED_REQUEST";
        default:
            return "INTERNAL_SERVER_ERROR";
    }
}

std::optional<std::size_t> team_of(const Emulator& emulator, const Request& request) {
    const std::string value = request.header("authorization");
    if (value.size() <= 7 || !same_text(std::string_view{value}.substr(0, 7), "bearer ")) {
        return std::nullopt;
    }
    return emulator.world->team_of_key(value.substr(7));
}

json session_of(const Team& team) {
    const char* const since = "2024-02-01T09:00:00.000Z";
    return {{"user",
             {{"id", team.user_id},
              {"email", team.email},
              {"firstName", team.first_name},
              {"lastName", team.last_name},
              {"dtCreated", since},
              {"dtConfirmed", "2024-02-01T09:05:00.000Z"},
              {"isPhoneVerified", true},
              {"isPasswordAuthEnabled", true},
              {"isQrCodeBasedMfaEnabled", false},
              {"isQrCodeBasedMfaConfirmed", false},
              {"analyticsId", 42},
              {"preferences", nullptr},
              {"metadata",
               {{"tags", nullptr},
                {"coreSurvey", nullptr},
                {"gradientSurvey", nullptr},
                {"graphcoreTermsAccepted", false}}},
              {"teamMemberships", json::array({{{"isAdmin", true},
                                                {"isOwner", true},
                                                {"team",
                                                 {{"id", team.id},
                                                  {"name", team.name},
                                                  {"namespace", team.space},
                                                  {"isUserTeam", true},
                                                  {"dtCreated", since},
                                                  {"publicProfileImageUrl", nullptr}}}}})}}},
            {"team",
             {{"id", team.id},
              {"namespace", team.space},
              {"isPrivate", true},
              {"maxMachines", 10},
              {"analyticsId", 77}}}};
}

constexpr std::size_t repo_id_size = 15;

struct PageQuery {
    std::size_t limit = 20;
    std::string after;
    bool descending = true;
    std::string order_by;
    std::vector<std::string> issues;
};

PageQuery page_query(const Request& request, const std::vector<std::string>& orders) {
    PageQuery query;
    if (const auto limit = request.param("limit")) {
        int value = 0;
        const auto [end, error] = std::from_chars(limit->data(), limit->data() + limit->size(), value);
        if (error != std::errc{} || end != limit->data() + limit->size() || value < 1 || value > 120) {
            query.issues.emplace_back("limit: Number must be between 1 and 120");
        } else {
            query.limit = static_cast<std::size_t>(value);
        }
    }
    query.after = request.param("after").value_or("");
    if (const auto order = request.param("order")) {
        if (*order != "asc" && *order != "desc") {
            query.issues.emplace_back("order: Invalid enum value. Expected 'asc' | 'desc'");
        }
        query.descending = *order != "asc";
    }
    query.order_by = request.param("orderBy").value_or(orders.front());
    if (std::ranges::find(orders, query.order_by) == orders.end()) {
        std::string expected;
        for (const std::string& order : orders) {
            expected += (expected.empty() ? "'" : " | '") + order + "'";
        }
        query.issues.push_back("orderBy: Invalid enum value. Expected " + expected);
    }
    return query;
}

Reply page_of(const Emulator& emulator, json items, bool more, json next) {
    json page{{"hasMore", more}, {"items", std::move(items)}};
    if (more || !emulator.last_page_without_next) {
        page["nextPage"] = std::move(next);
    }
    return Reply::of(page);
}

struct Row {
    const Notebook* notebook;
    const Run* run;
};

Reply list_notebooks(Emulator& emulator, const Request& request, const CallInfo& call, std::size_t team,
                     const std::string& project) {
    const PageQuery query = page_query(request, {"dtCreated", "name"});
    std::vector<std::string> issues = query.issues;
    const auto state = request.param("state");
    const auto wanted_state = state ? parse_state(*state) : std::nullopt;
    if (state && !wanted_state) {
        issues.emplace_back("state: Invalid enum value");
    }
    if (!issues.empty()) {
        return v1_error(400, "Input validation failed", issues);
    }
    const auto name = request.param("name");
    Faults& faults = emulator.faults;
    const auto take = [&](const char* kind) {
        return faults.empty() ? nullptr : faults.take_list(kind, call);
    };
    const bool every_run = take("several_items") != nullptr;
    const auto stale = take("stale_list");
    const auto odd_state = take("unknown_state");
    const auto odd_type = take("unknown_type");

    std::vector<Row> rows;
    const auto consider = [&](const Notebook& notebook, const Run& run) {
        if ((!wanted_state || run.state == *wanted_state) && (!name || notebook.name == *name) &&
            (project.empty() || notebook.project_id == project)) {
            rows.push_back({&notebook, &run});
        }
    };
    for (const auto& notebook : emulator.world->notebooks()) {
        if (notebook->team != team || notebook->deleted) {
            continue;
        }
        if (every_run) {
            for (const auto& run : notebook->runs) {
                consider(*notebook, *run);
            }
        } else {
            consider(*notebook, notebook->run());
        }
    }
    if (query.order_by == "name") {
        std::ranges::sort(rows, {}, [](const Row& row) {
            return std::make_tuple(std::string_view{row.notebook->name}, row.notebook->row_id,
                                   row.run->job_id);
        });
    }
    if (query.descending) {
        std::ranges::reverse(rows);
    }
    // The cursor names the last item that was given, so that new notebooks do not move the pages.
    std::size_t first = 0;
    if (!query.after.empty()) {
        const auto key = base64_decode(query.after);
        if (!key || key->size() < repo_id_size) {
            return v1_error(400, "Input validation failed", {"after: Invalid cursor"});
        }
        const std::string_view repo = std::string_view{*key}.substr(0, repo_id_size);
        const std::string_view id = std::string_view{*key}.substr(repo_id_size);
        const auto same_repo = std::ranges::find_if(
            rows, [repo](const Row& row) { return row.notebook->repo_id == repo; });
        const auto found = std::find_if(same_repo, rows.end(), [repo, id](const Row& row) {
            return row.notebook->repo_id == repo && row.run->id == id;
        });
        // A run that was replaced meanwhile still marks its notebook's place.
        const auto at = found != rows.end() ? found : same_repo;
        first = at == rows.end() ? rows.size() : static_cast<std::size_t>(at - rows.begin()) + 1;
    }
    const std::size_t last = std::min(rows.size(), first + query.limit);
    bool more = last < rows.size();
    json next = nullptr;
    if (more) {
        next = base64_encode(rows[last - 1].notebook->repo_id + rows[last - 1].run->id);
    }
    json items = json::array();
    for (std::size_t i = first; i < last; ++i) {
        json item = v1_notebook(emulator, *rows[i].notebook, *rows[i].run);
        const bool by_repo = odd_state && odd_state->meets_item(rows[i].run->id, rows[i].notebook->repo_id);
        if (by_repo) {
            item["state"] = odd_state->text("state", "Hibernating");
        }
        if (odd_type && odd_type->meets_item(rows[i].run->id, rows[i].notebook->repo_id)) {
            item["machineType"] = odd_type->text("machineType", "Z9000");
        }
        items.push_back(std::move(item));
    }
    if (stale && stale->stale.is_object()) {
        items = stale->stale["v1"][team];
        more = false;
        next = nullptr;
    }
    if (const auto partial = take("partial_list")) {
        const auto keep = static_cast<std::size_t>(
            std::max<std::int64_t>(0, partial->integer("keep", static_cast<std::int64_t>(items.size() / 2))));
        json kept = json::array();
        const bool drops_named = partial->match.contains("run") || partial->match.contains("repo");
        for (const json& item : items) {
            const bool named = drops_named && partial->meets_item(item["id"].get<std::string>(),
                                                                  item["notebookRepoId"].get<std::string>());
            if (drops_named ? !named : kept.size() < keep) {
                kept.push_back(item);
            }
        }
        items = std::move(kept);
        if (!drops_named) {
            more = false;
            next = nullptr;
        }
    }
    if (const auto loop = take("cursor_loop")) {
        more = true;
        next = query.after.empty() ? json(base64_encode("r0000000000000000")) : json(query.after);
        if (items.empty() && !rows.empty()) {
            items.push_back(v1_notebook(emulator, *rows.front().notebook, *rows.front().run));
        }
    }
    return page_of(emulator, std::move(items), more, std::move(next));
}

Reply create_notebook(Emulator& emulator, const Request& request, std::size_t team) {
    const json body = request.parsed();
    if (!body.is_object()) {
        return v1_error(400, "Input validation failed", {"Expected object"});
    }
    std::vector<std::string> issues;
    for (const char* field : {"name", "projectId", "machineType"}) {
        if (!body.contains(field) || !body[field].is_string()) {
            issues.push_back(std::string{field} + ": Required");
        }
    }
    if (!body.contains("isPublic") || !body["isPublic"].is_boolean()) {
        issues.emplace_back("isPublic: Required");
    }
    if (!body.contains("shutdownTimeout") || !body["shutdownTimeout"].is_number()) {
        issues.emplace_back("shutdownTimeout: Required");
    } else if (const auto hours = hours_of(body["shutdownTimeout"]);
               !hours || *hours <= 0 || *hours > most_hours) {
        issues.emplace_back("shutdownTimeout: Number must be between 1 and 168");
    }
    if (!issues.empty()) {
        return v1_error(400, "Input validation failed", issues);
    }
    NotebookSpec spec;
    spec.team = team;
    spec.name = body["name"].get<std::string>();
    spec.project_id = body["projectId"].get<std::string>();
    spec.machine_type = body["machineType"].get<std::string>();
    spec.is_public = body["isPublic"].get<bool>();
    spec.timeout_hours = body["shutdownTimeout"].get<double>();
    if (body.contains("container") && body["container"].is_string()) {
        spec.container = body["container"].get<std::string>();
    }
    if (!emulator.prices.rate(spec.machine_type, emulator.clock.now())) {
        return v1_error(400, "Machine type not found.");
    }
    if (emulator.world->unavailable.contains(spec.machine_type)) {
        return v1_error(429, "No capacity is available for this machine type.");
    }
    Notebook& notebook = emulator.world->create(spec);
    if (!body.contains("shouldRunOnCreate") || body["shouldRunOnCreate"] != false) {
        emulator.world->start(notebook);
    }
    return Reply::of(v1_notebook(emulator, notebook, notebook.run()));
}

Reply availability(Emulator& emulator, const Request& request) {
    const auto type = request.param("machineType");
    const auto region = request.param("region");
    std::vector<std::string> issues;
    if (!type) {
        issues.emplace_back("machineType: Required");
    }
    if (!region) {
        issues.emplace_back("region: Required");
    }
    if (!issues.empty()) {
        return v1_error(400, "Input validation failed", issues);
    }
    return Reply::of({{"available", emulator.prices.rate(*type, emulator.clock.now()).has_value() &&
                                        !emulator.world->unavailable.contains(*type)}});
}

json project_of(const Team& team) {
    return {{"id", team.project_id}, {"name", "vision"},    {"dtCreated", "2024-02-01T09:10:00.000Z"},
            {"dtDeleted", nullptr},  {"repoName", nullptr}, {"repoNodeId", nullptr},
            {"repoUrl", nullptr}};
}

struct Route {
    const char* method;
    const char* path;  // a * is any one part
};
constexpr std::array routes{
    Route{"GET", "health"},
    Route{"GET", "auth/session"},
    Route{"GET", "notebooks"},
    Route{"POST", "notebooks"},
    Route{"GET", "notebooks/*"},
    Route{"GET", "projects"},
    Route{"GET", "projects/*"},
    Route{"GET", "projects/*/notebooks"},
    Route{"POST", "projects/*/notebooks/*"},
    Route{"DELETE", "projects/*/notebook/*"},
    Route{"GET", "billing/account-standing"},
    Route{"GET", "storage-providers/utilization"},
    Route{"GET", "machine-availability"},
    Route{"GET", "machines"},
    Route{"POST", "machines"},
    Route{"GET", "machines/*"},
    Route{"PUT", "machines/*"},
    Route{"DELETE", "machines/*"},
    Route{"PATCH", "machines/*/start"},
    Route{"PATCH", "machines/*/stop"},
    Route{"PATCH", "machines/*/restart"},
    Route{"GET", "machines/*/accessors"},
    Route{"GET", "machine-events"},
    Route{"GET", "machine-events/*"},
    Route{"GET", "public-ips"},
    Route{"GET", "snapshots"},
    Route{"GET", "shared-drives"},
    Route{"GET", "custom-templates"},
    Route{"GET", "private-networks"},
    Route{"GET", "snapshots/*"},
    Route{"GET", "shared-drives/*"},
    Route{"GET", "custom-templates/*"},
    Route{"GET", "private-networks/*"},
    Route{"GET", "os-templates"},
};

bool same_path(const std::vector<std::string>& parts, const char* pattern) {
    return std::ranges::equal(
        parts, path_parts(pattern),
        [](const std::string& part, const std::string& wanted) { return wanted == "*" || part == wanted; });
}

/// What Fastify says before the application sees the request, and what the application says of a body that it
/// cannot read. A DELETE without a length has no body to look at, whatever its content type says.
std::optional<Reply> refused_body(const Request& request) {
    const std::string& method = request.method;
    const bool may_lack_body = method != "POST" && method != "PUT" && method != "PATCH";
    const bool sized = !request.header("content-length").empty() ||
                       !request.header("transfer-encoding").empty();
    const std::string type = request.header("content-type");
    if (method == "GET" || method == "HEAD" || (may_lack_body && !sized) ||
        !same_text(std::string_view{type}.substr(0, 16), "application/json")) {
        return std::nullopt;
    }
    if (request.body.empty()) {
        return Reply::of({{"statusCode", 400},
                          {"code", "FST_ERR_CTP_EMPTY_JSON_BODY"},
                          {"error", "Bad Request"},
                          {"message", "Body cannot be empty when content-type is set to 'application/json'"}},
                         400);
    }
    if (request.parsed().is_discarded()) {
        return Reply::of({{"code", "PARSE_ERROR"}, {"message", "Failed to parse request body"}}, 400);
    }
    return std::nullopt;
}

}  // namespace

Reply v1_error(int status, const std::string& message, const std::vector<std::string>& issues) {
    json body{{"code", code_of(status)}, {"message", message}};
    if (!issues.empty()) {
        json list = json::array();
        for (const std::string& issue : issues) {
            list.push_back({{"message", issue}});
        }
        body["issues"] = std::move(list);
    }
    return Reply::of(body, status);
}

json nullable(const std::optional<Millis>& at) {
    return at ? json(iso(*at)) : json(nullptr);
}

std::optional<double> hours_of(const json& value) {
    if (value.is_number()) {
        const double hours = value.get<double>();
        return std::isfinite(hours) ? std::optional{hours} : std::nullopt;
    }
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        double hours = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), hours);
        if (error == std::errc{} && end == text.data() + text.size() && std::isfinite(hours)) {
            return hours;
        }
    }
    return std::nullopt;
}

json v1_notebook(const Emulator& emulator, const Notebook& notebook, const Run& run) {
    const Team& team = emulator.world->teams()[notebook.team];
    return {{"id", run.id},
            {"name", notebook.name},
            {"state", state_name(run.state)},
            {"machineType", run.machine_type},
            {"projectId", notebook.project_id},
            {"notebookRepoId", notebook.repo_id},
            {"fqdn", run.fqdn.empty() ? json(nullptr) : json(run.fqdn)},
            {"token", run.token.empty() ? json(nullptr) : json(run.token)},
            {"dtCreated", iso(notebook.created)},
            {"dtModified", iso(run.modified)},
            {"dtStarted", nullable(run.started)},
            {"startedByUser",
             {{"id", team.user_id},
              {"email", team.email},
              {"firstName", team.first_name},
              {"lastName", team.last_name},
              {"publicProfileImageUrl", nullptr}}}};
}

Reply v1_page(const Emulator& emulator, const Request& request, const std::vector<json>& items,
              const std::vector<std::string>& orders, const char* key) {
    const PageQuery query = page_query(request, orders);
    if (!query.issues.empty()) {
        return v1_error(400, "Input validation failed", query.issues);
    }
    std::vector<const json*> rows;
    rows.reserve(items.size());
    for (const json& item : items) {
        rows.push_back(&item);
    }
    if (query.order_by != "dtCreated") {
        // Rows point into one array, so equal keys keep their order.
        std::ranges::sort(rows, {}, [&query](const json* row) {
            return std::make_pair(row->value(query.order_by, std::string{}), row);
        });
    }
    if (query.descending) {
        std::ranges::reverse(rows);
    }
    std::size_t first = 0;
    if (!query.after.empty()) {
        const auto last = base64_decode(query.after);
        if (!last) {
            return v1_error(400, "Input validation failed", {"after: Invalid cursor"});
        }
        const auto at = std::ranges::find_if(
            rows, [&](const json* row) { return row->value(key, std::string{}) == *last; });
        first = at == rows.end() ? rows.size() : static_cast<std::size_t>(at - rows.begin()) + 1;
    }
    const std::size_t last = std::min(rows.size(), first + query.limit);
    json page = json::array();
    for (std::size_t i = first; i < last; ++i) {
        page.push_back(*rows[i]);
    }
    const bool more = last < rows.size();
    return page_of(emulator, std::move(page), more,
                   more ? json(base64_encode(rows[last - 1]->value(key, std::string{}))) : json(nullptr));
}

Reply route_v1(Emulator& emulator, const Request& request, const CallInfo& call) {
    std::vector<std::string> parts = path_parts(request.path);
    if (parts.empty() || parts.front() != "v1") {
        return v1_error(404, "Not found");
    }
    parts.erase(parts.begin());
    const std::string& method = request.method;
    if (auto refused = refused_body(request)) {
        return std::move(*refused);
    }
    const auto is = [&](const char* verb, const char* path) {
        return method == verb && same_path(parts, path);
    };
    if (std::ranges::none_of(routes, [&](const Route& route) { return is(route.method, route.path); })) {
        return v1_error(404, "Not found");
    }
    if (is("GET", "health")) {
        return Reply::of("HEALTHY");
    }
    const auto team = team_of(emulator, request);
    if (is("GET", "auth/session")) {
        return Reply::of(team ? session_of(emulator.world->teams()[*team]) : json(nullptr));
    }
    if (!team) {
        return v1_error(401, "UNAUTHORIZED");
    }
    const Team& owner = emulator.world->teams()[*team];
    if (is("GET", "notebooks")) {
        return list_notebooks(emulator, request, call, *team, "");
    }
    if (is("POST", "notebooks")) {
        return create_notebook(emulator, request, *team);
    }
    if (is("GET", "notebooks/*")) {
        const Found found = emulator.world->find_run(parts[1]);
        if (!found || found.notebook->team != *team || found.notebook->deleted ||
            found.run != &found.notebook->run()) {
            return v1_error(404, "Notebook not found.");
        }
        json item = v1_notebook(emulator, *found.notebook, *found.run);
        if (const auto odd = emulator.faults.take_list("unknown_state", call);
            odd && odd->meets_item(found.run->id, found.notebook->repo_id)) {
            item["state"] = odd->text("state", "Hibernating");
        }
        if (const auto odd = emulator.faults.take_list("unknown_type", call);
            odd && odd->meets_item(found.run->id, found.notebook->repo_id)) {
            item["machineType"] = odd->text("machineType", "Z9000");
        }
        return Reply::of(item);
    }
    if (is("GET", "projects")) {
        return v1_page(emulator, request, {project_of(owner)}, {"dtCreated"});
    }
    if (is("GET", "projects/*")) {
        return parts[1] == owner.project_id ? Reply::of(project_of(owner))
                                            : v1_error(404, "Project not found.");
    }
    if (is("GET", "projects/*/notebooks")) {
        return list_notebooks(emulator, request, call, *team, parts[1]);
    }
    const bool link = is("POST", "projects/*/notebooks/*");
    if (link || is("DELETE", "projects/*/notebook/*")) {
        const Found found = emulator.world->find_run(parts[3]);
        if (!found || found.notebook->team != *team || found.notebook->deleted ||
            found.run != &found.notebook->run()) {
            return v1_error(404, "Notebook not found.");
        }
        found.notebook->project_id = link ? parts[1] : owner.project_id;
        return Reply::of(v1_notebook(emulator, *found.notebook, found.notebook->run()));
    }
    if (is("GET", "billing/account-standing")) {
        return Reply::of({{"hasPaymentMethod", true},
                          {"isAdminLocked", false},
                          {"isInGoodStanding", true},
                          {"messages", json::array()}});
    }
    if (is("GET", "storage-providers/utilization")) {
        return Reply::of(emulator.storage[*team].figures);
    }
    if (is("GET", "machine-availability")) {
        return availability(emulator, request);
    }
    if (auto reply = route_v1_extras(emulator, request, *team, parts)) {
        return std::move(*reply);
    }
    if (auto reply = route_v1_machines(emulator, request, *team, parts)) {
        return std::move(*reply);
    }
    return v1_error(404, "Not found");
}

}  // namespace emulator
