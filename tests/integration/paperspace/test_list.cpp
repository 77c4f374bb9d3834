// Keys and lists, from an honest provider and from one with faults.
#include "integration/paperspace/emulated.hpp"

#include <set>
#include <string>
#include <vector>

using namespace curfew;
using support::Account;
using support::find;

TEST_CASE("a good key names its owner and team") {
    Account a;
    const auto who = a.loop.run(a.cloud->check_key(a.in(seconds{60})));
    REQUIRE(who);
    CHECK(who->find("team lab") != std::string::npos);
    CHECK(who->find(a.key) == std::string::npos);
    CHECK(a.calls("path=/v1/auth/session") == 1);
    CHECK(a.cloud->account() == AccountName{"lab"});
}

TEST_CASE("a key that the provider does not know is unauthorized, whatever it answers") {
    struct Row {
        std::string fault;
        std::string key;
    };
    const std::vector<Row> rows{
        {"", "another key"},
        {R"({"kind":"null_session"})", ""},
        {R"({"kind":"status","status":401})", ""},
        {R"({"kind":"status","status":200,"body":{"user":null,"team":null}})", ""},
        {R"({"kind":"status","status":200,"body":{"user":{"id":""}}})", ""},
        {R"({"kind":"status","status":200,"body":{"code":"UNAUTHORIZED","message":"no"}})", ""}};
    for (const Row& row : rows) {
        CAPTURE(row.fault);
        Account a;
        if (!row.fault.empty()) {
            a.fault(row.fault);
        }
        const auto cloud = a.with(row.key.empty() ? a.key : row.key);
        const auto who = a.loop.run(cloud->check_key(a.in(seconds{60})));
        REQUIRE_FALSE(who);
        CHECK(who.error().code == Errc::unauthorized);
        CHECK_FALSE(who.error().may_retry());
        CHECK(to_string(who.error()).find("account lab") != std::string::npos);
        CHECK(to_string(who.error()).find(row.key.empty() ? a.key : row.key) == std::string::npos);
    }
}

TEST_CASE("trouble on the way is no bad key") {
    for (const std::string fault :
         {R"({"kind":"garbage_json"})", R"({"kind":"status","status":500,"html":"<h1>\n500</h1>"})",
          R"({"kind":"empty_2xx_error"})", R"({"kind":"drop"})", R"({"kind":"deep_json"})",
          R"({"kind":"cut_body"})"}) {
        CAPTURE(fault);
        Account a;
        a.fault(fault);
        const auto who = a.loop.run(a.cloud->check_key(a.in(seconds{60})));
        REQUIRE_FALSE(who);
        CHECK(who.error().code != Errc::unauthorized);
        CHECK(who.error().may_retry());
        CHECK(to_string(who.error()).find('\n') == std::string::npos);
    }
}

TEST_CASE("an empty account lists nothing, completely") {
    Account a;
    const auto listing = a.list();
    REQUIRE(listing);
    CHECK(listing->complete);
    CHECK(listing->resources.empty());
}

TEST_CASE("250 notebooks come in three pages, each once and whole") {
    Account a;
    a.control("POST", "/standins", R"({"count":250,"machineType":"A4000"})");
    const auto listing = a.list();
    REQUIRE(listing);
    CHECK(listing->complete);
    CHECK(listing->resources.size() == 250);
    CHECK(a.calls("path=/v1/notebooks") == 3);
    std::set<ResourceId> ids;
    for (const Resource& r : listing->resources) {
        ids.insert(r.id);
        CHECK(r.account == AccountName{"lab"});
        CHECK(r.kind == ResourceKind::notebook);
        CHECK(r.run.state == RunState::running);
        CHECK(r.run.machine_type == "A4000");
        CHECK(r.run.started_at);
        CHECK_FALSE(r.run.address.empty());
        CHECK_FALSE(r.run.token.empty());
        CHECK_FALSE(r.owner.empty());
        CHECK(r.other_runs.empty());
    }
    CHECK(ids.size() == 250);
}

TEST_CASE("another team's notebooks are not seen") {
    Account a;
    a.notebook("mine");
    a.notebook("theirs", R"("team":"lab2")");
    const auto listing = a.list();
    REQUIRE(listing);
    REQUIRE(listing->resources.size() == 1);
    CHECK(listing->resources[0].name == "mine-1");
}

TEST_CASE("a run that was started again has the same resource and another id") {
    Account a;
    const RunRef first = a.notebook();
    a.end(first);
    const RunRef second = a.start(first);
    const auto listing = a.list();
    REQUIRE(listing);
    REQUIRE(listing->resources.size() == 1);
    CHECK(listing->resources[0].id == first.resource);
    CHECK(listing->resources[0].run.id == second.run);
    CHECK(first.run != second.run);
}

