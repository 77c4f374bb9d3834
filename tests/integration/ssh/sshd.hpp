// OpenSSH's own server on loopback, started by the test: host key, authorized keys and configuration in a
// temporary folder. It lets in the user that runs the test, root or not.
#pragma once

#include "adapters/ssh/guest.hpp"
#include "integration/http/loop.hpp"
#include "support/port.hpp"

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace support {

class Folder {
public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

void write_file(const std::string& path, const std::string& text, mode_t mode = 0600);
std::string file_text(const std::string& path);
/// Runs it to its end; its standard output is returned.
std::string output_of(const std::vector<std::string>& words);

/// Is a process with this number there, and no zombie?
bool alive(const std::string& pid);
/// Waits for it a little.
bool gone_soon(const std::string& pid);
/// How many processes have these words in their command lines.
int processes_with(const std::string& words_of_command_line);

/// "ssh-ed25519 AAAA…" of a new pair; the private half is in `path`.
std::string make_key(const std::string& path, const std::string& type = "ed25519");

class Sshd {
public:
    /// `authorized` stands before the key in authorized_keys; `more` are lines for the configuration.
    explicit Sshd(std::string authorized = "restrict", std::string more = {});
    ~Sshd();
    Sshd(const Sshd&) = delete;
    Sshd& operator=(const Sshd&) = delete;

    /// A block that is right in everything, for a machine of any name.
    curfew::SshConfig block() const;
    int port() const { return port_.number(); }
    const Folder& folder() const { return folder_; }
    std::string log() const { return file_text(folder_ / "log"); }

private:
    Folder folder_;
    std::string host_key_;
    bool made_run_folder_ = false;
    Port port_;
    pid_t pid_ = -1;
};

/// A door to machines with these blocks, over the real runner.
struct Rig {
    Loop loop;
    Folder folder;
    std::vector<curfew::SshConfig> blocks;
    curfew::process::Runner runner;
    curfew::ssh::SshDoor door;

    explicit Rig(std::vector<curfew::SshConfig> all, const std::string& program = "/usr/bin/ssh");

    std::unique_ptr<curfew::Guest> guest(const std::string& name = "train-box",
                                         const std::string& address = "127.0.0.1");
    /// Runs `script`, then prints "PROBE END".
    curfew::Result<curfew::ProbeAnswer> probe(const std::string& script,
                                              curfew::Duration patience = curfew::seconds{60});
    curfew::Result<curfew::ProbeAnswer> probe_as_is(const std::string& script,
                                                    curfew::Duration patience = curfew::seconds{60});
    /// Of the ssh programs that this rig started.
    bool nothing_runs();
};

}  // namespace support
