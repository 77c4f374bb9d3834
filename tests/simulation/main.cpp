// curfew-simulation: lives of the whole daemon in virtual time, one world a seed (./dev simulate).
//   --seed N --years Y --seconds S --jobs J   worlds from seed N on, until so much is lived (Y = 0: this one world)
//   --trace                                   what happens in the world of --seed, on standard error
//   --calm                                    without faults and crashes
//   --large                                   fleets of hundreds, polled seldom
//   --days D                                  so long does chaos last, instead of what the seed draws
//   --hashes FROM COUNT                       seed and trace hash a line, to compare builds
//   --mutants [NAME...] [--worlds N]          the wrong variants, and who catches them, in N worlds at most
//   --search                                  … and the first world that catches each goes into --variants FILE
//   --short                                   what every build runs: known worlds, and the variants they catch
// A life is lived in a worker process: one that dies or hangs is a failure with its seed.
#include "simulation/life.hpp"
#include "simulation/mutants.hpp"
#include "simulation/spent.hpp"

#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace curfew::simulation {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double ms_per_year = 365.25 * 24 * 3'600'000;
constexpr std::chrono::seconds life_longest{240};    // a life that takes longer hangs
constexpr std::chrono::seconds variant_longest{60};  // of a wrong variant, which may well hang
constexpr double mutant_years = 100;
constexpr std::size_t violations_shown = 20;

struct Arguments {
    std::uint64_t seed = 0;
    bool seed_given = false;
    double years = 1;
    bool years_given = false;
    double seconds = 0;
    std::size_t worlds = 40;  // for the wrong variants
    double days = 0;          // of chaos; 0 = as the seed draws it
    unsigned jobs = 0;
    bool trace = false;
    bool without_faults = false;
    bool large = false;
    bool brief = false;
    bool mutants = false;
    bool search = false;
    std::vector<std::string> names;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> hashes;
    std::string seeds = "tests/simulation/seeds.txt";
    std::string variants = "tests/simulation/variants.txt";
};

[[noreturn]] void usage() {
    std::fputs(
        "usage: curfew-simulation [--seed N] [--years Y] [--seconds S] [--jobs J] [--trace] [--calm] "
        "[--large]\n"
        "                         [--days D] [--hashes FROM COUNT] [--mutants [NAME...]] [--search] "
        "[--worlds N]\n"
        "                         [--short] [--seeds FILE] [--variants FILE]\n",
        stderr);
    std::exit(2);
}

Arguments parse(int argc, char** argv) {
    Arguments a;
    const std::vector<std::string> words(argv + 1, argv + argc);
    std::size_t i = 0;
    const auto number = [&]() -> double {
        if (i + 1 >= words.size()) {
            usage();
        }
        char* end = nullptr;
        const std::string& text = words[++i];
        const double value = std::strtod(text.c_str(), &end);
        if (end == text.c_str() || *end != '\0' || value < 0) {
            usage();
        }
        return value;
    };
    const auto whole = [&]() -> std::uint64_t {
        if (i + 1 >= words.size() || words[i + 1].find_first_not_of("0123456789") != std::string::npos) {
            usage();
        }
        return std::strtoull(words[++i].c_str(), nullptr, 10);
    };
    for (; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (word == "--seed") {
            a.seed = whole();
            a.seed_given = true;
        } else if (word == "--years") {
            a.years = number();
            a.years_given = true;
        } else if (word == "--seconds") {
            a.seconds = number();
        } else if (word == "--worlds") {
            a.worlds = static_cast<std::size_t>(whole());
        } else if (word == "--days") {
            a.days = number();
        } else if (word == "--jobs") {
            a.jobs = static_cast<unsigned>(whole());
        } else if (word == "--trace") {
            a.trace = true;
        } else if (word == "--calm") {
            a.without_faults = true;
        } else if (word == "--large") {
            a.large = true;
        } else if (word == "--short") {
            a.brief = true;
        } else if (word == "--search") {
            a.mutants = a.search = true;
        } else if (word == "--variants" && i + 1 < words.size()) {
            a.variants = words[++i];
        } else if (word == "--seeds" && i + 1 < words.size()) {
            a.seeds = words[++i];
        } else if (word == "--hashes") {
            const std::uint64_t from = whole();
            a.hashes = std::pair{from, whole()};
        } else if (word == "--mutants") {
            a.mutants = true;
            while (i + 1 < words.size() && !words[i + 1].starts_with("--")) {
                a.names.push_back(words[++i]);
            }
        } else {
            usage();
        }
    }
    if (a.jobs == 0) {
        a.jobs = std::max(1U, std::thread::hardware_concurrency());
    }
    if (!a.seed_given) {
        a.seed = std::random_device{}() % 1'000'000'000U + 1;
    }
    return a;
}

