// The text files of a snapshot.
#pragma once

#include "curfew/core/receipt.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace curfew::vault {

/// One JSON object per line.
std::string manifest_text(const std::vector<ManifestEntry>& entries);
Result<std::vector<ManifestEntry>> parse_manifest(std::string_view text, const std::string& where);
/// Schema curfew.receipt/1, for people and programs.
std::string receipt_text(const Receipt& receipt);
/// The run that a receipt.json is of; empty when it cannot be read.
std::string run_of_receipt(std::string_view text);
/// "2026-11-23T031500Z-7f3a9c…", of when the pack began.
std::string snapshot_name(const Receipt& receipt);

}  // namespace curfew::vault
