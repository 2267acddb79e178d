"""float64 references, written from the definitions in the headers, in blocks of rows so that any size fits."""

import torch

from calls import IGNORED, PLAIN

BLOCK = 1 << 26  # elements in doubles at a time: half a GiB each


def blocks(rows, vocab):
    step = max(1, min(rows, BLOCK // max(vocab, 1)))
    return [(begin, min(rows, begin + step)) for begin in range(0, rows, step)]


def log_softmax_row(z, targets):
    """logp of the target, lse, entropy and top-1 of doubles [T, V]. Next to 0 logp comes from what is left."""
    index = targets.long().clamp(min=0)[:, None]
    top = z.max(-1).values
    e = torch.exp(z - top[:, None])
    total = e.sum(-1)
    gap = z.gather(-1, index).squeeze(-1) - top
    others = e.scatter(-1, index, 0.0).sum(-1)
    logp = torch.where(gap == 0, -torch.log1p(others), gap - torch.log(total))
    lse = top + torch.log(total)
    p = e / total[:, None]
    entropy = -torch.where(p > 0, p * (z - lse[:, None]), torch.zeros_like(p)).sum(-1)
    out = {"logp": logp, "lse": lse, "entropy": entropy}
    ignored = targets == IGNORED
    out = {name: torch.where(ignored, torch.zeros_like(value), value) for name, value in out.items()}
    # The lowest index on ties.
    first = (z == top[:, None]).int().argmax(-1)
    return {**out, "top1": torch.where(ignored, torch.full_like(first, -1), first)}


def token_logprobs(x, targets, transform=PLAIN):
    parts = []
    for begin, end in blocks(*x.shape):
        z = transform.rows(begin, end).z(x[begin:end].double())
        parts.append(log_softmax_row(z, targets[begin:end]))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def slope(x, transform):
    """dz/dlogit of doubles."""
    share = torch.tanh(x / transform.softcap) if transform.softcap else torch.zeros_like(x)
    by_temperature = transform.temperature
    if transform.per_row:
        by_temperature = by_temperature.to(x.dtype)[:, None]
    return (1 - share * share) / by_temperature


def token_gradient(x, targets, dlogp, dentropy=None, transform=PLAIN):
    """Of one block, in doubles."""
    x = x.double()
    z = transform.z(x)
    row = log_softmax_row(z, targets)
    log_p = z - row["lse"][:, None]
    p = torch.exp(log_p)
    index = targets.long().clamp(min=0)[:, None]
    by_z = -dlogp.double()[:, None] * p
    own = -dlogp.double() * torch.expm1(row["logp"])
    by_z = by_z.scatter(-1, index, own[:, None])
    if dentropy is not None:
        spread = torch.where(p > 0, p * (log_p + row["entropy"][:, None]), torch.zeros_like(p))
        by_z = by_z - dentropy.double()[:, None] * spread
    out = by_z * slope(x, transform)
    out[targets == IGNORED] = 0
    return out, row


def gradient_excess(got, x, targets, dlogp, dentropy=None, transform=PLAIN):
    """The largest error of a gradient by rows, beyond the rounding of its type, over the size of the row's weights
    and the bound that f32 arithmetic allows: at most 1 is right."""
    rounding = {torch.float32: 0, torch.bfloat16: 2**-8, torch.float16: 2**-11}[x.dtype]
    smallest = 6e-8 if x.dtype == torch.float16 else 0
    worst = 0.0
    for begin, end in blocks(*x.shape):
        part = slice(begin, end)
        t = transform.rows(begin, end)
        h = None if dentropy is None else dentropy[part]
        expected, row = token_gradient(x[part], targets[part], dlogp[part], h, t)
        error = (got[part].double() - expected).abs_() - rounding * expected.abs() - smallest
        temperature = t.temperature.double() if t.per_row else t.temperature
        unit = (dlogp[part].double().abs() + (0 if h is None else h.double().abs()) + 1e-30) / temperature
        # A backward knows lse from two floats; the better of them bounds its error.
        bound = 3e-6 + 6.5e-8 * torch.minimum(row["lse"].abs(), row["logp"].abs())
        excess = error.amax(-1) / (unit * bound)
        if torch.isnan(excess).any():
            return float("nan")
        worst = max(worst, excess.max().item())
    return worst


def divergence(kind, beta, student, teacher, transforms=(PLAIN, PLAIN), weights=None):
    """Values and gradient to the student by autograd, in doubles."""
    leaf = student.detach().double().requires_grad_()
    log_s = torch.log_softmax(transforms[0].z(leaf), -1)
    log_t = torch.log_softmax(transforms[1].z(teacher.double()), -1)
    kl = lambda a, b: (a.exp() * (a - b)).sum(-1)
    if kind == 0:
        value = kl(log_t, log_s)
    elif kind == 1:
        value = kl(log_s, log_t)
    else:
        log_m = torch.logsumexp(
            torch.stack([log_t + torch.tensor(beta).double().log(), log_s + torch.tensor(1 - beta).double().log()]), 0
        )
        value = beta * kl(log_t, log_m) + (1 - beta) * kl(log_s, log_m)
    scale = torch.ones_like(value) if weights is None else weights.double()
    (value * scale).sum().backward()
    return value.detach(), leaf.grad


def linear_gradients(hidden, weight, targets, dlogp, transform=PLAIN, want_weight=True):
    """dhidden and dweight in doubles, by blocks of rows."""
    wide = weight.double()
    dhidden = torch.zeros(hidden.shape, dtype=torch.float64, device=hidden.device)
    dweight = torch.zeros_like(wide) if want_weight else None
    for begin, end in blocks(hidden.shape[0], weight.shape[0]):
        part = slice(begin, end)
        h = hidden[part].double()
        given = torch.where(targets[part] == IGNORED, 0, dlogp[part])
        h[given == 0] = 0  # such rows may hold NaN
        dlogits, _ = token_gradient(h @ wide.T, targets[part], given, None, transform.rows(begin, end))
        dhidden[part] = dlogits @ wide
        if want_weight:
            dweight += dlogits.T @ h
    return dhidden, dweight


def linear_logprobs(hidden, weight, targets, transform=PLAIN):
    wide = weight.double()
    parts = []
    for begin, end in blocks(hidden.shape[0], weight.shape[0]):
        z = transform.rows(begin, end).z(hidden[begin:end].double() @ wide.T)
        parts.append(log_softmax_row(z, targets[begin:end]))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def relative(got, expected):
    """The norm of the difference over that of the expected, in doubles."""
    size = expected.norm().item()
    return (got.double() - expected).norm().item() / (size if size > 0 else 1.0)


def bcpg_nsa(batch, tau):
    """The loss of BCPG-NSA and its gradient, sequence by sequence in doubles."""
    offsets = batch["cu_seqlens"].tolist()
    logp, ref = batch["logp"].double(), batch["ref_logp"].double()
    weights, loss, gradient = batch["token_weights"].double(), 0.0, torch.zeros_like(logp)
    for i, (begin, end) in enumerate(zip(offsets, offsets[1:])):
        part, scale = slice(begin, end), batch["seq_scale"][i].item()
        keep = batch["mask"][part] != 0
        own = lambda values: torch.where(keep, values[part], 0.0)
        s = (own(logp) - own(ref)).sum().item()
        a = batch["advantages"][i].item()
        loss += scale * (-(a * own(weights) * own(logp)).sum().item() + 0.5 * tau * s * s)
        gradient[part] = torch.where(keep, scale * (tau * s - a * weights[part]), 0.0)
    return loss, gradient
