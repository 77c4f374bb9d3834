#include "adapters/config/config.hpp"
#include "adapters/config/schema.hpp"
#include "adapters/config/values.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>
#include <set>

namespace curfew::config {

namespace {

constexpr std::size_t comment_columns = 98;
constexpr std::size_t roff_columns = 78;

constexpr std::string_view file_head =
    R"(# curfew.toml: the configuration of curfewd. See curfew.toml(5).
#
# Every key is here with its meaning, its bounds and its default. Lines that begin with "#" and a
# key or a heading are examples or defaults: remove the "#" to use them. At least one [[account]]
# is needed. Files in conf.d/*.toml beside this one are read as well, in the order of their names.
#
# Durations are written "90s", "45m", "1h30m", "2d". Amounts of money stand in quotes: "25.00".
# Secrets never stand here: keys that end in _file name a file with mode 0600, or
# "credential:NAME" for a systemd credential. `~` is not expanded.
#
# `curfew check-config` shows everything that is wrong with this file, with line and column.
)";

/// "notify" of "\"notify\"".
std::string_view unquoted(std::string_view toml) {
    return toml.size() > 1 && toml.front() == '"' ? toml.substr(1, toml.size() - 2) : toml;
}

/// The value of `kind` in a block of the commented file; "" where the section has no kinds.
std::string_view kind_of(const Section& section, int block) {
    const Key* kind = section.find("kind");
    return kind == nullptr ? std::string_view{} : unquoted(sample_for(*kind, block));
}

/// "A duration, from 1s to 1h.", "A word: core, percent."
std::string kind_of_value(const Key& key) {
    std::string text(wanted(key.type));
    text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
    if (!key.words.empty()) {
        return fmt::format("{}: {}.", text, fmt::join(split(key.words, '|'), ", "));
    }
    const std::string bounds = bounds_of(key);
    return text + (bounds.empty() ? "" : ", ") + bounds + ".";
}

/// "Default: \"60s\".", "Required."
std::string standard_of(const Key& key) {
    if (key.required) {
        return "Required.";
    }
    return fmt::format("Default: {}.", key.standard.empty() ? key.unset : key.standard);
}

std::string comment(std::string_view text) {
    std::string out;
    std::string line = "#";
    for (const std::string_view word : split(text, ' ')) {
        if (line.size() > 1 && line.size() + 1 + word.size() > comment_columns) {
            out += line + "\n";
            line = "#";
        }
        line += fmt::format(" {}", word);
    }
    return out + line + "\n";
}

std::string commented_key(const Key& key, int block, bool explain) {
    std::string out;
    if (explain) {
        out += "\n" + comment(key.help) + comment(kind_of_value(key) + " " + standard_of(key));
    }
    if (key.aside) {
        return explain ? out + fmt::format("# {} = {}\n", key.name, sample_for(key, block)) : out;
    }
    return out + fmt::format("#{} = {}\n", key.name, sample_for(key, block));
}

std::string commented_section(const Section& section) {
    std::string out = "\n" + comment(section.help);
    std::set<std::string_view> explained;
    for (int block = 0; block < section.blocks; ++block) {
        out += (block > 0 ? "\n" : "") +
               fmt::format("{}{}\n", section.example() ? "#" : "", section.bracketed());
        for (const Key& key : section.keys) {
            if (key.fits(kind_of(section, block))) {
                out += commented_key(key, block, explained.insert(key.name).second);
            }
        }
    }
    return out;
}

/// Plain text for roff: no character of it is taken for a command.
std::string roff(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '\\':
                out += "\\e";
                break;
            case '-':
                out += "\\-";
                break;
            case '`':
                out += "\\`";
                break;
            case '\'':
                out += "\\(aq";
                break;
            case '"':
                out += "\\(dq";
                break;
            case '~':
                out += "\\(ti";
                break;
            default:
                out += c;
        }
    }
    return out.starts_with('.') ? "\\&" + out : out;
}

