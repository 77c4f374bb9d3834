// Who is told what, as a table.
#include "curfew/core/route.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace curfew;

namespace {

using Names = std::vector<ChannelName>;

const ChannelName team{"team"};
const ChannelName phone{"phone"};
const ChannelName mail{"mail"};

/// A warning about Ana's notebook by rule "night".
Message warning() {
    Message m;
    m.kind = AlertKind::stop_warning;
    m.severity = Severity::warning;
    m.account = AccountName{"main"};
    m.resource = ResourceId{"r1"};
    m.rule = RuleName{"night"};
    m.owner = "ana@example.com";
    return m;
}

Message of(AlertKind kind, Severity severity) {
    Message m = warning();
    m.kind = kind;
    m.severity = severity;
    return m;
}

Message budget_message() {
    Message m;
    m.kind = AlertKind::budget_threshold;
    m.severity = Severity::warning;
    m.budget = BudgetName{"month"};
    return m;
}

Routing plain() {
    Routing r;
    r.channels = {team, phone};
    r.receivers = {{team, {}}, {phone, {}}};
    return r;
}

/// Owners are told by mail; `mail` has receivers of its own.
Routing by_mail() {
    Routing r = plain();
    r.channels = {team, mail};
    r.receivers = {{team, {}}, {mail, {"Boss@example.com"}}};
    r.owner_channel = mail;
    return r;
}

std::string words(const std::vector<Destination>& told) {
    std::string text;
    for (const Destination& d : told) {
        text += (text.empty() ? "" : " ") + d.channel.value + (d.to.empty() ? "" : ":" + d.to);
    }
    return text;
}

Route to(Names channels) {
    Route route;
    route.channels = std::move(channels);
    return route;
}

}  // namespace

TEST_CASE("without routes everything goes to every channel") {
    CHECK(words(destinations(warning(), plain())) == "team phone");
    CHECK(words(destinations(budget_message(), plain())) == "team phone");
    CHECK(destinations(warning(), Routing{}).empty());
}

TEST_CASE("the first route that matches is used, and those after it where it says so") {
    Routing r = plain();
    Route critical = to({phone});
    critical.at_least = Severity::critical;
    r.routes = {critical, to({team})};
    CHECK(words(destinations(of(AlertKind::disk, Severity::critical), r)) == "phone");
    CHECK(words(destinations(of(AlertKind::disk, Severity::warning), r)) == "team");
    r.routes[0].go_on = true;
    CHECK(words(destinations(of(AlertKind::disk, Severity::critical), r)) == "phone team");
    r.routes = {critical};
    CHECK(words(destinations(of(AlertKind::disk, Severity::info), r)) == "team phone");  // none matched
    r.routes = {to({phone, team, phone}), to({phone})};
    r.routes[0].go_on = true;
    CHECK(words(destinations(warning(), r)) == "phone team");  // none twice
}

TEST_CASE("a route matches what fits every list that it has") {
    struct Case {
        const char* what;
        Route route;
        bool warning_fits;
        bool budget_fits;
    };
    Route rules = to({phone});
    rules.rules = {"x", "ni*"};
    Route any_rule = to({phone});
    any_rule.rules = {"*"};
    Route budgets = to({phone});
    budgets.budgets = {"month"};
    Route owners = to({phone});
    owners.owners = {"*@example.com"};
    Route others = to({phone});
    others.owners = {"*@example.org"};
    Route accounts = to({phone});
    accounts.accounts = {"ma??"};
    Route kinds = to({phone});
    kinds.kinds = {AlertKind::stopped, AlertKind::budget_threshold};
    Route grave = to({phone});
    grave.at_least = Severity::critical;
    Route both = to({phone});
    both.rules = {"night"};
    both.accounts = {"other"};
    const std::vector<Case> cases{{"everything", to({phone}), true, true},
                                  {"rules", rules, true, false},
                                  {"any rule is no budget", any_rule, true, false},
                                  {"budgets", budgets, false, true},
                                  {"owners", owners, true, false},
                                  {"other owners", others, false, false},
                                  {"accounts", accounts, true, false},
                                  {"kinds", kinds, false, true},
                                  {"severity", grave, false, false},
                                  {"one list of two", both, false, false}};
    for (const Case& c : cases) {
        INFO(c.what);
        Routing r = plain();
        r.routes = {c.route};
        CHECK(words(destinations(warning(), r)) == (c.warning_fits ? "phone" : "team phone"));
        CHECK(words(destinations(budget_message(), r)) == (c.budget_fits ? "phone" : "team phone"));
    }
}

