#include "billing.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace emulator {
namespace {

__extension__ using Wide = __int128;

constexpr Nanos per_dollar = 1'000'000'000;
constexpr Millis per_hour_ms = 3'600'000;
constexpr Nanos overage_per_gigabyte = 290'000'000;

Nanos divide_half_even(Wide dividend, Wide divisor) {
    if (dividend < 0) {
        return -divide_half_even(-dividend, divisor);
    }
    Wide quotient = dividend / divisor;
    const Wide twice = (dividend % divisor) * 2;
    if (twice > divisor || (twice == divisor && quotient % 2 != 0)) {
        ++quotient;
    }
    return static_cast<Nanos>(quotient);
}

std::vector<std::string> cells_of(const std::string& line) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (const char c : line) {
        if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            cells.emplace_back();
        } else if (c != '\r') {
            cells.back().push_back(c);
        }
    }
    return cells;
}

struct Step {
    std::int64_t gigabytes;
    Nanos cap;
    Nanos printed;
};

template <std::size_t count>
AddOn step_for(const std::string& name, const Step (&steps)[count], std::int64_t gigabytes) {
    const Step* found = std::ranges::find_if(
        steps, [gigabytes](const Step& step) { return gigabytes <= step.gigabytes; });
    const Step& step = found == std::end(steps) ? steps[count - 1] : *found;
    return {name + " " + std::to_string(step.gigabytes) + " GB", step.cap, step.printed};
}

bool is_free(const std::string& type) {
    return type.starts_with("Free-");
}

}  // namespace

std::optional<Nanos> parse_nanos(std::string_view text) {
    Nanos value = 0;
    int decimals = -1;
    int count = 0;
    for (const char c : text) {
        if (c == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (c < '0' || c > '9' || ++count > 18) {
            return std::nullopt;
        }
        value = value * 10 + (c - '0');
        if (decimals >= 0) {
            ++decimals;
        }
    }
    if (count == 0 || decimals > 9) {
        return std::nullopt;
    }
    for (int i = std::max(decimals, 0); i < 9; ++i) {
        if (value > INT64_MAX / 10) {
            return std::nullopt;
        }
        value *= 10;
    }
    return value;
}

std::string format_nanos(Nanos amount) {
    const std::string sign = amount < 0 ? "-" : "";
    const auto size = static_cast<std::uint64_t>(amount < 0 ? -amount : amount);
    std::string decimals = std::to_string(size % per_dollar);
    decimals.insert(0, 9 - decimals.size(), '0');
    return sign + std::to_string(size / per_dollar) + "." + decimals;
}

std::string format_rate(Nanos amount) {
    std::string text = format_nanos(amount);
    const std::size_t shortest = text.find('.') + 3;
    while (text.size() > shortest && text.back() == '0') {
        text.pop_back();
    }
    return text;
}

Nanos charge(Nanos per_hour, Millis span) {
    return divide_half_even(Wide{per_hour} * span, per_hour_ms);
}

void PriceBook::load(const std::string& path) {
    std::ifstream file{path};
    if (!file) {
        throw std::runtime_error{"cannot read the price list " + path};
    }
    std::string line;
    int number = 0;
    while (std::getline(file, line)) {
        ++number;
        if (line.empty() || line.front() == '#' || line.starts_with("machine_type,")) {
            continue;
        }
        const auto cells = cells_of(line);
        const auto price = cells.size() > 1 ? parse_nanos(cells[1]) : std::nullopt;
        if (!price) {
            throw std::runtime_error{path + ":" + std::to_string(number) + ": no price"};
        }
        prices_[cells[0]] = {{0, *price}};
        MachineType type;
        if (cells.size() > 4) {
            type.gpus = std::atoi(cells[2].c_str());
            type.gpu = cells[3];
            type.vram = cells[4];
        }
        hardware_[cells[0]] = type;
    }
}

void PriceBook::set(const std::string& type, Nanos per_hour, Millis at) {
    auto& changes = prices_[type];
    if (changes.empty()) {
        at = 0;  // a type without a price gets this one from the beginning
    }
    changes.push_back({at, per_hour});
}

std::optional<Nanos> PriceBook::rate(const std::string& type, Millis at) const {
    if (is_free(type)) {
        return 0;
    }
    const auto found = prices_.find(type);
    if (found == prices_.end()) {
        return std::nullopt;
    }
    std::optional<Nanos> rate;
    for (const Change& change : found->second) {
        if (change.at <= at) {
            rate = change.per_hour;
        }
    }
    return rate;
}

const MachineType* PriceBook::hardware(const std::string& type) const {
    auto found = hardware_.find(type);
    if (found == hardware_.end() && is_free(type)) {
        found = hardware_.find(type.substr(5));
    }
    return found == hardware_.end() ? nullptr : &found->second;
}

std::vector<std::string> PriceBook::types() const {
    std::vector<std::string> out;
    for (const auto& [type, changes] : prices_) {
        out.push_back(type);
    }
    return out;
}

std::vector<PriceBook::Segment> PriceBook::segments(const std::string& type, Millis from, Millis to) const {
    std::vector<Millis> cuts{from};
    if (const auto found = prices_.find(type); found != prices_.end()) {
        for (const Change& change : found->second) {
            if (change.at > from && change.at < to) {
                cuts.push_back(change.at);
            }
        }
    }
    cuts.push_back(to);
    std::vector<Segment> out;
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
        const auto price = rate(type, cuts[i]);
        out.push_back({cuts[i], cuts[i + 1], price.value_or(0), price.has_value()});
    }
    return out;
}

