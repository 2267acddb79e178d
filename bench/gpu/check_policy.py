"""The policy loss on the device against the CPU's, whose map is in double; BCPG-NSA also against sums written out."""

import torch

import calls
import inputs
import lapidary_structs as lap
import reference
from lapidary_ctypes import Cpu
from objectives import BCPG, OBJECTIVES, PAIRS

DIAGNOSTICS = lap.DIAGNOSTICS


def on_host(batch):
    return {k: v.cpu() if isinstance(v, torch.Tensor) else v for k, v in batch.items()}


def compare(checks, machine, cpu, objective, batch, where):
    got = calls.policy_loss(machine.cuda, objective, batch)
    expected = calls.policy_loss(cpu, objective, on_host(batch))
    g, h = got["dlogp"].cpu().double(), expected["dlogp"].double()
    checks.expect(not bool(torch.isnan(g).any()), f"{where}: g is a number everywhere")
    if h.numel() > 0:
        largest = h.abs().max().item()
        excess = ((g - h).abs() - 2e-6 * h.abs()).max().item() / (largest + 1e-30)
        checks.below(excess, 1e-6, f"{where}: error of g")
    a, b = got["stats"].cpu(), expected["stats"]
    error = ((a - b).abs() / (1 + b.abs())).max().item() if b.numel() else 0.0
    checks.below(error, 1e-12, f"{where}: error of the sequences' sums")
    compare_diagnostics(checks, got["diagnostics"].cpu().tolist(), expected["diagnostics"].tolist(), where)
    return got


def compare_diagnostics(checks, got, expected, where):
    for index, (a, b) in enumerate(zip(got, expected)):
        if index in lap.COUNTS:
            checks.expect(a == b, f"{where}: diagnostic {index} is {a}, expected {b}")
        else:
            checks.below(abs(a - b) / (1 + abs(b)), 1e-6, f"{where}: error of diagnostic {index}")


def padded(batch, stride):
    """The same sequences, each in a row of `stride` tokens; what lies behind them is NaN."""
    offsets = batch["cu_seqlens"].tolist()
    lengths = [end - begin for begin, end in zip(offsets, offsets[1:])]
    out = {"row_stride": stride, "lengths": batch["cu_seqlens"].diff()}
    for name, values in batch.items():
        if not isinstance(values, torch.Tensor) or values.shape[0] != offsets[-1]:
            if name != "cu_seqlens":
                out[name] = values
            continue
        fill = 1 if values.dtype == torch.uint8 else float("nan")
        rows = torch.full((len(lengths), stride), fill, dtype=values.dtype, device=values.device)
        for i, (begin, length) in enumerate(zip(offsets, lengths)):
            rows[i, :length] = values[begin : begin + length]
        out[name] = rows.view(-1)
    return out


def check_objectives(checks, machine, quick):
    cpu = Cpu(machine.cpu_path)
    shapes = [(300, 8)] if quick else [(300, 8), (70000, 64), (5000, 4000)]
    for tokens, sequences in shapes:
        batch = inputs.batch(machine, 7 * tokens, tokens, sequences, holes=True)
        for name, objective in OBJECTIVES.items():
            compare(checks, machine, cpu, objective, batch, f"{name}, {tokens} tokens")
    cpu.close()


