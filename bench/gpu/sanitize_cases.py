"""A few small calls of every operation for compute-sanitizer, without torch, whose start would take minutes under it.
Only whether they end well is looked at: what they give is checked elsewhere."""

import array
import random
import sys

import lapidary_structs as lap
from lapidary_ctypes import Cuda, MissingSymbol

FAILED = []


class Device:
    """Memory of the object's own, and numbers on it."""

    def __init__(self, cuda):
        self.cuda, self.random, self.held = cuda, random.Random(5), []

    def memory(self, size):
        # A new piece for each use and no more than was asked for: an access past its end is then seen.
        address = self.cuda.allocate(max(size, 1))
        self.held.append(address)
        return address

    def put(self, code, values):
        data = array.array(code, values).tobytes()
        address = self.memory(len(data))
        if data:
            self.cuda.upload(address, data)
        return address

    def floats(self, count, scale=1.0):
        return self.put("f", [scale * self.random.gauss(0, 1) for _ in range(count)])

    def elements(self, dtype, count):
        """Of f16 and bf16: patterns of numbers between 1 and 2, of either sign."""
        if dtype == lap.F32:
            return self.floats(count)
        one = 0x3F80 if dtype == lap.BF16 else 0x3C00
        span = 0x7F if dtype == lap.BF16 else 0x3FF
        sign = lambda: self.random.getrandbits(1) << 15
        return self.put("H", [sign() | one | self.random.randint(0, span) for _ in range(count)])

    def targets(self, rows, vocab):
        return self.put("i", [-100 if t == 2 else self.random.randrange(vocab) for t in range(rows)])

    def release(self):
        self.cuda.synchronize()
        for address in self.held:
            self.cuda.free(address)
        self.held = []


def plain():
    return lap.LogitTransform(temperature=1.0, softcap=0.0)


def token(device, dtype, rows, vocab):
    size = 4 if dtype == lap.F32 else 2
    logits = device.elements(dtype, rows * vocab)
    fields = {"logits": logits, "dtype": dtype, "rows": rows, "vocab": vocab, "row_stride": vocab}
    fields |= {"targets": device.targets(rows, vocab), "ignore_index": -100, "transform": plain()}
    out = {name: device.memory(4 * rows) for name in ("logp", "lse", "entropy")}
    device.cuda.call("token_logprobs", lap.TokenLogprobs(**fields, **out, top1=device.memory(4 * rows)))
    gradient = {"dlogits": device.memory(size * rows * vocab), "dlogits_stride": vocab}
    more = {"dlogp": device.floats(rows), "dentropy": device.floats(rows)}
    device.cuda.call("token_logprobs_backward", lap.TokenLogprobsBackward(**fields, **out, **gradient, **more))
    args = lap.TokenLogprobsWithGradient(**fields, **out, dlogits=logits, dlogits_stride=vocab)
    device.cuda.call("token_logprobs_with_gradient", args)


def vocab_shard(device, dtype, rows, vocab):
    shard = {"logits": device.elements(dtype, rows * vocab), "dtype": dtype, "rows": rows, "vocab": vocab}
    shard |= {"row_stride": vocab, "begin": 0, "targets": device.targets(rows, vocab), "ignore_index": -100}
    shard |= {"transform": plain()}
    stats = device.memory(40 * rows)
    device.cuda.call("vocab_shard_stats", lap.VocabShardStats(**shard, want_entropy=1, stats=stats))
    columns = {name: device.memory(4 * rows) for name in ("logp", "lse", "lse_low", "entropy")}
    device.cuda.call("vocab_shard_merge", lap.VocabShardMerge(shards=1, rows=rows, stats=stats, **columns))
    gradient = {"dlogp": device.floats(rows), "dentropy": device.floats(rows), "dlogits": shard["logits"]}
    args = lap.VocabShardBackward(**shard, **columns, **gradient, dlogits_stride=vocab)
    device.cuda.call("vocab_shard_backward", args)


def divergence(device, dtype, rows, vocab):
    for kind in (lap.FORWARD_KL, lap.REVERSE_KL, lap.JSD):
        fields = {"kind": kind, "beta": 0.5, "rows": rows, "vocab": vocab, "value": device.memory(4 * rows)}
        for side in ("student", "teacher"):
            fields |= {side: device.elements(dtype, rows * vocab), side + "_dtype": dtype}
            fields |= {side + "_stride": vocab, side + "_transform": plain()}
        device.cuda.call("divergence", lap.Divergence(**fields))
        args = lap.DivergenceWithGradient(**fields, dstudent=fields["student"], dstudent_stride=vocab)
        device.cuda.call("divergence_with_gradient", args)


