// A Core machine behind the Guest port: OpenSSH's own client, run once per probe, with a host key that the
// configuration pins. Nothing of the user's ssh configuration, agent or known hosts takes part.
#pragma once

#include "adapters/process/runner.hpp"
#include "curfew/core/config.hpp"
#include "curfew/ports/guest.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace curfew::ssh {

/// What the files of known hosts call every machine, so that its address plays no part in its identity.
constexpr const char* machine_alias = "machine";

class SshDoor final : public GuestDoor {
public:
    /// `blocks` are those of the configuration in force; their key files are paths by now. `folder` is ours
    /// alone: it holds files of known hosts, one per pinned key, and is made when it is missing.
    SshDoor(process::Runner& runner, std::function<const std::vector<SshConfig>&()> blocks,
            std::string folder, std::string program = "/usr/bin/ssh");
    /// nullptr for a notebook, for a machine that no block matches, and where there is no address.
    std::unique_ptr<Guest> open(const AccountName& account, const Resource& resource,
                                const Run& run) override;

private:
    process::Runner& runner_;
    std::function<const std::vector<SshConfig>&()> blocks_;
    std::string folder_;
    std::string program_;
    std::map<ResourceId, std::shared_ptr<std::int64_t>> own_bytes_;
};

}  // namespace curfew::ssh
