// A file system of SQLite's in memory. Its files outlive the daemon: a process that dies leaves what it wrote. It can
// be full, and it can fail in a write or a sync.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace curfew::simulation {

class Disk {
public:
    /// Registered with SQLite under `name()` for as long as it lives.
    Disk();
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;
    ~Disk();
    const char* name() const { return name_.c_str(); }

    /// The process is dying: what it still writes never happens.
    void freeze() { frozen_ = true; }
    void thaw() {
        frozen_ = false;
        frozen_after_ = -1;
    }
    /// Called inside the write with which a transaction became one that survives the process.
    void on_durable(std::function<void()> callback) { durable_ = std::move(callback); }
    /// Dies in the middle of a transaction, after so many writes more.
    void freeze_after(std::int64_t writes) { frozen_after_ = writes; }
    bool dying() const { return frozen_after_ >= 0; }
    bool frozen() const { return frozen_; }

    void full(bool is) { full_ = is; }
    bool is_full() const { return full_; }
    /// The next write, or the next sync, fails once.
    void fail_next_write() { bad_writes_ = 1; }
    void fail_next_sync() { bad_syncs_ = 1; }
    bool failing() const { return bad_writes_ + bad_syncs_ > 0; }
    std::int64_t failures() const { return failures_; }
    std::int64_t refusals() const { return refusals_; }
    std::int64_t bytes() const;

private:
    friend struct Vfs;
    struct Bytes {
        std::vector<std::byte> held;
    };
    bool takes_write();

    std::string name_;
    std::map<std::string, std::shared_ptr<Bytes>> files_;
    bool frozen_ = false;
    std::int64_t frozen_after_ = -1;
    bool commit_frame_begun_ = false;
    bool complete_ = false;  // a transaction, in the log
    std::size_t commit_frame_at_ = 0;
    std::function<void()> durable_ = [] {};
    bool full_ = false;
    int bad_writes_ = 0;
    int bad_syncs_ = 0;
    std::int64_t failures_ = 0;
    std::int64_t refusals_ = 0;
    std::unique_ptr<struct VfsHolder> vfs_;
};

}  // namespace curfew::simulation
