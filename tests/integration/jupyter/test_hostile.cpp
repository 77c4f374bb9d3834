// A server that lies, one trap at a time: a typed error, and no byte where none belongs.
#include "hostile_server.hpp"
#include "rig.hpp"

#include <catch2/catch.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>

using namespace curfew;
using namespace support;

namespace {

const std::string model_bytes(1000, 'm');

/// A server with model.bin, page.html and sub/a.txt, and how its files are listed.
struct Stage {
    Stage() {
        server.put("model.bin", model_bytes);
        server.put("page.html", "<html>" + std::string(500, 'h') + "</html>");
        server.put("sub/a.txt", "abc");
    }
    Result<Walk> walk(WalkLimits limits = {}) { return Rig(server.port()).walk(limits); }
    FileEntry model() { return file_of(*walk(), "model.bin"); }
    Rig::Got read(std::int64_t offset = 0) {
        const FileEntry file{"model.bin", static_cast<std::int64_t>(model_bytes.size()),
                             1'577'836'800'123'457};
        return Rig(server.port()).read(file, seconds{10}, offset);
    }
    void trap(const std::string& path, const Reply& reply) {
        server.set_trap([path, reply](const Asked& asked) {
            return asked.is(path) ? std::optional{reply} : std::nullopt;
        });
    }
    HostileServer server;
};

Reply raw(int status, const std::string& body, const std::string& type = "application/octet-stream") {
    return {.status = status,
            .headers = {{"Content-Type", type}},
            .body = body,
            .says_length = {},
            .cut_after = {}};
}

Errc code_of(const Rig::Got& got) {
    REQUIRE_FALSE(got.report);
    CHECK_FALSE(got.report.error().text.empty());
    return got.report.error().code;
}

}  // namespace

TEST_CASE("the stand-in is an honest server without a trap") {
    Stage stage;
    const auto walk = stage.walk();
    REQUIRE(walk);
    CHECK(walk->files.size() == 3);
    CHECK(stage.model() == FileEntry{"model.bin", 1000, 1'577'836'800'123'457});
    const auto got = stage.read();
    REQUIRE(got.report);
    CHECK(got.bytes == model_bytes);
    CHECK(stage.read(400).bytes == model_bytes.substr(400));
    CHECK_FALSE(stage.server.saw_write());
}

TEST_CASE("a redirect to a login page is a lost token, and is not followed") {
    Stage stage;
    stage.server.set_trap([](const Asked& asked) -> std::optional<Reply> {
        if (asked.is("/login")) {
            return HostileServer::page();
        }
        return HostileServer::redirect("/login?next=%2F");
    });
    CHECK(code_of(stage.read()) == Errc::unauthorized);
    CHECK(stage.walk().error().code == Errc::unauthorized);
    Rig rig(stage.server.port());
    CHECK(rig.observe().error().code == Errc::unauthorized);
    CHECK(rig.run(rig.guest()->to_html("n.ipynb", "{}", rig.in(seconds{60}))).error().code ==
          Errc::unauthorized);
    CHECK(rig.run(rig.guest()->shut_down(rig.in(seconds{60}))).answer == event::Answer::refused);
    CHECK(stage.server.times_asked("/login") == 0);
}

TEST_CASE("a login page is never a model") {
    Stage stage;
    stage.trap("/files/model.bin", HostileServer::page());
    CHECK(code_of(stage.read()) == Errc::unsafe);
    Reply same_size = raw(200, model_bytes, "Text/HTML");
    stage.trap("/files/model.bin", same_size);
    const auto got = stage.read();
    CHECK(code_of(got) == Errc::unsafe);
    CHECK(got.bytes.empty());
    // And no lists either.
    for (const char* list : {"/api/status", "/api/contents/"}) {
        stage.trap(list, HostileServer::page());
        CHECK(stage.walk().error().code == Errc::protocol);
    }
    stage.trap("/api/kernels", HostileServer::page());
    CHECK(Rig(stage.server.port()).observe().error().code == Errc::protocol);
}

TEST_CASE("a page whose name says so, and a file that the server takes for one, are read") {
    Stage stage;
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (!asked.below("/files/")) {
            return std::nullopt;
        }
        Reply reply = stage.server.honest(asked);
        reply.headers.front().second = "text/html";
        return reply;
    });
    Rig rig(stage.server.port());
    CHECK(rig.read(file_of(*rig.walk(), "page.html")).report);
    // Its length and its time are those of the listing: no login page has them.
    CHECK(stage.read().report);
}

TEST_CASE("statuses become typed errors, whatever their bodies are") {
    struct Row {
        int status;
        Errc code;
    };
    for (const Row& row : {Row{401, Errc::unauthorized},
                           {404, Errc::not_found},
                           {400, Errc::protocol},
                           {416, Errc::protocol},
                           {429, Errc::rate_limited},
                           {500, Errc::unavailable},
                           {503, Errc::unavailable},
                           {301, Errc::unauthorized},
                           {307, Errc::unauthorized},
                           {418, Errc::protocol}}) {
        for (const std::string& body :
             {std::string{"file or directory '/no/such' does not exist"}, std::string{"\x1b[2J\0", 5},
              std::string{R"({"message": "no", "reason": null})"}, std::string{}}) {
            INFO(row.status << " " << body);
            Stage stage;
            stage.trap("/files/model.bin", raw(row.status, body, "application/json"));
            const auto got = stage.read();
            CHECK(code_of(got) == row.code);
            CHECK(got.bytes.empty());
            CHECK(std::ranges::all_of(got.report.error().text,
                                      [](char c) { return static_cast<unsigned char>(c) >= 0x20; }));
        }
    }
    Stage stage;
    stage.trap("/files/model.bin", raw(403, "no"));
    CHECK(code_of(stage.read()) == Errc::forbidden);  // the token is good
    stage.server.set_trap([](const Asked&) { return raw(403, "no"); });
    CHECK(code_of(stage.read()) == Errc::unauthorized);
    for (const int status : {201, 203, 206}) {
        stage.trap("/files/model.bin", raw(status, model_bytes));
        const auto got = stage.read();
        CHECK(code_of(got) == Errc::protocol);
        CHECK(got.bytes.empty());
    }
}

TEST_CASE("a length that is not the listed one is refused before its bytes") {
    Stage stage;
    for (const std::string& body : {model_bytes + "x", model_bytes.substr(1), std::string{}}) {
        // The model agrees with the listing, as for a link: then the length may differ. Without it, not.
        stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
            if (asked.is("/files/model.bin")) {
                return raw(200, body);
            }
            return asked.is("/api/contents/model.bin") ? std::optional{raw(404, "gone")} : std::nullopt;
        });
        const auto got = stage.read();
        CHECK_FALSE(got.report);
        CHECK(got.bytes.empty());
    }
}

