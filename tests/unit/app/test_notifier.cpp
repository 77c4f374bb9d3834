#include "curfew/app/notifier.hpp"
#include "support/fakes.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::test;
using Catch::Matchers::Contains;

namespace {

const Error later{Errc::unavailable, Retry::later(), "503", "hook"};
const Error never{Errc::protocol, Retry::never(), "400", "hook"};
const Error gone{Errc::forbidden, Retry::never(), "HTTP 410", "hook"};
const Error lost{Errc::unavailable, Retry::ambiguous(), "no answer", "hook"};
const Result<void> fails_later = std::unexpected(later);
const Result<void> fails_for_ever = std::unexpected(never);

Message message(const std::string& id, const std::string& group = "") {
    Message m;
    m.id = id;
    m.title = id;
    m.group = group;
    return m;
}
/// A step in the life of an alert.
Message of_alert(const std::string& id, const std::string& alert, AlertState state = AlertState::firing) {
    Message m = message(id, "rule night");
    m.alert = AlertId{alert};
    m.key = "blind/" + alert;
    m.kind = AlertKind::blind;
    m.severity = Severity::warning;
    m.state = state;
    return m;
}
Message stop_warning(const std::string& id, const std::string& key) {
    Message m = message(id, "rule night");
    m.kind = AlertKind::stop_warning;
    m.severity = Severity::warning;
    m.key = key;
    return m;
}

/// The store, the clock and the channels outlive the notifier, as they do over a crash.
struct Rig {
    Rig() { begin(); }
    ~Rig() { end(); }
    void begin() {
        notifier = std::make_unique<Notifier>(io.get_executor(), scheduler, entropy, store, delivery());
        notifier->on_report([this](const DeliveryReport& report) { reports.push_back(report.row); });
        notifier->on_given_up([this](const GivenUp& some) { given_up.push_back(some); });
        std::vector<ChannelStateRow> disabled;
        for (const auto& [name, row] : store.channel_states) {
            if (row.disabled_at) {
                disabled.push_back(row);
            }
        }
        notifier->load(std::move(disabled));
        tasks.spawn("notifier", notifier->run());
        scheduler.settle();
    }
    void end() {
        notifier->stop();
        scheduler.run_for(minutes{2});
    }
    Delivery delivery() const {
        Delivery d{.channels = {}, .policy = policy, .routing = {}, .fingerprints = prints};
        for (const auto& channel : channels) {
            d.channels.push_back(channel);
            d.routing.channels.push_back(channel->name());
        }
        return d;
    }
    void reload() {
        notifier->replace(delivery());
        scheduler.settle();
    }
    /// Rows, as a transition of an alert commits them.
    void send(const Message& m, std::vector<std::string> to = {"hook"}, Duration wait = Duration{0},
              const std::string& enforcement = "") {
        std::vector<Destination> destinations;
        for (const std::string& name : to) {
            destinations.push_back({.channel = ChannelName{name}, .to = {}});
        }
        Batch batch;
        for (OutboxRow& row : notifier->rows_for(m, destinations)) {
            row.next_at = row.next_at + wait;
            row.enforcement = EnforcementId{enforcement};
            row.warn_step = enforcement.empty() ? 0 : 1;
            batch.emplace_back(std::move(row));
        }
        run(store.commit(std::move(batch)));
        notifier->wake();
    }
    template <class T>
    T run(Task<T> task) {
        std::optional<T> result;
        boost::asio::co_spawn(io, std::move(task),
                              [&](const std::exception_ptr&, T value) { result.emplace(std::move(value)); });
        for (int i = 0; i < 1000 && !result; ++i) {
            scheduler.run_for(Duration{0});
        }
        REQUIRE(result);
        return std::move(*result);
    }
    void pass(Duration d) { scheduler.run_for(d); }
    const OutboxRow& row(const std::string& id) const { return store.outbox_rows.at(id); }
    OutboxState state(const std::string& id) const { return row(id).state; }
    std::vector<std::string> got(const FakeChannel& channel) const {
        std::vector<std::string> titles;
        for (const Message& m : channel.delivered) {
            titles.push_back(m.title);
        }
        return titles;
    }

