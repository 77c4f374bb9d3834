// Whole packs of real servers into a folder, proven by coreutils.
#include "adapters/http/json.hpp"
#include "jupyter_server.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <thread>

using namespace curfew;
using namespace support;
namespace fs = std::filesystem;

namespace {

const std::string notebook =
    R"({"cells": [{"cell_type": "markdown", "metadata": {}, "source": ["# Hello\n", "you"]}], )"
    R"("metadata": {}, "nbformat": 4, "nbformat_minor": 4})";

}  // namespace

TEST_CASE("a whole tree is packed, proven, and taken over by the next pack") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "study.ipynb", notebook);
    write_old(server.root() / "model.bin", std::string(700'000, 'm'));
    write_old(server.root() / "runs" / "a" / "log.txt", "done\n");
    const std::vector<std::string> odd{"new\nline",        "back\\slash", "#?% &+\xC3\xBC", "-rf",
                                       "carriage\rreturn", "%2E",         "100%.txt",       "*star"};
    for (const std::string& name : odd) {
        write_old(server.root() / "odd" / name, "odd " + name);
    }
    Rig rig(server.port());
    Packing packing(rig);
    packing.policy.html = true;
    const auto first = packing.pack();
    REQUIRE(first);
    CHECK(first->verified);
    CHECK_FALSE(first->partial());
    CHECK(first->files == 11);
    CHECK(first->reused == 0);
    CHECK(packing.packed(*first, "model.bin") == std::string(700'000, 'm'));
    for (const std::string& name : odd) {
        CHECK(packing.packed(*first, "odd/" + name) == "odd " + name);
    }
    CHECK(Packing::sums_hold(*first));
    REQUIRE(first->html.size() == 1);
    CHECK(first->html.front().failure.empty());
    CHECK(file_text(Packing::snapshot(*first) / "html" / first->html.front().local_path).find("Hello") !=
          std::string::npos);
    CHECK(packing.unchanged(*first) == true);

    write_file(server.root() / "runs" / "a" / "log.txt", "done and more\n");
    CHECK(packing.unchanged(*first) == false);
    age(server.root() / "runs" / "a" / "log.txt", minutes{5});
    fs::remove(server.root() / "odd" / "-rf");
    const auto second = packing.pack(*first);
    REQUIRE(second);
    CHECK(second->files == 10);
    CHECK(second->reused == 9);
    CHECK(packing.entry(*second, "model.bin").how == "reused");
    CHECK(packing.entry(*second, "runs/a/log.txt").how == "files");
    CHECK(packing.packed(*second, "runs/a/log.txt") == "done and more\n");
    CHECK(packing.packed(*first, "runs/a/log.txt") == "done\n");
    CHECK(Packing::sums_hold(*first));
    CHECK(Packing::sums_hold(*second));
}

TEST_CASE("the fence sees a touch, a new file and a lost file") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "a.txt", "a");
    write_old(server.root() / "b.txt", "b");
    write_old(server.root() / "cache.tmp", "c");
    Rig rig(server.port());
    Packing packing(rig);
    packing.policy.exclude = {"**/*.tmp"};
    const auto receipt = packing.pack();
    REQUIRE(receipt);
    CHECK(packing.unchanged(*receipt) == true);
    write_file(server.root() / "cache.tmp", "changed, and excluded");
    write_file(server.root() / "more.tmp", "new, and excluded");
    CHECK(packing.unchanged(*receipt) == true);
    SECTION("a touch") {
        age(server.root() / "a.txt", minutes{1});
    }
    SECTION("a new file") {
        write_old(server.root() / "new" / "c.txt", "c");
    }
    SECTION("a lost file") {
        fs::remove(server.root() / "b.txt");
    }
    CHECK(packing.unchanged(*receipt) == false);
}

TEST_CASE("excluded files are left out and said so") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "keep.txt", "k");
    write_old(server.root() / "data" / "raw.bin", "r");
    write_old(server.root() / "a" / "b" / "x.ckpt", "c");
    Rig rig(server.port());
    Packing packing(rig);
    packing.policy.exclude = {"data/**", "**/*.ckpt"};
    const auto receipt = packing.pack();
    REQUIRE(receipt);
    CHECK(receipt->files == 1);
    CHECK_FALSE(receipt->partial());
    REQUIRE(Packing::missing(*receipt, "data/raw.bin") != nullptr);
    CHECK(Packing::missing(*receipt, "data/raw.bin")->why == "excluded by the rule");
    CHECK(Packing::missing(*receipt, "a/b/x.ckpt") != nullptr);
    CHECK_FALSE(fs::exists(Packing::snapshot(*receipt) / "files" / "data"));
}