TEST_CASE("an answer that ends early is broken off, not taken") {
    Stage stage;
    Reply reply = raw(200, model_bytes);
    reply.cut_after = 300;
    stage.trap("/files/model.bin", reply);
    const auto got = stage.read();
    CHECK(code_of(got) == Errc::protocol);
    CHECK(got.bytes.size() == 300);
    reply.cut_after = 0;
    stage.trap("/files/model.bin", reply);
    CHECK(code_of(stage.read()) == Errc::protocol);
}

TEST_CASE("a transfer goes on only from the very byte") {
    Stage stage;
    const auto ranged = [&](int status, const std::string& range, const std::string& body) {
        Reply reply = raw(status, body);
        reply.headers.emplace_back("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT");
        if (!range.empty()) {
            reply.headers.emplace_back("Content-Range", range);
        }
        stage.trap("/files/model.bin", reply);
        auto got = stage.read(400);
        return got;
    };
    const std::string rest = model_bytes.substr(400);
    CHECK(ranged(206, "bytes 400-999/1000", rest).report);
    struct Row {
        int status;
        std::string range;
        std::string body;
    };
    for (const Row& row : {Row{200, "", model_bytes},
                           {200, "bytes 400-999/1000", rest},
                           {206, "", rest},
                           {206, "bytes 399-999/1000", rest},
                           {206, "bytes 400-999/1001", rest},
                           {206, "bytes 400-998/1000", rest},
                           {206, "bytes 400-999/*", rest},
                           {206, "bytes 0-999/1000", model_bytes},
                           {206, "bytes 400-999/1000", rest.substr(1)},
                           {206, "bytes 400-999/1000", rest + "x"},
                           {206, "bytes 400-999/1000", ""},
                           {416, "bytes */1000", ""}}) {
        INFO(row.status << " " << row.range << " " << row.body.size());
        const auto got = ranged(row.status, row.range, row.body);
        CHECK_FALSE(got.report);
        CHECK(got.bytes.empty());
    }
}

