"""Divergences on the device against doubles and their autograd."""

import torch

import calls
import inputs
import lapidary_structs as lap
import reference
from calls import PLAIN, Transform
from harness import NAMES

KINDS = {"forward KL": lap.FORWARD_KL, "reverse KL": lap.REVERSE_KL, "JSD": lap.JSD}
ROUNDING = {torch.float32: 0, torch.bfloat16: 2**-8, torch.float16: 2**-11}


def pair(machine, seed, rows, vocab, dtypes, near=True):
    """A teacher that is the student with noise, as in distillation; or another distribution."""
    student, _ = inputs.token_logits(machine, seed, rows, vocab, dtypes[0])
    if near:
        noise = inputs.normal(machine, seed + 9, rows, vocab, scale=0.3)
        teacher = (student.float() + noise).to(dtypes[1])
    else:
        teacher, _ = inputs.token_logits(machine, seed + 10, rows, vocab, dtypes[1])
    return student, teacher


def compare(checks, machine, name, student, teacher, beta=0.5, transforms=(PLAIN, PLAIN), where=""):
    kind, rows = KINDS[name], student.shape[0]
    where = f"{name} {NAMES[student.dtype]}/{NAMES[teacher.dtype]} {rows}x{student.shape[1]} {where}"
    weights = inputs.normal(machine, 77, rows)
    weights[0] = 0
    values, gradient = reference.divergence(kind, beta, student, teacher, transforms, weights)
    got = calls.divergence(machine, kind, student, teacher, beta, transforms)
    bound = 2e-5 * values.abs() + 2e-6
    checks.below(((got.double() - values).abs() - bound).max().item(), 0.0, f"{where}: error beyond its bound")
    value, out = calls.divergence_with_gradient(machine, kind, student, teacher, beta, transforms, weights=weights)
    checks.below(((value.double() - values).abs() - bound).max().item(), 0.0, f"{where}: value beside gradient")
    error = (out.double() - gradient).abs() - ROUNDING[student.dtype] * gradient.abs()
    if student.dtype == torch.float16:
        error = error - 6e-8
    unit = (weights.double().abs() + 1e-30) * (1 + values.abs()) / transforms[0].temperature
    checks.below((error.amax(-1) / unit).max().item(), 1e-5, f"{where}: error of the gradient")
    own = student.clone()
    calls.divergence_with_gradient(machine, kind, own, teacher, beta, transforms, weights=weights, out=own)
    checks.expect(torch.equal(own, out), f"{where}: in place gives the same bits")


def check_cases(checks, machine, quick):
    f32, bf16, f16 = torch.float32, torch.bfloat16, torch.float16
    shapes = [(4, 7), (5, 333), (3, 20011)] if quick else [(4, 7), (5, 1000), (6, 4099), (34, 152064), (34, 152063)]
    for seed, (rows, vocab) in enumerate(shapes):
        for dtypes in ((f32, f32), (bf16, bf16), (f16, f16), (bf16, f32)):
            for near in (True, False):
                student, teacher = pair(machine, 50 * seed, rows, vocab, dtypes, near)
                for name in KINDS:
                    compare(checks, machine, name, student, teacher)
    student, teacher = pair(machine, 3, 5, 515, (bf16, bf16))
    for name in KINDS:
        compare(checks, machine, name, student, teacher, 0.2, (Transform(0.7), Transform(0.7)), "temperature")
        compare(checks, machine, name, student, teacher, 0.9, (Transform(1.0, 20.0), PLAIN), "softcap")


def check_masked(checks, machine, quick):
    rows, vocab = 8, 300 if quick else 152064
    student, teacher = pair(machine, 21, rows, vocab, (torch.bfloat16, torch.bfloat16))
    mask = torch.tensor([1, 0] * (rows // 2), dtype=torch.uint8, device=student.device)
    off = mask == 0
    for name, kind in KINDS.items():
        clean = calls.divergence(machine, kind, student, teacher, mask=mask)
        spoilt_student, spoilt_teacher = student.clone(), teacher.clone()
        spoilt_student[off] = float("nan")
        spoilt_teacher[off] = float("nan")
        value, out = calls.divergence_with_gradient(machine, kind, spoilt_student, spoilt_teacher, mask=mask)
        checks.expect(bool((value[off] == 0).all()), f"{name}: a masked row of NaN gives 0")
        checks.expect(bool((out[off] == 0).all()), f"{name}: and has no gradient")
        checks.expect(not bool(torch.isnan(out).any()), f"{name}: and harms no other")
        checks.expect(
            torch.equal(calls.divergence(machine, kind, spoilt_student, spoilt_teacher, mask=mask), clean),
            f"{name}: the others are as without the NaN",
        )
        same = calls.divergence(machine, kind, student, student)
        checks.expect(bool((same == 0).all()), f"{name}: equal rows give exactly 0")


def check_repeatable(checks, machine, quick):
    rows, vocab = (10, 515) if quick else (256, 152064)
    student, teacher = pair(machine, 31, rows, vocab, (torch.bfloat16, torch.bfloat16))
    for name, kind in KINDS.items():
        first = calls.divergence_with_gradient(machine, kind, student, teacher)
        for run in range(9):
            again = calls.divergence_with_gradient(machine, kind, student, teacher)
            same = torch.equal(again[0], first[0]) and torch.equal(again[1], first[1])
            checks.expect(same, f"{name}: run {run + 2} of 10 gives the same bits")
        alone = calls.divergence(machine, kind, student[3:5].clone(), teacher[3:5].clone())
        checks.expect(torch.equal(alone, first[0][3:5]), f"{name}: rows alone give the same bits")


def check_divergence(checks, machine, quick):
    checks.run("divergence, cases", check_cases, checks, machine, quick)
    checks.run("divergence, masks", check_masked, checks, machine, quick)
    checks.run("divergence, repeatable", check_repeatable, checks, machine, quick)
