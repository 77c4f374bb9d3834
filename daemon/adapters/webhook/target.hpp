// Who is told over HTTP: how each receiver wants a message to look, and what its answers mean. No target sends
// anything by itself; HttpChannel does that for all of them.
#pragma once

#include "curfew/core/error.hpp"
#include "curfew/core/secret.hpp"
#include "curfew/core/time.hpp"
#include "curfew/ports/channel.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace curfew::webhook {

/// One request's body.
struct Letter {
    std::string body;
    std::string content_type = "application/json";
    std::string path;  // "" = the channel's own
};

/// What came with a 2xx: at most its first 64 KiB.
struct Answer {
    int status = 200;
    std::string content_type;
    std::string body;
};

class Target {
public:
    virtual ~Target() = default;
    /// Names in a message are data: whatever they hold, they end no field and ping nobody.
    virtual Result<Letter> letter(const Parcel& parcel) const = 0;
    /// What the receiver said, in a line; or why a 2xx does not mean that it took the message. By default its words
    /// as they came, and whatever they are, they mean that it did.
    virtual Result<std::string> said(const Answer& answer) const;
    /// How long to wait, where the body of a 429 says it.
    virtual std::optional<Duration> wait_in(std::string_view body) const;
};

/// {"type", "timestamp", "data"} of Standard Webhooks.
std::unique_ptr<Target> standard_target();
/// CloudEvents 1.0 in structured mode. `source` names this host.
std::unique_ptr<Target> cloudevents_target(const std::string& source);
std::unique_ptr<Target> slack_target();
std::unique_ptr<Target> discord_target();
std::unique_ptr<Target> teams_target();
/// Errc::invalid for what cannot be a topic. The error does not hold it: on a public server it is a password.
Result<std::unique_ptr<Target>> ntfy_target(std::string topic);
/// Events API v2. An alert is an incident by its key; what has no life (a notice, a test) is a change event, which
/// everybody sees and which wakes nobody. `path` is that of the events.
std::unique_ptr<Target> pagerduty_target(Secret routing_key, std::string source, std::string path);

/// A 2xx that is a web page was answered by somebody else: a gateway, a login. Errc::protocol, later.
Result<void> no_page(const Answer& answer);

}  // namespace curfew::webhook
