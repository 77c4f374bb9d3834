// Alerts as signed HTTP requests, in the form of Standard Webhooks. The receiver's address is checked
// after its name is resolved: this host can see things that the author of a URL must not reach.
#pragma once

#include "adapters/http/client.hpp"
#include "curfew/core/config.hpp"
#include "curfew/core/secret.hpp"
#include "curfew/ports/channel.hpp"
#include "curfew/ports/scheduler.hpp"

#include <optional>

namespace curfew::webhook {

/// For start-up: is this "whsec_" and base64 of 24 to 64 bytes? The error never holds it.
Result<void> check_secret(const Secret& signing_secret);

class WebhookChannel final : public Channel {
public:
    /// Unsigned without a secret. `client` and `scheduler` must outlive the channel.
    WebhookChannel(const ChannelConfig& config, std::optional<Secret> signing_secret, http::Client& client,
                   Scheduler& scheduler);

    const ChannelName& name() const override { return config_.name; }
    /// 2xx is success, as soon as its head is here. 410 alone is Errc::forbidden: the channel disables
    /// itself. 408, 425, 429 and 5xx are later or after(Retry-After), everything else is never. An
    /// answer that was lost is ambiguous. Errors name the host only, since a path may be a credential.
    Task<Result<Delivered>> deliver(Parcel parcel, Deadline deadline) override;

private:
    Result<http::Request> request_for(const Message& message) const;
    Error explain(http::Response response) const;

    ChannelConfig config_;
    Result<http::Url> url_;
    std::optional<Result<Secret>> key_;
    http::Client& client_;
    Scheduler& scheduler_;
};

}  // namespace curfew::webhook
