"""OpenRLHF's policy loss and KL estimators, rewritten from openrlhf/models/loss.py and utils.py.

Its mean over sequences leaves fully masked ones out (`aggregate_loss`); older versions divide by 0 there.
"""

import torch

from formulas import formula

LOSS = "OpenRLHF openrlhf/models/loss.py"
UTILS = "OpenRLHF openrlhf/models/utils.py"


def aggregate(matrix, batch, token_level):
    sums, kept = (matrix * batch.mask).sum(-1), batch.mask.sum(-1)
    if token_level:
        return sums.sum() / kept.sum()
    return (sums / (kept + 1e-8) * (kept > 0)).sum() / (kept > 0).sum()


def surrogate(ratio, advantages, low, high, dual=None):
    least = torch.min(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)
    if dual is None:
        return -least
    return -torch.where(advantages < 0, torch.max(least, dual * advantages), least)


@formula(
    "ppo",
    LOSS,
    dict(low=0.2, high=0.2, token_level=True),
    dict(low=0.2, high=0.28, token_level=False),
    dict(low=0.2, high=0.2, token_level=True, dual=1.5),
)
def ppo(batch, logp, low, high, token_level, dual=None):
    ratio = (logp - batch.old).clamp(-20, 20).exp()
    return aggregate(surrogate(ratio, batch.advantages[:, None], low, high, dual), batch, token_level)


@formula("gspo", LOSS, dict(low=0.05, high=0.07))
def gspo(batch, logp, low, high):
    mean = ((logp - batch.old) * batch.mask).sum(-1) / batch.kept
    ratio = mean.exp()[:, None] * batch.mask
    return aggregate(surrogate(ratio, batch.advantages[:, None], low, high), batch, False)


@formula(
    "ppo, rollout correction",
    LOSS,
    dict(kind="tis", low=0.0, high=2.0),
    dict(kind="icepop", low=0.5, high=1.5),
    dict(kind="seq-mask-tis", low=0.9, high=1.1),
)
def corrected(batch, logp, kind, low, high):
    """exp(old - rollout) of the token, cut, dropped outside, or kept where its sequence's geometric mean is inside."""
    difference = batch.old - batch.behaviour
    weight = difference.exp()
    if kind == "tis":
        weight = weight.clamp(max=high)
    elif kind == "icepop":
        weight = torch.where((weight >= low) & (weight <= high), weight, 0.0)
    else:
        geometric = ((difference * batch.mask).sum(-1) / batch.kept).exp()[:, None]
        weight = weight * ((geometric >= low) & (geometric <= high))
    ratio = (logp - batch.old).clamp(-20, 20).exp()
    return aggregate(weight * surrogate(ratio, batch.advantages[:, None], 0.2, 0.2), batch, True)


@formula(
    "ppo + compute_approx_kl",
    UTILS,
    *[dict(kind=kind, coefficient=0.1) for kind in ("k1", "k2", "k3")],
)
def with_kl(batch, logp, kind, coefficient):
    """Every estimator is kept within +-10."""
    log_ratio = logp - batch.ref
    value = {
        "k1": lambda: log_ratio,
        "k2": lambda: log_ratio**2 / 2,
        "k3": lambda: torch.exp(-log_ratio) - 1 + log_ratio,
    }[kind]().clamp(-10, 10)
    ratio = (logp - batch.old).clamp(-20, 20).exp()
    matrix = surrogate(ratio, batch.advantages[:, None], 0.2, 0.2) + coefficient * value
    return aggregate(matrix, batch, True)
