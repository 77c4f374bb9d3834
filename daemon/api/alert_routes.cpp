#include "alert_routes.hpp"

#include "replies.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace curfew::api {

namespace {

constexpr std::string_view alerts_path = "/v1/alerts/";
constexpr std::string_view silences_path = "/v1/silences/";
constexpr std::string_view channels_path = "/v1/channels/";
constexpr std::size_t shown_candidates = 5;
constexpr std::size_t text_bytes_max = 1000;
constexpr std::size_t scope_entries_max = 50;

/// "ID" of "/v1/alerts/ID/ack"; empty when it is none.
std::string between(const std::string& path, std::string_view before, std::string_view after) {
    return path.starts_with(before) && path.ends_with(after) && path.size() > before.size() + after.size()
               ? path.substr(before.size(), path.size() - before.size() - after.size())
               : std::string{};
}

/// The one of `all` that is called so, or begins so.
template <class Thing>
Result<Thing> only(std::vector<Thing> all, const std::string& noun, const std::string& what) {
    std::vector<Thing> found;
    for (Thing& each : all) {
        if (each.id.value == noun) {
            return std::move(each);
        }
        if (!noun.empty() && each.id.value.starts_with(noun)) {
            found.push_back(std::move(each));
        }
    }
    if (found.empty()) {
        return fail(Errc::not_found, "there is no " + what + " with this id", noun);
    }
    if (found.size() > 1) {
        std::string names;
        for (std::size_t i = 0; i < std::min(found.size(), shown_candidates); ++i) {
            names += (i == 0 ? "" : ", ") + found[i].id.value;
        }
        return fail(Errc::invalid, "several begin so: " + names, noun);
    }
    return std::move(found.front());
}

/// A member that is a list of texts; a single text is a list of one.
Result<std::vector<std::string>> list_of(const Json& body, const char* key) {
    std::vector<std::string> list;
    const auto found = body.find(key);
    if (found == body.end() || found->is_null()) {
        return list;
    }
    const Json given = found->is_string() ? Json::array({*found}) : *found;
    if (!given.is_array() || given.size() > scope_entries_max) {
        return fail(Errc::invalid, "wants a list of at most 50 texts", key);
    }
    for (const Json& each : given) {
        if (!each.is_string() || each.get_ref<const std::string&>().empty() ||
            each.get_ref<const std::string&>().size() > text_bytes_max) {
            return fail(Errc::invalid, "wants a list of texts", key);
        }
        list.push_back(each.get<std::string>());
    }
    return list;
}

/// Names that must be those of `things`.
template <class Name, class Things>
Result<std::vector<Name>> names_of(const Json& body, const char* key, const char* what,
                                   const Things& things) {
    auto words = list_of(body, key);
    if (!words) {
        return std::unexpected(words.error());
    }
    std::vector<Name> names;
    for (const std::string& word : *words) {
        if (std::ranges::none_of(things, [&](const auto& each) { return each.name.value == word; })) {
            return fail(Errc::not_found, std::string{"there is no "} + what + " of this name", word);
        }
        names.emplace_back(word);
    }
    return names;
}

std::optional<OutboxState> outbox_state(const std::string& word) {
    constexpr std::array states{OutboxState::waiting, OutboxState::delivered, OutboxState::superseded,
                                OutboxState::dead};
    const auto found = std::ranges::find(states, word, [](OutboxState s) { return to_string(s); });
    return found == states.end() ? std::nullopt : std::optional{*found};
}

bool says(const Error& error, std::string_view word) {
    return error.text.find(word) != std::string::npos;
}

/// What to do about a channel that did not take a test.
std::string remedy(const Error& error) {
    if (says(error, "certificate")) {
        return "use the host name that the receiver's certificate has, or name its authority with ca_file";
    }
    if (error.code == Errc::unauthorized) {
        return "the receiver refuses our key: look at what password_file, secret_file or token_file names";
    }
    if (error.code == Errc::forbidden) {
        return "the receiver does not want this: look at its address, and at what the key may do there";
    }
    if (error.code == Errc::unsafe) {
        return "the address is not one that messages are sent to: see allow_private and private_receivers in "
               "curfew.toml(5)";
    }
    if (error.code == Errc::unavailable || error.code == Errc::timeout) {
        return "look at the channel's host, port or url, and whether this host may connect there; if they "
               "are "
               "right, the receiver has trouble: try again later";
    }
    return error.may_retry() || error.ambiguous()
               ? "try again later"
               : "the same will fail again: look at the channel's settings in curfew.toml(5)";
}

Reply undelivered(const Error& error, const std::string& channel) {
    const bool temporary = error.may_retry() || error.ambiguous();
    return problem(temporary ? 503 : 502, temporary ? Exit::temporary : Exit::failed, "undelivered",
                   "channel " + channel + " did not take it: " + to_string(error), remedy(error));
}

}  // namespace

