"""Token log-probs on the device against doubles."""

import torch

import calls
import inputs
import reference
from calls import PLAIN, Transform
from check_vocab_shard import check_vocab_shards
from harness import NAMES


def check_rows(checks, got, expected, where):
    """The bounds of the native tests. logp next to 0 must keep its digits."""
    logp = expected["logp"]
    bound = 3e-6 * logp.abs() + torch.where(logp > -1e-3, 0.0, 3e-6)
    excess = ((got["logp"].double() - logp).abs() - bound).max().item()
    checks.below(excess, 0.0, f"{where}: error of logp beyond its bound")
    for name, allowed in (("lse", 2e-6), ("entropy", 2e-5)):
        if name in got:
            error = (got[name].double() - expected[name]).abs() / (1 + expected[name].abs())
            checks.below(error.max().item(), allowed, f"{where}: error of {name}")
    if "top1" in got:
        wrong = (got["top1"].long() != expected["top1"].long()).sum().item()
        checks.expect(wrong == 0, f"{where}: top1 wrong in {wrong} rows")


def compare(checks, machine, case, seed):
    rows, vocab, dtype = case["rows"], case["vocab"], case["dtype"]
    x, targets = inputs.token_logits(
        machine, seed, rows, vocab, dtype, case.get("peaked", True), case.get("padding", 0), case.get("shift", 0)
    )
    transform = case.get("transform", PLAIN)
    if rows > 3:
        inputs.ignore_some(targets)
    where = f"{NAMES[dtype]} {rows}x{vocab}" + "".join(
        f" {k} {v}" for k, v in case.items() if k in ("padding", "shift", "peaked", "named")
    )
    expected = reference.token_logprobs(x, targets, transform)
    forward = calls.token_logprobs(machine, x, targets, transform)
    check_rows(checks, forward, expected, where + " forward")
    plain = calls.token_logprobs(machine, x, targets, transform, ("logp", "lse"))
    check_rows(checks, plain, expected, where + " forward without entropy")
    dlogp, dentropy = (inputs.normal(machine, seed + k, rows) for k in (5, 6))
    dlogp[0] = dentropy[0] = 0
    gradients(checks, machine, (x, targets, transform), forward, dlogp, dentropy, where)


def gradients(checks, machine, given, forward, dlogp, dentropy, where):
    x, targets, transform = given
    excess = lambda got, w, h=None: reference.gradient_excess(got, x, targets, w, h, transform)
    out = calls.token_backward(machine, x, targets, forward, dlogp, None, transform)
    checks.below(excess(out, dlogp), 1.0, where + " backward")
    out = calls.token_backward(machine, x, targets, forward, dlogp, dentropy, transform)
    checks.below(excess(out, dlogp, dentropy), 1.0, where + " backward with entropy")
    unit = torch.ones_like(dlogp)
    both = calls.token_with_gradient(machine, x, targets, None, transform)
    checks.below(excess(both["dlogits"], unit), 1.0, where + " unit gradient")
    checks.below(
        excess(calls.token_with_gradient(machine, x, targets, dlogp, transform)["dlogits"], dlogp),
        1.0,
        where + " weighted gradient",
    )
    expected = reference.token_logprobs(x, targets, transform)
    rows = {name: both[name] for name in ("logp", "lse", "entropy")}
    check_rows(checks, rows, expected, where + " rows of the unit gradient")
    in_place(checks, machine, given, forward, dlogp, where)


def in_place(checks, machine, given, forward, dlogp, where):
    """The same bits as out of place, and nothing outside the rows is touched."""
    x, targets, transform = given
    vocab = x.shape[1]
    frame = torch.full((x.shape[0], x.stride(0) + 16), 77.0, dtype=x.dtype, device=x.device)
    # Both are given the same alignment, other than that of x.
    own, source = frame[:, 3 : 3 + vocab], frame.clone()[:, 3 : 3 + vocab]
    source.copy_(x)
    own.copy_(x)
    separate = calls.token_backward(machine, source, targets, forward, dlogp, None, transform)
    calls.token_backward(machine, own, targets, forward, dlogp, None, transform, out=own)
    checks.expect(torch.equal(own, separate), where + " backward in place gives the bits of the separate one")
    own.copy_(x)
    separate = calls.token_with_gradient(machine, source, targets, dlogp, transform)["dlogits"]
    calls.token_with_gradient(machine, own, targets, dlogp, transform, out=own)
    checks.expect(torch.equal(own, separate), where + " gradient in place likewise")
    around = torch.cat([frame[:, :3], frame[:, 3 + vocab :]], 1)
    checks.expect(bool((around == 77.0).all()), where + " leaves what lies between rows")