    boost::asio::io_context io;
    ManualScheduler scheduler{io};
    CountingEntropy entropy;
    FakeStore store{io};
    std::shared_ptr<FakeChannel> mail = std::make_shared<FakeChannel>(scheduler, "mail");
    std::shared_ptr<FakeChannel> hook = std::make_shared<FakeChannel>(scheduler, "hook");
    std::vector<std::shared_ptr<FakeChannel>> channels{mail, hook};
    AlertPolicy policy;
    std::map<ChannelName, std::string> prints{{ChannelName{"hook"}, "1"}, {ChannelName{"mail"}, "1"}};
    TaskGroup tasks{io.get_executor(), [](const std::string& bug) { FAIL(bug); }};
    std::unique_ptr<Notifier> notifier;
    std::vector<OutboxRow> reports;
    std::vector<GivenUp> given_up;
};

const std::vector<std::string> both{"mail", "hook"};

}  // namespace

// ---- one message ---------------------------------------------------------------------------------

TEST_CASE("every channel gets its own row, and the mark is durable") {
    Rig rig;
    rig.send(message("msg_1"), both, Duration{0}, "enf_1");
    rig.pass(seconds{1});
    CHECK(rig.mail->delivered.size() == 1);
    CHECK(rig.hook->delivered.size() == 1);
    CHECK(rig.hook->delivered.at(0).id == "msg_1");
    CHECK(rig.state("msg_1/mail") == OutboxState::delivered);
    CHECK(rig.state("msg_1/hook") == OutboxState::delivered);
    CHECK(rig.reports.size() == 2);
    CHECK(rig.reports.at(0).state == OutboxState::delivered);
}

TEST_CASE("failures are tried again by the schedule, with the same id, and end as a dead letter") {
    Rig rig;
    rig.hook->answers.assign(40, fails_later);
    rig.send(message("msg_1"), both);
    rig.pass(seconds{1});
    CHECK(rig.hook->attempts == 1);
    rig.pass(seconds{10});
    CHECK(rig.hook->attempts == 2);
    rig.pass(hours{72});
    CHECK(rig.hook->attempts == 10);
    CHECK(rig.state("msg_1/hook") == OutboxState::dead);
    CHECK_THAT(rig.row("msg_1/hook").last_error, Contains("503"));
    CHECK(rig.state("msg_1/mail") == OutboxState::delivered);
    REQUIRE(rig.given_up.size() == 1);
    CHECK(rig.given_up[0].channel == ChannelName{"hook"});
    CHECK(rig.given_up[0].rows == 1);
}

TEST_CASE("dead letters are sent again on demand, under the same id") {
    Rig rig;
    rig.hook->answers = {fails_for_ever, fails_for_ever};
    rig.send(message("msg_1"));
    rig.send(message("msg_2"));
    rig.pass(seconds{1});
    REQUIRE(rig.state("msg_1/hook") == OutboxState::dead);
    CHECK(rig.run(rig.notifier->retry("msg_9/hook")).error().code == Errc::not_found);
    CHECK(rig.run(rig.notifier->retry("msg_1/hook")) == 1);
    rig.pass(seconds{1});
    CHECK(rig.state("msg_1/hook") == OutboxState::delivered);
    CHECK(rig.state("msg_2/hook") == OutboxState::dead);
    CHECK(rig.run(rig.notifier->retry("msg_1/hook")).error().code == Errc::not_found);
    CHECK(rig.run(rig.notifier->retry("")) == 1);
    rig.pass(seconds{1});
    REQUIRE(rig.hook->delivered.size() == 2);
    CHECK(rig.hook->delivered[0].id == "msg_1");
    CHECK(rig.hook->delivered[1].id == "msg_2");
}

TEST_CASE("what cannot succeed is a dead letter at once") {
    Rig rig;
    rig.hook->answers = {fails_for_ever};
    rig.send(message("msg_1"));
    rig.pass(seconds{1});
    CHECK(rig.state("msg_1/hook") == OutboxState::dead);
    CHECK(rig.hook->attempts == 1);
}

