// docs/messages.md, as the code makes it now.
#pragma once

#include "adapters/mail/compose.hpp"
#include "samples.hpp"

#include <string>

namespace curfew::renderings {

mail::Mail mail_of(const Sample& sample);
std::string page();

}  // namespace curfew::renderings
