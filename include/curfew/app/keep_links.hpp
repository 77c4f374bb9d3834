// Keep links of warnings: signed on their way to a phone, and pressed there.
#pragma once

#include "curfew/app/holds.hpp"
#include "curfew/app/world.hpp"
#include "curfew/core/keep_link.hpp"
#include "curfew/ports/channel.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace curfew {

/// Adds signatures, as long as the link can be pressed.
class KeepSigner {
public:
    KeepSigner(const World& world, KeepMac mac) : world_(world), mac_(std::move(mac)) {}

    /// Somebody answers at `address` of [keep_link] from now on. Until then, and after a reload that says another
    /// address, warnings go without a button.
    void listening(std::string address) { listening_ = std::move(address); }
    const std::string& listening() const { return listening_; }
    bool open() const;
    /// The whole URL, by the `public_url` in force; nullopt when the link has expired or nobody listens.
    std::optional<std::string> sign(const std::string& unsigned_url) const;
    std::optional<KeepLink> read(std::string_view token) const { return read_keep_token(token, mac_); }

private:
    const World& world_;
    KeepMac mac_;
    std::string listening_;
};

/// A channel that shows a button: its parcels carry the signed URL, or none.
class ButtonChannel final : public Channel {
public:
    ButtonChannel(std::shared_ptr<Channel> inner, const KeepSigner& signer)
        : inner_(std::move(inner)), signer_(signer) {}
    const ChannelName& name() const override { return inner_->name(); }
    bool groups() const override { return inner_->groups(); }
    Task<Result<Delivered>> deliver(Parcel parcel, Deadline deadline) override;

private:
    std::shared_ptr<Channel> inner_;
    const KeepSigner& signer_;
};

enum class LinkState : std::uint8_t {
    unknown,  // not one of ours
    ready,    // pressing it keeps
    kept,     // just now
    used,     // before
    expired,
    refused,    // by a limit of keeps, or the run is another or over: `text` says why
    not_taken,  // the database did not take it: it may be pressed again
};
struct LinkAnswer {
    LinkState state = LinkState::unknown;
    std::string name;                // of the resource; its id where nothing is known of it
    Duration length{0};              // of the keep
    std::optional<WallTime> until;   // of the hold that was placed
    std::optional<WallTime> placed;  // when
    std::string text;
};

class KeepLinks {
public:
    KeepLinks(const World& world, const KeepSigner& signer, Holds& holds)
        : world_(world), signer_(signer), holds_(holds) {}

    /// Is it signed by us? Costs nothing but a hash.
    bool known(std::string_view token) const { return signer_.open() && signer_.read(token); }
    /// What pressing would do, as far as it is known before. Changes nothing: previews of links ask it.
    Task<LinkAnswer> look(std::string token);
    /// Places the hold, once.
    Task<LinkAnswer> press(std::string token);

private:
    Task<LinkAnswer> before(std::string token);
    LinkAnswer about(const KeepLink& link) const;

    const World& world_;
    const KeepSigner& signer_;
    Holds& holds_;
    std::set<std::string> under_way_;  // warnings whose link is being pressed
};

}  // namespace curfew
