// What the history of watched notebooks takes on the disk: days of looks through the recorder and the real
// store, one transaction a poll, as the watcher writes them. Then how long a replay of all of it takes.
#include "adapters/sqlite/store.hpp"
#include "curfew/core/replay.hpp"
#include "integration/http/loop.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

using namespace curfew;
namespace fs = std::filesystem;

namespace {

constexpr Duration poll = seconds{60};
constexpr std::int64_t looks_a_day = 24 * 60;
constexpr WallTime monday{1'795'392'000'000};  // 2026-11-23T00:00:00Z

/// Hours of the day in which somebody works.
constexpr std::array<std::array<int, 2>, 3> stretches{{{9, 12}, {13, 17}, {20, 22}}};

struct Notebook {
    RunId run;
    HistoryRecorder recorder;
    std::int64_t offset = 0;  // minutes by which its day is shifted
    std::int64_t until = 0;   // minute in which the cell ends or the next begins
    bool busy = false;
};

class Days {
public:
    Days(const std::string& path, int notebooks, bool cells) : cells_(cells) {
        auto opened = sqlite::open(path, loop_.context().get_executor(), [](const std::string& text) {
            std::fprintf(stderr, "bench: %s\n", text.c_str());
            std::exit(1);
        });
        if (!opened) {
            std::fprintf(stderr, "bench: %s\n", to_string(opened.error()).c_str());
            std::exit(1);
        }
        store_ = std::move(opened->store);
        for (int i = 0; i < notebooks; ++i) {
            Notebook n;
            n.run = RunId{"n" + std::to_string(100'000'000 + i * 7919)};  // as long as the provider's
            n.offset = static_cast<std::int64_t>(random_() % 120);
            notebooks_.push_back(std::move(n));
        }
    }

    void pass(int days) {
        for (std::int64_t minute = 0; minute < days * looks_a_day; ++minute, ++minutes_) {
            const Now now{Instant{1'000'000 + minutes_ * poll.count()}, monday + poll * minutes_};
            Batch batch;
            for (Notebook& n : notebooks_) {
                n.recorder.looked(n.run, look(n, now), now, poll * 3);
                for (HistoryRow& row : n.recorder.take(now.mono)) {
                    batch.emplace_back(std::move(row));
                    ++writes;
                }
            }
            batch.emplace_back(AccountPollRow{.account = AccountName{"me"},
                                              .mono = now.mono,
                                              .wall = now.wall,
                                              .complete = true,
                                              .error = {}});
            commit(std::move(batch));
        }
    }
    void close() {
        Batch batch;
        for (Notebook& n : notebooks_) {
            for (HistoryRow& row : n.recorder.finish()) {
                batch.emplace_back(std::move(row));
            }
        }
        commit(std::move(batch));
        (void)loop_.run(store_->close());
    }
    /// Everything through one rule: looks that were replayed, and rows.
    std::pair<std::int64_t, std::int64_t> replay() {
        Rule rule;
        rule.name = RuleName{"candidate"};
        rule.idle_limit = hours{48};  // nothing is stopped, so nothing ends early
        std::int64_t looks = 0;
        std::int64_t rows = 0;
        for (const Notebook& n : notebooks_) {
            auto read = loop_.run(store_->history_of(n.run, monday + poll * minutes_));
            RecordedRun run{.run = n.run,
                            .resource = ResourceId{"r"},
                            .first_seen = monday,
                            .poll_interval = poll,
                            .rows = std::move(*read),
                            .holds = {}};
            rows += static_cast<std::int64_t>(run.rows.size());
            const RuleTest test = test_rule(run, rule, monday, monday + poll * minutes_, std::nullopt);
            looks += (*test.last - *test.first) / poll + 1;
        }
        return {looks, rows};
    }

    std::int64_t writes = 0;

private:
    bool at_work(const Notebook& n) const {
        const std::int64_t hour = ((minutes_ + looks_a_day - n.offset) % looks_a_day) / 60;
        bool in_one = false;
        for (const auto& [from, to] : stretches) {
            in_one = in_one || (hour >= from && hour < to);
        }
        return in_one;
    }

