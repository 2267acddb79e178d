#!/usr/bin/env bash
# Runs the addon on a machine with a GPU, from the archive that pack.sh made: `bench/gpu/addon.sh [ARCHIVE] [OBJECT]`.
# The archive is build/gpu-addon.tar.xz, the object what `run.sh build` built: build/gpu/lapidary_cuda.so. Prints
# "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."

archive=$(realpath "${1:-build/gpu-addon.tar.xz}")
object=$(realpath "${2:-build/gpu/lapidary_cuda.so}")
parts=$PWD/bench/gpu/parts.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar -C "$folder" -xJf "$archive"
cd "$folder/lapidary"
export LAPIDARY_ADDON=$PWD/addon/lapidary.node LAPIDARY_CUDA_OBJECT=$object PYTHON=${PYTHON:-python3}
python=$PYTHON dry=''
# shellcheck disable=SC1090
source "$parts"
find_cublaslt || true
timeout 120 ./node addon-check.mjs
