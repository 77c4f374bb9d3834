// A message as a Standard Webhooks event: its JSON, its signing key and its signature.
#pragma once

#include "curfew/core/alert.hpp"
#include "curfew/core/error.hpp"
#include "curfew/core/secret.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace curfew::webhook {

constexpr std::size_t payload_bytes_max = 20'000;

/// {"type", "timestamp", "data"}, always shorter than `payload_bytes_max`: paragraphs are cut from the
/// end, and the last one then says so.
std::string payload_of(const Message& message);

/// The key of "whsec_" + base64 of 24 to 64 bytes. Errc::invalid otherwise; the text never holds it.
Result<Secret> key_of(const Secret& signing_secret);

/// "v1,…" over id.timestamp.body.
std::string signature_of(const Secret& key, std::string_view id, std::string_view timestamp,
                         std::string_view body);

}  // namespace curfew::webhook
