#include "adapters/webhook/http_channel.hpp"
#include "adapters/webhook/signature.hpp"
#include "adapters/webhook/template.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace curfew::webhook {

namespace {

constexpr std::string_view pagerduty_url = "https://events.pagerduty.com/v2/enqueue";
constexpr std::string_view ntfy_url = "https://ntfy.sh";
/// Shorter parts of a path are words, and their likes would be hidden in every sentence.
constexpr std::size_t secret_bytes_min = 8;

/// The whole target, and each part of it that may be a key of its own.
std::vector<Secret> secrets_in(const std::string& target) {
    std::vector<Secret> all;
    const auto add = [&all](std::string_view part) {
        if (part.size() >= secret_bytes_min) {
            all.emplace_back(std::string{part});
        }
    };
    if (target.size() > 1) {
        all.emplace_back(target);
    }
    const std::size_t query = std::min(target.find('?'), target.size());
    add(std::string_view{target}.substr(0, query));
    for (std::size_t begin = 0; begin < target.size();) {
        const std::size_t end = std::min(target.find_first_of("/?&=", begin), target.size());
        add(std::string_view{target}.substr(begin, end - begin));
        begin = end + 1;
    }
    return all;
}

Result<http::Url> url_of(const ChannelConfig& config, const std::optional<Secret>& from_file) {
    const std::string_view preset = config.kind == "pagerduty" ? pagerduty_url
                                    : config.kind == "ntfy"    ? ntfy_url
                                                               : std::string_view{};
    std::string_view text = from_file ? from_file->reveal() : std::string_view{config.url};
    if (text.empty()) {
        text = preset;
    }
    if (text.empty()) {
        return fail(Errc::invalid, "it has neither url nor url_file");
    }
    auto url = http::parse_url(text);
    if (!url) {  // what it names is the URL itself
        return fail(Errc::invalid, (from_file ? "url_file: " : "url: ") + url.error().text);
    }
    const bool near = config.allow_private || !config.private_receivers.empty();
    if (url->origin.scheme != "https" && !near) {
        return fail(Errc::unsafe, "a channel goes over https", url->origin.host);
    }
    return url;
}

Result<http::Route> route_of(const ChannelConfig& config) {
    http::Route route;
    route.ca_file = config.ca_file;
    route.check_addresses = true;
    route.allow_private = config.allow_private;
    for (const std::string& text : config.private_receivers) {
        auto network = http::parse_network(text);
        if (!network) {
            return fail(network.error().code, "private_receivers: " + network.error().text,
                        network.error().where);
        }
        route.allowed.push_back(*network);
    }
    return route;
}

Result<std::vector<Secret>> signing_keys(const FileContents& files) {
    std::vector<Secret> keys;
    for (const auto& [file, secret] : {std::pair{"secret_file", &files.signing_key},
                                       std::pair{"old_secret_file", &files.old_signing_key}}) {
        if (!*secret) {
            continue;
        }
        auto key = key_of(**secret);
        if (!key) {
            return fail(key.error().code, std::string{file} + ": " + key.error().text);
        }
        keys.push_back(std::move(*key));
    }
    return keys;
}

Result<std::unique_ptr<Target>> own_format(const ChannelConfig& config, std::string text,
                                           const std::string& source) {
    if (config.format == "cloudevents") {
        return cloudevents_target(source);
    }
    if (config.format == "template") {
        auto made = template_target(std::move(text), config.content_type);
        return made ? std::move(made) : fail(made.error().code, made.error().text, config.template_file);
    }
    return config.format == "standard" ? Result<std::unique_ptr<Target>>{standard_target()}
                                       : fail(Errc::invalid, "no such format", config.format);
}

Result<std::unique_ptr<Target>> target_of(const ChannelConfig& config, FileContents& files,
                                          const std::string& source, HttpChannel::Parts& parts) {
    if (config.kind == "webhook") {
        parts.standard = true;
        return own_format(config, std::move(files.template_text), source);
    }
    if (config.kind == "slack") {
        return slack_target();
    }
    if (config.kind == "discord") {
        const bool query = parts.url.target.find('?') != std::string::npos;
        parts.url.target += query ? "&wait=true" : "?wait=true";  // or it is not said whether it was stored
        return discord_target();
    }
    if (config.kind == "teams") {
        return teams_target();
    }
    if (config.kind == "ntfy") {
        parts.hidden.emplace_back(config.topic);
        parts.bearer = files.token;
        auto target = ntfy_target(config.topic);
        return target ? std::move(target) : fail(target.error().code, "topic: " + target.error().text);
    }
    if (config.kind == "pagerduty") {
        if (!files.token) {
            return fail(Errc::invalid, "token_file: PagerDuty needs the routing key of an integration");
        }
        return pagerduty_target(*files.token, source, parts.url.target);
    }
    return fail(Errc::invalid, "no such kind", config.kind);
}

}  // namespace

Result<std::shared_ptr<Channel>> make_channel(const ChannelConfig& config, FileContents files,
                                              const std::string& source, http::Client& client,
                                              Scheduler& scheduler) {
    auto url = url_of(config, files.url);
    if (!url) {
        return std::unexpected(url.error());
    }
    auto route = route_of(config);
    if (!route) {
        return std::unexpected(route.error());
    }
    auto keys = signing_keys(files);
    if (!keys) {
        return std::unexpected(keys.error());
    }
    HttpChannel::Parts parts;
    parts.name = config.name;
    parts.hidden = secrets_in(url->target);
    parts.url = std::move(*url);
    parts.route = std::move(*route);
    parts.signing_keys = std::move(*keys);
    parts.timeout = config.timeout;
    if (files.token) {
        parts.hidden.push_back(*files.token);
    }
    auto target = target_of(config, files, source, parts);
    if (!target) {
        return std::unexpected(target.error());
    }
    parts.target = std::move(*target);
    return std::make_shared<HttpChannel>(std::move(parts), client, scheduler);
}

}  // namespace curfew::webhook
