"""Policy losses over packed tokens and their gradients, with PyTorch's segment operations."""

import numpy as np
import torch

import serve
from torch_token import compiled, tensor

TAU, CLIP, KL = 1e-3, 0.2, 0.04


def load(dataset):
    tokens = dataset["tokens"]
    column = lambda name, shape=(tokens,): tensor(dataset, name, shape, "f32")
    logp, old, ref, weights = (column(name) for name in ("logp", "oldLogp", "refLogp", "tokenWeights"))
    advantages, scale = (column(name, (-1,)) for name in ("advantages", "seqScale"))
    lengths = torch.from_numpy(np.diff(serve.read(dataset, "cuSeqlens", np.float64)).astype(np.int64))
    ids = torch.repeat_interleave(torch.arange(len(lengths)), lengths)  # once a batch

    def sums_by_index_add(values):
        return torch.zeros(len(lengths)).index_add(0, ids, values)

    def sums_by_segment_reduce(values):
        return torch.segment_reduce(values, "sum", lengths=lengths)

    def sums_by_cumsum(values):
        ends = torch.cumsum(values, 0, dtype=torch.float64)[torch.cumsum(lengths, 0) - 1]
        return torch.diff(ends, prepend=ends.new_zeros(1)).float()

    def bcpg_nsa(logp, sums):
        s = sums(logp - ref)
        policy = -(advantages * scale)[ids] * weights * logp
        return policy.sum() + (0.5 * TAU * scale * s * s).sum()

    def bcpg_nsa_by_hand(sums):
        """The gradient in closed form: N (tau S - A w)."""
        s = sums(logp - ref)
        a = (advantages * scale)[ids] * weights
        loss = (0.5 * TAU * scale * s * s).sum() - torch.dot(a, logp)
        return loss, (TAU * scale * s)[ids] - a

    def grpo(logp, kl):
        a, n = advantages[ids], scale[ids]
        rho = torch.exp(logp - old)
        loss = -torch.minimum(rho * a, rho.clamp(1 - CLIP, 1 + CLIP) * a)
        if kl:
            gap = ref - logp
            loss = loss + KL * (torch.exp(gap) - gap - 1)
        return (n * loss).sum()

    def grpo_by_hand(kl):
        a, n = advantages[ids], scale[ids]
        rho = torch.exp(logp - old)
        plain, clipped = rho * a, rho.clamp(1 - CLIP, 1 + CLIP) * a
        loss, g = -torch.minimum(plain, clipped), torch.where(plain <= clipped, -plain, 0.0)
        if kl:
            gap = ref - logp
            ratio = torch.exp(gap)
            loss, g = loss + KL * (ratio - gap - 1), g + KL * (1 - ratio)
        return (n * loss).sum(), n * g

    def autograd(function, *rest):
        def run():
            leaf = logp.detach().requires_grad_()
            loss = function(leaf, *rest)
            loss.backward()
            return {"loss": loss.reshape(1), "dlogp": leaf.grad}

        return run

    def by_hand(function, *rest):
        @torch.no_grad()
        def run():
            loss, gradient = function(*rest)
            return {"loss": loss.reshape(1), "dlogp": gradient}

        return run

    def variants_of_grpo(kl):
        return {
            "autograd": autograd(grpo, kl),
            "by hand": by_hand(grpo_by_hand, kl),
            "compiled, autograd": autograd(compiled(grpo), kl),
            "compiled by hand": by_hand(compiled(grpo_by_hand), kl),
        }

    return serve.without_compiled({
        "BCPG-NSA": {
            "index_add, autograd": autograd(bcpg_nsa, sums_by_index_add),
            "segment_reduce, autograd": autograd(bcpg_nsa, sums_by_segment_reduce),
            "segment_reduce, by hand": by_hand(bcpg_nsa_by_hand, sums_by_segment_reduce),
            "cumsum, by hand": by_hand(bcpg_nsa_by_hand, sums_by_cumsum),
            "compiled, index_add, by hand": by_hand(compiled(bcpg_nsa_by_hand), sums_by_index_add),
            "compiled, cumsum, by hand": by_hand(compiled(bcpg_nsa_by_hand), sums_by_cumsum),
        },
        "GRPO without KL": variants_of_grpo(False),
        "GRPO with k3": variants_of_grpo(True),
    })
