#!/usr/bin/env bash
# Builds, checks and times the CUDA backend on a machine with a GPU: `bench/gpu/run.sh [PART...] [OPTION...]`.
# Needs nvcc, CMake and python3 with torch; no Node, no network. README.md beside this says how to read what it prints.
#
#   parts     build tests sanitize ceilings time all (default)
#   --out D       results.json and logs (default: build/gpu/out)
#   --quick       small shapes in the checks, the library alone in the times
#   --seconds N   all parts together (default 480)
#   --dry-run     without a GPU: the kernels compiled for the host, tiny shapes, times that mean nothing
set -uo pipefail
cd "$(dirname "$0")/../.."

parts=() out='' quick='' dry='' total=480 command="bench/gpu/run.sh $*"
while [ $# -gt 0 ]; do
  case $1 in
    build | tests | sanitize | ceilings | time) parts+=("$1") ;;
    all) parts+=(build tests sanitize ceilings time) ;;
    --out) out=$2 && shift ;;
    --seconds) total=$2 && shift ;;
    --quick) quick=--quick ;;
    --dry-run) dry=--dry-run ;;
    *) echo "run.sh: what is \"$1\"? Its first lines list the parts and options." >&2 && exit 2 ;;
  esac
  shift
done
[ ${#parts[@]} -eq 0 ] && parts=(build tests sanitize ceilings time)

python=${PYTHON:-python3}
build=build/gpu${dry:+-dry}
out=${out:-$build/out}
# What the parts found lies here, so that one which runs alone adds to what there is.
found=$build/found
mkdir -p "$out" "$found"
object=$build/lapidary_cuda.so
[ -n "$dry" ] && object=$build/native/simt/lapidary_cuda_simt.so
cpu=$build/lapidary_cpu.so
here=bench/gpu
export PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore

# What each part may take: shares of the whole. The parts stop by themselves before; `timeout` is for those that hang.
budget() { echo $((total * $1 / 100)); }
status=0

# A part that fails does not stop the others.
part() {
  local name=$1 seconds=$2 start=$SECONDS
  shift 2
  echo "== $name (up to $seconds s)"
  timeout --kill-after=5 "$seconds" "$@" 2>&1 | tee "$found/$name.log"
  local ended=${PIPESTATUS[0]}
  [ "$ended" -eq 124 ] && echo "FAILED $name: stopped after $seconds s"
  [ "$ended" -ne 0 ] && status=1
  printf '{"part": "%s", "status": %d, "seconds": %d, "allowed": %d}\n' "$name" "$ended" $((SECONDS - start)) \
    "$seconds" >"$found/$name.status.json"
}

has_part() { case " ${parts[*]} " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
export python build object cpu here found quick dry

# shellcheck disable=SC1091
source "$here/parts.sh"

rm -f "$found"/*.status.json
has_part build && part build "$(budget 25)" bash -c "source $here/parts.sh && build_all"
if [ ! -e "$object" ]; then
  echo "FAILED there is no $object; run the part \"build\""
  exit 1
fi
if has_part tests; then
  rm -f "$found"/check-*.json "$found"/native-*.log
  part tests "$(budget 28)" bash -c "source $here/parts.sh && run_tests $(budget 25)"
fi
has_part sanitize && part sanitize "$(budget 11)" bash -c "source $here/parts.sh && run_sanitizer $(budget 10)"
find_cublaslt
has_part ceilings && part ceilings "$(budget 6)" "$python" $here/ceilings.py --object "$object" $dry \
  --seconds "$(budget 3)" --json "$found/ceilings.json"
if has_part time; then
  # Whatever is left.
  left=$((total - SECONDS - 5))
  [ "$left" -lt 60 ] && left=60
  part time "$left" "$python" $here/timing.py --object "$object" $dry $quick --seconds $((left - 15)) \
    --json "$found/time.json"
fi

"$python" $here/report.py --found "$found" --out "$out" --object "$object" --command "$command" $dry || status=1
exit $status