TEST_CASE("Retry-After is honoured, never earlier than the schedule and never later than a day") {
    struct Row {
        Duration asked;
        Duration not_before;
        Duration at_last;
    };
    for (const Row& row :
         {Row{minutes{7}, minutes{7}, minutes{8}}, Row{hours{3}, hours{3}, hours{3} + minutes{2}},
          Row{Duration{0}, seconds{4}, seconds{7}}, Row{hours{-5}, seconds{4}, seconds{7}},
          Row{hours{24 * 365}, hours{24}, hours{24} + minutes{2}}}) {
        INFO(row.asked.count());
        Rig rig;
        rig.hook->answers = {fail(Errc::rate_limited, "429", "hook", Retry::after(row.asked))};
        rig.send(message("msg_2"));
        rig.pass(row.not_before - Duration{10});
        CHECK(rig.state("msg_2/hook") == OutboxState::waiting);
        rig.pass(row.at_last - row.not_before);
        CHECK(rig.state("msg_2/hook") == OutboxState::delivered);
        CHECK(rig.hook->attempts == 2);
    }
}

TEST_CASE("a lost acknowledgement is tried again: twice is better than never") {
    Rig rig;
    rig.mail->answers = {std::unexpected(lost)};
    rig.send(message("msg_1"), both);
    rig.pass(minutes{1});
    CHECK(rig.mail->attempts == 2);
    CHECK(rig.state("msg_1/mail") == OutboxState::delivered);
    CHECK(rig.store.parcels.at("msg_1/mail").uncertain);
}

TEST_CASE("a message past its use is superseded, not sent late") {
    Rig rig;
    Message m = message("msg_1");
    m.expires_at = rig.scheduler.wall() + minutes{1};
    rig.hook->answers.assign(5, fails_later);
    rig.send(m);
    rig.pass(seconds{2});
    Message held = message("msg_2");
    held.expires_at = rig.scheduler.wall() + minutes{1};
    rig.send(held, {"hook"}, minutes{5});  // not due before its use is over
    rig.pass(minutes{10});
    CHECK(rig.state("msg_1/hook") == OutboxState::superseded);
    CHECK(rig.row("msg_1/hook").last_error == "past its use");
    CHECK(rig.state("msg_2/hook") == OutboxState::superseded);
    CHECK(rig.row("msg_2/hook").last_error == "past its use");
    CHECK(rig.hook->delivered.empty());
}

TEST_CASE("a slow channel delays no other, and rows of one channel keep their order") {
    Rig rig;
    rig.mail->takes = seconds{40};
    for (int i = 0; i < 3; ++i) {
        rig.send(message("msg_" + std::to_string(i)), both);
        rig.pass(Duration{5});
    }
    rig.pass(seconds{5});
    CHECK(rig.hook->delivered.size() == 3);
    CHECK(rig.mail->delivered.empty());
    rig.pass(minutes{4});
    CHECK(rig.got(*rig.mail) == std::vector<std::string>{"msg_0", "msg_1", "msg_2"});
}

// ---- the disk and the process --------------------------------------------------------------------

TEST_CASE("nothing is sent before its parcel is durable") {
    Rig rig;
    rig.send(message("msg_1"));
    rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
    rig.pass(minutes{10});
    CHECK(rig.hook->attempts == 0);
    rig.store.failing.reset();
    rig.pass(minutes{1});
    CHECK(rig.hook->attempts == 1);
    CHECK(rig.state("msg_1/hook") == OutboxState::delivered);
}

TEST_CASE("while the database says no, what a receiver took is not forgotten") {
    Rig rig;
    rig.mail->takes = seconds{1};
    rig.send(message("msg_1"), {"mail"});
    rig.pass(Duration{500});
    rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
    rig.pass(minutes{2});
    CHECK(rig.mail->attempts == 1);
    CHECK(rig.mail->delivered.size() == 1);
    rig.store.failing.reset();
    rig.pass(minutes{1});
    CHECK(rig.mail->attempts == 1);
    CHECK(rig.state("msg_1/mail") == OutboxState::delivered);
}

