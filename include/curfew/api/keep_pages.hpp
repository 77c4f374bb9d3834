// What a keep link answers. POST /k/TOKEN keeps, once; GET shows one small page with a button and changes nothing,
// since previews of links fetch them. It is what a stranger can reach: a token is all that opens anything here, and
// without one every answer is the same.
#pragma once

#include "curfew/api/api.hpp"
#include "curfew/app/keep_links.hpp"

#include <cstdint>

namespace curfew::api {

/// So many answers a second, and some at once.
class Throttle {
public:
    Throttle(int at_once, int per_second)
        : at_once_(at_once), per_second_(per_second), left_(at_once * scale) {}
    bool allows(Instant now);

private:
    static constexpr std::int64_t scale = 1000;
    std::int64_t at_once_;
    std::int64_t per_second_;
    std::int64_t left_;  // in thousandths
    Instant since_;
};

class KeepPages {
public:
    KeepPages(const World& world, KeepLinks& links) : world_(world), links_(links) {}

    /// Refused are other hosts than that of `public_url` (421), other origins of a POST (403), other methods (405),
    /// too many requests (429; those with a signature are counted apart, so that nobody can lock them out). Then
    /// 404 what we did not sign, 410 a link that was used or has expired, 409 a keep that a limit refuses, 503 a
    /// database that does not take it.
    Task<Reply> handle(Request request);

private:
    const World& world_;
    KeepLinks& links_;
    Throttle strangers_{60, 10};
    Throttle holders_{60, 10};
};

}  // namespace curfew::api
