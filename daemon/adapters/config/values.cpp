#include "adapters/config/values.hpp"

#include "adapters/config/addresses.hpp"
#include "adapters/config/host_keys.hpp"
#include "adapters/http/addresses.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace curfew::config {

namespace {

constexpr std::size_t text_bytes_max = 4096;
constexpr std::size_t elements_max = 1000;
constexpr std::size_t ladder_steps_max = 10;
constexpr std::size_t off_hours_max = 50;
constexpr std::size_t socket_path_bytes_max = 107;  // sun_path, with its end

struct Problem {
    std::string text;
    std::string suggestion;
};
template <class T>
using Checked = std::expected<T, Problem>;

std::unexpected<Problem> wrong(std::string text, std::string suggestion = {}) {
    return std::unexpected(Problem{std::move(text), std::move(suggestion)});
}

Type element_type(Type type) {
    switch (type) {
        case Type::words:
            return Type::word;
        case Type::durations:
            return Type::duration;
        case Type::addresses:
            return Type::address;
        case Type::names:
            return Type::name;
        case Type::networks:
            return Type::network;
        case Type::globs:
        case Type::path_globs:
        case Type::off_hours:
        case Type::dates:
            return Type::text;
        case Type::guest_paths:
            return Type::guest_path;
        case Type::boolean:
        case Type::integer:
        case Type::duration:
        case Type::money:
        case Type::word:
        case Type::name:
        case Type::text:
        case Type::zone:
        case Type::moment:
        case Type::folder:
        case Type::socket:
        case Type::file:
        case Type::secret:
        case Type::login:
        case Type::host_key:
        case Type::host:
        case Type::endpoint:
        case Type::url:
        case Type::guest_url:
        case Type::address:
        case Type::guest_path:
        case Type::media:
        case Type::network:
        case Type::weekly:
            break;
    }
    return type;
}

bool is_list(Type type) {
    return element_type(type) != type;
}

std::string example_for(const Key& key) {
    if (!key.words.empty()) {
        const std::string word = fmt::format("\"{}\"", split(key.words, '|').front());
        return is_list(key.type) ? "[" + word + "]" : word;
    }
    return std::string(example_of(key.type));
}

std::string wants(const Key& key) {
    return fmt::format("`{}` wants {}, for example {}", key.name, wanted(key.type), example_for(key));
}

Problem not_this(const Key& key, Kind kind) {
    if (key.type == Type::money && kind == Kind::decimal) {
        return {fmt::format("`{}` must be in quotes, so that it stays exact: \"25.00\"", key.name), {}};
    }
    if (key.type == Type::duration && kind == Kind::integer) {
        return {wants(key) + "; a number without a unit is not one", {}};
    }
    return {fmt::format("{}; this is {}", wants(key), with_article(kind)), {}};
}

bool name_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, name_character);
}

Checked<std::string> checked_word(const Key& key, std::string_view text) {
    const auto words = split(key.words, '|');
    if (std::ranges::find(words, text) != words.end()) {
        return std::string(text);
    }
    return wrong(fmt::format("`{}` must be {}, not \"{}\"", key.name, bounds_of(key), shown(text)),
                 nearest(text, words));
}

Checked<std::string> checked_name(const Key& key, std::string_view text) {
    if (!is_name(text)) {
        return wrong(
            fmt::format("`{}` must be 1 to 64 letters, digits, dots, dashes or underscores, not \"{}\"",
                        key.name, shown(text)));
    }
    return std::string(text);
}

/// `~` and `$HOME` are the shell's, and a daemon has no shell.
Checked<std::string> absolute(const Key& key, std::string_view text) {
    if (text.starts_with('~') || text.starts_with('$')) {
        return wrong(
            fmt::format("`{}`: `{}` is not expanded here, write the whole path, for example "
                        "/home/ana/curfew",
                        key.name, text.front() == '~' ? "~" : "$"));
    }
    if (!text.starts_with('/')) {
        return wrong(fmt::format("`{}` must be an absolute path, for example {}, not \"{}\"", key.name,
                                 example_for(key), shown(text)));
    }
    return std::string(text);
}

