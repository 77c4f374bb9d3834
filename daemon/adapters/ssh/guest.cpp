#include "adapters/ssh/guest.hpp"

#include "adapters/ssh/wire.hpp"
#include "curfew/core/rule.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace curfew::ssh {

namespace {

constexpr int ssh_itself_failed = 255;
constexpr int cannot_be_run = 126;  // by the shell: found and not a program; 127: not found
constexpr int not_found_there = 127;

std::unexpected<Error> no_file(const char* what, const std::string& path) {
    return fail(errno == ENOSPC || errno == EDQUOT ? Errc::disk_full : Errc::disk,
                std::string{what} + ": " + std::strerror(errno), path, Retry::later());
}

/// Written anew for each probe and renamed into place, so that ssh never reads half of it.
Result<void> write_known_hosts(const std::string& folder, const SshConfig& block) {
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
        return no_file("cannot be made", folder);
    }
    const std::string path = folder + "/" + known_hosts_name(block);
    const std::string text = known_hosts_line(block);
    std::string fresh = path + ".XXXXXX";
    const int fd = ::mkostemp(fresh.data(), O_CLOEXEC);
    if (fd < 0) {
        return no_file("cannot be written", path);
    }
    const bool whole = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const bool closed = ::close(fd) == 0;
    if (!whole || !closed || ::rename(fresh.c_str(), path.c_str()) != 0) {
        auto failed = no_file("cannot be written", path);
        ::unlink(fresh.c_str());
        return failed;
    }
    return {};
}

std::unexpected<Error> not_packed(const std::string& host) {
    return fail(Errc::invalid, "files of machines are not packed yet", host);
}

class SshGuest final : public Guest {
public:
    SshGuest(process::Runner& runner, SshConfig block, std::string host, std::string folder,
             std::string program, std::shared_ptr<std::int64_t> own_bytes)
        : runner_(runner), block_(std::move(block)), host_(std::move(host)), folder_(std::move(folder)),
          program_(std::move(program)), own_bytes_(std::move(own_bytes)) {}

    /// A machine has neither kernels nor a server: all that can be seen of it is in its probe.
    Task<Result<std::vector<Observation>>> observe(LookOrder /*order*/, Deadline /*deadline*/) override {
        co_return std::vector<Observation>{};
    }
    Task<Result<ProbeAnswer>> probe(ProbeScript script, Deadline deadline) override;
    Task<Result<Walk>> walk(WalkLimits /*limits*/, Deadline /*deadline*/) override {
        co_return not_packed(host_);
    }
    Task<Result<ReadReport>> read(FileEntry /*file*/, std::int64_t /*offset*/, Duration /*settle*/,
                                  ByteSink& /*sink*/, Deadline /*deadline*/) override {
        co_return not_packed(host_);
    }
    Task<Result<std::string>> to_html(std::string /*name*/, std::string /*notebook_json*/,
                                      Deadline /*deadline*/) override {
        co_return not_packed(host_);
    }
    Task<StopReply> shut_down(Deadline /*deadline*/) override {
        // A halt from inside needs root, and leaves it to the provider whether the machine is off.
        co_return StopReply{event::Answer::refused, "a machine is stopped by its provider only"};
    }
    int parallel_reads() const override { return 1; }

private:
    Error explained(const process::Ended& ended) const;

    process::Runner& runner_;
    SshConfig block_;
    std::string host_;
    std::string folder_;
    std::string program_;
    std::shared_ptr<std::int64_t> own_bytes_;  // of this machine, shared with the door
};

/// The program ended, and the last line of the script was not among what it printed.
Error SshGuest::explained(const process::Ended& ended) const {
    if (ended.code == ssh_itself_failed) {
        return judged(ended.errors, block_, host_);
    }
    const std::string words = last_line(ended.errors.empty() ? ended.output : ended.errors);
    if (ended.code == cannot_be_run || ended.code == not_found_there) {
        return {Errc::not_found, Retry::never(), "the machine has no shell for us: " + words, host_};
    }
    const std::string how = ended.signal != 0 ? "signal " + std::to_string(ended.signal)
                                              : "status " + std::to_string(ended.code);
    return {Errc::protocol, Retry::later(), "the probe did not come to its end (" + how + "): " + words,
            host_};
}

Task<Result<ProbeAnswer>> SshGuest::probe(ProbeScript script, Deadline deadline) {
    if (auto written = write_known_hosts(folder_, block_); !written) {
        co_return std::unexpected(written.error());
    }
    process::Program program;
    program.argv = command_line(program_, block_, host_, known_hosts_name(block_), script.text.size());
    program.environment = {"LC_ALL=C"};  // its words are read
    program.folder = folder_;
    program.input = script.text;
    program.hold_input = true;  // the machine's end of the lifeline, also when this process is killed
    program.output_max = probe_output_max;
    auto ended = co_await runner_.run(std::move(program), deadline);
    if (!ended) {
        Error error = ended.error();
        if (error.code == Errc::not_found) {
            error.text = "there is no OpenSSH client (apt-get install openssh-client)";
        } else {
            error.where = host_;
        }
        co_return std::unexpected(std::move(error));
    }
    // Without the handshake and what a connection costs besides: too little only makes us see ourselves.
    *own_bytes_ += static_cast<std::int64_t>(script.text.size() + ended->output.size() +
                                             ended->errors.size());
    if (ended->output.find(script.end) == std::string::npos) {
        co_return std::unexpected(explained(*ended));
    }
    // The parent of our shell is the sshd of this one session, or the shell that it started for us.
    co_return ProbeAnswer{.text = std::move(ended->output), .parent_is_ours = true, .own_bytes = *own_bytes_};
}

}  // namespace

SshDoor::SshDoor(process::Runner& runner, std::function<const std::vector<SshConfig>&()> blocks,
                 std::string folder, std::string program)
    : runner_(runner), blocks_(std::move(blocks)), folder_(std::move(folder)), program_(std::move(program)) {}

std::unique_ptr<Guest> SshDoor::open(const AccountName& /*account*/, const Resource& resource,
                                     const Run& run) {
    if (resource.kind != ResourceKind::machine) {
        return nullptr;
    }
    const auto& blocks = blocks_();
    const auto block = std::ranges::find_if(blocks, [&](const SshConfig& each) {
        return std::ranges::any_of(each.match,
                                   [&](const auto& glob) { return glob_matches(glob, resource.name); });
    });
    if (block == blocks.end()) {
        return nullptr;
    }
    const std::string& host = block->host.empty() ? run.address : block->host;
    if (!is_host(host)) {
        return nullptr;
    }
    auto& own_bytes = own_bytes_[resource.id];
    if (!own_bytes) {
        own_bytes = std::make_shared<std::int64_t>(0);
    }
    return std::make_unique<SshGuest>(runner_, *block, host, folder_, program_, own_bytes);
}

}  // namespace curfew::ssh
