#include "curfew/core/silence.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace curfew;

namespace {

SilenceSubject blind_demo() {
    return {.alert = AlertId{"alr_1"},
            .kind = AlertKind::blind,
            .resource = ResourceId{"n8k2"},
            .resource_name = "demo-1",
            .account = AccountName{"me"},
            .rule = RuleName{"night"},
            .budget = {}};
}

constexpr WallTime now{1'795'399'800'000};

Silence of(SilenceKind kind, Duration for_) {
    Silence s;
    s.kind = kind;
    s.until = now + for_;
    return s;
}

}  // namespace

TEST_CASE("a scope covers what matches every field that is not empty") {
    CHECK(covers({}, blind_demo()));
    SilenceScope scope;
    SECTION("resources") {
        scope.resources = {"other", "demo-*"};
        CHECK(covers(scope, blind_demo()));
        scope.resources = {"n8k2"};
        CHECK(covers(scope, blind_demo()));
        scope.resources = {"demo"};
        CHECK_FALSE(covers(scope, blind_demo()));
        scope.resources = {"*"};
        SilenceSubject account = blind_demo();
        account.resource = {};
        account.resource_name.clear();
        CHECK_FALSE(covers(scope, account));  // what is about no resource matches no name
    }
    SECTION("accounts") {
        scope.accounts = {AccountName{"me"}};
        CHECK(covers(scope, blind_demo()));
        scope.accounts = {AccountName{"you"}};
        CHECK_FALSE(covers(scope, blind_demo()));
    }
    SECTION("rules") {
        scope.rules = {RuleName{"night"}};
        CHECK(covers(scope, blind_demo()));
        scope.rules = {RuleName{"day"}};
        CHECK_FALSE(covers(scope, blind_demo()));
    }
    SECTION("budgets: what is of none matches none") {
        scope.budgets = {BudgetName{"team"}};
        CHECK_FALSE(covers(scope, blind_demo()));
        SilenceSubject crossing = blind_demo();
        crossing.budget = BudgetName{"team"};
        CHECK(covers(scope, crossing));
    }
    SECTION("kinds") {
        scope.kinds = {AlertKind::unpriced, AlertKind::blind};
        CHECK(covers(scope, blind_demo()));
        scope.kinds = {AlertKind::unpriced};
        CHECK_FALSE(covers(scope, blind_demo()));
    }
    SECTION("one alert") {
        scope.alert = AlertId{"alr_1"};
        CHECK(covers(scope, blind_demo()));
        scope.alert = AlertId{"alr_2"};
        CHECK_FALSE(covers(scope, blind_demo()));
    }
    SECTION("all of them") {
        scope.resources = {"demo-*"};
        scope.accounts = {AccountName{"you"}};
        CHECK_FALSE(covers(scope, blind_demo()));
    }
}

TEST_CASE("a failed stop and the warning of one have to be named") {
    SilenceSubject subject = blind_demo();
    subject.kind = GENERATE(AlertKind::stop_failed, AlertKind::stop_warning);
    SilenceScope scope;
    CHECK_FALSE(covers(scope, subject));
    scope.resources = {"*"};
    scope.accounts = {AccountName{"me"}};
    CHECK_FALSE(covers(scope, subject));
    scope.kinds = {*subject.kind};
    CHECK(covers(scope, subject));
    scope.kinds.clear();
    scope.alert = subject.alert;
    CHECK(covers(scope, subject));
}

TEST_CASE("a silence has an end: at least a minute away, at most seven days") {
    for (const SilenceKind kind : {SilenceKind::silence, SilenceKind::maintenance}) {
        CHECK(check(of(kind, minutes{1}), now));
        CHECK(check(of(kind, hours{24 * 7}), now));
        CHECK_FALSE(check(of(kind, minutes{1} - Duration{1}), now));
        CHECK_FALSE(check(of(kind, hours{24 * 7} + Duration{1}), now));
        CHECK_FALSE(check(of(kind, -hours{1}), now));
        Silence endless;
        endless.kind = kind;
        CHECK_FALSE(check(endless, now));
    }
}

TEST_CASE("maintenance is of resources, accounts and rules") {
    Silence s = of(SilenceKind::maintenance, hours{1});
    s.scope.resources = {"demo-*"};
    s.scope.accounts = {AccountName{"me"}};
    s.scope.rules = {RuleName{"night"}};
    CHECK(check(s, now));
    Silence kinds = s;
    kinds.scope.kinds = {AlertKind::blind};
    CHECK_FALSE(check(kinds, now));
    Silence budgets = s;
    budgets.scope.budgets = {BudgetName{"team"}};
    CHECK_FALSE(check(budgets, now));
    Silence alert = s;
    alert.scope.alert = AlertId{"alr_1"};
    CHECK_FALSE(check(alert, now));
    kinds.kind = SilenceKind::silence;
    CHECK(check(kinds, now));
}

TEST_CASE("a silence in words") {
    Silence s = of(SilenceKind::maintenance, hours{1});
    CHECK(in_words(s) == "maintenance until 2026-11-23T03:10:00Z");
    s.by = "ana";
    s.reason = "new disks";
    CHECK(in_words(s) == "maintenance until 2026-11-23T03:10:00Z by ana: new disks");
}