// ---- one life, in a worker ------------------------------------------------------------------------------

/// A life to be lived: a world, and the Curfew in it.
struct Order {
    std::uint64_t seed = 0;
    Mutant variant = Mutant::none;
};

/// What came of a life, as the parent knows it.
struct Lived {
    std::uint64_t seed = 0;
    Mutant variant = Mutant::none;
    std::uint64_t hash = 0;
    std::int64_t instance_ms = 0;
    std::int64_t faults = 0;
    std::int64_t crashes = 0;
    std::int64_t commits = 0;
    std::int64_t events = 0;
    std::int64_t cpu_ms = 0;
    std::map<std::string, std::int64_t> marks;
    std::vector<std::pair<std::string, std::string>> violations;  // invariant, text with its time
    std::string assertion;  // of the product; a wrong variant's goes on after it
    bool died = false;
};

std::string noted;  // the first assertion of this life that failed

#ifdef CURFEW_MUTANTS
bool note(const char* invariant) {
    noted = noted.empty() ? invariant : noted;
    return true;
}
#endif

std::string one_line(std::string text) {
    std::ranges::replace(text, '\n', ' ');
    return text;
}

std::int64_t cpu_ms() {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return std::int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
}

std::string day_of(const Moment& at) {
    return to_string(at.utc) + " (" + std::to_string(at.mono.ms) + " ms)";
}

void say(int to, const std::string& text) {
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t n = ::write(to, text.data() + done, text.size() - done);
        if (n <= 0) {
            std::_Exit(3);
        }
        done += static_cast<std::size_t>(n);
    }
}

LifeOptions options_of(const Arguments& a, std::uint64_t seed, bool until_broken) {
    const auto chaos = std::chrono::duration_cast<Duration>(
        std::chrono::duration<double, std::ratio<86400>>{a.days});
    const bool brief = a.days > 0;
    return {.seed = seed,
            .chaos = chaos,
            .calm = brief ? Duration{hours{48}} : Duration{0},
            .faults = !a.without_faults,
            .crashes = !a.without_faults,
            .large = a.large,
            .until_broken = until_broken,
            .print = a.trace};
}

[[noreturn]] void work(int to, const Arguments& a, const std::vector<Order>& orders) {
    watch_time();
    for (const auto& [seed, variant] : orders) {
        say(to, "begin\n");
        noted.clear();
#ifdef CURFEW_MUTANTS
        mutant_in_force = variant;
        assertion_noted = variant == Mutant::none ? nullptr : note;
#endif
        const std::int64_t before = cpu_ms();
        const LifeReport report = live(options_of(a, seed, variant != Mutant::none));
        std::ostringstream out;
        for (const auto& [name, count] : report.tally.marks) {
            out << "mark " << count << ' ' << name << '\n';
        }
        const auto times = take_time();
        for (std::size_t i = 0; i < times.size(); ++i) {
            out << "mark " << times[i] << " time." << work_names[i] << '\n';
        }
        for (std::size_t v = 0; v < std::min(report.violations.size(), violations_shown); ++v) {
            const Violation& violation = report.violations[v];
            out << "violation " << violation.invariant << ' ' << day_of(violation.at) << ": "
                << one_line(violation.text) << '\n';
        }
        if (!noted.empty()) {
            out << "assert " << one_line(noted) << '\n';
        }
        out << "done " << report.trace_hash << ' ' << report.instance_ms << ' ' << report.faults << ' '
            << report.crashes << ' ' << report.commits << ' ' << report.events << ' ' << cpu_ms() - before
            << '\n';
        say(to, out.str());
    }
    say(to, "end\n");
    std::_Exit(0);
}

// ---- many lives, in the parent --------------------------------------------------------------------------

struct Worker {
    pid_t pid = -1;
    int from = -1;
    std::string rest;
    std::vector<Order> orders;
    std::size_t next = 0;  // the first that is not lived
    Lived now;
    Clock::time_point since;
    bool ended = false;
};

