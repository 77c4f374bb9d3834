// Every kind of certificate, right and wrong, and what is made of it: the table of T1.
#include "network/bench.hpp"
#include "network/certificates.hpp"

#include <catch2/catch.hpp>

#include <cstdio>

using namespace curfew;
using namespace curfew::http;
using namespace network;
using support::Server;
using support::ServerTls;

namespace {

constexpr long day = 24L * 3600;

/// The authorities of the test, and a folder for what the servers read.
struct World {
    support::Folder folder{"tls"};
    Certificate root = make(
        {.name = "Test Root", .basic = "critical,CA:TRUE", .usage = "critical,keyCertSign"});
    Certificate middle = make(
        {.name = "Test Middle", .basic = "critical,CA:TRUE", .usage = "critical,keyCertSign"}, &root);
    Certificate stranger = make({.name = "Another Root", .basic = "critical,CA:TRUE"});
    Certificate namesake = make(
        {.name = "Test Root", .basic = "critical,CA:TRUE", .usage = "critical,keyCertSign"});
    int files = 0;

    std::string write(const std::string& text) {
        const std::string path = folder.path + "/" + std::to_string(++files) + ".pem";
        std::ofstream(path) << text;
        return path;
    }
};

struct Case {
    std::string what;
    bool good = false;
    std::string host = "box.test";
    std::vector<Certificate> chain;  // the server's own first
    std::vector<Certificate> trusted;
    ServerTls server = {};    // but for the files
    bool certificate = true;  // a refusal says that the certificate is at fault
};

Recipe box(Recipe recipe = {}) {
    recipe.alternatives = recipe.alternatives.empty() ? "DNS:box.test" : recipe.alternatives;
    return recipe;
}

std::vector<Case> right(World& w) {
    const std::vector<Certificate> root{w.root};
    const auto leaf = [&](Recipe r) { return make(r, &w.root); };
    const Certificate below = make(box(), &w.middle);
    const Certificate self = make(box({.basic = {}}));
    const Certificate bounded = make(
        {.name = "Bounded", .basic = "critical,CA:TRUE", .constraints = "critical,permitted;DNS:box.test"},
        &w.root);
    const Certificate plain = leaf(box());
    return {
        {"signed by the given authority", true, "box.test", {plain}, root},
        {"over an intermediate one", true, "box.test", {below, w.middle}, root},
        {"the chain in another order, with a stranger",
         true,
         "box.test",
         {below, w.stranger, w.middle},
         root},
        {"the root sent as well", true, "box.test", {below, w.middle, w.root}, root},
        {"capitals and a last dot in the address", true, "BOX.test.", {plain}, root},
        {"one of several names", true, "box.test", {leaf({.alternatives = "DNS:a.test,DNS:box.test"})}, root},
        {"a wildcard", true, "a.wild.test", {leaf({.alternatives = "DNS:*.wild.test"})}, root},
        {"an IPv4 address", true, "127.0.0.1", {leaf({.alternatives = "IP:127.0.0.1"})}, root},
        {"an IPv6 address", true, "[::1]", {leaf({.alternatives = "IP:::1"})}, root},
        {"for servers only", true, "box.test", {leaf(box({.extended = "serverAuth"}))}, root},
        {"within the names its authority may sign", true, "box.test", {make(box(), &bounded), bounded}, root},
        {"its own authority, and given as such", true, "box.test", {self}, {self}},
        {"RSA of 2048 bits", true, "box.test", {leaf(box({.rsa_bits = 2048}))}, root},
        {"TLS 1.2 at most", true, "box.test", {plain}, root, {.version_max = TLS1_2_VERSION}},
        {"TLS 1.3 at least", true, "box.test", {plain}, root, {.version_min = TLS1_3_VERSION}},
    };
}

std::vector<Case> wrong_names(World& w) {
    const std::vector<Certificate> root{w.root};
    const auto named = [&](const std::string& alternatives, const std::string& name = "ignored") {
        return std::vector{make({.name = name, .alternatives = alternatives}, &w.root)};
    };
    const Certificate nul = make({.raw_alternative = std::string("box.test\0.evil.test", 19)}, &w.root);
    return {
        {"another name", false, "box.test", named("DNS:other.test"), root},
        {"a longer name", false, "box.test", named("DNS:box.test.evil.test"), root},
        {"a name below", false, "box.test", named("DNS:a.box.test"), root},
        {"the common name only", false, "box.test", named("", "box.test"), root},
        {"the common name beside other names", false, "box.test", named("DNS:other.test", "box.test"), root},
        {"a partial wildcard", false, "parcel.test", named("DNS:par*.test"), root},
        {"a wildcard for two labels", false, "a.b.wild.test", named("DNS:*.wild.test"), root},
        {"a wildcard for none", false, "wild.test", named("DNS:*.wild.test"), root},
        {"a wildcard for all of a top-level name", false, "box.test", named("DNS:*.test"), root},
        {"a wildcard alone", false, "box.test", named("DNS:*"), root},
        {"a wildcard in the middle", false, "a.b.test", named("DNS:a.*.test"), root},
        {"a name with a NUL in it", false, "box.test", {nul}, root},
        {"another address", false, "127.0.0.1", named("IP:127.0.0.2"), root},
        {"an address as a name", false, "127.0.0.1", named("DNS:127.0.0.1"), root},
        {"an address as the common name", false, "127.0.0.1", named("", "127.0.0.1"), root},
        {"an address under a wildcard", false, "127.0.0.1", named("DNS:*.0.0.1"), root},
        {"another IPv6 address", false, "[::1]", named("IP:::2"), root},
    };
}

std::vector<Case> wrong_chains(World& w) {
    const std::vector<Certificate> root{w.root};
    const auto authority = [&](Recipe r, const Certificate& by) {
        r.name = "Authority";
        r.basic = r.basic == "critical,CA:FALSE" ? "critical,CA:TRUE" : r.basic;
        return make(r, &by);
    };
    const auto below = [&](const Certificate& by) { return make(box(), &by); };
    const Certificate leaf = make(box(), &w.root);
    const Certificate old = authority({.from_s = -20 * day, .to_s = -day}, w.root);
    const Certificate none = authority({.basic = "critical,CA:FALSE "}, w.root);
    const Certificate unsigning = authority({.usage = "critical,digitalSignature"}, w.root);
    const Certificate last = authority({.basic = "critical,CA:TRUE,pathlen:0"}, w.root);
    const Certificate beyond = authority({}, last);
    const Certificate second = authority({}, w.middle);
    const Certificate elsewhere = authority({.constraints = "critical,permitted;DNS:other.test"}, w.root);
    const Certificate except = authority({.constraints = "critical,excluded;DNS:box.test"}, w.root);
    const Certificate foreign = authority({}, w.stranger);
    const Certificate dead_root = make(
        {.name = "Old Root", .basic = "critical,CA:TRUE", .from_s = -20 * day, .to_s = -day});
    const Certificate self = make(box({.basic = {}}));
    const Certificate changed = make(box({.basic = {}}));
    return {
        {"vouches for itself", false, "box.test", {self}, root},
        {"its own authority, but the key has changed", false, "box.test", {changed}, {self}},
        {"an authority nobody gave", false, "box.test", {below(w.stranger)}, root},
        {"an authority nobody gave, sent along", false, "box.test", {below(w.stranger), w.stranger}, root},
        {"nothing is given", false, "box.test", {leaf}, {}},
        {"an authority of the same name with another key", false, "box.test", {below(w.namesake)}, root},
        {"an intermediate of a stranger", false, "box.test", {below(foreign), foreign}, root},
        {"the intermediate is missing", false, "box.test", {below(w.middle)}, root},
        {"one of two intermediates is missing", false, "box.test", {below(second), second}, root},
        {"only the intermediate is given", false, "box.test", {below(w.middle)}, {w.middle}},
        {"signed by a certificate that is no authority", false, "box.test", {below(leaf), leaf}, root},
        {"signed by one that says it is none", false, "box.test", {below(none), none}, root},
        {"signed by an authority that may not sign", false, "box.test", {below(unsigning), unsigning}, root},
        {"more authorities than allowed", false, "box.test", {below(beyond), beyond, last}, root},
        {"outside the names its authority may sign", false, "box.test", {below(elsewhere), elsewhere}, root},
        {"among the names its authority may not sign", false, "box.test", {below(except), except}, root},
        {"the intermediate has expired", false, "box.test", {below(old), old}, root},
        {"the root has expired", false, "box.test", {below(dead_root)}, {dead_root}},
    };
}

std::vector<Case> wrong_in_themselves(World& w) {
    const std::vector<Certificate> root{w.root};
    const auto leaf = [&](Recipe r) { return std::vector{make(box(r), &w.root)}; };
    const ServerTls weak{.weak = true};
    const Certificate rsa_root = make({.name = "RSA Root", .basic = "critical,CA:TRUE", .rsa_bits = 2048});
    const Certificate small_root = make(
        {.name = "Small Root", .basic = "critical,CA:TRUE", .rsa_bits = 1024});
    return {
        {"expired", false, "box.test", leaf({.from_s = -20 * day, .to_s = -day}), root},
        {"expired a minute ago", false, "box.test", leaf({.from_s = -day, .to_s = -60}), root},
        {"not valid yet", false, "box.test", leaf({.from_s = day}), root},
        {"for clients only", false, "box.test", leaf({.extended = "clientAuth"}), root},
        {"for code only", false, "box.test", leaf({.extended = "codeSigning"}), root},
        {"a key that may only sign certificates", false, "box.test", leaf({.usage = "critical,keyCertSign"}),
         root},
        {"an extension that must be understood", false, "box.test", leaf({.unknown_critical = true}), root},
        {"a damaged signature", false, "box.test", leaf({.damaged = true}), root},
        {"RSA of 1024 bits", false, "box.test", leaf({.rsa_bits = 1024}), root, weak},
        {"an authority with RSA of 1024 bits",
         false,
         "box.test",
         {make(box(), &small_root)},
         {small_root},
         weak},
        {"signed with SHA-1", false, "box.test", leaf({.digest = "SHA1"}), root, weak},
        {"signed with MD5", false, "box.test", {make(box({.digest = "MD5"}), &rsa_root)}, {rsa_root}, weak},
        {"TLS 1.0 at most", false, "box.test", leaf({}), root, {.version_max = TLS1_VERSION}, false},
        {"TLS 1.1 at most", false, "box.test", leaf({}), root, {.version_max = TLS1_1_VERSION}, false},
        {"no encryption",
         false,
         "box.test",
         leaf({}),
         root,
         {.version_max = TLS1_2_VERSION, .weak = true, .ciphers = "eNULL"},
         false},
        {"no certificate at all",
         false,
         "box.test",
         leaf({}),
         root,
         {.version_max = TLS1_2_VERSION, .weak = true, .ciphers = "aNULL"},
         false},
    };
}

/// One handshake, and a request with a key in it where that succeeds.
Result<Response> try_out(World& w, const Case& c, int& requests) {
    ServerTls tls = c.server;
    tls.certificate = w.write(pem_of(c.chain));
    tls.key = w.write(key_pem_of(c.chain.front()));
    Server server(support::echo, tls);
    Bench b;
    Request request = get("https://" + c.host + "/x");
    request.route = {.connect_to = server.address(),
                     .ca_file = c.trusted.empty() ? "" : w.write(pem_of(c.trusted))};
    request.credential = Request::Credential{"Authorization", "Bearer ", Secret{"CANARY-of-tls"}};
    auto response = b.send(std::move(request));
    requests = static_cast<int>(server.requests().size());
    return response;
}

}  // namespace

TEST_CASE("every verdict about a certificate is right") {
    World w;
    int wrong = 0;
    int count = 0;
    std::printf("%-55s %-8s %s\n", "certificate", "verdict", "in words");
    for (const auto& cases : {right(w), wrong_names(w), wrong_chains(w), wrong_in_themselves(w)}) {
        for (const Case& c : cases) {
            int requests = 0;
            const auto response = try_out(w, c, requests);
            bool fits = response.has_value() == c.good && requests == (c.good ? 1 : 0);
            if (!response && c.certificate) {
                fits = fits && response.error().code == Errc::unsafe && !response.error().may_retry();
            }
            std::printf("%-55s %-8s %s%s\n", c.what.c_str(), response ? "trusted" : "refused",
                        response ? "" : response.error().text.c_str(), fits ? "" : "   <-- WRONG");
            wrong += fits ? 0 : 1;
            ++count;
        }
    }
    std::printf("%d verdicts, %d wrong\n", count, wrong);
    CHECK(count >= 60);
    CHECK(wrong == 0);
}
