#include "money_routes.hpp"

#include "replies.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace curfew::api {

namespace {

constexpr std::array dimensions{SpendBy::day,  SpendBy::hour,     SpendBy::project, SpendBy::user,
                                SpendBy::type, SpendBy::resource, SpendBy::rule,    SpendBy::account};
constexpr const char* dimension_hint =
    "by takes day, hour, project, user, type, resource, rule and account, "
    "with commas between them";

/// "day,type": each once.
Result<std::vector<SpendBy>> dimensions_of(const std::string& text) {
    std::vector<SpendBy> by;
    std::size_t begin = 0;
    while (begin <= text.size()) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        const std::string word = text.substr(begin, end - begin);
        const auto found = std::ranges::find_if(dimensions, [&](SpendBy d) { return dimension(d) == word; });
        if (found == dimensions.end()) {
            return fail(Errc::invalid, "there is no dimension of that name", "by: " + word);
        }
        if (std::ranges::find(by, *found) != by.end()) {
            return fail(Errc::invalid, "it is named twice", "by: " + word);
        }
        by.push_back(*found);
        begin = end + 1;
    }
    return by;
}

/// A date, a time, or how long ago.
Result<WallTime> past_time(const std::string& text, WallTime now, const Zone& zone) {
    const auto moment = moment_of(text, zone);
    return moment ? moment : time_of(text, now);
}

Reply wrong(const std::string& text, const char* hint) {
    return problem(400, Exit::usage, "invalid", text, hint);
}

constexpr const char* past_hint =
    "a date as 2026-11-23, a time with its zone as 2026-11-23T10:15:00Z, or how "
    "long ago as 90m or 30d";

constexpr std::string_view budget_path = "/v1/budgets/";
constexpr Duration advised_by_default = hours{24 * 30};

/// A basic string of TOML.
std::string toml_text(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte == 0x7F) {
            static constexpr std::string_view digits = "0123456789ABCDEF";
            out += "\\u00";
            out += digits[byte >> 4U];
            out += digits[byte & 15U];
        } else {
            out += c;
        }
    }
    return out + "\"";
}

Result<std::string> toml_value(const Json& value) {
    if (value.is_string()) {
        return toml_text(value.get<std::string>());
    }
    if (value.is_boolean() || value.is_number_integer()) {
        return value.dump();
    }
    if (!value.is_array() && !value.is_object()) {
        return fail(Errc::invalid,
                    "members are texts, whole numbers, true, false, lists and objects; amounts are texts");
    }
    std::string out;
    for (const auto& [key, member] : value.items()) {
        auto text = toml_value(member);
        if (!text) {
            return text;
        }
        out += (out.empty() ? "" : ", ") + (value.is_object() ? toml_text(key) + " = " : "") + *text;
    }
    return value.is_object() ? "{ " + out + " }" : "[" + out + "]";
}

/// An object as one [[block]], so that it is read, and its faults are named, as the configuration's are.
Result<std::string> toml_block(const std::string& block, const Json& members) {
    std::string out = "[[" + block + "]]\n";
    for (const auto& [key, value] : members.items()) {
        auto text = toml_value(value);
        if (!text) {
            return fail(Errc::invalid, text.error().text, key);
        }
        out += toml_text(key) + " = " + *text + "\n";
    }
    return out;
}

}  // namespace

Task<std::optional<Reply>> MoneyRoutes::read(Request request) {
    if (request.path == "/v1/spend") {
        co_return co_await spend(std::move(request));
    }
    if (request.path == "/v1/budgets" || request.path.starts_with(budget_path)) {
        const bool all = request.path.size() <= budget_path.size();
        auto report = money_.budgets(all ? std::string{} : request.path.substr(budget_path.size()));
        co_return report ? good(to_json(*report)) : problem(report.error());
    }
    if (request.path == "/v1/forecast") {
        auto report = co_await money_.forecast();
        co_return report ? good(to_json(*report)) : problem(report.error());
    }
    if (request.path == "/v1/credit") {
        auto report = co_await money_.credits();
        co_return report ? good(to_json(*report)) : problem(report.error());
    }
    if (request.path == "/v1/advice") {
        co_return co_await advice(std::move(request));
    }
    if (request.path == "/v1/export/focus") {
        co_return co_await focus(std::move(request));
    }
    co_return std::nullopt;
}

