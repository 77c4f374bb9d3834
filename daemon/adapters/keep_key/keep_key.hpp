// The key that signs keep links: a file of the state folder that the daemon makes once, for itself.
#pragma once

#include "curfew/core/error.hpp"
#include "curfew/core/keep_link.hpp"
#include "curfew/core/secret.hpp"
#include "curfew/ports/entropy.hpp"

#include <string>

namespace curfew::keep_key {

/// Makes the file, readable by its owner alone, whole or not at all; one that is there stays. It is one line of 64
/// hex digits. Whoever removes it makes every link void that was sent.
Result<void> make(const std::string& path, Entropy& entropy);

/// HMAC-SHA256 by what the file holds.
KeepMac mac_by(Secret key);

}  // namespace curfew::keep_key