TEST_CASE("several items of one notebook are one resource with its newest run") {
    Account a;
    const RunRef first = a.notebook();
    a.end(first);
    const RunRef second = a.start(first);
    a.fault(R"({"kind":"several_items"})");
    {
        const auto listing = a.list();
        REQUIRE(listing);
        REQUIRE(listing->resources.size() == 1);
        CHECK(listing->resources[0].run.id == second.run);
        CHECK(listing->resources[0].other_runs.empty());  // the older one is off
    }
    a.fault(R"({"kind":"unknown_state","state":"Lingering","match":{"run":")" + first.run.value + "\"}}");
    const auto listing = a.list();
    REQUIRE(listing);
    REQUIRE(listing->resources.size() == 1);
    CHECK(listing->resources[0].run.id == second.run);
    REQUIRE(listing->resources[0].other_runs.size() == 1);
    CHECK(listing->resources[0].other_runs[0].id == first.run);
    CHECK(bills(listing->resources[0].other_runs[0].state));
}

TEST_CASE("an unknown state and an unknown type are kept as they are") {
    Account a;
    const RunRef odd = a.notebook("odd");
    const RunRef plain = a.notebook("plain");
    a.fault(R"({"kind":"unknown_state","state":"Hibernating","match":{"repo":")" + odd.resource.value +
            "\"}}");
    a.fault(R"({"kind":"unknown_type","machineType":"Z9000","match":{"repo":")" + odd.resource.value +
            "\"}}");
    const auto listing = a.list();
    REQUIRE(listing);
    CHECK(listing->complete);
    const Resource* one = find(*listing, odd.resource);
    REQUIRE(one);
    CHECK(one->run.state == RunState::unknown);
    CHECK(one->run.state_text == "Hibernating");
    CHECK(one->run.machine_type == "Z9000");
    CHECK(find(*listing, plain.resource)->run.state == RunState::running);
}

TEST_CASE("a list that lost an item looks whole: absence must be seen twice") {
    Account a;
    const RunRef lost = a.notebook("lost");
    const RunRef kept = a.notebook("kept");
    a.fault(R"({"kind":"partial_list","count":1,"match":{"repo":")" + lost.resource.value + "\"}}");
    const auto listing = a.list();
    REQUIRE(listing);
    CHECK(find(*listing, lost.resource) == nullptr);
    CHECK(find(*listing, kept.resource) != nullptr);
    CHECK(find(*a.list(), lost.resource) != nullptr);
}

TEST_CASE("a stale list is what it is") {
    Account a;
    const RunRef ref = a.notebook();
    a.fault(R"({"kind":"stale_list"})");
    a.end(ref);
    const auto listing = a.list();
    REQUIRE(listing);
    REQUIRE(listing->resources.size() == 1);
    CHECK(listing->resources[0].run.state == RunState::running);
    a.control("DELETE", "/faults");
    CHECK(a.list()->resources.at(0).run.state == RunState::stopped);
}

TEST_CASE("a cursor that leads in a circle ends the list, incomplete") {
    Account a;
    a.notebook("one");
    a.notebook("two");
    a.fault(R"({"kind":"cursor_loop"})");
    const auto listing = a.list();
    REQUIRE(listing);
    CHECK_FALSE(listing->complete);
    CHECK(listing->resources.size() == 2);
    CHECK(a.calls("path=/v1/notebooks") <= 4);
}

TEST_CASE("when a later page fails the first ones count and the list is incomplete") {
    for (const std::string fault :
         {R"("kind":"status","status":500)", R"("kind":"garbage_json")", R"("kind":"empty_2xx_error")",
          R"("kind":"status","status":429,"retry_after":1)", R"("kind":"drop")", R"("kind":"deep_json")",
          R"("kind":"status","status":200,"body":{"items":null})",
          R"("kind":"status","status":200,"body":"")"}) {
        CAPTURE(fault);
        Account a;
        a.control("POST", "/standins", R"({"count":130})");
        a.fault(std::string{R"({"match":{"path":"after="},)"} + fault + "}");
        const auto listing = a.list();
        REQUIRE(listing);
        CHECK_FALSE(listing->complete);
        CHECK(listing->resources.size() == 100);
    }
}

TEST_CASE("a key that is taken away between two pages is said so") {
    Account a;
    a.control("POST", "/standins", R"({"count":130})");
    a.fault(R"({"match":{"path":"after="},"kind":"status","status":401})");
    const auto listing = a.list();
    REQUIRE_FALSE(listing);
    CHECK(listing.error().code == Errc::unauthorized);
}