Checked<std::string> checked_file(const Key& key, std::string_view text, const std::string& config_dir) {
    if (text.starts_with('/') || text.starts_with('~') || text.starts_with('$') || config_dir.empty()) {
        return absolute(key, text);
    }
    return config_dir + (config_dir.ends_with('/') ? "" : "/") + std::string(text);
}

/// Somebody wrote what should stand in the file: a URL, or a key in the notation of one who makes keys.
bool is_secret_itself(std::string_view text) {
    const bool plain = std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    });
    return text.find("://") != std::string_view::npos || text.starts_with("whsec_") ||
           text.starts_with("tk_") || (plain && text.size() >= 32);
}

/// A text that may be the secret itself is never repeated.
Checked<std::string> checked_secret(const Key& key, std::string_view text, const std::string& config_dir) {
    constexpr std::string_view scheme = "credential:";
    if (is_secret_itself(text)) {
        return wrong(
            fmt::format("`{}` names a file or credential:NAME, and this looks like the secret itself; "
                        "put it into a file with mode 0600",
                        key.name));
    }
    if (!text.starts_with(scheme)) {
        return checked_file(key, text, config_dir);
    }
    const std::string_view name = text.substr(scheme.size());
    if (!is_name(name) || name.starts_with('.')) {
        return wrong(fmt::format("`{}` names no credential: write credential:NAME", key.name));
    }
    return std::string(text);
}

/// It becomes an argument of ssh, which must take it for nothing else.
Checked<std::string> checked_login(const Key& key, std::string_view text) {
    if (!is_name(text) || text.starts_with('-') || text.starts_with('.') || text.size() > 32) {
        return wrong(
            fmt::format("`{}` must be 1 to 32 letters, digits, dots, dashes or underscores, without a dot or "
                        "dash in front, not \"{}\"",
                        key.name, shown(text)));
    }
    return std::string(text);
}

Checked<std::string> checked_host_key(const Key& key, std::string_view text) {
    auto plain = plain_host_key(text);
    if (!plain) {
        return wrong(fmt::format("`{}`: {}", key.name, plain.error()));
    }
    return std::move(*plain);
}

Checked<std::string> checked_socket(const Key& key, std::string_view text) {
    if (text.size() > socket_path_bytes_max) {
        return wrong(fmt::format("`{}` is longer than the {} bytes of a Unix socket's path", key.name,
                                 socket_path_bytes_max));
    }
    return absolute(key, text);
}

Checked<std::string> checked_url(const Key& key, std::string_view text) {
    std::string probe(text);
    if (key.type == Type::guest_url) {
        constexpr std::string_view placeholder = "{fqdn}";
        const std::size_t at = probe.find(placeholder);
        if (at == std::string::npos) {
            return wrong(
                fmt::format("`{}` must hold {{fqdn}}, which stands for the notebook's address", key.name));
        }
        probe.replace(at, placeholder.size(), "guest.example");
    }
    const auto url = split_url(probe);
    if (!url) {
        return wrong(fmt::format("`{}` is not a URL that can be used: {}", key.name, url.error()));
    }
    if (key.only.empty() && url->has_query) {
        return wrong(fmt::format("`{}` must not have a ?query", key.name));
    }
    return std::string(text.ends_with('/') && key.only.empty() ? text.substr(0, text.size() - 1) : text);
}

Checked<std::string> checked_host(const Key& key, std::string_view text) {
    if (!is_host(text)) {
        return wrong(fmt::format("`{}` must be a host name or address, not \"{}\"", key.name, shown(text)));
    }
    return std::string(text);
}

Checked<std::string> checked_endpoint(const Key& key, std::string_view text) {
    if (host_of_endpoint(text).empty()) {
        return wrong(fmt::format("`{}` must be a host and a port, for example {}, not \"{}\"", key.name,
                                 example_for(key), shown(text)));
    }
    return std::string(text);
}

