// The way of an alert without the rest of the daemon: the real notifier on the real store with the real webhook
// channel, as a process that can be killed. Its time runs SPEED times faster from START on (ms), so that it goes on
// over restarts; the network keeps real time.
//
//   courier MODE DATABASE URL CA LEDGER SPEED COUNT SEED START
//
// burst    commits COUNT alerts and their ends, waits until nothing waits, prints the counts
// retry    tests the channel, sends dead letters again, waits likewise
// drain    waits likewise
// storm    commits COUNT alerts at once, waits likewise
// produce  commits for ever; each token is in LEDGER once its commit succeeded
#include "adapters/clock/real_scheduler.hpp"
#include "adapters/http/client.hpp"
#include "adapters/sqlite/store.hpp"
#include "adapters/webhook/http_channel.hpp"
#include "curfew/app/notifier.hpp"
#include "curfew/app/task_group.hpp"
#include "curfew/core/config.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <spdlog/spdlog.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace curfew;

namespace {

constexpr int rows_per_commit = 100;

/// One write each: what is here was durable before, also when the next moment kills us.
class Ledger {
public:
    explicit Ledger(const std::string& path)
        : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600)) {}
    void add(const std::string& line) const {
        const std::string text = line + "\n";
        if (::write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
            std::abort();
        }
    }

private:
    int fd_;
};

/// Real deadlines for the real network, and a note of every acknowledgement that was lost.
class OnRealTime final : public Channel {
public:
    OnRealTime(std::shared_ptr<Channel> inner, Scheduler& real, const Ledger& ledger)
        : inner_(std::move(inner)), real_(real), ledger_(ledger) {}
    const ChannelName& name() const override { return inner_->name(); }
    Task<Result<Delivered>> deliver(Parcel parcel, Deadline) override {
        auto sent = co_await inner_->deliver(std::move(parcel), real_.in(seconds{30}));
        if (!sent && sent.error().ambiguous()) {
            ledger_.add("uncertain");
        }
        co_return sent;
    }

private:
    std::shared_ptr<Channel> inner_;
    Scheduler& real_;
    const Ledger& ledger_;
};

struct Order {
    std::string mode;
    std::string database;
    std::string url;
    std::string ca;
    std::string ledger;
    int speed = 1;
    int count = 0;
    std::string seed;
    WallTime start;
};

ChannelConfig channel_config(const Order& order) {
    ChannelConfig c;
    c.name = ChannelName{"hook"};
    c.kind = "webhook";
    c.url = order.url;
    c.ca_file = order.ca;
    c.allow_private = true;
    c.timeout = seconds{3};
    return c;
}

Message transition(const std::string& token, const std::string& alert, bool over) {
    Message m;
    m.id = "msg_" + token;
    m.alert = AlertId{"alr_" + alert};
    m.kind = AlertKind::blind;
    m.severity = Severity::warning;
    m.state = over ? AlertState::resolved : AlertState::firing;
    m.telling = over ? Telling::resolved : Telling::firing;
    m.key = "blind/" + alert;
    m.title = "<" + token + ">";
    return m;
}

class Courier {
public:
    Courier(boost::asio::io_context& io, const Order& order, Store& store)
        : order_(order), ledger_(order.ledger), real_(io.get_executor(), {}),
          fast_(io.get_executor(), {.speed = order.speed, .origin = order.start, .start_real = order.start}),
          client_(io.get_executor(), real_, {}), store_(store), tasks_(io.get_executor(),
                                                                       [](const std::string& bug) {
                                                                           std::cerr << bug << "\n";
                                                                           std::_Exit(3);
                                                                       }),
          notifier_(io.get_executor(), fast_, entropy_, store, delivery()) {}

    Task<int> run() {
        auto stored = co_await store_.load("boot");
        if (!stored) {
            std::cerr << to_string(stored.error()) << "\n";
            co_return 1;
        }
        notifier_.load(std::move(stored->channels));
        tasks_.spawn("notifier", notifier_.run());
        if (order_.mode == "burst") {
            co_await burst();
        } else if (order_.mode == "storm") {
            co_await storm();
        } else if (order_.mode == "produce") {
            co_await produce();
        } else if (order_.mode == "retry") {
            auto tested = co_await notifier_.test({ChannelName{"hook"}, {}});
            auto again = co_await notifier_.retry("");
            if (!tested || !again) {
                std::cerr << to_string(!tested ? tested.error() : again.error()) << "\n";
                co_return 1;
            }
        }
        co_await until_nothing_waits();
        notifier_.stop();
        co_await tasks_.join();
        auto closed = co_await store_.close();
        co_return closed ? 0 : 1;
    }

private:
    Delivery delivery() {
        Delivery d;
        auto channel = webhook::make_channel(channel_config(order_), {}, "courier", client_, real_);
        CURFEW_ASSERT(channel, "the test gives a whole configuration");
        d.channels.push_back(std::make_shared<OnRealTime>(std::move(*channel), real_, ledger_));
        d.routing.channels = {ChannelName{"hook"}};
        d.fingerprints = {{ChannelName{"hook"}, "1"}};
        if (order_.mode != "storm") {
            d.policy.per_hour = 1'000'000;
        }
        return d;
    }

