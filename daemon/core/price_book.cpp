#include "curfew/core/price_book.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>
#include <utility>

namespace curfew {

namespace {

constexpr std::string_view header = "machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note";
constexpr std::string_view add_on_header = "kind,gb,usd_per_month,usd_per_hour,as_of,note";
constexpr std::size_t lines_max = 10'000;
constexpr std::int64_t gb_max = 1'000'000;
constexpr std::int64_t overage_max = std::int64_t{1} << 53;  // 8 PiB: more is no size, and money must hold it
constexpr std::int64_t bytes_per_gb = std::int64_t{1} << 30;
constexpr std::int64_t bytes_per_decimal_gb = 1'000'000'000;

constexpr std::array kinds{
    std::pair{std::string_view{"block_storage"}, AddOnKind::block_storage},
    std::pair{std::string_view{"public_ip"}, AddOnKind::public_ip},
    std::pair{std::string_view{"snapshot"}, AddOnKind::snapshot},
    std::pair{std::string_view{"shared_drive"}, AddOnKind::shared_drive},
    std::pair{std::string_view{"template"}, AddOnKind::template_image},
    std::pair{std::string_view{"private_network"}, AddOnKind::private_network},
    std::pair{std::string_view{"overage"}, AddOnKind::overage},
};

bool sized(AddOnKind kind) {
    return kind == AddOnKind::block_storage || kind == AddOnKind::snapshot ||
           kind == AddOnKind::shared_drive || kind == AddOnKind::template_image;
}

/// All fields but the last end at a comma; what follows is the note, commas and all.
template <std::size_t count>
std::array<std::string_view, count> split(std::string_view line) {
    std::array<std::string_view, count> fields{};
    for (std::size_t i = 0; i + 1 < count; ++i) {
        const std::size_t comma = line.find(',');
        fields[i] = line.substr(0, comma);
        line = comma == std::string_view::npos ? std::string_view{} : line.substr(comma + 1);
    }
    fields[count - 1] = line;
    return fields;
}

/// Spreadsheets put texts in quotes; taken as they stand they would name no machine type there is.
template <std::size_t count>
bool quoted(const std::array<std::string_view, count>& fields) {
    return std::any_of(fields.begin(), fields.end() - 1, [](auto field) { return field.contains('"'); });
}

constexpr const char* no_quotes = "this format has no quotes: write the row without them";

/// From when a row holds: "" = always.
Result<WallTime> since_of(std::string_view as_of, const std::string& where) {
    if (as_of.empty()) {
        return WallTime{};
    }
    const std::string text{as_of};
    const auto time = parse_wall_time(as_of.size() == 4    ? text + "-01-01T00:00:00Z"
                                      : as_of.size() == 10 ? text + "T00:00:00Z"
                                                           : text);
    if (!time) {
        return fail(Errc::invalid,
                    fmt::format("as_of must be a date, a year or a time with its zone, not \"{}\"",
                                as_of.substr(0, 40)),
                    where);
    }
    return *time;
}

Result<Money> price_of(std::string_view text, std::int64_t most, std::string_view unit,
                       const std::string& where) {
    const auto price = parse_money(text);
    if (!price) {
        return fail(Errc::invalid, price.error().text, where);
    }
    if (price->nanos < 0 || *price > Money{most * nanos_per_unit}) {
        return fail(Errc::invalid, fmt::format("a price must be between 0 and {} {}", most, unit), where);
    }
    return *price;
}

std::optional<std::int64_t> whole_number(std::string_view text, std::int64_t most) {
    std::int64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
    return whole && value >= 0 && value <= most ? std::optional{value} : std::nullopt;
}

Result<std::pair<std::string, Price>> parse_row(std::string_view line, const std::string& where) {
    const auto fields = split<7>(line);
    if (quoted(fields)) {
        return fail(Errc::invalid, no_quotes, where);
    }
    if (fields[0].empty()) {
        return fail(Errc::invalid, "a row without a machine type", where);
    }
    const auto rate = price_of(fields[1], 1000, "$/h", where);
    if (!rate) {
        return std::unexpected(rate.error());
    }
    const auto gpus = fields[2].empty() ? std::optional{std::int64_t{0}} : whole_number(fields[2], 64);
    if (!gpus) {
        return fail(Errc::invalid, "the number of GPUs is not a number from 0 to 64", where);
    }
    const auto since = since_of(fields[5], where);
    if (!since) {
        return std::unexpected(since.error());
    }
    return std::pair{std::string{fields[0]}, Price{.rate = Rate{*rate},
                                                   .gpus = static_cast<int>(*gpus),
                                                   .gpu = std::string{fields[3]},
                                                   .as_of = std::string{fields[5]},
                                                   .note = std::string{fields[6]},
                                                   .override_of_user = false,
                                                   .since = *since}};
}

/// Calls `each(line, where)` for every row below the header.
template <class Each>
Result<void> each_row(std::string_view text, std::string_view source, std::string_view wanted, Each&& each) {
    bool header_seen = false;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::string where = fmt::format("{}:{}", source, number);
        if (number > lines_max) {
            return fail(Errc::too_large, fmt::format("more than {} lines", lines_max), where);
        }
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        if (!header_seen) {
            if (line != wanted) {
                return fail(Errc::invalid, fmt::format("expected the header \"{}\"", wanted), where);
            }
            header_seen = true;
            continue;
        }
        if (auto good = each(line, where); !good) {
            return good;
        }
    }
    return header_seen ? Result<void>{} : fail(Errc::invalid, "no header", std::string{source});
}

/// The newest of `rows` (oldest first) that is not later than `at`.
const Price* newest_at(const std::vector<Price>& rows, WallTime at) {
    const auto later = std::ranges::upper_bound(rows, at, {}, &Price::since);
    return later == rows.begin() ? nullptr : &*std::prev(later);
}

void sort_once(std::vector<WallTime>& times) {
    std::ranges::sort(times);
    times.erase(std::ranges::unique(times).begin(), times.end());
}

}  // namespace

