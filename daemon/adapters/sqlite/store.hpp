// The Store on SQLite: one connection, exclusive, on one thread of its own; WAL with synchronous=FULL, so
// that a commit that succeeded is on disk. The file is created 0600; a lock file beside it keeps a second
// daemon out for as long as this one lives.
#pragma once

#include "curfew/ports/scheduler.hpp"
#include "curfew/ports/store.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <string>

namespace curfew::sqlite {

/// What the product never changes; proofs of it do.
struct Setup {
    /// SQLite's name of the file system below it; nullptr = the machine's own.
    const char* vfs = nullptr;
    /// False: every job runs inside its call and nothing of it by itself, so that the order is the caller's.
    /// There is no daily copy then.
    bool own_thread = true;
    /// Weaker than FULL loses what was acknowledged: only for the tests that must notice that.
    const char* synchronous = "FULL";
    /// So many pages in the log are written back to their place.
    int log_pages_max = 1000;
    /// Without a thread: every job runs inside of this, which may measure it.
    std::function<void(const std::function<void()>& job)> around = {};
};

struct Opened {
    std::unique_ptr<Store> store;
    /// Not empty: the database was damaged and was moved aside; says where to and what it went on from.
    std::string recovered;
};

/// Opens or creates. Blocks; at start only. Errors:
///   locked    another daemon holds it (the text names its process)
///   invalid   not a database of Curfew, or written by a newer version
///   disk_full, disk
/// `on_fatal` is called on the loop when the disk failed in a way after which nothing may be trusted.
Result<Opened> open(const std::string& path, boost::asio::any_io_executor loop,
                    std::function<void(const std::string&)> on_fatal, const Setup& setup = {});

}  // namespace curfew::sqlite
