#include "adapters/ssh/wire.hpp"

#include "adapters/ssh/guest.hpp"

#include <algorithm>
#include <cstdint>

namespace curfew::ssh {

namespace {

constexpr std::size_t host_bytes_max = 253;
constexpr std::size_t words_max = 200;

/// "ssh-ed25519" of "ssh-ed25519 AAAA…".
std::string type_of(const SshConfig& block) {
    return block.host_key.substr(0, block.host_key.find(' '));
}

/// The signatures that prove a key of this type; SHA-1 is not among them.
std::string algorithms_of(const SshConfig& block) {
    const std::string type = type_of(block);
    return type == "ssh-rsa" ? "rsa-sha2-512,rsa-sha2-256" : type;
}

/// "SHA256:…" where ssh names the key that the machine has.
std::string fingerprint_in(std::string_view errors) {
    constexpr std::string_view mark = "SHA256:";
    const std::size_t at = errors.find(mark);
    if (at == std::string_view::npos) {
        return {};
    }
    const auto of_base64 = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
               c == '/';
    };
    const std::string_view rest = errors.substr(at + mark.size(), 43);
    const auto* end = std::ranges::find_if_not(rest, of_base64);
    return std::string{mark} + std::string(rest.begin(), end);
}

Error other_key(std::string_view errors, const SshConfig& block, const std::string& host) {
    const std::string seen = fingerprint_in(errors);
    return {Errc::unsafe, Retry::never(),
            "the machine shows another host key than the pinned one" +
                (seen.empty() ? std::string{} : " (" + seen + ")") +
                ": it was created anew, or somebody else answers in its place. Compare with "
                "/etc/ssh/ssh_host_" +
                (type_of(block) == "ssh-ed25519" ? "ed25519" : "*") +
                "_key.pub on the machine's own console; only if it is the machine's, put that line into "
                "`host_key` of its [[ssh]] block and reload",
            host};
}

}  // namespace

bool is_host(std::string_view text) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '.' || c == ':';
    };
    return !text.empty() && text.size() <= host_bytes_max && text.front() != '-' &&
           std::ranges::all_of(text, allowed);
}

std::string remote_command(std::size_t script_bytes) {
    // Read by the user's login shell, whichever that is: so one line, one pair of single quotes, no '!'. `exec`
    // makes the shell the leader of the group that sshd gave its command. dd reads byte by byte, and so not a
    // byte of the lifeline. The watcher holds neither output, which would keep the session open.
    return "exec sh -c 'exec 3<&0; s=$(dd bs=1 count=" + std::to_string(script_bytes) +
           " 2>/dev/null); (cat <&3; kill -s KILL -- -$$) >/dev/null 2>&1 & eval \"$s\" </dev/null 3<&-'";
}

std::vector<std::string> command_line(const std::string& program, const SshConfig& block,
                                      const std::string& host, const std::string& known_hosts,
                                      std::size_t script_bytes) {
    std::vector<std::string> argv{program, "-F", "none", "-T", "-a", "-x"};
    argv.insert(argv.end(), {"-i", block.key_file, "-l", block.user, "-p", std::to_string(block.port)});
    const std::string options[] = {
        // Who the machine is: the pinned key, and nothing else that anybody knows or says.
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=" + known_hosts,
        "GlobalKnownHostsFile=/dev/null",
        std::string{"HostKeyAlias="} + machine_alias,
        "HostKeyAlgorithms=" + algorithms_of(block),
        "UpdateHostKeys=no",
        "VerifyHostKeyDNS=no",
        "CheckHostIP=no",
        "CanonicalizeHostname=no",
        // Who we are: the one key, nobody asked.
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "AddKeysToAgent=no",
        "PreferredAuthentications=publickey",
        "PasswordAuthentication=no",
        "KbdInteractiveAuthentication=no",
        "GSSAPIAuthentication=no",
        "HostbasedAuthentication=no",
        // What it is for: one command.
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "ForwardX11=no",
        "Tunnel=no",
        "PermitLocalCommand=no",
        "ControlMaster=no",
        "ControlPath=none",
        "EscapeChar=none",
        "ConnectTimeout=10",
        "ConnectionAttempts=1",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=2",
        // Below this ssh does not say why a connection was closed.
        "LogLevel=INFO",
    };
    for (const std::string& option : options) {
        argv.insert(argv.end(), {"-o", option});
    }
    argv.insert(argv.end(), {"--", host, remote_command(script_bytes)});
    return argv;
}

std::string known_hosts_line(const SshConfig& block) {
    return std::string{machine_alias} + " " + block.host_key + "\n";
}

std::string known_hosts_name(const SshConfig& block) {
    // FNV-1a: two keys with one name would only take turns in one file, and every probe writes its own anew.
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : block.host_key) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    constexpr std::string_view digits = "0123456789abcdef";
    std::string name = "known-";
    for (int shift = 60; shift >= 0; shift -= 4) {
        name += digits[(hash >> static_cast<unsigned>(shift)) & 15U];
    }
    return name;
}

std::string last_line(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
        text.remove_suffix(1);
    }
    const std::size_t before = text.rfind('\n');
    std::string line{before == std::string_view::npos ? text : text.substr(before + 1)};
    line.resize(std::min(line.size(), words_max));
    std::ranges::replace_if(line, [](char c) { return c < ' ' || c > '~'; }, '?');
    return line;
}

Error judged(std::string_view errors, const SshConfig& block, const std::string& host) {
    const auto says = [&](std::string_view words) { return errors.find(words) != std::string_view::npos; };
    if (says("REMOTE HOST IDENTIFICATION HAS CHANGED") || says("no matching host key type")) {
        return other_key(errors, block, host);
    }
    if (says("Host key verification failed")) {
        return {Errc::unauthorized, Retry::never(), "no host key is known for it: " + last_line(errors),
                host};
    }
    if (says("UNPROTECTED PRIVATE KEY FILE") || says("bad permissions")) {
        return {Errc::unsafe, Retry::never(),
                "`key_file` can be read by group or others; run: chmod 600 " + block.key_file, host};
    }
    if (says("Identity file ") || says("Load key ")) {
        return {Errc::invalid, Retry::never(),
                "`key_file` is no private key that can be read: " + block.key_file, host};
    }
    if (says("Permission denied") || says("Too many authentication failures")) {
        return {Errc::unauthorized, Retry::never(),
                "the machine does not accept our key for user " + block.user +
                    ": put the public half of `key_file` into its ~/.ssh/authorized_keys (a key with a "
                    "passphrase cannot be used)",
                host};
    }
    const std::string words = last_line(errors);
    return {Errc::unavailable, Retry::later(), words.empty() ? "ssh ended without a word" : words, host};
}

}  // namespace curfew::ssh
