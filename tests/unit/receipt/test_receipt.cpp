// Names, comparison and sum files: the pure parts of packing.
#include "curfew/core/receipt.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace curfew;

namespace {

Walk walk(std::vector<FileEntry> files) {
    std::ranges::sort(files, {}, &FileEntry::path);
    return {.files = std::move(files), .not_covered = {}, .server_time = {}, .server_identity = {}};
}

std::vector<std::string> paths(const std::vector<FileEntry>& files) {
    std::vector<std::string> out;
    for (const FileEntry& file : files) {
        out.push_back(file.path);
    }
    return out;
}

using Names = std::vector<std::string>;

std::string raw(std::string_view text) {
    return std::string{text};
}

}  // namespace

TEST_CASE("two walks are compared by path, size and stamp") {
    const Walk older = walk({{"a", 1, 10}, {"b", 2, 20}, {"c", 3, 30}, {"d", 4, 40}});
    CHECK(difference(older, older).empty());
    CHECK(difference(walk({}), walk({})).empty());

    const WalkDifference moved = difference(older,
                                            walk({{"a", 1, 10}, {"b", 9, 20}, {"c", 3, 31}, {"e", 5, 50}}));
    CHECK(paths(moved.changed) == Names{"b", "c", "e"});
    CHECK(moved.gone == Names{"d"});
    CHECK(moved.changed[0].size == 9);  // as the newer walk has it
    CHECK_FALSE(moved.empty());

    CHECK(paths(difference(walk({}), older).changed) == Names{"a", "b", "c", "d"});
    CHECK(difference(older, walk({})).gone == Names{"a", "b", "c", "d"});
    // Another time of the walk, another server: no difference of files.
    Walk later = older;
    later.server_time = {99};
    later.server_identity = "other";
    CHECK(difference(older, later).empty());
    // An older stamp is a difference too (restored from somewhere).
    CHECK(paths(difference(older, walk({{"a", 1, 9}, {"b", 2, 20}, {"c", 3, 30}, {"d", 4, 40}})).changed) ==
          Names{"a"});
}

TEST_CASE("hashes as text and back") {
    Sha256 hash{};
    for (std::size_t i = 0; i < hash.size(); ++i) {
        hash[i] = static_cast<std::uint8_t>(i * 37);
    }
    const std::string hex = to_hex(hash);
    CHECK(hex.size() == 64);
    CHECK(hex.starts_with("00254a6f94b9de"));
    CHECK(sha256_from_hex(hex) == hash);
    CHECK_FALSE(sha256_from_hex(""));
    CHECK_FALSE(sha256_from_hex(hex.substr(1)));
    CHECK_FALSE(sha256_from_hex(hex + "0"));
    CHECK_FALSE(sha256_from_hex("g" + hex.substr(1)));
    CHECK_FALSE(sha256_from_hex(" " + hex.substr(1)));
    CHECK_FALSE(sha256_from_hex("0x" + hex.substr(2)));
}

TEST_CASE("a component is a name that leads nowhere else") {
    for (const std::string& good : Names{"a", "...", ".hidden", "-rf", "a b", "\n", "caf\xC3\xA9", "%41",
                                         std::string(255, 'x'), "..a", "a.."}) {
        CAPTURE(good);
        CHECK(check_name(good));
    }
    for (const std::string& bad :
         Names{"", ".", "..", "/", "a/b", "/etc", "../x", raw({"a\0b", 3}), std::string(256, 'x')}) {
        CAPTURE(bad);
        const auto checked = check_name(bad);
        REQUIRE_FALSE(checked);
        CHECK(checked.error().code == Errc::unsafe);
    }
}

TEST_CASE("plain paths are stored as they are") {
    for (const std::string& plain : Names{"model.bin",
                                          "a/b/c.ipynb",
                                          "dir with space/x",
                                          ".ipynb_checkpoints/x",
                                          "100%.txt",
                                          "50%/x",
                                          "a%",
                                          "%",
                                          "%%",
                                          "a%zz",
                                          "%2",
                                          "caf\xC3\xA9/\xE6\x97\xA5\xE6\x9C\xAC",
                                          "\xF0\x9F\x98\x80.png",
                                          "a-b",
                                          "x/y-",
                                          "~",
                                          "'quoted'",
                                          "$HOME",
                                          "a*b?",
                                          "%4g",
                                          "%ff"}) {
        CAPTURE(plain);
        CHECK(local_path_for(plain) == plain);
    }
}

