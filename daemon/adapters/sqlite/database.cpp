#include "adapters/sqlite/database.hpp"

#include <utility>

namespace curfew::sqlite {

namespace {

Error error_of(int code, std::string text) {
    switch (code & 0xFF) {
        case SQLITE_FULL:
            return {Errc::disk_full, Retry::later(), "the disk is full: " + text, "database"};
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {Errc::locked, Retry::later(), "the database is locked by another process", "database"};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return {Errc::corrupt, Retry::never(), text, "database"};
        case SQLITE_CONSTRAINT:
            return {Errc::conflict, Retry::never(), text, "database"};
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
            return {Errc::disk, Retry::never(), text, "database"};
        default:
            return {Errc::internal, Retry::never(), text, "database"};
    }
}

}  // namespace

Database::~Database() {
    close();
}

Result<void> Database::open(const std::string& path, const char* vfs) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                      SQLITE_OPEN_EXRESCODE;
    const int code = sqlite3_open_v2(path.c_str(), &db_, flags, vfs);
    if (code != SQLITE_OK) {
        Error error = error_of(code, db_ != nullptr ? sqlite3_errmsg(db_) : "out of memory");
        error.where = path;
        close();
        return std::unexpected(std::move(error));
    }
    sqlite3_busy_timeout(db_, 5000);
    return {};
}

void Database::close() {
    for (const auto& [sql, statement] : statements_) {
        sqlite3_finalize(statement);
    }
    statements_.clear();
    sqlite3_close(db_);
    db_ = nullptr;
}

void Database::failed(int code) {
    if (code_ == SQLITE_OK) {
        code_ = code;
        text_ = sqlite3_errmsg(db_);
    }
}

void Database::execute(const char* sql) {
    if (!ok()) {
        return;
    }
    const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
        failed(code);
    }
}

void Database::begin() {
    Query(*this, "BEGIN IMMEDIATE").run();
}

void Database::commit() {
    Query(*this, "COMMIT").run();
}

void Database::roll_back() {
    Query(*this, "ROLLBACK").run();
}

std::optional<Error> Database::take_error() {
    if (ok()) {
        return std::nullopt;
    }
    return error_of(std::exchange(code_, SQLITE_OK), std::exchange(text_, {}));
}

sqlite3_stmt* Database::statement(const char* sql) {
    if (!ok()) {
        return nullptr;
    }
    sqlite3_stmt*& statement = statements_[sql];
    if (statement == nullptr) {
        const int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
        if (code != SQLITE_OK) {
            failed(code);
            statements_.erase(sql);
            return nullptr;
        }
    }
    return statement;
}

Query::~Query() {
    if (statement_ != nullptr) {
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }
}

bool Query::row() {
    if (statement_ == nullptr || !db_.ok()) {
        return false;
    }
    const int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        db_.failed(code);
    }
    return code == SQLITE_ROW;
}

std::int64_t Query::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

bool Query::is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::optional<std::int64_t> Query::optional_integer(int column) const {
    return is_null(column) ? std::nullopt : std::optional{integer(column)};
}

std::string Query::text(int column) const {
    const void* bytes = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return bytes == nullptr ? std::string{}
                            : std::string{static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

void Query::bind(int index, std::int64_t value) {
    if (statement_ != nullptr) {
        if (const int code = sqlite3_bind_int64(statement_, index, value); code != SQLITE_OK) {
            db_.failed(code);
        }
    }
}

void Query::bind(int index, std::string_view value) {
    if (statement_ != nullptr) {
        const char* bytes = value.empty() ? "" : value.data();
        const int code = sqlite3_bind_text64(statement_, index, bytes, value.size(), SQLITE_TRANSIENT,
                                             SQLITE_UTF8);
        if (code != SQLITE_OK) {
            db_.failed(code);
        }
    }
}

void Query::bind(int index, const std::optional<std::int64_t>& value) {
    if (value) {
        bind(index, *value);
    } else if (statement_ != nullptr) {
        sqlite3_bind_null(statement_, index);
    }
}

void Query::bind(int index, const std::optional<std::string>& value) {
    if (value) {
        bind(index, std::string_view{*value});
    } else if (statement_ != nullptr) {
        sqlite3_bind_null(statement_, index);
    }
}

}  // namespace curfew::sqlite
