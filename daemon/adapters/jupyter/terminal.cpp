#include "adapters/jupyter/terminal.hpp"

#include <array>

namespace curfew::jupyter {

namespace {

constexpr std::size_t line_bytes_max = 400;

bool is_printable(char c) {
    return c >= 0x20 && c < 0x7F;
}

std::string octal(char c) {  // as `printf %b` reads it
    const auto value = static_cast<unsigned char>(c);
    return {'\\', '0', static_cast<char>('0' + value / 64), static_cast<char>('0' + value / 8 % 8),
            static_cast<char>('0' + value % 8)};
}

std::string bytes_literal(std::string_view text) {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string out = "b'";
    for (const char c : text) {
        const auto value = static_cast<unsigned char>(c);
        if (is_printable(c) && c != '\'' && c != '\\') {
            out += c;
        } else {
            out += {'\\', 'x', digits[value / 16], digits[value % 16]};
        }
    }
    return out + "'";
}

}  // namespace

std::size_t after_line(std::string_view text, std::string_view mark) {
    for (std::size_t at = text.find(mark); at != std::string_view::npos; at = text.find(mark, at + 1)) {
        const std::string_view rest = text.substr(at + mark.size(), 2);
        if (rest.starts_with('\n') || rest == "\r\n") {
            return text.find('\n', at) + 1;
        }
    }
    return std::string_view::npos;
}

std::string boot_line() {
    // Inside the quotes: no quote, no exclamation mark and no doubled backslash, whose meaning differs
    // between shells.
    return " unset HISTFILE; exec /bin/sh -c '"
           R"sh(stty -echo -opost 2>/dev/null;printf "%s%s\n" curfew- ready;s=;)sh"
           R"sh(while IFS= read -r l;do case $l in )sh"
           R"sh(=)/bin/sh -c "$(printf %b "$s")" </dev/null;printf "%s%s\n" curfew- over;)sh"
           R"sh(while read -r l;do :;done;exit;;)sh"
           R"sh(:*)s=$s${l#:};;esac;done)sh"
           "'\r";
}

std::vector<std::string> script_lines(std::string_view script) {
    std::vector<std::string> lines;
    std::string line = ":";
    for (const char c : script) {
        line += is_printable(c) && c != '\\' ? std::string(1, c) : octal(c);
        if (line.size() >= line_bytes_max) {
            lines.push_back(line + "\r");
            line = ":";
        }
    }
    if (line.size() > 1) {
        lines.push_back(line + "\r");
    }
    lines.emplace_back("=\r");
    return lines;
}

std::string python_code(std::string_view script, std::string_view end, std::size_t output_max) {
    return "import os as _o, subprocess as _s, sys as _y\n"
           "_m, _e, _b = " +
           std::to_string(output_max) + ", " + bytes_literal(end) +
           ", bytearray()\n"
           "_p = _s.Popen(['/bin/sh', '-c', " +
           bytes_literal(script) +
           "], stdin=_s.DEVNULL, stdout=_s.PIPE, stderr=_s.STDOUT)\n"
           "while len(_b) <= _m:\n"
           "    _c = _o.read(_p.stdout.fileno(), 65536)\n"
           "    _b += _c\n"
           "    _i = _b.rfind(_e)\n"
           "    if not _c or (_i >= 0 and _b.find(b'\\n', _i) >= 0):\n"
           "        break\n"
           "if len(_b) > _m:\n"
           "    _p.kill()\n"
           "_t = bytes(_b[:_m + 1]).decode('utf-8', 'replace')\n"
           "for _i in range(0, len(_t), 32768):\n"
           "    _y.stdout.write(_t[_i:_i + 32768])\n"
           "    _y.stdout.flush()\n";
}

}  // namespace curfew::jupyter
