// Whole packs of a server that lies: refused with a reason, or taken with every byte in its place.
#include "hostile_server.hpp"
#include "rig.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace curfew;
using namespace support;
namespace fs = std::filesystem;

namespace {

constexpr int fast = 20;

struct Stage {
    Stage() : rig(server.port(), "t0ken", fast), packing(rig) {
        server.put("model.bin", model);
        server.put("sub/a.txt", "abc");
    }
    Result<Receipt> pack(std::optional<Receipt> previous = {}) {
        return packing.pack(std::move(previous), hours{1});
    }

    std::string model = [] {
        std::string text;
        for (int i = 0; i < 100'000; ++i) {
            text += std::to_string(i) + "\n";
        }
        return text;
    }();
    HostileServer server;
    Rig rig;
    Packing packing;
};

Reply raw(int status, const std::string& body, const std::string& type = "application/octet-stream") {
    return {.status = status,
            .headers = {{"Content-Type", type}},
            .body = body,
            .says_length = {},
            .cut_after = {}};
}

}  // namespace

TEST_CASE("a transfer that breaks again and again is put together again") {
    Stage stage;
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (asked.is("/files/model.bin") && asked.number < 4) {
            return stage.server.cut(asked, 100'000 + 7);
        }
        return std::nullopt;
    });
    const auto receipt = stage.pack();
    REQUIRE(receipt);
    CHECK(stage.packing.packed(*receipt, "model.bin") == stage.model);
    CHECK(stage.packing.entry(*receipt, "model.bin").how == "resume");
    CHECK(stage.server.times_asked("/files/model.bin") == 5);
    CHECK(Packing::sums_hold(*receipt));
    CHECK_FALSE(stage.server.saw_write());
}

TEST_CASE("a server that ignores ranges is read anew") {
    Stage stage;
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (!asked.is("/files/model.bin")) {
            return std::nullopt;
        }
        Asked whole = asked;
        whole.range_from.reset();
        return asked.number == 0 ? stage.server.cut(whole, 5000) : stage.server.honest(whole);
    });
    const auto receipt = stage.pack();
    REQUIRE(receipt);
    CHECK(stage.packing.packed(*receipt, "model.bin") == stage.model);
    CHECK(stage.packing.entry(*receipt, "model.bin").how == "files");
    CHECK(Packing::sums_hold(*receipt));
}

TEST_CASE("a wrong place to go on from never becomes a file") {
    Stage stage;
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (!asked.is("/files/model.bin")) {
            return std::nullopt;
        }
        if (!asked.range_from) {
            return stage.server.cut(asked, 5000);
        }
        Reply reply = stage.server.honest(asked);
        reply.body = reply.body.substr(0, reply.body.size() - 1);  // the range is right, the length is not
        return reply;
    });
    const auto receipt = stage.pack();
    REQUIRE_FALSE(receipt);
    CHECK(receipt.error().code == Errc::changing);
    CHECK(stage.packing.nothing_written());
}

TEST_CASE("a login page for one file holds the pack") {
    Stage stage;
    stage.server.set_trap([](const Asked& asked) {
        return asked.is("/files/model.bin") ? std::optional{HostileServer::page()} : std::nullopt;
    });
    const auto receipt = stage.pack();
    REQUIRE_FALSE(receipt);
    CHECK(receipt.error().code == Errc::conflict);
    CHECK(stage.packing.nothing_written());
    stage.packing.policy.partial_ok = true;
    const auto partial = stage.pack();
    REQUIRE(partial);
    CHECK(partial->files == 1);
    CHECK(partial->partial());
    CHECK_FALSE(fs::exists(Packing::snapshot(*partial) / "files" / "model.bin"));
}

TEST_CASE("a token that is lost half way ends the pack") {
    Stage stage;
    stage.server.set_trap([](const Asked& asked) {
        return asked.is("/files/sub/a.txt") ? std::optional{HostileServer::redirect("/login")} : std::nullopt;
    });
    const auto receipt = stage.pack();
    REQUIRE_FALSE(receipt);
    CHECK(receipt.error().code == Errc::unauthorized);
    CHECK(stage.packing.nothing_written());
}