TEST_CASE("hostile names are escaped") {
    struct Row {
        std::string name;
        std::string local;
    };
    const std::vector<Row> rows{
        {"-rf", "%2Drf"},
        {"a/-rf", "a/%2Drf"},
        {"a\nb", "a%0Ab"},
        {"\x1b[2J", "%1B[2J"},
        {"tab\there", "tab%09here"},
        {"del\x7f", "del%7F"},
        {"back\\slash", "back%5Cslash"},
        {"..\\..\\x", "..%5C..%5Cx"},
        {"bad\xff", "bad%FF"},
        {"over\xC0\xAFlong", "over%C0%AFlong"},  // an overlong '/'
        {"over\xE0\x80\xAFlong", "over%E0%80%AFlong"},
        {"\xED\xA0\x80", "%ED%A0%80"},         // a surrogate
        {"\xF4\x90\x80\x80", "%F4%90%80%80"},  // beyond Unicode
        {"cut\xE6\x97", "cut%E6%97"},
        {"\x80", "%80"},
        {"%41", "%2541"},  // reads like an escape of ours
        {"100%25", "100%2525"},
        {"a%~0", "a%25~0"},  // reads like a cut of ours
        {"50%\n", "50%25%0A"},
        {"caf\xC3\xA9\n", "caf\xC3\xA9%0A"},
        {"", "%00"},
        {".", "%2E"},
        {"..", "%2E%2E"},
        {"../x", "%2E%2E/x"},
        {"a/../../x", "a/%2E%2E/%2E%2E/x"},
        {"/etc/passwd", "%00/etc/passwd"},
        {"a//b", "a/%00/b"},
        {"a/", "a/%00"},
        {"./a", "%2E/a"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        CHECK(local_path_for(row.name) == row.local);
    }
}

TEST_CASE("what is stored is always a good name below its folder") {
    std::mt19937 random(7);
    const std::string letters = "ab%4125~.-\\/\n\x7f\xC3\xA9\xFF";
    for (int i = 0; i < 20'000; ++i) {
        std::string path;
        const std::size_t length = 1 + random() % 12;
        for (std::size_t j = 0; j < length; ++j) {
            path += letters[random() % letters.size()];
        }
        const std::string local = local_path_for(path);
        for (std::size_t from = 0; from <= local.size();) {
            const std::size_t slash = std::min(local.find('/', from), local.size());
            const std::string part = local.substr(from, slash - from);
            INFO(path << " -> " << local);
            REQUIRE(check_name(part));
            REQUIRE(part.front() != '-');
            REQUIRE(std::ranges::none_of(
                part, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\'; }));
            from = slash + 1;
        }
    }
}

TEST_CASE("no two names are stored under one") {
    // Every string over an alphabet of what the escaping looks at.
    const std::string letters = "%2541A~-.\n\xFF";
    std::map<std::string, std::string> taken;
    Names level{""};
    for (int length = 0; length < 5; ++length) {
        Names next;
        for (const std::string& name : level) {
            const auto [at, fresh] = taken.emplace(local_path_for(name), name);
            INFO(name << " and " << at->second << " are both stored as " << at->first);
            REQUIRE(fresh);
            for (const char c : letters) {
                next.push_back(name + c);
            }
        }
        level = std::move(next);
    }
}

TEST_CASE("names that become too long are cut and stay apart") {
    const std::string control(200, '\n');  // 600 bytes when escaped
    const std::string one = local_path_for(control + "a");
    const std::string other = local_path_for(control + "b");
    CHECK(one.size() <= 255);
    CHECK(other.size() <= 255);
    CHECK(one != other);
    CHECK(local_path_for(std::string(255, 'x')) == std::string(255, 'x'));
    const std::string long_one = local_path_for(std::string(300, 'x') + "1");
    CHECK(long_one.size() <= 255);
    CHECK(long_one != local_path_for(std::string(300, 'x') + "2"));
    CHECK(local_path_for(long_one) != long_one);  // a name that imitates a cut one is not it

    std::string accents = "\n";
    while (accents.size() < 250) {
        accents += "\xC3\xA9";
    }
    const std::string cut = local_path_for(accents + "\n\n\n\n\n");
    CHECK(cut.size() <= 255);
    CHECK(local_path_for("dir/" + accents + "\n\n\n\n\n/leaf") == "dir/" + cut + "/leaf");
    const std::string head = cut.substr(0, cut.find("%~"));
    CHECK((head.size() - 3) % 2 == 0);  // no half of a letter is left
}

TEST_CASE("sum files as GNU sha256sum writes them") {
    const Sha256 zero{};
    const std::string hex(64, '0');
    CHECK(sha256sums_line(zero, "a b.txt") == hex + "  a b.txt\n");
    CHECK(sha256sums_line(zero, "*x") == hex + "  *x\n");
    CHECK(sha256sums_line(zero, "a\\b") == "\\" + hex + "  a\\\\b\n");
    CHECK(sha256sums_line(zero, "a\nb") == "\\" + hex + "  a\\nb\n");
    CHECK(sha256sums_line(zero, "a\rb") == "\\" + hex + "  a\\rb\n");
    CHECK(sha256sums_line(zero, "a\tb\"'") == hex + "  a\tb\"'\n");
}

TEST_CASE("globs of paths") {
    struct Row {
        std::string pattern;
        std::string path;
        bool hits;
    };
    const std::vector<Row> rows{
        {"**", "a", true},
        {"**", "a/b/c", true},
        {"*", "a", true},
        {"*", "a/b", false},
        {"*.ipynb", "x.ipynb", true},
        {"*.ipynb", "d/x.ipynb", false},
        {"**/*.ipynb", "x.ipynb", true},
        {"**/*.ipynb", "d/e/x.ipynb", true},
        {"**/*.ipynb", "d/x.ipynb/y", false},
        {"data/**", "data/a", true},
        {"data/**", "data/a/b", true},
        {"data/**", "data2/a", false},
        {"data/**", "x/data/a", false},
        {"a/**/z", "a/z", true},
        {"a/**/z", "a/b/c/z", true},
        {"a/**/z", "a/b/c", false},
        {"**/cache/**", "cache/x", true},
        {"**/cache/**", "a/cache/b/x", true},
        {"**/cache/**", "a/caches/x", false},
        {"**/**", "a", true},
        {"?.txt", "a.txt", true},
        {"?.txt", "ab.txt", false},
        {"a?c", "a/c", false},
        {"a*c", "a/c", false},
        {"a", "A", false},
        {"a/b", "a/b", true},
        {"a/b", "a", false},
        {"a", "a/b", false},
        {"a**b", "axxb", true},
        {"", "a", false},
        {"[a]", "a", false},
        {"[a]", "[a]", true},
    };
    for (const Row& row : rows) {
        CAPTURE(row.pattern, row.path);
        CHECK(path_glob_matches(row.pattern, row.path) == row.hits);
    }
}

TEST_CASE("a glob of many stars takes no time") {
    std::string pattern;
    std::string path;
    for (int i = 0; i < 60; ++i) {
        pattern += "**/*a*a*a*/";
        path += "aaaaaaaaaaaaaaaaaaaaab/";
    }
    CHECK_FALSE(path_glob_matches(pattern + "z", path + "y"));
}

TEST_CASE("a policy packs what is included and not excluded") {
    PackPolicy policy;
    CHECK(is_packed(policy, "a/b"));
    policy.exclude = {"**/*.tmp", "cache/**"};
    CHECK(is_packed(policy, "a/b"));
    CHECK_FALSE(is_packed(policy, "x.tmp"));
    CHECK_FALSE(is_packed(policy, "d/x.tmp"));
    CHECK_FALSE(is_packed(policy, "cache/model"));
    policy.include = {"*.ipynb", "out/**"};
    CHECK(is_packed(policy, "a.ipynb"));
    CHECK(is_packed(policy, "out/deep/file"));
    CHECK_FALSE(is_packed(policy, "out/deep/file.tmp"));
    CHECK_FALSE(is_packed(policy, "other"));
    policy.include.clear();
    CHECK_FALSE(is_packed(policy, "a.ipynb"));
}

TEST_CASE("a source that shrank by more than half is suspicious") {
    CHECK(shrank_suspiciously(100, 1000, 49, 1000));
    CHECK_FALSE(shrank_suspiciously(100, 1000, 50, 1000));
    CHECK(shrank_suspiciously(100, 1000, 100, 499));
    CHECK_FALSE(shrank_suspiciously(100, 1000, 100, 500));
    CHECK(shrank_suspiciously(11, 1000, 0, 0));
    CHECK_FALSE(shrank_suspiciously(10, 1000, 0, 0));  // too few to mean anything
    CHECK_FALSE(shrank_suspiciously(0, 0, 100, 1000));
    CHECK_FALSE(shrank_suspiciously(100, 0, 100, 0));
    CHECK_FALSE(shrank_suspiciously(100, 1000, 1000, 100'000));
    CHECK(shrank_suspiciously(101, 1000, 50, 1000));  // less than half of an odd number
    CHECK(shrank_suspiciously(100, 1001, 100, 500));
}

TEST_CASE("a receipt is partial when something listed is missing") {
    Receipt receipt;
    CHECK_FALSE(receipt.partial());
    receipt.not_covered = {{"kernel memory", "cannot be copied", false}};
    CHECK_FALSE(receipt.partial());
    receipt.not_covered.push_back({"a/b", "gone", true});
    CHECK(receipt.partial());
}
