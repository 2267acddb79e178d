#!/usr/bin/env bash
# Packs what a machine without Node and npm needs to run the addon: this Node, the addon, the compiled JavaScript and
# the check. `bench/gpu/pack.sh [ARCHIVE]` (default build/gpu-addon.tar.xz), after `npm ci` and `npm run build`. The
# CUDA object is not in it: it is built over there, by run.sh. The other machine's C library must be no older than this
# one's; addon.sh unpacks and runs it.
set -euo pipefail
cd "$(dirname "$0")/../.."

archive=${1:-build/gpu-addon.tar.xz}
most=$((60 * 1024 * 1024))
addon=${LAPIDARY_ADDON:-build/Release/lapidary.node}
for needed in "$addon" dist/kernels/tensor.js node_modules/bindings; do
  [ -e "$needed" ] || { echo "pack.sh: there is no $needed; run npm ci and npm run build" >&2 && exit 1; }
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
into=$folder/lapidary
mkdir -p "$into/node_modules" "$into/addon"
cp "$(node -p process.execPath)" "$into/node"
cp "$addon" "$into/addon/lapidary.node"
# Without symbols for a debugger: half of the size.
strip "$into/node" "$into/addon/lapidary.node" || echo "pack.sh: not stripped" >&2
cp -r dist package.json "$into"
cp -rL node_modules/bindings node_modules/file-uri-to-path "$into/node_modules"
cp bench/gpu/addon-*.mjs bench/gpu/ipc_peer.py "$into"
git rev-parse --short HEAD >"$into/revision" 2>/dev/null || true

mkdir -p "$(dirname "$archive")"
tar -C "$folder" -c lapidary | xz -T0 -6 >"$archive"
size=$(stat -c %s "$archive")
echo "$archive: $((size / 1024 / 1024)) MiB"
[ "$size" -lt "$most" ] || { echo "FAILED it is larger than 60 MiB" && exit 1; }