class Crowd {
public:
    /// `enough` is asked after every life.
    Crowd(const Arguments& arguments, std::function<bool(const Lived&)> enough)
        : a_(arguments), enough_(std::move(enough)) {}

    /// Lives these; each goes to the next free worker by its place in the list.
    void live_all(const std::vector<Order>& orders, std::chrono::duration<double> most = {}) {
        const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(most);
        const std::size_t jobs = std::min<std::size_t>(a_.jobs, orders.size());
        std::vector<Worker> workers(jobs);
        for (std::size_t i = 0; i < orders.size(); ++i) {
            workers[i % jobs].orders.push_back(orders[i]);
        }
        for (Worker& worker : workers) {
            start(worker);
        }
        bool over = false;
        while (!over && std::ranges::any_of(workers, [](const Worker& w) { return !w.ended; })) {
            std::vector<pollfd> waits;
            std::vector<Worker*> whose;
            for (Worker& worker : workers) {
                if (!worker.ended) {
                    waits.push_back({.fd = worker.from, .events = POLLIN, .revents = 0});
                    whose.push_back(&worker);
                }
            }
            ::poll(waits.data(), waits.size(), 500);
            for (std::size_t i = 0; i < waits.size() && !over; ++i) {
                if ((waits[i].revents & (POLLIN | POLLHUP)) != 0) {
                    over = hear(*whose[i]);
                } else if (const auto longest = longest_of(*whose[i]);
                           Clock::now() - whose[i]->since > longest) {
                    ::kill(whose[i]->pid, SIGKILL);
                    over = died(*whose[i],
                                "it hangs: no end within " + std::to_string(longest.count()) + " s");
                }
            }
            over = over || (most.count() > 0 && Clock::now() > until);
        }
        for (Worker& worker : workers) {
            if (!worker.ended) {
                ::kill(worker.pid, SIGKILL);
                reap(worker);
            }
        }
    }

private:
    static std::chrono::seconds longest_of(const Worker& worker) {
        return worker.orders.at(worker.next).variant == Mutant::none ? life_longest : variant_longest;
    }

    void start(Worker& worker) {
        int ends[2];
        if (::pipe(ends) != 0) {
            std::perror("pipe");
            std::exit(1);
        }
        std::fflush(nullptr);
        const pid_t pid = ::fork();
        if (pid < 0) {
            std::perror("fork");
            std::exit(1);
        }
        if (pid == 0) {
            ::close(ends[0]);
            work(ends[1], a_,
                 {worker.orders.begin() + static_cast<std::ptrdiff_t>(worker.next), worker.orders.end()});
        }
        ::close(ends[1]);
        worker.pid = pid;
        worker.from = ends[0];
        worker.rest.clear();
        worker.since = Clock::now();
        worker.ended = false;
    }

    static int reap(Worker& worker) {
        int status = 0;
        ::close(worker.from);
        while (::waitpid(worker.pid, &status, 0) < 0 && errno == EINTR) {
        }
        worker.ended = true;
        return status;
    }

    bool hear(Worker& worker) {
        char buffer[65536];
        const ssize_t n = ::read(worker.from, buffer, sizeof buffer);
        if (n <= 0) {
            return died(worker, {});
        }
        worker.rest.append(buffer, static_cast<std::size_t>(n));
        std::size_t from = 0;
        for (std::size_t to = worker.rest.find('\n'); to != std::string::npos;
             to = worker.rest.find('\n', from)) {
            const std::string line = worker.rest.substr(from, to - from);
            from = to + 1;
            if (line == "end") {
                reap(worker);
                return false;
            }
            if (take(worker, line)) {
                return true;
            }
        }
        worker.rest.erase(0, from);
        return false;
    }

    bool take(Worker& worker, const std::string& line) {
        std::istringstream in(line);
        std::string word;
        in >> word;
        Lived& now = worker.now;
        if (word == "begin") {
            now = Lived{};
            now.seed = worker.orders.at(worker.next).seed;
            now.variant = worker.orders.at(worker.next).variant;
            worker.since = Clock::now();
        } else if (word == "mark") {
            std::int64_t count = 0;
            std::string name;
            in >> count;
            std::getline(in >> std::ws, name);
            now.marks[name] = count;
        } else if (word == "violation") {
            std::string invariant;
            std::string text;
            in >> invariant;
            std::getline(in >> std::ws, text);
            now.violations.emplace_back(invariant, text);
        } else if (word == "assert") {
            std::getline(in >> std::ws, now.assertion);
        } else if (word == "done") {
            in >> now.hash >> now.instance_ms >> now.faults >> now.crashes >> now.commits >> now.events >>
                now.cpu_ms;
            ++worker.next;
            return enough_(now);
        }
        return false;
    }