TEST_CASE("a file that cannot be read for good is reported after patience") {
    Stage stage;
    stage.server.set_trap([](const Asked& asked) {
        return asked.is("/files/sub/a.txt") ? std::optional{raw(500, "")} : std::nullopt;
    });
    CHECK(stage.pack().error().code == Errc::conflict);
    CHECK(stage.server.times_asked("/files/sub/a.txt") == 6);
    stage.packing.policy.partial_ok = true;
    const auto receipt = stage.pack();
    REQUIRE(receipt);
    REQUIRE(Packing::missing(*receipt, "sub/a.txt") != nullptr);
    CHECK(Packing::missing(*receipt, "sub/a.txt")->listed);
    CHECK(stage.packing.unchanged(*receipt) == true);
}

TEST_CASE("hostile names and files that are folders as well stay inside the vault") {
    Stage stage;
    stage.packing.policy.partial_ok = true;
    std::string entries = listed("model.bin");
    for (const char* name : {"..", "../evil", "/etc/evil", "a/../../evil", ".", ""}) {
        entries += "," + listed(name) + "," + listed(name, "directory");
    }
    entries += "," + listed("%2e%2e") + "," + listed("..%2fevil") + "," + listed("-") + "," +
               listed("\x01\x1b[2J");
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (asked.is("/api/contents/")) {
            return listing(entries);
        }
        if (asked.below("/files/")) {
            Reply reply = raw(200, "abc");
            reply.headers.emplace_back("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT");
            return reply;
        }
        return std::nullopt;
    });
    const auto receipt = stage.pack();
    REQUIRE(receipt);
    CHECK(receipt->files == 5);
    CHECK(Packing::sums_hold(*receipt));
    const fs::path files = Packing::snapshot(*receipt) / "files";
    CHECK(std::distance(fs::recursive_directory_iterator(files), fs::recursive_directory_iterator()) == 5);
    // A file that is a folder as well has no place twice.
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (asked.is("/api/contents/")) {
            return listing(listed("both") + "," + listed("both", "directory"));
        }
        if (asked.is("/api/contents/both")) {
            return listing(listed("inside"));
        }
        return asked.below("/files/") ? std::optional{raw(200, "abc")} : std::nullopt;
    });
    const auto both = stage.pack();
    CHECK((both || both.error().code != Errc::internal));
}

TEST_CASE("a listing that shrinks while it is packed is not taken for the truth") {
    Stage stage;
    for (int i = 0; i < 30; ++i) {
        stage.server.put("results/" + std::to_string(i), "x");
    }
    stage.server.set_trap([](const Asked& asked) {
        return asked.is("/api/contents/") && asked.number > 0 ? std::optional{listing("")} : std::nullopt;
    });
    const auto receipt = stage.pack();
    REQUIRE_FALSE(receipt);
    CHECK(receipt.error().code == Errc::changing);
    CHECK(stage.packing.nothing_written());
}

TEST_CASE("a listing that shrank since the last pack waits for a person") {
    Stage stage;
    for (int i = 0; i < 30; ++i) {
        stage.server.put("results/" + std::to_string(i), "x");
    }
    const auto first = stage.pack();
    REQUIRE(first);
    stage.server.set_trap([](const Asked& asked) {
        return asked.is("/api/contents/") ? std::optional{listing(listed("one"))} : std::nullopt;
    });
    const auto second = stage.pack(*first);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Errc::conflict);
    CHECK(second.error().text.find(first->id.value) != std::string::npos);
}

TEST_CASE("a tree that never holds still is in use") {
    Stage stage;
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (asked.is("/api/contents/sub")) {
            stage.server.put("sub/checkpoint-" + std::to_string(asked.number), "c");
        }
        return std::nullopt;
    });
    const auto receipt = stage.pack();
    REQUIRE_FALSE(receipt);
    CHECK(receipt.error().code == Errc::changing);
    CHECK(stage.packing.nothing_written());
}

