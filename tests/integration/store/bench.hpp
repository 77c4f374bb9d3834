// A store on a real file in a folder of its own, and a second way into the file.
#pragma once

#include "adapters/sqlite/store.hpp"
#include "integration/http/loop.hpp"

#include <catch2/catch.hpp>
#include <sqlite3.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace support {

class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "curfew-store-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

/// One of a run of r1.
inline curfew::Enforcement enforcement(const std::string& id, const std::string& run,
                                       curfew::EnforcementState state) {
    curfew::Enforcement e;
    e.id = curfew::EnforcementId{id};
    e.account = curfew::AccountName{"lab"};
    e.resource = curfew::ResourceId{"r1"};
    e.run = curfew::RunId{run};
    e.cause = {curfew::CauseKind::budget, "team"};
    e.state = state;
    return e;
}

/// A plain connection to the file, as an intruder or a test has it.
class Raw {
public:
    explicit Raw(const std::string& path) {
        if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) {
            FAIL("cannot open " << path);
        }
    }
    Raw(const Raw&) = delete;
    Raw& operator=(const Raw&) = delete;
    ~Raw() { sqlite3_close(db_); }

    /// "" or the error.
    std::string run(const std::string& sql) {
        char* text = nullptr;
        sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &text);
        const std::string error = text != nullptr ? text : "";
        sqlite3_free(text);
        return error;
    }
    /// The first column of every row.
    std::vector<std::string> ask(const std::string& sql) {
        std::vector<std::string> rows;
        const auto take = [](void* into, int, char** values, char**) {
            static_cast<std::vector<std::string>*>(into)->emplace_back(values[0] != nullptr ? values[0]
                                                                                            : "NULL");
            return 0;
        };
        char* text = nullptr;
        sqlite3_exec(db_, sql.c_str(), take, &rows, &text);
        if (text != nullptr) {
            FAIL(sql << ": " << text);
        }
        return rows;
    }

private:
    sqlite3* db_ = nullptr;
};

struct StoreBench {
    Folder folder;
    std::string path = folder.file("curfew.db");
    Loop loop;
    std::unique_ptr<curfew::Store> store;
    std::vector<std::string> fatal;
    std::string recovered;

    curfew::Result<void> try_open() {
        auto opened = curfew::sqlite::open(path, loop.context().get_executor(),
                                           [this](const std::string& text) { fatal.push_back(text); });
        if (!opened) {
            return std::unexpected(opened.error());
        }
        store = std::move(opened->store);
        recovered = opened->recovered;
        return {};
    }
    void open() {
        const auto opened = try_open();
        if (!opened) {
            FAIL(to_string(opened.error()));
        }
    }
    void close() {
        REQUIRE(loop.run(store->close()));
        store.reset();
    }
    /// Copies are made in the background.
    void wait_for_backup() {
        for (int i = 0; i < 6000 && !std::filesystem::exists(path + ".backup"); ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
        }
        REQUIRE(std::filesystem::exists(path + ".backup"));
    }
    curfew::Result<void> commit(curfew::Batch batch) { return loop.run(store->commit(std::move(batch))); }
    curfew::StoredState load(const std::string& boot = "boot-1") {
        auto state = loop.run(store->load(boot));
        if (!state) {
            FAIL(to_string(state.error()));
        }
        return std::move(*state);
    }
    /// Closes, opens and loads, as a restart does.
    curfew::StoredState restart(const std::string& boot = "boot-1") {
        close();
        open();
        return load(boot);
    }
};

}  // namespace support