    Task<void> commit(std::vector<std::pair<Message, Duration>> messages) {
        Batch batch;
        std::vector<std::string> tokens;
        for (auto& [message, wait] : messages) {
            tokens.push_back(message.title.substr(1, message.title.size() - 2));
            for (OutboxRow& row : notifier_.rows_for(message, {{.channel = ChannelName{"hook"}, .to = {}}})) {
                row.next_at = row.next_at + wait;
                batch.emplace_back(std::move(row));
            }
        }
        auto stored = co_await store_.commit(std::move(batch));
        if (!stored) {
            std::cerr << to_string(stored.error()) << "\n";
            std::_Exit(4);
        }
        for (const std::string& token : tokens) {
            ledger_.add(token);
        }
        notifier_.wake();
    }

    Task<void> burst() {
        for (const bool over : {false, true}) {
            for (int i = 0; i < order_.count; ++i) {
                const std::string alert = order_.seed + "-" + std::to_string(i);
                Message m = transition(alert + (over ? "-over" : "-fired"), alert, over);
                m.group = "rule " + std::to_string(i % 3);
                std::vector<std::pair<Message, Duration>> one;
                one.emplace_back(std::move(m), Duration{0});
                co_await commit(std::move(one));
            }
        }
    }

    Task<void> storm() {
        std::vector<std::pair<Message, Duration>> some;
        for (int i = 0; i < order_.count; ++i) {
            const std::string alert = order_.seed + "-" + std::to_string(i);
            Message m = transition(alert + "-fired", alert, false);
            m.body = {std::string(400, 'x')};
            m.group = i % 2 == 0 ? "rule " + std::to_string(i % 50) : "of its own " + std::to_string(i);
            some.emplace_back(std::move(m), seconds{30});
            if (some.size() == rows_per_commit || i + 1 == order_.count) {
                co_await commit(std::exchange(some, {}));
            }
        }
    }

    Task<void> produce() {
        for (int i = 0;; ++i) {
            const std::string alert = order_.seed + "-" + std::to_string(i);
            for (const bool over : {false, true}) {
                Message m = transition(alert + (over ? "-over" : "-fired"), alert, over);
                m.group = "rule " + std::to_string(i % 3);
                std::vector<std::pair<Message, Duration>> one;
                one.emplace_back(std::move(m), Duration{static_cast<std::int64_t>(entropy_.below(3000))});
                co_await commit(std::move(one));
                co_await real_.sleep_for(Duration{static_cast<std::int64_t>(entropy_.below(8))});
            }
        }
    }

    Task<void> until_nothing_waits() {
        for (;;) {
            auto counts = co_await store_.outbox_counts();
            if (counts && (*counts)[OutboxState::waiting] == 0) {
                std::cout << "{\"delivered\": " << (*counts)[OutboxState::delivered]
                          << ", \"dead\": " << (*counts)[OutboxState::dead]
                          << ", \"superseded\": " << (*counts)[OutboxState::superseded] << "}\n"
                          << std::flush;
                co_return;
            }
            co_await real_.sleep_for(Duration{20});
        }
    }

    Order order_;
    Ledger ledger_;
    clock::RealScheduler real_;
    clock::RealScheduler fast_;
    http::Client client_;
    clock::SystemEntropy entropy_;
    Store& store_;
    TaskGroup tasks_;
    Notifier notifier_;
};

void print_peak_memory() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmHWM:")) {
            std::cout << line << "\n";
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 10) {
        std::cerr << "courier MODE DATABASE URL CA LEDGER SPEED COUNT SEED START\n";
        return 2;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    spdlog::set_level(spdlog::level::err);
    const Order order{.mode = argv[1],
                      .database = argv[2],
                      .url = argv[3],
                      .ca = argv[4],
                      .ledger = argv[5],
                      .speed = std::atoi(argv[6]),
                      .count = std::atoi(argv[7]),
                      .seed = argv[8],
                      .start = {std::atoll(argv[9])}};
    boost::asio::io_context io{1};
    auto opened = sqlite::open(order.database, io.get_executor(), [](const std::string& why) {
        std::cerr << why << "\n";
        std::_Exit(5);
    });
    if (!opened) {
        std::cerr << to_string(opened.error()) << "\n";
        return 1;
    }
    Courier courier(io, order, *opened->store);
    int status = 1;
    boost::asio::co_spawn(io, courier.run(), [&](const std::exception_ptr& thrown, int value) {
        status = thrown ? 3 : value;
        io.stop();
    });
    io.run();
    print_peak_memory();
    return status;
}