TEST_CASE("an end between the receiver's yes and the disk sends the same parcel once more, under its id") {
    Rig rig;
    rig.send(of_alert("msg_1", "alr_1"), {"hook"}, seconds{1});
    rig.send(of_alert("msg_2", "alr_2"), {"hook"}, seconds{1});
    rig.pass(seconds{2});
    REQUIRE(rig.hook->delivered.size() == 1);
    rig.end();
    // As after a crash: the store never heard of it.
    for (auto& [key, parcel] : rig.store.parcels) {
        parcel.state = OutboxState::waiting;
        parcel.attempts = 0;
    }
    for (auto& [id, row] : rig.store.outbox_rows) {
        row.state = OutboxState::waiting;
    }
    rig.begin();
    rig.send(of_alert("msg_3", "alr_3"));
    rig.pass(seconds{10});
    REQUIRE(rig.hook->delivered.size() == 3);
    const auto& got = rig.hook->delivered;
    const Message& again = got[1].id == "msg_3" ? got[2] : got[1];
    CHECK(again.id == got[0].id);
    CHECK(again.body == got[0].body);
}

// ---- told together, in order ---------------------------------------------------------------------

TEST_CASE("what waits for one destination and group is told together") {
    Rig rig;
    for (const char* id : {"1", "2", "3"}) {
        Message m = stop_warning(std::string{"msg_"} + id, std::string{"stop/"} + id);
        m.resource_name = std::string{"nb"} + id;
        rig.send(m, {"hook"}, seconds{30}, std::string{"enf_"} + id);
    }
    Message other = stop_warning("msg_4", "stop/4");
    other.group = "rule day";
    rig.send(other, {"hook"}, seconds{30});
    rig.pass(seconds{29});
    CHECK(rig.hook->attempts == 0);
    rig.pass(seconds{2});
    REQUIRE(rig.hook->delivered.size() == 2);
    std::ranges::sort(rig.hook->delivered, {}, [](const Message& m) { return m.body.size(); });
    CHECK(rig.hook->delivered[0].id == "msg_4");
    CHECK(rig.hook->delivered[1].title == "3 notebooks will be stopped: nb1, nb2, nb3");
    CHECK(rig.hook->delivered[1].body.size() == 3);
    CHECK(rig.reports.size() == 3);  // each warning counts as delivered
    for (const char* id : {"1", "2", "3"}) {
        CHECK(rig.state(std::string{"msg_"} + id + "/hook") == OutboxState::delivered);
    }
}

TEST_CASE(
    "a parcel that was not taken goes out again as it was, under its id; newer rows wait only behind their "
    "alert") {
    Rig rig;
    rig.hook->answers = {fails_later};
    rig.send(of_alert("msg_1", "alr_1"));
    rig.pass(seconds{1});
    rig.send(of_alert("msg_2", "alr_1", AlertState::resolved));
    rig.send(of_alert("msg_3", "alr_2"));
    rig.pass(seconds{1});
    CHECK(rig.got(*rig.hook) == std::vector<std::string>{"msg_3"});
    rig.pass(seconds{10});
    CHECK(rig.got(*rig.hook) == std::vector<std::string>{"msg_3", "msg_1", "msg_2"});
}

TEST_CASE("one 429 while the condition clears: both the alert and its end arrive") {
    Rig rig;
    rig.hook->answers = {fail(Errc::rate_limited, "429", "hook", Retry::after(minutes{2}))};
    rig.send(of_alert("msg_1", "alr_1"));
    rig.pass(seconds{30});
    rig.send(of_alert("msg_2", "alr_1", AlertState::resolved));
    rig.pass(minutes{3});
    CHECK(rig.got(*rig.hook) == std::vector<std::string>{"msg_1", "msg_2"});
}

TEST_CASE("messages that keep coming do not keep others from being sent, and are told together") {
    Rig rig;
    const bool urgent = GENERATE(false, true);
    rig.policy.per_hour = 1000;
    rig.reload();
    rig.hook->takes = seconds{1};
    for (int i = 0; i < 200; ++i) {
        Message m = of_alert("msg_" + std::to_string(i), "alr_" + std::to_string(i));
        m.severity = urgent ? Severity::critical : Severity::warning;
        rig.send(m);
        rig.pass(Duration{100});
    }
    CHECK(rig.hook->attempts >= 19);
    rig.pass(minutes{5});
    CHECK((urgent || rig.hook->attempts <= 25));
    for (const auto& [id, row] : rig.store.outbox_rows) {
        CHECK(row.state == OutboxState::delivered);
    }
}

