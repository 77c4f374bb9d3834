#include "adapters/config/credits.hpp"

#include "adapters/config/build.hpp"

#include <utility>

namespace curfew::config {

std::vector<Credit> credits_of(const std::vector<Block>& blocks, const Zone& zone, Faults& faults) {
    std::vector<Credit> credits;
    for (const Block& block : blocks) {
        Credit credit{.name = block.text("name"),
                      .amount = block.get<Money>("amount"),
                      .accounts = block.list("accounts"),
                      .from = {},
                      .until = {}};
        const auto from = moment_of(block, "from", zone, faults);
        const auto until = moment_of(block, "until", zone, faults);
        if (block.given("amount") && credit.amount.nanos < 0) {
            faults.add(block.place_of("amount"), "`amount` must be above 0");
        }
        if (from && until && *from >= *until) {
            faults.add(block.place_of("until"), "`until` must be later than `from`");
        }
        if (from && until) {
            credit.from = *from;
            credit.until = *until;
            credits.push_back(std::move(credit));
        }
    }
    return credits;
}

}  // namespace curfew::config
