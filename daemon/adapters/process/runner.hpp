// Runs a program to its end, on the event loop and without a thread. For the adapters that use programs
// instead of libraries (ssh). Nothing is inherited but PATH and LANG; nothing is left running.
#pragma once

#include "curfew/ports/scheduler.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace curfew::process {

/// Every user of this host can read `argv` (I12): secrets go through a file of mode 0600, `input`, or
/// `environment`.
struct Program {
    std::vector<std::string> argv;                   // argv[0] is an absolute path; no shell takes part
    std::vector<std::string> environment;            // "NAME=value"; these win over PATH and LANG
    std::string folder = "/";                        // that it runs in
    std::string input;                               // its standard input, then the end of it
    bool hold_input = false;                         // the end comes only when it has ended, or we have
    std::size_t output_max = std::size_t{64} << 10;  // more is Errc::too_large, and ends it
    std::size_t errors_max = std::size_t{64} << 10;  // of standard error so much of its end is kept
};

struct Ended {
    int code = -1;   // exit status; -1 when a signal ended it
    int signal = 0;  // that ended it, or 0
    std::string output;
    std::string errors;
};

struct Options {
    Duration grace = seconds{2};     // from SIGTERM to SIGKILL
    Duration drain = Duration{500};  // for what somebody else holds open after its end
    std::size_t at_once = 8;         // programs; more wait for their turn
    std::size_t waiting_max = 256;   // more than these are refused
};

/// The process must ignore SIGPIPE. Programs are reaped through pidfds, so nobody else may wait for any child.
class Runner {
public:
    Runner(boost::asio::any_io_executor loop, Scheduler& scheduler, Options options = {});
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    /// Returns when the program has ended and been reaped, with everything of its process group. Whoever
    /// left the group and holds an output open is waited for no longer than `drain`.
    /// Errors: those of spawn(); timeout at the deadline (SIGTERM to the group, SIGKILL after `grace`, so the
    /// answer may come that much later); too_large; overloaded. A cancelled caller gets `cancelled` at once,
    /// and the group SIGKILL.
    Task<Result<Ended>> run(Program program, Deadline deadline);

private:
    struct Turn;
    Task<Result<void>> wait_for_turn(Deadline deadline);
    void leave();

    boost::asio::any_io_executor loop_;
    Scheduler& scheduler_;
    Options options_;
    std::size_t running_ = 0;
    std::list<std::shared_ptr<Turn>> waiting_;
};

}  // namespace curfew::process
