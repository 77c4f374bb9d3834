// Machines, keys and names that are not what the configuration says.
#include "sshd.hpp"

#include <catch2/catch.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

using namespace curfew;
using support::Rig;
using support::Sshd;

namespace {

/// Somebody who listens and says `greeting`, or nothing, to the first who comes.
class Listener {
public:
    explicit Listener() {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), length) == 0);
        REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
        REQUIRE(::listen(fd_, 8) == 0);
        port_ = ntohs(address.sin_port);
    }
    ~Listener() { ::close(fd_); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    int port() const { return port_; }

private:
    int fd_ = -1;
    int port_ = 0;
};

bool holds(const std::string& text, const std::string& part) {
    INFO(text);
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a machine with another host key is never talked to") {
    const Sshd sshd;
    const support::Folder keys;
    SshConfig block = sshd.block();
    block.host_key = support::make_key(keys / "other");
    Rig rig({block});
    const std::string touched = sshd.folder() / "touched";
    const auto answer = rig.probe("touch " + touched);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Errc::unsafe);
    CHECK(answer.error().retry == Retry::never());
    CHECK(holds(answer.error().text, "created anew"));
    CHECK(holds(answer.error().text, "`host_key`"));
    const std::string shown = support::output_of(
        {"/usr/bin/ssh-keygen", "-l", "-E", "sha256", "-f", sshd.folder() / "host_key.pub"});
    CHECK(holds(answer.error().text, "(" + shown.substr(shown.find("SHA256:"), 50) + ")"));
    CHECK_FALSE(std::filesystem::exists(touched));

    // Nor one that has no key of the pinned type, though it has others.
    block.host_key = support::make_key(keys / "rsa", "rsa");
    Rig no_rsa({block});
    const auto other_type = no_rsa.probe("touch " + touched);
    REQUIRE_FALSE(other_type);
    CHECK(other_type.error().code == Errc::unsafe);
    CHECK_FALSE(std::filesystem::exists(touched));
}

TEST_CASE("a new pinned key counts from the next probe on") {
    const Sshd sshd;
    const support::Folder keys;
    Rig rig({sshd.block()});
    REQUIRE(rig.probe("true"));
    const std::string right = rig.blocks[0].host_key;
    rig.blocks[0].host_key = support::make_key(keys / "other");
    CHECK(rig.probe("true").error().code == Errc::unsafe);
    rig.blocks[0].host_key = right;
    CHECK(rig.probe("true"));
    for (const auto& file : std::filesystem::directory_iterator(rig.folder / "ssh")) {
        struct stat info{};
        REQUIRE(::stat(file.path().c_str(), &info) == 0);
        CHECK((info.st_mode & 0777) == 0600);
        const std::string text = support::file_text(file.path());
        CHECK(text.find('\n') == text.size() - 1);
    }
}

TEST_CASE("a machine whose host key is not known is refused") {
    const Sshd sshd;
    SshConfig block = sshd.block();
    block.host_key = "ssh-ed25519 AAAA";  // no key at all, which the configuration would not let through
    Rig rig({block});
    const auto answer = rig.probe("true");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Errc::unauthorized);
    CHECK(answer.error().retry == Retry::never());
}

TEST_CASE("a key or user that the machine does not know is refused") {
    const Sshd sshd;
    const support::Folder keys;
    support::make_key(keys / "stranger");
    SshConfig block = sshd.block();
    block.key_file = keys / "stranger";
    const auto key = Rig({block}).probe("true");
    REQUIRE_FALSE(key);
    CHECK(key.error().code == Errc::unauthorized);
    CHECK(key.error().retry == Retry::never());
    CHECK(holds(key.error().text, "does not accept our key"));

    block = sshd.block();
    block.user = "no-such-user";
    const auto user = Rig({block}).probe("true");
    REQUIRE_FALSE(user);
    CHECK(user.error().code == Errc::unauthorized);
    CHECK(holds(user.error().text, "no-such-user"));
}