TEST_CASE("the owner is told of what happens to his, beside the routes") {
    Routing r = by_mail();
    CHECK(words(destinations(warning(), r)) == "team mail mail:ana@example.com");
    r.routes = {to({team})};
    for (int i = 0; i <= static_cast<int>(AlertKind::test); ++i) {
        const auto kind = static_cast<AlertKind>(i);
        const bool his = kind == AlertKind::stop_warning || kind == AlertKind::stop_cancelled ||
                         kind == AlertKind::stopped || kind == AlertKind::stop_failed ||
                         kind == AlertKind::pack_failed || kind == AlertKind::would_stop;
        INFO(to_string(kind));
        CHECK(words(destinations(of(kind, Severity::warning), r)) ==
              (his ? "team mail:ana@example.com" : "team"));
    }
    Message m = warning();
    m.resource = ResourceId{};
    CHECK(words(destinations(m, r)) == "team");  // about nothing of his
    m = warning();
    m.owner.clear();
    CHECK(words(destinations(m, r)) == "team");
}

TEST_CASE("an owner who is among the receivers gets it once") {
    Routing r = by_mail();
    Message m = warning();
    m.owner = "boss@EXAMPLE.com";
    CHECK(words(destinations(m, r)) == "team mail");
    r.routes = {to({team})};  // the receivers of `mail` are not told, so he is
    CHECK(words(destinations(m, r)) == "team mail:boss@EXAMPLE.com");
}

TEST_CASE("the table of owners comes before the provider's address") {
    Routing r = by_mail();
    r.routes = {to({team})};
    r.contacts = {{"ana@example.com", mail, "ana@home.example"}, {"Ben B.", phone, ""}, {"cleo", team, ""}};
    CHECK(words(destinations(warning(), r)) == "team mail:ana@home.example");
    Message m = warning();
    m.owner = "Ana@Example.com";
    CHECK(words(destinations(m, r)) == "team mail:ana@home.example");
    m.owner = "Ben B.";
    CHECK(words(destinations(m, r)) == "team phone");
    m.owner = "cleo";
    CHECK(words(destinations(m, r)) == "team");  // the same destination
    r.owner_channel = ChannelName{};
    m.owner = "dan@example.com";
    CHECK(words(destinations(m, r)) == "team");  // nobody said how
}

TEST_CASE("what is no plain address is never written to") {
    Routing r = by_mail();
    r.routes = {to({team})};
    for (const std::string bad :
         {"ana", "@example.com", "ana@", "a@b@c", "ana@example.com\r\nBcc: x@example.com", "<a@b.example>",
          "a@b.example, c@d.example", "ana b@c.example", "\"x\"@c.example", "u1234"}) {
        Message m = warning();
        m.owner = bad;
        INFO(bad);
        CHECK(words(destinations(m, r)) == "team");
    }
    Message m = warning();
    m.owner = std::string(250, 'a') + "@b.c";
    CHECK(words(destinations(m, r)) == "team mail:" + m.owner);
    m.owner = "a" + m.owner;
    CHECK(words(destinations(m, r)) == "team");
}

TEST_CASE("a route without channels leaves it to the owner, and to everybody where there is none") {
    Routing r = by_mail();
    Route silent = to({});
    silent.kinds = {AlertKind::stop_warning};
    r.routes = {silent, to({team})};
    CHECK(words(destinations(warning(), r)) == "mail:ana@example.com");
    CHECK(words(destinations(of(AlertKind::stopped, Severity::info), r)) == "team mail:ana@example.com");
    Message m = warning();
    m.owner.clear();
    CHECK(words(destinations(m, r)) == "team mail");
    r.routes[0].go_on = true;
    CHECK(words(destinations(m, r)) == "team");
}
