"""verl's policy losses and KL penalties, rewritten from verl/trainer/ppo/core_algos.py (commit 018f23b; `dro` 1dda039).

verl leaves fully masked sequences out of the mean over sequences, and adds 1e-8 to token counts.
"""

import torch

from formulas import formula

CORE = "verl verl/trainer/ppo/core_algos.py"


def bounded_log_ratio(batch, logp):
    return torch.clamp(logp - batch.old, -20.0, 20.0)


def aggregate(matrix, batch, mode, length=None):
    kept = batch.mask.sum(-1)
    full = (kept > 0).to(kept.dtype)
    sums = torch.where(batch.mask > 0, matrix, 0.0).sum(-1)
    if mode == "token-mean":
        return sums.sum() / kept.sum()
    if mode == "token-sum":
        return sums.sum()
    if mode == "seq-mean-token-sum":
        return sums.sum() / full.sum()
    if mode == "seq-mean-token-sum-norm":
        return sums.sum() / full.sum() / length
    return (sums / (kept + 1e-8) * full).sum() / full.sum()  # seq-mean-token-mean


def vanilla_matrix(ratio, advantages, low, high, dual):
    upper = torch.maximum(-advantages * ratio, -advantages * torch.clamp(ratio, 1 - low, 1 + high))
    return torch.where(advantages < 0, torch.min(-advantages * dual, upper), upper)


@formula(
    "vanilla (dual clip)",
    CORE,
    dict(low=0.2, high=0.2, dual=3.0, mode="token-mean"),
    dict(low=0.2, high=0.28, dual=1.3, mode="token-mean"),
    dict(low=0.2, high=0.2, dual=3.0, mode="seq-mean-token-mean"),
    dict(low=0.2, high=0.2, dual=3.0, mode="token-sum"),
    dict(low=0.2, high=0.2, dual=3.0, mode="seq-mean-token-sum"),
    dict(low=0.2, high=0.2, dual=3.0, mode="seq-mean-token-sum-norm", length=50),
)
def vanilla(batch, logp, low, high, dual, mode, length=None):
    ratio = torch.exp(bounded_log_ratio(batch, logp))
    return aggregate(vanilla_matrix(ratio, batch.advantages[:, None], low, high, dual), batch, mode, length)


@formula("vanilla, advantages per token", CORE, dict(low=0.2, high=0.2, dual=3.0))
def vanilla_per_token(batch, logp, low, high, dual):
    ratio = torch.exp(bounded_log_ratio(batch, logp))
    return aggregate(vanilla_matrix(ratio, batch.token_advantages, low, high, dual), batch, "token-mean")


@formula("vanilla, token TIS", CORE, dict(low=0.2, high=0.2, dual=3.0, cap=1.5))
def vanilla_tis(batch, logp, low, high, dual, cap):
    """rollout_is_weights of the token level (rollout_corr_helper.py): min(exp(old - rollout), cap)."""
    weight = torch.exp(torch.clamp(batch.old - batch.behaviour, -20, 20)).clamp(max=cap)
    ratio = torch.exp(bounded_log_ratio(batch, logp))
    matrix = vanilla_matrix(ratio, batch.advantages[:, None], low, high, dual)
    return aggregate(weight * matrix, batch, "token-mean")


@formula("gpg, reinforce", CORE, dict(mode="seq-mean-token-sum"), dict(mode="token-mean"))
def gpg(batch, logp, mode):
    return aggregate(-batch.advantages[:, None] * logp, batch, mode)


@formula("dppo_tv", CORE, dict(low=0.05, high=0.08, cap=20.0), dict(low=0.2, high=0.2, cap=1.2))
def dppo_tv(batch, logp, low, high, cap):
    advantages = batch.advantages[:, None]
    weight = torch.exp(bounded_log_ratio(batch, logp)).clamp(max=cap).detach()
    moved = (torch.exp(logp) - torch.exp(batch.old)).detach()
    valid = torch.where(advantages > 0, moved <= high, moved >= -low)
    return aggregate(-advantages * weight * logp * valid, batch, "token-mean")


@formula("dppo_kl", CORE, dict(low=0.01, high=0.02, cap=20.0), note="verl adds 1e-8 inside its logarithm")
def dppo_kl(batch, logp, low, high, cap):
    advantages = batch.advantages[:, None]
    weight = torch.exp(bounded_log_ratio(batch, logp)).clamp(max=cap).detach()
    p, q = torch.exp(logp.detach()), torch.exp(batch.old)
    divergence = q * (batch.old - logp.detach()) + (1 - q) * torch.log((1 - q + 1e-8) / (1 - p + 1e-8))
    valid = torch.where(advantages > 0, (divergence <= high) | (p <= q), (divergence <= low) | (p >= q))
    return aggregate(-advantages * weight * logp * valid, batch, "token-mean")


