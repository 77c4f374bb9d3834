#include "simulation/watched_store.hpp"

#include "simulation/spent.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace curfew::simulation {

namespace asio = boost::asio;

WatchedStore::WatchedStore(std::unique_ptr<Store> inner, Disk& disk, Stage& stage, Line line,
                           CommitDeaths& deaths, std::function<void(const char*)> die, Dice dice)
    : inner_(std::move(inner)), disk_(disk), stage_(stage), line_(line), deaths_(deaths),
      die_(std::move(die)), dice_(dice) {
    disk_.on_durable([this] {
        if (const auto batch = std::exchange(batch_, nullptr)) {
            ++commits_;
            const At judge(Work::judge);
            stage_.note("commit", {}, static_cast<std::int64_t>(batch->size()));
            stage_.judge.committed(*batch, stage_.moment());
            if (stage_.durable) {
                stage_.durable(*batch);
            }
            if (deaths_.after > 0 && --deaths_.after == 0) {
                die_("after a commit");
            }
        }
    });
}

WatchedStore::~WatchedStore() {
    batch_.reset();
    disk_.on_durable([] {});
}

Task<void> WatchedStore::turn(const Batch* batch) {
    const bool slow = batch != nullptr && stage_.goes_wrong(dice_, stage_.rates.slow_commit, "slow_commit");
    const Duration just_now = batch != nullptr && stage_.asked ? stage_.asked(*batch) : Duration{0};
    if (!slow && waiting_ == 0 && just_now == Duration{0}) {
        co_return;
    }
    const Duration takes = std::max(just_now, slow ? dice_.skewed(Duration{200}, minutes{1}) : Duration{1});
    free_at_ = std::max(free_at_, line_.scheduler.mono()) + takes;
    struct Counted {
        explicit Counted(int& n) : count(n) { ++count; }
        Counted(const Counted&) = delete;
        Counted& operator=(const Counted&) = delete;
        ~Counted() { --count; }
        int& count;
    };
    const Counted counted(waiting_);
    asio::steady_timer waiting(line_.loop, asio::steady_timer::time_point::max());
    const auto alarm = line_.scheduler.at(free_at_, [&waiting] { waiting.cancel(); });
    boost::system::error_code ended;
    co_await waiting.async_wait(asio::bind_cancellation_slot(
        asio::cancellation_slot{}, asio::redirect_error(asio::use_awaitable, ended)));
}

Task<Result<StoredState>> WatchedStore::load(std::string boot_id) {
    co_await turn(nullptr);
    batch_.reset();
    auto state = co_await inner_->load(boot_id);
    if (state) {
        const At judge(Work::judge);
        stage_.judge.loaded(*state, boot_id, stage_.moment());
    }
    co_return state;
}

Task<Result<void>> WatchedStore::commit(Batch batch) {
    stage_.judge.handed_over(batch, stage_.moment());
    co_await turn(&batch);
    if (line_.dead) {
        co_await line_.for_ever();
    }
    if (deaths_.before > 0 && --deaths_.before == 0) {
        die_("before a commit");
        co_await line_.for_ever();
    }
    const bool inside = deaths_.inside > 0 && --deaths_.inside == 0;
    if (inside) {
        disk_.freeze_after(deaths_.writes_inside);
    }
    const auto mine = std::make_shared<const Batch>(batch);
    batch_ = mine;
    // The transaction runs before this coroutine lets go; its answer comes later.
    auto done = co_await inner_->commit(std::move(batch));
    if (batch_ == mine) {
        batch_.reset();  // it failed: what becomes durable next is something else
    }
    co_return done;
}

}  // namespace curfew::simulation