AddOn block_storage(std::int64_t gigabytes) {
    static constexpr Step steps[] = {
        {50, 5 * per_dollar, 7'400'000},     {100, 7 * per_dollar, 10'400'000},
        {250, 10 * per_dollar, 14'900'000},  {500, 25 * per_dollar, 37'200'000},
        {1024, 55 * per_dollar, 81'800'000}, {2048, 120 * per_dollar, 178'600'000},
    };
    return step_for("block storage", steps, gigabytes);
}

AddOn shared_drive(std::int64_t gigabytes) {
    static constexpr Step steps[] = {{250, 16 * per_dollar, 23'800'000},
                                     {2048, 130 * per_dollar, 193'500'000},
                                     {81'920, 5200 * per_dollar, 7'738'100'000}};
    return step_for("shared drive", steps, gigabytes);
}

AddOn snapshot(std::int64_t gigabytes) {
    static constexpr Step steps[] = {{50, 1 * per_dollar, 1'500'000}, {2048, 8 * per_dollar, 11'900'000}};
    return step_for("snapshot", steps, gigabytes);
}

AddOn custom_template(std::int64_t gigabytes) {
    static constexpr Step steps[] = {{50, 7 * per_dollar / 2, 5'200'000},
                                     {2048, 42 * per_dollar, 62'500'000}};
    return step_for("template", steps, gigabytes);
}

AddOn private_network() {
    return {"private network", per_dollar, 1'500'000};
}

AddOn public_ip() {
    return {"public IP", 3 * per_dollar, 4'500'000};
}

AddOn storage_overage(std::int64_t bytes, bool gibibytes) {
    const Nanos cap = divide_half_even(Wide{overage_per_gigabyte} * bytes,
                                       gibibytes ? Wide{1} << 30 : Wide{1'000'000'000});
    return {"storage overage", cap, divide_half_even(cap, 672)};
}

Nanos add_on_charge(const AddOn& add_on, Millis used) {
    return std::min(add_on.monthly_cap,
                    divide_half_even(Wide{add_on.monthly_cap} * used, Wide{672} * per_hour_ms));
}

std::string format_cents(Nanos amount) {
    const std::string text = format_nanos(divide_half_even(amount, 10'000'000) * 10'000'000);
    return text.substr(0, text.size() - 7);
}

}  // namespace emulator
