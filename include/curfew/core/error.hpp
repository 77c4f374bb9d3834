// Errors are values. Everything that can fail for a reason outside this program returns
// `Result<T>`; exceptions are bugs. An Error says whether trying again can help, because that is the
// one question its caller must answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace curfew {

enum class Errc : std::uint8_t {
    invalid,       // malformed input: a bad argument, configuration, number or name
    protocol,      // a peer answered something that its contract does not allow
    unauthorized,  // 401, or a key that the provider does not know
    forbidden,     // 403: the key is known and may not do this
    not_found,
    conflict,      // 409: already so, or not in this state
    rate_limited,  // 429
    unavailable,   // 5xx, connection refused or reset, name not resolved
    timeout,       // our deadline passed
    cancelled,     // we gave up ourselves, e.g. at shutdown
    too_large,     // a bound of ours was reached
    changing,      // the source did not hold still long enough to be copied
    disk_full,
    disk,        // any other local I/O error, or a copy that does not read back as written
    locked,      // another process holds what we need
    corrupt,     // our own data is damaged
    unsafe,      // a hostile name, path, address or redirect
    overloaded,  // a bounded queue is full
    internal,    // a broken invariant of ours
};

std::string_view to_string(Errc code);

/// What a caller may do after an error.
struct Retry {
    enum class Kind : std::uint8_t {
        never,      // the same request will fail again
        later,      // with back-off
        after,      // not before `delay` (e.g. Retry-After)
        ambiguous,  // sent, and no answer: read the world back, never resend blindly
    };
    Kind kind = Kind::never;
    std::chrono::milliseconds delay{0};

    static constexpr Retry never() { return {}; }
    static constexpr Retry later() { return {Kind::later, {}}; }
    static constexpr Retry after(std::chrono::milliseconds delay) { return {Kind::after, delay}; }
    static constexpr Retry ambiguous() { return {Kind::ambiguous, {}}; }
    bool operator==(const Retry&) const = default;
};

struct Error {
    Errc code = Errc::internal;
    Retry retry;
    std::string text;   // what failed and why, for people; never holds a secret (I12)
    std::string where;  // on which thing: a host, a file, a run

    bool ambiguous() const { return retry.kind == Retry::Kind::ambiguous; }
    bool may_retry() const { return retry.kind == Retry::Kind::later || retry.kind == Retry::Kind::after; }
};

/// "where: text", for logs and messages.
std::string to_string(const Error& error);

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Errc code, std::string text, std::string where = {},
                                   Retry retry = Retry::never()) {
    return std::unexpected(Error{code, retry, std::move(text), std::move(where)});
}

/// Prints and aborts. State is on disk, so dying is safe and going on is not.
[[noreturn]] void assertion_failed(const char* condition, const char* invariant, const char* file, int line);
#ifdef CURFEW_MUTANTS
/// In the build of the simulation alone: may the life of a wrong variant go on, so that its judge shows what it sees?
/// Set once by main; empty = no.
inline bool (*assertion_noted)(const char* invariant) = nullptr;
#endif

}  // namespace curfew

/// Holds in release builds as well. Only for our own invariants, never for input.
/// The second argument names the invariant of the design (I1 to I14) or says why it must hold.
#ifdef CURFEW_MUTANTS
#define CURFEW_ASSERT(condition, invariant)                                                        \
    ((condition) || (::curfew::assertion_noted != nullptr && ::curfew::assertion_noted(invariant)) \
         ? static_cast<void>(0)                                                                    \
         : ::curfew::assertion_failed(#condition, invariant, __FILE__, __LINE__))
#else
#define CURFEW_ASSERT(condition, invariant) \
    ((condition) ? static_cast<void>(0)     \
                 : ::curfew::assertion_failed(#condition, invariant, __FILE__, __LINE__))
#endif
