"""Losses that only one trainer or one paper's code has: OpenKimi, prime-rl, NeMo-RL, Trinity-RFT, NFT."""

import torch

from formulas import formula

OPENKIMI = "OpenKimi openkimi/pmd/core_algos.py"
PRIME = "prime-rl src/prime_rl/trainer/rl/loss.py"
NEMO = "NeMo-RL nemo_rl/algorithms/loss/loss_functions.py"
TRINITY = "Trinity-RFT trinity/algorithm/policy_loss_fn"
NFT = "NVlabs/NFT dp_actor.py"
TOPR = "arXiv 2503.14286 eq. 8"


def token_mean(matrix, batch):
    return (matrix * batch.mask).sum() / batch.mask.sum()


def log_ratio_sum(batch, logp):
    return ((logp - batch.old) * batch.mask).sum(-1)


@formula("opmd", OPENKIMI, dict(tau=0.05), batches=("near", "far"), note="equal up to a constant, taken off")
def opmd(batch, logp, tau):
    """(tau / 2)(A / tau - sum of log-ratios)^2 / n; what does not depend on the policy is taken off."""
    squares = 0.5 * tau * (batch.advantages / tau - log_ratio_sum(batch, logp)) ** 2 / batch.kept
    constant = (batch.advantages**2 / (2 * tau) + batch.advantages * (batch.old * batch.mask).sum(-1)) / batch.kept
    return (squares - constant).mean()


@formula("default (DPPO-TV mask + squared log-ratio)", PRIME, dict(low=0.05, high=0.08, tau=1e-3), dict(low=0.2, high=0.2, tau=0.1))
def prime_default(batch, logp, low, high, tau):
    """A differentiable ratio to the inference engine's log-probs; masked where the probability moved too far."""
    advantages = batch.advantages[:, None]
    moved = (torch.exp(logp) - torch.exp(batch.behaviour)).detach()
    invalid = torch.where(advantages > 0, moved > high, moved < -low)
    log_ratio = logp - batch.behaviour
    return token_mean(-advantages * torch.exp(log_ratio) * ~invalid + tau * log_ratio**2, batch)


@formula("reference KL, k3 with the ratio's score", NEMO, dict(coefficient=0.2))
def nemo_k3(batch, logp, coefficient):
    """exp(logp - detached logp) times k3: the value of k3, the gradient delta."""
    delta = logp - batch.ref
    return token_mean(coefficient * torch.exp(logp - logp.detach()) * (torch.exp(-delta) + delta - 1), batch)


@formula("opmd", TRINITY, dict(tau=0.5))
def trinity_opmd(batch, logp, tau):
    return token_mean(-batch.advantages[:, None] * logp / (1 + tau), batch)


@formula("sppo", TRINITY, dict(epsilon=0.2))
def trinity_sppo(batch, logp, epsilon):
    log_ratio = logp - batch.old
    ratio = torch.exp(log_ratio.detach())
    inside = (ratio >= 1 / (1 + epsilon)) & (ratio <= 1 + epsilon)
    return token_mean(-batch.advantages[:, None] * log_ratio * inside, batch)


@formula("topr, token ratio", TRINITY)
def topr_token(batch, logp):
    """A >= 0 without a weight; A < 0 with min(ratio of the token, 1)."""
    advantages = batch.advantages[:, None]
    taper = torch.exp(logp - batch.behaviour).detach().clamp(max=1)
    return token_mean(-torch.where(advantages >= 0, 1.0, taper) * advantages * logp, batch)


@formula("topr, sequence ratio", TOPR)
def topr_sequence(batch, logp):
    advantages = batch.advantages[:, None]
    total = ((logp - batch.behaviour) * batch.mask).sum(-1, keepdim=True)
    taper = torch.exp(total).detach().clamp(max=1)
    return token_mean(-torch.where(advantages >= 0, 1.0, taper) * advantages * logp, batch)


@formula("nft", NFT, dict(quality=0.375, floor=0.1))
def nft(batch, logp, quality, floor):
    """Right answers (A > 0): -log of the ratio. Wrong ones: -log max((1 - q ratio) / (1 - q), floor), the gradient of
    the maximum passed straight through. q is the group's share of right answers."""
    log_ratio = logp - batch.old
    ratio = torch.exp(log_ratio)
    implicit = (1 - quality * ratio) / (1 - quality)
    kept = implicit.clamp(min=floor)
    implicit = implicit - implicit.detach() + kept.detach()
    right = batch.advantages[:, None] > 0
    return token_mean(torch.where(right, -log_ratio, -torch.log(implicit)), batch)


@formula("objective (BCPG)", "arXiv 2505.14403", dict(tau=1e-3), dict(tau=0.05))
def bcpg(batch, logp, tau):
    """The mean over sequences of -(1/n)[A sum logp - (tau / 2) S^2], S against the reference."""
    total = (logp * batch.mask).sum(-1)
    drift = ((logp - batch.ref) * batch.mask).sum(-1)
    kept = batch.mask.sum(-1)
    losses = -(batch.advantages * total - tau / 2 * drift**2) / batch.kept
    return losses[kept > 0].mean()
