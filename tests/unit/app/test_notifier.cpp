#include "curfew/app/notifier.hpp"
#include "support/fakes.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::test;

namespace {

struct Rig {
    Rig() : tasks(io.get_executor(), [](const std::string& bug) { FAIL(bug); }) {
        notifier.on_report([this](const DeliveryReport& report) { reports.push_back(report.row); });
        tasks.spawn("notifier", notifier.run());
    }
    ~Rig() {
        notifier.stop();
        scheduler.run_for(minutes{2});
    }
    void send(const std::string& id) {
        Message m;
        m.id = id;
        m.title = id;
        m.at = scheduler.wall();
        send(m);
    }
    void send(const Message& m) {
        for (OutboxRow& row : notifier.rows_for(m, {{ChannelName{"mail"}, {}}, {ChannelName{"hook"}, {}}})) {
            store.outbox[row.id] = row;
        }
        notifier.wake();
    }
    const OutboxRow& row(const std::string& id) const { return store.outbox.at(id); }

    boost::asio::io_context io;
    ManualScheduler scheduler{io};
    CountingEntropy entropy;
    FakeStore store{io};
    std::shared_ptr<FakeChannel> mail = std::make_shared<FakeChannel>(scheduler, "mail");
    std::shared_ptr<FakeChannel> hook = std::make_shared<FakeChannel>(scheduler, "hook");
    TaskGroup tasks;
    Notifier notifier{io.get_executor(), scheduler, entropy, store, {mail, hook}};
    std::vector<OutboxRow> reports;
};

const Result<void> later = fail(Errc::unavailable, "503", "hook", Retry::later());
const Result<void> never = fail(Errc::protocol, "400", "hook");

}  // namespace

TEST_CASE("every channel gets its own row, and the mark is durable") {
    Rig rig;
    rig.send("msg_1");
    rig.scheduler.run_for(seconds{1});
    CHECK(rig.mail->delivered.size() == 1);
    CHECK(rig.hook->delivered.size() == 1);
    CHECK(rig.row("msg_1/mail").state == OutboxState::delivered);
    CHECK(rig.row("msg_1/hook").state == OutboxState::delivered);
    CHECK(rig.reports.size() == 2);
}

TEST_CASE("failures are tried again by the schedule, with the same id, and end as a dead letter") {
    Rig rig;
    rig.hook->answers.assign(40, later);
    rig.send("msg_1");
    rig.scheduler.run_for(seconds{1});
    CHECK(rig.hook->attempts == 1);
    rig.scheduler.run_for(seconds{10});
    CHECK(rig.hook->attempts == 2);
    rig.scheduler.run_for(hours{72});
    CHECK(rig.hook->attempts == 10);
    CHECK(rig.row("msg_1/hook").state == OutboxState::dead);
    CHECK(rig.row("msg_1/hook").last_error.find("503") != std::string::npos);
    CHECK(rig.row("msg_1/mail").state == OutboxState::delivered);
}

TEST_CASE("what cannot succeed is a dead letter at once; Retry-After is honoured") {
    Rig rig;
    rig.hook->answers = {never};
    rig.send("msg_1");
    rig.scheduler.run_for(seconds{1});
    CHECK(rig.row("msg_1/hook").state == OutboxState::dead);
    rig.hook->answers = {fail(Errc::rate_limited, "429", "hook", Retry::after(minutes{7}))};
    rig.send("msg_2");
    rig.scheduler.run_for(minutes{6});
    CHECK(rig.row("msg_2/hook").state == OutboxState::waiting);
    rig.scheduler.run_for(minutes{2});
    CHECK(rig.row("msg_2/hook").state == OutboxState::delivered);
}

TEST_CASE("a lost acknowledgement is tried again: twice is better than never") {
    Rig rig;
    rig.mail->answers = {fail(Errc::unavailable, "no answer after DATA", "mail", Retry::ambiguous())};
    rig.send("msg_1");
    rig.scheduler.run_for(minutes{1});
    CHECK(rig.mail->attempts == 2);
    CHECK(rig.row("msg_1/mail").state == OutboxState::delivered);
}

TEST_CASE("a message past its use is superseded, not sent late") {
    Rig rig;
    Message m;
    m.id = "msg_1";
    m.expires_at = rig.scheduler.wall() + minutes{1};
    rig.hook->answers.assign(5, later);
    rig.send(m);
    rig.scheduler.run_for(minutes{10});
    CHECK(rig.row("msg_1/hook").state == OutboxState::superseded);
    CHECK(rig.hook->delivered.empty());
}

TEST_CASE("a slow channel delays no other, and rows of one channel keep their order") {
    Rig rig;
    rig.mail->takes = seconds{40};
    for (int i = 0; i < 3; ++i) {
        rig.send("msg_" + std::to_string(i));
        rig.scheduler.run_for(Duration{5});
    }
    rig.scheduler.run_for(seconds{5});
    CHECK(rig.hook->delivered.size() >= 1);
    rig.scheduler.run_for(minutes{4});
    REQUIRE(rig.mail->delivered.size() == 3);
    for (int i = 0; i < 3; ++i) {
        CHECK(rig.mail->delivered[static_cast<std::size_t>(i)].id == "msg_" + std::to_string(i));
    }
}

TEST_CASE("rows of a channel that left the configuration become visible dead letters") {
    Rig rig;
    rig.hook->answers.assign(5, later);
    rig.send("msg_1");
    rig.scheduler.run_for(seconds{1});
    rig.notifier.replace_channels({rig.mail});
    rig.scheduler.run_for(minutes{5});
    CHECK(rig.row("msg_1/hook").state == OutboxState::dead);
}

TEST_CASE("while the database says no, what a receiver took is not forgotten") {
    Rig rig;
    rig.send("msg_1");
    rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
    rig.scheduler.run_for(seconds{30});
    CHECK(rig.mail->attempts == 1);
    rig.store.failing.reset();
    rig.scheduler.run_for(minutes{1});
    CHECK(rig.mail->attempts == 1);
    CHECK(rig.row("msg_1/mail").state == OutboxState::delivered);
}
