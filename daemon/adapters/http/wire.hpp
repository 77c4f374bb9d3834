// What the exchanges of `Client` and a `WebSocket` share. Below those two only.
#pragma once

#include "adapters/http/client.hpp"

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

namespace curfew::http {

/// Holds nothing that could end a line (I12, request splitting).
bool is_clean(std::string_view text);

/// The value of Host.
std::string host_header(const Origin& origin);

/// Bytes exchanged per origin. Forgets origins that were idle for a day, and the idlest beyond 4,096; their
/// counts begin anew at 0.
class Traffic {
public:
    using Count = std::shared_ptr<std::int64_t>;
    static constexpr std::size_t origins_max = 32'768;  // more than guests, so that none crowds out another
    static constexpr Duration idle_max = hours{24};

    /// To add to.
    Count of(const Origin& origin, Instant now);
    std::int64_t bytes(const Origin& origin) const;

private:
    using Key = std::tuple<std::string, std::string, std::uint16_t>;
    struct Entry {
        Count count;
        Instant used;
        std::list<const Key*>::iterator place;
    };
    void forget(Instant now);

    std::map<Key, Entry> origins_;
    std::list<const Key*> by_use_;  // the one that was used longest ago comes first
};

}  // namespace curfew::http