Task<std::optional<Reply>> AlertRoutes::read(Request request) {
    if (request.path == "/v1/alerts") {
        co_return co_await alerts(std::move(request));
    }
    if (request.path.starts_with(alerts_path)) {
        co_return co_await alert(request.path.substr(alerts_path.size()));
    }
    if (request.path == "/v1/silences") {
        co_return co_await silences(std::move(request));
    }
    if (request.path == "/v1/outbox") {
        co_return co_await outbox(std::move(request));
    }
    co_return std::nullopt;
}

Task<std::optional<Reply>> AlertRoutes::change(Request request, Json body, Peer peer) {
    const std::string& path = request.path;
    if (const std::string id = between(path, alerts_path, "/ack"); !id.empty()) {
        co_return co_await acknowledge(id, text_of(body, "note"), peer.actor);
    }
    if (path == "/v1/silences") {
        co_return co_await silence(std::move(body), peer.actor);
    }
    if (const std::string id = between(path, silences_path, "/end"); !id.empty()) {
        co_return co_await unsilence(id, peer.actor);
    }
    if (path == "/v1/outbox/retry") {
        co_return co_await retry(text_of(body, "id"), peer.actor);
    }
    if (const std::string name = between(path, channels_path, "/test"); !name.empty()) {
        co_return co_await test(name, text_of(body, "to"), peer.actor);
    }
    co_return std::nullopt;
}

// ---- alerts --------------------------------------------------------------------------------------

Task<Reply> AlertRoutes::alerts(Request request) {
    const int limit = static_cast<int>(
        std::clamp<std::int64_t>(number_of(request, "limit", page_max), 1, page_max));
    auto rows = co_await world_.store.alerts(value_of(request, "all") == "1", limit);
    if (!rows) {
        co_return problem(rows.error());
    }
    Json json = envelope(schema::alerts, reporter_.freshness());
    json["items"] = Json::array();
    for (const Alert& alert : *rows) {
        json["items"].push_back(to_json(alert));
    }
    co_return good(json);
}

Task<Result<Alert>> AlertRoutes::find_alert(std::string noun) {
    auto exact = co_await world_.store.alert(AlertId{noun});
    if (!exact) {
        co_return std::unexpected(exact.error());
    }
    if (*exact) {
        co_return std::move(**exact);
    }
    auto all = co_await world_.store.alerts(true, page_max);
    if (!all) {
        co_return std::unexpected(all.error());
    }
    co_return only(std::move(*all), noun, "alert");
}

Task<Reply> AlertRoutes::alert(std::string noun) {
    auto found = co_await find_alert(std::move(noun));
    if (!found) {
        co_return problem(found.error());
    }
    auto events = co_await world_.store.alert_events(found->id, page_max);
    auto deliveries = co_await world_.store.outbox(
        {.state = std::nullopt, .channel = {}, .alert = found->id, .after_seq = 0, .limit = page_max});
    if (!events || !deliveries) {
        co_return problem(events ? deliveries.error() : events.error());
    }
    Json json = envelope(schema::alert, reporter_.freshness());
    json.update(to_json(*found));
    json["text"] = found->message.body;
    json["events"] = Json::array();
    for (const AlertEvent& event : *events) {
        json["events"].push_back(to_json(event));
    }
    json["deliveries"] = Json::array();
    for (const OutboxRow& row : *deliveries) {
        json["deliveries"].push_back(to_json(row));
    }
    co_return good(json);
}

Task<Reply> AlertRoutes::acknowledge(std::string noun, std::string note, std::string actor) {
    if (note.size() > text_bytes_max) {
        co_return problem(400, Exit::usage, "invalid", "a note has at most 1000 bytes");
    }
    auto found = co_await find_alert(std::move(noun));
    if (!found) {
        co_return problem(found.error());
    }
    auto done = co_await control_.acknowledge(found->id, std::move(note), std::move(actor));
    if (!done) {
        co_return problem(done.error());
    }
    co_return co_await alert(found->id.value);
}

// ---- silences ------------------------------------------------------------------------------------

Task<Reply> AlertRoutes::silences(Request request) {
    const bool all = value_of(request, "all") == "1";
    auto rows = co_await world_.store.silences(all, page_max);
    if (!rows) {
        co_return problem(rows.error());
    }
    const WallTime now = world_.scheduler.wall();
    Json json = envelope(schema::silences, reporter_.freshness());
    json["items"] = Json::array();
    for (const Silence& silence : *rows) {
        if (all || silence.until > now) {
            json["items"].push_back(to_json(silence, now));
        }
    }
    co_return good(json);
}

