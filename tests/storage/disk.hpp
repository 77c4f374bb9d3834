// A disk in memory below SQLite: it knows what was synced and what was not, what a power cut may leave of the
// rest, and it can fail at any call. A file system of SQLite is laid over it (`Vfs`).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3_vfs;

namespace curfew::storage {

/// The same numbers from the same seed, everywhere.
class Dice {
public:
    explicit Dice(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next();
    /// 0 … below - 1
    std::uint64_t roll(std::uint64_t below) { return next() % below; }

private:
    std::uint64_t state_;
};

/// The bytes of a file. Copies share pages until one of them is written.
class Image {
public:
    static constexpr std::int64_t page_size = 4096;

    std::int64_t size() const { return size_; }
    /// Zeros behind the end.
    void read(std::int64_t offset, char* into, std::int64_t count) const;
    void write(std::int64_t offset, const char* bytes, std::int64_t count);
    void resize(std::int64_t size);
    bool operator==(const Image& other) const;

private:
    using Page = std::array<char, page_size>;
    Page& own(std::size_t index);

    std::vector<std::shared_ptr<Page>> pages_;  // nullptr = zeros
    std::int64_t size_ = 0;
};

/// What is on a disk, by path.
using Files = std::map<std::string, Image>;

/// One thing that was asked of the disk. `node` is a file whatever its name.
struct Operation {
    enum class Kind : std::uint8_t { create, remove, write, resize, sync, mark };
    Kind kind = Kind::mark;
    int node = 0;
    std::string name;         // create, remove
    std::int64_t offset = 0;  // write; resize: the size; mark: its number
    std::string bytes;        // write
    bool folder = false;      // sync: names as well
};
using Log = std::vector<Operation>;

/// Calls that can fail.
enum class Call : std::uint8_t { read, write, sync, truncate, open, remove, look };
std::string_view to_string(Call call);

/// Fails the n-th call from now, or all from there on, until `Disk::mend`.
struct Fault {
    std::int64_t at = 0;  // 1 = the next; 0 = none
    bool sticky = false;
    bool full = false;  // the disk is full: writes fail, and only they count
};

class Disk {
public:
    explicit Disk(Files files = {});

    Files files() const;
    /// A bit of a file turns over by itself.
    void flip(const std::string& name, std::int64_t bit);
    /// Everything that is asked from now on, with marks between; nullptr = not written down.
    void record(Log* log) { log_ = log; }
    void mark(std::int64_t number);

    void plan(Fault fault) {
        fault_ = fault;
        calls_ = 0;
        failed_ = 0;
    }
    void mend() { fault_ = {}; }
    /// Calls since `plan`; those that failed, and the first of them.
    std::int64_t calls() const { return calls_; }
    std::int64_t failed() const { return failed_; }
    Call first_failed() const { return first_failed_; }

    // What the file system over it asks: codes of SQLite.
    int open(const std::string& name, bool create, bool journal, int& node);
    int remove(const std::string& name, bool sync_folder);
    int exists(const std::string& name, bool& is);
    int read(int node, std::int64_t offset, char* into, std::int64_t count);
    int write(int node, std::int64_t offset, const char* bytes, std::int64_t count);
    int truncate(int node, std::int64_t size);
    int sync(int node);
    int size(int node, std::int64_t& size);

private:
    struct Node {
        Image image;
        bool new_name = false;  // a journal whose name is not synced yet: its first sync does that too
    };
    bool strikes(Call call);
    void put(Operation operation);

    std::map<std::string, int> names_;
    std::vector<Node> nodes_;
    Log* log_ = nullptr;
    Fault fault_;
    std::int64_t calls_ = 0;
    std::int64_t failed_ = 0;
    Call first_failed_ = Call::look;
};

/// Walks a log and says at any place what the power's going there may leave: of what was not synced each sector of
/// 512 bytes is there, or not, or garbage; sizes and names likewise, in any order but that of one name.
class PowerCut {
public:
    PowerCut(const Files& before, const Log& log);
    bool ended() const { return at_ == log_.size(); }
    /// One operation further. Marks are no place for a cut: true if it was one.
    bool step();
    Files cut(Dice& dice) const;
    std::int64_t mark() const { return mark_; }

private:
    struct Rename {
        std::string name;
        int node = 0;  // -1 = removed
    };
    const Log& log_;
    std::size_t at_ = 0;
    std::int64_t mark_ = 0;
    std::map<std::string, int> names_;
    std::map<int, Image> images_;
    std::map<int, std::vector<const Operation*>> unsynced_;
    std::vector<Rename> unsynced_names_;
};

/// A file system of SQLite over whichever disk is put below it; registered for as long as it lives.
class Vfs {
public:
    explicit Vfs(std::string name);
    Vfs(const Vfs&) = delete;
    Vfs& operator=(const Vfs&) = delete;
    ~Vfs();
    const char* name() const { return name_.c_str(); }
    void put_below(Disk& disk) { disk_ = &disk; }
    Disk& disk() { return *disk_; }

private:
    std::string name_;
    std::unique_ptr<sqlite3_vfs> vfs_;
    Disk* disk_ = nullptr;
};

}  // namespace curfew::storage
