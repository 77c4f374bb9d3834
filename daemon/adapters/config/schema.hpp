// The one table of configuration keys. The parser, its messages, config/curfew.toml and
// curfew.toml(5) all come from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::config {

enum class Type : std::uint8_t {
    boolean,
    integer,
    duration,
    money,
    word,  // one of Key::words
    name,  // [A-Za-z0-9._-]{1,64}, unique in its section
    text,
    zone,      // IANA name
    moment,    // a date, or a time with its zone
    folder,    // absolute
    socket,    // absolute, short enough for a Unix socket
    file,      // absolute, or below the configuration's folder
    secret,    // a file, or "credential:NAME"
    login,     // a user of a machine
    host_key,  // "ssh-ed25519 AAAA…"
    host,
    endpoint,  // "host:port"
    url,
    media,      // "application/json"
    network,    // "10.1.2.3", "fd00::/8"
    weekly,     // a time of the week; "" = never
    guest_url,  // with {fqdn} in it
    address,    // of mail
    globs,
    path_globs,   // of paths below a guest's root
    guest_path,   // of a file below a guest's root
    guest_paths,  // below a guest's root, or absolute there
    words,
    durations,
    addresses,
    networks,
    names,      // of other blocks
    off_hours,  // lists
    dates,
};

/// "a duration", "a list of globs", …, and an example of one as TOML.
std::string_view wanted(Type type);
std::string_view example_of(Type type);

struct Key {
    std::string_view name;
    Type type = Type::text;
    std::string_view standard;  // the default as TOML; "" = none
    std::string_view unset;     // what holds when there is no default: "the name of this host"
    std::string_view low;       // bounds, in the notation of the type; "" = open
    std::string_view high;
    std::string_view words;  // "observe|warn|enforce"
    std::string_view only;   // for sections with a kind: the kinds that have this key, "ntfy|pagerduty"
    bool required = false;
    bool aside = false;       // in the commented file only told of: it does not go with the other samples
    std::string_view sample;  // in the commented file, as TOML, one line per block; "" = the default
    std::string_view help;

    /// Has a block of this kind the key?
    bool fits(std::string_view kind) const;
};

struct Section {
    std::string_view path;  // "rule.match"; "" = the top of the file
    bool many = false;      // [[…]]
    int blocks = 1;         // of it in the commented file
    std::size_t count_max = 1;
    std::span<const Key> keys;
    std::string_view help;

    const Key* find(std::string_view name) const;
    /// The last part of the path: "match".
    std::string_view name() const;
    /// "[keep]", "[[rule]]", "[rule.match]".
    std::string bracketed() const;
    /// Are its blocks examples, commented out with their heading?
    bool example() const { return many || path.find('.') != std::string_view::npos; }
};

/// In the order of the file; the top comes first, sub-tables follow their parents.
std::span<const Section> sections();
const Section* find_section(std::string_view path);
/// The sections directly below `parent`.
std::vector<const Section*> children_of(const Section& parent);

/// "observe|warn" → {"observe", "warn"}; also lines with '\n'.
std::vector<std::string_view> split(std::string_view text, char separator);
/// {"a", "b", "c"} → `"a", "b" or "c"`.
std::string in_words(const std::vector<std::string_view>& words);
/// Line `block` of a sample, the last one when there are fewer.
std::string_view sample_for(const Key& key, int block);

}  // namespace curfew::config
