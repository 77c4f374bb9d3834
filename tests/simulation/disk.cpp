#include "simulation/disk.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace curfew::simulation {

struct VfsHolder {
    sqlite3_vfs vfs{};
};

/// SQLite's C interface to it.
struct Vfs {
    struct File {
        sqlite3_file base;  // first: SQLite sees only this
        Disk* disk;
        std::shared_ptr<Disk::Bytes> bytes;
        std::string path;
        bool log;
        bool passing;  // removed when it is closed
    };
    static Disk& disk(sqlite3_vfs* vfs) { return *static_cast<Disk*>(vfs->pAppData); }
    static File& file(sqlite3_file* f) { return *reinterpret_cast<File*>(f); }

    static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* f, int flags, int* out) {
        Disk& d = disk(vfs);
        const std::string path = name != nullptr ? name : "";
        auto found = d.files_.find(path);
        if (path.empty() || found == d.files_.end()) {
            if ((flags & SQLITE_OPEN_CREATE) == 0) {
                f->pMethods = nullptr;
                return SQLITE_CANTOPEN;
            }
            auto fresh = std::make_shared<Disk::Bytes>();
            if (!path.empty()) {
                d.files_[path] = fresh;
            }
            new (f) File{{}, &d, std::move(fresh), path, false, false};
        } else {
            new (f) File{{}, &d, found->second, path, false, false};
        }
        file(f).log = (flags & SQLITE_OPEN_WAL) != 0;
        file(f).passing = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
        f->pMethods = &methods;
        if (out != nullptr) {
            *out = flags;
        }
        return SQLITE_OK;
    }
    static int remove(sqlite3_vfs* vfs, const char* name, int /*sync*/) {
        if (!disk(vfs).frozen_) {
            disk(vfs).files_.erase(name);
        }
        return SQLITE_OK;
    }
    static int access(sqlite3_vfs* vfs, const char* name, int /*flags*/, int* out) {
        *out = disk(vfs).files_.contains(name) ? 1 : 0;
        return SQLITE_OK;
    }
    static int full_path(sqlite3_vfs* /*vfs*/, const char* name, int size, char* out) {
        sqlite3_snprintf(size, out, "%s", name);
        return SQLITE_OK;
    }
    static int randomness(sqlite3_vfs* /*vfs*/, int size, char* out) {
        // Salts of the log: constant, since each is told from the one before by a counter.
        std::memset(out, 0x5A, static_cast<std::size_t>(size));
        return size;
    }
    static int sleep(sqlite3_vfs* /*vfs*/, int us) { return us; }
    static int time(sqlite3_vfs* /*vfs*/, double* out) {
        *out = 2461000.5;
        return SQLITE_OK;
    }
    static int last_error(sqlite3_vfs* /*vfs*/, int /*size*/, char* /*out*/) { return 0; }

    static int close(sqlite3_file* f) {
        File& it = file(f);
        if (it.passing && !it.disk->frozen_) {
            it.disk->files_.erase(it.path);
        }
        it.~File();
        return SQLITE_OK;
    }
    static int read(sqlite3_file* f, void* out, int size, sqlite3_int64 from) {
        const auto& held = file(f).bytes->held;
        const auto wanted = static_cast<std::size_t>(size);
        const auto at = static_cast<std::size_t>(from);
        const std::size_t there = at < held.size() ? std::min(wanted, held.size() - at) : 0;
        if (there > 0) {
            std::memcpy(out, held.data() + at, there);
        }
        if (there < wanted) {
            std::memset(static_cast<char*>(out) + there, 0, wanted - there);
            return SQLITE_IOERR_SHORT_READ;
        }
        return SQLITE_OK;
    }
    static int write(sqlite3_file* f, const void* data, int size, sqlite3_int64 to) {
        File& it = file(f);
        Disk& d = *it.disk;
        auto& held = it.bytes->held;
        const auto end = static_cast<std::size_t>(to) + static_cast<std::size_t>(size);
        if (!d.takes_write()) {
            // The same page may lie there from before the log began anew: then the transaction is whole without it.
            const bool there = end <= held.size() &&
                               std::memcmp(held.data() + to, data, static_cast<std::size_t>(size)) == 0;
            if (it.log && there) {
                note_frame(d, static_cast<const unsigned char*>(data), size, static_cast<std::size_t>(to));
            } else {
                d.commit_frame_begun_ = d.commit_frame_begun_ && !it.log;
            }
            return SQLITE_OK;
        }
        if (d.full_ && !it.path.empty()) {
            ++d.refusals_;
            return SQLITE_FULL;
        }
        if (d.bad_writes_ > 0 && !it.path.empty()) {
            --d.bad_writes_;
            ++d.failures_;
            return SQLITE_IOERR_WRITE;
        }
        if (end > held.size()) {
            held.resize(end);
        }
        std::memcpy(held.data() + to, data, static_cast<std::size_t>(size));
        if (it.log) {
            note_frame(d, static_cast<const unsigned char*>(data), size, static_cast<std::size_t>(to));
        }
        return SQLITE_OK;
    }
    /// The header of the last frame of a transaction holds the size of the database; its page follows.
    static void note_frame(Disk& d, const unsigned char* data, int size, std::size_t to) {
        if (size == 24) {
            d.commit_frame_begun_ = (data[4] | data[5] | data[6] | data[7]) != 0;
            d.commit_frame_at_ = to;
        } else if (std::exchange(d.commit_frame_begun_, false)) {
            d.complete_ = true;
        }
    }
    static int truncate(sqlite3_file* f, sqlite3_int64 size) {
        if (!file(f).disk->frozen_) {
            file(f).bytes->held.resize(static_cast<std::size_t>(size));
        }
        return SQLITE_OK;
    }
    static int sync(sqlite3_file* f, int /*flags*/) {
        File& it = file(f);
        Disk& d = *it.disk;
        if (d.bad_syncs_ > 0 && it.log && d.complete_ && !d.frozen_) {
            --d.bad_syncs_;
            ++d.failures_;
            d.complete_ = false;  // what was not synced is lost, and the kernel says so only once
            std::memset(it.bytes->held.data() + d.commit_frame_at_, 0, 24);
            return SQLITE_IOERR_FSYNC;
        }
        if (it.log && std::exchange(d.complete_, false)) {
            d.durable_();
        }
        return SQLITE_OK;
    }
    static int size(sqlite3_file* f, sqlite3_int64* out) {
        *out = static_cast<sqlite3_int64>(file(f).bytes->held.size());
        return SQLITE_OK;
    }
    static int lock(sqlite3_file* /*f*/, int /*level*/) { return SQLITE_OK; }
    static int reserved(sqlite3_file* /*f*/, int* out) {
        *out = 0;
        return SQLITE_OK;
    }
    static int control(sqlite3_file* /*f*/, int /*op*/, void* /*arg*/) { return SQLITE_NOTFOUND; }
    static int sector(sqlite3_file* /*f*/) { return 4096; }
    static int traits(sqlite3_file* /*f*/) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

    static const sqlite3_io_methods methods;
};

