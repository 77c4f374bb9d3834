// What a machine type costs. Data, not code: the shipped table plus the user's overrides.
#pragma once

#include "curfew/core/money.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace curfew {

struct Price {
    Rate rate;
    int gpus = 0;
    std::string gpu;
    std::string as_of;  // "2025-11-14" or a bare year
    std::string note;
    bool override_of_user = false;
};

class PriceBook {
public:
    /// Reads CSV text as shipped (`#` comments, header
    /// `machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note`; the note may hold no comma-
    /// free guarantee: it is the rest of the line). Rates 0 … 1000 $/h. Errors name `source:line`.
    static Result<PriceBook> parse_csv(std::string_view text, std::string_view source);

    /// Rows of `overrides` win.
    void merge(const PriceBook& overrides);

    /// nullptr = unpriced: shown loudly, never taken for 0. Types that begin with "Free-" cost 0.
    const Price* find(std::string_view machine_type) const;

    const std::map<std::string, Price, std::less<>>& rows() const { return rows_; }

private:
    std::map<std::string, Price, std::less<>> rows_;
};

}  // namespace curfew
