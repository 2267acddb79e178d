"""Correctness on a device: `python3 checks.py FAMILY...`. Prints "N passed, N failed" and ends with 1 on a failure."""

import argparse
import os
import sys

from harness import Checks, Machine
from layout import check_layout

HERE = os.path.dirname(os.path.abspath(__file__))


def family(name):
    """Imported on use: a family runs in a process of its own, so that a device's fault is not the others'."""
    module = __import__("check_" + name)
    return getattr(module, "check_" + name)


FAMILIES = ("token", "divergence", "policy", "linear")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("families", nargs="+", choices=("layout", *FAMILIES))
    parser.add_argument("--object", help="lapidary_cuda, or the SIMT object")
    parser.add_argument("--cpu", help="lapidary_cpu")
    parser.add_argument("--dry-run", action="store_true", help="the SIMT object on the host; small shapes")
    parser.add_argument("--quick", action="store_true", help="small shapes")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--json")
    given = parser.parse_args()
    checks, machine = Checks(given.seconds, given.json), None
    for name in given.families:
        if name == "layout":
            checks.run("layout", check_layout, checks, os.path.join(HERE, "..", "..", "native", "include"))
            continue
        if machine is None:
            machine = Machine(given.dry_run, given.object)
            machine.object_path, machine.cpu_path = given.object, given.cpu
        check = family(name)
        check(checks, machine, given.quick or given.dry_run)
        checks.run(name + ", end", machine.synchronize)
    print(f"{checks.passed} passed, {len(checks.failures)} failed")
    checks.save(complete=True)
    sys.exit(0 if not checks.failures else 1)


main()
