// What the provider really charges: computed here a second time, on purpose by other code than Curfew's.
#pragma once

#include "clock.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emulator {

using Nanos = std::int64_t;

/// "0.76" -> 760000000; nothing for texts that are not a plain decimal with at most nine decimals.
std::optional<Nanos> parse_nanos(std::string_view text);
/// Always nine decimals: "12.340000000".
std::string format_nanos(Nanos amount);
/// The shortest text with at least two decimals: "0.76", "0.0045".
std::string format_rate(Nanos amount);
/// per_hour for `span`, rounded once, half to even.
Nanos charge(Nanos per_hour, Millis span);

struct MachineType {
    int gpus = 0;
    std::string gpu;
    std::string vram;
};

class PriceBook {
public:
    /// Reads the CSV of the price list; throws std::runtime_error with the reason.
    void load(const std::string& path);
    void set(const std::string& type, Nanos per_hour, Millis at);
    /// Types with the prefix Free- cost nothing, known or not.
    [[nodiscard]] std::optional<Nanos> rate(const std::string& type, Millis at) const;
    [[nodiscard]] const MachineType* hardware(const std::string& type) const;
    [[nodiscard]] bool knows(const std::string& type) const { return prices_.contains(type); }
    [[nodiscard]] std::vector<std::string> types() const;

    struct Segment {
        Millis from;
        Millis to;
        Nanos per_hour;
        bool priced;
    };
    /// [from, to) cut where the price changed.
    [[nodiscard]] std::vector<Segment> segments(const std::string& type, Millis from, Millis to) const;

private:
    struct Change {
        Millis at;
        Nanos per_hour;
    };
    std::map<std::string, std::vector<Change>> prices_;
    std::map<std::string, MachineType> hardware_;
};

/// An add-on of the price list: its rate is cap / 672 per hour until the month's cap is reached.
struct AddOn {
    std::string name;
    Nanos monthly_cap;
    Nanos printed_per_hour;
};
/// Each takes the smallest listed step that holds the size, the largest one for anything above.
AddOn block_storage(std::int64_t gigabytes);
AddOn shared_drive(std::int64_t gigabytes);
AddOn snapshot(std::int64_t gigabytes);
AddOn custom_template(std::int64_t gigabytes);
AddOn private_network();
AddOn public_ip();
/// The team's storage above its plan: $0.29 a GB and month, of 10^9 or of 2^30 bytes.
AddOn storage_overage(std::int64_t bytes, bool gibibytes);
/// What `add_on` costs once it was there for `used` of one calendar month.
Nanos add_on_charge(const AddOn& add_on, Millis used);
/// To whole cents, half to even: "11.21".
std::string format_cents(Nanos amount);

}  // namespace emulator
