// A whole copy of the database beside it, made anew once a day: some pages at a time, between other work, so that
// nobody waits for a large one. It takes the last one's place only when it was checked to be whole.
#pragma once

#include "adapters/sqlite/database.hpp"

#include <ctime>
#include <memory>
#include <string>
#include <vector>

namespace curfew::sqlite {

/// Errc::corrupt, with what SQLite says, when the file is damaged. Takes seconds for a gigabyte.
Result<void> check_whole(Database& db);

/// Belongs to the store's database thread, and must go before the connection is closed.
class Backup {
public:
    Backup(Database& db, std::string path);
    Backup(const Backup&) = delete;
    Backup& operator=(const Backup&) = delete;
    ~Backup() { abandon(); }

    bool due() const;
    /// A small part of the work. Errc::corrupt: the copy is damaged, and so is the database; anything else that
    /// goes wrong is tried again in an hour.
    Result<void> step();
    void abandon();

    /// Why the last one could not be made; empty when it could.
    const std::string& trouble() const { return trouble_; }
    /// Of the newest one that was made, and found whole, since the start; 0 = none yet.
    std::time_t made_at() const { return made_at_; }

private:
    void begin();
    Result<void> check_next();
    void close_copy();
    void later(std::string why);

    Database& db_;
    std::string path_;
    std::string fresh_;
    std::time_t next_at_ = 0;
    std::time_t made_at_ = 0;
    std::string trouble_;
    std::unique_ptr<Database> copy_;
    int fd_ = -1;  // of the copy
    sqlite3_backup* copying_ = nullptr;
    std::vector<std::string> unchecked_;  // tables of the copy
};

}  // namespace curfew::sqlite