TEST_CASE("an alert that ends before it was told: both in one parcel, which says so") {
    Rig rig;
    rig.send(of_alert("msg_1", "alr_1"), {"hook"}, minutes{5});
    rig.send(of_alert("msg_2", "alr_1", AlertState::resolved));
    rig.pass(seconds{1});  // the older one does not hold up the newer one
    REQUIRE(rig.hook->delivered.size() == 1);
    CHECK_THAT(rig.hook->delivered[0].title, Contains("Began and ended"));
    CHECK(rig.hook->delivered[0].body.size() == 2);
}

TEST_CASE("an older stop warning gives way to a newer message of its key, unless it may have arrived") {
    const bool uncertain = GENERATE(false, true);
    Rig rig;
    rig.hook->answers = {std::unexpected(uncertain ? lost : later)};
    rig.send(stop_warning("msg_1", "stop/demo"));
    rig.pass(seconds{1});
    rig.send(stop_warning("msg_2", "stop/demo"));
    rig.pass(minutes{1});
    CHECK(rig.state("msg_2/hook") == OutboxState::delivered);
    CHECK(rig.state("msg_1/hook") == (uncertain ? OutboxState::delivered : OutboxState::superseded));
    CHECK(rig.row("msg_1/hook").last_error == (uncertain ? "" : "a newer message of it waits"));
}

TEST_CASE("of two stop warnings of one key that both wait, the newer one is sent") {
    Rig rig;
    rig.send(stop_warning("msg_1", "stop/demo"), {"hook"}, seconds{30});
    rig.send(stop_warning("msg_2", "stop/demo"), {"hook"}, seconds{30});
    rig.pass(minutes{1});
    CHECK(rig.got(*rig.hook) == std::vector<std::string>{"msg_2"});
    CHECK(rig.row("msg_1/hook").last_error == "a newer message of it waits");
}

// ---- cap and digest ------------------------------------------------------------------------------

TEST_CASE("at most so many parcels an hour; the last place is a digest of the rest") {
    Rig rig;
    rig.policy.per_hour = 5;
    rig.reload();
    for (int i = 0; i < 50; ++i) {
        Message m = of_alert("msg_" + std::to_string(i), "alr_" + std::to_string(i));
        m.group = "group " + std::to_string(i);
        rig.send(m);
    }
    rig.pass(minutes{4});
    CHECK(rig.hook->delivered.size() == 4);
    rig.pass(minutes{2});
    REQUIRE(rig.hook->delivered.size() == 5);
    const Message& digest = rig.hook->delivered[4];
    CHECK(digest.kind == AlertKind::digest);
    CHECK_THAT(digest.title, Contains("46 messages in one (46 warning)"));
    for (const auto& [id, row] : rig.store.outbox_rows) {
        CHECK(row.state == OutboxState::delivered);
    }
    // The hour is over: there are places again.
    rig.send(of_alert("late", "alr_late"));
    rig.pass(minutes{30});
    CHECK(rig.hook->delivered.size() == 5);
    rig.pass(minutes{30});
    CHECK(rig.hook->delivered.size() == 6);
}

TEST_CASE("the cap holds over restarts") {
    Rig rig;
    rig.policy.per_hour = 3;
    rig.reload();
    for (int i = 0; i < 10; ++i) {
        rig.send(message("msg_" + std::to_string(i)));
        rig.pass(minutes{1});
        rig.end();
        rig.begin();
        rig.pass(seconds{1});
    }
    CHECK(rig.hook->delivered.size() == 3);  // two, and one digest
}

TEST_CASE("a digest counts what lies in it, also if the clock is heeded while it is made") {
    Rig rig;
    rig.policy.per_hour = 1;
    rig.reload();
    for (int i = 0; i < 10; ++i) {
        Message m = of_alert("msg_" + std::to_string(i), "alr_" + std::to_string(i));
        m.group = "group " + std::to_string(i);
        rig.send(m);
    }
    bool set = false;
    rig.store.on_sums = [&] {
        for (auto& [id, row] : rig.store.outbox_rows) {
            row.next_at = row.next_at + (set ? Duration{0} : Duration{minutes{10}});
        }
        set = true;
    };
    rig.pass(minutes{9});
    REQUIRE(set);
    CHECK(rig.hook->delivered.empty());
    rig.pass(minutes{9});
    REQUIRE(rig.hook->delivered.size() == 1);
    CHECK_THAT(rig.hook->delivered[0].title, Contains("10 messages in one (10 warning)"));
}

