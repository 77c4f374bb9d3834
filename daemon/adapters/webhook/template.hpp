// Bodies of a user's own making: mustache over the fields of a message.
//
// Where the body is JSON, every value is escaped as the inside of a JSON string, in {{name}} and {{{name}}} alike, so
// that no name of a guest leaves its quotes; where it is HTML or XML, for those; where it is a form, in percent;
// elsewhere not at all. What a message does not have is false, so that {{#stops_at}} … {{/stops_at}} asks for it.
#pragma once

#include "adapters/webhook/target.hpp"

#include <memory>
#include <string>

namespace curfew::webhook {

/// Errc::invalid, in words, for a template that does not parse, names what there is not, or whose body would be no
/// JSON where JSON was promised: it is tried with a message that has everything, with one that has nothing, and with
/// names that are hard to write.
Result<std::unique_ptr<Target>> template_target(std::string text, std::string content_type);

}  // namespace curfew::webhook
