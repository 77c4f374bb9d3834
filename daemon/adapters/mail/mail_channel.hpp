// Alerts by mail. Each recipient gets a transaction of its own, so that one full mailbox keeps the
// warning from nobody else; who has it already is not written to again while others are tried.
#pragma once

#include "curfew/core/config.hpp"
#include "curfew/core/secret.hpp"
#include "curfew/ports/channel.hpp"
#include "curfew/ports/scheduler.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <optional>
#include <string>

namespace curfew::mail {

class MailChannel final : public Channel {
public:
    /// `host_name` is the right side of Message-IDs and how this host greets. `loop` and `scheduler`
    /// must outlive the channel. Starts one thread.
    MailChannel(const ChannelConfig& config, std::optional<Secret> password, std::string host_name,
                boost::asio::any_io_executor loop, Scheduler& scheduler);
    /// Gives up what is under way and waits for the thread, at most about a second.
    ~MailChannel() override;
    MailChannel(const MailChannel&) = delete;
    MailChannel& operator=(const MailChannel&) = delete;

    const ChannelName& name() const override;
    /// Success once everybody who can be reached by trying again has it, and at least one does; the answer
    /// is the server's last line, and says who was refused. A refusal for good (5xx) of everybody, and an
    /// address that is not one bare address, are Retry::never.
    Task<Result<Delivered>> deliver(Parcel parcel, Deadline deadline) override;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace curfew::mail
