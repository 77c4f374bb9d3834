// Tokens of keep links: what was not written by us, byte for byte, opens nothing.
#include "adapters/keep_key/keep_key.hpp"
#include "curfew/core/keep_link.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace curfew;

namespace {

const KeepMac ours = keep_key::mac_by(Secret{"one key"});

KeepLink link() {
    return {.resource = ResourceId{"n8k2"},
            .run = RunId{"r41"},
            .valid_until = WallTime{1'795'400'000'123},
            .length = hours{1},
            .warning = "msg_0123456789abcdef01234567"};
}

std::string token() {
    return keep_token(keep_payload(link()).value(), ours);
}

Message warning() {
    Message m;
    m.id = link().warning;
    m.resource = link().resource;
    m.run = link().run;
    return m;
}

const KeepLinkConfig config{.listen = "127.0.0.1:8123", .public_url = "https://curfew.example.com"};

}  // namespace

TEST_CASE("a token says what was put into it, in bytes that a URL carries as they are") {
    const std::string text = token();
    CHECK(read_keep_token(text, ours) == link());
    CHECK(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
          std::string::npos);
    CHECK(text.size() < keep_token_bytes_max);
}

TEST_CASE("no bit of a token can be changed") {
    const std::string good = token();
    for (std::size_t at = 0; at < good.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string bad = good;
            bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
            INFO("byte " << at << ", bit " << bit);
            CHECK_FALSE(read_keep_token(bad, ours));
        }
    }
}

TEST_CASE("no part of a token, and nothing longer, opens anything") {
    const std::string good = token();
    for (std::size_t size = 0; size < good.size(); ++size) {
        INFO(size << " bytes");
        CHECK_FALSE(read_keep_token(good.substr(0, size), ours));
        CHECK_FALSE(read_keep_token(good.substr(good.size() - size), ours));
    }
    for (const char* more : {"A", ".", "=", "\n", " ", ".A"}) {
        CHECK_FALSE(read_keep_token(good + more, ours));
        CHECK_FALSE(read_keep_token(more + good, ours));
    }
    CHECK_FALSE(read_keep_token(good + good, ours));
    CHECK_FALSE(read_keep_token(std::string(1 << 20, 'A') + "." + good, ours));
}

TEST_CASE("another key, another payload under our signature, and a payload alone are refused") {
    const std::string good = token();
    const std::string payload = keep_payload(link()).value();
    const std::string signature = good.substr(payload.size());
    CHECK_FALSE(read_keep_token(good, keep_key::mac_by(Secret{"another key"})));
    KeepLink other = link();
    other.resource = ResourceId{"n8k3"};
    CHECK_FALSE(read_keep_token(keep_payload(other).value() + signature, ours));
    CHECK_FALSE(read_keep_token(payload, ours));
    CHECK_FALSE(read_keep_token(payload + ".", ours));
}

TEST_CASE("one text stands for one link, whoever signed it") {
    // As if somebody had our key: the parser is strict by itself.
    const auto signed_text = [](std::string_view payload) { return keep_token(payload, ours); };
    const std::string payload = keep_payload(link()).value();
    CHECK(read_keep_token(signed_text(payload), ours));
    const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (std::size_t at = 0; at < payload.size(); ++at) {
        for (const char digit : digits) {
            std::string bad = payload;
            bad[at] = digit;
            const auto read = read_keep_token(signed_text(bad), ours);
            if (read) {
                CHECK(keep_payload(*read) == bad);
            }
        }
    }
    for (const char* odd : {"", "A", "AA", "MQ", "MQo", "MgpuCnIKMQoxCm0", "!!!!"}) {
        CHECK_FALSE(read_keep_payload(odd));
    }
    CHECK_FALSE(read_keep_payload(payload + "A"));
    CHECK_FALSE(read_keep_payload(payload + "="));
}

TEST_CASE("what a link cannot carry makes no link") {
    KeepLink bad = link();
    for (const char* id : {"", "a b", "a\nb", "é", "a\x7f"}) {
        bad = link();
        bad.resource = ResourceId{id};
        CHECK_FALSE(keep_payload(bad));
        bad = link();
        bad.run = RunId{id};
        CHECK_FALSE(keep_payload(bad));
        bad = link();
        bad.warning = id;
        CHECK_FALSE(keep_payload(bad));
    }
    bad = link();
    bad.run = RunId{std::string(129, 'x')};
    CHECK_FALSE(keep_payload(bad));
    bad = link();
    bad.length = Duration{0};
    CHECK_FALSE(keep_payload(bad));
}

TEST_CASE("a warning carries a link as long as it is worth sending, and none without a listener") {
    const WallTime now{1'795'000'000'000};
    Message m = warning();
    CHECK_FALSE(unsigned_keep_url({}, m, now));
    const auto valid = [&] {
        const auto url = unsigned_keep_url(config, m, now);
        REQUIRE(url);
        CHECK(url->starts_with("https://curfew.example.com/k/"));
        const auto read = read_keep_payload(token_of_keep_url(*url));
        REQUIRE(read);
        CHECK(read->warning == m.id);
        CHECK(read->run == m.run);
        CHECK(read->length == hours{1});
        CHECK_FALSE(
            read_keep_token(token_of_keep_url(*url), ours));  // without its signature it opens nothing
        return read->valid_until - now;
    };
    CHECK(valid() == hours{2});
    m.expires_at = now + minutes{90};
    CHECK(valid() == minutes{90});
    m.expires_at = now + hours{100};
    CHECK(valid() == keep_link_valid_max);
    m.resource = ResourceId{"a b"};
    CHECK_FALSE(unsigned_keep_url(config, m, now));
}
