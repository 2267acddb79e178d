"""Linear log-probs on the device against doubles: both ways, kept and not, frozen, and the optional tensor-core path."""

import os

import torch

import calls
import inputs
import reference
from calls import PLAIN, Transform
from harness import NAMES

# Bounds of the gradients' relative error: products of 16-bit operands hold the softmax in 16 bits.
GRADIENT = {torch.float32: 2e-5, torch.bfloat16: 1e-2, torch.float16: 1.5e-3}
ALLOWED = 1e-4  # of logp, as issue and README promise
# How the products are made: cuBLASLt where it is found, tiles of our own, and for the forward tensor instructions.
PATHS = {
    "default": {},
    "tiled": {"LAPIDARY_CUBLASLT": "none"},
    "wgmma": {"LAPIDARY_CUDA_HEAD": "wgmma"},
    "wgmma2": {"LAPIDARY_CUDA_HEAD": "wgmma2"},
}


def problem(machine, seed, rows, vocab, width, dtype, padding=0, peaked=True):
    weight = inputs.head(machine, seed, vocab, width, dtype, padding)
    targets = inputs.random_targets(machine, seed + 1, rows, vocab)
    hidden = inputs.hidden_states(machine, seed + 2, weight, targets, dtype, peaked, padding)
    dlogp = inputs.normal(machine, seed + 5, rows)
    if rows > 4:
        inputs.ignore_some(targets)
        hidden[targets == calls.IGNORED] = float("nan")
        dlogp[1] = 0
    return hidden, weight, targets, dlogp


def readable(hidden, targets):
    """As the references may read it: ignored rows are 0."""
    return torch.where((targets == calls.IGNORED)[:, None], torch.zeros_like(hidden), hidden)


def check_forward(checks, got, expected, where):
    error = (got["logp"].double() - expected["logp"]).abs().max().item()
    checks.below(error, ALLOWED, f"{where}: max |dlogp|")
    for name, allowed in (("lse", 1e-5), ("entropy", 1e-4)):
        distance = (got[name].double() - expected[name]).abs() / (1 + expected[name].abs())
        checks.below(distance.max().item(), allowed, f"{where}: error of {name}")
    wrong = (got["top1"].long() != expected["top1"].long()).double().mean().item()
    # Two logits that f32 sums cannot tell apart.
    checks.below(wrong, 0.001, f"{where}: share of other top1")
    return error


def compare(checks, machine, cuda, given, transform, where):
    hidden, weight, targets, dlogp = given
    clean = readable(hidden, targets)
    expected = reference.linear_logprobs(clean, weight, targets, transform)
    dhidden, dweight = reference.linear_gradients(clean, weight, targets, dlogp, transform)
    bound = GRADIENT[hidden.dtype]
    largest = 0.0
    for keep in (False, True):
        kept = calls.kept_memory(machine, hidden, weight) if keep else None
        label = where + (", kept" if keep else "")
        forward = calls.linear_logprobs(machine, hidden, weight, targets, transform, kept, cuda)
        largest = max(largest, check_forward(checks, forward, expected, label))
        for frozen in (False, True):
            # What was kept may be used up by the backward.
            if keep and frozen:
                forward = calls.linear_logprobs(machine, hidden, weight, targets, transform, kept, cuda)
            out = calls.linear_backward(
                machine, hidden, weight, targets, forward, dlogp, transform, kept, frozen, cuda=cuda
            )
            name = label + (", frozen" if frozen else "")
            checks.below(reference.relative(out["dhidden"], dhidden), bound, f"{name}: error of dhidden")
            none = (targets == calls.IGNORED) | (dlogp == 0)
            checks.expect(bool((out["dhidden"][none] == 0).all()), f"{name}: rows without weight give 0")
            if not frozen:
                checks.below(reference.relative(out["dweight"], dweight), bound, f"{name}: error of dweight")
    into = inputs.normal(machine, 91, *weight.shape)
    wanted = into.double() + dweight
    forward = calls.linear_logprobs(machine, hidden, weight, targets, transform, None, cuda)
    calls.linear_backward(machine, hidden, weight, targets, forward, dlogp, transform, into=into, cuda=cuda)
    error = (into.double() - wanted).norm().item() / (dweight.norm().item() + 1e-30)
    checks.below(
        error, bound + 1e-6 * wanted.norm().item() / (dweight.norm().item() + 1e-30), f"{where}: added to dweight"
    )
    return largest


def cases(quick):
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for rows, vocab, width in ((1, 5, 3), (9, 33, 16), (37, 131, 40)):
            yield {"dtype": dtype, "rows": rows, "vocab": vocab, "width": width}
        yield {"dtype": dtype, "rows": 33, "vocab": 70, "width": 24, "padding": 8}
        yield {"dtype": dtype, "rows": 8, "vocab": 66, "width": 17, "padding": 3, "peaked": False}
    if quick:
        return
    for rows, vocab, width in ((257, 1000, 128), (1937, 4099, 512), (600, 32000, 1536)):
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            yield {"dtype": dtype, "rows": rows, "vocab": vocab, "width": width}
    yield {"dtype": torch.bfloat16, "rows": 300, "vocab": 152063, "width": 1024}


