#include "adapters/config/channels.hpp"

#include "adapters/config/addresses.hpp"
#include "adapters/http/addresses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace curfew::config {

namespace {

constexpr std::string_view ntfy_url = "https://ntfy.sh";
constexpr std::string_view pagerduty_url = "https://events.pagerduty.com/v2/enqueue";

int port_of(const Block& block) {
    const std::string security = block.text("security");
    if (block.given("port") || security == "tls") {
        return static_cast<int>(block.number("port"));
    }
    return security == "starttls" ? 587 : 25;
}

/// Its own, or that of the service.
std::string url_of(const Block& block) {
    if (block.given("url") || block.given("url_file")) {
        return block.text("url");
    }
    const std::string kind = block.text("kind");
    return std::string(kind == "ntfy" ? ntfy_url : kind == "pagerduty" ? pagerduty_url : std::string_view{});
}

ChannelConfig channel_of(const Block& block) {
    ChannelConfig c;
    c.name = ChannelName{block.text("name")};
    c.kind = block.text("kind");
    c.host = block.text("host");
    c.port = port_of(block);
    c.security = block.text("security");
    c.user = block.text("user");
    c.password_file = block.text("password_file");
    c.from = block.text("from");
    c.to = block.list("to");
    c.ca_file = block.text("ca_file");
    c.url = url_of(block);
    c.url_file = block.text("url_file");
    c.allow_private = block.flag("allow_private");
    c.private_receivers = block.list("private_receivers");
    c.secret_file = block.text("secret_file");
    c.old_secret_file = block.text("old_secret_file");
    c.format = block.text("format");
    c.template_file = block.text("template_file");
    c.content_type = block.text("content_type");
    c.topic = block.text("topic");
    c.token_file = block.text("token_file");
    c.timeout = block.duration("timeout");
    return c;
}

class Reader {
public:
    Reader(const Block& block, Faults& faults) : block_(block), faults_(faults) {}

    void mail() {
        const std::string host = block_.text("host");
        if (block_.text("security") == "none" && !host.empty() && !is_loopback(host)) {
            faults_.add(block_.place_of("security"),
                        "`security` \"none\" is for a mail server on this host only; "
                        "use \"tls\" or \"starttls\"");
        }
        if (block_.sound("to") && block_.list("to").empty()) {
            faults_.add(block_.place_of("to"), "`to` must not be empty");
        }
        for (const auto& [one, other] : {std::pair{"user", "password_file"}, {"password_file", "user"}}) {
            needs(one, other);
        }
    }

    void webhook() {
        needs("old_secret_file", "secret_file");
        if (block_.sound("old_secret_file") && block_.text("old_secret_file") == block_.text("secret_file")) {
            faults_.add(block_.place_of("old_secret_file"), "`old_secret_file` is the same as `secret_file`");
        }
        const bool own_body = block_.text("format") == "template";
        for (const std::string_view key : {"template_file", "content_type"}) {
            if (block_.sound(key) && !own_body) {
                faults_.add(block_.place_of(key), fmt::format("`{}` is for format \"template\"", key));
            }
        }
        if (own_body && !block_.given("template_file")) {
            faults_.add(block_.place_of("format"), "`format` \"template\" needs `template_file` as well");
        }
    }

    void ntfy() {
        if (const std::string topic = block_.text("topic"); topic.find('.') != std::string::npos) {
            faults_.add(block_.place_of("topic"),
                        fmt::format("`topic` has letters, digits, dashes and underscores only, not \"{}\"",
                                    shown(topic)));
        }
    }

    void pagerduty() { needs("kind", "token_file"); }