Result<PriceBook> PriceBook::parse_csv(std::string_view text, std::string_view source) {
    PriceBook book;
    auto read = each_row(text, source, header, [&](std::string_view line, const std::string& where) {
        auto row = parse_row(line, where);
        if (!row) {
            return Result<void>{std::unexpected(row.error())};
        }
        std::vector<Price>& rows = book.prices_[row->first].shipped;
        const auto place = std::ranges::lower_bound(rows, row->second.since, {}, &Price::since);
        if (place != rows.end() && place->since == row->second.since) {
            return Result<void>{fail(Errc::invalid, "this machine type has a row already", where)};
        }
        rows.insert(place, std::move(row->second));
        return Result<void>{};
    });
    if (!read) {
        return std::unexpected(read.error());
    }
    for (const auto& [type, history] : book.prices_) {
        book.note_newest(type, history);
    }
    return book;
}

Result<PriceBook::Step> PriceBook::parse_step(std::string_view line, AddOnKind& kind,
                                              const std::string& where) {
    const auto fields = split<6>(line);
    if (quoted(fields)) {
        return fail(Errc::invalid, no_quotes, where);
    }
    const auto known = std::ranges::find(kinds, fields[0], [](const auto& entry) { return entry.first; });
    if (known == kinds.end()) {
        return fail(Errc::invalid, fmt::format("no kind of add-on: \"{}\"", fields[0].substr(0, 40)), where);
    }
    kind = known->second;
    Step step;
    if (sized(kind)) {
        step.gb = whole_number(fields[1], gb_max);
        if (!step.gb || *step.gb == 0) {
            return fail(Errc::invalid, fmt::format("gb is not a number from 1 to {}", gb_max), where);
        }
    } else if (!fields[1].empty()) {
        return fail(Errc::invalid, fmt::format("the price of {} is of any size: gb must be empty", fields[0]),
                    where);
    }
    if (!fields[2].empty()) {
        const auto price = price_of(fields[2], kind == AddOnKind::overage ? 100 : 100'000, "$/month", where);
        if (!price) {
            return std::unexpected(price.error());
        }
        step.per_month = *price;
    }
    if (!fields[3].empty()) {
        const auto price = price_of(fields[3], 1000, "$/h", where);
        if (!price) {
            return std::unexpected(price.error());
        }
        step.per_hour = Rate{*price};
    }
    const auto since = since_of(fields[4], where);
    if (!since) {
        return std::unexpected(since.error());
    }
    step.as_of = fields[4];
    step.since = *since;
    return step;
}

Result<void> PriceBook::read_add_ons(std::string_view text, std::string_view source) {
    return each_row(text, source, add_on_header, [&](std::string_view line, const std::string& where) {
        AddOnKind kind{};
        auto step = parse_step(line, kind, where);
        if (!step) {
            return Result<void>{std::unexpected(step.error())};
        }
        std::vector<Step>& steps = steps_[kind];
        if (std::ranges::any_of(steps,
                                [&](const Step& s) { return s.gb == step->gb && s.since == step->since; })) {
            return Result<void>{fail(Errc::invalid, "this size has a row already", where)};
        }
        steps.push_back(std::move(*step));
        return Result<void>{};
    });
}

void PriceBook::note_newest(const std::string& type, const History& history) {
    newest_.insert_or_assign(type, history.own.empty() ? history.shipped.back() : history.own.back());
}

void PriceBook::merge(const PriceBook& overrides) {
    for (const auto& [type, history] : overrides.prices_) {
        History& mine = prices_[type];
        mine.own = history.shipped;
        for (Price& price : mine.own) {
            price.override_of_user = true;
        }
        note_newest(type, mine);
    }
    for (const auto& [kind, steps] : overrides.steps_) {
        for (Step step : steps) {
            step.override_of_user = true;
            steps_[kind].push_back(std::move(step));
        }
    }
}

const Price* PriceBook::find(std::string_view machine_type, WallTime at) const {
    if (const auto found = prices_.find(machine_type); found != prices_.end()) {
        const History& history = found->second;
        if (const Price* own = newest_at(history.own, at)) {
            return own;
        }
        if (history.shipped.empty()) {
            return &history.own.front();
        }
        const Price* shipped = newest_at(history.shipped, at);
        return shipped != nullptr ? shipped : &history.shipped.front();
    }
    static const Price free{.rate = {}, .gpus = 0, .gpu = {}, .as_of = "always", .note = "free machine"};
    return machine_type.starts_with("Free-") ? &free : nullptr;
}

AddOnPrice PriceBook::find(AddOnKind kind, std::int64_t bytes, WallTime at) const {
    AddOnPrice price{.sku = std::string{to_string(kind)}, .tariff = {}, .as_of = {}};
    const auto steps = steps_.find(kind);
    // Of each size the row that holds at `at`, as with machine types; of the sizes the smallest that is enough.
    std::map<std::int64_t, const Step*> holding;
    const auto rank = [&](const Step& step) {
        const bool begun = step.since <= at;
        return std::tuple{begun, begun && step.override_of_user,
                          begun ? step.since : WallTime{-step.since.ms}};
    };
    if (steps != steps_.end()) {
        for (const Step& step : steps->second) {
            const Step*& best = holding[step.gb.value_or(0)];
            best = best == nullptr || rank(*best) < rank(step) ? &step : best;
        }
    }
    const std::int64_t gb = bytes / bytes_per_gb + (bytes % bytes_per_gb != 0 ? 1 : 0);
    const auto found = sized(kind) ? holding.lower_bound(std::max<std::int64_t>(gb, 1)) : holding.begin();
    if (sized(kind)) {
        const bool known = found != holding.end() && found->second->per_month;
        price.sku += fmt::format(" {} GB", known ? found->first : gb);
    }
    const bool no_size = kind == AddOnKind::overage && (bytes < 0 || bytes > overage_max);
    if (found == holding.end() || !found->second->per_month || no_size) {
        return price;
    }
    const Step& step = *found->second;
    price.tariff.monthly_cap = kind == AddOnKind::overage
                                   ? part_of(*step.per_month, bytes, bytes_per_decimal_gb)
                                   : *step.per_month;
    price.tariff.rate = kind == AddOnKind::overage ? std::nullopt : step.per_hour;
    price.as_of = step.as_of;
    price.override_of_user = step.override_of_user;
    return price;
}

std::vector<WallTime> PriceBook::changes(std::string_view machine_type, WallTime after,
                                         WallTime until) const {
    std::vector<WallTime> times;
    if (const auto found = prices_.find(machine_type); found != prices_.end()) {
        for (const std::vector<Price>* rows : {&found->second.own, &found->second.shipped}) {
            for (const Price& price : *rows) {
                if (price.since > after && price.since <= until) {
                    times.push_back(price.since);
                }
            }
        }
    }
    sort_once(times);
    return times;
}

std::vector<WallTime> PriceBook::changes(AddOnKind kind, WallTime after, WallTime until) const {
    std::vector<WallTime> times;
    if (const auto found = steps_.find(kind); found != steps_.end()) {
        for (const Step& step : found->second) {
            if (step.since > after && step.since <= until) {
                times.push_back(step.since);
            }
        }
    }
    sort_once(times);
    return times;
}

}  // namespace curfew
