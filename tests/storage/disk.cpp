#include "storage/disk.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

namespace curfew::storage {

namespace {

constexpr std::int64_t sector = 512;

}  // namespace

std::uint64_t Dice::next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EB;
    return z ^ (z >> 31U);
}

// ---- bytes -----------------------------------------------------------------------------------------

Image::Page& Image::own(std::size_t index) {
    std::shared_ptr<Page>& page = pages_[index];
    if (page == nullptr) {
        page = std::make_shared<Page>();
        page->fill('\0');
    } else if (page.use_count() > 1) {
        page = std::make_shared<Page>(*page);
    }
    return *page;
}

void Image::read(std::int64_t offset, char* into, std::int64_t count) const {
    while (count > 0) {
        const auto index = static_cast<std::size_t>(offset / page_size);
        const std::int64_t within = offset % page_size;
        const std::int64_t part = std::min(count, page_size - within);
        const bool there = index < pages_.size() && pages_[index] != nullptr;
        if (there) {
            std::memcpy(into, pages_[index]->data() + within, static_cast<std::size_t>(part));
        } else {
            std::memset(into, 0, static_cast<std::size_t>(part));
        }
        into += part;
        offset += part;
        count -= part;
    }
}

void Image::write(std::int64_t offset, const char* bytes, std::int64_t count) {
    if (offset + count > size_) {
        resize(offset + count);
    }
    while (count > 0) {
        const std::int64_t within = offset % page_size;
        const std::int64_t part = std::min(count, page_size - within);
        std::memcpy(own(static_cast<std::size_t>(offset / page_size)).data() + within, bytes,
                    static_cast<std::size_t>(part));
        bytes += part;
        offset += part;
        count -= part;
    }
}

void Image::resize(std::int64_t size) {
    pages_.resize(static_cast<std::size_t>((size + page_size - 1) / page_size));
    // What lies behind the end is zero, should it ever grow again.
    if (size < size_ && size % page_size != 0 && pages_.back() != nullptr) {
        Page& last = own(pages_.size() - 1);
        std::fill(last.begin() + size % page_size, last.end(), '\0');
    }
    size_ = size;
}

bool Image::operator==(const Image& other) const {
    static const Page zeros{};
    if (size_ != other.size_) {
        return false;
    }
    for (std::size_t i = 0; i < pages_.size(); ++i) {
        if (pages_[i] == other.pages_[i]) {
            continue;
        }
        const Page& mine = pages_[i] == nullptr ? zeros : *pages_[i];
        const Page& theirs = other.pages_[i] == nullptr ? zeros : *other.pages_[i];
        if (std::memcmp(mine.data(), theirs.data(), mine.size()) != 0) {
            return false;
        }
    }
    return true;
}

// ---- the disk --------------------------------------------------------------------------------------

std::string_view to_string(Call call) {
    switch (call) {
        case Call::read:
            return "read";
        case Call::write:
            return "write";
        case Call::sync:
            return "sync";
        case Call::truncate:
            return "truncate";
        case Call::open:
            return "open";
        case Call::remove:
            return "remove";
        case Call::look:
            break;
    }
    return "look";
}

Disk::Disk(Files files) {
    for (auto& [name, image] : files) {
        names_[name] = static_cast<int>(nodes_.size());
        nodes_.push_back({std::move(image), false});
    }
}

Files Disk::files() const {
    Files files;
    for (const auto& [name, node] : names_) {
        files[name] = nodes_[static_cast<std::size_t>(node)].image;
    }
    return files;
}

void Disk::flip(const std::string& name, std::int64_t bit) {
    Image& image = nodes_[static_cast<std::size_t>(names_.at(name))].image;
    char byte = 0;
    image.read(bit / 8, &byte, 1);
    byte = static_cast<char>(byte ^ (1 << (bit % 8)));
    image.write(bit / 8, &byte, 1);
}

void Disk::put(Operation operation) {
    if (log_ != nullptr) {
        log_->push_back(std::move(operation));
    }
}

void Disk::mark(std::int64_t number) {
    put({.kind = Operation::Kind::mark, .node = 0, .name = {}, .offset = number, .bytes = {}});
}