Checked<std::string> checked_address(const Key& key, std::string_view text) {
    const std::size_t at = text.find('@');
    const bool plain = std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c != 0x7f; }) &&
                       text.find_first_of("<>()[],;:\\\"") == std::string_view::npos;
    if (!plain || at == 0 || at == std::string_view::npos || text.size() > 254 ||
        !is_host(text.substr(at + 1))) {
        return wrong(fmt::format("`{}` must be a bare mail address such as ana@example.com, not \"{}\"",
                                 key.name, shown(text)));
    }
    return std::string(text);
}

Checked<std::string> checked_network(const Key& key, std::string_view text) {
    if (const auto network = http::parse_network(text); !network) {
        return wrong(fmt::format("`{}` holds \"{}\": {}", key.name, shown(text), network.error().text));
    }
    return std::string(text);
}

Checked<std::string> checked_weekly(const Key& key, std::string_view text) {
    if (const auto when = parse_weekly_time(text); !text.empty() && !when) {
        return wrong(fmt::format("`{}`: {}", key.name, shown(when.error().text, 200)));
    }
    return std::string(text);
}

Checked<std::string> checked_media(const Key& key, std::string_view text) {
    const std::size_t slash = text.find('/');
    const bool printable = std::ranges::all_of(text, [](unsigned char c) { return c >= ' ' && c < 0x7f; });
    if (!printable || slash == 0 || slash == std::string_view::npos || slash + 1 == text.size()) {
        return wrong(
            fmt::format("`{}` must be a media type such as text/plain, not \"{}\"", key.name, shown(text)));
    }
    return std::string(text);
}

Checked<std::string> checked_path_glob(const Key& key, std::string_view text) {
    if (text.starts_with('/') || text.starts_with('~')) {
        return wrong(
            fmt::format("`{}` matches paths below the notebook's root, which do not begin with `{}`: \"{}\"",
                        key.name, text.front(), shown(text)));
    }
    return std::string(text);
}

Checked<std::string> checked_guest_path(const Key& key, std::string_view text) {
    if (text.front() == '~') {
        return wrong(
            fmt::format("`{}`: `~` means nothing here; write the path from the notebook's root or from "
                        "/: \"{}\"",
                        key.name, shown(text)));
    }
    if (key.type == Type::guest_path && text.front() == '/') {
        return wrong(
            fmt::format("`{}` is a path below the notebook's root, which does not begin with `/`: "
                        "\"{}\"",
                        key.name, shown(text)));
    }
    for (std::size_t from = 0; from <= text.size();) {
        const std::size_t slash = std::min(text.find('/', from), text.size());
        if (text.substr(from, slash - from) == "..") {
            return wrong(fmt::format("`{}` must not hold `..`: \"{}\"", key.name, shown(text)));
        }
        from = slash + 1;
    }
    return std::string(text);
}

Checked<std::string> checked_by_type(const Key& key, std::string_view text, const std::string& config_dir) {
    switch (key.type) {
        case Type::word:
        case Type::words:
            return checked_word(key, text);
        case Type::name:
        case Type::names:
            return checked_name(key, text);
        case Type::network:
        case Type::networks:
            return checked_network(key, text);
        case Type::media:
            return checked_media(key, text);
        case Type::weekly:
            return checked_weekly(key, text);
        case Type::folder:
            return absolute(key, text);
        case Type::socket:
            return checked_socket(key, text);
        case Type::file:
            return checked_file(key, text, config_dir);
        case Type::secret:
            return checked_secret(key, text, config_dir);
        case Type::login:
            return checked_login(key, text);
        case Type::host_key:
            return checked_host_key(key, text);
        case Type::host:
            return checked_host(key, text);
        case Type::endpoint:
            return checked_endpoint(key, text);
        case Type::url:
        case Type::guest_url:
            return checked_url(key, text);
        case Type::address:
        case Type::addresses:
            return checked_address(key, text);
        case Type::path_globs:
            return checked_path_glob(key, text);
        case Type::guest_path:
        case Type::guest_paths:
            return checked_guest_path(key, text);
        case Type::boolean:
        case Type::integer:
        case Type::duration:
        case Type::money:
        case Type::text:
        case Type::zone:
        case Type::moment:
        case Type::globs:
        case Type::durations:
        case Type::off_hours:
        case Type::dates:
            break;
    }
    return std::string(text);
}

