"""Log-probs under logits = hidden x weight^T: logits held whole, and the chunked forms that trainers use."""

import numpy as np
import torch
import torch.nn.functional as F

import serve
from torch_token import tensor

TAU = 1e-3  # of the loss in the operation whose weights come from S_i


def log_probs(logits, index):
    logits = logits.float()
    return logits.gather(-1, index).squeeze(-1) - torch.logsumexp(logits, -1)


def bf16_product_is_slow():
    """Without bf16 instructions PyTorch's bf16 product is some hundred times slower than its f32 one: one call at
    the benchmark's shape would take minutes."""

    def rate(dtype):
        a, b = torch.ones(64, 256, dtype=dtype), torch.ones(1024, 256, dtype=dtype)
        return serve.best_rate(1, lambda: a @ b.T, limit=0.05)

    return rate(torch.bfloat16) < rate(torch.float32) / 4


def load(dataset):
    rows, vocab, width = dataset["rows"], dataset["vocab"], dataset["width"]
    hidden, weight = tensor(dataset, "hidden", (rows, width)), tensor(dataset, "weight", (vocab, width))
    index = torch.from_numpy(serve.read(dataset, "targets", np.int32)).long()[:, None]
    dlogp, ref, token_weights = (tensor(dataset, n, (rows,), "f32") for n in ("dlogp", "refLogp", "tokenWeights"))
    advantages, scale = (tensor(dataset, n, (-1,), "f32") for n in ("advantages", "seqScale"))
    offsets = [int(x) for x in serve.read(dataset, "cuSeqlens", np.float64)]
    dweight = torch.empty(vocab, width)

    def forward(product, chunk):
        @torch.no_grad()
        def run():
            return {"logp": torch.cat([log_probs(product(h), i) for h, i in zip(hidden.split(chunk), index.split(chunk))])}

        return run

    plain = lambda h: h @ weight.T
    upcast = lambda h: h.float() @ weight.float().T

    def known(batch_logp):
        return (batch_logp * dlogp).sum()

    def bcpg_nsa(logp):
        loss = 0
        for i, (begin, end) in enumerate(zip(offsets, offsets[1:])):
            part = logp[begin:end]
            s = (part - ref[begin:end]).sum()
            policy = -(token_weights[begin:end] * part).sum() * advantages[i]
            loss = loss + scale[i] * (policy + 0.5 * TAU * s * s)
        return loss

    def autograd(loss_of, frozen=False):
        """The logits held whole, and everything left to autograd."""

        def run():
            h, w = hidden.detach().requires_grad_(), weight.detach().requires_grad_(not frozen)
            logp = log_probs(h @ w.T, index)
            loss_of(logp).backward()
            return {"logp": logp, "dhidden": h.grad} | ({} if frozen else {"dweight": w.grad})

        return run

    def gradient_of(begin, end, logp):
        i = offsets.index(begin)
        s = (logp - ref[begin:end]).sum()
        return scale[i] * (TAU * s - advantages[i] * token_weights[begin:end])

    def by_hand(bounds, after=False, frozen=False):
        """Three products a chunk, its softmax reused for both gradients; in f32 whatever the inputs."""

        @torch.no_grad()
        def run():
            w = weight.float()
            dhidden, logps = torch.empty(rows, width), []
            for begin, end in zip(bounds, bounds[1:]):
                if begin == end:
                    continue
                h, at = hidden[begin:end].float(), index[begin:end]
                p = h @ w.T
                picked, lse = p.gather(-1, at), torch.logsumexp(p, -1, keepdim=True)
                logp = (picked - lse).squeeze(-1)
                g = (gradient_of(begin, end, logp) if after else dlogp[begin:end])[:, None]
                p.sub_(lse).exp_().mul_(-g).scatter_add_(-1, at, g)
                torch.mm(p, w, out=dhidden[begin:end])
                if not frozen:
                    dweight.addmm_(p.T, h, beta=0 if begin == 0 else 1)
                logps.append(logp)
            return {"logp": torch.cat(logps), "dhidden": dhidden} | ({} if frozen else {"dweight": dweight})

        return run

    chunks = lambda size: [*range(0, rows, size), rows]
    operations = {
        "forward": {
            "logits held": forward(plain, rows),
            "chunks of 128 rows": forward(plain, 128),
        },
        "forward and backward": {
            "autograd, logits held": autograd(known),
            "by hand, logits held": by_hand([0, rows]),
            "by hand, chunks of 128 rows": by_hand(chunks(128)),
        },
        "forward and backward, frozen head": {
            "autograd, logits held": autograd(known, frozen=True),
            "by hand, logits held": by_hand([0, rows], frozen=True),
            "by hand, chunks of 128 rows": by_hand(chunks(128), frozen=True),
        },
        "forward and backward, weights from S": {
            "autograd, logits held": autograd(bcpg_nsa),
            "by hand, a sequence at a time": by_hand(offsets, after=True),
        },
    }
    if weight.dtype == torch.float32:
        return operations
    operations["forward"]["product in f32"] = forward(upcast, rows)
    if bf16_product_is_slow():
        in_f32 = lambda name: "in f32" in name or "by hand" in name
        operations = {key: {n: run for n, run in forms.items() if in_f32(n)} for key, forms in operations.items()}
    return operations
