// Budgets that people set at run time: durable and audited, in force beside those of the configuration or
// instead of the one with the same name, also after a restart or a reload.
#pragma once

#include "curfew/app/treasurer.hpp"
#include "curfew/app/world.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace curfew {

class Budgets {
public:
    /// Reads one [[budget]] block; what it leaves out and what it may not contradict stands in the
    /// configuration. Reading is an adapter's.
    using Parse = std::function<Result<Budget>(const std::string& document, const Config& config)>;

    Budgets(World& world, Treasurer& treasurer, Parse parse);

    void load(std::vector<BudgetEdit> edits);
    /// The configuration with what was set over it. One that can be read no more is left out, and named in `faults`
    /// until it is removed, set anew or fits again.
    std::shared_ptr<const Config> over(std::shared_ptr<const Config> file);
    const std::vector<std::string>& faults() const { return faults_; }

    /// The errors of these are Control's.
    Task<Result<Budget>> set(std::string document, std::string actor);
    Task<Result<void>> remove(BudgetName name, std::string actor);

private:
    Result<Budget> read(const BudgetEdit& edit, const Config& config) const;
    /// Writes the edit; then it counts.
    Task<Result<void>> put(BudgetEdit edit, std::string kind, std::string text);

    World& world_;
    Treasurer& treasurer_;
    Parse parse_;
    std::shared_ptr<const Config> file_;  // as it stands, without edits
    std::map<BudgetName, BudgetEdit> edits_;
    std::vector<std::string> faults_;
};

}  // namespace curfew
