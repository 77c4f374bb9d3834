// Errors, secrets and the words of states.
#include "curfew/core/error.hpp"
#include "curfew/core/resource.hpp"
#include "curfew/core/secret.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <new>
#include <set>
#include <string>
#include <type_traits>
#include <utility>

using namespace curfew;

TEST_CASE("an error prints where and what") {
    CHECK(to_string(Error{Errc::disk, Retry::never(), "cannot write", "/x"}) == "/x: cannot write");
    CHECK(to_string(Error{Errc::disk, Retry::never(), "cannot write", ""}) == "cannot write");
    CHECK(to_string(Error{Errc::disk, Retry::never(), "", "/x"}) == "/x: disk error");
}

TEST_CASE("an error says whether trying again can help") {
    CHECK_FALSE(Error{.retry = Retry::never()}.may_retry());
    CHECK(Error{.retry = Retry::later()}.may_retry());
    CHECK(Error{.retry = Retry::after(seconds{3})}.may_retry());
    CHECK_FALSE(Error{.retry = Retry::ambiguous()}.may_retry());
    CHECK(Error{.retry = Retry::ambiguous()}.ambiguous());
    const Result<int> failed = fail(Errc::timeout, "too slow", "host", Retry::later());
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == Errc::timeout);
    CHECK(failed.error().where == "host");
}

TEST_CASE("every error code has a word of its own") {
    std::set<std::string_view> words;
    for (int code = 0; code <= static_cast<int>(Errc::internal); ++code) {
        words.insert(to_string(static_cast<Errc>(code)));
    }
    CHECK(words.size() == static_cast<std::size_t>(Errc::internal) + 1);
}

TEST_CASE("a secret is revealed unchanged and compared whole") {
    const Secret secret{"token-value"};
    CHECK(secret.reveal() == "token-value");
    CHECK(secret.equals("token-value"));
    CHECK_FALSE(secret.equals("token-valuf"));
    CHECK_FALSE(secret.equals("token-valu"));
    CHECK_FALSE(secret.equals("token-value!"));
    CHECK_FALSE(secret.equals(""));
    CHECK(Secret{}.equals(""));
    CHECK_FALSE(Secret{}.equals("x"));
    CHECK_FALSE(Secret{"ab"}.equals("abab"));
    CHECK(Secret{}.empty());
    CHECK_FALSE(secret.empty());
}

TEST_CASE("secrets are copied, moved and assigned") {
    Secret a{"alpha"};
    Secret copy{a};
    CHECK(copy.equals("alpha"));
    Secret moved{std::move(a)};
    CHECK(moved.equals("alpha"));
    copy = Secret{"beta"};
    CHECK(copy.equals("beta"));
    const Secret gamma{"gamma"};
    copy = gamma;
    CHECK(copy.equals("gamma"));
    const Secret& same = copy;
    copy = same;
    CHECK(copy.equals("gamma"));
    Secret& itself = moved;
    moved = std::move(itself);
    CHECK(moved.equals("alpha"));
}

TEST_CASE("a dead or moved-from secret leaves no bytes behind") {
    // Short enough for the small buffer inside the object, which a plain destructor leaves as it is.
    alignas(Secret) unsigned char memory[sizeof(Secret)];
    const std::string bytes = "s3cr3t-canary";
    const auto holds = [&] { return memmem(memory, sizeof memory, bytes.data(), bytes.size()) != nullptr; };
    auto* secret = new (memory) Secret{bytes};
    CHECK(holds());
    Secret elsewhere{std::move(*secret)};
    CHECK_FALSE(holds());
    *secret = elsewhere;
    CHECK(holds());
    secret->~Secret();
    CHECK_FALSE(holds());
}

TEST_CASE("a secret cannot become text by accident") {
    STATIC_REQUIRE_FALSE(std::is_convertible_v<Secret, std::string>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<Secret, std::string_view>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<std::string, Secret>);
}

TEST_CASE("states of runs have words that are read back") {
    for (int state = 0; state <= static_cast<int>(RunState::unknown); ++state) {
        CHECK(run_state_from(to_string(static_cast<RunState>(state))) == static_cast<RunState>(state));
    }
    CHECK(run_state_from("") == RunState::unknown);
    CHECK(run_state_from("Running") == RunState::unknown);
    CHECK(run_state_from("hibernating") == RunState::unknown);
    CHECK(to_string(ResourceKind::notebook) == "notebook");
    CHECK(to_string(ResourceKind::machine) == "machine");
}

TEST_CASE("what may bill counts, and only what is known to be off is off") {
    CHECK(bills(RunState::unknown));
    CHECK(bills(RunState::stopping));
    CHECK_FALSE(bills(RunState::pending));
    CHECK_FALSE(is_off(RunState::unknown));
    CHECK(is_off(RunState::stopped));
    CHECK(is_off(RunState::failed));
    CHECK_FALSE(is_off(RunState::pending));
}
