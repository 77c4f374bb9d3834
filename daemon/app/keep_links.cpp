#include "curfew/app/keep_links.hpp"

#include "curfew/app/messages.hpp"

#include <algorithm>
#include <utility>

namespace curfew {

namespace {

/// Otherwise the database is in trouble, and pressing again may help.
bool refused(Errc code) {
    return code == Errc::invalid || code == Errc::conflict || code == Errc::not_found;
}

}  // namespace

bool KeepSigner::open() const {
    return !listening_.empty() && world_.config->keep_link.listen == listening_;
}

std::optional<std::string> KeepSigner::sign(const std::string& unsigned_url) const {
    const std::string_view payload = token_of_keep_url(unsigned_url);
    const auto link = read_keep_payload(payload);
    if (!open() || !link || world_.scheduler.wall() >= link->valid_until) {
        return std::nullopt;
    }
    return keep_url(world_.config->keep_link, keep_token(payload, mac_));
}

Task<Result<Delivered>> ButtonChannel::deliver(Parcel parcel, Deadline deadline) {
    std::optional<std::string>& url = parcel.message.keep_url;
    url = url ? signer_.sign(*url) : std::nullopt;
    return inner_->deliver(std::move(parcel), deadline);
}

LinkAnswer KeepLinks::about(const KeepLink& link) const {
    const auto live = world_.picture.resources.find(link.resource);
    const bool seen = live != world_.picture.resources.end();
    return {.state = LinkState::ready,
            .name = messages::printable(seen ? live->second.resource.name : link.resource.value),
            .length = link.length,
            .until = std::nullopt,
            .placed = std::nullopt,
            .text = {}};
}

Task<LinkAnswer> KeepLinks::before(std::string token) {
    const auto link = signer_.open() ? signer_.read(token) : std::nullopt;
    if (!link) {
        co_return LinkAnswer{};
    }
    LinkAnswer answer = about(*link);
    auto placed = co_await holds_.placed_by(*link);
    if (!placed) {
        answer.state = LinkState::not_taken;
        answer.text = "the database does not answer";
        co_return answer;
    }
    if (*placed) {
        answer.state = LinkState::used;
        answer.placed = (*placed)->from;
        answer.until = (*placed)->released_at.value_or((*placed)->until);
        answer.text = (*placed)->released_at ? "released early" : "";
        co_return answer;
    }
    const auto live = world_.picture.resources.find(link->resource);
    const bool on = live != world_.picture.resources.end() && bills(live->second.current.run.state);
    if (world_.scheduler.wall() >= link->valid_until) {
        answer.state = LinkState::expired;
    } else if (on && live->second.current.run.id != link->run) {
        answer.state = LinkState::refused;
        answer.text = "it was started anew since that warning";
    } else if (!on) {
        answer.state = LinkState::refused;
        answer.text = "it is not running, so there is nothing to keep";
    }
    co_return answer;
}

Task<LinkAnswer> KeepLinks::look(std::string token) {
    return before(std::move(token));
}

Task<LinkAnswer> KeepLinks::press(std::string token) {
    const auto link = signer_.open() ? signer_.read(token) : std::nullopt;
    if (!link) {
        co_return LinkAnswer{};
    }
    if (!under_way_.insert(link->warning).second) {
        LinkAnswer answer = about(*link);
        answer.state = LinkState::refused;
        answer.text = "it is being pressed this moment";
        co_return answer;
    }
    struct Leave {
        std::set<std::string>& all;
        const std::string& one;
        ~Leave() { all.erase(one); }
    };
    const Leave leave{under_way_, link->warning};
    LinkAnswer answer = co_await before(token);
    if (answer.state != LinkState::ready) {
        co_return answer;
    }
    auto kept = co_await holds_.keep_by(*link);
    if (!kept) {
        answer.state = refused(kept.error().code) ? LinkState::refused : LinkState::not_taken;
        answer.text = kept.error().text;
        co_return answer;
    }
    answer.state = LinkState::kept;
    answer.placed = kept->hold.from;
    answer.until = kept->hold.until;
    answer.text = kept->offer.priced ? "It costs " + to_string(kept->offer.price) + "."
                                     : "Its machine type has no price.";
    co_return answer;
}

}  // namespace curfew