@formula("gspo", CORE, dict(low=0.05, high=0.07))
def gspo(batch, logp, low, high):
    """Sequence ratio detached, times exp(logp - detached logp): the token form."""
    mean = ((logp - batch.old) * batch.mask).sum(-1) / batch.kept
    ratio = torch.exp(torch.clamp(logp - logp.detach() + mean.detach()[:, None], max=10.0))
    advantages = batch.advantages[:, None]
    matrix = torch.maximum(-advantages * ratio, -advantages * torch.clamp(ratio, 1 - low, 1 + high))
    return aggregate(matrix, batch, "seq-mean-token-mean")


@formula("gspo, advantages per token", CORE, dict(low=0.05, high=0.07))
def gspo_token(batch, logp, low, high):
    mean = ((logp - batch.old) * batch.mask).sum(-1) / batch.kept
    ratio = torch.exp(torch.clamp(logp - logp.detach() + mean.detach()[:, None], max=10.0))
    advantages = batch.token_advantages
    matrix = torch.maximum(-advantages * ratio, -advantages * torch.clamp(ratio, 1 - low, 1 + high))
    return aggregate(matrix, batch, "seq-mean-token-mean")


@formula("sapo", CORE, dict(positive=1.0, negative=1.05), dict(positive=2.0, negative=3.0))
def sapo(batch, logp, positive, negative):
    advantages = batch.advantages[:, None]
    temperature = torch.where(advantages > 0, positive, negative)
    ratio = torch.exp(bounded_log_ratio(batch, logp))
    gates = torch.sigmoid(temperature * (ratio - 1)) * (4 / temperature)
    return aggregate(-gates * advantages, batch, "seq-mean-token-mean")


@formula("geo_mean (GMPO)", CORE, dict(low=0.1, high=0.15), batches=("near", "far"))
def geo_mean(batch, logp, low, high):
    """The plain mean over sequences, whatever the aggregation asked for."""
    ratios = logp - batch.old
    sign = torch.sign(batch.advantages)[:, None]
    least = sign * torch.min(sign * ratios, sign * torch.clamp(ratios, -low, high))
    kept = batch.mask.sum(-1) + 1e-8
    ratio = torch.exp((least * batch.mask).sum(-1) / kept)
    return torch.mean(-(batch.advantages[:, None] * batch.mask).sum(-1) / kept * ratio)


@formula("cispo", CORE, dict(low=0.2, high=0.28), dict(low=1.0, high=3.0))
def cispo(batch, logp, low, high):
    weight = torch.exp(bounded_log_ratio(batch, logp)).clamp(1 - low, 1 + high).detach()
    return aggregate(-weight * batch.advantages[:, None] * logp, batch, "token-mean")


@formula("dro", CORE, dict(tau=0.1))
def dro(batch, logp, tau):
    """-A logp + (tau / 2)(logp - old)^2 token by token (`dro_beta`)."""
    return aggregate(-batch.advantages[:, None] * logp + tau / 2 * (logp - batch.old) ** 2, batch, "token-mean")


def k3_clamped(batch, logp):
    opposite = torch.clamp(batch.ref - logp, -20, 20)
    return torch.clamp(torch.exp(opposite) - opposite - 1, -10, 10)


PENALTIES = {
    "k1": lambda batch, logp: logp - batch.ref,
    "abs": lambda batch, logp: (logp - batch.ref).abs(),
    "k2": lambda batch, logp: 0.5 * (logp - batch.ref) ** 2,
    "k3": k3_clamped,
}


@formula(
    "vanilla + kl_penalty",
    CORE,
    *[dict(kind=kind, coefficient=0.1) for kind in ("k1", "abs", "k2", "k3", "k1+", "k3+")],
)
def with_kl(batch, logp, kind, coefficient):
    """`low_var_kl` is k3, within +-10; a + keeps the value and takes k2's gradient."""
    value = PENALTIES[kind.rstrip("+")](batch, logp)
    if kind.endswith("+"):
        square = PENALTIES["k2"](batch, logp)
        value = square - square.detach() + value.detach()
    ratio = torch.exp(bounded_log_ratio(batch, logp))
    matrix = vanilla_matrix(ratio, batch.advantages[:, None], 0.2, 0.2, 3.0)
    return aggregate(matrix, batch, "token-mean") + coefficient * aggregate(value, batch, "token-mean")


@formula("low_var_kl beyond its clamp", CORE, dict(coefficient=0.1), batches=("wide",))
def k3_beyond(batch, logp, coefficient):
    """Log-ratios to the reference beyond 2.6, where the clamp at 10 ends the gradient."""
    return coefficient * aggregate(k3_clamped(batch, logp), batch, "token-mean")
