#include "curfew/core/rule.hpp"

#include <algorithm>

namespace curfew {

std::string_view to_string(Mode mode) {
    switch (mode) {
        case Mode::observe:
            return "observe";
        case Mode::warn:
            return "warn";
        case Mode::enforce:
            break;
    }
    return "enforce";
}

std::string_view to_string(RuleEventKind kind) {
    switch (kind) {
        case RuleEventKind::would_stop:
            return "would_stop";
        case RuleEventKind::stop:
            return "stop";
        case RuleEventKind::false_stop:
            break;
    }
    return "false_stop";
}

bool glob_matches(std::string_view pattern, std::string_view text) {
    // Iterative with one backtrack point: linear in pattern × text, no recursion to exhaust.
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t resume_at = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume_at = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume_at;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') {
        ++p;
    }
    return p == pattern.size();
}

namespace {

bool any_glob(const std::vector<std::string>& patterns, std::string_view text) {
    return patterns.empty() ||
           std::ranges::any_of(patterns, [&](const std::string& p) { return glob_matches(p, text); });
}

/// What has no tag is matched by no glob, not even by "*".
bool any_tag(const std::vector<std::string>& patterns, const std::vector<std::string>& tags) {
    return patterns.empty() ||
           std::ranges::any_of(tags, [&](const std::string& tag) { return any_glob(patterns, tag); });
}

}  // namespace

bool matches(const Match& match, const Resource& resource) {
    const bool kind_fits = match.kinds.empty() ||
                           std::ranges::find(match.kinds, resource.kind) != match.kinds.end();
    return kind_fits && any_glob(match.names, resource.name) &&
           any_glob(match.machine_types, resource.run.machine_type) &&
           any_glob(match.accounts, resource.account.value) && any_glob(match.projects, resource.project) &&
           any_glob(match.owners, resource.owner) && any_glob(match.providers, resource.provider) &&
           any_tag(match.tags, resource.tags);
}

std::vector<Duration> scaled_ladder(std::span<const Duration> ladder, Duration limit) {
    std::vector<Duration> steps(ladder.begin(), ladder.end());
    std::ranges::sort(steps, std::greater{});
    if (steps.empty() || limit <= Duration{0}) {
        return {};
    }
    const Duration head = steps.front();
    const Duration room = limit / 2;
    if (head > room) {
        for (Duration& step : steps) {
            step = Duration{
                static_cast<std::int64_t>(static_cast<__int128>(step.count()) * room.count() / head.count())};
        }
    }
    for (Duration& step : steps) {
        step = std::max(step, Duration{seconds{1}});
    }
    const auto doubles = std::ranges::unique(steps);
    steps.erase(doubles.begin(), doubles.end());
    return steps;
}

int steps_reached(std::span<const Duration> ladder, Duration left) {
    return static_cast<int>(std::ranges::count_if(ladder, [&](Duration step) { return left <= step; }));
}

const Rule* rule_for(std::span<const Rule> rules, const Resource& resource) {
    const auto found = std::ranges::find_if(rules,
                                            [&](const Rule& rule) { return matches(rule.match, resource); });
    return found == rules.end() ? nullptr : &*found;
}

Duration trial_left(const Rule& rule, const RuleTrial* trial) {
    const Duration tried = trial != nullptr ? trial->tried : Duration{0};
    return std::max(Duration{0}, rule.observe_first - tried);
}

bool on_trial(const Rule& rule, const RuleTrial* trial) {
    return trial_left(rule, trial) > Duration{0};
}

TrialStep advance(const Rule& rule, const RuleTrial& trial, Duration watched, WallTime now) {
    TrialStep step{.next = trial, .ended = false};
    if (on_trial(rule, &trial)) {
        step.next.tried += std::clamp(watched, Duration{0}, trial_left(rule, &trial));
        step.next.ended_at.reset();  // a trial that was made longer goes on
    }
    if (step.next.tried > Duration{0} && !step.next.ended_at && !on_trial(rule, &step.next)) {
        step.next.ended_at = now;
        step.ended = true;
    }
    return step;
}

bool used_again_soon(WallTime ended, WallTime started) {
    return started - ended <= false_stop_within;
}

}  // namespace curfew
