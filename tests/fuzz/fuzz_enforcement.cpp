// Any sequence of events: the machine's own assertions (I1 to I4) hold, and it never leaves its states.
#include "curfew/core/enforcement.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

using namespace curfew;

namespace {

class Bytes {
public:
    Bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
    bool empty() const { return left_ == 0; }
    unsigned next() {
        if (left_ == 0) {
            return 0;
        }
        --left_;
        return *data_++;
    }
    bool flag() { return (next() & 1U) != 0; }

private:
    const std::uint8_t* data_;
    std::size_t left_;
};

Mode mode_of(unsigned n) {
    return static_cast<Mode>(n % 3);
}
Verdict verdict_of(unsigned n) {
    return static_cast<Verdict>(n % 3);
}

EnforcementEvent event_from(Bytes& in) {
    switch (in.next() % 10) {
        case 0: {
            Assessment a;
            if (in.flag()) {
                a.cause = Cause{static_cast<CauseKind>(in.next() % 5), "name"};
            }
            a.warn_step = static_cast<int>(in.next() % 4);
            a.time_is_up = in.flag();
            a.verdict = verdict_of(in.next());
            a.on = in.flag();
            a.gone = in.flag();
            a.state_known = in.flag();
            a.newest = in.flag();
            if (in.flag()) {
                a.held_by = "a keep";
            }
            a.breaker_open = in.flag();
            a.mode = mode_of(in.next());
            a.needs_notice = in.flag();
            return event::Assessed{a};
        }
        case 1:
            return event::WarningDelivered{static_cast<int>(in.next() % 4)};
        case 2: {
            FreshLook look;
            look.answered = in.flag();
            look.verdict = verdict_of(in.next());
            look.asked = in.flag();
            look.same_run_on = in.flag();
            look.newest = in.flag();
            look.gone = in.flag();
            look.files_unchanged = in.flag();
            if (in.flag()) {
                look.held_by = "a keep";
            }
            look.mode = mode_of(in.next());
            look.breaker_open = in.flag();
            return event::Looked{look};
        }
        case 3:
            return event::PackDone{ReceiptId{"rcp"}};
        case 4:
            return event::PackFailed{
                {Errc::unavailable, in.flag() ? Retry::later() : Retry::never(), "x", "y"}};
        case 5:
            return event::StopAnswered{static_cast<event::Answer>(in.next() % 5), "text"};
        case 6:
            return event::Seen{static_cast<event::Sighting>(in.next() % 3)};
        case 7:
            return event::Woken{};
        case 8:
            return event::Overridden{{"ana", "reason"}};
        default:
            return event::Cancelled{"called off"};
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes in(data, size);
    Enforcement e;
    e.id = EnforcementId{"enf"};
    e.resource = ResourceId{"r"};
    e.run = RunId{"n"};
    EnforcementPolicy policy;
    policy.override_when_pack_failed = in.flag();
    policy.respect_activity = in.flag();
    Instant now{1'000'000};
    int calls = 0;
    while (!in.empty()) {
        now = now + Duration{in.next() * 7'000U};
        const bool restart = in.next() % 16 == 0 && e.live();
        const Transition t = restart ? recover(e, now, in.flag(), policy)
                                     : step(e, event_from(in), now, policy);
        const auto stops = std::ranges::count(t.effects, Effect::call_stop);
        // A restart alone sends nothing, and one step sends at most once.
        if (stops > 1 || (restart && stops > 0)) {
            std::abort();
        }
        calls += static_cast<int>(stops);
        if (calls != t.next.stop_attempts) {
            std::abort();
        }
        e = t.next;
    }
    return 0;
}
