#!/bin/sh
# verify.sh [SOURCE]: installs our units into a scratch root and lets systemd judge them: known
# directives and commands, the exposure score, the users and the folders. 77 without systemd-analyze.
set -eu

source=${1:-$(cd "$(dirname "$0")/../.." && pwd)}
threshold=12
if ! command -v systemd-analyze >/dev/null; then
    echo "systemd-analyze is missing (apt-get install systemd)"
    exit 77
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export SYSTEMD_LOG_COLOR=0 SYSTEMD_COLORS=0 SYSTEMD_PAGER=cat SYSTEMD_LOG_TARGET=console LC_ALL=C.UTF-8
export XDG_RUNTIME_DIR="$scratch/xdg"
failures=0

fail() {
    echo "FAIL $1"
    failures=$((failures + 1))
}

# The scratch root: the distribution's own units for what ours depend on, and stand-ins for the programs.
unit_dir=$scratch/host/usr/lib/systemd/system
user_dir=$scratch/host/usr/lib/systemd/user
mkdir -p "$unit_dir" "$user_dir" "$scratch/host/usr/sbin" "$scratch/host/usr/bin" "$scratch/host/etc" \
    "$scratch/host/var/lib" "$scratch/host/run" "$XDG_RUNTIME_DIR"
chmod 0700 "$XDG_RUNTIME_DIR"
ln -s usr/lib usr/bin usr/sbin "$scratch/host/"
for unit in /lib/systemd/system/*.target /lib/systemd/system/*.slice /lib/systemd/system/*.mount; do
    if [ -e "$unit" ]; then cp -L "$unit" "$unit_dir/" 2>/dev/null || :; fi
done
for unit in /usr/lib/systemd/user/*.target /usr/lib/systemd/user/*.slice; do
    if [ -e "$unit" ]; then cp -L "$unit" "$user_dir/" 2>/dev/null || :; fi
done
for program in usr/sbin/curfewd usr/bin/kill; do
    printf '#!/bin/sh\n' >"$scratch/host/$program"
    chmod 0755 "$scratch/host/$program"
done
cp "$source"/systemd/*.service "$source"/systemd/*.socket "$unit_dir/"
cp "$source"/systemd/user/*.service "$user_dir/"

# judge WHAT COMMAND...: the command succeeds and says nothing about a unit of ours.
judge() {
    what=$1
    shift
    status=0
    "$@" >"$scratch/out" 2>&1 || status=$?
    if grep -i curfew "$scratch/out" >"$scratch/ours" || [ "$status" -ne 0 ]; then
        fail "$what (status $status)"
        cat "$scratch/out"
    else
        echo "ok $what"
    fi
}

judge "verify system units" systemd-analyze verify --man=no --recursive-errors=no --root="$scratch/host" \
    curfewd.service curfewd-api.socket curfewd-admin.socket
# A user manager knows no other root, so there the stand-in is named in the unit.
sed "s,=/usr/sbin/curfewd,=$scratch/host/usr/sbin/curfewd,; s,=/bin/kill,=$scratch/host/usr/bin/kill," \
    "$source/systemd/user/curfewd.service" >"$user_dir/curfewd.service"
judge "verify user unit" env SYSTEMD_UNIT_PATH="$user_dir" systemd-analyze verify --user --man=no \
    --recursive-errors=no "$user_dir/curfewd.service"

if systemd-analyze security --offline=yes --threshold="$threshold" "$source/systemd/curfewd.service" \
    >"$scratch/security" 2>&1; then
    echo "ok exposure: $(grep -i 'overall exposure' "$scratch/security" || tail -n 1 "$scratch/security")"
else
    fail "exposure above $threshold"
    cat "$scratch/security"
fi

if command -v systemd-sysusers >/dev/null; then
    if systemd-sysusers --root="$scratch/host" "$source/systemd/sysusers.d/curfew.conf" >"$scratch/out" 2>&1 &&
        grep -q '^curfew:' "$scratch/host/etc/passwd" && grep -q '^curfew:' "$scratch/host/etc/group" &&
        grep -q '^curfew-admin:' "$scratch/host/etc/group"; then
        echo "ok users and groups"
    else
        fail "users and groups"
        cat "$scratch/out"
    fi
    # Folders belong to the user just made, so only root can make them.
    if [ "$(id -u)" -eq 0 ] && command -v systemd-tmpfiles >/dev/null; then
        if systemd-tmpfiles --root="$scratch/host" --create "$source/systemd/tmpfiles.d/curfew.conf" >"$scratch/out" 2>&1 &&
            [ "$(stat -c %a "$scratch/host/var/lib/curfew/vault")" = 700 ] &&
            [ "$(stat -c %a "$scratch/host/etc/curfew/keys")" = 700 ] &&
            [ "$(stat -c %a "$scratch/host/run/curfew")" = 755 ]; then
            echo "ok folders"
        else
            fail "folders"
            cat "$scratch/out"
        fi
    fi
fi

[ "$failures" -eq 0 ]
