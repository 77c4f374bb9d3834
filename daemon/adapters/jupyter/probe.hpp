// Runs a probe's script at a Jupyter server: through a terminal of our own, or through a kernel of our own
// where terminals are switched off. Never in anything of the user's.
//
// What it moves (measured on notebook 6.4.12 and jupyter_server 1.23.3): the server's own last_activity, by
// opening and using what is ours; `Own` remembers when, so that no look takes that for use. It moves no
// other kernel's and no other terminal's clock. Nothing is left: no terminal, no kernel, no file, no line in
// bash's or IPython's history (terminal.hpp names two shells where one line may stay). Starting any kernel
// opens IPython's history.sqlite, without a line of ours, and makes its profile folder where there is none.
//
// Bytes that are no UTF-8 come as U+FFFD: the server makes text of them before we see them.
#pragma once

#include "adapters/jupyter/link.hpp"
#include "adapters/jupyter/own.hpp"
#include "curfew/ports/guest.hpp"

#include <memory>

namespace curfew::jupyter {

constexpr std::size_t script_bytes_max = std::size_t{64} << 10;

/// See Guest::probe. What was opened is removed after at most `removal_max`, which may be after the
/// deadline; when the caller is cancelled, too.
constexpr Duration removal_max = seconds{15};
Task<Result<ProbeAnswer>> run_probe(Link link, std::shared_ptr<Own> own, RunId run, ProbeScript script,
                                    Deadline deadline);

}  // namespace curfew::jupyter
