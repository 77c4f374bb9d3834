// What the daemon and its clients must agree on: schema names, exit codes, places of the sockets.
#pragma once

#include <string_view>

namespace curfew::api {

namespace schema {
constexpr std::string_view status = "curfew.status/1";
constexpr std::string_view explain = "curfew.explain/1";
constexpr std::string_view spend = "curfew.spend/1";
constexpr std::string_view budget = "curfew.budget/1";
constexpr std::string_view forecast = "curfew.forecast/1";
constexpr std::string_view credit = "curfew.credit/1";
constexpr std::string_view advice = "curfew.advice/1";
constexpr std::string_view focus = "curfew.focus/1";
constexpr std::string_view receipts = "curfew.receipts/1";
constexpr std::string_view receipt = "curfew.receipt/1";
constexpr std::string_view events = "curfew.events/1";
constexpr std::string_view alerts = "curfew.alerts/1";
constexpr std::string_view alert = "curfew.alert/1";
constexpr std::string_view silences = "curfew.silences/1";
constexpr std::string_view silence = "curfew.silence/1";
constexpr std::string_view outbox = "curfew.outbox/1";
constexpr std::string_view outbox_retry = "curfew.outbox-retry/1";
constexpr std::string_view delivery = "curfew.delivery/1";
constexpr std::string_view hold = "curfew.hold/1";
constexpr std::string_view release = "curfew.release/1";
constexpr std::string_view rules = "curfew.rule/1";
constexpr std::string_view rule_reset = "curfew.rule-reset/1";
constexpr std::string_view enforcement = "curfew.enforcement/1";
constexpr std::string_view replay = "curfew.replay/1";
constexpr std::string_view plan = "curfew.plan/1";
constexpr std::string_view doctor = "curfew.doctor/1";
constexpr std::string_view verify = "curfew.verify/1";
constexpr std::string_view version = "curfew.version/1";
constexpr std::string_view problem = "curfew.problem/1";
}  // namespace schema

/// Treat any unknown non-zero code as failure.
enum class Exit : int {
    done = 0,
    failed = 1,
    usage = 2,
    not_found = 3,
    not_allowed = 4,
    unreachable = 5,
    temporary = 6,
    partly = 7,
    refused = 8,
    no = 9,  // the answer of a predicate
    findings = 10,
    undecidable = 11,  // a predicate that cannot be answered now
    timed_out = 124,
};

constexpr std::string_view version_text = "0.1.0";
constexpr std::string_view system_api_socket = "/run/curfew/api.sock";
constexpr std::string_view system_admin_socket = "/run/curfew/admin.sock";
constexpr std::string_view api_socket_name = "api.sock";
constexpr std::string_view admin_socket_name = "admin.sock";

}  // namespace curfew::api