    /// The life that it was at is a failure; the worker's others go on in another process.
    bool died(Worker& worker, std::string why) {
        const int status = reap(worker);
        if (why.empty()) {
            why = WIFSIGNALED(status) ? std::string{"the process died: "} + ::strsignal(WTERMSIG(status))
                                      : "the process ended with " + std::to_string(WEXITSTATUS(status));
        }
        Lived lived = worker.now;
        lived.seed = worker.orders.at(worker.next).seed;
        lived.variant = worker.orders.at(worker.next).variant;
        lived.died = true;
        lived.violations.emplace_back("crash", why);
        ++worker.next;
        if (enough_(lived)) {
            return true;
        }
        if (worker.next < worker.orders.size()) {
            start(worker);
        }
        return false;
    }

    const Arguments& a_;
    std::function<bool(const Lived&)> enough_;
};

// ---- reports --------------------------------------------------------------------------------------------

std::vector<Order> from_on(std::uint64_t seed, std::size_t count) {
    std::vector<Order> orders(count);
    for (std::size_t i = 0; i < count; ++i) {
        orders[i].seed = seed + i;
    }
    return orders;
}

struct Sum {
    std::int64_t lives = 0;
    std::int64_t instance_ms = 0;
    std::int64_t faults = 0;
    std::int64_t crashes = 0;
    std::int64_t commits = 0;
    std::int64_t events = 0;
    std::int64_t cpu_ms = 0;
    std::map<std::string, std::int64_t> marks;
    std::vector<Lived> bad;

    void add(const Lived& lived) {
        ++lives;
        instance_ms += lived.instance_ms;
        faults += lived.faults;
        crashes += lived.crashes;
        commits += lived.commits;
        events += lived.events;
        cpu_ms += lived.cpu_ms;
        for (const auto& [name, count] : lived.marks) {
            std::int64_t& all = marks[name];
            all = name.starts_with("max.") ? std::max(all, count) : all + count;
        }
        if (!lived.violations.empty()) {
            bad.push_back(lived);
        }
    }
    double years() const { return static_cast<double>(instance_ms) / ms_per_year; }
};

/// What every simulation of some size must have come by; what never happened proves nothing.
const std::vector<std::string>& wanted_marks() {
    static const std::vector<std::string> marks{"enforcement.warned",
                                                "enforcement.due",
                                                "enforcement.packing",
                                                "enforcement.packed",
                                                "enforcement.stopping",
                                                "enforcement.confirming",
                                                "enforcement.stopped",
                                                "enforcement.pack_failed",
                                                "enforcement.held",
                                                "enforcement.stop_failed",
                                                "enforcement.over",
                                                "stop.call.provider",
                                                "stop.call.guest",
                                                "stop.cause.idle",
                                                "stop.cause.schedule",
                                                "stop.cause.age",
                                                "stop.cause.budget",
                                                "stop.cause.manual",
                                                "stop.with_receipt",
                                                "stop.with_override",
                                                "breaker.open",
                                                "breaker.reset",
                                                "budget.fired",
                                                "budget.exceeded",
                                                "clock.step",
                                                "suspend",
                                                "config",
                                                "crash",
                                                "ledger.exact",
                                                "ledger.estimated",
                                                "parcel.taken",
                                                "parcel.taken_unheard",
                                                "outbox.delivered",
                                                "outbox.dead",
                                                "outbox.superseded",
                                                "run.ended_by_user",
                                                "run.ended_by_stop",
                                                "alert.stop_warning.firing",
                                                "alert.stop_failed.firing",
                                                "alert.pack_failed.firing",
                                                "alert.blind.firing",
                                                "alert.key_rejected.firing",
                                                "alert.unpriced.firing",
                                                "alert.undelivered.firing"};
    return marks;
}

std::string how_again;  // what else belongs to the command

void print_bad(const Lived& lived) {
    std::printf("\nseed %llu breaks what must hold:\n", static_cast<unsigned long long>(lived.seed));
    for (const auto& [invariant, text] : lived.violations) {
        std::printf("  %-5s %s\n", invariant.c_str(), text.c_str());
    }
    if (!lived.assertion.empty()) {
        std::printf("  assert %s\n", lived.assertion.c_str());
    }
    std::printf("  again: ./dev simulate --seed %llu --years 0%s\n",
                static_cast<unsigned long long>(lived.seed), how_again.c_str());
}

