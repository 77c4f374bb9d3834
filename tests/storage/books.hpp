// The real store on a disk in memory, inside its caller.
#pragma once

#include "adapters/sqlite/store.hpp"
#include "storage/disk.hpp"
#include "support/folder.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace curfew::storage {

/// Only the lock file, and what is suspected, is really there.
struct Folder : support::Folder {
    Folder() : support::Folder("storage") {}
    std::string database() const { return path + "/curfew.db"; }
};

/// A life of the store, one step after the other.
class Books {
public:
    Books(const Vfs& vfs, std::string path, const char* synchronous = "FULL")
        : setup_{.vfs = vfs.name(), .own_thread = false, .synchronous = synchronous, .log_pages_max = 24},
          path_(std::move(path)) {}

    Result<void> open() {
        auto opened = sqlite::open(
            path_, io_.get_executor(), [this](const std::string& text) { fatal_.push_back(text); }, setup_);
        if (!opened) {
            return std::unexpected(opened.error());
        }
        store_ = std::move(opened->store);
        return opened->recovered.empty() ? Result<void>{} : fail(Errc::corrupt, opened->recovered);
    }
    Store& store() { return *store_; }
    const std::vector<std::string>& fatal() const { return fatal_; }
    template <class T>
    T run(Task<T> task) {
        std::optional<T> out;
        boost::asio::co_spawn(io_, std::move(task), [&](const std::exception_ptr& bug, T value) {
            if (bug) {
                std::rethrow_exception(bug);
            }
            out = std::move(value);
        });
        io_.restart();
        io_.run();
        return std::move(out.value());
    }

private:
    boost::asio::io_context io_;
    sqlite::Setup setup_;
    std::string path_;
    std::vector<std::string> fatal_;
    std::unique_ptr<Store> store_;
};

}  // namespace curfew::storage