Task<Result<SilenceScope>> AlertRoutes::scope_of(Json body) {
    SilenceScope scope;
    auto resources = list_of(body, "resources");
    auto accounts = names_of<AccountName>(body, "accounts", "account", world_.config->accounts);
    auto rules = names_of<RuleName>(body, "rules", "rule", world_.config->rules);
    auto budgets = names_of<BudgetName>(body, "budgets", "budget", world_.config->budgets);
    auto kinds = list_of(body, "kinds");
    for (const auto* error : {resources ? nullptr : &resources.error(),
                              accounts ? nullptr : &accounts.error(), rules ? nullptr : &rules.error(),
                              budgets ? nullptr : &budgets.error(), kinds ? nullptr : &kinds.error()}) {
        if (error != nullptr) {
            co_return std::unexpected(*error);
        }
    }
    for (std::string& glob : *resources) {
        if (glob.find_first_of("*?") == std::string::npos) {
            const auto id = reporter_.resolve(glob);
            if (!id) {
                co_return std::unexpected(id.error());
            }
            const auto live = world_.picture.resources.find(*id);
            const bool by_name = live != world_.picture.resources.end() && live->second.resource.name == glob;
            glob = by_name ? glob : id->value;
        }
    }
    for (const std::string& word : *kinds) {
        const auto kind = alert_kind_from(word);
        if (!kind) {
            co_return fail(Errc::invalid, "there is no kind of alert called so; curfew.toml(5) lists them",
                           word);
        }
        scope.kinds.push_back(*kind);
    }
    scope.resources = std::move(*resources);
    scope.accounts = std::move(*accounts);
    scope.rules = std::move(*rules);
    scope.budgets = std::move(*budgets);
    if (const std::string noun = text_of(body, "alert"); !noun.empty()) {
        auto alert = co_await find_alert(noun);
        if (!alert) {
            co_return std::unexpected(alert.error());
        }
        scope.alert = alert->id;
    }
    co_return scope;
}

Task<Reply> AlertRoutes::silence(Json body, std::string actor) {
    Silence wanted;
    wanted.kind = flag_of(body, "maintenance", false) ? SilenceKind::maintenance : SilenceKind::silence;
    wanted.reason = text_of(body, "reason");
    if (wanted.reason.size() > text_bytes_max) {
        co_return problem(400, Exit::usage, "invalid", "a reason has at most 1000 bytes");
    }
    const std::string what{to_string(wanted.kind)};
    const auto end = end_of(body, world_.config->zone, "a " + what);
    if (!end) {
        co_return problem(end.error());
    }
    const bool everything = flag_of(body, "everything", false);
    auto scope = co_await scope_of(std::move(body));
    if (!scope) {
        co_return problem(scope.error());
    }
    const bool empty = scope->resources.empty() && scope->accounts.empty() && scope->rules.empty() &&
                       scope->budgets.empty() && scope->kinds.empty() && scope->alert.empty();
    if (empty != everything) {
        co_return problem(400, Exit::usage, "invalid",
                          empty ? "say of what: a " + what + " of everything has to be asked for"
                                : "it is of everything or of something, not both",
                          empty
                              ? "\"everything\": true (--everything), or one of resources, accounts, rules, "
                                "budgets, kinds, alert"
                              : "");
    }
    wanted.scope = std::move(*scope);
    auto made = co_await control_.silence(std::move(wanted), *end, std::move(actor));
    if (!made) {
        co_return problem(made.error());
    }
    Json json = envelope(schema::silence, reporter_.freshness());
    json.update(to_json(*made, world_.scheduler.wall()));
    co_return good(json);
}

Task<Reply> AlertRoutes::unsilence(std::string noun, std::string actor) {
    auto all = co_await world_.store.silences(false, page_max);
    if (!all) {
        co_return problem(all.error());
    }
    auto found = only(std::move(*all), noun, "silence in force");
    if (!found) {
        co_return problem(found.error());
    }
    auto done = co_await control_.unsilence(found->id, std::move(actor));
    if (!done) {
        co_return problem(done.error());
    }
    const WallTime now = world_.scheduler.wall();
    found->ended_at = now;
    Json json = envelope(schema::silence, reporter_.freshness());
    json.update(to_json(*found, now));
    co_return good(json);
}

// ---- the outbox and channels ---------------------------------------------------------------------

