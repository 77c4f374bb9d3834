// Files that are locked, foreign, damaged, or on a full disk.
#include "integration/store/bench.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

using namespace curfew;
using support::Folder;
using support::Raw;
using support::StoreBench;

namespace {

namespace fs = std::filesystem;

std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

AuditRow audit(const std::string& text) {
    return {.seq = 0,
            .at = {1},
            .kind = "test",
            .account = AccountName{"lab"},
            .resource = ResourceId{},
            .run = RunId{},
            .actor = "curfewd",
            .text = text};
}

std::vector<std::string> beside(const std::string& path, const std::string& part) {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(fs::path(path).parent_path())) {
        if (entry.path().filename().string().find(part) != std::string::npos) {
            found.push_back(entry.path().string());
        }
    }
    return found;
}

std::int64_t rows_of(StoreBench& b) {
    const auto rows = b.loop.run(b.store->verify_audit());
    REQUIRE(rows);
    return *rows;
}

/// A database with a good many pages, closed.
void fill(StoreBench& b, int rows) {
    b.open();
    for (int i = 0; i < rows; ++i) {
        REQUIRE(b.commit({audit(std::string(4000, static_cast<char>('a' + i % 26)))}));
    }
    b.close();
}

}  // namespace

TEST_CASE("a second daemon is kept out and told who holds the database") {
    StoreBench b;
    b.open();
    StoreBench second;
    second.path = b.path;
    const auto refused = second.try_open();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::locked);
    CHECK(refused.error().text.find("process " + std::to_string(::getpid())) != std::string::npos);
    CHECK(b.commit({audit("still mine")}));
    b.close();
    second.open();
    CHECK(rows_of(second) == 1);
}

TEST_CASE("a stranger that holds the database is named") {
    StoreBench b;
    b.open();
    b.close();
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t stranger = ::fork();
    if (stranger == 0) {
        sqlite3* db = nullptr;
        sqlite3_open(b.path.c_str(), &db);
        sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE", nullptr, nullptr, nullptr);
        (void)!::write(ready[1], "x", 1);
        ::pause();
        _exit(0);
    }
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    const auto refused = b.try_open();
    ::kill(stranger, SIGKILL);
    ::waitpid(stranger, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::locked);
    CHECK(refused.error().where == b.path);
    CHECK(refused.error().text.find("process " + std::to_string(stranger)) != std::string::npos);
    CHECK(beside(b.path, "corrupt").empty());
    b.open();  // it is free again
}

TEST_CASE("what a killed daemon had committed is there") {
    StoreBench b;
    b.open();
    b.close();
    const pid_t child = ::fork();
    if (child == 0) {
        support::Loop loop;
        auto opened = sqlite::open(b.path, loop.context().get_executor(), [](const std::string&) {});
        const bool done = opened && loop.run(opened->store->commit({audit("before the kill")})).has_value();
        ::kill(::getpid(), done ? SIGKILL : SIGTERM);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    b.open();
    CHECK(b.recovered.empty());
    CHECK(rows_of(b) == 1);
}

TEST_CASE("a database of another program is refused and left as it is") {
    for (const bool wal : {false, true}) {
        StoreBench b;
        {
            Raw raw(b.path);
            REQUIRE(raw.run(std::string{wal ? "PRAGMA journal_mode = WAL;" : ""} +
                            "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
                        .empty());
        }
        const std::string before = content(b.path);
        const auto refused = b.try_open();
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Errc::invalid);
        CHECK(refused.error().where == b.path);
        CHECK(content(b.path) == before);
        CHECK(beside(b.path, "corrupt").empty());
        CHECK(beside(b.path, "backup").empty());
    }
}

TEST_CASE("a database of a newer version is refused and left as it is") {
    StoreBench b;
    b.open();
    REQUIRE(b.commit({audit("from the future")}));
    b.close();
    {
        Raw raw(b.path);
        REQUIRE(raw.run("PRAGMA user_version = 99").empty());
    }
    const std::string before = content(b.path);
    const auto refused = b.try_open();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::invalid);
    CHECK(refused.error().text.find("99") != std::string::npos);
    CHECK(content(b.path) == before);
}

