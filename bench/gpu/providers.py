"""What a provider of an operation is, and the library itself as one. A provider builds its memory once, prepares the
inputs of a run outside the time, and runs; `result` says what the last run gave."""

import torch

import calls
import lapidary_structs as lap
from calls import PLAIN
from lapidary_ctypes import pointer

TAU = 1e-3


class Provider:
    name, note = "", ""

    def build(self):
        """Memory and compilation."""

    def prepare(self, i):
        """Before a run, untimed."""

    def run(self, i):
        raise NotImplementedError

    def result(self, i):
        """Of run `i`: logp, and gradients under names that begin with d."""
        return {}


class Ours(Provider):
    name = "lapidary"

    def __init__(self, machine, data):
        self.machine, self.data, self.cuda = machine, data, machine.cuda

    def rows(self, names):
        return calls.row_outputs(self.machine, self.data.rows, names)


class Loss:
    """BCPG-NSA over packed rows, its arguments made once: `run` gives g from logp on the stream."""

    OBJECTIVE = {"sequence_term": 1, "sequence_anchor": lap.REF, "tau": TAU}

    def __init__(self, machine, batch, logp):
        self.machine, self.batch = machine, {**batch, "logp": logp, "mask": None}
        sequences = batch["advantages"].shape[0]
        self.dlogp = torch.empty_like(logp)
        self.diagnostics = torch.empty(lap.DIAGNOSTICS["COUNT"], dtype=torch.float64, device=logp.device)
        self.stats = torch.empty(sequences, 5, dtype=torch.float64, device=logp.device)
        read = ("cu_seqlens", "logp", "ref_logp", "advantages", "token_weights", "seq_scale")
        self.args = lap.PolicyLoss(
            objective=lap.Objective(**self.OBJECTIVE),
            tokens=logp.shape[0],
            sequences=sequences,
            **calls.pointers({name: self.batch[name] for name in read}),
            **calls.pointers({"dlogp": self.dlogp, "diagnostics": self.diagnostics, "stats": self.stats}),
        )
        size = machine.cuda.size("policy_loss_workspace", self.args)
        self.workspace = machine.scratch(size)
        self.args.workspace, self.args.workspace_bytes = pointer(self.workspace), size

    def run(self):
        self.machine.cuda.call("policy_loss", self.args)
        return self.dlogp


class Forward(Ours):
    """Log-probs of logits; `names`: which outputs."""

    def __init__(self, machine, data, names=("logp", "lse")):
        super().__init__(machine, data)
        self.names = names

    def build(self):
        self.out = self.rows(self.names)
        given = [calls.token_fields(x, t, PLAIN) for x, t in self.data.sets]
        self.args = [lap.TokenLogprobs(**fields, **calls.pointers(self.out)) for fields in given]

    def run(self, i):
        self.cuda.call("token_logprobs", self.args[i % len(self.args)])

    def result(self, i):
        return self.out


class InPlace(Ours):
    """The forward with its gradient over the logits' own memory. `weights`: "unit", for deferred weights; "known"."""

    def __init__(self, machine, data, weights, loss=False):
        super().__init__(machine, data)
        self.weights, self.with_loss = weights, loss

    def build(self):
        self.out = self.rows(("logp", "lse", "entropy"))
        self.loss = Loss(self.machine, self.data.batch, self.out["logp"]) if self.with_loss else None
        weights = self.data.dlogp if self.weights == "known" else None
        self.args = []
        for (_, t), work in zip(self.data.sets, self.data.work_of_sets()):
            fields = calls.token_fields(work, t, PLAIN)
            more = calls.pointers({**self.out, "row_weights": weights, "dlogits": work})
            self.args.append(lap.TokenLogprobsWithGradient(**fields, **more, dlogits_stride=work.stride(0)))

    def prepare(self, i):
        self.data.restore(i)

    def run(self, i):
        self.cuda.call("token_logprobs_with_gradient", self.args[i % len(self.args)])
        if self.loss is not None:
            self.loss.run()

    def result(self, i):
        # Deferred weights: what lies in the logits' place times g is the gradient.
        deferred = {} if self.loss is None else {"row_scale": self.loss.dlogp}
        return {**self.out, "dlogits": self.data.work(i), **deferred}


class Explicit(Ours):
    """Forward, loss, and a backward that reads the logits again, in place."""

    def __init__(self, machine, data, loss=True):
        super().__init__(machine, data)
        self.with_loss = loss

    def build(self):
        self.out = self.rows(("logp", "lse"))
        self.loss = Loss(self.machine, self.data.batch, self.out["logp"])
        self.forward, self.backward = [], []
        for (_, t), work in zip(self.data.sets, self.data.work_of_sets()):
            fields = calls.token_fields(work, t, PLAIN)
            self.forward.append(lap.TokenLogprobs(**fields, **calls.pointers(self.out)))
            more = calls.pointers({**self.out, "dlogp": self.loss.dlogp, "dlogits": work})
            self.backward.append(lap.TokenLogprobsBackward(**fields, **more, dlogits_stride=work.stride(0)))

    def prepare(self, i):
        self.data.restore(i)
        if not self.with_loss:
            self.front(i)

    def front(self, i):
        self.cuda.call("token_logprobs", self.forward[i % len(self.forward)])
        self.loss.run()

    def run(self, i):
        if self.with_loss:
            self.front(i)
        self.cuda.call("token_logprobs_backward", self.backward[i % len(self.backward)])

    def result(self, i):
        return {**self.out, "dlogits": self.data.work(i)}


class Divergence(Ours):
    """KL(teacher||student); `gradient`: with it, in place."""

    def __init__(self, machine, data, gradient):
        super().__init__(machine, data)
        self.gradient = gradient

    def build(self):
        self.value = self.machine.poisoned(self.data.rows)
        self.args, sets = [], self.data.sets
        for i, work in enumerate(self.data.work_of_sets()):
            student = work if self.gradient else sets[i][0]
            teacher = sets[(i + 1) % len(sets)][0]
            fields = calls.divergence_fields(lap.FORWARD_KL, 0.5, student, teacher, (PLAIN, PLAIN), None)
            fields["value"] = pointer(self.value)
            if self.gradient:
                more = {"dstudent": pointer(work), "dstudent_stride": work.stride(0)}
                self.args.append(lap.DivergenceWithGradient(**fields, **more))
            else:
                self.args.append(lap.Divergence(**fields))

    def prepare(self, i):
        if self.gradient:
            self.data.restore(i)

    def run(self, i):
        name = "divergence_with_gradient" if self.gradient else "divergence"
        self.cuda.call(name, self.args[i % len(self.args)])

    def result(self, i):
        return {"value": self.value}


class LossOnly(Ours):
    def build(self):
        self.losses = [Loss(self.machine, batch, batch["logp"]) for batch in self.data.sets]

    def run(self, i):
        self.losses[i % len(self.losses)].run()

    def result(self, i):
        return {"dlogp": self.losses[i % len(self.losses)].dlogp}
