#include "adapters/sqlite/backup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace curfew::sqlite {

namespace {

constexpr std::time_t every_s = 24L * 3600;
constexpr std::time_t retry_s = 3600;
constexpr int pages_a_step = 256;

Result<void> checked(Database& db) {
    if (auto error = db.take_error()) {
        return std::unexpected(std::move(*error));
    }
    return {};
}

}  // namespace

Result<void> check_whole(Database& db) {
    Query q(db, "PRAGMA quick_check(1)");
    if (q.row() && q.text(0) != "ok") {
        return fail(Errc::corrupt, q.text(0), "database");
    }
    return checked(db);
}

Backup::Backup(Database& db, std::string path) : db_(db), path_(std::move(path)), fresh_(path_ + ".new") {
    struct stat info{};
    next_at_ = ::stat(path_.c_str(), &info) == 0 ? info.st_mtime + every_s : 0;
}

bool Backup::due() const {
    return copy_ != nullptr || std::time(nullptr) >= next_at_;
}

void Backup::abandon() {
    if (copying_ != nullptr) {
        sqlite3_backup_finish(std::exchange(copying_, nullptr));
    }
    if (copy_ != nullptr) {
        close_copy();
        ::unlink(fresh_.c_str());
    }
}

void Backup::close_copy() {
    copy_.reset();
    if (fd_ >= 0) {
        ::close(std::exchange(fd_, -1));
    }
}

void Backup::later(std::string why) {
    trouble_ = std::move(why);
    abandon();
    next_at_ = std::time(nullptr) + retry_s;
}

Result<void> Backup::step() {
    if (copy_ == nullptr) {
        begin();
        return {};
    }
    if (copying_ == nullptr) {
        return check_next();
    }
    const int code = sqlite3_backup_step(copying_, pages_a_step);
    if (code == SQLITE_OK) {
        ::fdatasync(fd_);  // else the last step would wait for all of it
        return {};
    }
    sqlite3_backup_finish(std::exchange(copying_, nullptr));
    if (code != SQLITE_DONE) {
        later(sqlite3_errstr(code));
        return {};
    }
    copy_->execute("PRAGMA journal_mode = DELETE");
    Query q(*copy_, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    while (q.row()) {
        unchecked_.push_back(q.text(0));
    }
    return {};
}

void Backup::begin() {
    ::unlink(fresh_.c_str());
    fd_ = ::open(fresh_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    copy_ = std::make_unique<Database>();
    if (fd_ < 0) {
        later(std::strerror(errno));
        return;
    }
    if (const auto opened = copy_->open(fresh_); !opened) {
        later(opened.error().text);
        return;
    }
    copying_ = sqlite3_backup_init(copy_->raw(), "main", db_.raw(), "main");
    if (copying_ == nullptr) {
        later(sqlite3_errmsg(copy_->raw()));
    }
}

Result<void> Backup::check_next() {
    std::string found = "ok";
    if (!unchecked_.empty()) {
        Query q(*copy_, "SELECT quick_check FROM pragma_quick_check(?)", unchecked_.back());
        found = q.row() ? q.text(0) : "ok";
    }
    if (const auto error = copy_->take_error()) {
        if (error->code != Errc::corrupt) {
            later(error->text);
            return {};
        }
        found = error->text;
    }
    if (found != "ok") {
        later(found);
        return fail(Errc::corrupt, found, "database");
    }
    if (!unchecked_.empty()) {
        unchecked_.pop_back();
        return {};
    }
    close_copy();
    const bool placed = std::rename(fresh_.c_str(), path_.c_str()) == 0;
    trouble_ = placed ? std::string{} : std::strerror(errno);
    made_at_ = placed ? std::time(nullptr) : made_at_;
    next_at_ = std::time(nullptr) + (placed ? every_s : retry_s);
    return {};
}

}  // namespace curfew::sqlite
