// The judge itself, where a message says what is done, and why not: histories that promise what no mode allows, or keep
// something to themselves, and ones that do not.
#include "simulation/history.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::simulation;

namespace {

bool says(const History& s, const std::string& text) {
    return s.all().find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("I8: a message announces a stop where a mode lets it be done") {
    History s;
    Budget budget;
    budget.name = BudgetName{"team"};
    budget.mode = Mode::enforce;
    bool broken = true;
    bool by_hand = false;
    std::string title = "Budget team: 100 % reached; what it covers is packed and stopped now";
    SECTION("everything acts") {
        broken = false;
    }
    SECTION("the budget warns") {
        budget.mode = Mode::warn;
    }
    SECTION("the budget warns, and says so") {
        budget.mode = Mode::warn;
        title = "Budget team: 100 % reached; nothing is stopped, the mode is not enforce";
        broken = false;
    }
    SECTION("the account warns") {
        s.config.accounts.front().mode = "warn";
    }
    SECTION("the account that it is for warns, and another acts") {
        AccountConfig other;
        other.name = AccountName{"other"};
        s.config.accounts.front().mode = "warn";
        s.config.accounts.push_back(other);
        budget.scope.accounts = {account.value};
    }
    SECTION("one of its accounts acts") {
        AccountConfig other;
        other.name = AccountName{"other"};
        s.config.accounts.front().mode = "warn";
        s.config.accounts.push_back(other);
        broken = false;
    }
    SECTION("everything observes") {
        s.config.mode = Mode::observe;
    }
    SECTION("it was set by hand, and acts") {
        budget.mode = Mode::warn;
        by_hand = true;
        broken = false;
    }
    s.config.budgets = {budget};
    s.use();
    if (by_hand) {
        BudgetEdit edit;
        edit.budget = budget.name;
        s.judge.committed({edit}, s.at());
    }
    OutboxRow row = s.message(AlertKind::budget_threshold);
    row.message.title = title;
    row.message.at = s.at().wall;
    row.message.telling = Telling::firing;
    row.message.budget = budget.name;
    s.judge.committed({row}, s.at());
    CHECK(says(s, "no mode in force lets it be done") == broken);
}

TEST_CASE("I8: a warning names a time, or says that it is near, where its rule acts") {
    History s;
    const bool acts = GENERATE(true, false);
    const bool timed = GENERATE(true, false);
    const bool soon = GENERATE(true, false);
    s.config.rules.front().mode = acts ? Mode::enforce : Mode::warn;
    s.use();
    OutboxRow row = s.message(AlertKind::stop_warning, 1);
    row.message.at = s.at().wall;
    row.message.rule = RuleName{"night"};
    row.message.title = soon ? "nb1 will be packed and stopped soon" : "nb1 would be packed and stopped";
    row.message.stops_at = timed ? std::optional{s.at().wall + minutes{30}} : std::nullopt;
    s.judge.committed({row}, s.at());
    CHECK(says(s, "no mode in force lets it be done") == ((timed || soon) && !acts));
}

TEST_CASE("I8: who starts something on what is left of a budget is told") {
    History s;
    s.use();
    AuditRow admission;
    admission.kind = "budget.admission";
    admission.run = run;
    Batch batch{admission};
    bool broken = false;
    SECTION("he is") {
        OutboxRow row = s.message(AlertKind::budget_threshold);
        row.message.run = run;
        batch.emplace_back(row);
    }
    SECTION("a silence keeps it from him") {
        AuditRow silenced;
        silenced.kind = "notice.silenced";
        silenced.run = run;
        batch.emplace_back(silenced);
    }
    SECTION("he is told of another run") {
        OutboxRow row = s.message(AlertKind::budget_threshold);
        row.message.run = RunId{"r2"};
        batch.emplace_back(row);
        broken = true;
    }
    SECTION("nobody is") {
        broken = true;
    }
    s.judge.committed(batch, s.at());
    CHECK(says(s, "its transaction tells nobody") == broken);
}

TEST_CASE("I8: those who were warned are told why nothing comes of it") {
    History s;
    const bool why = GENERATE(true, false);
    s.until_warned();
    s.e.outcome = "cancelled";
    s.e.reason = "active: kernels: kernel 1 busy";
    OutboxRow row = s.message(AlertKind::stop_cancelled);
    row.message.key = "stop/" + run.value;
    row.message.telling = Telling::resolved;
    row.message.title = why ? "nb1 will not be stopped (" + s.e.reason + ")"
                            : "Over: nb1 will be stopped soon";
    s.store(EnforcementState::over, {row});
    CHECK(says(s, "those who were warned are told") != why);
}
