// Reading one file of a real server: at rest or not, whole or from the middle, and HTML of notebooks.
#include "jupyter_server.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <fstream>
#include <thread>

using namespace curfew;
using namespace support;
namespace fs = std::filesystem;

namespace {

const std::string notebook =
    R"({"cells": [{"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [)"
    R"({"data": {"text/plain": ["42"]},)"
    R"( "execution_count": 1, "metadata": {}, "output_type": "execute_result"}], "source": ["6 * 7"]},)"
    R"( {"cell_type": "markdown", "metadata": {}, "source": ["# A result"]}],)"
    R"( "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},)"
    R"( "nbformat": 4, "nbformat_minor": 4})";

}  // namespace

TEST_CASE("a file that was just written is changing, and readable once it has been at rest") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_file(server.root() / "fresh.bin", "fresh");
    Rig rig(server.port());
    const auto walk = rig.walk();
    REQUIRE(walk);
    const FileEntry file = file_of(*walk, "fresh.bin");
    const auto early = rig.read(file, seconds{60});
    REQUIRE_FALSE(early.report);
    CHECK(early.report.error().code == Errc::changing);
    CHECK(early.report.error().may_retry());
    std::this_thread::sleep_for(std::chrono::milliseconds{2100});
    const auto asked_at = rig.scheduler.wall();
    const auto late = rig.read(file, seconds{1});
    REQUIRE(late.report);
    CHECK(late.bytes == "fresh");
    CHECK(late.report->bytes == 5);
    CHECK(late.report->before == file);
    CHECK(late.report->after == file);
    CHECK(late.report->server_time > asked_at - seconds{1});  // it has whole seconds
    CHECK(late.report->server_time <= rig.scheduler.wall());
}

TEST_CASE("a file that changed since it was listed is changing") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    const fs::path path = server.root() / "log.txt";
    write_old(path, "12345");
    Rig rig(server.port());
    const FileEntry file = file_of(*rig.walk(), "log.txt");
    SECTION("longer") {
        write_file(path, "1234567");
    }
    SECTION("shorter") {
        write_file(path, "123");
    }
    SECTION("of the same size") {
        write_file(path, "54321");
    }
    SECTION("of the same size, with an older time") {
        write_file(path, "54321");
        age(path, hours{7});
    }
    const auto got = rig.read(file);
    REQUIRE_FALSE(got.report);
    CHECK(got.report.error().code == Errc::changing);
}

TEST_CASE("a growing file is never taken") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    const fs::path path = server.root() / "train.log";
    write_file(path, "start\n");
    std::jthread writer([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            std::ofstream(path, std::ios::app) << std::string(20'000, 'g');
            std::this_thread::sleep_for(std::chrono::milliseconds{20});
        }
    });
    Rig rig(server.port());
    for (int i = 0; i < 20; ++i) {
        const auto walk = rig.walk();
        REQUIRE(walk);
        const auto got = rig.read(file_of(*walk, "train.log"), seconds{30});
        REQUIRE_FALSE(got.report);
        const Error& error = got.report.error();
        // Where it grew after the server had announced its length, the server breaks the transfer off.
        CHECK((error.code == Errc::changing || (error.code == Errc::protocol && error.may_retry())));
    }
}

TEST_CASE("a file that is gone is not found, and a folder is no file") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_old(server.root() / "gone.txt", "x");
    write_old(server.root() / "folder" / "x", "x");
    Rig rig(server.port());
    FileEntry file = file_of(*rig.walk(), "gone.txt");
    fs::remove(server.root() / "gone.txt");
    CHECK(rig.read(file).report.error().code == Errc::not_found);
    file.path = "folder";
    const auto got = rig.read(file);
    REQUIRE_FALSE(got.report);
    CHECK(got.report.error().code != Errc::unauthorized);
    CHECK(got.bytes.empty());
    file.path = "../outside/x";
    CHECK_FALSE(rig.read(file).report);
}

TEST_CASE("a transfer goes on from where it broke") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    std::string bytes;
    for (int i = 0; i < 50'000; ++i) {
        bytes += std::to_string(i) + ",";
    }
    write_old(server.root() / "big.csv", bytes);
    Rig rig(server.port());
    const FileEntry file = file_of(*rig.walk(), "big.csv");
    const auto rest = rig.read(file, seconds{1}, 1000);
    REQUIRE(rest.report);
    CHECK(rest.bytes == bytes.substr(1000));
    CHECK(rig.read(file, seconds{1}, file.size - 1).bytes == ",");
    write_old(server.root() / "big.csv", bytes + "more");
    CHECK(rig.read(file, seconds{1}, 1000).report.error().code == Errc::changing);
}

TEST_CASE("a stamp in the future is no reason to wait for ever") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    write_file(server.root() / "from-2099.txt", "x");
    age(server.root() / "from-2099.txt", -hours{24 * 365 * 30});
    write_file(server.root() / "from-1969.txt", "y");
    age(server.root() / "from-1969.txt", hours{24 * 365 * 58});
    Rig rig(server.port());
    Packing packing(rig);
    const auto receipt = packing.pack();
    REQUIRE(receipt);
    CHECK(receipt->files == 2);
    CHECK(packing.packed(*receipt, "from-2099.txt") == "x");
    CHECK(packing.packed(*receipt, "from-1969.txt") == "y");
}

TEST_CASE("the server makes a page of our copy of a notebook") {
    const Kind kind = GENERATE(Kind::jupyter_server, Kind::notebook);
    JupyterServer& server = shared(kind);
    Rig rig(server.port());
    const auto html = rig.run(rig.guest()->to_html("odd \"name\" \n.ipynb", notebook, rig.in(seconds{60})));
    REQUIRE(html);
    CHECK(html->find("A result") != std::string::npos);
    CHECK(html->substr(html->find_last_not_of(" \r\n") - 6, 7) == "</html>");
    const auto torn = rig.run(
        rig.guest()->to_html("n.ipynb", R"({"cells": 7, "nbformat": 4})", rig.in(seconds{60})));
    REQUIRE_FALSE(torn);
    CHECK(fs::is_empty(server.root()));
}
