"""The library's linear log-probs as providers: forward, and whole steps whose weights come from S of each sequence,
in chunks of whole sequences."""

import torch

import calls
import lapidary_structs as lap
from calls import PLAIN
from lapidary_ctypes import pointer
from providers import Loss, Ours


class Chunk:
    """Arguments of one chunk of rows: forward, loss, backward. Chunks share `kept` and the workspace."""

    def __init__(self, owner, data, rows, index):
        self.owner = owner
        machine, (hidden, targets) = owner.machine, data.sets[index]
        hidden, targets = hidden[rows], targets[rows]
        fields = calls.linear_fields(hidden, data.weight, targets, PLAIN)
        self.out = calls.row_outputs(machine, targets.shape[0], ("logp", "lse"))
        self.loss = Loss(machine, data.batch_of(rows), self.out["logp"])
        self.forward = lap.LinearLogprobs(**fields, **calls.pointers(self.out))
        gradients = {"dhidden": owner.dhidden[rows], "dweight": owner.dweight}
        more = calls.pointers({**self.out, "dlogp": self.loss.dlogp, **gradients})
        accumulate = 0 if rows.start == 0 else 1
        self.backward = lap.LinearLogprobsBackward(**fields, **more, accumulate_dweight=accumulate)

    def sizes(self):
        cuda = self.owner.cuda
        ask = ("linear_logprobs_workspace", self.forward), ("linear_logprobs_backward_workspace", self.backward)
        return [cuda.size(name, args) for name, args in ask]

    def keep_in(self, kept):
        for args in (self.forward, self.backward):
            args.kept, args.kept_bytes = pointer(kept), kept.numel()

    def work_in(self, workspace):
        for args in (self.forward, self.backward):
            args.workspace, args.workspace_bytes = pointer(workspace), workspace.numel()

    def run(self):
        self.owner.cuda.call("linear_logprobs", self.forward)
        self.loss.run()
        self.owner.cuda.call("linear_logprobs_backward", self.backward)


class Linear(Ours):
    def __init__(self, machine, data, cuda=None, label=""):
        super().__init__(machine, data)
        self.cuda = cuda or machine.cuda
        self.name = "lapidary" + (", " + label if label else "")


class LinearForward(Linear):
    def build(self):
        self.out = self.rows(("logp", "lse", "entropy", "top1"))
        self.args = []
        for hidden, targets in self.data.sets:
            fields = calls.linear_fields(hidden, self.data.weight, targets, PLAIN)
            self.args.append(lap.LinearLogprobs(**fields, **calls.pointers(self.out)))
        size = self.cuda.size("linear_logprobs_workspace", self.args[0])
        self.workspace = self.machine.scratch(size)
        for args in self.args:
            args.workspace, args.workspace_bytes = pointer(self.workspace), size

    def run(self, i):
        self.cuda.call("linear_logprobs", self.args[i % len(self.args)])

    def result(self, i):
        return self.out


class LinearStep(Linear):
    """`chunks`: of equal row counts, each of whole sequences. `keep`: the logits between the passes."""

    def __init__(self, machine, data, chunks, keep, frozen=False, cuda=None, label=""):
        super().__init__(machine, data, cuda, label)
        self.chunks, self.keep, self.frozen = chunks, keep, frozen

    def build(self):
        data, (hidden, _) = self.data, self.data.sets[0]
        self.dhidden = self.machine.poisoned(*hidden.shape)
        self.dweight = None if self.frozen else self.machine.poisoned(*data.weight.shape)
        step = data.rows // self.chunks
        parts = [slice(begin, begin + step) for begin in range(0, data.rows, step)]
        self.steps = [[Chunk(self, data, rows, k) for rows in parts] for k in range(len(data.sets))]
        every = [chunk for chunks in self.steps for chunk in chunks]
        if self.keep:
            size = self.cuda.kept_bytes(step, data.vocab, calls.DTYPES[hidden.dtype])
            self.kept = self.machine.scratch(size)
            for chunk in every:
                chunk.keep_in(self.kept)
        self.workspace = self.machine.scratch(max(size for chunk in every for size in chunk.sizes()))
        for chunk in every:
            chunk.work_in(self.workspace)

    def run(self, i):
        for chunk in self.steps[i % len(self.steps)]:
            chunk.run()

    def result(self, i):
        logp = torch.cat([chunk.out["logp"] for chunk in self.steps[i % len(self.steps)]])
        gradients = {"dhidden": self.dhidden} | ({} if self.frozen else {"dweight": self.dweight})
        return {"logp": logp, **gradients}
