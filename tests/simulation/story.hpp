// What a seed makes of a world: the configuration and how it changes, the fleet, the habits of its users, and how much
// goes wrong.
#pragma once

#include "curfew/core/config.hpp"
#include "curfew/core/price_book.hpp"
#include "simulation/fleet.hpp"
#include "simulation/stage.hpp"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace curfew::simulation {

/// A line of the table of prices.
struct PriceRow {
    std::string machine_type;
    Money per_hour;
    std::optional<WallTime> since = {};  // nullopt = it has held all along
};

struct Story {
    Config config;
    std::vector<PriceRow> table;  // what Curfew can know of prices
    std::set<std::string>
        own;  // types whose price the user's own file says; the shipped table is wrong of them
    std::vector<std::string> types;  // machine types
    std::map<std::string, Money> rates;
    std::vector<SimResource> resources;
    struct AccountTraits {
        bool reports_ends = true;
        bool reports_money = false;
        bool lists_prices = false;
        std::int64_t odd_ends = 0;  // ppm
    };
    std::map<AccountName, AccountTraits> accounts;
    Rates rates_of_faults;
    bool calm_user = false;
    Duration chaos{0};
    Duration calm{0};
    /// Mean pauses between things that happen to the whole; zero = never.
    Duration crash_every{0};
    Duration reboot_every{0};
    Duration suspend_every{0};
    Duration clock_every{0};
    Duration disk_every{0};
    Duration outage_every{0};
    Duration key_every{0};
    Duration receiver_every{0};
    Duration reload_every{0};
    Duration operator_every{0};
    Duration vanish_every{0};
    Duration mend_every{0};
    Duration spell_every{0};
    Duration price_every{0};
    Duration leave_every{0};
    Duration dead_channel{0};  // one channel is away for so long
    Duration wipe_every{0};    // somebody deletes most of what he has
    Duration move_every{0};    // what runs goes on on another machine type
    std::int64_t moves = 0;    // ppm: it is started on another
    Duration hasty_every{0};   // somebody starts a machine and changes his mind
    Duration clock_off{0};     // of our wall clock, from the beginning
    /// ppm: two things that Curfew has to keep apart come at once.
    std::int64_t coincidences = 0;

    /// The two files that Curfew reads.
    PriceTables prices() const;
};

/// `large`: what a lab has, hundreds of them, polled seldom.
Story draw_story(const Dice& seed, WallTime begins, bool faults, bool crashes, bool large);

/// Another configuration that a person could have made of it.
void change_config(Config& config, Dice& dice);

/// "NAME AMOUNT KIND ACTION": the document of a budget. The real parser is an adapter's.
std::string budget_document(const Budget& budget);
Result<Budget> parse_budget(const std::string& document, const Config& config);

}  // namespace curfew::simulation
