"""What this device reaches: bytes copied and read per second over sizes far beyond the L2 cache, and bf16 products of
random matrices, square and of the head's shapes. Medians."""

import argparse
import json

import torch

import inputs
from harness import Machine
from timer import Timer

GIB = 1 << 30


def bandwidth(machine, timer, gibibytes, seconds):
    """Bytes per second: a copy counts what it reads and writes."""
    bytes_ = int(gibibytes * GIB)
    source = inputs.normal(machine, 1, bytes_ // 4)
    target = torch.empty_like(source)
    kinds = {
        "copy": (lambda i: target.copy_(source), None),
        "read (sum)": (lambda i: source.sum(), None),
        "read (amax)": (lambda i: source.amax(), None),
        "write": (lambda i: target.fill_(float(i)), None),
    }
    for run, _ in kinds.values():
        run(0)
    factor = {"copy": 2}
    times = timer.rounds(kinds, seconds)
    return {name: factor.get(name, 1) * bytes_ / (1e-3 * t["median"]) for name, t in times.items()}


def products(machine, timer, shapes, seconds):
    """FLOP per second of [m, k] x [k, n] for each shape; `t` marks operands that lie transposed."""
    out = {}
    for name, (m, n, k, layout) in shapes.items():
        a = inputs.normal(machine, 1, *((k, m) if layout[0] == "t" else (m, k)), dtype=torch.bfloat16)
        b = inputs.normal(machine, 2, *((n, k) if layout[1] == "t" else (k, n)), dtype=torch.bfloat16)
        left, right = (a.T if layout[0] == "t" else a), (b.T if layout[1] == "t" else b)
        result = torch.empty(m, n, dtype=torch.bfloat16, device=machine.device)
        run = lambda i: torch.mm(left, right, out=result)
        for _ in range(3):
            run(0)
        times = timer.rounds({name: (run, None)}, seconds, most=20)
        out[name] = 2 * m * n * k / (1e-3 * times[name]["median"])
    return out


def shapes_of(rows, vocab, width, square):
    return {
        f"square {square}": (square, square, square, "nt"),
        f"logits {rows}x{vocab}x{width}": (rows, vocab, width, "nt"),
        f"dhidden {rows}x{width}x{vocab}": (rows, width, vocab, "nn"),
        f"dweight {vocab}x{width}x{rows}": (vocab, width, rows, "tn"),
    }


def measure(machine, timer, seconds):
    sizes = (0.001,) if machine.dry else (1, 2, 4)
    shapes = shapes_of(16, 64, 32, 32) if machine.dry else shapes_of(8192, 152064, 3584, 8192)
    by_size = {str(size): bandwidth(machine, timer, size, seconds / 12) for size in sizes}
    rates = products(machine, timer, shapes, seconds / 12)
    best = lambda prefix: max(v for of in by_size.values() for k, v in of.items() if k.startswith(prefix))
    return {
        "bandwidth": {f"{size} GiB": of for size, of in by_size.items()},
        **{"copy": best("copy"), "read": best("read"), "write": best("write")},
        "products": rates,
        "matrix": max(rates.values()),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--object", required=True)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json")
    given = parser.parse_args()
    machine = Machine(given.dry_run, given.object)
    found = measure(machine, Timer(machine), given.seconds)
    for name in ("copy", "read", "write"):
        print(f"{name}: {found[name] / 1e12:.3f} TB/s")
    for name, rate in found["products"].items():
        print(f"{name}: {rate / 1e12:.1f} TFLOP/s")
    if given.json:
        found["measurement"] = not machine.dry
        with open(given.json, "w") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
