// Messages and receipts as JSON text in their columns.
#pragma once

#include "curfew/core/alert.hpp"
#include "curfew/core/receipt.hpp"
#include "curfew/core/silence.hpp"

#include <string>

namespace curfew::sqlite {

std::string to_document(const Message& message);
/// Errc::corrupt when it is not one of ours.
Result<Message> message_from(const std::string& document);
/// What an alert has beside its columns.
std::string rest_of(const Alert& alert);
Result<void> read_rest(Alert& alert, const std::string& document);
std::string to_document(const SilenceScope& scope);
Result<SilenceScope> scope_from(const std::string& document);
std::string to_document(const Receipt& receipt);
Result<Receipt> receipt_from(const std::string& document);

}  // namespace curfew::sqlite