def check_layouts(checks, machine, quick):
    """Padded rows, pairs by index, token advantages, nothing at all, one token; and the two phases apart."""
    cpu = Cpu(machine.cpu_path)
    batch = inputs.batch(machine, 5, 200 if quick else 20000, 10, holes=True)
    longest = batch["cu_seqlens"].diff().max().item()
    for name in ("bcpg-nsa", "gspo", "dpo", "k3, gradient 0"):
        packed = compare(checks, machine, cpu, OBJECTIVES[name], batch, f"{name}, packed")
        rows = padded(batch, longest + 3)
        spread = compare(checks, machine, cpu, OBJECTIVES[name], rows, f"{name}, padded")
        inside = torch.arange(longest + 3, device=machine.device)[None] < rows["lengths"][:, None]
        spread = spread["dlogp"].view(-1, longest + 3)
        checks.expect(torch.equal(spread[inside], packed["dlogp"]), f"{name}: padded gives the bits of packed")
        checks.expect(bool((spread[~inside] == 0).all()), f"{name}: g is 0 in the padding")
        phases = ("policy_loss_reduce", "policy_loss_map")
        apart = calls.policy_loss(machine.cuda, OBJECTIVES[name], batch, phases)
        same = all(torch.equal(apart[k], packed[k]) for k in packed)
        checks.expect(same, f"{name}: the phases apart give the bits of both together")
    pairs = torch.tensor([0, 1, 5, 4, 0, 3], dtype=torch.int64, device=machine.device)
    compare(checks, machine, cpu, OBJECTIVES["dpo"], {**batch, "pairs": pairs}, "pairs by index")
    by_token = {**batch, "token_advantages": inputs.normal(machine, 8, batch["logp"].shape[0])}
    compare(checks, machine, cpu, OBJECTIVES["ppo"], by_token, "advantages by token")
    for tokens, sequences in ((0, 0), (0, 4), (1, 1)):
        few = inputs.batch(machine, 5, tokens, max(sequences, 1))
        if sequences == 0:
            few = {name: values[:0] for name, values in few.items()} | {"cu_seqlens": few["cu_seqlens"][:1]}
        compare(checks, machine, cpu, BCPG, few, f"{tokens} tokens in {sequences} sequences")
    cpu.close()


def check_written_out(checks, machine, quick):
    tokens, sequences = (400, 6) if quick else (1 << 20, 512)
    batch = inputs.batch(machine, 17, tokens, sequences, holes=True)
    loss, gradient = reference.bcpg_nsa(on_host(batch), 0.02)
    got = calls.policy_loss(machine.cuda, {**BCPG, "tau": 0.02}, batch)
    # The objective holds tau as f32.
    error = (got["dlogp"].cpu().double() - gradient).abs() / (gradient.abs().max() + 1e-30)
    checks.below(error.max().item(), 2e-7, "g = N (tau S - w A)")
    got_loss = got["diagnostics"][DIAGNOSTICS["LOSS"]].item()
    checks.below(abs(got_loss - loss) / (1 + abs(loss)), 1e-6, "the loss")
    same = {**batch, "ref_logp": batch["logp"].clone()}
    stats = calls.policy_loss(machine.cuda, BCPG, same)["stats"]
    checks.expect(bool((stats[:, 1] == 0).all()), "S is 0 to the bit where policy and reference are the same")


def check_repeatable(checks, machine, quick):
    tokens, sequences = (500, 12) if quick else (1 << 24, 4096)
    batch = inputs.batch(machine, 27, tokens, sequences, holes=quick)
    names = ("bcpg-nsa", "gspo", "dpo")
    for name in names:
        first = calls.policy_loss(machine.cuda, OBJECTIVES[name], batch)
        for run in range(9):
            again = calls.policy_loss(machine.cuda, OBJECTIVES[name], batch)
            same = all(torch.equal(again[k], first[k]) for k in first)
            checks.expect(same, f"{name}: run {run + 2} of 10 gives the same bits")
        if OBJECTIVES[name].get("sequence_term") in PAIRS:
            continue
        alone(checks, machine, OBJECTIVES[name], batch, first, name)


def alone(checks, machine, objective, batch, first, name):
    """One sequence of the batch, given by itself."""
    begin, end = batch["cu_seqlens"][3:5].tolist()
    tokens, one = slice(begin, end), {}
    for key, values in batch.items():
        one[key] = values[tokens] if values.shape[0] == batch["logp"].shape[0] else values[3:4]
    one["cu_seqlens"] = torch.tensor([0, end - begin], dtype=torch.int64, device=machine.device)
    one = {key: values.clone() for key, values in one.items()}
    got = calls.policy_loss(machine.cuda, objective, one)["dlogp"]
    checks.expect(torch.equal(got, first["dlogp"][tokens]), f"{name}: a sequence alone gives the same bits")


def check_policy(checks, machine, quick):
    checks.run("policy loss, objectives", check_objectives, checks, machine, quick)
    checks.run("policy loss, layouts", check_layouts, checks, machine, quick)
    checks.run("policy loss, written out", check_written_out, checks, machine, quick)
    checks.run("policy loss, repeatable", check_repeatable, checks, machine, quick)
