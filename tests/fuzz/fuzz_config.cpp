// Any text as a configuration, as one rule or as one budget. What is refused is refused with places and printable
// words; what is taken keeps the promises of `Config`.
#include "adapters/config/config.hpp"
#include "fuzz/fuzzed_data.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace curfew;
using curfew::fuzz::FuzzedData;
using curfew::fuzz::must;

namespace {

const config::Defaults& defaults() {
    static const config::Defaults all{"/state",      "/run/api",    "/run/admin",
                                      "/etc/curfew", "/prices.csv", "host"};
    return all;
}

Result<Zone> zone_of(std::string_view name) {
    if (name == "UTC") {
        return Zone{};
    }
    if (name == "Europe/Rome") {
        return Zone{.name = "Europe/Rome",
                    .first_offset = hours{1},
                    .transitions = {{WallTime{1'774'746'000'000}, hours{2}},
                                    {WallTime{1'792'890'000'000}, hours{1}}}};
    }
    return fail(Errc::invalid, "unknown");
}

void check(const std::vector<config::Fault>& faults, bool refused) {
    must(!refused || !faults.empty());
    must(std::ranges::is_sorted(faults, {}, &config::Fault::line));
    for (const config::Fault& fault : faults) {
        const std::string words = config::to_string(fault);
        must(fault.line >= 0 && fault.column >= 0 && !fault.text.empty());
        must(std::ranges::none_of(words,
                                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }));
    }
}

void check(const Rule& rule) {
    must(rule.idle_limit > Duration{0} && rule.min_notice >= Duration{0} && rule.start_grace >= Duration{0});
    must(std::ranges::is_sorted(rule.ladder, std::greater{}));
    must(std::ranges::all_of(rule.ladder, [](Duration d) { return d > Duration{0}; }));
    for (const Duration d : scaled_ladder(rule.ladder, rule.idle_limit)) {
        must(d >= seconds{1});
    }
    must(!rule.max_age || *rule.max_age > Duration{0});
    must(rule.pack.max_bytes > 0 && rule.pack.max_files > 0);
    if (rule.schedule) {
        const WallTime t{1'795'399'800'000};
        const auto next = rule.schedule->next_boundary(t);
        must(!next || (*next > t && rule.schedule->off_at(*next) != rule.schedule->off_at(t)));
    }
}

void check(const Budget& budget) {
    must(!budget.name.empty());
    must(!budget.amount.positive() || budget.amount > Money{0, budget.amount.currency});
    must(budget.amount.nanos >= 0);
}

template <class T>
void check_names(const std::vector<T>& all) {
    std::set<std::string> names;
    for (const T& one : all) {
        must(names.insert(one.name.value).second);
    }
}

void check(const Config& config) {
    check_names(config.accounts);
    check_names(config.vaults);
    check_names(config.channels);
    check_names(config.rules);
    check_names(config.budgets);
    for (const Rule& rule : config.rules) {
        check(rule);
    }
    for (const Budget& budget : config.budgets) {
        check(budget);
    }
    for (const ChannelConfig& channel : config.channels) {
        must(channel.port > 0 && channel.port < 65'536 && channel.timeout > Duration{0});
    }
    must(config.history > Duration{0} && config.keep_link.length > Duration{0});
}

}  // namespace

CURFEW_FUZZ_TARGET(config) {
    FuzzedData in(data);
    const unsigned what = in.byte();
    const std::string_view text = in.rest();
    if (what == 'r') {
        const auto rule = config::parse_rule(text, "fuzz.toml");
        rule ? check(*rule) : check(rule.error(), true);
        return;
    }
    if (what == 'b') {
        const auto budget = config::parse_budget(text, "fuzz.toml", Config{}, zone_of);
        budget ? check(*budget) : check(budget.error(), true);
        return;
    }
    const auto loaded = config::parse(text, "fuzz.toml", defaults(), zone_of);
    if (!loaded) {
        return check(loaded.error(), true);
    }
    check(loaded->warnings, false);
    check(loaded->config);
}
