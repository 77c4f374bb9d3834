// What is typed into a fresh terminal to run a script there: the texts only. The user's shell gets one line
// (bash, dash, busybox, zsh, ksh and tcsh took it); the rest is read by a /bin/sh that this line starts
// (dash, bash, busybox and ksh did).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::jupyter {

/// A line printed by what `boot_line` starts when it is ready for the script; not in `boot_line` itself,
/// which the terminal echoes.
constexpr std::string_view ready_mark = "curfew-ready";

/// Printed when the script has ended, whether or not it said so; not in `boot_line` either.
constexpr std::string_view over_mark = "curfew-over";

/// The place after the first line that ends with this mark, or npos. (Where there is no stty the terminal
/// makes \r\n of \n.)
std::size_t after_line(std::string_view text, std::string_view mark);

/// One line for the user's shell. bash writes its history when it is replaced by `exec`, whatever the line
/// begins with, so it forgets where first; the space serves shells that write each line at once, if they are
/// told to leave such lines out. (ksh, and zsh with INC_APPEND_HISTORY but without HIST_IGNORE_SPACE, note
/// this line all the same.)
///
/// What it starts takes lines that begin with a colon, up to one of an equals sign, and no others (a shell
/// that starts slowly may get this line twice), runs the script with its own output going to the terminal
/// unchanged, and then holds the terminal: its name cannot become another's before we have deleted it.
std::string boot_line();

/// The script for it, in short lines: a terminal in line mode cuts off what is beyond 4,095 bytes. Holds
/// printable ASCII only.
std::vector<std::string> script_lines(std::string_view script);

/// The script as a kernel of Python runs it: prints at most `output_max` + 1 bytes, as UTF-8, and stops
/// where a line with `end` has come.
std::string python_code(std::string_view script, std::string_view end, std::size_t output_max);

}  // namespace curfew::jupyter
