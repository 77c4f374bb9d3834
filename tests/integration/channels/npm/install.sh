#!/bin/sh
# install.sh FOLDER: the packages of package-lock.json, exactly these, into FOLDER/node_modules; nothing is fetched
# when they are there already. Fails when npm cannot: what is tested with them is not shown otherwise.
set -eu
here=$(cd -- "$(dirname -- "$0")" && pwd -P)
folder=$1
command -v npm >/dev/null || {
    echo "npm is missing: apt-get install npm"
    exit 1
}
mkdir -p "$folder"
if cmp -s "$here/package-lock.json" "$folder/installed.json"; then
    exit 0
fi
rm -f "$folder/installed.json"
cp "$here/package.json" "$here/package-lock.json" "$folder/"
(cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline) || {
    echo "npm could not install the packages of tests/integration/channels/npm/package-lock.json"
    exit 1
}
cp "$here/package-lock.json" "$folder/installed.json"
