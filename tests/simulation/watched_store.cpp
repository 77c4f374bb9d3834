#include "simulation/watched_store.hpp"

#include "simulation/spent.hpp"

namespace curfew::simulation {

WatchedStore::WatchedStore(std::unique_ptr<Store> inner, Disk& disk, Stage& stage, Line line,
                           CommitDeaths& deaths, std::function<void(const char*)> die)
    : inner_(std::move(inner)), disk_(disk), stage_(stage), line_(line), deaths_(deaths),
      die_(std::move(die)) {
    disk_.on_durable([this] {
        if (const auto batch = std::exchange(batch_, nullptr)) {
            ++commits_;
            const At judge(Work::judge);
            stage_.note("commit", {}, static_cast<std::int64_t>(batch->size()));
            stage_.judge.committed(*batch, stage_.moment());
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

Task<Result<StoredState>> WatchedStore::load(std::string boot_id) {
    count("load");
    batch_.reset();
    auto state = co_await inner_->load(std::move(boot_id));
    if (state) {
        const At judge(Work::judge);
        stage_.judge.loaded(*state, stage_.moment());
    }
    co_return state;
}

Task<Result<void>> WatchedStore::commit(Batch batch) {
    if (line_.dead) {
        co_await line_.for_ever();
    }
    count("commit");
    if (deaths_.before > 0 && --deaths_.before == 0) {
        die_("before a commit");
        co_await line_.for_ever();
    }
    const bool inside = deaths_.inside > 0 && --deaths_.inside == 0;
    if (inside) {
        disk_.freeze_after(deaths_.writes_inside);
    }
    batch_ = std::make_shared<const Batch>(batch);
    // The transaction runs before this coroutine lets go; its answer comes later.
    auto done = co_await inner_->commit(std::move(batch));
    co_return done;
}

}  // namespace curfew::simulation
