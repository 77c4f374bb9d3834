// The keys of [[credit]] and [money].
#pragma once

#include "adapters/config/schema.hpp"

namespace curfew::config {

inline constexpr Key credit_keys[] = {
    {.name = "name",
     .type = Type::name,
     .required = true,
     .sample = R"("welcome")",
     .help = "Your name for the credit."},
    {.name = "amount",
     .type = Type::money,
     .required = true,
     .sample = R"("15.00")",
     .help = "US dollars, in quotes so that they stay exact."},
    {.name = "from",
     .type = Type::moment,
     .required = true,
     .sample = R"("2026-11-01")",
     .help = "From when it pays: a date of the timezone of [daemon], or a time with its zone."},
    {.name = "until",
     .type = Type::moment,
     .required = true,
     .sample = R"("2027-01-01")",
     .help = "Until when; what is left then is lost."},
    {.name = "accounts",
     .type = Type::globs,
     .standard = "[]",
     .sample = R"(["main"])",
     .help = "Names of the accounts that it pays for; all when left out."},
};

inline constexpr Key money_keys[] = {
    {.name = "burn_factor",
     .type = Type::integer,
     .standard = "3",
     .low = "0",
     .high = "100",
     .help = "An account is alarming when an hour costs more than so many times the usual one, which is the "
             "median of the hours with cost of the last 7 days. 0 switches the alarm off."},
    {.name = "burn_for",
     .type = Type::duration,
     .standard = R"("30m")",
     .low = "1m",
     .high = "24h",
     .help = "For how long, before anybody is told."},
};

}  // namespace curfew::config
