// Trees as real servers list them: odd names, links, what cannot be listed or read.
#include "jupyter_server.hpp"

#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <set>

using namespace curfew;
using namespace support;
namespace fs = std::filesystem;

namespace {

std::set<std::string> paths_of(const Walk& walk) {
    std::set<std::string> paths;
    for (const FileEntry& file : walk.files) {
        paths.insert(file.path);
    }
    return paths;
}

const std::vector<std::string> odd_names{"new\nline.txt",
                                         "back\\slash.txt",
                                         "#?% &+\xC3\xBC.txt",
                                         "-rf",
                                         "%2e%2e%2fx",
                                         " blank ",
                                         "tab\there",
                                         "a.html.gz",
                                         "quote\"'`$(x)",
                                         "\xF0\x9F\x98\x80.txt",
                                         "semi;colon",
                                         "~tilde",
                                         "page.html",
                                         "page.shtml",
                                         "x.ipynb.invalid",
                                         "carriage\rreturn",
                                         "*star",
                                         std::string(240, 'l') + ".txt"};

}  // namespace

TEST_CASE("odd names are listed and read to the byte") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    std::set<std::string> expected;
    for (const std::string& name : odd_names) {
        write_old(server.root() / name, "bytes of " + name);
        write_old(server.root() / ("in " + name) / name, "below " + name);
        expected.insert(name);
        expected.insert("in " + name + "/" + name);
    }
    Rig rig(server.port());
    const auto walk = rig.walk();
    REQUIRE(walk);
    CHECK(paths_of(*walk) == expected);
    CHECK(walk->not_covered.empty());
    CHECK_FALSE(walk->server_identity.empty());
    CHECK(std::ranges::is_sorted(walk->files, {}, &FileEntry::path));
    for (const std::string& name : odd_names) {
        INFO(name);
        const auto got = rig.read(file_of(*walk, name));
        CHECK(got.report);
        CHECK(got.bytes == "bytes of " + name);
        const auto below = rig.read(file_of(*walk, "in " + name + "/" + name));
        CHECK(below.report);
        CHECK(below.bytes == "below " + name);
    }
}

TEST_CASE("a walk sees the sizes and the microseconds of the disk") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "a.bin", std::string(12'345, 'a'));
    write_old(server.root() / "empty", "");
    struct stat info{};
    REQUIRE(::stat((server.root() / "a.bin").c_str(), &info) == 0);
    Rig rig(server.port());
    const auto walk = rig.walk();
    REQUIRE(walk);
    const FileEntry file = file_of(*walk, "a.bin");
    CHECK(file.size == 12'345);
    CHECK(std::abs(file.mtime_us - (info.st_mtim.tv_sec * 1'000'000 + info.st_mtim.tv_nsec / 1000)) <= 1);
    CHECK(file_of(*walk, "empty").size == 0);
    CHECK(rig.read(file_of(*walk, "empty")).report);
    CHECK(std::abs((walk->server_time - rig.scheduler.wall()).count()) < 5000);
}

TEST_CASE("hidden files are absent, pipes are no files") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / ".env", "SECRET=1");
    write_old(server.root() / ".git" / "config", "[core]");
    write_old(server.root() / "seen.txt", "x");
    REQUIRE(::mkfifo((server.root() / "pipe").c_str(), 0600) == 0);
    Rig rig(server.port());
    const auto walk = rig.walk();
    REQUIRE(walk);
    CHECK(paths_of(*walk) == std::set<std::string>{"seen.txt"});
    Packing packing(rig);
    const auto receipt = packing.pack();
    REQUIRE(receipt);
    CHECK(Packing::missing(*receipt, "hidden files (names that begin with a dot)") != nullptr);
    CHECK_FALSE(receipt->partial());
}