void print_sum(const Sum& sum, double seconds) {
    std::printf(
        "%lld worlds, %.1f instance-years, %lld faults, %lld crashes, %lld commits, %lld events in %.1f s "
        "(%.1f s of CPU)\n",
        static_cast<long long>(sum.lives), sum.years(), static_cast<long long>(sum.faults),
        static_cast<long long>(sum.crashes), static_cast<long long>(sum.commits),
        static_cast<long long>(sum.events), seconds, static_cast<double>(sum.cpu_ms) / 1000);
    const double cpu = std::max(0.001, static_cast<double>(sum.cpu_ms) / 1000);
    std::printf(
        "a second of CPU: %.3f instance-years, %.0f faults, %.1f crashes, %.0f commits, %.0f events; an "
        "instance-year: %.1f s of CPU\n",
        sum.years() / cpu, static_cast<double>(sum.faults) / cpu, static_cast<double>(sum.crashes) / cpu,
        static_cast<double>(sum.commits) / cpu, static_cast<double>(sum.events) / cpu,
        sum.years() > 0 ? cpu / sum.years() : 0.0);
    std::printf("where the time went:\n");
    for (const auto& [name, count] : sum.marks) {
        if (name.starts_with("time.")) {
            const double part = static_cast<double>(count) / 1e9;
            std::printf("  %-28s %8.1f s %5.1f %%\n", name.substr(5).c_str(), part, part * 100 / cpu);
        }
    }
    std::int64_t stops = 0;
    for (const auto& [name, count] : sum.marks) {
        stops += name.starts_with("stop.call.") ? count : 0;
    }
    const auto worst = sum.marks.find("max.I7_permille");
    std::printf("stops called: %lld; worst overshoot of a hard budget: %.3f of its bound\n",
                static_cast<long long>(stops),
                worst == sum.marks.end() ? 0.0 : static_cast<double>(worst->second) / 1000);
    std::string never;
    for (const std::string& mark : wanted_marks()) {
        never += sum.marks.contains(mark) ? "" : " " + mark;
    }
    std::printf("never reached:%s\n", never.empty() ? " nothing" : never.c_str());
}

void print_marks(const Sum& sum) {
    for (const auto& [name, count] : sum.marks) {
        if (!name.starts_with("time.")) {
            std::printf("  %10lld %s\n", static_cast<long long>(count), name.c_str());
        }
    }
}

// ---- modes ----------------------------------------------------------------------------------------------

Sum live_many(const Arguments& a, std::chrono::duration<double> most) {
    Sum sum;
    const bool one = a.years_given && a.years <= 0;
    const bool by_time = most.count() > 0 && !a.years_given;
    Clock::time_point told = Clock::now();
    Crowd crowd(a, [&](const Lived& lived) {
        sum.add(lived);
        if (Clock::now() - told > std::chrono::seconds{10}) {
            told = Clock::now();
            std::fprintf(stderr, "simulate: %lld worlds, %.1f instance-years, %zu bad\n",
                         static_cast<long long>(sum.lives), sum.years(), sum.bad.size());
        }
        return !one && ((!by_time && sum.years() >= a.years) || sum.bad.size() >= 20);
    });
    constexpr std::size_t worlds_most = 1'000'000;
    crowd.live_all(from_on(a.seed, one ? 1 : worlds_most), most);
    return sum;
}

int run(const Arguments& a) {
    const auto begun = Clock::now();
    const Sum sum = live_many(a, std::chrono::duration<double>{a.seconds});
    for (const Lived& lived : sum.bad) {
        print_bad(lived);
    }
    print_sum(sum, std::chrono::duration<double>(Clock::now() - begun).count());
    if (a.years_given && a.years <= 0) {
        print_marks(sum);
    }
    std::printf("simulate: %zu of %lld worlds broke an invariant\n", sum.bad.size(),
                static_cast<long long>(sum.lives));
    return sum.bad.empty() ? 0 : 1;
}

