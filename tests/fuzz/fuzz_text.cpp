// Words that become values: money, times, durations, calendars, addresses, prices, names of files, manifests, keep
// links. A letter says which. What is read back is what was written, and what is shown is harmless.
#include "adapters/http/addresses.hpp"
#include "adapters/http/client.hpp"
#include "adapters/vault/manifest.hpp"
#include "curfew/core/keep_link.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/price_book.hpp"
#include "curfew/core/receipt.hpp"
#include "curfew/core/rule.hpp"
#include "curfew/core/schedule.hpp"
#include "curfew/core/text.hpp"
#include "curfew/core/time.hpp"
#include "fuzz/fuzzed_data.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

using namespace curfew;
using curfew::fuzz::FuzzedData;
using curfew::fuzz::must;

namespace {

constexpr WallTime now{1'795'399'800'000};

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

const Zone& rome() {
    static const Zone zone{
        .name = "Europe/Rome",
        .first_offset = hours{1},
        .transitions = {{WallTime{1'774'746'000'000}, hours{2}}, {WallTime{1'792'890'000'000}, hours{1}}}};
    return zone;
}

void money(std::string_view text) {
    const auto amount = parse_money(text);
    if (!amount) {
        return;
    }
    must(parse_money(to_decimal(*amount)) == *amount);
    must(!to_string(*amount).empty());
    if (amount->nanos >= 0 && amount->nanos < 1000 * nanos_per_unit) {
        const auto hour = cost_of(Rate{*amount}, hours{1});
        must(hour == *amount);
        const auto third = part_of(*amount, 1, 3);
        must(third.nanos >= 0 && third.nanos * 3 - amount->nanos <= 2 &&
             amount->nanos - third.nanos * 3 <= 2);
    }
}

void time(std::string_view text) {
    if (const auto length = parse_duration(text)) {
        const std::string words = to_string(*length);
        const auto again = parse_duration(words);
        must(again && to_string(*again) == words && *length - *again < seconds{1});
    }
    if (const auto at = parse_wall_time(text)) {
        must(parse_wall_time(to_string(*at)) == *at);
        const Date day = local_date(*at, Zone{});
        must(civil_from_days(days_from_civil(day)) == day);
        for (const Zone* zone : {&rome()}) {
            const Period month = month_of(*at, *zone);
            must(month.from <= *at && *at < month.to);
            const Period today = day_of(*at, *zone);
            must(today.from <= *at && *at < today.to && today.from >= month.from && today.to <= month.to);
        }
    }
    http::Response response;
    response.headers.emplace_back("Retry-After", std::string{text});
    const auto wait = http::retry_after_of(response, now);
    must(!wait || (*wait >= Duration{0} && *wait <= minutes{10}));
    (void)http::parse_http_date(text);
}

/// Off hours, one a line, and holidays.
void calendar(FuzzedData& in) {
    std::vector<OffHours> weekly;
    std::vector<Date> holidays;
    std::string_view all = in.rest();
    while (!all.empty() && weekly.size() + holidays.size() < 6) {
        const std::size_t end = std::min(all.find('\n'), all.size());
        const std::string_view line = all.substr(0, end);
        all.remove_prefix(std::min(end + 1, all.size()));
        if (const auto hours = parse_off_hours(line)) {
            must(hours->days != 0 && hours->days < 128 && hours->from_minute >= 0 &&
                 hours->from_minute < 1440 && hours->to_minute >= 0 && hours->to_minute <= 1440);
            weekly.push_back(*hours);
        }
        if (const auto date = parse_date(line)) {
            must(civil_from_days(days_from_civil(*date)) == *date);
            holidays.push_back(*date);
        }
        if (const auto when = parse_weekly_time(line)) {
            must(parse_weekly_time(to_string(*when)) == *when);
            const WallTime last = last_weekly(*when, now, rome());
            const WallTime next = next_weekly(*when, now, rome());
            must(last <= now && now < next && next - last <= hours{24 * 7 + 1});
        }
    }
    if (weekly.empty() && holidays.empty()) {
        return;
    }
    const Schedule schedule(rome(), weekly, holidays);
    const auto next = schedule.next_boundary(now);
    must(!next || (*next > now && schedule.off_at(*next) != schedule.off_at(now)));
    const auto window = schedule.window_at(now);
    must(window.has_value() == schedule.off_at(now));
    must(!window || (window->from <= now && now < window->to));
    must(!schedule.covers_week() || schedule.off_at(now));
}

void address(std::string_view text) {
    if (const auto url = http::parse_url(text)) {
        must(url->target.starts_with('/') && !url->origin.host.empty() && url->origin.port != 0);
        must(std::ranges::none_of(url->target, [](char c) { return c == ' ' || is_control(c); }));
        const std::string host = url->origin.host.find(':') == std::string::npos
                                     ? url->origin.host
                                     : "[" + url->origin.host + "]";
        const auto again = http::parse_url(url->origin.scheme + "://" + host + ":" +
                                           std::to_string(url->origin.port) + url->target);
        must(again && again->origin == url->origin && again->target == url->target);
    }
    if (const auto network = http::parse_network(text)) {
        must(network->bits >= 0 && network->bits <= 128);
    }
    boost::system::error_code error;
    if (const auto ip = boost::asio::ip::make_address(text, error); !error) {
        must(!http::check_address(ip, {.allow_near = true, .allowed = {}, .plain = false}) ||
             http::reach_of(ip) == http::Reach::open || http::reach_of(ip) == http::Reach::near);
        must(http::check_address(ip, {}).has_value() == http::is_public(ip));
    }
    for (const char c : http::percent_encode(text)) {
        must(c > ' ' && c < 0x7F && c != '/' && c != '?' && c != '#');
    }
}

void prices(std::string_view text) {
    if (const auto book = PriceBook::parse_csv(text, "fuzz.csv")) {
        for (const auto& [type, price] : book->rows()) {
            must(price.rate.per_hour.nanos >= 0 && price.rate.per_hour.nanos <= 1000 * nanos_per_unit);
            must(book->find(type, now) != nullptr);
            const auto changes = book->changes(type, WallTime{0}, now);
            must(std::ranges::is_sorted(changes));
        }
        PriceBook merged = *book;
        merged.merge(*book);
        must(merged.rows().size() == book->rows().size());
    } else {
        must(book.error().where.starts_with("fuzz.csv") ||
             book.error().text.find("fuzz.csv") != std::string::npos);
    }
}

void add_on_prices(std::string_view text) {
    PriceBook book;
    if (book.read_add_ons(text, "fuzz.csv")) {
        for (int kind = 0; kind <= static_cast<int>(AddOnKind::machine); ++kind) {
            for (const std::int64_t bytes : {0LL, 1LL, 50LL << 30, 1LL << 50}) {
                (void)book.find(static_cast<AddOnKind>(kind), bytes, now);
            }
        }
    }
}

/// Two names of a guest never become one place of ours, and no place is outside.
void names(FuzzedData& in) {
    const std::string_view first = in.piece();
    const std::string_view second = in.piece();
    const std::string local = local_path_for(first);
    must(std::ranges::none_of(local, [](char c) { return is_control(c) || c == '\\'; }));
    std::string_view rest = local;
    while (true) {
        const std::size_t end = std::min(rest.find('/'), rest.size());
        must(check_name(rest.substr(0, end)).has_value() && !rest.starts_with('-'));
        if (end == rest.size()) {
            break;
        }
        rest.remove_prefix(end + 1);
    }
    const bool both = !first.empty() && !second.empty();  // what has no name is no file
    must(!both || first == second || local != local_path_for(second));
    const std::string line = sha256sums_line({}, first);
    must(line.ends_with('\n') && line.find_first_of("\n\r") == line.size() - 1);
    must(path_glob_matches("**", first));
    must(first.find_first_of("*?") != first.npos || path_glob_matches(first, first));
    must(first.find_first_of("*?") != first.npos || path_glob_matches(first, second) == (first == second));
    (void)path_glob_matches(first, second);
    (void)glob_matches(first, second);
}

void manifest(std::string_view text) {
    const auto entries = vault::parse_manifest(text, "manifest.jsonl");
    if (!entries) {
        must(entries.error().code == Errc::corrupt);
        return;
    }
    for (const ManifestEntry& entry : *entries) {
        must(entry.size >= 0 && entry.attempts >= 0);
    }
    const std::string written = vault::manifest_text(*entries);
    const auto again = vault::parse_manifest(written, "manifest.jsonl");
    must(again && again->size() == entries->size() && vault::manifest_text(*again) == written);
}

void receipt(FuzzedData& in) {
    const std::string any{in.piece()};
    (void)vault::run_of_receipt(any);
    Receipt r;
    r.id = ReceiptId{any};
    r.run = RunId{plain_line(in.piece())};
    r.resource_name = any;
    r.not_covered.push_back({.what = any, .why = any, .listed = true});
    r.begun_at = now;
    must(vault::run_of_receipt(vault::receipt_text(r)) == r.run.value && r.partial());
    must(check_name(vault::snapshot_name(r).substr(0, 255)).has_value() ||
         any.find('/') != std::string::npos);
}

/// Signed by nobody, so that the fuzzer can sign as well.
void keep_link(FuzzedData& in) {
    const KeepMac mac = [](std::string_view) { return std::string(32, '\0'); };
    const std::string_view token = in.piece();
    if (const auto link = read_keep_token(token, mac)) {
        must(keep_token(*keep_payload(*link), mac) == token && link->length > Duration{0});
    }
    if (const auto link = read_keep_token(std::string{token} + "." + std::string(43, 'A'), mac)) {
        must(keep_payload(*link) == token);
    }
    const KeepLink link{.resource = ResourceId{std::string{in.piece()}},
                        .run = RunId{std::string{in.piece()}},
                        .valid_until = WallTime{in.number()},
                        .length = Duration{in.number()},
                        .warning = std::string{in.piece()}};
    if (const auto payload = keep_payload(link)) {
        must(read_keep_payload(*payload) == link);
        must(token_of_keep_url(keep_url({.listen = "127.0.0.1:1", .public_url = "https://k"}, *payload)) ==
             *payload);
    }
}

void shown(FuzzedData& in) {
    const unsigned most = in.byte();
    const TextUnit unit = in.flag() ? TextUnit::bytes : TextUnit::utf16;
    const bool html = in.flag();
    const std::string_view text = in.rest();
    const std::string line = plain_line(text);
    must(plain_line(line) == line && std::ranges::none_of(line, is_control));
    must(plain_lines(plain_lines(text)) == plain_lines(text));
    const std::string cut = fitted(line, most, unit, html ? &escape_html : &unescaped);
    must(length_in(unit, cut) <= most);
    must(plain_line(cut) == cut);
    must(!html || cut.find_first_of("<>\"") == cut.npos);
}

}  // namespace

CURFEW_FUZZ_TARGET(text) {
    FuzzedData in(data);
    switch (in.byte()) {
        case '$':
            return money(in.rest());
        case 't':
            return time(in.rest());
        case 'c':
            return calendar(in);
        case 'u':
            return address(in.rest());
        case 'p':
            return prices(in.rest());
        case 'a':
            return add_on_prices(in.rest());
        case 'n':
            return names(in);
        case 'm':
            return manifest(in.rest());
        case 'r':
            return receipt(in);
        case 'k':
            return keep_link(in);
        default:
            return shown(in);
    }
}