TEST_CASE("a compressed answer is refused") {
    Stage stage;
    Reply reply = raw(200, model_bytes);
    reply.headers.emplace_back("Content-Encoding", "gzip");
    stage.trap("/files/model.bin", reply);
    const auto got = stage.read();
    CHECK(code_of(got) == Errc::protocol);
    CHECK(got.bytes.empty());
    Reply list = HostileServer::json("[]");
    list.headers.emplace_back("Content-Encoding", "br");
    stage.trap("/api/contents/", list);
    CHECK(stage.walk().error().code == Errc::protocol);
}

TEST_CASE("without the server's time nothing is at rest") {
    Stage stage;
    Reply reply = raw(200, model_bytes);
    reply.says_date = false;
    stage.trap("/files/model.bin", reply);
    CHECK(code_of(stage.read()) == Errc::protocol);
    Reply status = HostileServer::json(R"({"connections": 0, "started": "2020-01-01T00:00:00Z"})");
    status.says_date = false;
    stage.trap("/api/status", status);
    CHECK(stage.walk().error().code == Errc::protocol);
}

TEST_CASE("a slow drip ends at the deadline") {
    Stage stage;
    Reply reply = raw(200, model_bytes);
    reply.drip_ms = 100;
    stage.trap("/files/model.bin", reply);
    Rig rig(stage.server.port());
    MemorySink sink;
    const FileEntry file{"model.bin", 1000, 1'577'836'800'123'457};
    const auto read = rig.run(rig.guest()->read(file, 0, seconds{1}, sink, rig.in(seconds{1})));
    REQUIRE_FALSE(read);
    CHECK(read.error().code == Errc::timeout);
    Reply list = HostileServer::json("[" + std::string(1000, ' ') + "]");
    list.drip_ms = 100;
    stage.trap("/api/kernels", list);
    CHECK(rig.run(rig.guest()->observe({}, rig.in(seconds{1}))).error().code == Errc::timeout);
    stage.trap("/api/contents/sub", list);
    CHECK(rig.run(rig.guest()->walk({}, rig.in(seconds{1}))).error().code == Errc::timeout);
}

TEST_CASE("names that lead elsewhere never become paths") {
    Stage stage;
    std::string entries;
    for (const char* name :
         {"../x", "..", ".", "", "/etc/passwd", "a/b", "../../../../tmp/evil", "nul\\u0000l"}) {
        for (const char* type : {"file", "directory", "notebook"}) {
            std::string entry = listed("NAME", type, "NAME");
            for (std::size_t at = 0; (at = entry.find("NAME")) != std::string::npos;) {
                entry.replace(at, 4, name);
            }
            entries += entry + ",";
        }
    }
    entries += listed("honest.txt", "file", "../../etc/passwd");
    stage.trap("/api/contents/", listing(entries));
    const auto walk = stage.walk();
    REQUIRE(walk);
    REQUIRE(walk->files.size() == 1);
    CHECK(walk->files.front().path == "honest.txt");
    CHECK(walk->not_covered.size() == 24);
    CHECK(std::ranges::all_of(walk->not_covered, &NotCovered::listed));
    CHECK(stage.server.times_asked("/api/contents/..") == 0);
}

TEST_CASE("a name twice in a listing is one file") {
    Stage stage;
    stage.trap("/api/contents/", listing(listed("a") + "," + listed("a") + "," + listed("a", "notebook")));
    const auto walk = stage.walk();
    REQUIRE(walk);
    CHECK(walk->files.size() == 1);
}

TEST_CASE("a listing above the cap and a listing above all reason are too large") {
    Stage stage;
    std::string entries = listed("first");
    for (int i = 0; i < 100'000; ++i) {
        entries += R"(,{"name":"f)" + std::to_string(i) +
                   R"(","type":"file","size":1,"last_modified":"2020-01-01T00:00:00Z"})";
    }
    stage.trap("/api/contents/", listing(entries));
    CHECK(stage.walk({.entries_max = 50'000, .depth_max = 32}).error().code == Errc::too_large);
    Reply huge = HostileServer::json(std::string(1 << 20, ' '));
    huge.repeat = 80;
    stage.trap("/api/contents/", huge);
    CHECK(stage.walk().error().code == Errc::too_large);
    stage.trap("/api/status", huge);
    CHECK(stage.walk().error().code == Errc::too_large);
    stage.trap("/api/kernels", huge);
    CHECK(Rig(stage.server.port()).observe().error().code == Errc::too_large);
}

TEST_CASE("folders without end are cut at the depth, many of them at the cap") {
    Stage stage;
    int count = 0;
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (!asked.below("/api/contents/")) {
            return std::nullopt;
        }
        // Ever new names, so that no listing is that of a folder above.
        ++count;
        return listing(listed("d" + std::to_string(count), "directory") + "," +
                       listed("f" + std::to_string(count)));
    });
    const auto walk = stage.walk();
    REQUIRE(walk);
    CHECK(walk->files.size() == 32);
    REQUIRE(walk->not_covered.size() == 1);
    CHECK(walk->not_covered.front().listed);
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (!asked.below("/api/contents/")) {
            return std::nullopt;
        }
        std::string entries;
        for (int i = 0; i < 50; ++i) {
            entries += (i == 0 ? "" : ",") + listed("d" + std::to_string(++count), "directory");
        }
        return listing(entries);
    });
    CHECK(stage.walk({.entries_max = 20'000, .depth_max = 32}).error().code == Errc::too_large);
}

TEST_CASE("many folders side by side take memory once") {
    Stage stage;
    std::string entries = listed("d0", "directory");
    for (int i = 1; i < 12'000; ++i) {
        entries += "," + listed("d" + std::to_string(i), "directory");
    }
    stage.server.set_trap([&](const Asked& asked) -> std::optional<Reply> {
        if (asked.is("/api/contents/")) {
            return listing(entries);
        }
        return asked.below("/api/contents/") ? std::optional{raw(500, "")} : std::nullopt;
    });
    const auto peak_mib = [] {
        rusage usage{};
        REQUIRE(::getrusage(RUSAGE_SELF, &usage) == 0);
        return usage.ru_maxrss / 1024;
    };
    const long before = peak_mib();
    CHECK(stage.walk().error().code == Errc::unavailable);
    CHECK(peak_mib() - before < 200);
}

TEST_CASE("an endless loop is cut by its listing") {
    Stage stage;
    stage.server.set_trap([](const Asked& asked) -> std::optional<Reply> {
        return asked.below("/api/contents/")
                   ? std::optional{listing(listed("self", "directory") + "," + listed("f"))}
                   : std::nullopt;
    });
    const auto walk = stage.walk();
    REQUIRE(walk);
    CHECK(walk->files.size() == 1);
    CHECK(missing_in(*walk, "self") != nullptr);
    CHECK(walk->not_covered.size() == 1);
}

TEST_CASE("what is not the JSON of Jupyter is a protocol error") {
    for (const std::string& body : {std::string{"not JSON"}, std::string{}, std::string{"[1,2"},
                                    std::string{"<html></html>"}, std::string(1'000'000, '['),
                                    std::string{"{\"type\": \"directory\", \"content\": "} +
                                        std::string(100'000, '[') + std::string(100'000, ']') + "}",
                                    std::string{"null"}, std::string{"{\"type\": \"directory\"}"},
                                    std::string{"\xFF\xFE"}, std::string{"{}{}"}}) {
        INFO(body.substr(0, 40));
        Stage stage;
        stage.trap("/api/contents/", HostileServer::json(body));
        const auto walk = stage.walk();
        REQUIRE_FALSE(walk);
        CHECK(walk.error().code == Errc::protocol);
        CHECK(walk.error().may_retry());
        stage.trap("/api/status", HostileServer::json(body));
        CHECK(stage.walk().error().code == Errc::protocol);
    }
}

TEST_CASE("kernels of wrong types are unknown, and a broken list leaves the others") {
    const auto verdict = [](const std::string& path, const Reply& reply, Signal signal) {
        Stage stage;
        stage.trap(path, reply);
        const auto observations = Rig(stage.server.port()).observe();
        REQUIRE(observations);
        const auto found = std::ranges::find(*observations, signal, &Observation::source);
        return found == observations->end() ? std::optional<Verdict>{} : found->verdict;
    };
    for (const char* body : {"{}", "null", "[1]", "[{}]", R"([{"execution_state": 7}])",
                             R"([{"execution_state": "asleep"}])", "\"idle\""}) {
        INFO(body);
        CHECK(verdict("/api/kernels", HostileServer::json(body), Signal::kernels) == Verdict::unknown);
        CHECK(verdict("/api/kernels", HostileServer::json(body), Signal::terminals) == Verdict::quiet);
    }
    CHECK(verdict("/api/terminals", HostileServer::json("[{}]"), Signal::terminals) == Verdict::unknown);
    CHECK(verdict("/api/terminals", raw(500, ""), Signal::terminals) == Verdict::unknown);
    CHECK(verdict("/api/terminals", HostileServer::page(), Signal::terminals) == Verdict::unknown);
    CHECK(verdict("/api/terminals", raw(404, ""), Signal::terminals) == std::nullopt);  // switched off
    CHECK(verdict("/api/status", raw(500, ""), Signal::server) == Verdict::unknown);
    CHECK(verdict("/api/status", HostileServer::json("[]"), Signal::server) == Verdict::unknown);
    CHECK(verdict("/api/status", raw(500, ""), Signal::kernels) == Verdict::quiet);
}

TEST_CASE(
    "a folder that is gone when it is opened is not covered, a listing that fails once is asked again") {
    Stage stage;
    stage.trap("/api/contents/sub", raw(404, "gone"));
    const auto walk = stage.walk();
    REQUIRE(walk);
    CHECK(walk->files.size() == 2);
    REQUIRE(missing_in(*walk, "sub") != nullptr);
    CHECK(missing_in(*walk, "sub")->listed);
    // A file that vanishes while its folder is listed makes the whole listing a 404.
    for (const std::string path : {"/api/contents/", "/api/contents/sub"}) {
        Stage once;
        once.server.set_trap([path](const Asked& asked) {
            return asked.is(path) && asked.number == 0 ? std::optional{raw(404, "gone")} : std::nullopt;
        });
        const auto again = once.walk();
        REQUIRE(again);
        CHECK(again->files.size() == 3);
        CHECK(again->not_covered.empty());
    }
}

TEST_CASE("a page of a notebook is whole or it is refused") {
    const std::string page = "<!DOCTYPE html><html>" + std::string(2000, 'p') + "</html>\n";
    struct Row {
        Reply reply;
        bool good;
    };
    Reply short_of = raw(200, page, "text/html");
    short_of.cut_after = 1000;
    for (const Row& row : {Row{raw(200, page, "text/html; charset=UTF-8"), true},
                           {raw(200, "", "text/html"), false},
                           {raw(200, "<html></html>", "text/html"), false},
                           {raw(200, page.substr(0, 1500), "text/html"), false},
                           {raw(200, page, "application/json"), false},
                           {raw(500, page, "text/html"), false},
                           {raw(404, "", "text/html"), false},
                           {HostileServer::redirect("/files/x"), false},
                           {short_of, false},
                           {HostileServer::page(403), false}}) {
        Stage stage;
        stage.trap("/nbconvert/html", row.reply);
        Rig rig(stage.server.port());
        CHECK(rig.run(rig.guest()->to_html("n.ipynb", "{}", rig.in(seconds{60}))).has_value() == row.good);
    }
}

TEST_CASE("a lost answer to a shutdown is ambiguous, and it is sent once") {
    for (const int status : {200, 204, 404, 500, 0}) {
        Stage stage;
        Reply reply = status == 0 ? raw(200, "") : raw(status, "");
        if (status == 0) {
            reply.says_length = 10;
        }
        stage.trap("/api/shutdown", reply);
        Rig rig(stage.server.port());
        const auto answer = rig.run(rig.guest()->shut_down(rig.in(seconds{60}))).answer;
        CHECK(answer == (status == 404                  ? event::Answer::refused
                         : status == 0 || status == 500 ? event::Answer::ambiguous
                                                        : event::Answer::accepted));
        CHECK(stage.server.times_asked("/api/shutdown") == 1);
    }
}

TEST_CASE("a door opens only to an address that is a host") {
    HostileServer server;
    Rig rig(server.port());
    jupyter::JupyterDoor door(
        rig.client, rig.scheduler,
        [&](const AccountName& name) { return name.value == "lab" ? &rig.account : nullptr; },
        [] { return 4; });
    Resource resource;
    Run run{.id = RunId{"n"},
            .state = RunState::running,
            .state_text = {},
            .machine_type = {},
            .started_at = {},
            .ended_at = {},
            .address = "host.example",
            .token = Secret{"t"}};
    CHECK(door.open(AccountName{"lab"}, resource, run) != nullptr);
    CHECK(door.open(AccountName{"other"}, resource, run) == nullptr);
    for (const char* address : {"", "host/path", "user@host", "host:99", "ho st", "host\r\nX: y", "[::1]",
                                "a?b", "a#b", "{fqdn}"}) {
        run.address = address;
        CHECK(door.open(AccountName{"lab"}, resource, run) == nullptr);
    }
    run.address = "host.example";
    run.token = Secret{};
    CHECK(door.open(AccountName{"lab"}, resource, run) == nullptr);
    run.token = Secret{"t"};
    resource.kind = ResourceKind::machine;
    CHECK(door.open(AccountName{"lab"}, resource, run) == nullptr);
}
