// The configuration file: TOML in, one validated curfew::Config or every fault at once out. Nothing
// is decided here beyond what the table of keys in schema.cpp says; secrets are named, never read.
#pragma once

#include "curfew/core/config.hpp"

#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::config {

/// One thing that is wrong, and where. `line` and `column` count from 1; a `line` of 0 means the file itself.
struct Fault {
    std::string file;
    int line = 0;
    int column = 0;
    std::string text;
    std::string suggestion;  // the word that was probably meant, or ""
    bool operator==(const Fault&) const = default;
};
/// "file:line:column: text (did you mean `suggestion`?)". Free of control characters.
std::string to_string(const Fault& fault);

/// What depends on who runs the daemon: the system's paths, or XDG paths of a plain user.
struct Defaults {
    std::string state_dir;
    std::string api_socket;
    std::string admin_socket;
    std::string config_dir;  // relative names of files are looked up here
    std::string price_file;
    std::string host_name;
};

/// An IANA name as data; Errc::invalid for an unknown one.
using ZoneLoader = std::function<Result<Zone>(std::string_view)>;

struct Loaded {
    Config config;
    std::vector<Fault> warnings;
};

/// The file, then conf.d/*.toml beside it in the order of their names: tables are merged, arrays of
/// tables appended, and a value that two files give is a fault. Files above 1 MiB are refused.
/// Faults come in the order of the files, then of lines.
std::expected<Loaded, std::vector<Fault>> load(const std::string& path, const Defaults& defaults,
                                               const ZoneLoader& zones);
/// The same for one text; `file` is its name in faults.
std::expected<Loaded, std::vector<Fault>> parse(std::string_view text, std::string_view file,
                                                const Defaults& defaults, const ZoneLoader& zones);

/// A text that holds one [[rule]] and nothing else, for `curfew rule test`. The accounts that it names
/// are not looked up, and a mode of enforce needs no vault.
std::expected<Rule, std::vector<Fault>> parse_rule(std::string_view text, std::string_view file);

/// A text that holds one [[budget]] and nothing else, for `curfew budget set`: what it leaves out, the accounts
/// that it names and what it may not contradict stand in `config`.
std::expected<Budget, std::vector<Fault>> parse_budget(std::string_view text, std::string_view file,
                                                       const Config& config, const ZoneLoader& zones);

/// config/curfew.toml: every key with its help, bounds and default, all of them commented out.
std::string default_file();
/// curfew.toml(5) as roff, with the macros of man(7).
std::string manual_page();

}  // namespace curfew::config