TEST_CASE("critical messages never wait for a place: they take a digest with them, at most every 5 min") {
    Rig rig;
    rig.policy.per_hour = 2;
    rig.reload();
    for (int i = 0; i < 3; ++i) {
        rig.send(message("msg_" + std::to_string(i)));
    }
    rig.pass(minutes{6});
    REQUIRE(rig.hook->delivered.size() == 2);  // one, and the digest: the hour is used up
    Message worst = of_alert("msg_c", "alr_c");
    worst.severity = Severity::critical;
    rig.send(message("with it"));
    rig.pass(seconds{1});
    CHECK(rig.hook->delivered.size() == 2);
    rig.send(worst);
    rig.pass(seconds{1});
    REQUIRE(rig.hook->delivered.size() == 3);
    CHECK(rig.hook->delivered[2].severity == Severity::critical);
    CHECK(rig.hook->delivered[2].kind == AlertKind::digest);
    CHECK(rig.state("with it/hook") == OutboxState::delivered);
    worst = of_alert("msg_d", "alr_d");
    worst.severity = Severity::critical;
    rig.send(worst);
    rig.pass(minutes{4});
    CHECK(rig.state("msg_d/hook") == OutboxState::waiting);
    rig.pass(minutes{2});
    CHECK(rig.state("msg_d/hook") == OutboxState::delivered);
}

TEST_CASE("in a digest every warning that a stop waits for is named; too many go in several") {
    Rig rig;
    rig.policy.per_hour = 1;
    rig.reload();
    for (int i = 0; i < 250; ++i) {
        rig.send(stop_warning("msg_" + std::to_string(i), "stop/" + std::to_string(i)), {"hook"}, seconds{1},
                 "enf_" + std::to_string(i));
    }
    rig.pass(seconds{10});
    REQUIRE(rig.hook->delivered.size() == 2);  // the place of the hour, and one more since they are urgent
    CHECK(rig.hook->delivered[0].body.size() == 100);
    CHECK(rig.hook->delivered[1].body.size() == 100);
    CHECK(rig.reports.size() == 200);
    rig.pass(minutes{6});
    REQUIRE(rig.hook->delivered.size() == 3);
    CHECK(rig.hook->delivered[2].body.size() == 50);
    CHECK(rig.reports.size() == 250);
}

TEST_CASE("where an alert is an incident, each goes alone and in order, without a cap") {
    Rig rig;
    rig.hook->grouped = false;
    rig.policy.per_hour = 2;
    rig.reload();
    for (int i = 0; i < 10; ++i) {
        rig.send(of_alert("a" + std::to_string(i), "alr_" + std::to_string(i)));
        rig.send(of_alert("b" + std::to_string(i), "alr_" + std::to_string(i), AlertState::resolved));
    }
    rig.pass(seconds{5});
    CHECK(rig.hook->delivered.size() == 20);
    std::map<AlertId, AlertState> newest;
    for (const Message& m : rig.hook->delivered) {
        CHECK(m.kind == AlertKind::blind);
        CHECK((m.state == AlertState::resolved) == newest.contains(m.alert));
        newest[m.alert] = m.state;
    }
}

// ---- other ways ----------------------------------------------------------------------------------

TEST_CASE("critical, and no channel took it in 2 min: it also goes to the fail-over channel, once") {
    Rig rig;
    rig.policy.failover = ChannelName{"mail"};
    rig.reload();
    rig.hook->answers.assign(30, fails_later);
    Message m = of_alert("msg_1", "alr_1");
    m.severity = Severity::critical;
    rig.send(m);
    Message calm = of_alert("msg_2", "alr_2");
    rig.send(calm);
    rig.pass(seconds{118});
    CHECK(rig.mail->delivered.empty());
    rig.pass(seconds{4});
    REQUIRE(rig.mail->delivered.size() == 1);
    CHECK(rig.mail->delivered[0].id == "msg_1");
    REQUIRE(rig.store.event_rows.size() == 1);
    CHECK(rig.store.event_rows[0].what == "failed over");
    CHECK_THAT(rig.store.event_rows[0].reason, Contains("mail"));
    rig.pass(hours{5});
    CHECK(rig.mail->delivered.size() == 1);
    CHECK(rig.state("msg_1/hook") == OutboxState::waiting);  // its own channel is still owed it
}