def policy(device, tokens, sequences):
    cuts = sorted(device.random.randrange(tokens + 1) for _ in range(sequences - 1))
    fields = {"tokens": tokens, "sequences": sequences, "cu_seqlens": device.put("q", [0, *cuts, tokens])}
    for name in ("logp", "old_logp", "ref_logp", "token_weights"):
        fields[name] = device.floats(tokens, 0.1)
    fields |= {"mask": device.put("B", [t % 7 != 3 for t in range(tokens)])}
    fields |= {name: device.floats(sequences) for name in ("advantages", "seq_scale")}
    fields |= {"stats": device.memory(40 * sequences), "dlogp": device.memory(4 * tokens)}
    fields |= {"diagnostics": device.memory(8 * lap.DIAGNOSTICS["COUNT"])}
    square = {"sequence_term": 1, "sequence_anchor": lap.REF, "tau": 0.01}
    clip = {"gate": 1, "ratio_anchor": lap.OLD, "ratio_level": 2, "clip_low": 0.2, "clip_high": 0.2}
    for objective in (square, clip, {"gate": 7, "sequence_term": 2, "sequence_anchor": lap.REF, "tau": 0.1}):
        args = lap.PolicyLoss(objective=lap.Objective(**objective), **fields)
        args.workspace_bytes = device.cuda.size("policy_loss_workspace", args)
        args.workspace = device.memory(args.workspace_bytes)
        device.cuda.call("policy_loss", args)


def linear(device, dtype, rows, vocab, width):
    fields = {"hidden": device.elements(dtype, rows * width), "weight": device.elements(dtype, vocab * width)}
    fields |= {"dtype": dtype, "rows": rows, "vocab": vocab, "width": width, "hidden_stride": width}
    fields |= {"weight_stride": width, "targets": device.targets(rows, vocab), "ignore_index": -100}
    fields |= {"transform": plain(), "logp": device.memory(4 * rows), "lse": device.memory(4 * rows)}
    dlogp = device.floats(rows)
    for keep in (False, True):
        kept = {}
        if keep:
            kept["kept_bytes"] = device.cuda.kept_bytes(rows, vocab, dtype)
            kept["kept"] = device.memory(kept["kept_bytes"])
        more = {"entropy": device.memory(4 * rows), "top1": device.memory(4 * rows)}
        forward = lap.LinearLogprobs(**fields, **kept, **more)
        gradients = {"dhidden": device.memory(4 * rows * width), "dweight": device.memory(4 * vocab * width)}
        backward = lap.LinearLogprobsBackward(**fields, **kept, **gradients, dlogp=dlogp)
        for name, args in (("linear_logprobs", forward), ("linear_logprobs_backward", backward)):
            args.workspace_bytes = device.cuda.size(name + "_workspace", args)
            args.workspace = device.memory(args.workspace_bytes)
            device.cuda.call(name, args)


def cases():
    for dtype in (lap.F32, lap.BF16, lap.F16):
        for rows, vocab in ((3, 5), (4, 1031), (5, 4096)):
            yield "token", token, (dtype, rows, vocab)
        yield "divergence", divergence, (dtype, 3, 1031)
        yield "vocabulary shard", vocab_shard, (dtype, 3, 1031)
        for shape in ((3, 5, 7), (33, 130, 40), (130, 264, 64)):
            yield "linear", linear, (dtype, *shape)
    yield "token, a whole row", token, (lap.BF16, 3, 152063)
    yield "divergence, whole rows", divergence, (lap.BF16, 3, 152063)
    for tokens, sequences in ((1, 2), (700, 4), (20000, 6)):
        yield "policy", policy, (tokens, sequences)


def main():
    cuda = Cuda(sys.argv[1])
    device, count = Device(cuda), 0
    for name, run, arguments in cases():
        try:
            run(device, *arguments)
            device.release()
        except MissingSymbol as missing:
            FAILED.append(f"{name}: {missing}")
            continue
        count += 1
    for line in sorted(set(FAILED)):
        print(f"FAILED {line}")
    cuda.close()
    print(f"{count} passed, {len(set(FAILED))} failed")
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
