// A connection of SQLite's own to a database on a disk in memory, past the store: to see what is really there.
#pragma once

#include "storage/disk.hpp"

#include <string>
#include <utility>

struct sqlite3;

namespace curfew::storage {

class Plain {
public:
    Plain(const Vfs& vfs, const std::string& path);
    Plain(const Plain&) = delete;
    Plain& operator=(const Plain&) = delete;
    ~Plain();

    /// "" or what went wrong first; nothing is done after that.
    std::string error() const;
    void run(const std::string& sql);
    /// What was lost and found is put in its place.
    void recover();
    /// Every row, each value with its type.
    std::string ask(const std::string& sql);
    /// Everything that is in it, and what SQLite finds wrong ("" = nothing).
    std::pair<std::string, std::string> all();

private:
    void keep(int code);
    sqlite3* db_ = nullptr;
    int code_ = 0;
    std::string text_ = "it cannot be opened";
};

}  // namespace curfew::storage