bool Disk::strikes(Call call) {
    if (fault_.full && call != Call::write) {
        return false;
    }
    ++calls_;
    const bool struck = fault_.at > 0 && (calls_ == fault_.at || (fault_.sticky && calls_ > fault_.at));
    if (struck && failed_++ == 0) {
        first_failed_ = call;
    }
    return struck;
}

int Disk::open(const std::string& name, bool create, bool journal, int& node) {
    if (strikes(Call::open)) {
        return SQLITE_CANTOPEN;
    }
    const auto known = names_.find(name);
    if (!name.empty() && known != names_.end()) {
        node = known->second;
        return SQLITE_OK;
    }
    if (!create) {
        return SQLITE_CANTOPEN;
    }
    node = static_cast<int>(nodes_.size());
    nodes_.push_back({{}, journal});
    if (!name.empty()) {
        names_[name] = node;
        put({.kind = Operation::Kind::create, .node = node, .name = name, .bytes = {}});
    }
    return SQLITE_OK;
}

int Disk::remove(const std::string& name, bool sync_folder) {
    if (strikes(Call::remove)) {
        return SQLITE_IOERR_DELETE;
    }
    if (names_.erase(name) == 0) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    put({.kind = Operation::Kind::remove, .node = 0, .name = name, .bytes = {}});
    if (sync_folder) {
        put({.kind = Operation::Kind::sync, .node = -1, .name = {}, .bytes = {}, .folder = true});
    }
    return SQLITE_OK;
}

int Disk::exists(const std::string& name, bool& is) {
    if (strikes(Call::look)) {
        return SQLITE_IOERR_ACCESS;
    }
    is = names_.contains(name);
    return SQLITE_OK;
}

