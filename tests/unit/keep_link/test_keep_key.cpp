// The key of keep links: made once, for its owner alone.
#include "adapters/clock/real_scheduler.hpp"
#include "adapters/keep_key/keep_key.hpp"
#include "adapters/systemd/supervisor.hpp"

#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

using namespace curfew;
namespace fs = std::filesystem;

namespace {

struct Folder {
    Folder() {
        std::string name = (fs::temp_directory_path() / "keep-key-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { fs::remove_all(path); }
    fs::path path;
};

std::string hex(const std::string& bytes) {
    std::string out;
    for (const char c : bytes) {
        constexpr char digits[] = "0123456789abcdef";
        out += digits[static_cast<unsigned char>(c) >> 4];
        out += digits[static_cast<unsigned char>(c) & 15];
    }
    return out;
}

}  // namespace

TEST_CASE("HMAC-SHA256 as in RFC 4231") {
    CHECK(hex(keep_key::mac_by(Secret{"Jefe"})("what do ya want for nothing?")) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(hex(keep_key::mac_by(Secret{std::string(20, '\x0b')})("Hi There")) ==
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

TEST_CASE("the key is made once, readable by its owner alone, and stays") {
    const Folder folder;
    const std::string path = (folder.path / "keep_link.key").string();
    clock::SystemEntropy entropy;
    const auto before = ::umask(0);  // whoever starts us may have any
    REQUIRE(keep_key::make(path, entropy));
    ::umask(before);
    CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
    const auto first = systemd::read_secret(path);
    REQUIRE(first);
    CHECK(first->reveal().size() == 64);
    REQUIRE(keep_key::make(path, entropy));
    const auto second = systemd::read_secret(path);
    REQUIRE(second);
    CHECK(first->equals(second->reveal()));
    CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator{}) == 1);
    // Two lives have two keys.
    fs::remove(path);
    REQUIRE(keep_key::make(path, entropy));
    CHECK_FALSE(first->equals(systemd::read_secret(path)->reveal()));
}

TEST_CASE("a key that others can read, and a folder that takes none, are errors") {
    const Folder folder;
    const std::string path = (folder.path / "keep_link.key").string();
    clock::SystemEntropy entropy;
    REQUIRE(keep_key::make(path, entropy));
    fs::permissions(path, fs::perms::group_read, fs::perm_options::add);
    REQUIRE(keep_key::make(path, entropy));
    CHECK(systemd::read_secret(path).error().code == Errc::unsafe);
    CHECK(keep_key::make((folder.path / "none" / "key").string(), entropy).error().code == Errc::disk);
}
