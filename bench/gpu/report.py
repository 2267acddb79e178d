"""Joins what the parts found into one JSON file and prints the table: the last lines of run.sh, since often only the
end of an output is at hand."""

import argparse
import glob
import json
import os
import re
import subprocess
import sys

MEMORY = 1.4e9  # bytes beyond the gradients
SHARES = {"row": 0.90, "linear": 0.85}


def read(path):
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def said(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def machine(object_path):
    import torch

    from lapidary_ctypes import Cuda

    cuda = Cuda(object_path)
    device = cuda.describe()
    cuda.close()
    release = re.search(r"release ([^,\s]+)", said("nvcc", "--version"))
    return {
        "device": device,
        "driver": said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        "toolkit": release.group(1) if release else "",
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "commit": said("git", "rev-parse", "--short", "HEAD") or os.environ.get("LAPIDARY_REVISION", "not known"),
        "changed": bool(said("git", "status", "--porcelain", "--untracked-files=no")),
    }


def native_tests(found):
    out = {}
    for path in sorted(glob.glob(os.path.join(found, "native-*.log"))):
        with open(path, errors="replace") as file:
            text = file.read()
        counts = re.findall(r"^(\d+) passed, (\d+) failed", text, re.M)
        passed, failed = map(int, counts[-1]) if counts else (0, 1)
        if not re.search(r"^exit status 0$", text, re.M):
            failed = max(failed, 1)
        failures = re.findall(r"^FAIL (.*)", text, re.M)[:20]
        out[os.path.basename(path)[len("native-") : -len(".log")]] = {
            **{"passed": passed, "failed": failed, "failures": failures},
        }
    return out


def suites(found):
    out = {}
    for path in sorted(glob.glob(os.path.join(found, "check-*.log"))):
        name = os.path.basename(path)[len("check-") : -len(".log")]
        result = read(path[: -len(".log")] + ".json")
        result = result or {"complete": False, "passed": 0, "failures": [], "measured": {}}
        if not result["complete"]:
            result["failures"].append("ended early; see its log")
        failures = result["failures"]
        out[name] = {**result, "failed": len(failures), "failures": failures[:40]}
    return out


def floor_ms(work, ceilings):
    """Against what this device reached: row kernels by the copy's rate, products by the best product's."""
    if not ceilings:
        return None
    if "flops" in work:
        return 1e3 * work["flops"] / ceilings["matrix"]
    return 1e3 * work["bytes"] / ceilings["copy"]


def best_of(result, own):
    """The fastest right entry of the library, or of its peers: (name, entry)."""
    entries = [
        (name, entry)
        for name, entry in result.get("providers", {}).items()
        if "ms" in entry and not entry.get("wrong") and name.startswith("lapidary") == own
    ]
    return min(entries, key=lambda pair: pair[1]["ms"]["median"], default=None)


def final(times):
    """One result for each operation and shape: beside peers where that was had."""
    out = {}
    for result in times.get("results", []):
        key = (result["operation"], result["shape"])
        if key not in out or result.get("against peers"):
            out[key] = result
    return list(out.values())


def line_of(result, ceilings):
    own, peer = best_of(result, True), best_of(result, False)
    if own is None:
        reasons = [e.get("left out") or f"wrong: {e.get('wrong')}" for e in result.get("providers", {}).values()]
        return f"{result['operation']:<34} none: {(reasons or [result.get('left out', '')])[0][:60]}"
    name, entry = own
    ms = entry["ms"]
    floor, target = floor_ms(result["work"], ceilings), result.get("target ms")
    share = f"{floor / ms['median']:5.0%}" if floor else "    -"
    against = (
        f"{peer[0][:13]} {peer[1]['ms']['median']:.3g} ({peer[1]['ms']['median'] / ms['median']:.2f}x)" if peer else "-"
    )
    goal = "" if target is None else f" target {target}: {'met' if ms['median'] <= target else 'NOT MET'}"
    memory = (entry.get("memory") or {}).get("extra")
    extra = "     -" if memory is None else f"{(memory + entry['memory']['outside']) / 1e9:6.2f}"
    how = name[len("lapidary") :].lstrip(", ")
    label = result["operation"] + (f" [{how}]" if how else "")
    return f"{label:<42} {ms['median']:8.3f} ({ms['p20']:.3f}-{ms['p80']:.3f}) {share} {extra} {against}{goal}"


def verdicts(report):
    """Targets that are not times. The rest of what was measured is in the JSON file."""
    measured = {}
    for suite in report["suites"].values():
        measured |= suite.get("measured", {})
    for name, value in measured.items():
        if "max |dlogp|" not in name:
            continue
        path = name.split(", ")[-1]
        gradients = [measured.get(f"linear error of {g}, {path}") for g in ("dhidden", "dweight")]
        beside = "" if None in gradients else "; errors of dhidden, dweight {:.1e}, {:.1e}".format(*gradients)
        yield f"{name}: {value:.2e}, allowed 1e-4: {'met' if value <= 1e-4 else 'NOT MET'}{beside}"
    if "mean entropy" in measured:
        yield f"inputs: {measured['share of p > 0.9']:.0%} of p > 0.9, mean entropy {measured['mean entropy']:.2f} nat"
    for result in final(report["time"] or {}):
        if result["operation"] == "linear step with S_i" and "H=3584" in result["shape"]:
            for name, entry in result["providers"].items():
                if name.startswith("lapidary") and entry.get("memory"):
                    extra = entry["memory"]["extra"] + entry["memory"]["outside"]
                    met = "met" if extra <= MEMORY else "NOT MET"
                    ms = entry["ms"]["median"] if "ms" in entry else float("nan")
                    yield f"{name}: {ms:.1f} ms, {extra / 1e9:.2f} GB beyond the gradients, allowed 1.4: {met}"


def correctness(report):
    for kind in ("native", "suites"):
        for name, result in report[kind].items():
            first = f"; {result['failures'][0][:90]}" if result["failures"] else ""
            yield f"  {name}: {result['passed']} passed, {result['failed']} failed{first}"
    for line in report["sanitizer"]:
        yield f"  {line[:150]}"


def print_report(report, dry):
    if dry:
        print(
            "DRY RUN: tiny shapes on the host. No figure below is a measurement, and none is written to results.json."
        )
    info = report["machine"]
    if "device" in info:
        print(
            f"{info['device']['name']}, driver {info['driver']}, nvcc {info['toolkit']}, torch {info['torch']}, "
            f"commit {info['commit']}{' with changes' if info['changed'] else ''}"
        )
    print("correctness:")
    for line in correctness(report):
        print(line)
    ceilings = report["ceilings"]
    if ceilings:
        rates = f"copy {ceilings['copy'] / 1e12:.3f}, read {ceilings['read'] / 1e12:.3f} TB/s"
        products = (report["time"] or {}).get("products", "not known")
        print(f"ceilings: {rates}; bf16 products {ceilings['matrix'] / 1e12:.0f} TFLOP/s; the head's by {products}")
    shape = None
    for result in final(report["time"] or {}):
        if result["shape"] != shape:
            shape = result["shape"]
            print(f"{shape}: ms (p20-p80), share of ceiling, extra GB, best peer")
        print("  " + line_of(result, ceilings))
    print("targets on an H100; aims: row kernels 90 % of the copy's rate, linear 85 % of the products'")
    for line in verdicts(report):
        print("  " + line)


def main():
    parser = argparse.ArgumentParser()
    for name in ("found", "out", "object", "command"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args()
    found = given.found
    report = {"command": given.command, "machine": {}, "native": native_tests(found), "suites": suites(found)}
    try:
        report["machine"] = machine(given.object)
    except Exception as error:  # a device that a fault has taken away must not take the report with it
        report["machine"] = {"error": str(error)}
    log = os.path.join(found, "sanitize.log")
    lines = open(log, errors="replace").read().splitlines() if os.path.exists(log) else []
    report["sanitizer"] = [line for line in lines if re.search("skipped|summary|passed|FAILED", line, re.I)]
    report["parts"] = [read(path) for path in sorted(glob.glob(os.path.join(found, "*.status.json")))]
    report["ceilings"], report["time"] = (read(os.path.join(found, name)) for name in ("ceilings.json", "time.json"))
    if not given.dry_run:
        with open(os.path.join(given.out, "results.json"), "w") as file:
            json.dump(report, file, indent=1)
        with open(os.path.join(given.out, "logs.txt"), "w") as file:
            for path in sorted(glob.glob(os.path.join(found, "*.log"))):
                file.write(f"==== {os.path.basename(path)}\n{open(path, errors='replace').read()[-200000:]}\n")
    print_report(report, given.dry_run)
    tested = [result for kind in ("native", "suites") for result in report[kind].values()]
    passed, failed = (sum(result[name] for result in tested) for name in ("passed", "failed"))
    failed += sum(1 for part in report["parts"] if part and part["status"] != 0 and part["part"] != "tests")
    print(f"{passed} passed, {failed} failed")
    sys.exit(0 if failed == 0 else 1)


main()