TEST_CASE("a notebook that stays torn is kept as it is, with a note and without a page") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    const std::string torn = notebook.substr(0, notebook.size() / 2);
    write_old(server.root() / "torn.ipynb", torn);
    write_old(server.root() / "empty.ipynb", "");
    write_old(server.root() / "zeros.ipynb", notebook + std::string(4096, '\0'));
    write_old(server.root() / "whole.ipynb", notebook);
    Rig rig(server.port());
    Packing packing(rig);
    packing.policy.html = true;
    const auto receipt = packing.pack();
    REQUIRE(receipt);
    CHECK(receipt->files == 4);
    CHECK(packing.packed(*receipt, "torn.ipynb") == torn);
    CHECK(packing.entry(*receipt, "torn.ipynb").note == "invalid notebook on the server");
    CHECK(packing.entry(*receipt, "empty.ipynb").note == "invalid notebook on the server");
    CHECK(packing.entry(*receipt, "zeros.ipynb").note == "invalid notebook on the server");
    CHECK(packing.entry(*receipt, "whole.ipynb").note.empty());
    REQUIRE(receipt->html.size() == 1);
    CHECK(receipt->html.front().notebook_path == "whole.ipynb");
    CHECK(Packing::sums_hold(*receipt));
    // The server was not made to repair or rename it.
    CHECK(file_text(server.root() / "torn.ipynb") == torn);
    CHECK(std::distance(fs::directory_iterator(server.root()), fs::directory_iterator()) == 4);
}

TEST_CASE("a page that cannot be made does not fail a pack") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(
        server.root() / "odd.ipynb",
        R"({"cells": [{"cell_type": "no such type"}], "metadata": 3, "nbformat": 4, "nbformat_minor": 4})");
    Rig rig(server.port());
    Packing packing(rig);
    packing.policy.html = true;
    const auto receipt = packing.pack();
    REQUIRE(receipt);
    REQUIRE(receipt->html.size() == 1);
    CHECK(receipt->html.front().local_path.empty());
    CHECK_FALSE(receipt->html.front().failure.empty());
    CHECK(receipt->verified);
}

TEST_CASE("no torn copy of a notebook that is saved all the time is ever accepted") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "other.ipynb", notebook);
    const fs::path path = server.root() / "live.ipynb";
    write_old(path, notebook);
    Rig rig(server.port());
    Packing packing(rig);
    // Saves are at rest for a moment only; the last one stays.
    const Script saving({"save_loop.py", path.string(), "9", "1.6"});
    for (const Instant end = rig.scheduler.mono() + seconds{8}; rig.scheduler.mono() < end;) {
        const auto receipt = packing.pack({}, seconds{12});
        if (!receipt) {
            CHECK((receipt.error().code == Errc::changing || receipt.error().code == Errc::timeout));
            continue;
        }
        for (const ManifestEntry& entry : packing.manifest(*receipt)) {
            const bool whole = json::is_whole_notebook(
                file_text(Packing::snapshot(*receipt) / "files" / entry.local_path));
            CHECK((whole || entry.note == "invalid notebook on the server"));
        }
    }
}

TEST_CASE("an empty tree is a verified empty manifest") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    Rig rig(shared(kind).port());
    Packing packing(rig);
    const auto receipt = packing.pack();
    REQUIRE(receipt);
    CHECK(receipt->verified);
    CHECK(receipt->files == 0);
    CHECK(receipt->bytes == 0);
    CHECK(packing.manifest(*receipt).empty());
    CHECK(file_text(Packing::snapshot(*receipt) / "SHA256SUMS").empty());
    CHECK(packing.unchanged(*receipt) == true);
}

TEST_CASE("names that differ in case only have places of their own, and keep them") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "model.bin", "small");
    write_old(server.root() / "dir" / "x", "1");
    Rig rig(server.port());
    Packing packing(rig);
    const auto first = packing.pack();
    REQUIRE(first);
    // Sorted before the ones that are packed already.
    write_old(server.root() / "MODEL.bin", "great");
    write_old(server.root() / "Model.bin", "mixed");
    write_old(server.root() / "DIR" / "X", "2");
    const auto second = packing.pack(*first);
    REQUIRE(second);
    CHECK(second->files == 5);
    CHECK(packing.packed(*second, "model.bin") == "small");
    CHECK(packing.packed(*second, "MODEL.bin") == "great");
    CHECK(packing.packed(*second, "Model.bin") == "mixed");
    CHECK(packing.packed(*second, "dir/x") == "1");
    CHECK(packing.packed(*second, "DIR/X") == "2");
    CHECK(Packing::sums_hold(*second));
    std::vector<std::string> places;
    for (const ManifestEntry& entry : packing.manifest(*second)) {
        std::string place = entry.local_path;
        std::ranges::transform(place, place.begin(),
                               [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        places.push_back(place);
    }
    std::ranges::sort(places);
    CHECK(std::ranges::adjacent_find(places) == places.end());
}

TEST_CASE("a source that lost more than half waits for a person") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    for (int i = 0; i < 20; ++i) {
        write_old(server.root() / "results" / std::to_string(i), "x");
    }
    Rig rig(server.port());
    Packing packing(rig);
    const auto first = packing.pack();
    REQUIRE(first);
    fs::remove_all(server.root() / "results");
    const auto second = packing.pack(*first);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Errc::conflict);
    CHECK(Packing::sums_hold(*first));
}

TEST_CASE("a tree above the rule's bounds is not packed") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "a", std::string(1000, 'a'));
    write_old(server.root() / "b", std::string(1000, 'b'));
    Rig rig(server.port());
    Packing packing(rig);
    packing.policy.max_bytes = 1999;
    CHECK(packing.pack().error().code == Errc::conflict);
    CHECK(packing.nothing_written());
    packing.policy.max_bytes = 2000;
    CHECK(packing.pack());
}