int Disk::read(int node, std::int64_t offset, char* into, std::int64_t count) {
    if (strikes(Call::read)) {
        return SQLITE_IOERR_READ;
    }
    const Image& image = nodes_[static_cast<std::size_t>(node)].image;
    image.read(offset, into, count);
    return offset + count <= image.size() ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int Disk::write(int node, std::int64_t offset, const char* bytes, std::int64_t count) {
    const bool struck = strikes(Call::write);
    if (struck) {
        count /= 2;  // some of it was written
    }
    nodes_[static_cast<std::size_t>(node)].image.write(offset, bytes, count);
    put({.kind = Operation::Kind::write,
         .node = node,
         .name = {},
         .offset = offset,
         .bytes = {bytes, static_cast<std::size_t>(log_ != nullptr ? count : 0)}});
    return !struck ? SQLITE_OK : fault_.full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

int Disk::truncate(int node, std::int64_t size) {
    if (strikes(Call::truncate)) {
        return SQLITE_IOERR_TRUNCATE;
    }
    nodes_[static_cast<std::size_t>(node)].image.resize(size);
    put({.kind = Operation::Kind::resize, .node = node, .name = {}, .offset = size, .bytes = {}});
    return SQLITE_OK;
}

int Disk::sync(int node) {
    if (strikes(Call::sync)) {
        return SQLITE_IOERR_FSYNC;
    }
    const bool folder = std::exchange(nodes_[static_cast<std::size_t>(node)].new_name, false);
    put({.kind = Operation::Kind::sync, .node = node, .name = {}, .bytes = {}, .folder = folder});
    return SQLITE_OK;
}

int Disk::size(int node, std::int64_t& size) {
    if (strikes(Call::look)) {
        return SQLITE_IOERR_FSTAT;
    }
    size = nodes_[static_cast<std::size_t>(node)].image.size();
    return SQLITE_OK;
}

// ---- the power's going -----------------------------------------------------------------------------

PowerCut::PowerCut(const Files& before, const Log& log) : log_(log) {
    // As `Disk` numbers them.
    for (const auto& [name, image] : before) {
        const int node = static_cast<int>(names_.size());
        names_[name] = node;
        images_[node] = image;
    }
}

bool PowerCut::step() {
    const Operation& operation = log_[at_++];
    switch (operation.kind) {
        case Operation::Kind::create:
            unsynced_names_.push_back({operation.name, operation.node});
            break;
        case Operation::Kind::remove:
            unsynced_names_.push_back({operation.name, -1});
            break;
        case Operation::Kind::write:
        case Operation::Kind::resize:
            unsynced_[operation.node].push_back(&operation);
            break;
        case Operation::Kind::sync:
            for (const Operation* done : unsynced_[operation.node]) {
                Image& image = images_[operation.node];
                if (done->kind == Operation::Kind::resize) {
                    image.resize(done->offset);
                } else {
                    image.write(done->offset, done->bytes.data(),
                                static_cast<std::int64_t>(done->bytes.size()));
                }
            }
            unsynced_.erase(operation.node);
            if (operation.folder) {
                for (const Rename& rename : std::exchange(unsynced_names_, {})) {
                    if (rename.node < 0) {
                        names_.erase(rename.name);
                    } else {
                        names_[rename.name] = rename.node;
                    }
                }
            }
            break;
        case Operation::Kind::mark:
            mark_ = operation.offset;
            return true;
    }
    return false;
}

Files PowerCut::cut(Dice& dice) const {
    // How the rest fares: none of it, all of it, a part in order, or any part.
    const std::uint64_t fate = dice.roll(8);
    const std::uint64_t kept_of_16 = fate == 0 ? 0 : fate == 1 ? 16 : 1 + dice.roll(15);
    const bool in_order = fate == 2 || fate == 3;
    const bool garbage = fate >= 6;
    const auto kept = [&] { return dice.roll(16) < kept_of_16; };

    std::map<std::string, int> names = names_;
    std::set<std::string> lost;  // what is behind a lost change of the same name is lost too
    for (const Rename& rename : unsynced_names_) {
        if (lost.contains(rename.name) || !kept()) {
            lost.insert(rename.name);
        } else if (rename.node < 0) {
            names.erase(rename.name);
        } else {
            names[rename.name] = rename.node;
        }
    }
    Files files;
    for (const auto& [name, node] : names) {
        const auto durable = images_.find(node);
        Image image = durable == images_.end() ? Image{} : durable->second;
        const auto rest = unsynced_.find(node);
        if (rest != unsynced_.end()) {
            std::size_t left = rest->second.size();
            left = in_order ? dice.roll(left + 1) : left;
            for (const Operation* operation : rest->second) {
                const bool last = left == 1;
                if (left-- == 0) {
                    break;
                }
                if (operation->kind == Operation::Kind::resize) {
                    if (in_order || kept()) {
                        image.resize(operation->offset);
                    }
                    continue;
                }
                const auto size = static_cast<std::int64_t>(operation->bytes.size());
                for (std::int64_t from = 0; from < size;) {
                    // Sectors lie where the disk has them.
                    const std::int64_t place = operation->offset + from;
                    const std::int64_t part = std::min(size - from, sector - place % sector);
                    if (in_order && !last ? true : kept()) {
                        image.write(place, operation->bytes.data() + from, part);
                    } else if (garbage && dice.roll(16) == 0) {
                        const std::string noise(static_cast<std::size_t>(part),
                                                static_cast<char>(dice.next()));
                        image.write(place, noise.data(), part);
                    }
                    from += part;
                }
            }
        }
        files[name] = std::move(image);
    }
    return files;
}

// ---- SQLite's way to it ----------------------------------------------------------------------------

namespace {

struct OpenFile {
    sqlite3_file base;
    Disk* disk;
    int node;
};

OpenFile& of(sqlite3_file* file) {
    return *reinterpret_cast<OpenFile*>(file);
}
Vfs& of(sqlite3_vfs* vfs) {
    return *static_cast<Vfs*>(vfs->pAppData);
}

int close(sqlite3_file*) {
    return SQLITE_OK;
}
int read(sqlite3_file* file, void* into, int count, sqlite3_int64 offset) {
    return of(file).disk->read(of(file).node, offset, static_cast<char*>(into), count);
}
int write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
    return of(file).disk->write(of(file).node, offset, static_cast<const char*>(bytes), count);
}
int truncate(sqlite3_file* file, sqlite3_int64 size) {
    return of(file).disk->truncate(of(file).node, size);
}
int sync(sqlite3_file* file, int) {
    return of(file).disk->sync(of(file).node);
}
int size(sqlite3_file* file, sqlite3_int64* size) {
    std::int64_t bytes = 0;
    const int code = of(file).disk->size(of(file).node, bytes);
    *size = bytes;
    return code;
}
int lock(sqlite3_file*, int) {
    return SQLITE_OK;
}
int reserved(sqlite3_file*, int* held) {
    *held = 0;
    return SQLITE_OK;
}
int control(sqlite3_file*, int, void*) {
    return SQLITE_NOTFOUND;
}
// What the machine's own file systems say by default.
int sector_size(sqlite3_file*) {
    return 4096;
}
int characteristics(sqlite3_file*) {
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

const sqlite3_io_methods methods{.iVersion = 1,  // no shared memory: the connection is exclusive
                                 .xClose = close,
                                 .xRead = read,
                                 .xWrite = write,
                                 .xTruncate = truncate,
                                 .xSync = sync,
                                 .xFileSize = size,
                                 .xLock = lock,
                                 .xUnlock = lock,
                                 .xCheckReservedLock = reserved,
                                 .xFileControl = control,
                                 .xSectorSize = sector_size,
                                 .xDeviceCharacteristics = characteristics,
                                 .xShmMap = nullptr,
                                 .xShmLock = nullptr,
                                 .xShmBarrier = nullptr,
                                 .xShmUnmap = nullptr,
                                 .xFetch = nullptr,
                                 .xUnfetch = nullptr};

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* flags_out) {
    OpenFile& opened = of(file);
    opened.base.pMethods = nullptr;
    opened.disk = &of(vfs).disk();
    const bool journal = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    const int code = opened.disk->open(name != nullptr ? name : "", (flags & SQLITE_OPEN_CREATE) != 0,
                                       journal, opened.node);
    if (code == SQLITE_OK) {
        opened.base.pMethods = &methods;
    }
    if (flags_out != nullptr) {
        *flags_out = flags;
    }
    return code;
}
int remove_file(sqlite3_vfs* vfs, const char* name, int sync_folder) {
    return of(vfs).disk().remove(name, sync_folder != 0);
}
int look_for(sqlite3_vfs* vfs, const char* name, int, int* found) {
    bool is = false;
    const int code = of(vfs).disk().exists(name, is);
    *found = is ? 1 : 0;
    return code;
}
int full_path(sqlite3_vfs*, const char* name, int room, char* into) {
    sqlite3_snprintf(room, into, "%s", name);
    return SQLITE_OK;
}
int no_noise(sqlite3_vfs*, int count, char* into) {
    std::memset(into, 7, static_cast<std::size_t>(count));
    return count;
}
int no_sleep(sqlite3_vfs*, int) {
    return 0;
}
int one_time(sqlite3_vfs*, sqlite3_int64* now) {
    *now = 213'000'000'000'000;
    return SQLITE_OK;
}
int one_day(sqlite3_vfs*, double* now) {
    *now = 2'465'277.0;
    return SQLITE_OK;
}
int last_error(sqlite3_vfs*, int, char*) {
    return 0;
}

}  // namespace

Vfs::Vfs(std::string name) : name_(std::move(name)), vfs_(std::make_unique<sqlite3_vfs>()) {
    *vfs_ = {};
    vfs_->iVersion = 2;
    vfs_->szOsFile = sizeof(OpenFile);
    vfs_->mxPathname = 512;
    vfs_->zName = name_.c_str();
    vfs_->pAppData = this;
    vfs_->xOpen = open_file;
    vfs_->xDelete = remove_file;
    vfs_->xAccess = look_for;
    vfs_->xFullPathname = full_path;
    vfs_->xRandomness = no_noise;
    vfs_->xSleep = no_sleep;
    vfs_->xCurrentTime = one_day;
    vfs_->xGetLastError = last_error;
    vfs_->xCurrentTimeInt64 = one_time;
    sqlite3_vfs_register(vfs_.get(), 0);
}

Vfs::~Vfs() {
    sqlite3_vfs_unregister(vfs_.get());
}

}  // namespace curfew::storage
