// The routes about money.
#pragma once

#include "codec.hpp"
#include "curfew/api/api.hpp"

#include <optional>

namespace curfew::api {

class MoneyRoutes {
public:
    MoneyRoutes(World& world, Control& control, Reporter& reporter, MoneyReporter& money)
        : world_(world), control_(control), reporter_(reporter), money_(money) {}

    /// nullopt: the path is none of these.
    Task<std::optional<Reply>> read(Request request);
    /// PUT and DELETE of /v1/budgets/NAME.
    Task<Reply> change(Request request, Peer peer);

private:
    Task<Reply> spend(Request request);
    Task<Reply> advice(Request request);
    Task<Reply> set_budget(std::string name, Json given, std::string actor);
    Task<Reply> focus(Request request);

    World& world_;
    Control& control_;
    Reporter& reporter_;
    MoneyReporter& money_;
};

}  // namespace curfew::api
