// The keys of [keep_link].
#pragma once

#include "adapters/config/schema.hpp"

namespace curfew::config {

inline constexpr Key keep_link_keys[] = {
    {.name = "listen",
     .type = Type::endpoint,
     .unset = "none: warnings have no button",
     .sample = R"("127.0.0.1:8123")",
     .help = "A loopback or private address and a port of this host. What comes there is answered without "
             "encryption, so a reverse proxy stands in front of it and does TLS; it has to pass on the Host "
             "that it was asked for. Another address holds after a restart."},
    {.name = "public_url",
     .type = Type::url,
     .unset = "none",
     .sample = R"("https://curfew.example.com")",
     .help = "How a phone reaches it: scheme and host, with the port where it is not the usual one."},
    {.name = "plain_http",
     .type = Type::boolean,
     .standard = "false",
     .help = "Links may go unencrypted over your own network: public_url may begin with http://, and listen "
             "need not be loopback. Who can read along can press them first."},
    {.name = "length",
     .type = Type::duration,
     .standard = R"("1h")",
     .low = "10m",
     .high = "12h",
     .help = "How long a press keeps it; all limits of [keep] and hard budgets hold for it as well."},
};

}  // namespace curfew::config