std::string with_sentences(std::string_view text) {
    // Each sentence on lines of its own: roff sets the space between sentences only there.
    std::string out;
    std::string line;
    for (const std::string_view plain : split(text, ' ')) {
        const std::string word = roff(plain);
        if (line.ends_with('.') || line.size() + 1 + word.size() > roff_columns) {
            out += line + "\n";
            line.clear();
        }
        line += (line.empty() ? "" : " ") + word;
    }
    return out + line + "\n";
}

std::string manual_key(const Key& key) {
    std::string out = fmt::format(".TP\n\\fB{}\\fR\n", roff(key.name));
    if (!key.only.empty()) {
        out += fmt::format("(kind {} only)\n",
                           roff(fmt::format("{}", fmt::join(split(key.only, '|'), ", "))));
    }
    return out + with_sentences(key.help) + with_sentences(kind_of_value(key)) +
           with_sentences(standard_of(key));
}

std::string manual_section(const Section& section) {
    std::string out = fmt::format(".SS {}\n", roff(section.bracketed())) + with_sentences(section.help);
    for (const Key& key : section.keys) {
        out += manual_key(key);
    }
    return out;
}

constexpr std::string_view manual_head = R"(.TH CURFEW.TOML 5 2026-11-01 Curfew "File formats"
.SH NAME
curfew.toml \- configuration of curfewd
.SH SYNOPSIS
.nf
/etc/curfew/curfew.toml
/etc/curfew/conf.d/*.toml
.fi
.SH DESCRIPTION
The configuration of
.BR curfewd (8)
is written in TOML.
A plain user's daemon reads it from
.I $XDG_CONFIG_HOME/curfew
instead.
Files in
.I conf.d
are read after
.IR curfew.toml ,
in the order of their names: tables are merged, arrays of tables are
appended, and a value that is given twice is an error.
.PP
Everything that is wrong is reported at once, each fault with its file, line
and column; the daemon then exits with status 78 and has started nothing.
On a reload the old configuration stays in force.
.B curfew check\-config
does the same without a daemon.
.PP
Durations are written 90s, 45m, 1h30m or 2d, in quotes.
Amounts of money stand in quotes too, so that they stay exact.
Paths are absolute; files may be named relative to the folder of the
configuration.
A leading tilde is not expanded.
.PP
Secrets are never part of the configuration.
Keys that end in
.I _file
name a file that nobody else may read (mode 0600) and that holds the secret as
its only line, or
.I credential:NAME
for a systemd credential.
.SH KEYS
)";

constexpr std::string_view manual_tail = R"(.SH EXAMPLES
Watch one account, warn by mail, and stop what has been quiet for an hour once
its work is saved:
.PP
.nf
.RS 4
[daemon]
mode = \(dqenforce\(dq

[[account]]
name = \(dqmain\(dq
key_file = \(dqcredential:paperspace\(dq

[[vault]]
name = \(dqhome\(dq
path = \(dq/srv/curfew\(dq

[[channel]]
name = \(dqmail\(dq
kind = \(dqmail\(dq
host = \(dqsmtp.example.com\(dq
from = \(dqcurfew@example.com\(dq
to = [\(dqana@example.com\(dq]

[[rule]]
name = \(dqidle\(dq
idle_limit = \(dq1h\(dq
mode = \(dqenforce\(dq
.RE
.fi
.SH SEE ALSO
.BR curfew (1),
.BR systemd.exec (5),
.BR curfewd (8)
)";

}  // namespace

std::string default_file() {
    std::string out(file_head);
    for (const Section& section : sections()) {
        if (!section.path.empty()) {
            out += commented_section(section);
        }
    }
    return out;
}

std::string manual_page() {
    std::string out(manual_head);
    for (const Section& section : sections()) {
        if (!section.path.empty()) {
            out += manual_section(section);
        }
    }
    return out + std::string(manual_tail);
}

}  // namespace curfew::config