TEST_CASE("what one of its channels took does not fail over") {
    Rig rig;
    auto pager = std::make_shared<FakeChannel>(rig.scheduler, "pager");
    rig.channels.push_back(pager);
    rig.policy.failover = ChannelName{"pager"};
    rig.reload();
    rig.hook->answers.assign(30, fails_later);
    Message m = of_alert("msg_1", "alr_1");
    m.severity = Severity::critical;
    rig.send(m, both);
    rig.pass(hours{1});
    CHECK(rig.mail->delivered.size() == 1);
    CHECK(pager->attempts == 0);
}

TEST_CASE("410 disables the channel: what waits is listed as dead, until its configuration changes") {
    Rig rig;
    rig.policy.failover = ChannelName{"mail"};
    rig.reload();
    rig.hook->answers = {std::unexpected(gone)};
    rig.send(message("msg_1"));
    rig.send(message("msg_2"), {"hook"}, minutes{1});
    rig.pass(minutes{2});
    CHECK(rig.hook->attempts == 1);
    CHECK(rig.state("msg_1/hook") == OutboxState::dead);
    CHECK(rig.state("msg_2/hook") == OutboxState::dead);
    CHECK_THAT(rig.row("msg_2/hook").last_error, Contains("410"));
    CHECK(rig.store.channel_states.at(ChannelName{"hook"}).disabled_at);
    // Also after a restart, and over a reload that leaves it as it is.
    rig.end();
    rig.begin();
    rig.reload();
    Message worst = message("msg_3");
    worst.severity = Severity::critical;
    rig.send(worst);
    rig.pass(minutes{3});
    CHECK(rig.hook->attempts == 1);
    CHECK(rig.state("msg_3/hook") == OutboxState::dead);
    CHECK(rig.state("msg_3/mail") == OutboxState::delivered);
    rig.prints[ChannelName{"hook"}] = "2";
    rig.reload();
    rig.pass(seconds{1});
    CHECK_FALSE(rig.store.channel_states.at(ChannelName{"hook"}).disabled_at);
    CHECK(rig.run(rig.notifier->retry("")) == 3);
    rig.pass(seconds{1});
    CHECK(rig.hook->delivered.size() == 3);
}

TEST_CASE("a test goes past the queue, says what came back, and brings a disabled channel back") {
    Rig rig;
    CHECK(rig.run(rig.notifier->test({ChannelName{"none"}, {}})).error().code == Errc::not_found);
    rig.hook->answers = {std::unexpected(gone), std::unexpected(gone)};
    rig.send(message("msg_1"));
    rig.pass(seconds{1});
    const auto refused = rig.run(rig.notifier->test({ChannelName{"hook"}, {}}));
    REQUIRE(!refused);
    CHECK(refused.error().text == "HTTP 410");
    CHECK(rig.store.channel_states.at(ChannelName{"hook"}).disabled_at);
    const auto sent = rig.run(rig.notifier->test({ChannelName{"hook"}, "ana@example.org"}));
    REQUIRE(sent);
    CHECK(sent->answer == "taken");
    CHECK(rig.hook->delivered.at(0).kind == AlertKind::test);
    CHECK_FALSE(rig.store.channel_states.at(ChannelName{"hook"}).disabled_at);
    rig.send(message("msg_2"));
    rig.pass(seconds{1});
    CHECK(rig.state("msg_2/hook") == OutboxState::delivered);
}

