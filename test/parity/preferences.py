"""Preference losses over pairs, rewritten from TRL (1.16.0) and OpenRLHF. Sequences 2k and 2k + 1 are chosen and rejected."""

import torch
import torch.nn.functional as functional

from formulas import formula

DPO = "TRL trl/trainer/dpo_trainer.py"
KTO = "TRL trl/trainer/kto_trainer.py"
CPO = "TRL trl/experimental/cpo/cpo_trainer.py"
OPENRLHF = "OpenRLHF openrlhf/models/loss.py"
NPO = "arXiv 2404.05868"
FULL = ("near", "far")


def sums(batch, per_token):
    return (per_token * batch.mask).sum(-1)


def margins(batch, logp, mean=False):
    """S of the chosen less S of the rejected, S against the reference."""
    totals = sums(batch, logp - batch.ref)
    totals = totals / batch.kept if mean else totals
    return totals[0::2] - totals[1::2]


@formula("dpo sigmoid", DPO, dict(beta=0.1), dict(beta=0.3, smoothing=0.2), batches=FULL)
def dpo(batch, logp, beta, smoothing=0.0):
    """With `smoothing`, cDPO: each label is wrong with that probability."""
    h = beta * margins(batch, logp)
    return (-functional.logsigmoid(h) * (1 - smoothing) - functional.logsigmoid(-h) * smoothing).mean()


@formula("dpo robust", DPO, dict(beta=0.1, smoothing=0.2), batches=FULL)
def robust(batch, logp, beta, smoothing):
    h = beta * margins(batch, logp)
    losses = -functional.logsigmoid(h) * (1 - smoothing) + functional.logsigmoid(-h) * smoothing
    return (losses / (1 - 2 * smoothing)).mean()


@formula("dpo ipo (means)", DPO, dict(beta=0.5), batches=FULL)
def ipo(batch, logp, beta):
    return ((margins(batch, logp, mean=True) - 1 / (2 * beta)) ** 2).mean()


@formula("dpo sigmoid_norm (means)", DPO, dict(beta=2.0), batches=FULL)
def sigmoid_norm(batch, logp, beta):
    return -functional.logsigmoid(beta * margins(batch, logp, mean=True)).mean()


@formula("dpo hinge", DPO, dict(beta=0.3), batches=FULL)
def hinge(batch, logp, beta):
    return torch.relu(1 - beta * margins(batch, logp)).mean()


@formula("dpo sppo_hard", DPO, dict(beta=0.5), batches=FULL)
def sppo_hard(batch, logp, beta):
    totals = sums(batch, logp - batch.ref)
    return ((totals[0::2] - 0.5 / beta) ** 2 + (totals[1::2] + 0.5 / beta) ** 2).mean()


@formula("dpo", OPENRLHF, dict(beta=0.1), dict(beta=0.2, smoothing=0.1), batches=FULL)
def openrlhf_dpo(batch, logp, beta, smoothing=0.0):
    chosen, rejected = sums(batch, logp)[0::2], sums(batch, logp)[1::2]
    reference = sums(batch, batch.ref)
    logits = (chosen - rejected) - (reference[0::2] - reference[1::2])
    losses = -functional.logsigmoid(beta * logits) * (1 - smoothing)
    return (losses - functional.logsigmoid(-beta * logits) * smoothing).mean()


@formula("ipo (sums)", OPENRLHF, dict(beta=0.1), batches=FULL)
def openrlhf_ipo(batch, logp, beta):
    return ((margins(batch, logp) - 1 / (2 * beta)) ** 2).mean()


@formula("simpo", CPO, dict(beta=2.0, gamma=0.5), batches=FULL)
def simpo(batch, logp, beta, gamma):
    """Means of log-probs without a reference; TRL's gamma / beta is inside the product."""
    means = sums(batch, logp) / batch.kept
    return -functional.logsigmoid(beta * (means[0::2] - means[1::2] - gamma / beta)).mean()


@formula("kto", KTO, dict(beta=0.1, z0=0.3, desirable=1.0, undesirable=1.33), batches=FULL)
def kto(batch, logp, beta, z0, desirable, undesirable):
    """z0, the detached KL of mismatched pairs over the batch, is given. Desirable where the advantage is positive."""
    totals = sums(batch, logp - batch.ref)
    good = desirable * (1 - torch.sigmoid(beta * (totals - z0)))
    bad = undesirable * (1 - torch.sigmoid(beta * (z0 - totals)))
    return torch.where(batch.advantages > 0, good, bad).mean()


@formula("npo", NPO, dict(beta=0.1), batches=FULL)
def npo(batch, logp, beta):
    return (2 / beta * functional.softplus(beta * sums(batch, logp - batch.ref))).mean()
