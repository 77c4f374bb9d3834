#include "storage/plain.hpp"

#include <sqlite3.h>

#include <sstream>
#include <vector>

namespace curfew::storage {

Plain::Plain(const Vfs& vfs, const std::string& path) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                      SQLITE_OPEN_EXRESCODE;
    code_ = sqlite3_open_v2(path.c_str(), &db_, flags, vfs.name());
    run("PRAGMA locking_mode = EXCLUSIVE");
}

Plain::~Plain() {
    sqlite3_close(db_);
}

std::string Plain::error() const {
    return code_ == SQLITE_OK ? "" : text_;
}

void Plain::run(const std::string& sql) {
    if (code_ == SQLITE_OK) {
        keep(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr));
    }
}

void Plain::recover() {
    run("BEGIN IMMEDIATE; COMMIT");
    if (code_ == SQLITE_OK) {
        keep(sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr));
    }
}

std::string Plain::ask(const std::string& sql) {
    std::string out;
    sqlite3_stmt* statement = nullptr;
    if (code_ == SQLITE_OK) {
        keep(sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr));
    }
    int code = statement == nullptr ? SQLITE_DONE : sqlite3_step(statement);
    for (; code == SQLITE_ROW; code = sqlite3_step(statement)) {
        for (int i = 0; i < sqlite3_column_count(statement); ++i) {
            const int type = sqlite3_column_type(statement, i);
            const auto* text = static_cast<const char*>(sqlite3_column_blob(statement, i));
            const int size = sqlite3_column_bytes(statement, i);
            out += std::to_string(type) + ":" + std::to_string(size) + ":";
            out.append(text != nullptr ? text : "", static_cast<std::size_t>(text != nullptr ? size : 0));
            out += "|";
        }
        out += "\n";
    }
    if (code != SQLITE_DONE) {
        keep(code);
    }
    sqlite3_finalize(statement);
    return out;
}

std::pair<std::string, std::string> Plain::all() {
    std::string wrong;
    if (const std::string whole = ask("PRAGMA integrity_check"); whole != "3:2:ok|\n") {
        wrong = "integrity_check: " + whole;
    }
    wrong += ask("PRAGMA foreign_key_check");
    std::string dump = ask("PRAGMA user_version") +
                       ask("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2");
    std::vector<std::string> tables;
    std::istringstream names(ask("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1"));
    for (std::string line; std::getline(names, line);) {
        tables.push_back(line.substr(line.rfind(':') + 1, line.size() - line.rfind(':') - 2));
    }
    for (const std::string& table : tables) {
        dump += "= " + table + "\n" + ask("SELECT * FROM \"" + table + "\"");
    }
    return {dump, error().empty() ? wrong : error()};
}

void Plain::keep(int code) {
    if (code != SQLITE_OK && code_ == SQLITE_OK) {
        code_ = code;
        text_ = std::string{sqlite3_errstr(code)} + ": " + sqlite3_errmsg(db_);
    }
}

}  // namespace curfew::storage
