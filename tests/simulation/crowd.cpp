#include "simulation/crowd.hpp"

#include "simulation/spent.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <sstream>

namespace curfew::simulation {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds life_longest{240};    // of CPU, or without any: a life that takes longer hangs
constexpr std::chrono::seconds variant_longest{60};  // of a wrong variant, which may well hang
constexpr std::size_t violations_shown = 20;

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

std::int64_t cpu_ms(clockid_t clock = CLOCK_PROCESS_CPUTIME_ID) {
    timespec t{};
    ::clock_gettime(clock, &t);
    return std::int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
}

/// What a process has used; one that ended has used nothing.
std::chrono::milliseconds cpu_of(pid_t pid) {
    clockid_t clock{};
    return std::chrono::milliseconds{::clock_getcpuclockid(pid, &clock) == 0 ? cpu_ms(clock) : 0};
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

[[noreturn]] void work(int to, LifeOptions options, const std::vector<Order>& orders) {
    watch_time();
    for (const auto& [seed, variant] : orders) {
        say(to, "begin\n");
        noted.clear();
#ifdef CURFEW_MUTANTS
        mutant_in_force = variant;
        assertion_noted = variant == Mutant::none ? nullptr : note;
#endif
        const std::int64_t before = cpu_ms();
        options.seed = seed;
        options.until_broken = variant != Mutant::none;
        const LifeReport report = live(options);
        std::ostringstream out;
        for (const auto& [name, count] : report.counts.marks) {
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
        out << "done " << report.trace_hash << ' ' << report.counts.instance_ms << ' ' << report.counts.faults
            << ' ' << report.counts.crashes << ' ' << report.counts.commits << ' ' << report.counts.events
            << ' ' << cpu_ms() - before << '\n';
        say(to, out.str());
    }
    say(to, "end\n");
    std::_Exit(0);
}

}  // namespace

struct Crowd::Worker {
    pid_t pid = -1;
    int from = -1;
    std::string rest;
    std::vector<Order> orders;
    std::size_t next = 0;  // the first that is not lived
    Lived now;
    std::chrono::milliseconds cpu_before{0};  // this life began
    std::chrono::milliseconds cpu_seen{0};
    SteadyClock::time_point moved;  // when that was last seen to grow
    bool ended = false;

    std::chrono::seconds longest() const {
        const bool variant = next < orders.size() && orders[next].variant != Mutant::none;
        return variant ? variant_longest : life_longest;
    }

    void begins() {
        cpu_before = cpu_seen = cpu_of(pid);
        moved = SteadyClock::now();
    }

    /// Busy for ever, or waiting for ever. On a machine that has much else to do a life may take its time.
    bool hangs() {
        if (const auto cpu = cpu_of(pid); cpu > cpu_seen) {
            cpu_seen = cpu;
            moved = SteadyClock::now();
        }
        return cpu_seen - cpu_before > longest() || SteadyClock::now() - moved > longest();
    }

    int reap() {
        int status = 0;
        ::close(from);
        while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        ended = true;
        return status;
    }
};

std::vector<Order> from_on(std::uint64_t seed, std::size_t count) {
    std::vector<Order> orders(count);
    for (std::size_t i = 0; i < count; ++i) {
        orders[i].seed = seed + i;
    }
    return orders;
}

void Crowd::live_all(const std::vector<Order>& orders, std::chrono::duration<double> most) {
    const auto until = SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(most);
    const std::size_t jobs = std::min<std::size_t>(jobs_, orders.size());
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
            } else if (whose[i]->hangs()) {
                ::kill(whose[i]->pid, SIGKILL);
                over = died(*whose[i],
                            "it hangs: no end within " + std::to_string(whose[i]->longest().count()) + " s");
            }
        }
        over = over || (most.count() > 0 && SteadyClock::now() > until);
    }
    for (Worker& worker : workers) {
        if (!worker.ended) {
            ::kill(worker.pid, SIGKILL);
            worker.reap();
        }
    }
}

void Crowd::start(Worker& worker) {
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
        work(ends[1], options_,
             {worker.orders.begin() + static_cast<std::ptrdiff_t>(worker.next), worker.orders.end()});
    }
    ::close(ends[1]);
    worker.pid = pid;
    worker.from = ends[0];
    worker.rest.clear();
    worker.begins();
    worker.ended = false;
}

bool Crowd::hear(Worker& worker) {
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
            worker.reap();
            return false;
        }
        if (take(worker, line)) {
            return true;
        }
    }
    worker.rest.erase(0, from);
    return false;
}

bool Crowd::take(Worker& worker, const std::string& line) {
    std::istringstream in(line);
    std::string word;
    in >> word;
    Lived& now = worker.now;
    if (word == "begin") {
        now = Lived{.order = worker.orders.at(worker.next)};
        worker.begins();
    } else if (word == "mark") {
        std::int64_t count = 0;
        std::string name;
        in >> count;
        std::getline(in >> std::ws, name);
        now.counts.marks[name] = count;
    } else if (word == "violation") {
        std::string invariant;
        std::string text;
        in >> invariant;
        std::getline(in >> std::ws, text);
        now.violations.emplace_back(invariant, text);
    } else if (word == "assert") {
        std::getline(in >> std::ws, now.assertion);
    } else if (word == "done") {
        in >> now.hash >> now.counts.instance_ms >> now.counts.faults >> now.counts.crashes >>
            now.counts.commits >> now.counts.events >> now.cpu_ms;
        ++worker.next;
        return enough_(now);
    }
    return false;
}

/// The life that it was at is a failure; the worker's others go on in another process.
bool Crowd::died(Worker& worker, std::string why) {
    const int status = worker.reap();
    if (why.empty()) {
        why = WIFSIGNALED(status) ? std::string{"the process died: "} + ::strsignal(WTERMSIG(status))
                                  : "the process ended with " + std::to_string(WEXITSTATUS(status));
    }
    Lived lived = worker.now;  // if it died after its last life, that one's
    if (worker.next < worker.orders.size()) {
        lived.order = worker.orders[worker.next];
    }
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

}  // namespace curfew::simulation
