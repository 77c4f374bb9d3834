// What is said to OpenSSH's client, and what its words mean. Measured with OpenSSH 9.2 (Debian 12).
#pragma once

#include "curfew/core/config.hpp"
#include "curfew/core/error.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::ssh {

/// Can it be handed to ssh as a host? A name or an address of letters, digits, dots, dashes and colons that
/// does not begin with a dash. Addresses come from the provider.
bool is_host(std::string_view text);

/// The command line for one probe. `known_hosts` is relative to the folder that ssh runs in.
std::vector<std::string> command_line(const std::string& program, const SshConfig& block,
                                      const std::string& host, const std::string& known_hosts,
                                      std::size_t script_bytes);

/// What the machine runs: a shell that reads so many bytes of script from its input, and keeps the rest of the
/// input as a lifeline: when that ends, however it ends, everything in the shell's process group is killed.
std::string remote_command(std::size_t script_bytes);

/// The one line of the file of known hosts, and the name of the file.
std::string known_hosts_line(const SshConfig& block);
std::string known_hosts_name(const SshConfig& block);

/// Why ssh ended with 255, from what it wrote to standard error. unsafe (never): another host key than the
/// pinned one, or a key file that others can read; unauthorized (never): our key is not accepted, or no host
/// key is known; invalid (never): the key file is no key; else unavailable (later).
Error judged(std::string_view errors, const SshConfig& block, const std::string& host);

/// The last line of a stranger's text, printable, at most 200 bytes.
std::string last_line(std::string_view text);

}  // namespace curfew::ssh