Checked<std::string> checked_text(const Key& key, const Node& node, const std::string& config_dir) {
    if (node.kind != Kind::string) {
        return std::unexpected(not_this(key, node.kind));
    }
    const std::string& text = node.string;
    if (text.empty() && key.type != Type::weekly) {
        return wrong(fmt::format("`{}` must not be empty", key.name));
    }
    if (text.size() > text_bytes_max) {
        return wrong(fmt::format("`{}` is longer than {} bytes", key.name, text_bytes_max));
    }
    if (std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
        return wrong(fmt::format("`{}` must be one line without control characters", key.name));
    }
    return checked_by_type(key, text, config_dir);
}

std::int64_t number_of(std::string_view text) {
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

Checked<std::int64_t> checked_integer(const Key& key, const Node& node) {
    if (node.kind != Kind::integer) {
        return std::unexpected(not_this(key, node.kind));
    }
    if (node.integer < number_of(key.low) || node.integer > number_of(key.high)) {
        return wrong(fmt::format("`{}` must be {}, not {}", key.name, bounds_of(key), node.integer));
    }
    return node.integer;
}

Checked<Duration> checked_duration(const Key& key, const Node& node) {
    if (node.kind != Kind::string) {
        return std::unexpected(not_this(key, node.kind));
    }
    const auto duration = parse_duration(node.string);
    if (!duration) {
        return wrong(fmt::format("`{}`: {}", key.name, shown(duration.error().text, 200)));
    }
    if (*duration < *parse_duration(key.low) || *duration > *parse_duration(key.high)) {
        return wrong(
            fmt::format("`{}` must be {}, not {}", key.name, bounds_of(key), curfew::to_string(*duration)));
    }
    return *duration;
}

Checked<Money> checked_money(const Key& key, const Node& node) {
    if (node.kind != Kind::string && node.kind != Kind::integer) {
        return std::unexpected(not_this(key, node.kind));
    }
    const auto money = parse_money(node.kind == Kind::string ? node.string : std::to_string(node.integer));
    if (!money) {
        return wrong(
            fmt::format("`{}`: {}; write it like \"25.00\"", key.name, shown(money.error().text, 200)));
    }
    if (!money->positive()) {
        return wrong(fmt::format("`{}` must be more than 0", key.name));
    }
    return *money;
}

Checked<bool> checked_boolean(const Key& key, const Node& node) {
    if (node.kind != Kind::boolean) {
        return std::unexpected(not_this(key, node.kind));
    }
    return node.boolean;
}

/// Turns a checked value into a Value, or its problem into a fault at the node.
template <class T>
std::optional<T> accept(Checked<T> checked, const Node& node, Faults& faults) {
    if (!checked) {
        faults.add(node.place, std::move(checked.error().text), std::move(checked.error().suggestion));
        return std::nullopt;
    }
    return std::move(*checked);
}

template <class T, class Check>
std::optional<std::vector<T>> read_list(const Node& node, Faults& faults, Check check) {
    std::vector<T> list;
    for (const Node& element : node.elements) {
        if (auto value = accept<T>(check(element), element, faults)) {
            list.push_back(std::move(*value));
        }
    }
    return list.size() == node.elements.size() ? std::optional(std::move(list)) : std::nullopt;
}

/// A text that core reads.
template <class T, class Parse>
Checked<T> checked_by(const Key& key, const Node& node, Parse parse) {
    if (node.kind != Kind::string) {
        return std::unexpected(not_this(key, node.kind));
    }
    auto value = parse(node.string);
    if (!value) {
        return wrong(fmt::format("`{}`: {}", key.name, shown(value.error().text, 200)));
    }
    return std::move(*value);
}

std::size_t count_max(Type type) {
    return type == Type::durations   ? ladder_steps_max
           : type == Type::off_hours ? off_hours_max
                                     : elements_max;
}

bool falling(const Key& key, const Node& node, const std::vector<Duration>& steps, Faults& faults) {
    for (std::size_t i = 1; i < steps.size(); ++i) {
        if (steps[i] >= steps[i - 1]) {
            faults.add(node.elements[i].place,
                       fmt::format("`{}` must go down, and {} does not come before {}", key.name,
                                   curfew::to_string(steps[i - 1]), curfew::to_string(steps[i])));
            return false;
        }
    }
    return true;
}

std::optional<Value> read_list_value(const Key& key, const Node& node, const std::string& config_dir,
                                     Faults& faults) {
    if (node.kind != Kind::array) {
        faults.add(node.place, not_this(key, node.kind).text);
        return std::nullopt;
    }
    if (node.elements.size() > count_max(key.type)) {
        faults.add(node.place, fmt::format("`{}` has more than {} entries", key.name, count_max(key.type)));
        return std::nullopt;
    }
    const bool may_be_empty = key.type == Type::names || (!key.required && key.type != Type::durations);
    if (node.elements.empty() && !may_be_empty) {
        faults.add(node.place, fmt::format("`{}` must not be empty", key.name));
        return std::nullopt;
    }
    if (key.type == Type::durations) {
        auto steps = read_list<Duration>(node, faults,
                                         [&](const Node& e) { return checked_duration(key, e); });
        return steps && falling(key, node, *steps, faults) ? std::optional<Value>(std::move(*steps))
                                                           : std::nullopt;
    }
    if (key.type == Type::off_hours) {
        return read_list<OffHours>(
            node, faults, [&](const Node& e) { return checked_by<OffHours>(key, e, parse_off_hours); });
    }
    if (key.type == Type::dates) {
        return read_list<Date>(node, faults,
                               [&](const Node& e) { return checked_by<Date>(key, e, parse_date); });
    }
    return read_list<std::string>(node, faults,
                                  [&](const Node& e) { return checked_text(key, e, config_dir); });
}

}  // namespace