def cases(quick):
    half = (torch.bfloat16, torch.float16)
    for dtype in (torch.float32, *half):
        for vocab in (1, 2, 7, 33, 1000) + (() if quick else (4099, 32000)):
            yield {"dtype": dtype, "rows": 9, "vocab": vocab}
        for shift, padding in ((1, 5), (3, 0), (7, 8)):
            yield {"dtype": dtype, "rows": 6, "vocab": 2051 if not quick else 259, "shift": shift, "padding": padding}
        yield {"dtype": dtype, "rows": 5, "vocab": 777, "peaked": False}
        yield {"dtype": dtype, "rows": 5, "vocab": 777, "transform": Transform(0.3, 20.0), "named": "softcap"}
        if quick:
            continue
        # The last case of each type is the real vocabulary, and one less: no row is aligned then.
        for vocab in (152064, 152063, 151936, 128256, 248320):
            yield {"dtype": dtype, "rows": 67, "vocab": vocab}
        yield {"dtype": dtype, "rows": 67, "vocab": 152064, "transform": Transform(0.7, 30.0), "named": "softcap"}


def check_cases(checks, machine, quick):
    for seed, case in enumerate(cases(quick)):
        compare(checks, machine, case, 100 * seed)
    temperatures = 0.5 + 0.1 * torch.arange(9, device=machine.device).float()
    case = {"dtype": torch.bfloat16, "rows": 9, "vocab": 501, "transform": Transform(temperatures)}
    compare(checks, machine, {**case, "named": "temperatures by row"}, 3)


def check_masked(checks, machine, quick):
    """Ignored rows may hold NaN and give exactly 0; a bad target is NaN and harms no other row."""
    rows, vocab = 8, 300 if quick else 152064
    x, targets = inputs.token_logits(machine, 5, rows, vocab)
    inputs.ignore_some(targets, 2)
    clean = calls.token_logprobs(machine, x, targets)
    ignored = targets == calls.IGNORED
    x[ignored] = float("nan")
    spoilt = calls.token_logprobs(machine, x, targets)
    for name in ("logp", "lse", "entropy"):
        checks.expect(bool((spoilt[name][ignored] == 0).all()), f"{name} of ignored rows is 0")
        checks.expect(torch.equal(spoilt[name], clean[name]), f"{name} of the others is as without the NaN")
    dlogp = inputs.normal(machine, 6, rows)
    out = calls.token_backward(machine, x, targets, spoilt, dlogp)
    checks.expect(bool((out[ignored] == 0).all()), "the gradient of ignored rows is 0")
    checks.expect(not bool(torch.isnan(out).any()), "and nothing else is NaN")
    targets[0] = vocab
    bad = calls.token_logprobs(machine, x, targets)
    checks.expect(bool(torch.isnan(bad["logp"][0])) and int(bad["top1"][0]) == -1, "a bad target gives NaN")
    checks.expect(torch.equal(bad["logp"][1:], spoilt["logp"][1:]), "and no other row is harmed")


