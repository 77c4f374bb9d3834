// The provider's series in words, as the history keeps them: "0.31 cores, GPU 12.40 %". One verdict is made of CPU
// and GPU together; the words still tell them apart.
#pragma once

#include <optional>
#include <string_view>

namespace curfew {

/// Did a GPU work at a look with these words? From 5 % on; absent where no GPU was measured.
std::optional<bool> gpu_worked(std::string_view evidence);

}  // namespace curfew
