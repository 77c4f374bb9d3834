// Stops: I1 to I5. What was durable, and what was true, at the moment of a call.
#include "simulation/judge_model.hpp"

#include <algorithm>
#include <set>

namespace curfew::simulation {

namespace {

/// Looks are taken in when they are whole, answers are heard one by one; a poll's own look may come between.
constexpr Duration confirming_longest = minutes{30};  // several times what a slow teardown takes
constexpr Duration between_polls = minutes{10};  // of an account that can be seen, by a disk that takes them
constexpr Duration work_slack = knowledge_lag;
/// A hold counts once its answer has come back from the disk; the fence asks for holds last of all.
constexpr Duration hold_lag = seconds{3};
constexpr int pack_attempts_needed = 5;
constexpr int stops_always = 2;
constexpr std::int64_t few_files = 10;  // of so many more than half may go without a word

const Rule* rule_named(const Config& config, const std::string& name) {
    for (const Rule& rule : config.rules) {
        if (rule.name.value == name) {
            return &rule;
        }
    }
    return nullptr;
}

const Budget* budget_named(const Config& config, const std::string& name) {
    for (const Budget& budget : config.budgets) {
        if (budget.name.value == name) {
            return &budget;
        }
    }
    return nullptr;
}

bool names_one(const std::string& scope, const std::string& name, const std::string& id) {
    return own_glob(scope, name) || scope == id;
}

/// Does a maintenance cover it?
bool covered(const SilenceScope& scope, const ResourceRow& resource, const std::string& rule) {
    const bool resources = scope.resources.empty() ||
                           std::ranges::any_of(scope.resources, [&](const auto& each) {
                               return names_one(each, resource.name, resource.id.value);
                           });
    const bool accounts = scope.accounts.empty() ||
                          std::ranges::find(scope.accounts, resource.account) != scope.accounts.end();
    const bool rules = scope.rules.empty() ||
                       std::ranges::find(scope.rules, RuleName{rule}) != scope.rules.end();
    return resources && accounts && rules;
}

/// Does a vault hold what there is, but for what a receipt says could not be copied?
bool holds_all_of(const TrueFiles& held, const TrueFiles& there, const std::set<std::string>& excused) {
    const auto lacks = [&](const TrueFiles& from, const auto& file) {
        const auto found = from.find(file.first);
        return found == from.end() || found->second != file.second;
    };
    return std::ranges::none_of(held, [&](const auto& file) { return lacks(there, file); }) &&
           std::ranges::none_of(
               there, [&](const auto& file) { return !excused.contains(file.first) && lacks(held, file); });
}

/// What was packed of the resource before this.
const Receipt* newest_before(const std::map<ReceiptId, Durable<Receipt>>& all,
                             const Durable<Receipt>& taken) {
    const Durable<Receipt>* newest = nullptr;
    for (const auto& [id, each] : all) {
        if (each.row.resource == taken.row.resource && each.row.verified && each.at < taken.at &&
            (newest == nullptr || each.at > newest->at)) {
            newest = &each;
        }
    }
    return newest == nullptr ? nullptr : &newest->row;
}

bool looks_at_activity(const Rule* rule, CauseKind kind) {
    return kind == CauseKind::idle ||
           (kind == CauseKind::schedule && rule != nullptr && rule->respect_activity);
}

/// Did anybody but the kernels ever say anything of the run?
bool second_ever_seen(const RunTruth& truth) {
    return std::ranges::any_of(truth.newest, [](const auto& said) {
        return said.first != Signal::kernels && said.second.first != Verdict::unknown;
    });
}

/// When the pack of the receipt began, so far as its intent says it.
Instant began(const auto& intents, const Durable<Receipt>& receipt) {
    std::optional<Instant> newest;
    for (const auto& [id, intent] : intents) {
        if (intent.row.act == "pack" && intent.row.run == receipt.row.run && intent.at <= receipt.at) {
            newest = std::max(newest.value_or(intent.at), intent.at);
        }
    }
    return newest.value_or(receipt.at);
}

}  // namespace

Mode own_mode(const Config& config, const AccountName& account) {
    Mode mode = config.mode;
    for (const AccountConfig& each : config.accounts) {
        if (each.name == account) {
            mode = weaker(mode, each.mode == "observe" ? Mode::observe
                                : each.mode == "warn"  ? Mode::warn
                                                       : Mode::enforce);
        }
    }
    return mode;
}

void Judge::judge_pack(const Receipt& receipt, const TrueFiles& held, Moment at) {
    Model& m = *model_;
    const bool older = std::ranges::any_of(m.intents, [&](const auto& entry) {
        const DurableIntent& intent = entry.second;
        return intent.row.act == "pack" && intent.row.run == receipt.run &&
               intent.row.enforcement == receipt.enforcement && intent.at <= at.mono;
    });
    if (!older) {
        violated("I5", at, "a pack of " + receipt.run.value + " was published without an older intent");
    }
    // Each vault is told of; what they hold must be the same everywhere.
    const auto [known, is_new] = m.held.emplace(receipt.id, std::pair{held, at.mono});
    if (!is_new && known->second.first != held) {
        violated("I1", at, "two vaults hold other files of receipt " + receipt.id.value);
    }
    tally_.mark("pack.published");
}

void Judge::judge_call(StopMethod method, const RunId& run, Moment at) {
    Model& m = *model_;
    RunTruth& truth = m.runs[run];
    const auto live = m.live.find(run);
    if (live == m.live.end()) {
        violated("I5", at, "a stop call of " + run.value + " without a durable enforcement");
        return;
    }
    const Durable<Enforcement>& durable = m.enforcements.at(live->second);
    const Enforcement& e = durable.row;
    m.call_left.insert(e.id);
    const std::string who = run.value + " (" + std::string{to_string(e.cause.kind)} + " " + e.cause.name +
                            ")";
    if (e.state != EnforcementState::stopping) {
        violated("I5", at,
                 "a stop call of " + who + " while its durable state is " + std::string{to_string(e.state)});
    }
    tally_.mark("stop.cause." + std::string{to_string(e.cause.kind)});

    // ---- I5: the intent of this very act, open
    const std::string act = std::string{"stop:"} + (method == StopMethod::provider ? "provider" : "guest");
    const bool intended = std::ranges::any_of(m.intents, [&](const auto& entry) {
        const DurableIntent& intent = entry.second;
        return !intent.closed && intent.row.act == act && intent.row.run == run &&
               intent.row.enforcement == e.id && intent.at <= at.mono;
    });
    if (!intended) {
        violated("I5", at, "a stop call of " + who + " without an open, older intent " + act);
    }

    const auto resource = m.resources.find(e.resource);
    if (resource == m.resources.end()) {
        violated("I5", at, "a stop call of " + who + ", whose resource is not stored");
        return;
    }
    const ResourceRow& row = resource->second;
    const auto any = [&](auto&& test) { return m.any_config(at.mono, test); };

    // ---- I1: a verified receipt of this run whose content is the truth, or an override with a name
    if (e.receipt && !e.override_) {
        const auto receipt = m.receipts.find(*e.receipt);
        const auto held = m.held.find(*e.receipt);
        if (receipt == m.receipts.end()) {
            violated("I1", at, "the receipt " + e.receipt->value + " of " + who + " is not durable");
        } else if (!receipt->second.row.verified || receipt->second.row.run != run) {
            violated("I1", at,
                     "the receipt " + e.receipt->value + " of " + who + " is not a verified one of this run");
        }
        if (held == m.held.end()) {
            violated("I1", at, "no vault holds the receipt " + e.receipt->value + " of " + who);
        } else {
            // A rule may do without what is said to have been out of reach.
            std::set<std::string> excused;
            const bool partial_ok = any([&](const Config& config) {
                const Rule* rule = own_rule(config, row, truth.run.machine_type);
                return rule != nullptr && rule->pack.partial_ok;
            });
            if (partial_ok && receipt != m.receipts.end()) {
                for (const NotCovered& item : receipt->second.row.not_covered) {
                    if (item.listed) {
                        excused.insert(item.what);
                    }
                }
            }
            // What lay there a moment ago, and no longer, may still be what was compared.
            const bool just_now = std::ranges::any_of(truth.files_past, [&](const auto& past) {
                return at.mono - past.second <= knowledge_lag &&
                       holds_all_of(held->second.first, past.first, excused);
            });
            if (!holds_all_of(held->second.first, truth.files, excused) && !just_now) {
                violated("I1", at,
                         "what the vaults hold for " + who + " (" +
                             std::to_string(held->second.first.size()) + " files) is not what there is (" +
                             std::to_string(truth.files.size()) + ")");
            }
        }
        if (receipt != m.receipts.end()) {
            const Receipt& taken = receipt->second.row;
            const Receipt* before = newest_before(m.receipts, receipt->second);
            if (before != nullptr && before->files > few_files && taken.files * 2 < before->files) {
                violated("I1", at,
                         who + " is stopped with " + std::to_string(taken.files) + " files, of " +
                             std::to_string(before->files) + " in the receipt before");
            }
            const bool proven = any([&](const Config& config) {
                return std::ranges::all_of(config.vaults, [&](const VaultConfig& vault) {
                    return !vault.required ||
                           std::ranges::any_of(receipt->second.row.proofs, [&](const VaultProof& proof) {
                               return proof.vault == vault.name;
                           });
                });
            });
            // A vault that was configured after the pack had begun is the next pack's.
            const bool vaults_changed = !m.configs.empty() &&
                                        m.configs.back().first > began(m.intents, receipt->second);
            if (!proven && !vaults_changed) {
                violated("I1", at, "a required vault has no proof in the receipt of " + who);
            }
        }
        tally_.mark("stop.with_receipt");
    } else if (e.override_) {
        const std::string& by = e.override_->by;
        if (by.starts_with("rule ")) {
            const bool says = any([&](const Config& config) {
                const Rule* rule = rule_named(config, by.substr(5));
                return rule != nullptr && rule->pack.override_when_failed;
            });
            if (!says || by.substr(5) != e.cause.name || e.pack_attempts < pack_attempts_needed) {
                violated("I1", at,
                         "an override by " + by + " for " + who + " that the rule does not allow (" +
                             std::to_string(e.pack_attempts) + " packs failed)");
            }
        } else if (by.starts_with("budget ")) {
            Duration within = hours{24};
            const bool says = any([&](const Config& config) {
                const Budget* budget = budget_named(config, by.substr(7));
                bool now = false;
                for (const Threshold& threshold :
                     budget != nullptr ? budget->thresholds : std::vector<Threshold>{}) {
                    if (threshold.action == ThresholdAction::stop_now) {
                        within = std::min(within, threshold.pack_within);
                        now = true;
                    }
                }
                return now;
            });
            const auto packed = m.pack_asked.find(e.id);
            if (!says || e.cause.kind != CauseKind::budget || by.substr(7) != e.cause.name) {
                violated("I1", at,
                         "an override by " + by + " for " + who + ", which is not to be stopped now");
            } else if (packed == m.pack_asked.end() || at.mono - packed->second + act_latency < within) {
                violated("I1", at, "an override by " + by + " for " + who + " before its pack had its time");
            }
        } else if (by.empty() || !m.asked_by.contains({e.run, by})) {
            violated("I1", at, "an override for " + who + " by \"" + by + "\", who asked for nothing");
        }
        tally_.mark("stop.with_override");
    } else {
        violated("I1", at, "a stop call of " + who + " with neither receipt nor override");
    }

    // ---- I2: true and heard quiet
    const bool manual = e.cause.kind == CauseKind::manual;
    const bool machine = row.kind == ResourceKind::machine;
    const bool by_activity = of_rule(e.cause.kind) && !m.any_config(at.mono, [&](const Config& config) {
        return !looks_at_activity(rule_named(config, e.cause.name), e.cause.kind);
    });
    if (by_activity) {
        // The fence asks everybody: whoever answered last must have said quiet, and a moment ago.
        OwnLook fence{.begun = at.mono, .at = at.mono, .answers = {}};
        bool fresh = false;
        for (const auto& [source, said] : truth.newest) {
            if (at.mono - said.second <= knowledge_lag) {
                fence.answers[source] = said.first;
                fresh = true;
            }
        }
        const bool stalled = std::ranges::any_of(fence.answers,
                                                 [&](const auto& said) {
                                                     return said.second == Verdict::active &&
                                                            said.first == Signal::kernels;
                                                 }) &&
                             truth.own.stalled > Duration{0};
        if (stalled) {
            fence.answers[Signal::kernels] = Verdict::quiet;
        }
        const Verdict verdict = verdict_of(fence, truth, machine);
        if (!fresh) {
            violated("I2", at, "nobody was asked about " + who + " right before its stop");
        } else if (verdict != Verdict::quiet) {
            violated("I2", at, "the last look at " + who + " was " + std::string{to_string(verdict)});
        }
        // A rule that leaves probes out and goes by the kernels alone takes work for quiet that no kernel does.
        const bool kernels_alone = !second_ever_seen(truth) && any([&](const Config& config) {
            const Rule* rule = rule_named(config, e.cause.name);
            return rule != nullptr && rule->accept_partial && !rule->probe.enabled;
        });
        // Where probes are to be had, one is taken right before it.
        const bool probes = truth.probed && !any([&](const Config& config) {
                                const Rule* rule = rule_named(config, e.cause.name);
                                return rule == nullptr || !rule->probe.enabled;
                            });
        if (probes && !fence.answers.contains(Signal::processes)) {
            violated("I2", at, who + " was not probed right before its stop");
        }
        const Duration at_work = truth.work_since ? at.mono - truth.work_since->mono : Duration{0};
        if (at_work > work_slack && !stalled && !kernels_alone) {
            violated("I2", at, who + " has been at work for " + words(at_work));
        }
        if (at.mono - truth.began.mono < Duration{0}) {
            violated("I2", at, who + " had not begun");
        }
    }
    if (e.cause.kind == CauseKind::idle) {
        // One whose time was up is gone on with over a restart, by whichever limit, if nothing was at work since.
        const bool was_up = m.quiet_when_due.contains(e.id) && truth.own.quiet > Duration{0};
        const bool quiet_enough = any([&](const Config& config) {
            const Rule* rule = rule_named(config, e.cause.name);
            return rule != nullptr && (was_up || truth.own.quiet + quiet_slack >= rule->idle_limit) &&
                   at.mono - truth.began.mono + quiet_slack >= rule->start_grace;
        });
        if (!quiet_enough) {
            violated("I2", at,
                     who + " was quiet for " + words(truth.own.quiet) + " only, " +
                         words(at.mono - truth.began.mono) + " after its start");
        }
        // They are counted when the time is up: what was durable then, a restart only goes on with.
        const bool probed_enough = !truth.probed || m.probed_when_due.contains(e.id) ||
                                   any([&](const Config& config) {
                                       const Rule* rule = rule_named(config, e.cause.name);
                                       return rule != nullptr && own_probes_suffice(truth, *rule, at.mono);
                                   });
        if (!probed_enough) {
            violated("I2", at,
                     who + " had " + std::to_string(truth.own.probes) + " quiet probes in a row, the first " +
                         (truth.own.first_probe ? words(at.mono - *truth.own.first_probe) : "never") +
                         " ago");
        }
    }

    // ---- I3: holds, protection, mode, breaker, causes
    if (by_activity && !machine && !second_ever_seen(truth) && !any([&](const Config& config) {
            const Rule* rule = rule_named(config, e.cause.name);
            return rule != nullptr && rule->accept_partial;
        })) {
        violated("I3", at, who + " is seen by its kernels alone, and the rule may only warn of such");
    }
    const bool is_protected = !any([&](const Config& config) {
        return std::ranges::none_of(config.protect,
                                    [&](const std::string& glob) { return own_glob(glob, row.name); });
    });
    if (is_protected) {
        violated("I3", at, who + " is protected by name");
    }
    if (e.cause.kind == CauseKind::idle || e.cause.kind == CauseKind::schedule) {
        for (const auto& [id, hold] : m.holds) {
            const Hold& h = hold.row;
            const bool ours = h.resource == e.resource && (h.run.empty() || h.run == run);
            // Once over it stays over: a wall clock that is set back afterwards begins none anew.
            const bool had_its_time = at.mono - hold.at >= h.until - h.from;
            // A budget that beats it stops in its own name.
            if (ours && !h.released_at && !had_its_time && at.wall + act_latency < h.until &&
                durable.at - hold.at > hold_lag) {
                violated("I3", at, who + " is held by " + h.by + " (" + h.id.value + ")");
            }
        }
    }
    if (!manual) {
        const bool may = any([&](const Config& config) {
            Mode mode = own_mode(config, e.account);
            if (of_rule(e.cause.kind)) {
                const Rule* rule = rule_named(config, e.cause.name);
                const Rule* first = own_rule(config, row, truth.run.machine_type);
                if (rule == nullptr || first != rule) {
                    return false;
                }
                // Stored every 10 min: what was watched since then counts.
                const auto trial = m.trials.find(rule->name);
                const Duration tried = trial == m.trials.end() ? Duration{0} : trial->second.tried;
                const bool on_trial = tried + minutes{11} < rule->observe_first;
                mode = on_trial ? Mode::observe : weaker(mode, rule->mode);
            } else {
                const Budget* budget = budget_named(config, e.cause.name);
                if (m.edited.contains(BudgetName{e.cause.name})) {
                    return mode == Mode::enforce;  // set by hand, which always acts
                }
                if (budget == nullptr) {
                    return false;
                }
                mode = weaker(mode, budget->mode);
            }
            return mode == Mode::enforce;
        });
        if (!may) {
            violated("I3", at, "no configuration in force lets " + who + " be stopped (mode, rule or trial)");
        }
        for (const auto& [id, silence] : m.silences) {
            const Silence& s = silence.row;
            const auto rule_now = m.config() != nullptr ? own_rule(*m.config(), row, truth.run.machine_type)
                                                        : nullptr;
            if (s.kind == SilenceKind::maintenance && !s.ended_at && at.wall + act_latency < s.until &&
                at.mono - silence.at > knowledge_lag &&
                covered(s.scope, row, rule_now != nullptr ? rule_now->name.value : std::string{})) {
                violated("I3", at, who + " is under maintenance " + s.id.value);
            }
        }
    }
    if (of_rule(e.cause.kind)) {
        const auto breaker = m.breakers.find(RuleName{e.cause.name});
        if (breaker != m.breakers.end() && breaker->second.row.open && breaker->second.at < durable.at &&
            at.mono - breaker->second.at > act_latency) {
            violated("I3", at, "the breaker of " + e.cause.name + " is open, and " + who + " is stopped");
        }
        auto& stops = m.stops_by_rule[e.cause.name];
        std::erase_if(stops, [&](const auto& entry) { return at.mono - entry.first > hours{1}; });
        std::set<RunId> distinct;
        for (const auto& [when, id] : stops) {
            distinct.insert(id);
        }
        distinct.insert(run);
        stops.emplace_back(at.mono, run);
        std::int64_t ran = 0;
        for (const auto& [id, each] : m.runs) {
            ran += !each.ended || at.mono - each.ended->mono <= hours{1} ? 1 : 0;
        }
        const auto most = std::max<std::int64_t>(stops_always, ran / 4);
        if (static_cast<std::int64_t>(distinct.size()) > most) {
            violated("I3", at,
                     "rule " + e.cause.name + " stops " + std::to_string(distinct.size()) +
                         " runs within an hour, of " + std::to_string(ran) + " that ran");
        }
    } else if (e.cause.kind == CauseKind::budget) {
        const bool fired = std::ranges::any_of(m.fired, [&](const auto& entry) {
            return entry.first.first == e.cause.name && !entry.second.empty();
        });
        if (!fired) {
            violated("I3", at,
                     "budget " + e.cause.name + " stops " + who + ", but none of its thresholds fired");
        }
        const bool in_scope = any([&](const Config& config) {
            const auto budget = std::ranges::find(config.budgets, BudgetName{e.cause.name}, &Budget::name);
            return budget != config.budgets.end() && own_match(budget->scope, row, truth.run.machine_type);
        });
        if (!in_scope) {
            violated("I3", at, who + " is stopped by a budget that does not pay for it");
        }
    } else if (!m.asked_by.contains({e.run, e.cause.name})) {
        violated("I3", at, who + " was asked for by nobody");
    }
    if (e.cause.kind == CauseKind::age) {
        const bool old = any([&](const Config& config) {
            const Rule* rule = rule_named(config, e.cause.name);
            return rule != nullptr && rule->max_age &&
                   at.mono - truth.began.mono + act_latency >= *rule->max_age;
        });
        if (!old) {
            violated("I14", at, who + " is only " + words(at.mono - truth.began.mono) + " old");
        }
    }

    if (e.cause.kind == CauseKind::schedule && !m.asked_when_due.contains(e.id)) {
        const bool asked = any([&](const Config& config) {
            const Rule* rule = rule_named(config, e.cause.name);
            return rule != nullptr && own_schedule_asks(*rule, truth, at.wall);
        });
        if (!asked) {
            violated(
                "I3", at,
                who + " is stopped outside of the off hours, or began inside them, at " + to_string(at.wall));
        }
    }

    // ---- I8: the owner was warned first
    if (!manual && e.stop_attempts <= 1) {
        const auto notice = m.notice.find(e.id);
        const auto warned = m.warned_at.find(e.id);
        const bool silenced = m.silenced_warnings.contains(e.id);
        Duration wanted = minutes{10};
        (void)any([&](const Config& config) {
            const Rule* rule = own_rule(config, row, truth.run.machine_type);
            wanted = std::min(wanted, rule != nullptr ? rule->min_notice : wanted);
            return false;
        });
        if (e.cause.kind == CauseKind::budget) {
            wanted = std::min<Duration>(wanted, minutes{1});
        }
        const bool heard = notice != m.notice.end() && at.mono - notice->second + seconds{5} >= wanted;
        const bool waited = warned != m.warned_at.end() && at.mono - warned->second + act_latency >=
                                                               wanted + (silenced ? Duration{0} : hours{1});
        if (!heard && !waited) {
            violated("I8", at,
                     who + " is stopped without notice (" +
                         (notice == m.notice.end() ? std::string{"no warning was taken"}
                                                   : words(at.mono - notice->second) + " ago") +
                         ", wanted " + words(wanted) + ")");
        } else if (!heard && !silenced && !m.undelivered.contains(run)) {
            violated("I8", at, who + " is stopped though nobody took its warning, and no alert says so");
        }
    }
}

/// A stop is confirmed, or has failed, within minutes in which its account can be seen, over every restart.
void Judge::judge_confirming(const AccountName& account, Moment at) {
    Model& m = *model_;
    for (const auto& [run, id] : m.live) {
        const Enforcement& e = m.enforcements.at(id).row;
        if (e.account != account || e.state != EnforcementState::confirming) {
            continue;
        }
        const Instant since = std::max(m.state_since.at(id), m.awake_since.value_or(Instant{}));
        Model::Confirming& is = m.confirming[id];
        if (is.since != since) {
            is = {.since = since, .last = since};
        }
        is.seen += std::min(at.mono - std::exchange(is.last, at.mono), between_polls);
        if (is.seen > confirming_longest) {
            is.seen = Duration{0};
            violated("I9", at,
                     "the stop of " + run.value + " is not confirmed after " + words(at.mono - since));
        }
    }
}

}  // namespace curfew::simulation