TEST_CASE("a key file that others can read is not used") {
    const Sshd sshd;
    const SshConfig block = sshd.block();
    REQUIRE(::chmod(block.key_file.c_str(), 0644) == 0);
    const auto open = Rig({block}).probe("true");
    REQUIRE_FALSE(open);
    CHECK(open.error().code == Errc::unsafe);
    CHECK(holds(open.error().text, "chmod 600"));
    REQUIRE(::chmod(block.key_file.c_str(), 0600) == 0);
    CHECK(Rig({block}).probe("true"));
}

TEST_CASE("a key file that is none is named") {
    const Sshd sshd;
    SshConfig block = sshd.block();
    block.key_file = sshd.folder() / "missing";
    CHECK(Rig({block}).probe("true").error().code == Errc::invalid);
    support::write_file(sshd.folder() / "missing", "no key\n");
    CHECK(Rig({block}).probe("true").error().code == Errc::invalid);
}

TEST_CASE("a machine that cannot be reached may be asked again") {
    const Sshd sshd;
    SshConfig block = sshd.block();
    const support::Port deaf;
    block.port = deaf.number();
    const auto closed = Rig({block}).probe("true");
    REQUIRE_FALSE(closed);
    CHECK(closed.error().code == Errc::unavailable);
    CHECK(closed.error().may_retry());
    CHECK(holds(closed.error().text, "Connection refused"));

    const Listener silent;
    block.port = silent.port();
    Rig rig({block});
    const auto nothing = rig.probe("true", seconds{1});
    REQUIRE_FALSE(nothing);
    CHECK(nothing.error().code == Errc::timeout);
    CHECK(rig.nothing_runs());

    block.host = "no-such-machine.invalid";
    const auto nowhere = Rig({block}).probe("true");
    REQUIRE_FALSE(nowhere);
    CHECK(nowhere.error().code == Errc::unavailable);
    CHECK(nowhere.error().where == "no-such-machine.invalid");
}

TEST_CASE("without an OpenSSH client it says so") {
    const Sshd sshd;
    Rig rig({sshd.block()}, "/usr/bin/no-such-ssh");
    const auto answer = rig.probe("true");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Errc::not_found);
    CHECK(holds(answer.error().text, "openssh-client"));
}

TEST_CASE("which machines have a guest") {
    const Sshd sshd;
    SshConfig first = sshd.block();
    first.match = {"train-*", "exact"};
    first.host = "127.0.0.1";
    SshConfig second = sshd.block();
    second.match = {"*-box"};
    Rig rig({first, second});
    CHECK(rig.guest("train-1", ""));
    CHECK(rig.guest("exact", ""));
    CHECK_FALSE(rig.guest("other", "127.0.0.1"));
    CHECK(rig.guest("my-box", "127.0.0.1"));
    CHECK_FALSE(rig.guest("my-box", ""));  // no address, and the block gives none

    Resource notebook;
    notebook.name = "train-1";
    notebook.run.address = "127.0.0.1";
    CHECK_FALSE(rig.door.open(AccountName{"main"}, notebook, notebook.run));
}

TEST_CASE("an address is an address, whatever the provider says") {
    const Sshd sshd;
    Rig rig({sshd.block()});
    for (const std::string address :
         {"-oProxyCommand=touch /tmp/x", "-F", "127.0.0.1 -oProxyCommand=x", "a@127.0.0.1", "ssh://127.0.0.1",
          "127.0.0.1;id", "$(id)", "`id`", "%h", "a\nb", "../x", "[::1]", "é"}) {
        CAPTURE(address);
        CHECK_FALSE(rig.guest("train-box", address));
    }
    CHECK_FALSE(rig.guest("train-box", std::string(300, 'a')));
    CHECK(rig.guest("train-box", "2001:db8::1"));
    CHECK(rig.guest("train-box", "psq1w2e3r4.example.com"));
    // The name is the provider's too, and goes nowhere.
    CHECK(rig.guest("-oProxyCommand=x", "127.0.0.1"));
}
