#include "curfew/core/silence.hpp"

#include "curfew/core/rule.hpp"

#include <algorithm>

namespace curfew {

namespace {

/// An empty list says nothing; what is not there matches no list.
template <class Name>
bool fits(const std::vector<Name>& list, const Name& name) {
    return list.empty() || (!name.empty() && std::ranges::find(list, name) != list.end());
}

bool fits_resource(const std::vector<std::string>& globs, const SilenceSubject& subject) {
    return globs.empty() || std::ranges::any_of(globs, [&](const std::string& glob) {
               return (!subject.resource.empty() && glob == subject.resource.value) ||
                      (!subject.resource_name.empty() && glob_matches(glob, subject.resource_name));
           });
}

bool has_to_be_named(AlertKind kind) {
    return kind == AlertKind::stop_failed || kind == AlertKind::stop_warning;
}

}  // namespace

std::string_view to_string(SilenceKind kind) {
    switch (kind) {
        case SilenceKind::silence:
            return "silence";
        case SilenceKind::maintenance:
            break;
    }
    return "maintenance";
}

SilenceSubject subject_of(const Message& m) {
    return {.alert = m.alert,
            .kind = m.kind,
            .resource = m.resource,
            .resource_name = m.resource_name,
            .account = m.account,
            .rule = m.rule,
            .budget = m.budget};
}

bool covers(const SilenceScope& scope, const SilenceSubject& subject) {
    if (!scope.alert.empty() && scope.alert != subject.alert) {
        return false;
    }
    if (subject.kind && has_to_be_named(*subject.kind) && scope.alert.empty() && scope.kinds.empty()) {
        return false;
    }
    const bool kind_fits = scope.kinds.empty() ||
                           (subject.kind &&
                            std::ranges::find(scope.kinds, *subject.kind) != scope.kinds.end());
    return kind_fits && fits_resource(scope.resources, subject) && fits(scope.accounts, subject.account) &&
           fits(scope.rules, subject.rule) && fits(scope.budgets, subject.budget);
}

Result<void> check(const Silence& silence, WallTime now) {
    const std::string what{to_string(silence.kind)};
    if (silence.until - now < silence_min) {
        return fail(Errc::invalid,
                    "a " + what + " has an end, at least " + to_string(silence_min) + " from now");
    }
    if (silence.until - now > silence_max) {
        return fail(Errc::invalid, "a " + what + " ends within " + to_string(silence_max));
    }
    if (silence.kind == SilenceKind::maintenance &&
        !(silence.scope.kinds.empty() && silence.scope.budgets.empty() && silence.scope.alert.empty())) {
        return fail(Errc::invalid,
                    "maintenance is of resources, accounts and rules; use a silence for the rest");
    }
    return {};
}

std::string in_words(const Silence& silence) {
    return std::string{to_string(silence.kind)} + " until " + to_string(silence.until) +
           (silence.by.empty() ? std::string{} : " by " + silence.by) +
           (silence.reason.empty() ? std::string{} : ": " + silence.reason);
}

}  // namespace curfew
