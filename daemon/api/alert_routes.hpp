// The routes about alerts, silences, the outbox and channels.
#pragma once

#include "codec.hpp"
#include "curfew/api/api.hpp"

#include <optional>

namespace curfew::api {

class AlertRoutes {
public:
    AlertRoutes(World& world, Control& control, Reporter& reporter)
        : world_(world), control_(control), reporter_(reporter) {}

    /// nullopt: the path is none of these.
    Task<std::optional<Reply>> read(Request request);
    Task<std::optional<Reply>> change(Request request, Json body, Peer peer);

private:
    Task<Reply> alerts(Request request);
    Task<Reply> alert(std::string noun);
    Task<Reply> silences(Request request);
    Task<Reply> outbox(Request request);
    Task<Reply> acknowledge(std::string noun, std::string note, std::string actor);
    Task<Reply> silence(Json body, std::string actor);
    Task<Reply> unsilence(std::string noun, std::string actor);
    Task<Reply> retry(std::string noun, std::string actor);
    Task<Result<std::string>> row_id(std::string noun);
    Task<Reply> test(std::string channel, std::string to, std::string actor);
    Task<Result<Alert>> find_alert(std::string noun);
    Task<Result<SilenceScope>> scope_of(Json body);

    World& world_;
    Control& control_;
    Reporter& reporter_;
};

}  // namespace curfew::api