    /// `needed` where nothing stands for a URL that is missing.
    void address(bool needed) {
        if (block_.sound("url") && block_.sound("url_file")) {
            faults_.add(block_.place_of("url_file"),
                        fmt::format("`url` stands at {} already: a URL comes from one "
                                    "of the two",
                                    faults_.at(block_.place_of("url"))));
        } else if (needed && !block_.given("url") && !block_.given("url_file")) {
            const bool secret = block_.text("kind") != "webhook";
            faults_.add(block_.place(), secret
                                            ? "`url_file` is missing: whoever knows the URL may post, so it "
                                              "comes from a file"
                                            : "`url` is missing, or `url_file`: where messages are posted");
        }
        const auto networks = block_.list("private_receivers");
        if (block_.flag("allow_private") && !networks.empty()) {
            faults_.add(
                block_.place_of("private_receivers"),
                "`private_receivers` says nothing beside allow_private = true; leave one of them out");
        }
        reachable(networks);
    }

private:
    /// As it is judged again when something is sent, after the name was resolved.
    void reachable(const std::vector<std::string>& networks) {
        const auto url = split_url(block_.text("url"));
        if (!url) {
            return;  // none, or at fault itself
        }
        const bool near = is_private(url->host);
        if (near && !block_.flag("allow_private") && networks.empty()) {
            faults_.add(block_.place_of("url"),
                        "`url` is a loopback or private address; say allow_private = true "
                        "if that is meant");
        } else if (url->scheme == "http" && !near) {
            faults_.add(block_.place_of("url"), "`url` must be https");
        } else {
            literal(*url, networks);
        }
    }

    void literal(const Url& url, const std::vector<std::string>& networks) {
        boost::system::error_code is_name;
        const auto address = boost::asio::ip::make_address(url.host, is_name);
        if (is_name) {
            return;
        }
        http::AddressRule rule{
            .allow_near = block_.flag("allow_private"), .allowed = {}, .plain = url.scheme == "http"};
        for (const std::string& text : networks) {
            if (const auto network = http::parse_network(text)) {
                rule.allowed.push_back(*network);
            }
        }
        if (const auto good = http::check_address(address, rule); !good) {
            faults_.add(block_.place_of("url"), fmt::format("`url` cannot be used: {}", good.error().text));
        }
    }

    void needs(std::string_view one, std::string_view other) {
        if (block_.sound(one) && !block_.given(other)) {
            faults_.add(block_.place_of(one), one == "kind"
                                                  ? fmt::format("a {} needs `{}`", block_.text("kind"), other)
                                                  : fmt::format("`{}` needs `{}` as well", one, other));
        }
    }

    const Block& block_;
    Faults& faults_;
};

void check_channel(const Block& block, Faults& faults) {
    const std::string kind = block.text("kind");
    Reader reader(block, faults);
    if (kind == "mail") {
        reader.mail();
    } else if (kind == "webhook") {
        reader.webhook();
    } else if (kind == "ntfy") {
        reader.ntfy();
    } else if (kind == "pagerduty") {
        reader.pagerduty();
    }
    if (!kind.empty() && kind != "mail") {
        reader.address(kind != "ntfy" && kind != "pagerduty");
    }
}

}  // namespace

std::vector<ChannelConfig> channels_of(const std::vector<Block>& blocks, Faults& faults) {
    std::vector<ChannelConfig> channels;
    for (const Block& block : blocks) {
        check_channel(block, faults);
        channels.push_back(channel_of(block));
    }
    return channels;
}

HeartbeatConfig heartbeat_of(const Block& block, Faults& faults) {
    const bool there = block.given("url") || block.given("url_file");
    for (const std::string_view key : {"ca_file", "allow_private", "private_receivers", "interval"}) {
        if (!there && block.sound(key)) {
            faults.add(block.place_of(key), fmt::format("`{}` needs `url` or `url_file` as well", key));
        }
    }
    Reader(block, faults).address(false);
    return {.url = block.text("url"),
            .url_file = block.text("url_file"),
            .ca_file = block.text("ca_file"),
            .allow_private = block.flag("allow_private"),
            .private_receivers = block.list("private_receivers"),
            .interval = block.duration("interval")};
}

bool has_receivers(const ChannelConfig& channel) {
    return channel.kind != "mail" || !channel.to.empty();
}

}  // namespace curfew::config
