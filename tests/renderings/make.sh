#!/usr/bin/env bash
# Makes docs/messages.md and the pictures of its HTML anew: make.sh RENDERINGS, the program of that name of a
# build folder. Needs the packages chromium, fonts-liberation and pngquant.
set -euo pipefail

program=$(realpath -- "${1:?make.sh build/dev/bin/renderings}")
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

"$program" "$work"
mkdir -p docs/messages
for html in "$work"/messages/*.html; do
    name=$(basename -- "$html" .html)
    # A phone: 390 points wide, and what is seen before anybody scrolls.
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
        --force-device-scale-factor=1.5 --window-size=390,780 --screenshot="$work/$name.png" "file://$html" \
        >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    pngquant --force --strip --speed 1 --output "docs/messages/$name.png" 32 "$work/$name.png"
done
cp -- "$work/messages.md" docs/messages.md
