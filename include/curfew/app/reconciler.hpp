// Puts the provider's own figure beside ours, where an account has one. It is kept and compared; it never
// replaces a row.
#pragma once

#include "curfew/app/alarms.hpp"
#include "curfew/app/world.hpp"

#include <optional>

namespace curfew {

class Reconciler {
public:
    Reconciler(World& world, Alarms& alarms, AccountName account);

    /// Asks at most once an hour. A figure that is new goes into the batch and the picture, and is compared with
    /// ours: further off than max(5 %, $1) is `drift`. Only a month that was watched from its first minute
    /// is compared. What cannot be read three times in a row is told.
    Task<void> ask(Batch& batch);

private:
    Task<bool> watched_from(WallTime month) const;
    Task<std::optional<Money>> accrued(const Reported& reported) const;
    void failed(const Error& error, Batch& batch);
    void judge(const ReportedRow& row, Money ours, Batch& batch);

    World& world_;
    Alarms& alarms_;
    AccountName account_;
    std::optional<Instant> asked_;
    int failures_ = 0;  // in a row
    WallTime failing_since_;
};

}  // namespace curfew