TEST_CASE("what comes and goes while it is packed is in the copy or not in the receipt") {
    Stage stage;
    stage.server.put("going.txt", "g");
    const auto move = [&] {
        stage.server.remove("going.txt");
        stage.server.put("coming.txt", "c");
        stage.server.put("model.bin", stage.model + "more", "2020-01-01T00:00:09.5Z");
    };
    std::string when;
    int number = 0;
    std::optional<std::size_t> cut_after;
    int reads = 2;
    SECTION("before the file is read") {
        when = "/files/model.bin";
    }
    SECTION("before what goes is read") {
        when = "/files/going.txt";
        reads = 0;  // 1 or 2: files are read side by side
    }
    SECTION("while the file is read") {
        when = "/files/model.bin";
        number = 1;  // the rest of it
        cut_after = 100'007;
        reads = 4;  // the first part, no rest, a whole one too long, and the new one
    }
    SECTION("after all files were read") {
        when = "/api/contents/";
        number = 1;
    }
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (asked.is(when) && asked.number == number) {
            move();
        }
        if (cut_after && asked.is("/files/model.bin") && asked.number == 0) {
            return stage.server.cut(asked, *cut_after);
        }
        return std::nullopt;
    });
    const auto receipt = stage.pack();
    INFO((receipt ? std::string{} : to_string(receipt.error())));
    REQUIRE(receipt);
    CHECK(receipt->files == 3);
    CHECK(stage.packing.packed(*receipt, "coming.txt") == "c");
    CHECK(stage.packing.packed(*receipt, "model.bin") == stage.model + "more");
    CHECK_FALSE(fs::exists(Packing::snapshot(*receipt) / "files" / "going.txt"));
    CHECK_FALSE(receipt->partial());
    CHECK(Packing::sums_hold(*receipt));
    CHECK(stage.packing.unchanged(*receipt) == true);
    if (reads > 0) {
        CHECK(stage.server.times_asked("/files/model.bin") == reads);
    }
}

TEST_CASE("a file that is another one for a moment is read once more") {
    Stage stage;
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (asked.is("/files/model.bin") && asked.number == 0) {
            stage.server.put("model.bin", "short", "2020-01-01T00:00:09.5Z");
        }
        if (asked.is("/api/contents/") && asked.number == 1) {
            stage.server.put("model.bin", stage.model);  // listed as it was
        }
        return std::nullopt;
    });
    const auto receipt = stage.pack();
    REQUIRE(receipt);
    CHECK(receipt->files == 2);
    CHECK(stage.packing.packed(*receipt, "model.bin") == stage.model);
    CHECK(Packing::sums_hold(*receipt));
    CHECK(stage.packing.unchanged(*receipt) == true);
}

TEST_CASE("a file that is never what is listed is in use") {
    Stage stage;
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (asked.is("/files/model.bin")) {
            return raw(200, "short");
        }
        if (asked.is("/api/contents/model.bin")) {
            return HostileServer::json(
                R"({"type": "file", "size": 5, "last_modified": "2020-01-01T00:00:09.5Z", "content": null})");
        }
        return std::nullopt;
    });
    const auto receipt = stage.pack();
    REQUIRE_FALSE(receipt);
    CHECK(receipt.error().code == Errc::changing);
    CHECK(receipt.error().may_retry());
    CHECK(receipt.error().where == "model.bin");
    CHECK(stage.server.times_asked("/files/model.bin") == 5);
    CHECK(stage.packing.nothing_written());
}

TEST_CASE("a pack ends at its deadline") {
    Stage stage;
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (!asked.is("/files/model.bin")) {
            return std::nullopt;
        }
        Reply reply = stage.server.honest(asked);
        reply.drip_ms = 5;
        return reply;
    });
    const auto receipt = stage.packing.pack({}, seconds{20});
    REQUIRE_FALSE(receipt);
    CHECK(receipt.error().code == Errc::timeout);
    CHECK(stage.packing.nothing_written());
}
