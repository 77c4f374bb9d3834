// The bill, for all time or for one month, and the balance that the billing side tells of it.
#include "emulator.hpp"

#include <algorithm>
#include <map>

namespace emulator {
namespace {

using Span = std::pair<Millis, std::optional<Millis>>;

struct Bill {
    Millis begin;  // what lies before it or after `end` is left out
    Millis end;
    Millis at;  // what goes on then is open
    json lines = json::array();
    Nanos total = 0;
    Nanos closed = 0;
    Nanos compute = 0;
    Nanos add_ons = 0;
    bool unpriced = false;

    void line(json row, Millis from, Millis to, Nanos amount, bool goes_on) {
        row["from"] = iso(from);
        row["to"] = iso(to);
        row["seconds"] = static_cast<double>(to - from) / 1000;
        row["amount"] = format_nanos(amount);
        row["open"] = goes_on;
        lines.push_back(std::move(row));
        total += amount;
        closed += goes_on ? 0 : amount;
    }

    [[nodiscard]] bool open(Millis to, const std::optional<Millis>& ended) const {
        return to == at && (!ended || *ended > at);
    }

    void compute_line(const Emulator& emulator, const std::string& resource, const std::string& run,
                      const std::string& type, Millis from, std::optional<Millis> ended) {
        const Millis to = std::min(ended.value_or(end), end);
        from = std::max(from, begin);
        if (from > to) {
            return;
        }
        const bool goes_on = open(to, ended);
        for (const PriceBook::Segment& segment : emulator.prices.segments(type, from, to)) {
            const Nanos amount = charge(segment.per_hour, segment.to - segment.from);
            line({{"resource", resource},
                  {"run", run},
                  {"kind", "compute"},
                  {"machineType", type},
                  {"rate", segment.priced ? json(format_rate(segment.per_hour)) : json(nullptr)}},
                 segment.from, segment.to, amount, goes_on);
            unpriced = unpriced || !segment.priced;
            compute += amount;
        }
    }

    /// `spans` follow one another; the cap is one of the calendar month, however many of them lie in it.
    void add_on_lines(const std::string& resource, const std::string& run, const AddOn& add_on,
                      const std::vector<Span>& spans) {
        std::map<Millis, Millis> used;  // by the month's beginning
        for (const auto& [from, ended] : spans) {
            add_on_span(resource, run, add_on, from, ended, used);
        }
    }

    void add_on_span(const std::string& resource, const std::string& run, const AddOn& add_on, Millis from,
                     std::optional<Millis> ended, std::map<Millis, Millis>& used) {
        const Millis until = std::min(ended.value_or(end), end);
        while (from < until) {
            const Month month = month_of(from);
            const Millis to = std::min(until, month.to);
            const Millis before = used[month.from];
            used[month.from] += to - from;
            if (month.from >= begin) {
                const Nanos amount = add_on_charge(add_on, used[month.from]) - add_on_charge(add_on, before);
                line({{"resource", resource},
                      {"run", run},
                      {"kind", "storage"},
                      {"machineType", add_on.name},
                      {"rate", format_rate(add_on.printed_per_hour)}},
                     from, to, amount, open(to, ended));
                add_ons += amount;
            }
            from = to;
        }
    }
};

void bill_machine(Bill& bill, const Emulator& emulator, const Machine& machine) {
    for (const Machine::Power& power : machine.power) {
        bill.compute_line(emulator, machine.id, machine.id, power.machine_type, power.from, power.to);
    }
    const std::vector<Span> whole{{machine.created, machine.deleted}};
    bill.add_on_lines(machine.id, machine.id, block_storage(machine.disk_gb), whole);
    if (machine.public_ip_type == "static") {
        bill.add_on_lines(machine.id, machine.id, public_ip(), whole);
    } else if (machine.public_ip_type == "dynamic") {
        std::vector<Span> on;
        for (const Machine::Power& power : machine.power) {
            on.emplace_back(power.from, power.to);
        }
        bill.add_on_lines(machine.id, machine.id, public_ip(), on);
    }
}

AddOn price_of(const Extra& extra) {
    switch (extra.kind) {
        case Extra::Kind::snapshot:
            return snapshot(extra.size_gb);
        case Extra::Kind::shared_drive:
            return shared_drive(extra.size_gb);
        case Extra::Kind::custom_template:
            return custom_template(extra.size_gb);
        case Extra::Kind::private_network:
            return private_network();
        case Extra::Kind::address:
            break;
    }
    return public_ip();
}

/// The line is cut where the overage changes; the hours of the month go on.
void bill_storage(Bill& bill, const Emulator& emulator, std::size_t team) {
    const auto& changes = emulator.storage[team].overage;
    std::map<Millis, Millis> used;
    for (std::size_t i = 0; i < changes.size(); ++i) {
        if (changes[i].second > 0) {
            const auto until = i + 1 < changes.size() ? std::optional{changes[i + 1].first} : std::nullopt;
            const std::string& name = emulator.world->teams()[team].space;
            bill.add_on_span(name, "overage",
                             storage_overage(changes[i].second, emulator.storage_in_gibibytes),
                             changes[i].first, until, used);
        }
    }
}

}  // namespace

json invoice(const Emulator& emulator, const std::string& month, Millis at) {
    Bill bill{.begin = 0, .end = at, .at = at};
    if (const auto first = parse_iso(month + "-01"); !month.empty() && first) {
        const Month range = month_of(*first);
        bill = {.begin = range.from, .end = std::min(at, range.to), .at = at};
    }
    for (const auto& notebook : emulator.world->notebooks()) {
        for (const auto& run : notebook->runs) {
            if (run->started) {
                bill.compute_line(emulator, notebook->repo_id, run->id, run->machine_type, *run->started,
                                  run->finished);
            }
        }
    }
    for (const auto& machine : emulator.world->machines()) {
        bill_machine(bill, emulator, *machine);
    }
    for (const auto& extra : emulator.world->extras()) {
        bill.add_on_lines(extra->id, extra->id, price_of(*extra), {{extra->created, extra->deleted}});
    }
    for (std::size_t team = 0; team < emulator.storage.size(); ++team) {
        bill_storage(bill, emulator, team);
    }
    return {{"at", iso(bill.end)},
            {"total", format_nanos(bill.total)},
            {"total_closed", format_nanos(bill.closed)},
            {"total_compute", format_nanos(bill.compute)},
            {"total_add_ons", format_nanos(bill.add_ons)},
            {"unpriced", bill.unpriced},
            {"lines", std::move(bill.lines)}};
}

Reply route_balance(const Emulator& emulator, const Request& request) {
    if (request.header("authorization") != "Bearer " + emulator.balance_key) {
        return host_error("balance", 401, "Unable to authenticate you");
    }
    if (request.path != "/v2/customers/my/balance" || request.method != "GET") {
        return host_error("balance", 404, "The resource you were accessing could not be found.");
    }
    const Millis at = emulator.clock.now() - emulator.balance_delay;
    const json bill = invoice(emulator, month_of(at).name, at);
    const Nanos usage = parse_nanos(bill["total"].get<std::string>()).value_or(0) + emulator.balance_drift;
    return Reply::of({{"month_to_date_balance", format_cents(usage)},
                      {"account_balance", "0.00"},
                      {"month_to_date_usage", format_cents(usage)},
                      {"generated_at", iso(at).substr(0, 19) + "Z"}});
}

}  // namespace emulator
