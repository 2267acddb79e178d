"""TRL's policy losses, rewritten from trl/trainer/grpo_trainer.py (`_compute_loss`) and rloo_trainer.py, as of 1.16.0.

TRL counts a fully masked sequence in the mean over sequences, with loss 0. Nothing here is clamped.
"""

import torch

from formulas import formula

GRPO = "TRL trl/trainer/grpo_trainer.py"
RLOO = "TRL trl/trainer/rloo_trainer.py"
TOKENS = 400  # num_items_in_batch: kept tokens of the whole optimiser batch, of which ours is one part


def log_weights(batch, logp, level):
    ratios = logp - batch.old
    if level == "token":
        return ratios
    return ((ratios * batch.mask).sum(-1) / batch.kept).unsqueeze(-1)


def clipped_surrogate(coefficient, advantages, low, high, delta=None):
    bounded = torch.clamp(coefficient, 1 - low, 1 + high)
    if delta is not None:
        coefficient = torch.clamp(coefficient, max=delta)
    return -torch.min(coefficient * advantages, bounded * advantages)


def k3(batch, logp):
    return torch.exp(batch.ref - logp) - (batch.ref - logp) - 1


def reduce(per_token, batch, loss_type, length=None):
    total = (per_token * batch.mask).sum()
    if loss_type == "grpo":
        return ((per_token * batch.mask).sum(-1) / batch.kept).mean()
    if loss_type == "bnpo":
        return total / batch.mask.sum().clamp(min=1)
    if loss_type == "dr_grpo":
        return total / (per_token.shape[0] * length)
    return total / TOKENS  # dapo, cispo, vespo


@formula("grpo", GRPO, dict(low=0.2, high=0.2, loss_type="grpo"), dict(low=0.2, high=0.28, loss_type="grpo", beta=0.04))
@formula("bnpo", GRPO, dict(low=0.2, high=0.2, loss_type="bnpo", beta=0.1))
@formula("dr_grpo", GRPO, dict(low=0.2, high=0.2, loss_type="dr_grpo", length=32))
@formula("dapo", GRPO, dict(low=0.2, high=0.28, loss_type="dapo"))
@formula("two-sided delta", GRPO, dict(low=0.2, high=0.2, loss_type="grpo", delta=1.5), dict(low=0.2, high=0.2, loss_type="dapo", delta=4.0))
@formula("use_bias_correction_kl", GRPO, dict(low=0.2, high=0.2, loss_type="dapo", beta=0.3, corrected=True))
@formula("gspo", GRPO, dict(low=0.05, high=0.07, loss_type="grpo", level="sequence"), dict(low=0.05, high=0.07, loss_type="grpo", level="sequence", beta=0.04))
def grpo(batch, logp, low, high, loss_type, level="token", delta=None, beta=0.0, corrected=False, length=None):
    coefficient = torch.exp(log_weights(batch, logp, level))
    per_token = clipped_surrogate(coefficient, batch.advantages[:, None], low, high, delta)
    per_token = per_token.expand_as(logp)
    if beta:
        per_token = per_token + beta * (k3(batch, logp) * coefficient if corrected else k3(batch, logp))
    return reduce(per_token, batch, loss_type, length)


@formula("cispo", GRPO, dict(high=2.0), dict(high=5.0, beta=0.02))
def cispo(batch, logp, high, beta=0.0):
    weight = torch.clamp(torch.exp(log_weights(batch, logp, "token")), max=high).detach()
    per_token = -weight * batch.advantages[:, None] * logp + beta * k3(batch, logp)
    return reduce(per_token, batch, "cispo")


@formula("sapo", GRPO, dict(positive=1.0, negative=1.05))
def sapo(batch, logp, positive, negative):
    advantages = batch.advantages[:, None]
    temperature = torch.where(advantages > 0, positive, negative)
    ratio = torch.exp(log_weights(batch, logp, "token"))
    soft = torch.sigmoid(temperature * (ratio - 1)) * 4 / temperature
    return reduce(-soft * advantages, batch, "grpo")


@formula("luspo", GRPO, dict(low=0.05, high=0.07))
def luspo(batch, logp, low, high):
    ratio = torch.exp(log_weights(batch, logp, "sequence"))
    per_sequence = clipped_surrogate(ratio, batch.advantages[:, None], low, high)
    return (per_sequence * batch.mask.sum(1, keepdim=True)).mean()


@formula("vespo", GRPO, dict(k=(2.0, 3.0), rate=(3.0, 2.0)), note="sum of log-ratios within [log 1e-8, 20]")
def vespo(batch, logp, k, rate):
    with torch.no_grad():
        log_w = ((logp - batch.old).clamp(-20, 20) * batch.mask).sum(-1, keepdim=True)
        w = torch.exp(log_w.clamp(-18.420680743952367, 20))
        positive = batch.advantages[:, None] >= 0
        shape = torch.where(positive, k[0], k[1])
        slope = torch.where(positive, rate[0], rate[1])
        phi = torch.exp(slope + shape * w.log() - slope * w)
    return reduce(-phi * batch.advantages[:, None] * logp, batch, "vespo")


@formula("off-policy sequence mask", GRPO, dict(threshold=0.05))
def off_policy_mask(batch, logp, threshold):
    """OPSM: a sequence of negative advantage is dropped where mean(behaviour - policy) is over the threshold."""
    drift = ((batch.behaviour - logp.detach()) * batch.mask).sum(-1, keepdim=True) / batch.kept[:, None]
    keep = (batch.advantages[:, None] >= 0) | (drift <= threshold)
    ratio = torch.exp(log_weights(batch, logp, "token"))
    return reduce(keep * clipped_surrogate(ratio, batch.advantages[:, None], 0.2, 0.2), batch, "grpo")


@formula(
    "rollout importance",
    GRPO,
    dict(mode="token_truncate", cap=1.2),
    dict(mode="token_mask", cap=1.2),
    dict(mode="sequence_truncate", cap=1.5),
    dict(mode="sequence_mask", cap=3.0),
)
def rollout_importance(batch, logp, mode, cap):
    """exp(old - behaviour), of a token or summed over the sequence, cut to `cap` or dropped beyond it."""
    difference = (batch.old - batch.behaviour) * batch.mask
    if mode.startswith("sequence"):
        difference = difference.sum(-1, keepdim=True)
    weight = torch.exp(difference)
    weight = weight.clamp(max=cap) if mode.endswith("truncate") else torch.where(weight <= cap, weight, 0.0)
    ratio = torch.exp(log_weights(batch, logp, "token"))
    return reduce(weight * clipped_surrogate(ratio, batch.advantages[:, None], 0.2, 0.28), batch, "dapo")


@formula("rloo", RLOO, dict(low=0.2, high=0.2), batches=("near", "far"))
def rloo(batch, logp, low, high):
    """One ratio per sequence, of sums and not means of log-probs; the mean over sequences."""
    ratio = torch.exp(((logp - batch.old) * batch.mask).sum(-1))
    return clipped_surrogate(ratio, batch.advantages, low, high).mean()