def on_path(machine, path):
    """The default context, or one that was asked for another path. On the host no cuBLASLt is found: the default path
    gets the double that stands for it there, where it has been built."""
    environment = dict(PATHS[path])
    double = os.path.join(os.path.dirname(machine.object_path), "libsimt_cublas_lt.so")
    if machine.dry and path == "default" and os.path.exists(double):
        environment["LAPIDARY_CUBLASLT"] = double
    return machine.context(machine.object_path, environment)


def check_cases(checks, machine, quick, path):
    cuda = on_path(machine, path)
    for seed, case in enumerate(cases(quick)):
        shape = (case["rows"], case["vocab"], case["width"])
        given = problem(machine, 40 * seed, *shape, case["dtype"], case.get("padding", 0), case.get("peaked", True))
        where = f"{NAMES[case['dtype']]} {'x'.join(map(str, shape))} padding {case.get('padding', 0)}"
        compare(checks, machine, cuda, given, PLAIN, where)
    given = problem(machine, 5, 19, 77, 32, torch.bfloat16)
    compare(checks, machine, cuda, given, Transform(0.8, 15.0), "softcap")
    temperatures = 0.5 + 0.1 * torch.arange(19, device=machine.device).float()
    compare(checks, machine, cuda, given, Transform(temperatures), "temperatures by row")


def check_repeatable(checks, machine, quick, path):
    shape = (20, 133, 24) if quick else (1024, 152064, 1024)
    cuda = on_path(machine, path)
    hidden, weight, targets, dlogp = problem(machine, 61, *shape, torch.bfloat16)
    kept = calls.kept_memory(machine, hidden, weight)

    def once():
        forward = calls.linear_logprobs(machine, hidden, weight, targets, PLAIN, kept, cuda)
        out = calls.linear_backward(machine, hidden, weight, targets, forward, dlogp, PLAIN, kept, cuda=cuda)
        return forward | out

    first = once()
    for run in range(9):
        again = once()
        for name in first:
            checks.expect(torch.equal(again[name], first[name]), f"{name}: run {run + 2} of 10 gives the same bits")
    plain = calls.linear_logprobs(machine, hidden, weight, targets, PLAIN, None, cuda)
    for name in plain:
        if path.startswith("wgmma"):
            # Its kernel may leave the logits that are kept to the other products.
            checks.measured[f"linear {name}, other bits with `kept`, {path}"] = (
                (plain[name] != first[name]).sum().item()
            )
        else:
            checks.expect(torch.equal(plain[name], first[name]), f"{name}: the same bits without `kept`")
    for begin, end in ((0, 1), (2, 7), (shape[0] // 2, shape[0])):
        part = calls.linear_logprobs(machine, hidden[begin:end], weight, targets[begin:end], PLAIN, None, cuda)
        for name in part:
            checks.expect(torch.equal(part[name], plain[name][begin:end]), f"{name} of rows {begin}..{end} alone")


def check_target_shape(checks, machine, quick, path):
    """T = 8192, V = 152064, H = 3584 in chunks of 4096 rows: errors, and the memory beyond the gradients."""
    rows, vocab, width = (24, 160, 32) if quick else (8192, 152064, 3584)
    cuda = on_path(machine, path)
    hidden, weight, targets, dlogp = problem(machine, 71, rows, vocab, width, torch.bfloat16)
    clean = readable(hidden, targets)
    expected = reference.linear_logprobs(clean, weight, targets)
    dhidden, dweight = reference.linear_gradients(clean, weight, targets, dlogp)
    total, out, chunk = None, [], rows // 2
    worst = 0.0
    for begin in range(0, rows, chunk):
        part = slice(begin, begin + chunk)
        kept = calls.kept_memory(machine, hidden[part], weight)
        forward = calls.linear_logprobs(machine, hidden[part], weight, targets[part], PLAIN, kept, cuda)
        of = {name: value[part] for name, value in expected.items()}
        worst = max(worst, check_forward(checks, forward, of, f"rows {begin}.."))
        given = (hidden[part], weight, targets[part], forward, dlogp[part])
        grads = calls.linear_backward(machine, *given, PLAIN, kept, into=total, cuda=cuda)
        total = grads["dweight"]
        out.append(grads["dhidden"])
    checks.measured[f"linear max |dlogp|, {path}"] = worst
    print(f"{path}: products by {cuda.products()}")
    for name, got, wanted in (("dhidden", torch.cat(out), dhidden), ("dweight", total, dweight)):
        error = reference.relative(got, wanted)
        checks.measured[f"linear error of {name}, {path}"] = error
        checks.below(error, GRADIENT[torch.bfloat16], f"error of {name}")


def check_linear(checks, machine, quick):
    # One that a fault would take with it comes after those that are known to run.
    for path in PATHS:
        for name, check in (
            *(("cases", check_cases), ("repeatable", check_repeatable)),
            ("target shape", check_target_shape),
        ):
            if path == "tiled" and name == "target shape" and not quick:
                continue  # for machines without cuBLASLt; it would take too long
            checks.run(f"linear, {path}, {name}", check, checks, machine, quick, path)
