// What systemd gives a service: readiness, watchdog, sockets by name, credentials.
#pragma once

#include "curfew/core/error.hpp"
#include "curfew/core/secret.hpp"
#include "curfew/ports/supervisor.hpp"

#include <map>
#include <string>
#include <string_view>

namespace curfew::systemd {

/// Speaks sd_notify; harmless when no manager listens.
class SystemdSupervisor final : public Supervisor {
public:
    void ready() override;
    void reloading() override;
    void stopping() override;
    void status(const std::string& line) override;
    void alive() override;
    std::optional<Duration> watchdog_interval() const override;
};

/// Listening Unix stream sockets handed over by the manager, by name ("api", "admin"); close-on-exec
/// and non-blocking. Empty when there are none. A socket of another kind is an error.
Result<std::map<std::string, int>> inherited_sockets();

/// The secret in a file, or "credential:NAME" below $CREDENTIALS_DIRECTORY. Refused: readable by
/// group or others, empty, above 64 KiB, control characters. One trailing newline is dropped.
Result<Secret> read_secret(const std::string& file_or_credential);

/// The path of such a file for a program that reads it by itself; the same refusals of kind and mode. Its bytes
/// are not read.
Result<std::string> private_file(const std::string& file_or_credential);

}  // namespace curfew::systemd
