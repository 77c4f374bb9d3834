// Public host keys as a configuration may write them.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace curfew::config {

/// "TYPE BASE64" of a line such as ssh_host_ed25519_key.pub holds, its comment left out. The error says what
/// is wrong: an unknown type, a name in front as ssh-keyscan prints it, or bytes that are no key of that type.
std::expected<std::string, std::string> plain_host_key(std::string_view text);

}  // namespace curfew::config
