"""Inputs from a seed, made where they are used. Peaked ones plant the target as a trained model has it."""

import math

import torch

from calls import IGNORED

SPREAD = 2.0  # standard deviation of the logits
CERTAIN = 0.7  # share of tokens whose p is above 0.9


def normal(machine, seed, *shape, scale=1.0, dtype=torch.float32):
    out = torch.empty(shape, dtype=dtype, device=machine.device)
    return out.normal_(0, scale, generator=machine.generator(seed))


def random_targets(machine, seed, rows, vocab):
    return torch.randint(0, vocab, (rows,), generator=machine.generator(seed), device=machine.device, dtype=torch.int32)


def margins(machine, seed, rows):
    """By how much the target's logit is above the log of the sum of the others: of 70 % of the tokens by 2.3 to 8.3,
    p from 0.91 to 0.9998; of the others by 2 down to -6."""
    generator = machine.generator(seed)
    draw = lambda: torch.rand(rows, generator=generator, device=machine.device)
    certain = draw() < CERTAIN
    return torch.where(certain, 2.3 + 6 * draw(), 2 - 8 * draw())


def token_logits(machine, seed, rows, vocab, dtype=torch.bfloat16, peaked=True, padding=0, shift=0):
    """[rows, vocab] as a view whose rows are `padding` further apart and which begins `shift` elements past the
    start of its memory. Uncertain rows get a few strong rivals, so that their entropy is a model's, not a uniform
    distribution's."""
    stride = vocab + padding
    memory = normal(machine, seed, rows * stride + shift, scale=SPREAD, dtype=dtype)
    x = memory[shift:].view(rows, stride)[:, :vocab]
    targets = random_targets(machine, seed + 1, rows, vocab)
    if peaked and vocab > 1:
        rest = math.log(vocab) + SPREAD * SPREAD / 2
        margin = margins(machine, seed + 2, rows)
        x.scatter_(1, targets.long()[:, None], (rest + margin).to(dtype)[:, None])
        rivals = (targets.long()[:, None] + torch.tensor([1, 2], device=machine.device)) % vocab
        height = torch.where(margin < 2.2, rest + 2.0, rest - 6.0)
        values = torch.stack([height, height - 1.0], 1).to(dtype)
        if vocab > 2:
            x.scatter_(1, rivals, values)
    return x, targets


def head(machine, seed, vocab, width, dtype=torch.bfloat16, padding=0):
    weight = normal(machine, seed, vocab, width + padding, scale=SPREAD / math.sqrt(width), dtype=dtype)
    return weight[:, :width]


def hidden_states(machine, seed, weight, targets, dtype=torch.bfloat16, peaked=True, padding=0):
    """Rows whose logits against `weight` are normal, with the target's planted: a multiple of its own row of the
    head is added, scaled so that its logit is where `margins` puts it."""
    vocab, width = weight.shape
    rows = targets.shape[0]
    out = torch.empty(rows, width + padding, dtype=dtype, device=machine.device)
    out.normal_(0, 1, generator=machine.generator(seed))
    hidden = out[:, :width]
    if peaked:
        own = weight[targets.long().clamp(min=0)].float()
        rest = math.log(vocab) + SPREAD * SPREAD / 2
        wanted = rest + margins(machine, seed + 2, rows)
        have = (hidden.float() * own).sum(-1)
        hidden.copy_((hidden.float() + ((wanted - have) / own.square().sum(-1))[:, None] * own).to(dtype))
    return hidden


def ignore_some(targets, every=7):
    targets[3::every] = IGNORED
    return targets


def offsets_of(machine, seed, tokens, sequences, aligned=None):
    """Packed sequences of log-normal lengths; `aligned`: a boundary at each multiple of it, for chunks of whole
    sequences."""
    generator = torch.Generator().manual_seed(seed)
    pieces = max(1, tokens // aligned) if aligned else 1
    out = [0]
    for piece in range(pieces):
        weights = torch.exp(0.6 * torch.randn(max(1, sequences // pieces), generator=generator, dtype=torch.float64))
        begin, end = tokens * piece // pieces, tokens * (piece + 1) // pieces
        ends = begin + (torch.cumsum(weights, 0) / weights.sum() * (end - begin)).round().long()
        ends[-1] = end
        out += ends.tolist()
    return torch.tensor(out, dtype=torch.int64, device=machine.device)


def batch(machine, seed, tokens, sequences, logp=None, aligned=None, holes=False):
    """Everything a policy loss may read. A fifth of the sequences has A = 0, a quarter of the tokens w = 0.5;
    `holes`: masked tokens, which hold NaN, and an empty sequence."""
    offsets = offsets_of(machine, seed, tokens, sequences, aligned)
    if holes and offsets.shape[0] > 3:
        offsets[2] = offsets[1]
    count = offsets.shape[0] - 1
    draw = lambda k, n, scale=1.0: normal(machine, seed + k, n, scale=scale)
    logp = -draw(1, tokens).square() if logp is None else logp
    advantages = draw(2, count)
    advantages[::5] = 0
    lengths = (offsets[1:] - offsets[:-1]).float()
    places = torch.arange(tokens, device=machine.device)
    out = {
        "cu_seqlens": offsets,
        "logp": logp.clone(),
        "old_logp": logp + draw(3, tokens, 0.2),
        "behaviour_logp": logp + draw(4, tokens, 0.2),
        "ref_logp": logp + draw(5, tokens, 0.1),
        "advantages": advantages,
        "token_weights": torch.where(places // 32 % 4 == 0, 0.5, 1.0).float(),
        "mask": torch.ones(tokens, dtype=torch.uint8, device=machine.device),
        "seq_scale": torch.where(lengths > 0, 1 / (count * lengths.clamp(min=1)), 0.0),
        "nft_quality": torch.rand(count, generator=machine.generator(seed + 6), device=machine.device) * 0.9,
    }
    if holes:
        out["mask"] = (places % 11 != 4).to(torch.uint8)
        for name in ("logp", "old_logp", "behaviour_logp", "ref_logp", "token_weights"):
            out[name][out["mask"] == 0] = float("nan")
    return out
