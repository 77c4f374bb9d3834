#!/usr/bin/env bash
# What a compiler does not check. Every check prints "ok NAME" or "FAIL NAME" with its findings below;
# the last line is the sum. Without arguments all checks run, otherwise those named.
set -uo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd -- "$here/../.." && pwd -P)
cd -- "$root" || exit 1
bin=${CURFEW_BIN:-$root/build/dev/bin}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
wanted=" $* "

# check NAME COMMAND...: a check is good when its command succeeds; its output is shown otherwise.
check() {
    local name=$1
    shift
    if [[ $wanted != "  " && $wanted != *" $name "* ]]; then
        return
    fi
    if "$@" >"$work/out" 2>&1; then
        echo "ok $name"
        passed=$((passed + 1))
    else
        echo "FAIL $name"
        head -n 60 "$work/out" | sed 's/^/    /'
        failed=$((failed + 1))
    fi
}

# has TOOL PACKAGE
has() {
    command -v "$1" >/dev/null && return
    echo "$1 is missing: apt-get install $2"
    return 1
}

# The files of this tree: tracked ones and new ones that are not ignored, as far as they exist.
files() {
    if git -c safe.directory="$root" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git -c safe.directory="$root" ls-files -z --cached --others --exclude-standard
    else
        find . -path ./build -prune -o -path ./.git -prune -o -type f -printf '%P\0'
    fi | sort -zu | while IFS= read -r -d '' file; do
        if [[ -f $file && ! -L $file ]]; then printf '%s\0' "$file"; fi
    done
}

source_check() { files | xargs -0 python3 "$here/sources.py" "$1" --; }

# Every public header of core and ports compiles alone.
headers() {
    has clang++-19 clang-19 || return 1
    # shellcheck disable=SC2016
    find include/curfew/core include/curfew/ports -name '*.hpp' -print0 | sort -z |
        xargs -0 -r -n 1 -P "$(nproc)" sh -c '
            said=$(printf "#include \"%s\"\n" "${1#include/}" |
                clang++-19 -std=c++23 -fsyntax-only -Wall -Wextra -I include -DBOOST_ASIO_SEPARATE_COMPILATION \
                    -DBOOST_BEAST_SEPARATE_COMPILATION -DBOOST_ASIO_NO_DEPRECATED -x c++ - 2>&1 | head -n 8)
            if [ -n "$said" ]; then printf "%s does not compile alone:\n%s\n" "$1" "$said"; fi' headers >"$work/headers"
    cat "$work/headers"
    [[ ! -s $work/headers ]]
}

spelling() {
    has codespell codespell || return 1
    files | grep -zvE '^(LICENSE|tests/lint/codespell-ignore\.txt)$|\.(csv|svg|png|ipynb|gz)$|/corpus/|/golden/|/package-lock\.json$' |
        xargs -0 codespell --quiet-level 3 --ignore-words tests/lint/codespell-ignore.txt
}

format() {
    has clang-format-19 clang-format-19 || return 1
    files | grep -zE '\.(cpp|hpp)$' | xargs -0 clang-format-19 --dry-run -Werror
}

scripts() {
    has shellcheck shellcheck || return 1
    files | xargs -0 awk 'FNR == 1 { if (/^#!.*(\/|env )(ba|da)?sh( |$)/) printf "%s%c", FILENAME, 0; nextfile }' |
        xargs -0 shellcheck
}

manuals() {
    has mandoc mandoc || return 1
    local pages=(man/*.[0-9])
    [[ -e ${pages[0]} ]] || return 0
    mandoc -T lint -W warning "${pages[@]}"
}

# The committed file equals what the program generates from its table of keys.
generated() {
    local flag=$1 file=$2
    "$bin/curfewd" "$flag" >"$work/generated" || { echo "curfewd $flag failed" && return 1; }
    diff -u --label "$file" --label "curfewd $flag" "$file" "$work/generated"
}

check layers source_check layers
check cycles source_check cycles
check bans source_check bans
check work_marks source_check work_marks
check file_size source_check file_size
check line_length source_check line_length
check trailing_space source_check trailing_space
check machine_paths source_check machine_paths
check format format
check headers_alone headers
check spelling spelling
check scripts scripts
check manuals manuals
if [[ -x $bin/curfewd ]]; then
    check reference_config generated --print-default-config config/curfew.toml
    check reference_manual generated --print-man man/curfew.toml.5
else
    echo "skip reference_config, reference_manual: no $bin/curfewd (./dev build makes it)" >&2
fi

echo "lint: $passed passed, $failed failed"
((failed == 0))
