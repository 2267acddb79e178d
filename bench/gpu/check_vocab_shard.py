"""Vocabulary shards on the device, put together, against doubles of whole rows."""

import torch

import calls
import inputs
import reference


def cut(x, shards):
    """The columns of x in `shards` parts of different widths, each in memory of its own, and where each begins."""
    vocab = x.shape[1]
    begins = [vocab * r * (r + 1) // (shards * (shards + 1)) for r in range(shards)]
    return [(begin, x[:, begin:end].contiguous()) for begin, end in zip(begins, [*begins[1:], vocab])]


def check_vocab_shards(checks, machine, quick, check_rows):
    shapes = [(6, 7), (5, 1003)] if quick else [(6, 7), (5, 1003), (64, 152064), (2048, 38016)]
    for seed, (rows, vocab) in enumerate(shapes):
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            x, targets = inputs.token_logits(machine, 90 + seed, rows, vocab, dtype)
            for shards in (1, 3):
                where = f"{shards} shards of {rows}x{vocab} {dtype}"
                parts = cut(x, shards)
                stats = [calls.vocab_shard_stats(machine, part, targets, begin) for begin, part in parts]
                merged = calls.vocab_shard_merge(machine, torch.stack(stats))
                check_rows(checks, merged, reference.token_logprobs(x, targets), where)
                dlogp, dentropy = inputs.normal(machine, 95, rows), inputs.normal(machine, 96, rows)
                gradients = [
                    calls.vocab_shard_backward(machine, part, targets, begin, merged, dlogp, dentropy)
                    for begin, part in parts
                ]
                whole = torch.cat(gradients, -1)
                worst = reference.gradient_excess(whole, x, targets, dlogp, dentropy)
                checks.below(worst, 1.0, f"{where}: gradient")
                for (begin, part), gradient in zip(parts, gradients):
                    calls.vocab_shard_backward(machine, part, targets, begin, merged, dlogp, dentropy, out=part)
                    checks.expect(torch.equal(part, gradient), f"{where}: in place gives the same bits")
