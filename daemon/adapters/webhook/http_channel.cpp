#include "adapters/webhook/http_channel.hpp"

#include "adapters/http/transport.hpp"
#include "adapters/webhook/signature.hpp"
#include "curfew/core/text.hpp"

#include <algorithm>
#include <utility>

namespace curfew::webhook {

namespace {

constexpr std::size_t answer_bytes_max = std::size_t{64} << 10;
constexpr std::size_t shown_bytes_max = 200;
constexpr Duration wait_max = hours{24};  // a message waits for as long as its receiver asks

/// Printable, on one line, and not for ever.
std::string shown(std::string_view text) {
    std::string out;
    for (const char c : plain_line(text)) {
        out += c >= 0x20 && c < 0x7F ? c : ' ';
    }
    const std::size_t begin = out.find_first_not_of(' ');
    out = begin == out.npos ? "" : out.substr(begin, shown_bytes_max);
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
}

}  // namespace

HttpChannel::HttpChannel(Parts parts, http::Client& client, Scheduler& scheduler)
    : parts_(std::move(parts)), client_(client), scheduler_(scheduler) {}

Result<http::Request> HttpChannel::request_for(const Parcel& parcel) const {
    auto letter = parts_.target->letter(parcel);
    if (!letter) {
        return fail(letter.error().code, letter.error().text, parts_.name.value, letter.error().retry);
    }
    http::Request request;
    request.method = "POST";
    request.url = parts_.url;
    if (!letter->path.empty()) {
        request.url.target = letter->path;
    }
    request.route = parts_.route;
    request.body = std::move(letter->body);
    request.content_type = std::move(letter->content_type);
    request.idempotent = false;
    if (parts_.bearer) {
        request.credential = {.header = "Authorization", .prefix = "Bearer ", .secret = *parts_.bearer};
    }
    if (parts_.standard) {
        sign(request, parcel.message.id);
    }
    return request;
}

/// The timestamp is that of the attempt, the id that of the sending.
void HttpChannel::sign(http::Request& request, const std::string& id) const {
    const std::string timestamp = std::to_string(scheduler_.wall().ms / 1000);
    request.headers = {{"webhook-id", id}, {"webhook-timestamp", timestamp}};
    std::string signatures;
    for (const Secret& key : parts_.signing_keys) {
        signatures += (signatures.empty() ? "" : " ") + signature_of(key, id, timestamp, request.body);
    }
    if (!signatures.empty()) {
        request.headers.emplace_back("webhook-signature", std::move(signatures));
    }
}

Task<Result<Delivered>> HttpChannel::deliver(Parcel parcel, Deadline deadline) {
    auto request = request_for(parcel);
    if (!request) {
        co_return std::unexpected(request.error());
    }
    // A 2xx counts from its head on: trouble with the rest of it must not send the message again.
    std::optional<Answer> taken;
    const http::HeadCheck check = [&taken](const http::Response& head) -> Result<void> {
        taken = Answer{head.status, std::string{head.header("Content-Type")}, {}};
        return {};
    };
    const http::BodySink keep = [&taken](std::span<const std::byte> piece) -> Task<Result<void>> {
        const std::size_t room = answer_bytes_max - taken->body.size();
        taken->body.append(reinterpret_cast<const char*>(piece.data()), std::min(room, piece.size()));
        co_return piece.size() > room ? fail(Errc::too_large, "a long answer") : Result<void>{};
    };
    auto response = co_await client_.stream(std::move(*request), check, keep,
                                            deadline.earlier(scheduler_.mono() + parts_.timeout));
    if (taken) {
        co_return judged(*taken, parcel);
    }
    if (!response) {
        Error error = response.error();
        if (http::is_refused_certificate(error)) {
            error.retry = Retry::later();
        }
        co_return std::unexpected(std::move(error));
    }
    co_return std::unexpected(explain(std::move(*response), parcel));
}

Result<Delivered> HttpChannel::judged(const Answer& answer, const Parcel& parcel) const {
    const std::string status = "HTTP " + std::to_string(answer.status);
    auto said = parts_.target->said(answer);
    if (!said && !parts_.standard) {
        Error error = said.error();
        error.text = shown(without_secrets(std::move(error.text), parcel));
        error.where = parts_.url.origin.host;
        return std::unexpected(std::move(error));
    }
    const bool page = !no_page(answer);  // nobody reads markup
    const std::string words = said && !page ? shown(without_secrets(std::move(*said), parcel)) : "";
    return Delivered{.answer = words.empty() ? status : status + " " + words};
}

Error HttpChannel::explain(http::Response response, const Parcel& parcel) const {
    const auto asked = response.status == 429 ? parts_.target->wait_in(response.body) : std::nullopt;
    response.body = without_secrets(std::move(response.body), parcel);
    Error error = http::error_of(response, parts_.url.origin.host);
    if (error.code == Errc::forbidden && response.status != 410) {
        error.code = Errc::unauthorized;
    }
    if (error.may_retry()) {
        const auto wait = asked ? asked : http::retry_after_of(response, scheduler_.wall(), wait_max);
        error.retry = wait ? Retry::after(std::clamp<Duration>(*wait, Duration{0}, wait_max))
                           : Retry::later();
    }
    return error;
}

std::string HttpChannel::without_secrets(std::string text, const Parcel& parcel) const {
    if (const auto& link = parcel.message.keep_url) {
        text = Secret{link->substr(link->rfind('/') + 1)}.hidden_in(std::move(text));
    }
    for (const Secret& secret : parts_.hidden) {
        text = secret.hidden_in(std::move(text));
    }
    return text;
}

}  // namespace curfew::webhook
