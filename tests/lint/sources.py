#!/usr/bin/env python3
"""Checks of the source text: sources.py CHECK -- FILE...   Prints file:line: finding; exit 1 if any."""

import pathlib
import re
import sys

CPP = (".cpp", ".hpp", ".h", ".cc")

# Which rooms a room may include from. A room is the folder below include/curfew or daemon.
LAYERS = {
    "core": {"core"},
    "ports": {"core", "ports"},
    "app": {"core", "ports", "app"},
    "api": {"core", "ports", "app", "api"},
    "cli": {"core", "api", "adapters/http", "cli"},  # core: money and durations are printed as the daemon does
}
ADAPTER = {"core", "ports", "adapters/http", "adapters/process"}  # and itself

CORE_BANNED_INCLUDES = re.compile(
    r"^(boost/|asio|nlohmann/|spdlog/|sqlite|curl/|openssl/|systemd/|sys/|toml|CLI/"
    r"|(random|filesystem|thread|mutex|condition_variable|future|fstream|iostream|unistd\.h|fcntl\.h)$)"
)

# (name, where it holds, pattern, why)
MONEY_FILES = re.compile(r"^(include/curfew|daemon)/core/(money|money_sum|ledger|price_book|budget|forecast|credit|advice)\.[ch]pp$")
CORE_FILES = re.compile(r"^(include/curfew|daemon)/core/")
OURS = re.compile(r"^(include|daemon)/")
THREADED = re.compile(r"^daemon/adapters/((sqlite|vault|mail)/|http/names\.cpp$)")
BANS = [
    (CORE_FILES, re.compile(r"_clock\s*::\s*now\b"), "core has no clock; time is an argument"),
    (CORE_FILES, re.compile(r"\bgetenv\b"), "core has no environment"),
    (CORE_FILES, re.compile(r"\b(boost|asio|nlohmann|spdlog)\s*::|\bsqlite3_"), "core is pure"),
    (CORE_FILES, re.compile(r"\bstd\s*::\s*filesystem\b"), "core has no files"),
    (CORE_FILES, re.compile(r"\bstd\s*::\s*(mt19937|random_device|shuffle|\w+_distribution)\b"), "core has no chance"),
    (MONEY_FILES, re.compile(r"\b(double|float)\b"), "money is never floating point"),
    (OURS, re.compile(r"\bdetached\b"), "detached swallows exceptions; use TaskGroup"),
    (OURS, re.compile(r"\bstd\s*::\s*s?rand\s*\("), "chance comes from the Entropy port"),
    (OURS, re.compile(r"\b(sto(i|l|ul|ll|ull|f|d)|ato(i|l|ll|f))\s*\("), "parse with from_chars and return the error"),
    (OURS, re.compile(r"\bco_spawn\s*\([^;{]*\[\s*&"), "a spawned lambda outlives what it captures by reference"),
]
THREADS = re.compile(r"\bstd\s*::\s*(j?thread\b(?!\s*::)|async\b)|\bpthread_create\b")
CLOCK = re.compile(r"\b(system|steady|high_resolution)_clock\s*::\s*now\b")

