// What Jupyter servers send (classic notebook 6.4, jupyter_server 1.23 and 2.x), read into core types.
#pragma once

#include "adapters/http/json.hpp"
#include "curfew/core/activity.hpp"
#include "curfew/core/receipt.hpp"

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::jupyter {

/// What one look at one list says, without the run and the times of the asker.
struct Reading {
    Verdict verdict = Verdict::unknown;
    Strength strength = Strength::strong;
    std::optional<Duration> active_ago;  // by the server's own clock
    std::string evidence;
};

/// GET /api/kernels. `server_now` is the server's Date. Busy and restarting are activity; `starting` with
/// a stale clock is a kernel that nobody ever connected to; an unknown word is unknown. Kernels whose ids are
/// `ours` do not count.
Reading read_kernels(const json::Value& body, std::optional<WallTime> server_now,
                     const std::set<std::string>& ours = {});
/// GET /api/terminals. One that printed within a minute is at work; silence proves nothing and is quiet,
/// since the processes' CPU is another signal's. Terminals whose names are `ours` do not count.
Reading read_terminals(const json::Value& body, std::optional<WallTime> server_now,
                       const std::set<std::string>& ours = {});

struct Status {
    Reading reading;  // weak: open tabs, recent requests
    std::int64_t connections = 0;
    std::string started;  // changes when the server restarts
};
/// GET /api/status. What is not the user's: `own_sockets` of the connections, and a last_activity that
/// `moved_by_us`.
std::optional<Status> read_status(const json::Value& body, std::optional<WallTime> server_now,
                                  std::int64_t own_sockets = 0,
                                  const std::function<bool(WallTime)>& moved_by_us = {});
/// A kernel that did something of late is as weak as a request of late; nothing when none did.
std::optional<Reading> kernels_used(const Reading& kernels);

/// One directory of GET /api/contents.
struct Directory {
    std::vector<FileEntry> files;
    std::vector<std::string> folders;  // paths
    std::vector<NotCovered> refused;   // names that cannot or must not be followed
    std::string fingerprint;           // equal for equal listings: a loop of links shows itself
    std::int64_t entries = 0;
};
/// `path` is the directory that was asked for, "" for the root. Paths are built here from checked names,
/// never taken from the answer. Errc::protocol when it is no directory listing.
Result<Directory> read_directory(const json::Value& body, const std::string& path);

/// GET /api/contents/<file>?content=0.
struct Model {
    std::int64_t size = 0;
    std::int64_t mtime_us = 0;
};
std::optional<Model> read_model(const json::Value& body);

/// What a file that a job keeps fresh says. Changed within 10 min it is activity; a duration in it ("45m")
/// says for how long instead, up to an hour. Older is quiet, a time in the future unknown.
constexpr Duration heartbeat_fresh = minutes{10};
constexpr Duration heartbeat_max = hours{1};
constexpr std::int64_t heartbeat_text_max = 64;
Reading read_heartbeat(const std::string& path, const Model& model, std::optional<WallTime> server_now,
                       std::string_view content = {});
/// How long ago, by the server's clock; negative in the future.
Duration age_of(const Model& model, WallTime server_now);

/// "2026-11-23T03:12:18.315765Z" in microseconds; before 1970 too.
std::optional<std::int64_t> microseconds_of(std::string_view stamp);

/// On disk a notebook's texts are lists of lines. The server joins them when it reads a file, but not when
/// it is sent one, and its nbconvert takes only joined ones. Everything else stays to the byte.
std::string with_joined_lines(std::string_view notebook);

}  // namespace curfew::jupyter
