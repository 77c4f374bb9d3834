// Money, durations, times, URLs, prices, names of files: what is read back is what was written.
#include "adapters/http/client.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/price_book.hpp"
#include "curfew/core/receipt.hpp"
#include "curfew/core/time.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace curfew;

namespace {

void must(bool holds) {
    if (!holds) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto money = parse_money(text)) {
        must(parse_money(to_decimal(*money)) == *money);
    }
    if (const auto duration = parse_duration(text)) {
        must(parse_duration(to_string(*duration)).has_value());
    }
    if (const auto time = parse_wall_time(text)) {
        must(parse_wall_time(to_string(*time)) == *time);
    }
    if (const auto url = http::parse_url(text)) {
        must(url->target.starts_with('/') && !url->origin.host.empty());
    }
    (void)PriceBook::parse_csv(text, "fuzz");
    (void)PriceBook{}.read_add_ons(text, "fuzz");
    (void)http::parse_http_date(text);
    const std::string local = local_path_for(text);
    for (const char c : local) {
        must(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F && c != '\\');
    }
    (void)path_glob_matches(text.substr(0, size / 2), text.substr(size / 2));
    return 0;
}