int hashes(const Arguments& a) {
    std::map<std::uint64_t, std::uint64_t> all;
    int status = 0;
    Crowd crowd(a, [&](const Lived& lived) {
        all[lived.seed] = lived.hash;
        status = lived.died ? 1 : status;
        return false;
    });
    crowd.live_all(from_on(a.hashes->first, a.hashes->second));
    for (const auto& [seed, hash] : all) {
        std::printf("%llu %016llx\n", static_cast<unsigned long long>(seed),
                    static_cast<unsigned long long>(hash));
    }
    return status;
}

// ---- wrong variants -------------------------------------------------------------------------------------

struct Caught {
    bool caught = false;
    std::string by;
    std::string text;
    std::string assertion;
    std::int64_t lived_ms = 0;  // in worlds in which Curfew as it is breaks nothing
    std::uint64_t seed = 0;
    double years() const { return static_cast<double>(lived_ms) / ms_per_year; }
    void take(const Lived& lived) {
        lived_ms += lived.instance_ms;
        assertion = assertion.empty() ? lived.assertion : assertion;
        if (!lived.violations.empty() && !caught) {
            caught = true;
            by = lived.violations.front().first;
            text = lived.violations.front().second;
            seed = lived.seed;
        }
    }
};

std::vector<MutantCard> cards_of(const Arguments& a) {
    std::vector<MutantCard> cards;
    for (const MutantCard& card : mutant_cards()) {
        if (a.names.empty() || std::ranges::find(a.names, card.name) != a.names.end()) {
            cards.push_back(card);
        }
    }
    return cards;
}

void print_table(const std::vector<MutantCard>& cards, const std::map<Mutant, Caught>& results,
                 bool with_text) {
    std::printf("%-27s %-9s %-10s %7s %10s  %s\n", "variant", "judge", "assert", "years", "seed",
                "what is wrong");
    for (const MutantCard& card : cards) {
        const Caught& result = results.at(card.mutant);
        std::printf("%-27s %-9s %-10.10s %7.2f %10llu  %s\n", std::string{card.name}.c_str(),
                    result.caught ? result.by.c_str() : "SURVIVED",
                    result.assertion.empty() ? "-" : result.assertion.c_str(), result.years(),
                    static_cast<unsigned long long>(result.seed), std::string{card.wrong}.c_str());
        if (with_text && result.caught) {
            std::printf("    %s\n", result.text.c_str());
        }
    }
}

/// Worlds one after another. Where Curfew as it is breaks nothing, every variant lives that no earlier one caught:
/// what is broken there is the variant's doing.
std::pair<int, int> mutants(const Arguments& a) {
#ifndef CURFEW_MUTANTS
    (void)a;
    std::fputs("this build has no wrong variants: configure with -DCURFEW_MUTANTS=ON (./dev simulate does)\n",
               stderr);
    return {0, 1};
#else
    const std::vector<MutantCard> cards = cards_of(a);
    std::map<Mutant, Caught> results;
    for (const MutantCard& card : cards) {
        results[card.mutant] = {};
    }
    const auto begun = Clock::now();
    const auto hunted = [&] {
        std::vector<Mutant> left;
        for (const auto& [mutant, result] : results) {
            if (!result.caught && result.years() < mutant_years) {
                left.push_back(mutant);
            }
        }
        return left;
    };
    std::size_t clean = 0;
    std::size_t lived = 0;
    const std::size_t at_once = a.jobs;
    for (std::size_t i = 0; i < a.worlds && !hunted().empty(); i += at_once) {
        if (a.seconds > 0 && Clock::now() - begun > std::chrono::duration<double>{a.seconds}) {
            break;
        }
        std::vector<std::uint64_t> worlds;
        Crowd plain(a, [&](const Lived& life) {
            ++lived;
            if (life.violations.empty()) {
                worlds.push_back(life.seed);
            }
            return false;
        });
        plain.live_all(from_on(a.seed + i, std::min(at_once, a.worlds - i)));
        std::ranges::sort(worlds);
        for (const std::uint64_t seed : worlds) {
            std::vector<Order> orders;
            for (const Mutant mutant : hunted()) {
                orders.push_back({.seed = seed, .variant = mutant});
            }
            Crowd wrong(a, [&](const Lived& life) {
                if (a.search && life.died) {
                    return false;  // who replays it would have to wait for it; another world may tell
                }
                Caught& result = results.at(life.variant);
                result.take(life);
                if (result.caught) {
                    const auto card = std::ranges::find(cards, life.variant, &MutantCard::mutant);
                    std::fprintf(stderr, "simulate: %s is caught by %s in world %llu\n",
                                 std::string{card->name}.c_str(), result.by.c_str(),
                                 static_cast<unsigned long long>(result.seed));
                }
                return false;
            });
            wrong.live_all(orders);
            ++clean;
            std::fprintf(stderr, "simulate: world %llu, %zu variants left\n",
                         static_cast<unsigned long long>(seed), hunted().size());
        }
    }
    std::printf("%zu of %zu worlds from seed %llu on are clean\n", clean, lived,
                static_cast<unsigned long long>(a.seed));
    print_table(cards, results, !a.names.empty());
    const auto caught = static_cast<int>(
        std::ranges::count_if(results, [](const auto& entry) { return entry.second.caught; }));
    std::printf("%d of %zu variants caught, each hunted for as long as the table says\n", caught,
                results.size());
    if (a.search) {
        std::ofstream out(a.variants);
        out << "# The wrong variants, each with a world that catches it in " << a.days << " days of chaos:\n"
            << "# written by --mutants --search --seed " << a.seed << " --days " << a.days << "\n";
        for (const MutantCard& card : cards) {
            const Caught& result = results.at(card.mutant);
            if (result.caught) {
                out << card.name << ' ' << result.seed << '\n';
            }
        }
    }
    return {caught, static_cast<int>(results.size())};
#endif
}