Task<Reply> AlertRoutes::outbox(Request request) {
    OutboxQuery query{.state = std::nullopt,
                      .channel = ChannelName{value_of(request, "channel")},
                      .alert = AlertId{value_of(request, "alert")},
                      .after_seq = number_of(request, "after", 0),
                      .limit = static_cast<int>(
                          std::clamp<std::int64_t>(number_of(request, "limit", page_max), 1, page_max))};
    if (const std::string word = value_of(request, "state"); !word.empty()) {
        query.state = outbox_state(word);
        if (!query.state) {
            co_return problem(400, Exit::usage, "invalid", "there is no state of that name: " + word,
                              "waiting, delivered, superseded or dead");
        }
    }
    const auto limit = static_cast<std::size_t>(query.limit);
    auto rows = co_await world_.store.outbox(std::move(query));
    auto counts = co_await world_.store.outbox_counts();
    auto disabled = co_await world_.store.disabled_channels();
    if (!rows || !counts || !disabled) {
        co_return problem(!rows ? rows.error() : !counts ? counts.error() : disabled.error());
    }
    Json json = envelope(schema::outbox, reporter_.freshness());
    json["counts"] = Json::object();
    for (const OutboxState state :
         {OutboxState::waiting, OutboxState::delivered, OutboxState::superseded, OutboxState::dead}) {
        json["counts"][std::string{to_string(state)}] = (*counts)[state];
    }
    json["disabled"] = Json::array();
    for (const ChannelStateRow& channel : *disabled) {
        json["disabled"].push_back({{"channel", channel.channel.value},
                                    {"why", channel.why},
                                    {"since", to_json(channel.disabled_at)}});
    }
    json["items"] = Json::array();
    for (const OutboxRow& row : *rows) {
        json["items"].push_back(to_json(row));
    }
    json["next"] = rows->size() == limit ? Json(rows->back().seq) : Json(nullptr);
    co_return good(json);
}

/// The id of a row that is named by its number.
Task<Result<std::string>> AlertRoutes::row_id(std::string noun) {
    std::int64_t seq = 0;
    const auto [end, error] = std::from_chars(noun.data(), noun.data() + noun.size(), seq);
    if (noun.empty() || error != std::errc{} || end != noun.data() + noun.size() || seq < 1) {
        co_return noun;
    }
    auto rows = co_await world_.store.outbox(
        {.state = std::nullopt, .channel = {}, .alert = {}, .after_seq = seq - 1, .limit = 1});
    if (!rows) {
        co_return std::unexpected(rows.error());
    }
    co_return !rows->empty() && rows->front().seq == seq
        ? Result<std::string>{rows->front().id}
        : fail(Errc::not_found, "there is no message with this number", noun);
}

Task<Reply> AlertRoutes::retry(std::string noun, std::string actor) {
    auto named = co_await row_id(std::move(noun));
    if (!named) {
        co_return problem(named.error());
    }
    const std::string id = std::move(*named);
    auto count = co_await control_.retry_outbox(id, std::move(actor));
    if (!count) {
        co_return problem(count.error());
    }
    co_return good(
        Json{{"schema", std::string{schema::outbox_retry}}, {"id", empty_is_null(id)}, {"retried", *count}});
}

Task<Reply> AlertRoutes::test(std::string channel, std::string to, std::string actor) {
    const auto& channels = world_.config->channels;
    const auto found = std::ranges::find(channels, ChannelName{channel}, &ChannelConfig::name);
    if (found == channels.end()) {
        std::string names;
        for (const ChannelConfig& each : channels) {
            names += (names.empty() ? "there are: " : ", ") + each.name.value;
        }
        co_return problem(404, Exit::not_found, "not_found", "there is no channel of this name: " + channel,
                          names.empty() ? "no [[channel]] is configured" : names);
    }
    if (!to.empty() && (found->kind != "mail" || !is_address(to))) {
        co_return problem(400, Exit::usage, "invalid",
                          found->kind != "mail" ? "channel " + channel + " is a " + found->kind +
                                                      ": only mail goes to an address"
                                                : "that is no bare mail address: " + to);
    }
    if (to.empty() && found->kind == "mail" && found->to.empty()) {
        co_return problem(400, Exit::usage, "invalid", "channel " + channel + " has no receivers of its own",
                          "curfew notify test " + channel + " --to ADDRESS");
    }
    auto sent = co_await control_.test_channel({ChannelName{channel}, to}, std::move(actor));
    if (!sent) {
        co_return undelivered(sent.error(), channel);
    }
    co_return good(Json{{"schema", std::string{schema::delivery}},
                        {"channel", channel},
                        {"kind", found->kind},
                        {"to", empty_is_null(to)},
                        {"answer", sent->answer}});
}

}  // namespace curfew::api