WORK_MARK = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X)\b(?!\(#\d+\))")
HOME = re.compile(r"(?<![\w.}\)])/(?:home|Users)/(?!(?:user|you|me|ana|alice|bob|jovyan|paperspace|curfew|NAME)\b)[a-z]\w*/")

CPP_LINES_MAX = 900
COLUMNS_MAX = 120


def room_of(path):
    """core, ports, app, api, cli, adapters/NAME, or None for what may see everything (main, tests)."""
    parts = pathlib.PurePosixPath(path).parts
    if parts[:2] == ("include", "curfew") and len(parts) > 3:
        return parts[2]
    if parts[:1] == ("daemon",) and len(parts) > 2:
        return "adapters/" + parts[2] if parts[1] == "adapters" and len(parts) > 3 else parts[1]
    return None


def target_of(path, include):
    """The file of this tree that an #include names, or None."""
    if include.startswith("curfew/"):
        return "include/" + include
    if include.startswith(("adapters/", "cli/", "api/")):
        return "daemon/" + include
    beside = pathlib.PurePosixPath(path).parent / include
    return str(beside) if pathlib.Path(beside).is_file() else None


def code_of(text):
    """The text with comments and the insides of literals blanked, lines kept."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^()\\\s]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
        re.S,
    )
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def includes_of(text):
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1)


def layers(path, text):
    room = room_of(path)
    if room is None:
        return
    allowed = LAYERS.get(room, ADAPTER | {room} if room.startswith("adapters/") else None)
    if allowed is None:
        yield 1, f"room {room} has no rule in tests/lint/sources.py"
        return
    for number, include in includes_of(text):
        if room == "core" and CORE_BANNED_INCLUDES.match(include):
            yield number, f"core may not include <{include}>"
        target = target_of(path, include)
        if target is None:
            continue
        other = room_of(target)
        if other is not None and other not in allowed:
            yield number, f"{room} may not include {include} ({other})"


def bans(path, text):
    code = code_of(text)
    for where, pattern, why in BANS:
        if where.match(path):
            for found in pattern.finditer(code):
                yield code.count("\n", 0, found.start()) + 1, f"{found.group().split(chr(10))[0].strip()}: {why}"
    if OURS.match(path) and not THREADED.match(path):
        for found in THREADS.finditer(code):
            yield code.count("\n", 0, found.start()) + 1, f"{found.group()}: threads live in adapters sqlite, vault and mail, and in http/names.cpp"
    if OURS.match(path) and not path.startswith("daemon/adapters/clock/"):
        for found in CLOCK.finditer(code):
            yield code.count("\n", 0, found.start()) + 1, f"{found.group()}: ask the Scheduler"


def work_marks(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        found = WORK_MARK.search(line)
        if found:
            yield number, f"{found.group()} without an issue number, e.g. {found.group()}(#12)"


def file_size(path, text):
    lines = text.count("\n")
    if path.endswith(".cpp") and lines > CPP_LINES_MAX:
        yield lines, f"{lines} lines, at most {CPP_LINES_MAX}: split it"


def line_length(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > COLUMNS_MAX:
            yield number, f"{len(line)} columns, at most {COLUMNS_MAX}"


def trailing_space(path, text):
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            yield number, "trailing white space"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no newline at the end of the file"


def machine_paths(path, text):
    root = str(pathlib.Path.cwd())
    for number, line in enumerate(text.splitlines(), 1):
        if HOME.search(line) or (root.count("/") > 1 and re.search(re.escape(root) + r"(?![\w-])", line)):
            yield number, "a path of one person's machine"


def cycles(paths):
    """Include circles among the files of this tree."""
    graph = {}
    for path in paths:
        if path.endswith(CPP):
            targets = (target_of(path, include) for _, include in includes_of(read(path) or ""))
            graph[path] = [t for t in targets if t is not None and pathlib.Path(t).is_file()]
    done, findings = set(), []
    for start in sorted(graph):
        stack, trail = [(start, iter(graph[start]))], [start]
        while stack:
            node, rest = stack[-1]
            following = next((t for t in rest if t not in done), None)
            if following is None:
                stack.pop()
                done.add(trail.pop())
            elif following in trail:
                findings.append(" -> ".join(trail[trail.index(following):] + [following]))
            else:
                trail.append(following)
                stack.append((following, iter(graph.get(following, []))))
    return findings


def read(path):
    data = pathlib.Path(path).read_bytes()
    if b"\0" in data:
        return None
    return data.decode("utf-8", "replace")


def main():
    name, paths = sys.argv[1], sys.argv[sys.argv.index("--") + 1:]
    if name == "cycles":
        findings = cycles(paths)
        print("\n".join(findings))
        return 1 if findings else 0
    check = {f.__name__: f for f in (layers, bans, work_marks, file_size, line_length, trailing_space, machine_paths)}[name]
    sources_only = check in (layers, bans, file_size, line_length)
    # Recorded bytes and foreign texts are kept as they came.
    kept = re.compile(r"(^|/)(corpus|golden|third_party)/|^LICENSE$|^docs/messages\.md$|\.(svg|png|patch|diff)$")
    count = 0
    for path in paths:
        if (sources_only and not path.endswith(CPP)) or kept.search(path):
            continue
        text = read(path)
        for line, finding in check(path, text) if text else ():
            print(f"{path}:{line}: {finding}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
