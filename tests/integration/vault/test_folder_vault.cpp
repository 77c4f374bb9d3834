// The folder vault on a real disk.
#include "adapters/vault/folder.hpp"
#include "adapters/vault/folder_vault.hpp"
#include "adapters/vault/manifest.hpp"
#include "adapters/vault/workers.hpp"
#include "integration/http/loop.hpp"
#include "support/folder.hpp"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace curfew;
using support::Loop;

namespace {

namespace fs = std::filesystem;

std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void put(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// sha256sum's own opinion.
bool sums_are_good(const std::string& snapshot) {
    const std::string command = "cd '" + snapshot +
                                "/files' && sha256sum --strict --quiet -c ../SHA256SUMS >/dev/null 2>&1";
    return std::system(command.c_str()) == 0;  // NOLINT(concurrency-mt-unsafe): the workers start no shell
}

struct Bench {
    std::string folder = [] {
        std::string name = (fs::temp_directory_path() / "curfew-vault-XXXXXX").string();
        return std::string{::mkdtemp(name.data())};
    }();
    std::string root = folder + "/vault";
    Loop loop;
    std::shared_ptr<vault::Workers> workers = std::make_shared<vault::Workers>(loop.context().get_executor(),
                                                                               2);
    std::unique_ptr<vault::FolderVault> vault = std::make_unique<vault::FolderVault>(
        VaultName{"local"}, root, true, loop.scheduler(), workers);

    Bench() = default;
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;
    ~Bench() {
        workers->join();
        ::umount2(root.c_str(), MNT_DETACH);
        std::error_code ignored;
        fs::remove_all(folder, ignored);
    }

    std::string resource(const std::string& id = "r1") const { return root + "/lab/" + id; }

    Result<std::unique_ptr<Snapshot>> try_begin(const std::string& receipt, const std::string& run = "n1",
                                                std::int64_t expected = 0, const std::string& id = "r1") {
        return loop.run(
            vault->begin(AccountName{"lab"}, ResourceId{id}, RunId{run}, ReceiptId{receipt}, expected));
    }
    std::unique_ptr<Snapshot> begin(const std::string& receipt, const std::string& run = "n1",
                                    const std::string& id = "r1") {
        auto begun = try_begin(receipt, run, 0, id);
        if (!begun) {
            FAIL(to_string(begun.error()));
        }
        return std::move(*begun);
    }
    Result<ManifestEntry> add(Snapshot& snapshot, const std::string& path, const std::string& bytes,
                              std::int64_t mtime = 100) {
        auto file = loop.run(snapshot.create(local_path_for(path)));
        if (!file) {
            return std::unexpected(file.error());
        }
        for (std::size_t from = 0; from < bytes.size(); from += 100'000) {
            const std::string piece = bytes.substr(from, 100'000);
            if (auto written = loop.run((*file)->write(std::as_bytes(std::span{piece}))); !written) {
                return std::unexpected(written.error());
            }
        }
        auto hash = loop.run((*file)->finish());
        if (!hash) {
            return std::unexpected(hash.error());
        }
        return ManifestEntry{.path = path,
                             .local_path = local_path_for(path),
                             .size = (*file)->bytes(),
                             .mtime_us = mtime,
                             .sha256 = *hash,
                             .read_at = loop.scheduler().wall(),
                             .attempts = 1,
                             .how = "files",
                             .note = {}};
    }
    Receipt receipt(const std::string& id, const std::string& run = "n1",
                    const std::string& resource_id = "r1") {
        Receipt r;
        r.id = ReceiptId{id};
        r.account = AccountName{"lab"};
        r.resource = ResourceId{resource_id};
        r.run = RunId{run};
        r.resource_name = "demo";
        r.begun_at = parse_wall_time("2026-11-23T03:15:00Z").value();
        return r;
    }
    Result<Receipt> publish(Snapshot& snapshot, const std::string& id, std::vector<ManifestEntry> manifest,
                            const std::string& run = "n1", const std::string& resource_id = "r1") {
        return loop.run(snapshot.publish(receipt(id, run, resource_id), std::move(manifest)));
    }
    /// One published snapshot of these files.
    Receipt pack(const std::string& id, const std::vector<std::pair<std::string, std::string>>& files,
                 const std::string& run = "n1") {
        auto snapshot = begin(id, run);
        std::vector<ManifestEntry> manifest;
        for (const auto& [path, bytes] : files) {
            manifest.push_back(add(*snapshot, path, bytes).value());
        }
        auto published = publish(*snapshot, id, manifest, run);
        if (!published) {
            FAIL(to_string(published.error()));
        }
        return std::move(*published);
    }
    std::string place(const Receipt& r) const { return r.proofs.at(0).locator; }
    /// What is half-built below a resource once the workers have done what they were told.
    std::vector<std::string> half_built(const std::string& id = "r1") {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(resource(id) + "/snapshots")) {
            if (entry.path().filename().string().starts_with(".tmp-")) {
                names.push_back(entry.path().filename().string());
            }
        }
        return names;
    }
};

}  // namespace

TEST_CASE("a snapshot is published whole and checks without us") {
    Bench b;
    const std::string large(3'000'000, 'L');
    const std::vector<std::pair<std::string, std::string>> files{
        {"model.bin", large},        {"empty", ""},      {"a/b/c d.txt", "deep"},
        {"caf\xC3\xA9.ipynb", "{}"}, {"-rf", "dash"},    {"line\nbreak", "n"},
        {"back\\slash", "s"},        {"%41", "percent"}, {"100%.txt", "full"}};
    auto snapshot = b.begin("rc1");
    std::vector<ManifestEntry> manifest;
    for (const auto& [path, bytes] : files) {
        manifest.push_back(b.add(*snapshot, path, bytes).value());
    }
    REQUIRE(b.loop.run(snapshot->add_html("a/b.html", "<p>")));
    const auto published = b.publish(*snapshot, "rc1", manifest);
    REQUIRE(published);
    const std::string place = b.place(*published);
    CHECK(place == b.resource() + "/snapshots/2026-11-23T031500Z-rc1");
    CHECK(sums_are_good(place));
    CHECK(content(place + "/files/model.bin") == large);
    CHECK(content(place + "/files/%2Drf") == "dash");
    CHECK(content(place + "/files/line%0Abreak") == "n");
    CHECK(content(place + "/files/100%.txt") == "full");
    CHECK(content(place + "/html/a/b.html") == "<p>");
    CHECK(fs::read_symlink(b.resource() + "/latest") == "snapshots/2026-11-23T031500Z-rc1");
    CHECK(content(b.resource() + "/latest/receipt.json").find("\"curfew.receipt/1\"") != std::string::npos);
    CHECK(published->proofs.at(0).vault == VaultName{"local"});
    CHECK(published->proofs.at(0).method == "sha256 read back");
    CHECK(published->sums_sha256 == to_hex(vault::sha256_of(content(place + "/SHA256SUMS"))));
    CHECK(published->manifest_sha256 == to_hex(vault::sha256_of(content(place + "/manifest.jsonl"))));
    CHECK(published->verified_at.ms > 0);
    CHECK(b.half_built().empty());
    CHECK(b.loop.run(b.vault->verify(*published)));
    const auto read = b.loop.run(b.vault->manifest(*published));
    REQUIRE(read);
    REQUIRE(read->size() == files.size());
    for (const ManifestEntry& entry : *read) {
        const auto same = std::ranges::find(manifest, entry.path, &ManifestEntry::path);
        REQUIRE(same != manifest.end());
        CHECK(entry.local_path == same->local_path);
        CHECK(entry.size == same->size);
        CHECK(entry.mtime_us == same->mtime_us);
        CHECK(entry.sha256 == same->sha256);
        CHECK(entry.how == "files");
    }
    struct stat info{};
    REQUIRE(::stat((place + "/files/model.bin").c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    REQUIRE(::stat(place.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0700);
}

TEST_CASE("a sum file with escaped names is understood by sha256sum") {
    Bench b;
    auto snapshot = b.begin("rc1");
    // A local name never holds these; the line's own escape is checked all the same.
    const auto entry = b.add(*snapshot, "plain", "x").value();
    put(b.resource() + "/snapshots/.tmp-rc1/files/a\\b\nc", "x");
    ManifestEntry odd = entry;
    odd.path = "odd";
    odd.local_path = "a\\b\nc";
    const auto published = b.publish(*snapshot, "rc1", {entry, odd});
    REQUIRE(published);
    CHECK(sums_are_good(b.place(*published)));
}

TEST_CASE("an empty pack is a verified empty manifest") {
    Bench b;
    const Receipt r = b.pack("rc1", {});
    CHECK(content(b.place(r) + "/SHA256SUMS").empty());
    CHECK(fs::is_directory(b.place(r) + "/files"));
    CHECK(b.loop.run(b.vault->verify(r)));
    CHECK(b.loop.run(b.vault->manifest(r))->empty());
}

TEST_CASE("names that lead elsewhere are refused, and nothing outside is touched") {
    Bench b;
    put(b.folder + "/outside", "precious");
    fs::create_directories(b.folder + "/elsewhere");
    put(b.folder + "/elsewhere/f", "precious");
    auto snapshot = b.begin("rc1");
    const std::string temporary = b.resource() + "/snapshots/.tmp-rc1";
    REQUIRE(b.add(*snapshot, "good", "x"));
    fs::create_directory_symlink(b.folder + "/elsewhere", temporary + "/files/link");
    fs::create_symlink(b.folder + "/outside", temporary + "/files/to-outside");
    fs::create_directories(temporary + "/html");
    fs::create_directory_symlink(b.folder + "/elsewhere", temporary + "/html/link");
    const std::string up = "../../../../../../";
    for (const std::string& path :
         {up + "outside", b.folder + "/outside", std::string{"../SHA256SUMS"}, std::string{"a/../../x"},
          std::string{".."}, std::string{"."}, std::string{""}, std::string{"a//b"}, std::string{"a/"},
          std::string{"a/./b"}, std::string{"link/f"}, std::string{"link/new"}, std::string{"a\0b", 3},
          std::string(256, 'x')}) {
        CAPTURE(path);
        auto file = b.loop.run(snapshot->create(path));
        if (file) {
            const std::string bytes = "evil";
            (void)b.loop.run((*file)->write(std::as_bytes(std::span{bytes})));
            const auto finished = b.loop.run((*file)->finish());
            REQUIRE_FALSE(finished);
            CHECK(finished.error().code == Errc::unsafe);
        } else {
            CHECK(file.error().code == Errc::unsafe);
        }
        CHECK_FALSE(b.loop.run(snapshot->add_html(path, "evil")));
        CHECK_FALSE(b.loop.run(snapshot->read_back(path, 100)));
        if (!path.starts_with("link/")) {
            CHECK_FALSE(b.loop.run(snapshot->drop(path)));
        } else {
            (void)b.loop.run(snapshot->drop(path));
        }
    }
    CHECK_FALSE(b.loop.run(snapshot->read_back("to-outside", 100)));
    CHECK(content(b.folder + "/outside") == "precious");
    CHECK(content(b.folder + "/elsewhere/f") == "precious");
    CHECK_FALSE(fs::exists(b.folder + "/elsewhere/new"));
    CHECK_FALSE(fs::exists(b.folder + "/x"));
    // Written over, a link is replaced, not followed.
    const auto replaced = b.add(*snapshot, "to-outside", "mine");
    REQUIRE(replaced);
    CHECK(content(b.folder + "/outside") == "precious");
    CHECK_FALSE(fs::is_symlink(temporary + "/files/to-outside"));
}

TEST_CASE("what is not in the manifest is not in the snapshot, planted links included") {
    Bench b;
    fs::create_directories(b.folder + "/elsewhere");
    put(b.folder + "/elsewhere/f", "precious");
    auto snapshot = b.begin("rc1");
    const std::string files = b.resource() + "/snapshots/.tmp-rc1/files";
    const auto kept = b.add(*snapshot, "d/kept", "x").value();
    REQUIRE(b.add(*snapshot, "d/given up", "y"));
    put(files + "/stranger", "z");
    fs::create_directory_symlink(b.folder + "/elsewhere", files + "/link");
    fs::create_symlink("/etc/passwd", files + "/d/secret");
    const auto published = b.publish(*snapshot, "rc1", {kept});
    REQUIRE(published);
    std::vector<std::string> left;
    for (const auto& entry : fs::recursive_directory_iterator(b.place(*published) + "/files")) {
        left.push_back(entry.path().lexically_relative(b.place(*published) + "/files").string());
    }
    std::ranges::sort(left);
    CHECK(left == std::vector<std::string>{"d", "d/kept"});
    CHECK(content(b.folder + "/elsewhere/f") == "precious");
}

TEST_CASE("ids of strangers make one folder each, below the account") {
    Bench b;
    for (const std::string id : {"..", ".", "", "../../x", "/etc", "-rf", "a\nb", "a\\b"}) {
        CAPTURE(id);
        auto snapshot = b.begin("rc1", "n1", id);
        const auto entry = b.add(*snapshot, "f", "x").value();
        const auto published = b.publish(*snapshot, "rc1", {entry}, "n1", id);
        REQUIRE(published);
        const fs::path inside =
            fs::canonical(b.place(*published)).lexically_relative(fs::canonical(b.root + "/lab"));
        CHECK(std::distance(inside.begin(), inside.end()) == 3);  // resource, snapshots, snapshot
        CHECK(*inside.begin() != "..");
        CHECK(b.loop.run(b.vault->verify(*published)));
    }
    CHECK(std::distance(fs::directory_iterator(b.root), {}) == 1);
    CHECK(std::distance(fs::directory_iterator(b.folder), {}) == 1);
}

TEST_CASE("a byte that changed between writing and publishing is found") {
    Bench b;
    auto snapshot = b.begin("rc1");
    std::vector<ManifestEntry> manifest;
    for (int i = 0; i < 6; ++i) {
        manifest.push_back(b.add(*snapshot, "f" + std::to_string(i), std::string(10'000, 'a')).value());
    }
    const std::string victim = b.resource() + "/snapshots/.tmp-rc1/files/f3";
    std::string bytes = content(victim);
    bytes[5000] ^= 1;
    put(victim, bytes);
    const auto published = b.publish(*snapshot, "rc1", manifest);
    REQUIRE_FALSE(published);
    CHECK(published.error().code == Errc::disk);
    CHECK(published.error().where == "f3");
    CHECK_FALSE(fs::exists(b.resource() + "/latest"));
    snapshot.reset();
    b.workers->join();
    CHECK(fs::is_empty(b.resource() + "/snapshots"));
}

TEST_CASE("a file that became shorter, longer, a link or nothing is found as well") {
    for (int harm = 0; harm < 4; ++harm) {
        CAPTURE(harm);
        Bench b;
        auto snapshot = b.begin("rc1");
        const auto entry = b.add(*snapshot, "f", "twelve bytes").value();
        const std::string victim = b.resource() + "/snapshots/.tmp-rc1/files/f";
        switch (harm) {
            case 0:
                put(victim, "twelve byte");
                break;
            case 1:
                put(victim, "twelve bytes!");
                break;
            case 2:
                put(b.folder + "/same", "twelve bytes");
                fs::remove(victim);
                fs::create_symlink(b.folder + "/same", victim);
                break;
            default:
                fs::remove(victim);
        }
        CHECK_FALSE(b.publish(*snapshot, "rc1", {entry}));
        CHECK_FALSE(fs::exists(b.resource() + "/latest"));
    }
}

TEST_CASE("a manifest that claims another size or hash is found") {
    Bench b;
    auto snapshot = b.begin("rc1");
    ManifestEntry entry = b.add(*snapshot, "f", "bytes").value();
    entry.size = 6;
    CHECK_FALSE(b.publish(*snapshot, "rc1", {entry}));
    entry.size = 5;
    entry.sha256[0] ^= 1;
    CHECK_FALSE(b.publish(*snapshot, "rc1", {entry}));
    entry.sha256[0] ^= 1;
    CHECK(b.publish(*snapshot, "rc1", {entry}));
}

TEST_CASE("a published snapshot can be checked again, and rot is found") {
    Bench b;
    const Receipt r = b.pack("rc1", {{"a", "one"}, {"b/c", std::string(100'000, 'x')}});
    REQUIRE(b.loop.run(b.vault->verify(r)));
    const std::string victim = b.place(r) + "/files/b/c";
    std::string bytes = content(victim);
    bytes[77'777] ^= 4;
    put(victim, bytes);
    const auto rotten = b.loop.run(b.vault->verify(r));
    REQUIRE_FALSE(rotten);
    CHECK(rotten.error().where == "b/c");
    CHECK_FALSE(sums_are_good(b.place(r)));
    bytes[77'777] ^= 4;
    put(victim, bytes);
    CHECK(b.loop.run(b.vault->verify(r)));
    put(b.place(r) + "/manifest.jsonl", content(b.place(r) + "/manifest.jsonl") + "\n");
    const auto forged = b.loop.run(b.vault->manifest(r));
    REQUIRE_FALSE(forged);
    CHECK(forged.error().code == Errc::corrupt);
    CHECK_FALSE(b.loop.run(b.vault->verify(r)));
    fs::remove_all(b.place(r));
    const auto gone = b.loop.run(b.vault->verify(r));
    REQUIRE_FALSE(gone);
    CHECK(gone.error().code == Errc::not_found);
}

TEST_CASE("an unchanged file of the same run is taken from the last snapshot") {
    Bench b;
    const Receipt first = b.pack("rc1", {{"same", "12345"}, {"bigger", "12"}, {"touched", "12"}});
    auto snapshot = b.begin("rc2");
    const auto reuse = [&](const std::string& path, std::int64_t size, std::int64_t mtime) {
        auto taken = b.loop.run(snapshot->reuse(FileEntry{path, size, mtime}));
        REQUIRE(taken);
        return *taken;
    };
    CHECK_FALSE(reuse("bigger", 3, 100));
    CHECK_FALSE(reuse("touched", 2, 101));
    CHECK_FALSE(reuse("absent", 2, 100));
    auto same = reuse("same", 5, 100);
    REQUIRE(same);
    same->how = "reused";
    const auto published = b.publish(*snapshot, "rc2", {*same});
    REQUIRE(published);
    CHECK(sums_are_good(b.place(*published)));
    CHECK(b.loop.run(b.vault->verify(*published)));
    CHECK(b.loop.run(b.vault->verify(first)));
    CHECK(fs::hard_link_count(b.place(*published) + "/files/same") == 2);
}

TEST_CASE("nothing is taken from another run, nor what the manifest doubts") {
    Bench b;
    b.pack("rc1", {{"same", "12345"}}, "n1");
    {
        auto other = b.begin("rc2", "n2");
        CHECK_FALSE(b.loop.run(other->reuse(FileEntry{"same", 5, 100})).value());
    }
    auto snapshot = b.begin("rc3", "n1");
    ManifestEntry doubtful = b.add(*snapshot, "half.ipynb", "{\"cells\":").value();
    doubtful.note = "invalid notebook on the server";
    REQUIRE(b.publish(*snapshot, "rc3", {doubtful}));
    auto next = b.begin("rc4", "n1");
    CHECK_FALSE(b.loop.run(next->reuse(FileEntry{"half.ipynb", doubtful.size, 100})).value());
}

TEST_CASE("writing a reused file anew does not change the older snapshot") {
    Bench b;
    const Receipt first = b.pack("rc1", {{"f", "older"}});
    auto snapshot = b.begin("rc2");
    REQUIRE(b.loop.run(snapshot->reuse(FileEntry{"f", 5, 100})).value());
    const auto anew = b.add(*snapshot, "f", "newer").value();
    const auto second = b.publish(*snapshot, "rc2", {anew});
    REQUIRE(second);
    CHECK(content(b.place(first) + "/files/f") == "older");
    CHECK(content(b.place(*second) + "/files/f") == "newer");
    CHECK(b.loop.run(b.vault->verify(first)));
}

TEST_CASE("rot in the last snapshot is found and does not stay in the way") {
    Bench b;
    const Receipt first = b.pack("rc1", {{"f", "older"}});
    put(b.place(first) + "/files/f", "0lder");
    {
        auto snapshot = b.begin("rc2");
        auto taken = b.loop.run(snapshot->reuse(FileEntry{"f", 5, 100})).value();
        REQUIRE(taken);
        taken->how = "reused";
        const auto published = b.publish(*snapshot, "rc2", {*taken});
        REQUIRE_FALSE(published);
        CHECK(published.error().code == Errc::disk);
    }
    auto again = b.begin("rc3");
    CHECK_FALSE(b.loop.run(again->reuse(FileEntry{"f", 5, 100})).value());  // fetched this time
    const auto fetched = b.add(*again, "f", "older").value();
    CHECK(b.publish(*again, "rc3", {fetched}));
}

TEST_CASE("a later attempt at one file replaces the earlier") {
    Bench b;
    auto snapshot = b.begin("rc1");
    {
        auto file = b.loop.run(snapshot->create("f")).value();
        const std::string half(300'000, 'h');
        REQUIRE(b.loop.run(file->write(std::as_bytes(std::span{half}))));
        CHECK(file->bytes() == 300'000);
    }
    const auto whole = b.add(*snapshot, "f", "whole").value();
    CHECK(b.loop.run(snapshot->read_back("f", 100)).value() == "whole");
    const auto published = b.publish(*snapshot, "rc1", {whole});
    REQUIRE(published);
    CHECK(content(b.place(*published) + "/files/f") == "whole");
}

TEST_CASE("what an abandoned attempt still writes never reaches the next one") {
    Bench b;
    auto snapshot = b.begin("rc1");
    const std::string half(300'000, 'h');
    std::vector<ManifestEntry> manifest;
    for (int i = 0; i < 40; ++i) {
        const std::string name = "f" + std::to_string(i);
        auto file = b.loop.run(snapshot->create(name)).value();
        REQUIRE(b.loop.run(file->write(std::as_bytes(std::span{half}))));
        file.reset();  // a worker may still be at it
        manifest.push_back(b.add(*snapshot, name, "whole " + name).value());
    }
    CHECK(b.publish(*snapshot, "rc1", manifest));
}

TEST_CASE("files are read back within a bound, and dropped") {
    Bench b;
    auto snapshot = b.begin("rc1");
    REQUIRE(b.add(*snapshot, "d/f", "12345"));
    CHECK(b.loop.run(snapshot->read_back("d/f", 5)).value() == "12345");
    const auto large = b.loop.run(snapshot->read_back("d/f", 4));
    REQUIRE_FALSE(large);
    CHECK(large.error().code == Errc::too_large);
    CHECK(b.loop.run(snapshot->drop("d/f")));
    CHECK(b.loop.run(snapshot->drop("d/f")));
    CHECK(b.loop.run(snapshot->drop("never/there")));
    CHECK(b.loop.run(snapshot->read_back("d/f", 5)).error().code == Errc::not_found);
}

TEST_CASE("a file where a folder should be is an error, not a surprise") {
    Bench b;
    auto snapshot = b.begin("rc1");
    REQUIRE(b.add(*snapshot, "a", "file"));
    CHECK_FALSE(b.add(*snapshot, "a/b", "below a file"));
    REQUIRE(b.add(*snapshot, "d/e", "x"));
    CHECK_FALSE(b.add(*snapshot, "d", "over a folder"));
}

TEST_CASE("an unpublished snapshot goes without a trace") {
    Bench b;
    {
        auto snapshot = b.begin("rc1");
        REQUIRE(b.add(*snapshot, "f", "x"));
        CHECK(b.half_built() == std::vector<std::string>{".tmp-rc1"});
    }
    b.workers->join();
    CHECK(b.half_built().empty());
}

TEST_CASE("what a killed daemon left is removed, what is under way is not") {
    Bench b;
    const std::string snapshots = b.resource() + "/snapshots";
    fs::create_directories(snapshots + "/.tmp-abandoned/files/deep");
    put(snapshots + "/.tmp-abandoned/files/deep/f", "x");
    fs::create_directories(snapshots + "/.tmp-locked");
    put(snapshots + "/.tmp-file", "not a folder");
    fs::create_directories(b.folder + "/elsewhere/keep");
    fs::create_directory_symlink(b.folder + "/elsewhere", snapshots + "/.tmp-link");
    const int lock = ::open((snapshots + "/.tmp-locked").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(::flock(lock, LOCK_EX) == 0);
    auto under_way = b.begin("rc1");
    REQUIRE(b.add(*under_way, "f", "x"));
    auto another = b.begin("rc2");
    CHECK_FALSE(fs::exists(snapshots + "/.tmp-abandoned"));
    CHECK(fs::exists(snapshots + "/.tmp-locked"));
    CHECK(fs::exists(snapshots + "/.tmp-rc1/files/f"));
    CHECK(fs::exists(b.folder + "/elsewhere/keep"));
    ::close(lock);
    const auto twice = b.try_begin("rc1");
    REQUIRE_FALSE(twice);
    CHECK(twice.error().code == Errc::conflict);
    CHECK(fs::exists(snapshots + "/.tmp-rc1/files/f"));
    auto third = b.begin("rc3");
    CHECK_FALSE(fs::exists(snapshots + "/.tmp-locked"));
}

TEST_CASE("latest is always the last one published") {
    Bench b;
    b.pack("rc1", {{"f", "1"}});
    const Receipt second = b.pack("rc2", {{"f", "2"}});
    CHECK(content(b.resource() + "/latest/files/f") == "2");
    // A broken link is no obstacle.
    fs::remove(b.resource() + "/latest");
    fs::create_symlink("snapshots/nowhere", b.resource() + "/latest");
    put(b.resource() + "/.latest-new", "left by a crash");
    b.pack("rc3", {{"f", "3"}});
    CHECK(content(b.resource() + "/latest/files/f") == "3");
    CHECK(b.loop.run(b.vault->verify(second)));
}

TEST_CASE("a vault that is no folder, or may not be made, is an error") {
    Bench b;
    put(b.root, "a file");
    const auto begun = b.try_begin("rc1");
    REQUIRE_FALSE(begun);
    CHECK(begun.error().code == Errc::disk);
}

TEST_CASE("more than there is room for is refused before the first byte") {
    Bench b;
    const auto begun = b.try_begin("rc1", "n1", 1LL << 60);
    REQUIRE_FALSE(begun);
    CHECK(begun.error().code == Errc::disk_full);
    CHECK(begun.error().may_retry());
}

TEST_CASE("a disk that becomes full is said so, and goes on when there is room") {
    Bench b;
    fs::create_directories(b.root);
    if (::mount("none", b.root.c_str(), "tmpfs", 0, "size=4m") != 0) {
        WARN("skipped: a small file system cannot be mounted here");
        return;
    }
    {
        const auto tight = b.try_begin("rc0", "n1", 4'000'000);  // fits, but not with 5 % to spare
        REQUIRE_FALSE(tight);
        CHECK(tight.error().code == Errc::disk_full);
    }
    auto snapshot = b.begin("rc1");
    const auto full = b.add(*snapshot, "large", std::string(8'000'000, 'x'));
    REQUIRE_FALSE(full);
    CHECK(full.error().code == Errc::disk_full);
    CHECK(full.error().may_retry());
    REQUIRE(b.loop.run(snapshot->drop("large")));
    const auto small = b.add(*snapshot, "small", "x");
    REQUIRE(small);
    put(b.root + "/filler", std::string(8'000'000, 'f'));
    const auto stuck = b.publish(*snapshot, "rc1", {*small});
    REQUIRE_FALSE(stuck);
    CHECK(stuck.error().code == Errc::disk_full);
    CHECK_FALSE(fs::exists(b.resource() + "/latest"));
    fs::remove(b.root + "/filler");
    const auto published = b.publish(*snapshot, "rc1", {*small});
    REQUIRE(published);
    CHECK(sums_are_good(b.place(*published)));
}

TEST_CASE("the vault works where openat2 is refused, as in the unit's sandbox (RestrictSUIDSGID=)") {
    const support::Folder folder("vault");
    const pid_t child = ::fork();
    if (child == 0) {
        sock_filter steps[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const sock_fprog program{.len = std::size(steps), .filter = steps};
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
            ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
            ::_exit(77);
        }
        const auto at = vault::open_folder(folder.path, false);
        const bool good = at && vault::put(*at, "a/b/c.txt", "work") && vault::hash_file(*at, "a/b/c.txt") &&
                          vault::remove_below(*at, "a/b/c.txt");
        ::_exit(good ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        WARN("this machine lets nobody set a filter of system calls");
    } else {
        CHECK(WEXITSTATUS(status) == 0);
    }
}

TEST_CASE("numbers of a manifest that cannot be are damage") {
    const auto reads = [](const std::string& size, const std::string& attempts) {
        const std::string line = R"({"path":"a","local":"a","size":)" + size +
                                 R"(,"mtime_us":-2,"sha256":")" + std::string(64, 'a') +
                                 R"(","read_at":"2026-11-23T03:12:18Z","attempts":)" + attempts +
                                 R"(,"how":"files"})";
        const auto entries = vault::parse_manifest(line + "\n", "manifest.jsonl");
        REQUIRE((entries || entries.error().code == Errc::corrupt));
        return entries.has_value();
    };
    CHECK(reads("0", "1"));
    CHECK(reads("9223372036854775807", "1"));
    for (const std::string size : {"-1", "1e300", "1.5", "18446744073709551615", "true", "\"1\"", "null"}) {
        CAPTURE(size);
        CHECK_FALSE(reads(size, "1"));
    }
    CHECK_FALSE(reads("1", "99999999999"));
    CHECK_FALSE(reads("1", "-1"));
}
