# shellcheck shell=bash disable=SC2154
# The parts of run.sh that are more than one program. Variables are run.sh's: build, object, cpu, found, dry, quick.

configure() {
  local generator=() architectures=()
  command -v ninja >/dev/null && [ ! -e "$build/CMakeCache.txt" ] && generator=(-G Ninja)
  if [ -n "$dry" ]; then
    architectures=(-DLAPIDARY_CUDA=OFF)
  else
    # This machine's device alone: all targets take several times as long. CUDAARCHS overrides it.
    local capability
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -d '. ')
    if [ -z "${CUDAARCHS:-$capability}" ]; then
      capability=$("$python" -c 'import torch; print("%d%d" % torch.cuda.get_device_capability())') || return 1
    fi
    architectures=("-DCMAKE_CUDA_ARCHITECTURES=${CUDAARCHS:-$capability-real}")
    export CUDACXX=${CUDACXX:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
  fi
  cmake -S . -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release "${architectures[@]}"
}

# cuBLASLt for programs without PyTorch: its packages have one where the loader does not look.
find_cublaslt() {
  [ -n "$dry${LAPIDARY_CUBLASLT:-}" ] && return
  ldconfig -p 2>/dev/null | grep -q libcublasLt.so && return
  local file
  file=$("$python" -c 'import glob, sys
print(next(iter(f for p in sys.path for f in glob.glob(p + "/nvidia/*/lib/libcublasLt.so.*")), ""))' 2>/dev/null)
  [ -n "$file" ] && export LAPIDARY_CUBLASLT=$file && echo "cuBLASLt: $file"
}

build_all() {
  configure || return 1
  local targets=(lapidary_cpu lapidary_cuda cuda_device_tests)
  [ -n "$dry" ] && targets=(lapidary_cpu lapidary_cuda_simt)
  # Whatever can be built is; a test that cannot does not keep the object from being checked.
  cmake --build "$build" --parallel "$(nproc)" --target "${targets[@]}" -- -k 0 2>/dev/null ||
    cmake --build "$build" --parallel "$(nproc)" --target "${targets[@]}"
}

# Native tests and the families of the suite, side by side: each in a process of its own, so that a fault of the device
# in one is not the others'. Their times are of no interest.
run_tests() {
  local seconds=$1 jobs=() family test
  find_cublaslt
  # In the dry run npm run test:native is what runs the native tests.
  if [ -z "$dry" ]; then
    for test in "$build"/cuda_*_test_on_device; do
      [ -e "$test" ] || continue
      (
        timeout "$seconds" "$test"
        echo "exit status $?"
      ) >"$found/native-$(basename "$test" _on_device).log" 2>&1 &
      jobs+=($!)
    done
  fi
  for family in layout token divergence policy linear; do
    "$python" "$here/checks.py" "$family" --object "$object" --cpu "$cpu" --seconds "$seconds" \
      --json "$found/check-$family.json" $dry $quick >"$found/check-$family.log" 2>&1 &
    jobs+=($!)
  done
  wait "${jobs[@]}"
  summarise_tests
}

summarise_tests() {
  local log last bad=0
  for log in "$found"/native-*.log "$found"/check-*.log; do
    [ -e "$log" ] || continue
    last=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -1)
    echo "$(basename "$log" .log): ${last:-ended early: $(tail -1 "$log")}"
    [[ $last =~ \ 0\ failed ]] && ! grep -q '^exit status [1-9]' "$log" && continue
    bad=1
    grep -E '^(FAILED|FAIL) ' "$log" | head -15
  done
  return $bad
}

run_sanitizer() {
  local seconds=$1 tool bad=0
  find_cublaslt
  if [ -n "$dry" ]; then
    "$python" "$here/sanitize_cases.py" "$object"
    return
  fi
  local sanitizer
  sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
  if [ -z "$sanitizer" ]; then
    echo "compute-sanitizer: skipped, it is not installed"
    return
  fi
  # The cases by themselves first: what fails without the tool is no finding of it.
  "$python" "$here/sanitize_cases.py" "$object" || bad=1
  # Side by side: each is slow for itself.
  for tool in memcheck racecheck synccheck; do
    timeout --kill-after=3 "$((seconds - 5))" "$sanitizer" --tool "$tool" --error-exitcode 9 --print-limit 20 \
      "$python" "$here/sanitize_cases.py" "$object" >"$found/sanitize-$tool.log" 2>&1 &
  done
  wait
  for tool in memcheck racecheck synccheck; do
    judge_sanitizer "$tool" "$found/sanitize-$tool.log" || bad=1
  done
  return $bad
}

judge_sanitizer() {
  local tool=$1 log=$2 line
  line=$(grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$log" | tail -1 | sed 's/^=* //')
  if grep -qiE 'device not supported|failed to initialize|not supported on' "$log"; then
    echo "$tool: skipped, it does not work on this machine: $(grep -iE 'not supported|failed to' "$log" | head -1)"
  elif [ -z "$line" ]; then
    echo "FAILED $tool: no summary; $(tail -1 "$log")"
    return 1
  elif [[ $line =~ :\ 0\ (errors|hazards) ]]; then
    echo "$tool: $line"
  else
    echo "FAILED $tool: $line"
    grep -E '^=+ +(Invalid|Error|Warning|Race|Barrier|Program hit)' "$log" | sort | uniq -c | head -8
    return 1
  fi
}