TEST_CASE("what waits for a channel that is gone goes where it would go now, without duplicates") {
    Rig rig;
    rig.hook->answers.assign(5, fails_later);
    rig.send(message("msg_1"));        // in a parcel that failed
    rig.send(message("msg_2"), both);  // mail has it already
    rig.send(message("msg_3"), {"hook"}, hours{1});
    rig.pass(seconds{2});
    rig.channels = {rig.mail};
    rig.reload();
    rig.pass(minutes{2});
    CHECK(rig.state("msg_1/hook") == OutboxState::superseded);
    CHECK_THAT(rig.row("msg_1/hook").last_error, Contains("it goes to mail"));
    CHECK(rig.state("msg_1/mail") == OutboxState::delivered);
    CHECK(rig.state("msg_2/hook") == OutboxState::superseded);
    CHECK(rig.state("msg_3/mail") == OutboxState::delivered);
    std::vector<std::string> got = rig.got(*rig.mail);
    std::ranges::sort(got);
    CHECK(got == std::vector<std::string>{"msg_1", "msg_2", "msg_3"});
}

TEST_CASE("without any channel everything waits, and is sent when there is one again") {
    Rig rig;
    rig.hook->answers = {fails_later};
    rig.send(message("msg_1"));
    rig.pass(seconds{1});
    rig.channels.clear();
    rig.reload();
    rig.pass(hours{2});
    CHECK(rig.state("msg_1/hook") == OutboxState::waiting);
    rig.channels = {rig.mail};
    rig.reload();
    rig.pass(minutes{1});
    CHECK(rig.state("msg_1/mail") == OutboxState::delivered);
}

TEST_CASE("a channel that is removed during an attempt: the attempt counts") {
    Rig rig;
    rig.hook->takes = seconds{20};
    rig.send(message("msg_1"));
    rig.pass(seconds{1});
    rig.channels = {rig.mail};
    rig.reload();
    rig.pass(minutes{5});
    CHECK(rig.hook->delivered.size() == 1);
    CHECK(rig.state("msg_1/hook") == OutboxState::delivered);
    CHECK(rig.mail->attempts == 0);
}

// ---- time ----------------------------------------------------------------------------------------

TEST_CASE("a step of the wall clock neither delays nor hastens what waits") {
    const Duration step = GENERATE(as<Duration>{}, hours{-24 * 400}, hours{-3}, hours{3}, hours{24 * 400});
    Rig rig;
    rig.hook->answers = {fails_later, fails_later, fails_later};
    rig.send(message("msg_1"));
    rig.pass(minutes{1});
    REQUIRE(rig.hook->attempts == 3);  // the next after 96 to 144 s
    rig.scheduler.step_wall(step);
    rig.pass(seconds{60});
    CHECK(rig.hook->attempts == 3);
    rig.pass(seconds{120});
    CHECK(rig.hook->attempts == 4);
}

TEST_CASE("what is told right after the clock was set waits no longer for it") {
    const Duration step = GENERATE(Duration{hours{3}}, Duration{hours{-3}});
    Rig rig;
    rig.pass(minutes{30});  // nobody has looked at the clock for a while
    rig.scheduler.step_wall(step);
    rig.send(message("msg_1"));
    rig.pass(seconds{5});
    CHECK(rig.hook->delivered.size() == 1);
}

TEST_CASE("a clock that was wrong before a restart makes nothing wait for ever") {
    Rig rig;
    rig.hook->answers = {fails_later};
    rig.send(message("msg_1"));
    rig.send(message("msg_2"), {"hook"}, hours{2});
    rig.pass(seconds{1});
    rig.end();
    rig.scheduler.step_wall(hours{-24 * 365 * 20});
    rig.begin();
    rig.pass(minutes{2});
    CHECK(rig.state("msg_1/hook") == OutboxState::delivered);
    CHECK(rig.state("msg_2/hook") == OutboxState::delivered);
}

TEST_CASE("what ended is kept for 90 days, what waits for ever") {
    Rig rig;
    rig.send(message("msg_1"));
    rig.pass(seconds{1});
    rig.channels.clear();
    rig.reload();
    rig.send(message("msg_2"));
    rig.pass(hours{24 * 89});
    CHECK(rig.store.outbox_rows.size() == 2);
    CHECK(rig.store.parcels.size() == 1);
    rig.pass(hours{24 * 2});
    CHECK(rig.store.outbox_rows.size() == 1);
    CHECK(rig.store.outbox_rows.contains("msg_2/hook"));
    CHECK(rig.store.parcels.empty());
}
