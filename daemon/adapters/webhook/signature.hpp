// Signatures of Standard Webhooks.
#pragma once

#include "curfew/core/error.hpp"
#include "curfew/core/secret.hpp"

#include <string>
#include <string_view>

namespace curfew::webhook {

/// The key of "whsec_" + base64 of 24 to 64 bytes. Errc::invalid otherwise; the text never holds it.
Result<Secret> key_of(const Secret& signing_secret);

/// "v1,…" over id.timestamp.body.
std::string signature_of(const Secret& key, std::string_view id, std::string_view timestamp,
                         std::string_view body);

}  // namespace curfew::webhook