Task<Reply> MoneyRoutes::change(Request request, Peer peer) {
    std::string name = request.path.substr(std::min(budget_path.size(), request.path.size()));
    if (request.method == "DELETE") {
        auto done = co_await control_.remove_budget(BudgetName{name}, peer.actor);
        co_return done ? good(Json{{"schema", std::string{schema::budget}}, {"removed", name}})
                       : problem(done.error());
    }
    auto body = body_of(request);
    if (!body) {
        co_return problem(body.error());
    }
    co_return co_await set_budget(std::move(name), std::move(*body), peer.actor);
}

Task<Reply> MoneyRoutes::set_budget(std::string name, Json given, std::string actor) {
    Json block{{"name", std::move(name)}};
    given.erase("name");
    block.update(given);
    auto document = toml_block("budget", block);
    if (!document) {
        co_return problem(document.error());
    }
    auto budget = co_await control_.set_budget(std::move(*document), std::move(actor));
    if (!budget) {
        co_return budget.error().code == Errc::invalid
            ? problem(422, Exit::usage, "budget", budget.error().text)
            : problem(budget.error());
    }
    auto report = money_.budgets(budget->name.value);
    co_return report ? good(to_json(*report)) : problem(report.error());
}

Task<Reply> MoneyRoutes::advice(Request request) {
    const WallTime now = world_.scheduler.wall();
    const std::string text = value_of(request, "since");
    const auto since = text.empty() ? Result<WallTime>{now - advised_by_default}
                                    : past_time(text, now, world_.config->zone);
    if (!since || *since >= now) {
        co_return wrong(since ? "since lies ahead: " + text : "since: " + since.error().text + ": " + text,
                        past_hint);
    }
    auto report = co_await money_.advice(*since);
    co_return report ? good(to_json(*report)) : problem(report.error());
}

Task<Reply> MoneyRoutes::spend(Request request) {
    const WallTime now = world_.scheduler.wall();
    const Zone& zone = world_.config->zone;
    SpendAsk ask{.from = month_of(now, zone).from, .to = now, .by = {}, .name = value_of(request, "name")};
    const std::string by = value_of(request, "by");
    auto named = dimensions_of(by.empty() ? "resource" : by);
    if (!named) {
        co_return wrong(to_string(named.error()), dimension_hint);
    }
    ask.by = std::move(*named);
    if (const std::string since = value_of(request, "since"); !since.empty()) {
        const auto from = past_time(since, now, zone);
        if (!from || *from >= now) {
            co_return wrong(
                from ? "since lies ahead: " + since : "since: " + from.error().text + ": " + since,
                past_hint);
        }
        ask.from = *from;
    }
    if (const std::string until = value_of(request, "until"); !until.empty()) {
        const auto to = past_time(until, now, zone);
        if (!to || *to <= ask.from) {
            co_return wrong(to ? "until must lie after since (" + to_string(ask.from) + "): " + until
                               : "until: " + to.error().text + ": " + until,
                            past_hint);
        }
        ask.to = std::min(*to, now);
    }
    auto report = co_await money_.spend(std::move(ask));
    co_return report ? good(to_json(*report)) : problem(report.error());
}

Task<Reply> MoneyRoutes::focus(Request request) {
    const WallTime now = world_.scheduler.wall();
    const std::string version = value_of(request, "version");
    if (version != focus_version) {
        co_return wrong("Curfew writes FOCUS " + std::string{focus_version} + ", not \"" + version + "\"",
                        "curfew export --focus 1.2");
    }
    const std::string text = value_of(request, "month");
    const auto month = text.empty() ? Result<Period>{month_of(now, Zone{})} : month_named(text);
    if (!month) {
        co_return problem(month.error());
    }
    if (month->from > now) {
        co_return wrong("that month has not begun: " + text, "a month as 2026-11, in UTC as on invoices");
    }
    const int limit = static_cast<int>(
        std::clamp<std::int64_t>(number_of(request, "limit", page_max), 1, page_max));
    auto page = co_await money_.focus(month->from, month->to, value_of(request, "after"), limit);
    if (!page) {
        co_return problem(page.error());
    }
    Json json = envelope(schema::focus, reporter_.freshness());
    json["from"] = to_string(month->from);
    json["to"] = to_string(month->to);
    json.update(to_json(*page));
    co_return good(json);
}

}  // namespace curfew::api