TEST_CASE("links are packed with the bytes that they lead to, in and out of the root") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "runs" / "model.bin", std::string(70'000, 'm'));
    write_old(server.outside() / "data.csv", "1,2,3\n");
    fs::create_symlink("runs/model.bin", server.root() / "best.bin");
    fs::create_symlink(server.outside() / "data.csv", server.root() / "data.csv");
    fs::create_directory_symlink(server.outside(), server.root() / "storage");
    age(server.root() / "best.bin", minutes{30});
    age(server.root() / "data.csv", minutes{30});
    Rig rig(server.port());
    const auto walk = rig.walk();
    REQUIRE(walk);
    CHECK(file_of(*walk, "best.bin").size == 14);  // of the link's text
    Packing packing(rig);
    const auto receipt = packing.pack();
    REQUIRE(receipt);
    CHECK(receipt->files == 4);
    CHECK(packing.packed(*receipt, "best.bin") == std::string(70'000, 'm'));
    CHECK(packing.packed(*receipt, "data.csv") == "1,2,3\n");
    CHECK(packing.packed(*receipt, "storage/data.csv") == "1,2,3\n");
    CHECK(packing.entry(*receipt, "best.bin").size == 70'000);
    CHECK(Packing::sums_hold(*receipt));
    CHECK(packing.unchanged(*receipt) == true);
}

TEST_CASE("a link whose target is being written is not at rest, and is never taken from an older pack") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    // The link's text is as long as what it leads to, so that no size gives it away.
    fs::create_symlink("../outside/state", server.root() / "latest");
    age(server.root() / "latest", hours{2});
    write_old(server.outside() / "state", "epoch=0000000001");
    Rig rig(server.port());
    Packing packing(rig);
    const auto first = packing.pack();
    REQUIRE(first);
    CHECK(packing.packed(*first, "latest") == "epoch=0000000001");
    write_file(server.outside() / "state", "epoch=0000000002");
    const auto walk = rig.walk();
    REQUIRE(walk);
    CHECK(rig.read(file_of(*walk, "latest"), seconds{60}).report.error().code == Errc::changing);
    age(server.outside() / "state", minutes{10});
    const auto second = packing.pack(*first);
    REQUIRE(second);
    CHECK(packing.packed(*second, "latest") == "epoch=0000000002");
}

TEST_CASE("loops of links are cut once, and what only looks like a loop is not") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "d" / "file.txt", "x");
    fs::create_directory_symlink(".", server.root() / "d" / "self");
    fs::create_directory_symlink("..", server.root() / "d" / "up");
    // Unpacked archives give all their folders one and the same time.
    const auto long_ago = fs::file_time_type::clock::now() - hours{5};
    const fs::path stack = server.root() / "pkg" / "same" / "same";
    write_old(stack / "same" / "code.py", "print()");
    for (fs::path p = stack / "same"; p != server.root(); p = p.parent_path()) {
        fs::last_write_time(p, long_ago);
    }
    Rig rig(server.port());
    const auto walk = rig.walk();
    REQUIRE(walk);
    CHECK(paths_of(*walk) == std::set<std::string>{"d/file.txt", "pkg/same/same/same/code.py"});
    CHECK(missing_in(*walk, "d/self") != nullptr);
    CHECK(missing_in(*walk, "d/up") != nullptr);
    CHECK(walk->not_covered.size() == 2);
}

TEST_CASE("a broken link is listed, cannot be read, and holds a pack until partial ones are allowed") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "good.txt", "good");
    fs::create_symlink("nowhere", server.root() / "broken.txt");
    Rig rig(server.port());
    Packing packing(rig);
    const auto refused = packing.pack();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::conflict);
    CHECK(refused.error().where == "broken.txt");
    CHECK(packing.nothing_written());
    packing.policy.partial_ok = true;
    const auto receipt = packing.pack();
    REQUIRE(receipt);
    CHECK(receipt->partial());
    REQUIRE(Packing::missing(*receipt, "broken.txt") != nullptr);
    CHECK(Packing::missing(*receipt, "broken.txt")->listed);
    CHECK(receipt->files == 1);
    CHECK(Packing::sums_hold(*receipt));
    CHECK(packing.unchanged(*receipt) == true);
}

TEST_CASE("a name that is not UTF-8 is listed and not covered") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "bad\xFF name.txt", "x");
    write_old(server.root() / "bad\xFF" / "inside.txt", "x");
    write_old(server.root() / "good.txt", "x");
    Rig rig(server.port());
    const auto walk = rig.walk();
    REQUIRE(walk);
    CHECK(paths_of(*walk) == std::set<std::string>{"good.txt"});
    REQUIRE(walk->not_covered.size() == 2);
    for (const NotCovered& item : walk->not_covered) {
        CHECK(item.listed);
        CHECK(item.what.starts_with("bad"));
    }
    Packing packing(rig);
    CHECK(packing.pack().error().code == Errc::conflict);
    packing.policy.partial_ok = true;
    const auto receipt = packing.pack();
    REQUIRE(receipt);
    CHECK(receipt->partial());
    // A newer file that cannot be covered is newer work all the same.
    CHECK(packing.unchanged(*receipt) == true);
    write_old(server.root() / "other\xFE.txt", "x");
    CHECK(packing.unchanged(*receipt) == false);
}

TEST_CASE("a walk has bounds") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    for (int i = 0; i < 20; ++i) {
        write_old(server.root() / ("f" + std::to_string(i)), "x");
    }
    fs::path deep = server.root();
    for (int i = 0; i < 8; ++i) {
        deep /= "deeper";
        write_old(deep / ("level" + std::to_string(i)), "x");
    }
    Rig rig(server.port());
    CHECK(rig.walk({.entries_max = 10, .depth_max = 32}).error().code == Errc::too_large);
    const auto walk = rig.walk({.entries_max = 1000, .depth_max = 4});
    REQUIRE(walk);
    CHECK(walk->files.size() == 23);
    REQUIRE(walk->not_covered.size() == 1);
    CHECK(walk->not_covered.front().listed);
    CHECK(rig.walk()->files.size() == 28);
}
