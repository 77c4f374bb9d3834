// The manifest that proves a copy, and the pure parts of packing: names, comparison, sum files.
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/rule.hpp"
#include "curfew/core/time.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

/// One file as a guest lists it. `path` is relative to the guest's root, '/'-separated raw bytes,
/// built by us from checked names, never taken from the guest's own `path` field.
struct FileEntry {
    std::string path;
    std::int64_t size = 0;
    std::int64_t mtime_us = 0;  // the server's stamp, microseconds UTC
    bool operator==(const FileEntry&) const = default;
};

/// Something that the copy does not hold, and why: hidden files, unreachable names, kernel memory,
/// unsaved tabs, excluded paths.
struct NotCovered {
    std::string what;
    std::string why;
    bool listed = false;  // the guest lists it as a file, so its absence is a partial pack
};

/// One listing of the whole tree.
struct Walk {
    std::vector<FileEntry> files;  // sorted by path
    std::vector<NotCovered> not_covered;
    WallTime server_time;         // by the guest's own clock, when the walk began
    std::string server_identity;  // changes when the guest's server restarts
};

/// Files to fetch again, or gone, between two walks.
struct WalkDifference {
    std::vector<FileEntry> changed;  // new or different in the newer walk
    std::vector<std::string> gone;
    bool empty() const { return changed.empty() && gone.empty(); }
};
WalkDifference difference(const Walk& older, const Walk& newer);

using Sha256 = std::array<std::uint8_t, 32>;
std::string to_hex(const Sha256& hash);
std::optional<Sha256> sha256_from_hex(std::string_view hex);

/// One line of the manifest.
struct ManifestEntry {
    std::string path;        // as in FileEntry
    std::string local_path;  // below files/ of the snapshot; differs when the name had to be escaped
    std::int64_t size = 0;
    std::int64_t mtime_us = 0;
    Sha256 sha256{};
    WallTime read_at;
    int attempts = 1;
    std::string how;   // "files", "resume", "reused"
    std::string note;  // "invalid notebook on the server", …
};

struct HtmlCopy {
    std::string notebook_path;
    std::string local_path;  // below html/; empty when it failed
    std::string failure;
};

struct VaultProof {
    VaultName vault;
    std::string locator;  // where to find it, for people
    std::string method;   // "sha256 read back"
};

struct Receipt {
    ReceiptId id;
    EnforcementId enforcement;  // empty for `curfew pack`
    AccountName account;
    ResourceId resource;
    RunId run;
    std::string resource_name;
    WallTime begun_at;
    WallTime verified_at;
    std::int64_t files = 0;
    std::int64_t bytes = 0;
    std::int64_t reused = 0;
    std::string manifest_sha256;  // hex, of manifest.jsonl
    std::string sums_sha256;      // hex, of SHA256SUMS
    std::vector<HtmlCopy> html;
    std::vector<NotCovered> not_covered;
    std::vector<VaultProof> proofs;
    bool verified = false;  // every required vault holds a proven copy (I1)
    bool partial() const;   // something listed is not in it
};

/// A name that came from a guest, as one path component. Refused (Errc::unsafe): empty, ".", "..",
/// '/', NUL, longer than 255 bytes.
Result<void> check_name(std::string_view name);

/// Where a guest path is stored below files/: unchanged when every component is plain, else control
/// bytes, backslashes, a leading "-" and invalid UTF-8 escaped as %XX so that no name can escape,
/// confuse a terminal, or collide (the caller still resolves case-folding collisions).
std::string local_path_for(std::string_view guest_path);

/// GNU sha256sum's line, with its escape for backslash, newline and carriage return.
std::string sha256sums_line(const Sha256& hash, std::string_view path);

/// Globs over '/'-separated paths: `*` and `?` stay within a component, `**` crosses.
bool path_glob_matches(std::string_view pattern, std::string_view path);
bool is_packed(const PackPolicy& policy, std::string_view path);

/// A source that shrank by more than half (bytes or files, above 10 files) since the last pack is a
/// reason to hold.
bool shrank_suspiciously(std::int64_t files_before, std::int64_t bytes_before, std::int64_t files_now,
                         std::int64_t bytes_now);

}  // namespace curfew
