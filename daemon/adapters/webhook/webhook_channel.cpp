#include "adapters/webhook/webhook_channel.hpp"

#include "adapters/webhook/payload.hpp"

#include <utility>

namespace curfew::webhook {

namespace {

constexpr std::size_t answer_bytes_max = std::size_t{64} << 10;
constexpr Duration retry_after_max = hours{24};  // a message waits for as long as its receiver asks

}  // namespace

Result<void> check_secret(const Secret& signing_secret) {
    auto key = key_of(signing_secret);
    if (!key) {
        return std::unexpected(key.error());
    }
    return {};
}

WebhookChannel::WebhookChannel(const ChannelConfig& config, std::optional<Secret> signing_secret,
                               http::Client& client, Scheduler& scheduler)
    : config_(config), url_(http::parse_url(config.url)), client_(client), scheduler_(scheduler) {
    if (signing_secret) {
        key_ = key_of(*signing_secret);
    }
}

Result<http::Request> WebhookChannel::request_for(const Message& message) const {
    if (!url_) {
        return fail(url_.error().code, url_.error().text, config_.name.value);
    }
    if (url_->origin.scheme != "https" && !config_.allow_private) {
        return fail(Errc::unsafe, "a webhook goes over https", url_->origin.host);
    }
    if (key_ && !*key_) {
        return fail(key_->error().code, key_->error().text, config_.name.value);
    }
    http::Request request;
    request.method = "POST";
    request.url = *url_;
    request.route = {.connect_to = {},
                     .ca_file = config_.ca_file,
                     .check_addresses = true,
                     .allow_private = config_.allow_private};
    request.body = payload_of(message);
    request.content_type = "application/json";
    request.idempotent = false;
    const std::string timestamp = std::to_string(scheduler_.wall().ms / 1000);
    request.headers = {{"webhook-id", message.id}, {"webhook-timestamp", timestamp}};
    if (key_) {
        request.headers.emplace_back("webhook-signature",
                                     signature_of(**key_, message.id, timestamp, request.body));
    }
    return request;
}

Task<Result<Delivered>> WebhookChannel::deliver(Parcel parcel, Deadline deadline) {
    auto request = request_for(parcel.message);
    if (!request) {
        co_return std::unexpected(request.error());
    }
    // A 2xx counts from its head on: trouble with a body that nobody reads must not send it again.
    std::optional<int> taken;
    std::size_t seen = 0;
    const http::HeadCheck check = [&taken](const http::Response& head) -> Result<void> {
        taken = head.status;
        return {};
    };
    const http::BodySink ignore = [&seen](std::span<const std::byte> piece) -> Task<Result<void>> {
        seen += piece.size();
        if (seen > answer_bytes_max) {
            co_return fail(Errc::too_large, "a long answer");
        }
        co_return Result<void>{};
    };
    auto response = co_await client_.stream(std::move(*request), check, ignore,
                                            deadline.earlier(scheduler_.mono() + config_.timeout));
    if (taken) {
        co_return Delivered{.answer = "HTTP " + std::to_string(*taken)};
    }
    if (!response) {
        co_return std::unexpected(response.error());
    }
    co_return std::unexpected(explain(std::move(*response)));
}

Error WebhookChannel::explain(http::Response response) const {
    if (url_->target.size() > 1 && response.body.contains(url_->target)) {
        response.body = "(its text held the path)";
    }
    Error error = http::error_of(response, url_->origin.host, retry_after_max);
    if (error.code == Errc::forbidden && response.status != 410) {
        error.code = Errc::unauthorized;
    }
    return error;
}

}  // namespace curfew::webhook
