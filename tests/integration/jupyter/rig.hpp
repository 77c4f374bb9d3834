// What a test of a guest needs: a loop, the real clock, the real HTTP client, a door to the guest, a vault.
#pragma once

#include "adapters/clock/real_scheduler.hpp"
#include "adapters/http/client.hpp"
#include "adapters/jupyter/guest.hpp"
#include "adapters/vault/folder_vault.hpp"
#include "adapters/vault/workers.hpp"
#include "curfew/app/packer.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace support {

class TempFolder {
public:
    TempFolder();
    ~TempFolder();
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, const std::string& bytes);
std::string file_text(const std::filesystem::path& path);
/// Sets its last change to some time before now (links themselves, not what they lead to).
void age(const std::filesystem::path& path, curfew::Duration before_now);
/// Writes it and lets it be at rest for an hour.
void write_old(const std::filesystem::path& path, const std::string& bytes);
/// Exit status of a shell command; its output is appended to `output`.
int shell(const std::string& command, std::string& output);

class MemorySink final : public curfew::ByteSink {
public:
    curfew::Task<curfew::Result<void>> write(std::span<const std::byte> bytes) override;
    std::string text;
};

class Rig {
public:
    /// `speed` above 1 makes waiting short; only for guests whose files have been at rest for long.
    explicit Rig(int port, std::string token = "t0ken", int speed = 1);
    ~Rig();
    Rig(const Rig&) = delete;
    Rig& operator=(const Rig&) = delete;

    template <class T>
    T run(curfew::Task<T> task) {
        std::optional<T> result;
        boost::asio::co_spawn(
            io,
            [](curfew::Task<T> inner, std::optional<T>& out) -> curfew::Task<void> {
                out.emplace(co_await std::move(inner));
            }(std::move(task), result),
            [](const std::exception_ptr& bug) {
                if (bug) {
                    std::rethrow_exception(bug);
                }
            });
        while (!result) {
            io.restart();
            io.run_one();
        }
        return std::move(*result);
    }

    std::shared_ptr<curfew::Guest> guest();
    curfew::Deadline in(curfew::Duration d) const { return scheduler.in(d); }
    curfew::Result<curfew::Walk> walk(curfew::WalkLimits limits = {});
    curfew::Result<std::vector<curfew::Observation>> observe();
    struct Got {
        curfew::Result<curfew::ReadReport> report;
        std::string bytes;
    };
    Got read(const curfew::FileEntry& file, curfew::Duration settle = curfew::seconds{1},
             std::int64_t offset = 0);
    /// As somebody else would ask the server.
    curfew::http::Response ask(const std::string& method, const std::string& target,
                               const std::string& body = {});

    boost::asio::io_context io;
    curfew::clock::RealScheduler scheduler;
    curfew::http::Client client;
    curfew::AccountConfig account;
    std::string token;
    std::shared_ptr<curfew::vault::Workers> workers;

private:
    curfew::jupyter::JupyterDoor door_;
};

/// A packer with one folder vault.
class Packing {
public:
    explicit Packing(Rig& rig);
    ~Packing();
    Packing(const Packing&) = delete;
    Packing& operator=(const Packing&) = delete;

    curfew::Result<curfew::Receipt> pack(std::optional<curfew::Receipt> previous = {},
                                         curfew::Duration patience = curfew::minutes{2});
    curfew::Result<bool> unchanged(const curfew::Receipt& receipt);
    std::vector<curfew::ManifestEntry> manifest(const curfew::Receipt& receipt);
    /// The one of this path at the guest.
    curfew::ManifestEntry entry(const curfew::Receipt& receipt, const std::string& path);
    std::string packed(const curfew::Receipt& receipt, const std::string& path);
    static std::filesystem::path snapshot(const curfew::Receipt& receipt);
    /// What coreutils say of it.
    static bool sums_hold(const curfew::Receipt& receipt);
    static const curfew::NotCovered* missing(const curfew::Receipt& receipt, const std::string& what);
    /// No published snapshot, and nothing of ours beside the vault.
    bool nothing_written();

    curfew::PackPolicy policy;
    TempFolder folder;

private:
    /// Half-built snapshots are removed by a worker.
    bool no_temporary_left() const;

    Rig& rig_;
    curfew::Packer packer_;
    int packs_ = 0;
};

/// What `clocks` says once it has said the same for three seconds: what came before may have an echo.
template <class Clocks>
auto settled(const Clocks& clocks) {
    auto last = clocks();
    for (int i = 0, same = 0; i < 600 && same < 30; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
        auto now = clocks();
        same = now == last ? same + 1 : 0;
        last = std::move(now);
    }
    return last;
}

/// The walk's file of this path.
curfew::FileEntry file_of(const curfew::Walk& walk, const std::string& path);
const curfew::NotCovered* missing_in(const curfew::Walk& walk, const std::string& what);

}  // namespace support