const sqlite3_io_methods Vfs::methods = {
    .iVersion = 1,
    .xClose = Vfs::close,
    .xRead = Vfs::read,
    .xWrite = Vfs::write,
    .xTruncate = Vfs::truncate,
    .xSync = Vfs::sync,
    .xFileSize = Vfs::size,
    .xLock = Vfs::lock,
    .xUnlock = Vfs::lock,
    .xCheckReservedLock = Vfs::reserved,
    .xFileControl = Vfs::control,
    .xSectorSize = Vfs::sector,
    .xDeviceCharacteristics = Vfs::traits,
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

bool Disk::takes_write() {
    if (!frozen_ && frozen_after_ >= 0 && frozen_after_-- == 0) {
        frozen_ = true;
    }
    return !frozen_;
}

Disk::Disk() : vfs_(std::make_unique<VfsHolder>()) {
    static std::int64_t number = 0;
    name_ = "curfew-memory-" + std::to_string(++number);
    sqlite3_vfs& vfs = vfs_->vfs;
    vfs.iVersion = 1;
    vfs.szOsFile = sizeof(Vfs::File);
    vfs.mxPathname = 512;
    vfs.zName = name_.c_str();
    vfs.pAppData = this;
    vfs.xOpen = Vfs::open;
    vfs.xDelete = Vfs::remove;
    vfs.xAccess = Vfs::access;
    vfs.xFullPathname = Vfs::full_path;
    vfs.xRandomness = Vfs::randomness;
    vfs.xSleep = Vfs::sleep;
    vfs.xCurrentTime = Vfs::time;
    vfs.xGetLastError = Vfs::last_error;
    sqlite3_vfs_register(&vfs, 0);
}

Disk::~Disk() {
    sqlite3_vfs_unregister(&vfs_->vfs);
}

std::int64_t Disk::bytes() const {
    std::int64_t sum = 0;
    for (const auto& [path, file] : files_) {
        sum += static_cast<std::int64_t>(file->held.size());
    }
    return sum;
}

}  // namespace curfew::simulation
