// A message as the one record that programs get, whatever envelope it comes in.
#pragma once

#include "curfew/ports/channel.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <functional>
#include <string>

namespace curfew::webhook {

constexpr std::size_t payload_bytes_max = 20'000;

/// "curfew.stop_warning", ….
std::string type_of(const Message& message);

using Envelope = std::function<nlohmann::ordered_json(nlohmann::ordered_json record)>;
/// The record in its envelope, always shorter than `payload_bytes_max`: paragraphs are cut from the end, and the last
/// one then says so.
std::string payload_of(const Parcel& parcel, const Envelope& envelope);

}  // namespace curfew::webhook
