// Switchable misbehaviour: which calls it meets, how often, and with which parameters.
#pragma once

#include "http.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace emulator {

struct CallInfo {
    std::string host;
    std::string method;
    std::string target;
    std::string run;  // "" when the call names none
    std::string repo;
};

struct Fault {
    std::int64_t number = 0;
    std::string kind;
    std::int64_t count = -1;  // calls left; -1: until it is taken away
    std::int64_t used = 0;
    json match = json::object();
    json params = json::object();
    json stale;  // for stale_list: the lists as they were

    [[nodiscard]] bool meets(const CallInfo& call) const;
    /// For faults that change single items of a list.
    [[nodiscard]] bool meets_item(std::string_view run, std::string_view repo) const;
    [[nodiscard]] std::int64_t integer(const char* name, std::int64_t otherwise) const;
    [[nodiscard]] std::string text(const char* name, const std::string& otherwise) const;
};

class Faults {
public:
    std::shared_ptr<Fault> add(const json& description);
    void clear() { faults_.clear(); }
    bool remove(std::int64_t number);
    /// The first fault of the kind that meets the call; one of its calls is used up.
    std::shared_ptr<Fault> take(std::string_view kind, const CallInfo& call);
    /// Like take, for list faults: run and repo of the match are looked for in the items, not in the call.
    std::shared_ptr<Fault> take_list(std::string_view kind, const CallInfo& call);
    [[nodiscard]] bool empty() const { return faults_.empty(); }
    [[nodiscard]] bool touch_guests() const;
    [[nodiscard]] json describe() const;
    static bool known(std::string_view kind);

private:
    std::shared_ptr<Fault> use(const std::shared_ptr<Fault>& fault);
    std::vector<std::shared_ptr<Fault>> faults_;
    std::int64_t next_ = 1;
};

}  // namespace emulator
