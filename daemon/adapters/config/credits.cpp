#include "adapters/config/credits.hpp"

#include "adapters/config/build.hpp"
#include "curfew/core/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace curfew::config {

namespace {

constexpr std::int64_t day_ms = 86'400'000;

std::optional<WallTime> moment_of(const Block& block, std::string_view key, const Zone& zone,
                                  Faults& faults) {
    const std::string text = block.text(key);
    if (text.empty()) {
        return std::nullopt;  // missing, or at fault itself
    }
    if (const auto date = parse_date(text)) {
        return zone.from_local(days_from_civil(*date) * day_ms);
    }
    const auto time = parse_wall_time(text);
    if (!time) {
        faults.add(block.place_of(key),
                   fmt::format("`{}`: {}; write a date like 2026-11-01, or a time with its zone", key,
                               shown(time.error().text, 200)));
        return std::nullopt;
    }
    return *time;
}

}  // namespace

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
