"""Log-probs and fused heads: what torch's log_softmax gives, and Liger-Kernel's fused linear losses rewritten from
ops/fused_linear_cross_entropy.py, chunked_loss/grpo_loss.py. Inputs are float32 or bfloat16, the sums float64."""

import torch

from batches import float32, random_batch
from trl import clipped_surrogate, k3, log_weights

IGNORED = -100


def numbers(random, *shape, scale=1.0):
    return float32(scale * torch.randn(*shape, generator=random, dtype=torch.float64))


HALF = {"bf16": torch.bfloat16, "f16": torch.float16}


def transformed(logits, softcap, temperature):
    """Gemma's softcap first, then the temperature."""
    capped = logits if softcap is None else softcap * torch.tanh(logits / softcap)
    return capped / temperature


def selected(logits, targets):
    kept = targets != IGNORED
    logp = torch.log_softmax(logits, -1).gather(-1, targets.clamp(min=0)[..., None]).squeeze(-1)
    return torch.where(kept, logp, 0.0)


def put_float(blob, tensor, dtype):
    if dtype == "f32":
        return blob.put(tensor, "f")
    return blob.put(tensor.to(HALF[dtype]).view(torch.int16).to(torch.int32) & 0xFFFF, "H")


def token_case(blob, name, seed, rows, vocab, dtype="f32", temperature=1.0, softcap=None, scale=3.0):
    """Sum of weighted log-probs of logits: logp, entropy and dlogits."""
    random = torch.Generator().manual_seed(seed)
    logits = numbers(random, rows, vocab, scale=scale)
    logits = logits.to(HALF[dtype]).double() if dtype in HALF else logits
    targets = torch.randint(0, vocab, (rows,), generator=random)
    weights = numbers(random, rows)
    logits.requires_grad_()
    whole = torch.log_softmax(transformed(logits, softcap, temperature), -1)
    logp = selected(whole, targets)
    entropy = -(whole.exp() * whole).sum(-1)
    (gradient,) = torch.autograd.grad((weights * logp).sum(), logits)
    return {
        "kind": "token",
        "name": name,
        "source": "torch log_softmax",
        "dtype": dtype,
        "shape": [rows, vocab],
        "temperature": temperature,
        "softcap": softcap,
        "inputs": {
            "logits": put_float(blob, logits.detach(), dtype),
            "targets": blob.put(targets, "i"),
            "weights": blob.put(weights, "f"),
        },
        "expected": {
            "logp": blob.put(logp.detach(), "d"),
            "entropy": blob.put(entropy.detach(), "d"),
            "dlogits": blob.put(gradient, "d"),
        },
    }


def cross_entropy_case(blob, name, seed, rows, width, vocab, temperature=1.0, softcap=None):
    """Fused linear cross-entropy: the mean over the targets that are not ignored."""
    random = torch.Generator().manual_seed(seed)
    hidden = numbers(random, rows, width).requires_grad_()
    weight = numbers(random, vocab, width, scale=0.3).requires_grad_()
    targets = torch.randint(0, vocab, (rows,), generator=random)
    targets[torch.rand(rows, generator=random) < 0.2] = IGNORED
    logp = selected(transformed(hidden @ weight.T, softcap, temperature), targets)
    loss = -logp.sum() / (targets != IGNORED).sum()
    extra = {"temperature": temperature, "softcap": softcap}
    return linear_entry(blob, "cross-entropy", name, hidden, weight, targets, logp, loss, **extra)


def linear_entry(blob, kind, name, hidden, weight, targets, logp, loss, **extra):
    dhidden, dweight = torch.autograd.grad(loss, (hidden, weight))
    return {
        "kind": kind,
        "name": name,
        "source": "Liger-Kernel src/liger_kernel",
        "shape": [*hidden.shape, weight.shape[0]],
        "inputs": {
            "hidden": blob.put(hidden.detach(), "f"),
            "weight": blob.put(weight.detach(), "f"),
            "targets": blob.put(targets, "i"),
        },
        "expected": {
            "loss": loss.item(),
            "logp": blob.put(logp.detach(), "d"),
            "dhidden": blob.put(dhidden, "d"),
            "dweight": blob.put(dweight, "d"),
        },
        **extra,
    }


def chunked_grpo_case(blob, name, batch_entry, batch, seed, width, vocab, level, beta, temperature):
    """Hidden states through the head to log-probs, then GRPO's loss with k3: `loss_type` grpo."""
    random = torch.Generator().manual_seed(seed)
    rows = sum(batch.lengths)
    hidden = numbers(random, rows, width).requires_grad_()
    weight = numbers(random, vocab, width, scale=0.3).requires_grad_()
    targets = torch.randint(0, vocab, (rows,), generator=random)
    flat = selected(hidden @ weight.T / temperature, targets)
    inside = torch.arange(batch.mask.shape[1])[None, :] < torch.tensor(batch.lengths)[:, None]
    logp = torch.full(batch.mask.shape, -7.0, dtype=torch.float64).masked_scatter(inside, flat)
    # Old and reference log-probs near the policy's own, so that the ratios are those of training.
    noise = lambda: float32(logp.detach() + 0.3 * torch.randn(logp.shape, generator=random, dtype=torch.float64))
    batch.old, batch.ref = noise(), noise()
    ratio = torch.exp(log_weights(batch, logp, level))
    per_token = clipped_surrogate(ratio, batch.advantages[:, None], 0.2, 0.28) + beta * k3(batch, logp)
    loss = ((per_token * batch.mask).sum(-1) / batch.kept).sum() / batch.mask.shape[0]
    batch_entry["old"] = blob.put(batch.packed(batch.old), "f")
    batch_entry["ref"] = blob.put(batch.packed(batch.ref), "f")
    parameters = {"loss_type": "grpo", "level": level, "beta": beta, "low": 0.2, "high": 0.28}
    extra = {"batch": batch_entry, "parameters": parameters, "temperature": temperature, "softcap": None}
    return linear_entry(blob, "chunked-grpo", name, hidden, weight, targets, flat, loss, **extra)


def head_cases(blob, describe):
    yield token_case(blob, "token log-probs", 1, 33, 517)
    yield token_case(blob, "token log-probs, temperature", 2, 17, 1000, temperature=0.7, scale=12.0)
    yield token_case(blob, "token log-probs, bf16", 4, 33, 517, dtype="bf16")
    yield cross_entropy_case(blob, "fused linear cross-entropy", 6, 45, 37, 301)
    for level in ("token", "sequence"):
        batch = random_batch(level, 8, 0.3, holes=True)
        entry = describe(batch, blob)
        yield chunked_grpo_case(blob, f"chunked grpo, {level} ratio, k3", entry, batch, 9, 24, 211, level, 0.04, 0.9)
    batch = random_batch("plain", 8, 0.3, holes=True)
    yield chunked_grpo_case(blob, "chunked grpo, no KL", describe(batch, blob), batch, 9, 24, 211, "token", 0.0, 0.9)
