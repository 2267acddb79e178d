"""Advantage estimators, rewritten from verl's core_algos.py, TRL's grpo_trainer.py and OpenKimi's core_algos.py.

A response alone in its group keeps its reward in verl and OpenKimi (baseline 0); TRL's groups have one size.
"""

import torch

from batches import float32

VERL = "verl verl/trainer/ppo/core_algos.py"
TRL = "TRL trl/trainer/grpo_trainer.py"
OPENKIMI = "OpenKimi openkimi/pmd/core_algos.py"


def by_group(rewards, groups, estimate):
    """`estimate` of each group of two or more."""
    advantages = rewards.clone()
    for group in groups.unique():
        members = (groups == group).nonzero().squeeze(-1)
        if len(members) > 1:
            advantages[members] = estimate(rewards[members], members)
    return advantages


def standardised(rewards, groups, epsilon):
    return by_group(rewards, groups, lambda r, _: (r - r.mean()) / (r.std() + epsilon))


def whitened(advantages, lengths):
    """`masked_whiten`: over the tokens, with Bessel's correction."""
    tokens = torch.repeat_interleave(advantages, lengths)
    return (advantages - tokens.mean()) * torch.rsqrt(tokens.var() + 1e-8)


def best_lead(rewards, epsilon):
    first, second = torch.topk(rewards, 2).values
    return (rewards == first) * (first - second) / (rewards.std() + epsilon)


def partition(rewards, tau):
    others = lambda i: torch.cat([rewards[:i], rewards[i + 1 :]])
    baselines = [tau * (torch.logsumexp(others(i) / tau, 0) - torch.log(torch.tensor(len(rewards) - 1.0))) for i in range(len(rewards))]
    return rewards - torch.stack(baselines)


def discounted(rewards, values, mask, gamma, lam):
    """verl's GAE of one sequence before it is whitened: tokens left out are passed over."""
    advantages, following, running = torch.zeros_like(rewards), 0.0, 0.0
    for t in reversed(range(len(rewards))):
        step = rewards[t] + gamma * following - values[t] + gamma * lam * running
        following = values[t] if mask[t] else following
        running = step if mask[t] else running
        advantages[t] = running * mask[t]
    return advantages


def estimator_cases(blob):
    random = torch.Generator().manual_seed(77)
    count = 40
    rewards = float32(torch.randn(count, generator=random, dtype=torch.float64))
    second = float32(torch.randint(0, 2, (count,), generator=random).double())
    groups = torch.randint(0, 9, (count,), generator=random)
    groups[0] = 99  # alone
    lengths = torch.randint(1, 60, (count,), generator=random)
    weighted = lambda r, members: r - (lengths[members] * r).sum() / lengths[members].sum()
    mean = by_group(rewards, groups, lambda r, _: r - r.mean())
    expected = {
        "groupMean": (VERL, mean),
        "groupMeanStd": (VERL, standardised(rewards, groups, 1e-6)),
        "leaveOneOut": (VERL, by_group(rewards, groups, lambda r, _: (r - r.mean()) * len(r) / (len(r) - 1))),
        "opo": (VERL, by_group(rewards, groups, weighted)),
        "passAtK": (VERL, by_group(rewards, groups, lambda r, _: best_lead(r, 1e-6))),
        "remax": (VERL, rewards - second),
        "whiten": (VERL, whitened(rewards, lengths)),
        "whiten of groupMean": (VERL, whitened(mean, lengths)),
        "gdpo": (VERL, whitened(standardised(rewards, groups, 1e-6) + 0.5 * standardised(second, groups, 1e-6), lengths)),
        "ploo": (OPENKIMI, by_group(rewards, groups, lambda r, _: partition(r, 0.2))),
        "generalisedAdvantages": (VERL, None),
    }
    mask = (torch.rand(count, generator=random) < 0.8).long()
    ends = [0, 17, 17, count]
    pieces = [discounted(rewards[a:b], second[a:b], mask[a:b], 0.99, 0.9) for a, b in zip(ends, ends[1:])]
    expected["generalisedAdvantages"] = (VERL, torch.cat(pieces))
    return {
        "rewards": blob.put(rewards, "f"),
        "second": blob.put(second, "f"),
        "groups": blob.put(groups, "i"),
        "lengths": blob.put(lengths, "i"),
        "mask": blob.put(mask, "B"),
        "cuSeqlens": blob.put(torch.tensor(ends), "i"),
        "expected": [
            {"name": name, "source": source, "values": blob.put(values, "d")}
            for name, (source, values) in expected.items()
        ],
    }
