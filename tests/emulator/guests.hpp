// The processes behind real notebooks: one Jupyter Server each, under a keeper that plays the container's
// first process: whatever the notebook starts (kernels live in sessions of their own) ends with it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace emulator {

/// Where a notebook's processes live.
enum class House : std::uint8_t {
    shared,                // among the host's
    container,             // in namespaces of their own, below a small first process that reaps orphans
    container_of_jupyter,  // the same, and Jupyter itself is the first process: orphans become its children
};

struct GuestSpec {
    std::filesystem::path folder;  // the container's file system: notebooks/, storage/ and the ephemeral rest
    std::filesystem::path log;
    std::string repo_id;
    std::string run_id;
    std::string token;
    bool container_root = false;  // Jupyter's root is the whole folder, not notebooks/
    House house = House::shared;
    std::vector<std::string> jupyter_args;  // after all others
    std::vector<std::string> environment;   // NAME=VALUE, besides the usual
};

class Guest : public std::enable_shared_from_this<Guest> {
public:
    /// Starts the process; `on_exit` is called once, when nothing of the notebook is left.
    static std::shared_ptr<Guest> launch(boost::asio::any_io_executor executor, const GuestSpec& spec,
                                         std::function<void()> on_exit);
    ~Guest();
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    void terminate() const;  // asks Jupyter to end (SIGTERM)
    void kill() const;       // ends everything at once
    [[nodiscard]] bool exited() const { return exited_; }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] boost::asio::awaitable<void> wait_exit();
    /// One GET /api/status with the token, which moves none of Jupyter's clocks; true when that gives a 200.
    [[nodiscard]] boost::asio::awaitable<bool> answers() const;

private:
    Guest() = default;
    boost::asio::awaitable<void> watch(int pidfd, std::function<void()> on_exit);

    pid_t pid_ = -1;
    std::uint16_t port_ = 0;
    std::string token_;
    bool exited_ = false;
};

/// Makes the folders of a notebook, or those that are missing.
void make_guest_folders(const std::filesystem::path& folder);
/// Removes everything but notebooks/ and storage/.
void wipe_ephemeral(const std::filesystem::path& folder);

struct TreeUsage {
    double cpu_seconds = 0;  // of the live processes and of the children they have reaped
    std::int64_t resident_bytes = 0;
};
/// For every root process the use of its whole tree, from one pass over /proc.
std::unordered_map<pid_t, TreeUsage> tree_usage(const std::vector<pid_t>& roots);

inline constexpr const char* keeper_mode = "--keep-guest";
/// The keeper's main: PARENT_PID HOUSE LOG DIRECTORY NAME=VALUE... -- PROGRAM ARGUMENT...
int keeper_main(int argc, char** argv);

}  // namespace emulator
