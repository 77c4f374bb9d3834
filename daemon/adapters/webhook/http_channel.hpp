// Alerts over HTTP: one sender for every kind of receiver. The receiver's address is checked after its name is
// resolved: this host can see things that the author of a URL must not reach.
#pragma once

#include "adapters/http/client.hpp"
#include "adapters/webhook/target.hpp"
#include "curfew/core/config.hpp"
#include "curfew/core/secret.hpp"
#include "curfew/ports/channel.hpp"
#include "curfew/ports/scheduler.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace curfew::webhook {

/// What a channel's files hold.
struct FileContents {
    std::optional<Secret> url;              // url_file
    std::optional<Secret> signing_key;      // secret_file
    std::optional<Secret> old_signing_key;  // old_secret_file
    std::optional<Secret> token;            // token_file
    std::string template_text;              // template_file
};

/// A channel of any kind but "mail". `source` is this host's name in what it sends. Errc::invalid and Errc::unsafe
/// say what is wrong with the configuration or with a file, and never hold a secret. `client` and `scheduler` must
/// outlive the channel.
Result<std::shared_ptr<Channel>> make_channel(const ChannelConfig& config, FileContents files,
                                              const std::string& source, http::Client& client,
                                              Scheduler& scheduler);

class HttpChannel final : public Channel {
public:
    struct Parts {
        ChannelName name;
        http::Url url;
        http::Route route;
        std::unique_ptr<Target> target;
        std::vector<Secret> signing_keys;  // decoded; the new one first
        std::optional<Secret> bearer;      // sent as Authorization
        std::vector<Secret> hidden;        // shown to nobody, also not when a receiver repeats it
        Duration timeout = seconds{20};
        bool standard =
            false;  // Standard Webhooks: with its headers, and a 2xx is success whatever its body says
    };
    HttpChannel(Parts parts, http::Client& client, Scheduler& scheduler);

    const ChannelName& name() const override { return parts_.name; }
    /// 2xx is success from its head on, unless its target reads the body as a refusal. 410 alone is
    /// Errc::forbidden: the channel disables itself. 408, 425, 429 and 5xx are later or after(Retry-After), at most
    /// 24 h; a certificate that is not taken is later; everything else is never. An answer that was lost is
    /// ambiguous. Errors name the host only, since a path may be a credential.
    Task<Result<Delivered>> deliver(Parcel parcel, Deadline deadline) override;

private:
    Result<http::Request> request_for(const Parcel& parcel) const;
    void sign(http::Request& request, const std::string& id) const;
    Result<Delivered> judged(const Answer& answer, const Parcel& parcel) const;
    Error explain(http::Response response, const Parcel& parcel) const;
    std::string without_secrets(std::string text, const Parcel& parcel) const;

    Parts parts_;
    http::Client& client_;
    Scheduler& scheduler_;
};

}  // namespace curfew::webhook
