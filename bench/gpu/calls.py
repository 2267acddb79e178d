"""The operations on tensors: arguments from views, outputs poisoned before the call."""

import torch

import lapidary_structs as lap
from harness import DTYPES
from lapidary_ctypes import pointer

IGNORED = -100


class Transform:
    """softcap and temperature; a tensor is one temperature per row."""

    def __init__(self, temperature=1.0, softcap=0.0):
        self.temperature, self.softcap = temperature, softcap

    @property
    def per_row(self):
        return isinstance(self.temperature, torch.Tensor)

    def struct(self):
        per_row = self.per_row
        return lap.LogitTransform(
            temperature=0.0 if per_row else self.temperature,
            temperatures=pointer(self.temperature) if per_row else None,
            softcap=self.softcap,
        )

    def z(self, x):
        """In the type of x, which is a double in the references."""
        if self.softcap:
            x = torch.where(torch.isinf(x), x, self.softcap * torch.tanh(x / self.softcap))
        if self.per_row:
            return x / self.temperature.to(x.device, x.dtype)[:, None]
        return x / self.temperature

    def rows(self, begin, end):
        return Transform(self.temperature[begin:end], self.softcap) if self.per_row else self


PLAIN = Transform()


def token_fields(x, targets, transform):
    return {
        **{"logits": pointer(x), "dtype": DTYPES[x.dtype], "row_stride": x.stride(0)},
        **{"rows": x.shape[0], "vocab": x.shape[1]},
        **{"targets": pointer(targets), "ignore_index": IGNORED, "transform": transform.struct()},
    }


def row_outputs(machine, rows, names=("logp", "lse", "entropy", "top1")):
    return {name: machine.poisoned(rows, dtype=torch.int32 if name == "top1" else torch.float32) for name in names}


def pointers(tensors):
    return {name: pointer(tensor) for name, tensor in tensors.items()}


def token_logprobs(machine, x, targets, transform=PLAIN, names=("logp", "lse", "entropy", "top1")):
    out = row_outputs(machine, x.shape[0], names)
    machine.cuda.call("token_logprobs", lap.TokenLogprobs(**token_fields(x, targets, transform), **pointers(out)))
    return out


def token_backward(machine, x, targets, forward, dlogp, dentropy=None, transform=PLAIN, out=None):
    """`out`: x itself for in place; else poisoned memory."""
    out = machine.poisoned(*x.shape, dtype=x.dtype) if out is None else out
    more = {} if dentropy is None else {"entropy": forward["entropy"], "dentropy": dentropy}
    given = pointers({"logp": forward["logp"], "lse": forward["lse"], "dlogp": dlogp, "dlogits": out, **more})
    args = lap.TokenLogprobsBackward(**token_fields(x, targets, transform), **given, dlogits_stride=out.stride(0))
    machine.cuda.call("token_logprobs_backward", args)
    return out


def token_with_gradient(machine, x, targets, weights=None, transform=PLAIN, out=None):
    out = machine.poisoned(*x.shape, dtype=x.dtype) if out is None else out
    rows = row_outputs(machine, x.shape[0], ("logp", "lse", "entropy"))
    args = lap.TokenLogprobsWithGradient(
        **token_fields(x, targets, transform),
        **pointers({**rows, "row_weights": weights, "dlogits": out}),
        dlogits_stride=out.stride(0),
    )
    machine.cuda.call("token_logprobs_with_gradient", args)
    return {**rows, "dlogits": out}


def vocab_shard_stats(machine, x, targets, begin, transform=PLAIN):
    stats = machine.poisoned(x.shape[0], 5, dtype=torch.float64)
    fields = {**token_fields(x, targets, transform), "begin": begin, "want_entropy": 1}
    machine.cuda.call("vocab_shard_stats", lap.VocabShardStats(**fields, stats=pointer(stats)))
    return stats


def vocab_shard_merge(machine, stats):
    """`stats`: [shards, T, 5]."""
    shards, rows, _ = stats.shape
    out = row_outputs(machine, rows, ("logp", "lse", "lse_low", "entropy"))
    args = lap.VocabShardMerge(shards=shards, rows=rows, stats=pointer(stats), **pointers(out))
    machine.cuda.call("vocab_shard_merge", args)
    return out


def vocab_shard_backward(machine, x, targets, begin, merged, dlogp, dentropy, transform=PLAIN, out=None):
    """`out`: x itself for in place; else poisoned memory."""
    out = machine.poisoned(*x.shape, dtype=x.dtype) if out is None else out
    given = pointers({**merged, "dlogp": dlogp, "dentropy": dentropy, "dlogits": out})
    fields = {**token_fields(x, targets, transform), "begin": begin, "dlogits_stride": out.stride(0)}
    machine.cuda.call("vocab_shard_backward", lap.VocabShardBackward(**fields, **given))
    return out


def divergence_fields(kind, beta, student, teacher, transforms, mask):
    return {
        **{"kind": kind, "beta": beta, "rows": student.shape[0], "vocab": student.shape[1]},
        **{"student": pointer(student), "student_dtype": DTYPES[student.dtype]},
        **{"student_stride": student.stride(0), "student_transform": transforms[0].struct()},
        **{"teacher": pointer(teacher), "teacher_dtype": DTYPES[teacher.dtype]},
        **{"teacher_stride": teacher.stride(0), "teacher_transform": transforms[1].struct()},
        "mask": pointer(mask),
    }