def check_repeatable(checks, machine, quick):
    """Ten runs, and the same rows in other batches, give the same bits."""
    rows, vocab = (12, 515) if quick else (512, 152064)
    x, targets = inputs.token_logits(machine, 7, rows, vocab)
    dlogp = inputs.normal(machine, 8, rows)
    first = calls.token_logprobs(machine, x, targets)
    gradient = calls.token_backward(machine, x, targets, first, dlogp)
    both = calls.token_with_gradient(machine, x, targets, dlogp)
    for run in range(9):
        again = calls.token_logprobs(machine, x, targets)
        same = all(torch.equal(again[name], first[name]) for name in first)
        checks.expect(same, f"forward, run {run + 2} of 10 gives the same bits")
        same = torch.equal(calls.token_backward(machine, x, targets, first, dlogp), gradient)
        checks.expect(same, f"backward, run {run + 2} of 10 gives the same bits")
        again = calls.token_with_gradient(machine, x, targets, dlogp)
        checks.expect(torch.equal(again["dlogits"], both["dlogits"]), f"gradient, run {run + 2} of 10 likewise")
    for begin, end in ((0, 1), (1, 2), (3, 8), (rows // 2, rows)):
        part = calls.token_logprobs(machine, x[begin:end], targets[begin:end])
        for name in first:
            checks.expect(torch.equal(part[name], first[name][begin:end]), f"{name} of rows {begin}..{end} alone")
        part = calls.token_with_gradient(machine, x[begin:end], targets[begin:end], dlogp[begin:end])
        checks.expect(
            torch.equal(part["dlogits"], both["dlogits"][begin:end]), f"gradient of rows {begin}..{end} alone"
        )


def check_placement(checks, machine, quick):
    """Where a row lies must not matter: with an odd V its alignment follows from its place in the batch."""
    rows, vocab = (32, 515) if quick else (64, 152063)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        x, targets = inputs.token_logits(machine, 9, rows, vocab, dtype, peaked=False)
        first, both = calls.token_logprobs(machine, x, targets), calls.token_with_gradient(machine, x, targets)
        for shift in (1, 2, 4):
            memory = torch.empty(rows * vocab + shift, dtype=dtype, device=x.device)
            moved = memory[shift:].view(rows, vocab)
            moved.copy_(x)
            got, where = calls.token_logprobs(machine, moved, targets), f"{NAMES[dtype]}, moved by {shift}"
            for name in first:
                changed = (got[name] != first[name]).sum().item()
                checks.expect(changed == 0, f"{where}: {name} has other bits in {changed} of {rows} rows")
            got = calls.token_with_gradient(machine, moved, targets)["dlogits"]
            checks.expect(torch.equal(got, both["dlogits"]), f"{where}: the gradient has other bits")


def check_target_shape(checks, machine, quick):
    """T = 8192, V = 152064, bf16: the largest error of logp anywhere, and the share of certain tokens."""
    rows, vocab = (8, 1000) if quick else (8192, 152064)
    x, targets = inputs.token_logits(machine, 11, rows, vocab)
    expected = reference.token_logprobs(x, targets)
    got = calls.token_logprobs(machine, x, targets)
    error = (got["logp"].double() - expected["logp"]).abs().max().item()
    checks.below(error, 1e-4, "max |dlogp|")
    checks.measured["token max |dlogp|"] = error
    checks.measured["share of p > 0.9"] = (expected["logp"].exp() > 0.9).double().mean().item()
    checks.measured["mean entropy"] = expected["entropy"].mean().item()


def check_large(checks, machine, quick):
    """T V past 2^31 elements: every row of the forward, and a gradient in place."""
    rows, vocab = (6, 900) if quick else (16384, 152064)
    x, targets = inputs.token_logits(machine, 13, rows, vocab)
    expected = reference.token_logprobs(x, targets)
    forward = calls.token_logprobs(machine, x, targets)
    check_rows(checks, forward, expected, f"{rows}x{vocab}")
    dlogp = inputs.normal(machine, 14, rows)
    kept = {at: x[at].clone() for at in (0, rows // 2, rows * 7 // 8, rows - 2, rows - 1)}
    calls.token_with_gradient(machine, x, targets, dlogp, out=x)
    for at, row in kept.items():
        one = slice(at, at + 1)
        worst = reference.gradient_excess(x[one], row[None], targets[one], dlogp[one])
        checks.below(worst, 1.0, f"gradient of row {at}")


def check_token(checks, machine, quick):
    checks.run("token, cases", check_cases, checks, machine, quick)
    checks.run("token, masks", check_masked, checks, machine, quick)
    checks.run("token, repeatable", check_repeatable, checks, machine, quick)
    checks.run("token, placement", check_placement, checks, machine, quick)
    checks.run("token, vocabulary shards", check_vocab_shards, checks, machine, quick, check_rows)
    checks.run("token, target shape", check_target_shape, checks, machine, quick)
    checks.run("token, past 2^31", check_large, checks, machine, quick)
