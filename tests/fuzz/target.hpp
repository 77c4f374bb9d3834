// What every fuzz target shares: CURFEW_FUZZ_TARGET(NAME) { … } defines it over `data`, for libFuzzer or for the
// replay of its corpus; `must` is what it checks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <span>
#include <string_view>

namespace curfew::fuzz {

using Bytes = std::span<const std::uint8_t>;

inline std::string_view text_of(Bytes data) {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
}

/// Aborts with the place where it does not hold: that is a finding.
inline void must(bool holds, const std::source_location& place = std::source_location::current()) {
    if (!holds) {
        std::fprintf(stderr, "%s:%u: this must hold\n", place.file_name(),
                     static_cast<unsigned>(place.line()));
        std::abort();
    }
}

#ifdef CURFEW_FUZZ_REPLAY
using Target = void (*)(Bytes data);
/// Makes a target known to the replay.
struct Registration {
    Registration(const char* name, Target target);
};
#endif

}  // namespace curfew::fuzz

#ifdef CURFEW_FUZZ_REPLAY
#define CURFEW_FUZZ_TARGET(name)                                                      \
    static void fuzz_##name(curfew::fuzz::Bytes data);                                \
    static const curfew::fuzz::Registration registration_##name(#name, &fuzz_##name); \
    static void fuzz_##name(curfew::fuzz::Bytes data)
#else
#define CURFEW_FUZZ_TARGET(name)                                                         \
    static void fuzz_##name(curfew::fuzz::Bytes data);                                   \
    extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first, std::size_t size);  \
    extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first, std::size_t size) { \
        fuzz_##name({first, size});                                                      \
        return 0;                                                                        \
    }                                                                                    \
    static void fuzz_##name(curfew::fuzz::Bytes data)
#endif