def divergence(machine, kind, student, teacher, beta=0.5, transforms=(PLAIN, PLAIN), mask=None):
    value = machine.poisoned(student.shape[0])
    fields = divergence_fields(kind, beta, student, teacher, transforms, mask)
    machine.cuda.call("divergence", lap.Divergence(**fields, value=pointer(value)))
    return value


def divergence_with_gradient(
    machine, kind, student, teacher, beta=0.5, transforms=(PLAIN, PLAIN), mask=None, weights=None, out=None
):
    value = machine.poisoned(student.shape[0])
    out = machine.poisoned(*student.shape, dtype=student.dtype) if out is None else out
    args = lap.DivergenceWithGradient(
        **divergence_fields(kind, beta, student, teacher, transforms, mask),
        **pointers({"value": value, "row_weights": weights, "dstudent": out}),
        dstudent_stride=out.stride(0),
    )
    machine.cuda.call("divergence_with_gradient", args)
    return value, out


def linear_fields(hidden, weight, targets, transform):
    return {
        **{"hidden": pointer(hidden), "weight": pointer(weight), "dtype": DTYPES[hidden.dtype]},
        **{"rows": hidden.shape[0], "vocab": weight.shape[0], "width": hidden.shape[1]},
        **{"hidden_stride": hidden.stride(0), "weight_stride": weight.stride(0)},
        **{"targets": pointer(targets), "ignore_index": IGNORED, "transform": transform.struct()},
    }


def kept_memory(machine, hidden, weight):
    return machine.scratch(machine.cuda.kept_bytes(hidden.shape[0], weight.shape[0], DTYPES[hidden.dtype]))


def linear_logprobs(machine, hidden, weight, targets, transform=PLAIN, kept=None, cuda=None):
    cuda = cuda or machine.cuda
    out = row_outputs(machine, hidden.shape[0])
    args = lap.LinearLogprobs(**linear_fields(hidden, weight, targets, transform), **pointers(out))
    if kept is not None:
        args.kept, args.kept_bytes = pointer(kept), kept.numel()
    size = cuda.size("linear_logprobs_workspace", args)
    workspace = machine.scratch(size)
    args.workspace, args.workspace_bytes = pointer(workspace), size
    cuda.call("linear_logprobs", args)
    return out


def linear_backward(
    machine, hidden, weight, targets, forward, dlogp, transform=PLAIN, kept=None, frozen=False, into=None, cuda=None
):
    """`into`: a dweight to add to."""
    cuda = cuda or machine.cuda
    out = {"dhidden": machine.poisoned(*hidden.shape)}
    if not frozen:
        out["dweight"] = machine.poisoned(*weight.shape) if into is None else into
    args = lap.LinearLogprobsBackward(
        **linear_fields(hidden, weight, targets, transform),
        **pointers({"logp": forward["logp"], "lse": forward["lse"], "dlogp": dlogp, **out}),
        accumulate_dweight=0 if into is None else 1,
    )
    if kept is not None:
        args.kept, args.kept_bytes = pointer(kept), kept.numel()
    size = cuda.size("linear_logprobs_backward_workspace", args)
    workspace = machine.scratch(size)
    args.workspace, args.workspace_bytes = pointer(workspace), size
    cuda.call("linear_logprobs_backward", args)
    return out


POLICY_INPUTS = (
    *("cu_seqlens", "lengths", "logp", "old_logp", "behaviour_logp", "ref_logp", "advantages"),
    *("token_advantages", "token_weights", "mask", "seq_scale", "nft_quality", "pairs"),
)


def policy_loss(context, objective, batch, phases=("policy_loss",)):
    """On the CPU's library or on a device: where `batch` lies. Returns dlogp, diagnostics and stats."""
    logp = batch["logp"]
    sequences = batch["advantages"].shape[0]
    nan = lambda *shape, dtype: torch.full(shape, float("nan"), dtype=dtype, device=logp.device)
    out = {
        "dlogp": nan(logp.shape[0], dtype=torch.float32),
        "diagnostics": nan(lap.DIAGNOSTICS["COUNT"], dtype=torch.float64),
        "stats": nan(sequences, 5, dtype=torch.float64),
    }
    args = lap.PolicyLoss(
        objective=lap.Objective(**objective),
        tokens=logp.shape[0],
        sequences=sequences,
        row_stride=batch.get("row_stride", 0),
        pair_count=0 if batch.get("pairs") is None else batch["pairs"].shape[0] // 2,
        **pointers({name: batch.get(name) for name in POLICY_INPUTS}),
        **pointers(out),
    )
    size = context.size("policy_loss_workspace", args)
    workspace = torch.full((max(size, 1),), 0xFF, dtype=torch.uint8, device=logp.device)
    args.workspace, args.workspace_bytes = pointer(workspace), size
    for phase in phases:
        context.call(phase, args)
    return out
