// What is typed into a fresh terminal to run a script there: the texts only. Any shell takes the first line
// (bash, dash, busybox, zsh; fish and csh complain of its first word and go on); the rest is read by a
// /bin/sh that this line starts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace curfew::jupyter {

/// Printed by what `boot_line` starts when it is ready for the script; not in `boot_line` itself, which the
/// terminal echoes.
constexpr std::string_view ready_mark = "curfew-ready\n";

/// Printed when the script has ended, whether or not it said so; not in `boot_line` either.
constexpr std::string_view over_mark = "curfew-over\n";

/// One line for the user's shell. It stays out of the shell's history: it begins with a space, and the shell
/// that would write its history when it is replaced has forgotten where.
///
/// What it starts takes lines that begin with a colon, up to one of an equals sign, and no others (a shell that starts slowly may get this
/// line twice), runs the script with its own output going to the terminal unchanged, and then holds the
/// terminal: its name cannot become another's before we have deleted it.
std::string boot_line();

/// The script for it, in short lines: a terminal in line mode cuts off what is beyond 4,095 bytes. Holds
/// printable ASCII only.
std::vector<std::string> script_lines(std::string_view script);

/// The script as a kernel of Python runs it: prints at most `output_max` + 1 bytes, as UTF-8, and stops
/// where a line with `end` has come.
std::string python_code(std::string_view script, std::string_view end, std::size_t output_max);

}  // namespace curfew::jupyter
