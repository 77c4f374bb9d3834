#include "curfew/app/budgets.hpp"

#include <algorithm>
#include <utility>

namespace curfew {

namespace {

constexpr std::size_t document_bytes_max = 16 << 10;
constexpr std::size_t budgets_max = 500;

void put_into(std::vector<Budget>& budgets, Budget budget) {
    const auto same = std::ranges::find(budgets, budget.name, &Budget::name);
    if (same == budgets.end()) {
        budgets.push_back(std::move(budget));
    } else {
        *same = std::move(budget);
    }
}

std::string words_of(const Budget& budget) {
    std::string text = to_string(budget.amount) + " a " + std::string{to_string(budget.period.kind)} +
                       ", mode " + std::string{to_string(budget.mode)};
    for (const Threshold& threshold : budget.thresholds) {
        text += ", " + std::string{to_string(threshold.action)} + " at " + threshold.words();
    }
    return text;
}

}  // namespace

Budgets::Budgets(World& world, Treasurer& treasurer, Parse parse)
    : world_(world), treasurer_(treasurer), parse_(std::move(parse)) {}

void Budgets::load(std::vector<BudgetEdit> edits) {
    for (BudgetEdit& edit : edits) {
        if (!edit.document.empty()) {
            BudgetName name = edit.budget;
            edits_.insert_or_assign(std::move(name), std::move(edit));
        }
    }
}

Result<Budget> Budgets::read(const BudgetEdit& edit, const Config& config) const {
    Config others = config;
    std::erase_if(others.budgets, [&](const Budget& b) { return b.name == edit.budget; });
    auto budget = parse_(edit.document, others);
    if (budget) {
        budget->origin = "set by " + edit.by + " at " + to_string(edit.at);
    }
    return budget;
}

std::shared_ptr<const Config> Budgets::over(std::shared_ptr<const Config> file) {
    file_ = std::move(file);
    faults_.clear();
    if (edits_.empty()) {
        return file_;
    }
    auto merged = std::make_shared<Config>(*file_);
    for (const auto& [name, edit] : edits_) {
        auto budget = read(edit, *merged);
        if (budget) {
            put_into(merged->budgets, std::move(*budget));
        } else {
            faults_.push_back("budget " + name.value + ", set by " + edit.by +
                              ", does not fit: " + budget.error().text);
        }
    }
    return merged;
}

Task<Result<Budget>> Budgets::set(std::string document, std::string actor) {
    if (document.size() > document_bytes_max) {
        co_return fail(Errc::invalid, "a budget takes at most 16 KiB");
    }
    // Its name is only known once it is read; then it is read again without the one that it replaces.
    Config alone = *world_.config;
    alone.budgets.clear();
    auto named = parse_(document, alone);
    if (!named) {
        co_return std::unexpected(named.error());
    }
    BudgetEdit edit{.budget = named->name,
                    .document = std::move(document),
                    .by = std::move(actor),
                    .at = world_.scheduler.wall()};
    auto budget = read(edit, *world_.config);
    if (!budget) {
        co_return budget;
    }
    const auto& now = world_.config->budgets;
    if (now.size() >= budgets_max && std::ranges::find(now, budget->name, &Budget::name) == now.end()) {
        co_return fail(Errc::conflict, "there are " + std::to_string(budgets_max) + " budgets already");
    }
    auto done = co_await put(std::move(edit), "budget.set",
                             "budget " + budget->name.value + ": " + words_of(*budget));
    if (!done) {
        co_return std::unexpected(done.error());
    }
    co_return budget;
}

Task<Result<void>> Budgets::remove(BudgetName name, std::string actor) {
    const auto in_file = std::ranges::find(file_->budgets, name, &Budget::name);
    const bool there = in_file != file_->budgets.end();
    if (!edits_.contains(name)) {
        co_return there ? fail(Errc::conflict, "budget " + name.value + " stands in " + in_file->origin +
                                                   "; take it out there and run `curfew reload`")
                        : fail(Errc::not_found, "no budget is called so", name.value);
    }
    BudgetEdit edit{.budget = name, .document = {}, .by = std::move(actor), .at = world_.scheduler.wall()};
    co_return co_await put(
        std::move(edit), "budget.removed",
        "budget " + name.value + (there ? ": the one in " + in_file->origin + " is in force again" : ""));
}

Task<Result<void>> Budgets::put(BudgetEdit edit, std::string kind, std::string text) {
    Batch batch{edit, AuditRow{.seq = 0,
                               .at = edit.at,
                               .kind = std::move(kind),
                               .account = {},
                               .resource = {},
                               .run = {},
                               .actor = edit.by,
                               .text = std::move(text)}};
    auto done = co_await world_.store.commit(std::move(batch));
    if (!done) {
        co_return done;
    }
    BudgetName name = edit.budget;
    if (edit.document.empty()) {
        edits_.erase(name);
    } else {
        edits_.insert_or_assign(std::move(name), std::move(edit));
    }
    world_.config = over(file_);
    co_return co_await treasurer_.reload(world_.store, world_.config, world_.scheduler.now());
}

}  // namespace curfew
