#include "curfew/core/price_book.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

namespace curfew {

namespace {

constexpr std::string_view header = "machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note";
constexpr std::size_t lines_max = 10'000;

/// The first six commas separate; what follows is the note, commas and all.
std::array<std::string_view, 7> split(std::string_view line) {
    std::array<std::string_view, 7> fields{};
    for (std::size_t i = 0; i < 6; ++i) {
        const std::size_t comma = line.find(',');
        fields[i] = line.substr(0, comma);
        line = comma == std::string_view::npos ? std::string_view{} : line.substr(comma + 1);
    }
    fields[6] = line;
    return fields;
}

Result<std::pair<std::string, Price>> parse_row(std::string_view line, const std::string& where) {
    const auto fields = split(line);
    if (fields[0].empty()) {
        return fail(Errc::invalid, "a row without a machine type", where);
    }
    const auto rate = parse_money(fields[1]);
    if (!rate) {
        return fail(Errc::invalid, rate.error().text, where);
    }
    if (rate->nanos < 0 || *rate > Money{1000 * nanos_per_unit}) {
        return fail(Errc::invalid, "a price must be between 0 and 1000 $/h", where);
    }
    int gpus = 0;
    const auto parsed = std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), gpus);
    if (!fields[2].empty() && (parsed.ec != std::errc{} ||
                               parsed.ptr != fields[2].data() + fields[2].size() || gpus < 0 || gpus > 64)) {
        return fail(Errc::invalid, "the number of GPUs is not a number from 0 to 64", where);
    }
    return std::pair{std::string{fields[0]}, Price{.rate = Rate{*rate},
                                                   .gpus = gpus,
                                                   .gpu = std::string{fields[3]},
                                                   .as_of = std::string{fields[5]},
                                                   .note = std::string{fields[6]}}};
}

}  // namespace

Result<PriceBook> PriceBook::parse_csv(std::string_view text, std::string_view source) {
    PriceBook book;
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
            if (line != header) {
                return fail(Errc::invalid, fmt::format("expected the header \"{}\"", header), where);
            }
            header_seen = true;
            continue;
        }
        auto row = parse_row(line, where);
        if (!row) {
            return std::unexpected(row.error());
        }
        if (!book.rows_.insert(std::move(*row)).second) {
            return fail(Errc::invalid, "this machine type has a row already", where);
        }
    }
    if (!header_seen) {
        return fail(Errc::invalid, "no header", std::string{source});
    }
    return book;
}

void PriceBook::merge(const PriceBook& overrides) {
    for (const auto& [type, price] : overrides.rows_) {
        Price& mine = rows_[type];
        mine = price;
        mine.override_of_user = true;
    }
}

const Price* PriceBook::find(std::string_view machine_type) const {
    if (const auto found = rows_.find(machine_type); found != rows_.end()) {
        return &found->second;
    }
    static const Price free{.rate = {}, .gpus = 0, .gpu = {}, .as_of = "always", .note = "free machine"};
    return machine_type.starts_with("Free-") ? &free : nullptr;
}

}  // namespace curfew
