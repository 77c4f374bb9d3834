// The command line, and what ssh's words mean: without a peer.
#include "adapters/ssh/guest.hpp"
#include "adapters/ssh/wire.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace curfew;

namespace {

const SshConfig block{.match = {"*"},
                      .user = "ana",
                      .key_file = "/keys/with space",
                      .host_key = "ssh-ed25519 AAAAkey",
                      .host = {},
                      .port = 2222};

std::vector<std::string> words() {
    return ssh::command_line("/usr/bin/ssh", block, "203.0.113.9", "known-1", 42);
}

bool has_pair(const std::string& first, const std::string& second) {
    const auto all = words();
    return std::ranges::adjacent_find(
               all, [&](const auto& a, const auto& b) { return a == first && b == second; }) != all.end();
}

Error judged(std::string_view errors) {
    return ssh::judged(errors, block, "203.0.113.9");
}

}  // namespace

TEST_CASE("ssh is told everything, and asks nobody") {
    CHECK(has_pair("-F", "none"));
    CHECK(has_pair("-i", "/keys/with space"));
    CHECK(has_pair("-l", "ana"));
    CHECK(has_pair("-p", "2222"));
    for (const std::string option :
         {"StrictHostKeyChecking=yes", "UserKnownHostsFile=known-1", "GlobalKnownHostsFile=/dev/null",
          "HostKeyAlgorithms=ssh-ed25519", "BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none",
          "ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes", "UpdateHostKeys=no",
          "PreferredAuthentications=publickey", "PasswordAuthentication=no", "ControlMaster=no"}) {
        CAPTURE(option);
        CHECK(has_pair("-o", option));
    }
    const auto all = words();
    CHECK(all.end()[-3] == "--");
    CHECK(all.end()[-2] == "203.0.113.9");
    CHECK(all.end()[-1] == ssh::remote_command(42));
    // One word in quotes for any login shell.
    const std::string& remote = all.back();
    CHECK(std::ranges::count(remote, '\'') == 2);
    CHECK(remote.find_first_of("!\n\\") == std::string::npos);
}

TEST_CASE("old signatures are not accepted for RSA") {
    SshConfig rsa = block;
    rsa.host_key = "ssh-rsa AAAAkey";
    const auto all = ssh::command_line("/usr/bin/ssh", rsa, "h", "k", 1);
    CHECK(std::ranges::find(all, "HostKeyAlgorithms=rsa-sha2-512,rsa-sha2-256") != all.end());
}

TEST_CASE("known hosts hold the one key under the one name") {
    CHECK(ssh::known_hosts_line(block) == std::string{ssh::machine_alias} + " ssh-ed25519 AAAAkey\n");
    SshConfig other = block;
    CHECK(ssh::known_hosts_name(other) == ssh::known_hosts_name(block));
    other.host_key += "2";
    CHECK(ssh::known_hosts_name(other) != ssh::known_hosts_name(block));
    CHECK(ssh::known_hosts_name(block).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") ==
          std::string::npos);
}

TEST_CASE("what ssh says is told apart") {
    const Error changed = judged(
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nThe fingerprint for the ED25519 key "
        "sent by "
        "the remote host is\nSHA256:/7TUPAadLt/FOKuy7U24TiEh/jKGjGfhxnFg4bcCbrc.\nHost key verification "
        "failed.\n");
    CHECK(changed.code == Errc::unsafe);
    CHECK(changed.text.find("(SHA256:/7TUPAadLt/FOKuy7U24TiEh/jKGjGfhxnFg4bcCbrc)") != std::string::npos);
    CHECK(judged("Unable to negotiate with 1.2.3.4 port 22: no matching host key type found. Their offer: "
                 "ssh-rsa\n")
              .code == Errc::unsafe);
    CHECK(judged("No ED25519 host key is known\nHost key verification failed.\n").code == Errc::unauthorized);
    CHECK(judged("ana@203.0.113.9: Permission denied (publickey).\n").code == Errc::unauthorized);
    CHECK(judged("Permissions 0644 for 'k' are too open.\nLoad key \"k\": bad permissions\n"
                 "ana@h: Permission denied (publickey).\n")
              .code == Errc::unsafe);
    CHECK(judged("Load key \"k\": error in libcrypto\nana@h: Permission denied (publickey).\n").code ==
          Errc::invalid);
    CHECK(judged("Warning: Identity file k not accessible: No such file or directory.\n").code ==
          Errc::invalid);
    const Error reset = judged("noise\nkex_exchange_identification: read: Connection reset by peer\r\n");
    CHECK(reset.code == Errc::unavailable);
    CHECK(reset.may_retry());
    CHECK(reset.text == "kex_exchange_identification: read: Connection reset by peer");
    CHECK(judged("").code == Errc::unavailable);
    CHECK_FALSE(judged("").text.empty());
    CHECK(ssh::last_line("a\n\n \r\n") == "a");
    CHECK(ssh::last_line("\x1b[31mred\xc3\xa9") == "?[31mred??");
    CHECK(ssh::last_line(std::string(5000, 'x')).size() == 200);
}