TEST_CASE("a list that cannot be had is a typed error") {
    struct Row {
        std::string fault;
        Errc code;
        Retry::Kind retry;
    };
    const std::vector<Row> rows{
        {R"({"kind":"status","status":500,"html":"<html>\n<h1>oops</h1></html>"})", Errc::unavailable,
         Retry::Kind::later},
        {R"({"kind":"status","status":503,"retry_after":2})", Errc::unavailable, Retry::Kind::after},
        {R"({"kind":"status","status":429,"retry_after":7})", Errc::rate_limited, Retry::Kind::after},
        {R"({"kind":"status","status":429})", Errc::rate_limited, Retry::Kind::later},
        {R"({"kind":"status","status":429,"retry_after":"-3"})", Errc::rate_limited, Retry::Kind::later},
        {R"({"kind":"status","status":401})", Errc::unauthorized, Retry::Kind::never},
        {R"({"kind":"status","status":403})", Errc::forbidden, Retry::Kind::never},
        {R"({"kind":"status","status":302,"location":"https://console.example/login"})", Errc::unsafe,
         Retry::Kind::never},
        {R"({"kind":"status","status":200,"html":"<html>login</html>"})", Errc::protocol, Retry::Kind::later},
        {R"({"kind":"status","status":200,"body":[]})", Errc::protocol, Retry::Kind::later},
        {R"({"kind":"status","status":200,"body":{"items":{}}})", Errc::protocol, Retry::Kind::later},
        {R"({"kind":"empty_2xx_error"})", Errc::protocol, Retry::Kind::later},
        {R"({"kind":"garbage_json"})", Errc::protocol, Retry::Kind::later},
        {R"({"kind":"deep_json"})", Errc::protocol, Retry::Kind::later},
        {R"({"kind":"cut_body"})", Errc::protocol, Retry::Kind::later},
        {R"({"kind":"huge_body","bytes":1000000000})", Errc::too_large, Retry::Kind::never},
        {R"({"kind":"drop"})", Errc::unavailable, Retry::Kind::later},
        {R"({"kind":"drop_after"})", Errc::unavailable, Retry::Kind::later},
    };
    for (const Row& row : rows) {
        CAPTURE(row.fault);
        Account a;
        a.notebook();
        a.fault(row.fault);
        const auto listing = a.list();
        REQUIRE_FALSE(listing);
        CAPTURE(to_string(listing.error()));
        CHECK(to_string(listing.error().code) == to_string(row.code));
        CHECK(listing.error().retry.kind == row.retry);
        CHECK(to_string(listing.error()).find("account lab") != std::string::npos);
        CHECK(to_string(listing.error()).find('\n') == std::string::npos);
        a.control("DELETE", "/faults");
        CHECK(a.list());  // and the next one is good
    }
}

TEST_CASE("Retry-After is passed on") {
    Account a;
    a.fault(R"({"kind":"status","status":429,"retry_after":7})");
    CHECK(a.list().error().retry == Retry::after(seconds{7}));
    a.control("DELETE", "/faults");
    a.fault(R"({"kind":"status","status":429,"retry_after":86400})");
    CHECK(a.list().error().retry == Retry::after(minutes{10}));
}

TEST_CASE("lists that hang or drip end with the deadline") {
    for (const std::string fault : {R"({"kind":"hang"})", R"({"kind":"slow_drip","bytes":1,"ms":50})",
                                    R"({"kind":"delay","ms":3600000})"}) {
        CAPTURE(fault);
        Account a;
        a.notebook();
        a.fault(fault);
        const Instant begun = a.loop.scheduler().mono();
        const auto listing = a.list(Duration{600});
        CHECK(a.loop.scheduler().mono() - begun >= Duration{600});
        REQUIRE_FALSE(listing);
        CHECK(listing.error().code == Errc::timeout);
    }
}

TEST_CASE("one dropped connection does not cost a cycle") {
    Account a;
    a.notebook();
    REQUIRE(a.list());
    a.fault(R"({"kind":"drop","count":1})");
    CHECK(a.list());
}

TEST_CASE("notebooks without machines, and machines without notebooks") {
    Account a;
    a.notebook();
    a.control("POST", "/machines", R"({"name":"box"})");
    const auto notebooks = a.loop.run(a.with(a.key, true, false)->list(a.in(seconds{60})));
    REQUIRE(notebooks);
    REQUIRE(notebooks->resources.size() == 1);
    CHECK(notebooks->resources[0].kind == ResourceKind::notebook);
    const auto machines = a.loop.run(a.with(a.key, false, true)->list(a.in(seconds{60})));
    REQUIRE(machines);
    REQUIRE(machines->resources.size() == 1);
    CHECK(machines->resources[0].kind == ResourceKind::machine);
    a.fault(R"({"kind":"status","status":500,"match":{"path":"/v1/machines"}})");
    const auto half = a.list();
    REQUIRE(half);
    CHECK_FALSE(half->complete);
    CHECK(half->resources.size() == 1);
    CHECK_FALSE(a.loop.run(a.with(a.key, false, true)->list(a.in(seconds{60}))));
}
