// The C API of SQLite with its checks in one place. The first error sticks: every later call does nothing
// until `take_error`, so a transaction is written straight down and judged once at its end.
#pragma once

#include "curfew/core/error.hpp"

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace curfew::sqlite {

class Database {
public:
    Database() = default;
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    /// `vfs`: SQLite's name of the file system below it; nullptr = its default.
    Result<void> open(const std::string& path, const char* vfs = nullptr);
    void close();

    void execute(const char* sql);
    /// The words around every transaction: compiled once, since they come more often than any other.
    void begin();
    void commit();
    void roll_back();
    /// Rows that the last INSERT, UPDATE or DELETE touched.
    std::int64_t changes() const { return sqlite3_changes64(db_); }
    bool ok() const { return code_ == SQLITE_OK; }
    /// The sticky error as ours, and forgets it.
    std::optional<Error> take_error();
    sqlite3* raw() const { return db_; }

private:
    friend class Query;
    sqlite3_stmt* statement(const char* sql);
    void failed(int code);

    sqlite3* db_ = nullptr;
    std::map<const char*, sqlite3_stmt*> statements_;  // by address: SQL here is always a literal
    int code_ = SQLITE_OK;
    std::string text_;
};

/// One run of one cached statement; reset when it goes. Text is copied out at once.
class Query {
public:
    template <class... Values>
    Query(Database& db, const char* sql, const Values&... values) : db_(db), statement_(db.statement(sql)) {
        int index = 0;
        (bind(++index, values), ...);
    }
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;
    ~Query();

    /// The next row; false at the end and after an error.
    bool row();
    /// For statements without rows.
    void run() {
        while (row()) {
        }
    }

    std::int64_t integer(int column) const;
    std::optional<std::int64_t> optional_integer(int column) const;
    std::string text(int column) const;
    bool is_null(int column) const;

private:
    void bind(int index, std::int64_t value);
    void bind(int index, int value) { bind(index, std::int64_t{value}); }
    void bind(int index, bool value) { bind(index, std::int64_t{value ? 1 : 0}); }
    void bind(int index, std::string_view value);
    void bind(int index, const std::string& value) { bind(index, std::string_view{value}); }
    void bind(int index, const char* value) { bind(index, std::string_view{value}); }
    void bind(int index, const std::optional<std::int64_t>& value);
    void bind(int index, const std::optional<std::string>& value);

    Database& db_;
    sqlite3_stmt* statement_;
};

}  // namespace curfew::sqlite