std::vector<std::uint64_t> known_seeds(const std::string& path) {
    std::vector<std::uint64_t> seeds;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        if (!line.empty() && line.front() >= '0' && line.front() <= '9') {
            seeds.push_back(std::strtoull(line.c_str(), nullptr, 10));
        }
    }
    return seeds;
}

std::vector<Order> known_variants(const std::string& path) {
    std::vector<Order> orders;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string name;
        Order order;
        words >> name >> order.seed;
        const auto card = std::ranges::find(mutant_cards(), name, &MutantCard::name);
        if (card != mutant_cards().end()) {
            order.variant = card->mutant;
            orders.push_back(order);
        }
    }
    return orders;
}

/// Worlds of a few days, always the same ones: those that found something, and those that are known to catch a
/// wrong variant, as they are and with it.
int brief(Arguments a) {
    int passed = 0;
    int failed = 0;
    std::map<Mutant, Caught> results;
    const auto live_these = [&](const std::vector<Order>& orders) {
        Crowd crowd(a, [&](const Lived& lived) {
            if (lived.variant != Mutant::none) {
                results[lived.variant].take(lived);
            } else if (lived.violations.empty()) {
                ++passed;
            } else {
                ++failed;
                print_bad(lived);
            }
            return false;
        });
        crowd.live_all(orders);
    };
    std::vector<Order> known;
    for (const std::uint64_t seed : known_seeds(a.seeds)) {
        known.push_back({.seed = seed});
    }
    a.days = 4;
    live_these(known);
    a.days = 2;
#ifdef CURFEW_MUTANTS
    std::vector<Order> orders;
    std::set<std::uint64_t> worlds;
    std::vector<MutantCard> cards;
    for (const Order& order : known_variants(a.variants)) {
        if (worlds.insert(order.seed).second) {
            orders.push_back({.seed = order.seed});
        }
        orders.push_back(order);
        cards.push_back(*std::ranges::find(mutant_cards(), order.variant, &MutantCard::mutant));
    }
    live_these(orders);
    std::printf("worlds in which nothing may break: %zu\n", known.size() + worlds.size());
    print_table(cards, results, false);
    for (const auto& [mutant, result] : results) {
        result.caught ? ++passed : ++failed;
    }
    std::printf("variants that no world is known to catch: %zu\n", mutant_cards().size() - cards.size());
#endif
    std::printf("simulate: %d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}

}  // namespace

}  // namespace curfew::simulation

int main(int argc, char** argv) {
    using namespace curfew::simulation;
    const Arguments a = parse(argc, argv);
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("none", std::make_shared<spdlog::sinks::null_sink_st>()));
    spdlog::set_level(spdlog::level::off);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    if (a.days > 0) {
        std::ostringstream days;
        days << " --days " << a.days;
        how_again += days.str();
    }
    how_again += a.without_faults ? " --calm" : "";
    how_again += a.large ? " --large" : "";
    if (a.hashes) {
        return hashes(a);
    }
    if (a.brief) {
        return brief(a);
    }
    if (a.mutants) {
        const auto [caught, all] = mutants(a);
        return caught == all ? 0 : 1;
    }
    return run(a);
}