TEST_CASE("a damaged database is moved aside and the backup takes its place") {
    struct Harm {
        std::string name;
        std::function<void(std::string&)> act;
    };
    const std::vector<Harm> harms{
        {"pages overwritten",
         [](std::string& bytes) { std::fill(bytes.begin() + 4096, bytes.begin() + 40'960, '\x5a'); }},
        {"cut", [](std::string& bytes) { bytes.resize(bytes.size() / 2 + 100); }},
        {"head overwritten", [](std::string& bytes) { std::fill(bytes.begin(), bytes.begin() + 100, '\0'); }},
        {"text instead", [](std::string& bytes) { bytes.assign(5000, 'x'); }},
    };
    for (const Harm& harm : harms) {
        CAPTURE(harm.name);
        StoreBench b;
        fill(b, 30);
        fs::remove(b.path + ".backup");  // a fresh one is only made a day later
        b.open();
        b.wait_for_backup();
        b.close();
        fill(b, 10);  // these are not in the backup
        std::string bytes = content(b.path);
        harm.act(bytes);
        write(b.path, bytes);
        b.open();
        CHECK(b.recovered.find("moved to") != std::string::npos);
        CHECK(b.recovered.find("backup took its place") != std::string::npos);
        CHECK(rows_of(b) == 30);
        CHECK(b.commit({audit("life goes on")}));
        const auto aside = beside(b.path, ".corrupt-");
        REQUIRE(aside.size() == 1);
        CHECK(content(aside[0]).size() == bytes.size());
        CHECK(b.restart().boot_id == "");
        CHECK(b.recovered.empty());
    }
}

TEST_CASE("damage that the daily copy or anybody else meets is looked for at the next start") {
    // Too large to be checked whole whenever it is opened.
    const auto large = [](StoreBench& b) {
        b.open();
        Batch batch;
        for (int i = 0; i < 10'000; ++i) {
            batch.emplace_back(audit(std::string(4000, static_cast<char>('a' + i % 26))));
        }
        REQUIRE(b.commit(std::move(batch)));
        b.wait_for_backup();
        b.close();
        REQUIRE(fs::file_size(b.path) > 32U << 20);
    };
    const auto harm = [](const std::string& path) {
        std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
        file.seekp(static_cast<std::streamoff>(fs::file_size(path) / 2));
        file << std::string(40'000, '\x5a');
    };
    StoreBench b;
    large(b);
    harm(b.path);
    SECTION("by the copy, which does not take the last one's place") {
        const std::string last = content(b.path + ".backup");
        fs::last_write_time(b.path + ".backup", fs::file_time_type::clock::now() - hours{25});
        b.open();
        CHECK(b.recovered.empty());
        for (int i = 0; i < 6000 && b.fatal.empty(); ++i) {
            b.loop.run(b.loop.scheduler().sleep_for(Duration{10}));
        }
        REQUIRE(b.fatal.size() == 1);
        CHECK(content(b.path + ".backup") == last);
        CHECK_FALSE(fs::exists(b.path + ".backup.new"));
    }
    SECTION("by a reader") {
        b.open();
        CHECK(b.recovered.empty());
        const auto read = b.loop.run(b.store->audit(0, 100'000, std::nullopt));
        REQUIRE_FALSE(read);
        CHECK(read.error().code == Errc::corrupt);
    }
    b.store.reset();
    b.open();
    CHECK(b.recovered.find("backup took its place") != std::string::npos);
    b.restart();
    CHECK(b.recovered.empty());
    CHECK(beside(b.path, ".corrupt-").size() == 1);
    CHECK(beside(b.path, ".suspect").empty());
    b.store.reset();
}

TEST_CASE("a damaged database without a backup is moved aside and a new one begins") {
    StoreBench b;
    fill(b, 5);
    fs::remove(b.path + ".backup");
    write(b.path, std::string(8192, 'x'));
    b.open();
    CHECK(b.recovered.find("no backup") != std::string::npos);
    CHECK(rows_of(b) == 0);
    CHECK(beside(b.path, ".corrupt-").size() == 1);
}

TEST_CASE("a backup that is damaged as well is put aside too") {
    StoreBench b;
    fill(b, 5);
    write(b.path, std::string(8192, 'x'));
    write(b.path + ".backup", std::string(8192, 'y'));
    b.open();
    CHECK_FALSE(b.recovered.empty());
    CHECK(rows_of(b) == 0);
    CHECK(beside(b.path, ".bad-backup").size() == 1);
}

TEST_CASE("a folder that cannot be written is said so") {
    StoreBench b;
    b.path = b.folder.path() + "/absent/curfew.db";
    const auto refused = b.try_open();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::disk);
}

TEST_CASE("a full disk stops writes only, and the same connection goes on when there is room") {
    Folder disk;
    if (::mount("none", disk.path().c_str(), "tmpfs", 0, "size=2m") != 0) {
        WARN("skipped: a small file system cannot be mounted here");
        return;
    }
    struct Unmount {
        std::string path;
        ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
    } const unmount{disk.path()};
    StoreBench b;
    b.path = disk.file("curfew.db");
    b.open();
    REQUIRE(b.commit({audit("before")}));
    write(disk.file("filler"), std::string(900'000, 'f'));
    Result<void> written{};
    std::int64_t good = 1;
    for (int i = 0; i < 400 && written; ++i) {
        written = b.commit({audit(std::string(20'000, 'x'))});
        good += written ? 1 : 0;
    }
    REQUIRE_FALSE(written);
    CHECK(written.error().code == Errc::disk_full);
    CHECK(written.error().may_retry());
    CHECK(b.fatal.empty());
    CHECK(rows_of(b) == good);  // reads work, nothing of the failed batch is there
    CHECK_FALSE(b.commit({audit(std::string(20'000, 'x'))}));
    fs::remove(disk.file("filler"));
    CHECK(b.commit({audit("after")}));
    CHECK(rows_of(b) == good + 1);
    CHECK(b.fatal.empty());
    b.restart();
    CHECK(b.recovered.empty());
    CHECK(rows_of(b) == good + 1);
    b.store.reset();
}

TEST_CASE("the store says how it is: its log, and whether its daily copy is made") {
    StoreBench b;
    const std::string fresh = b.path + ".backup.new";
    fs::create_directories(fresh + "/in the way");
    b.open();
    REQUIRE(b.commit({audit("one")}));
    StoreHealth health;
    // Between two questions the store's thread gets to its copy.
    for (int i = 0; i < 10'000 && health.copy_trouble.empty(); ++i) {
        const auto answer = b.loop.run(b.store->health());
        REQUIRE(answer);
        health = *answer;
        ::usleep(1000);
    }
    CHECK(health.copy_trouble.find("exists") != std::string::npos);
    CHECK_FALSE(health.copied_at);
    CHECK(health.log_bytes > 0);
    CHECK(health.log_bytes <= 16 << 20);
    b.close();
    fs::remove_all(fresh);
    b.open();
    b.wait_for_backup();
    const auto answer = b.loop.run(b.store->health());
    REQUIRE(answer);
    CHECK(answer->copy_trouble.empty());
    CHECK(answer->copied_at);
}