    bool works(Notebook& n) {
        if (!cells_ || !at_work(n)) {
            n.until = minutes_;
            n.busy = at_work(n);
        } else if (minutes_ >= n.until) {
            n.busy = !n.busy;
            n.until = minutes_ + 1 + static_cast<std::int64_t>(random_() % (n.busy ? 15 : 8));
        }
        return n.busy;
    }

    std::vector<Observation> look(Notebook& n, const Now& now) {
        const bool busy = works(n);
        const auto say = [&](Signal source, Verdict verdict, Strength strength, std::string evidence) {
            return Observation{.source = source,
                               .run = n.run,
                               .at = now.mono,
                               .wall = now.wall,
                               .verdict = verdict,
                               .last_active_at = std::nullopt,
                               .strength = strength,
                               .evidence = std::move(evidence),
                               .ttl = observation_ttl(poll)};
        };
        const Verdict verdict = busy ? Verdict::active : Verdict::quiet;
        const std::string load = busy ? "0." + std::to_string(20 + random_() % 70) + " cores, GPU " +
                                            std::to_string(40 + random_() % 60) + " %"
                                      : "0.0" + std::to_string(random_() % 5) + " cores, GPU 0 %";
        return {
            say(Signal::kernels, verdict, Strength::strong,
                busy ? "kernel 3f2a91c0 busy" : "1 kernels, all idle"),
            say(Signal::terminals, Verdict::quiet, Strength::strong, "no terminal"),
            say(Signal::server, at_work(n) ? Verdict::active : Verdict::quiet, Strength::weak,
                at_work(n) ? "2 open connections to kernels" : "no open connection"),
            say(Signal::metrics, verdict, Strength::strong, load),
            say(Signal::processes, verdict, Strength::strong,
                busy ? "python3 0.83 cores" : "no process above 0.2 cores"),
            say(Signal::gpu, verdict, Strength::strong, busy ? "GPU 0: 87 %" : "GPU 0: 0 %, 4 MiB in use")};
    }

    void commit(Batch batch) {
        if (auto done = loop_.run(store_->commit(std::move(batch))); !done) {
            std::fprintf(stderr, "bench: %s\n", to_string(done.error()).c_str());
            std::exit(1);
        }
    }

    bool cells_;
    support::Loop loop_;
    std::unique_ptr<Store> store_;
    std::vector<Notebook> notebooks_;
    std::mt19937_64 random_{7};
    std::int64_t minutes_ = 0;
};

double size_of(const std::string& path) {
    return static_cast<double>(fs::file_size(path));
}

void measure(const std::string& folder, int notebooks, int days, bool cells) {
    const std::string path = folder + (cells ? "/cells.db" : "/steady.db");
    {
        Days empty(path, 0, cells);
        empty.close();
    }
    const double before = size_of(path);
    Days watch(path, notebooks, cells);
    watch.pass(days);
    const auto begun = std::chrono::steady_clock::now();
    const auto [looks, rows] = watch.replay();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    watch.close();
    const double notebook_days = static_cast<double>(notebooks) * days;
    std::printf("%s\t%d\t%d\t%.0f\t%.1f\t%.1f\t%.0f\t%.3f\t%lld\n", cells ? "cells" : "steady", notebooks,
                days, (size_of(path) - before) / notebook_days, static_cast<double>(rows) / notebook_days,
                static_cast<double>(watch.writes) / notebook_days, static_cast<double>(looks_a_day) * 6,
                took.count(), static_cast<long long>(looks));
}

}  // namespace

int main(int argc, char** argv) {
    const int notebooks = argc > 1 ? std::atoi(argv[1]) : 100;
    const int days = argc > 2 ? std::atoi(argv[2]) : 3;
    if (notebooks < 1 || days < 1) {
        std::fprintf(stderr, "usage: curfew-bench-history [NOTEBOOKS] [DAYS]\n");
        return 2;
    }
    std::string folder = (fs::temp_directory_path() / "curfew-bench-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) {
        std::perror("bench");
        return 1;
    }
    for (const bool cells : {false, true}) {
        measure(folder, notebooks, days, cells);
    }
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    return 0;
}
