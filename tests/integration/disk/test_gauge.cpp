// Free space of real file systems.
#include "adapters/disk/statvfs_gauge.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <sys/mount.h>
#include <sys/statvfs.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>

using namespace curfew;
namespace fs = std::filesystem;

namespace {

struct Fixture {
    boost::asio::io_context io;
    disk::StatvfsGauge gauge{io.get_executor()};
    std::string folder;

    Fixture() {
        std::string name = (fs::temp_directory_path() / "curfew-disk-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        folder = name;
    }
    ~Fixture() {
        std::error_code ignored;
        fs::remove_all(folder, ignored);
    }
    Result<Space> ask(const std::string& path) {
        std::optional<Result<Space>> out;
        boost::asio::co_spawn(io, gauge.space(path), [&](const std::exception_ptr& bug, Result<Space> space) {
            REQUIRE_FALSE(bug);
            out = std::move(space);
        });
        io.restart();
        while (!out) {
            io.run_one();
        }
        return *out;
    }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "free space is what statvfs says, also of a folder that is made later") {
    struct statvfs info{};
    REQUIRE(::statvfs(folder.c_str(), &info) == 0);
    const auto there = ask(folder);
    REQUIRE(there);
    CHECK(there->total ==
          static_cast<std::int64_t>(info.f_blocks) * static_cast<std::int64_t>(info.f_frsize));
    CHECK(there->free > 0);
    CHECK(there->free <= there->total);
    const auto later = ask(folder + "/not/yet");
    REQUIRE(later);
    CHECK(later->total == there->total);
    CHECK(later->volume == there->volume);
    REQUIRE(ask("/proc"));
    CHECK(ask("/proc")->volume != there->volume);
}

TEST_CASE_METHOD(Fixture, "a small disk that fills is seen to fill") {
    if (::mount("none", folder.c_str(), "tmpfs", 0, "size=4m") != 0) {
        std::cerr << "skipped: no file system can be mounted here\n";
        return;
    }
    const auto empty = ask(folder);
    std::ofstream(folder + "/file") << std::string(std::size_t{3} << 20, 'x') << std::flush;
    const auto filled = ask(folder);
    ::umount2(folder.c_str(), MNT_DETACH);
    REQUIRE(empty);
    REQUIRE(filled);
    CHECK(empty->total == 4 << 20);
    CHECK(empty->free - filled->free >= 3 << 20);
    CHECK(level_of(*empty, SpaceLevel::good) == SpaceLevel::good);
}
