"""Holds lapidary_structs.py to the headers: a small C program prints the size of every struct, the offset and size of
every field and the values of the enums that are used, and all must agree. Needs a C compiler."""

import ctypes
import os
import subprocess
import tempfile

import lapidary_structs as lap
from lapidary_ctypes import ABI_VERSION

ENUMS = {
    "LAP_ABI_VERSION": ABI_VERSION,
    **{"LAP_OK": lap.OK, "LAP_OUT_OF_MEMORY": lap.OUT_OF_MEMORY, "LAP_DEVICE_ERROR": lap.DEVICE_ERROR},
    **{"LAP_F32": lap.F32, "LAP_BF16": lap.BF16, "LAP_F16": lap.F16},
    **{"LAP_ANCHOR_OLD": lap.OLD, "LAP_ANCHOR_BEHAVIOUR": lap.BEHAVIOUR, "LAP_ANCHOR_REF": lap.REF},
    **{"LAP_DIVERGENCE_REVERSE_KL": lap.REVERSE_KL, "LAP_DIVERGENCE_JSD": lap.JSD},
    **{"LAP_DIAG_" + name: value for name, value in lap.DIAGNOSTICS.items()},
}


def declared():
    """What ctypes has, as the lines that the program prints."""
    lines = []
    for name, struct in lap.STRUCTS.items():
        lines.append(f"{name} {ctypes.sizeof(struct)}")
        for field, _ in struct._fields_:
            at = getattr(struct, field)
            lines.append(f"{name}.{field} {at.offset} {at.size}")
    return lines + [f"{name} {value}" for name, value in ENUMS.items()]


def program():
    lines = ["#include <stdio.h>", '#include "lapidary.h"', '#include "lapidary/cuda.h"', "int main(void) {"]
    for name, struct in lap.STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        for field, _ in struct._fields_:
            of = f"offsetof({name}, {field}), sizeof((({name}*)0)->{field})"
            lines.append(f'printf("{name}.{field} %zu %zu\\n", {of});')
    lines += [f'printf("{name} %d\\n", (int){name});' for name in ENUMS]
    return "\n".join(lines + ["return 0;", "}", ""])


def compiled(include):
    with tempfile.TemporaryDirectory() as folder:
        source, binary = os.path.join(folder, "layout.c"), os.path.join(folder, "layout")
        with open(source, "w") as file:
            file.write(program())
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-std=c11", "-I", include, source, "-o", binary], check=True)
        return subprocess.run([binary], check=True, capture_output=True, text=True).stdout.splitlines()


def check_layout(checks, include):
    ours, theirs = declared(), compiled(include)
    checks.expect(len(ours) == len(theirs), f"as many lines: {len(ours)} and {len(theirs)}")
    for a, b in zip(ours, theirs):
        checks.expect(a == b, f"layout: {a} in Python, {b} in C")