std::optional<Value> read_value(const Key& key, const Node& node, const std::string& config_dir,
                                Faults& faults) {
    if (is_list(key.type)) {
        return read_list_value(key, node, config_dir, faults);
    }
    if (key.type == Type::boolean) {
        return accept<bool>(checked_boolean(key, node), node, faults);
    }
    if (key.type == Type::integer) {
        return accept<std::int64_t>(checked_integer(key, node), node, faults);
    }
    if (key.type == Type::duration) {
        return accept<Duration>(checked_duration(key, node), node, faults);
    }
    if (key.type == Type::money) {
        return accept<Money>(checked_money(key, node), node, faults);
    }
    return accept<std::string>(checked_text(key, node, config_dir), node, faults);
}

Value standard_value(const Key& key) {
    Faults faults;
    const int file = faults.add_file("default");
    const auto document = read_document(fmt::format("value = {}", key.standard), file, faults);
    CURFEW_ASSERT(document, "every default of the table of keys is TOML");
    auto value = read_value(key, document->entries.front().node, {}, faults);
    CURFEW_ASSERT(value, "every default of the table of keys is valid");
    return std::move(*value);
}

std::string bounds_of(const Key& key) {
    if (!key.words.empty()) {
        const auto words = split(key.words, '|');
        return words.size() == 1 ? fmt::format("{}", words.front())
                                 : fmt::format("one of {}", fmt::join(words, ", "));
    }
    if (!key.low.empty()) {
        return fmt::format("from {} to {}", key.low, key.high);
    }
    return key.type == Type::money ? "more than 0" : "";
}

}  // namespace curfew::config
