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
#include "simulation/crowd.hpp"
#include "simulation/hunt.hpp"
#include "simulation/report.hpp"

#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace curfew::simulation {

namespace {

using SteadyClock = std::chrono::steady_clock;

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

LifeOptions options_of(const Arguments& a) {
    return LifeOptions{
        .faults = !a.without_faults, .crashes = !a.without_faults, .large = a.large, .print = a.trace}
        .for_days(a.days);
}

/// What belongs to the command for one of these worlds, beside its seed.
std::string how_again(const Arguments& a) {
    std::ostringstream out;
    if (a.days > 0) {
        out << " --days " << a.days;
    }
    out << (a.without_faults ? " --calm" : "") << (a.large ? " --large" : "");
    return out.str();
}

Sum live_many(const Arguments& a, std::chrono::duration<double> most) {
    Sum sum;
    const bool one = a.years_given && a.years <= 0;
    const bool by_time = most.count() > 0 && !a.years_given;
    SteadyClock::time_point told = SteadyClock::now();
    Crowd crowd(a.jobs, options_of(a), [&](const Lived& lived) {
        sum.add(lived);
        if (SteadyClock::now() - told > std::chrono::seconds{10}) {
            told = SteadyClock::now();
            std::fprintf(stderr, "simulate: %lld worlds, %.1f instance-years, %zu bad\n",
                         static_cast<long long>(sum.lives), years(sum.counts.instance_ms), sum.bad.size());
        }
        return !one && ((!by_time && years(sum.counts.instance_ms) >= a.years) || sum.bad.size() >= 20);
    });
    constexpr std::size_t worlds_most = 1'000'000;
    crowd.live_all(from_on(a.seed, one ? 1 : worlds_most), most);
    return sum;
}

int run(const Arguments& a) {
    const auto begun = SteadyClock::now();
    const Sum sum = live_many(a, std::chrono::duration<double>{a.seconds});
    for (const Lived& lived : sum.bad) {
        print_bad(lived, how_again(a));
    }
    print_sum(sum, std::chrono::duration<double>(SteadyClock::now() - begun).count());
    if (a.years_given && a.years <= 0) {
        print_marks(sum.counts);
    }
    std::printf("simulate: %zu of %lld worlds broke an invariant\n", sum.bad.size(),
                static_cast<long long>(sum.lives));
    return sum.bad.empty() ? 0 : 1;
}

int hashes(const Arguments& a) {
    std::map<std::uint64_t, std::uint64_t> all;
    int status = 0;
    Crowd crowd(a.jobs, options_of(a), [&](const Lived& lived) {
        all[lived.order.seed] = lived.hash;
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

}  // namespace

}  // namespace curfew::simulation

int main(int argc, char** argv) {
    using namespace curfew::simulation;
    const Arguments a = parse(argc, argv);
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("none", std::make_shared<spdlog::sinks::null_sink_st>()));
    spdlog::set_level(spdlog::level::off);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    if (a.hashes) {
        return hashes(a);
    }
    if (a.brief) {
        return hunt_known(a.jobs, a.seeds, a.variants);
    }
    if (a.mutants) {
        return hunt({.jobs = a.jobs,
                     .life = options_of(a),
                     .seed = a.seed,
                     .worlds = a.worlds,
                     .seconds = a.seconds,
                     .names = a.names,
                     .found = a.search ? a.variants : ""});
    }
    return run(a);
}
