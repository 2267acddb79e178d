"""The data of an operation at a shape: several input sets that are used in turn, and memory to work in."""

import torch

import inputs
import reference
from harness import NAMES

SEQUENCES = 32


def sequence_batch(machine, seed, rows, chunks=2):
    """Offsets, advantages and weights for the rows of a shape; a boundary at each chunk's end."""
    batch = inputs.batch(machine, seed, rows, SEQUENCES, aligned=rows // chunks)
    counts = batch["cu_seqlens"].diff()
    batch["ids"] = torch.repeat_interleave(torch.arange(counts.shape[0], device=machine.device), counts)
    return batch


class TokenData:
    weights = None  # g at the exact log-probs, where it was asked for

    def __init__(self, machine, shape, sets):
        self.rows, self.vocab, self.device = shape["rows"], shape["vocab"], machine.device
        make = lambda k: inputs.token_logits(machine, 1000 + 10 * k, self.rows, self.vocab)
        self.sets = [make(k) for k in range(sets)]
        self.works = [torch.empty_like(x) for x, _ in self.sets]
        self.batch = sequence_batch(machine, 1500, self.rows)
        self.dlogp = inputs.normal(machine, 1501, self.rows)
        self.expected = reference.token_logprobs(*self.sets[0])
        near = self.expected["logp"].float() + inputs.normal(machine, 1502, self.rows, scale=0.05)
        self.batch["ref_logp"] = near

    def work_of_sets(self):
        return self.works

    def work(self, i):
        return self.works[i % len(self.works)]

    def restore(self, i):
        k = i % len(self.sets)
        self.works[k].copy_(self.sets[k][0])

    def describe(self):
        certain = (self.expected["logp"].exp() > 0.9).double().mean().item()
        return {"share of p > 0.9": certain, "mean entropy": self.expected["entropy"].mean().item()}

    def gradient_error(self, got, weights):
        """Of the first rows against doubles, relative, in norm."""
        part = slice(0, min(64, self.rows))
        x, targets = self.sets[0]
        expected, _ = reference.token_gradient(x[part], targets[part], weights[part])
        return reference.relative(got[part], expected)


class LinearData:
    weights = None

    def __init__(self, machine, shape, sets):
        self.rows, self.vocab, self.width = shape["rows"], shape["vocab"], shape["width"]
        self.device = machine.device
        self.weight = inputs.head(machine, 2000, self.vocab, self.width)
        self.sets = []
        for k in range(sets):
            targets = inputs.random_targets(machine, 2001 + 10 * k, self.rows, self.vocab)
            self.sets.append((inputs.hidden_states(machine, 2002 + 10 * k, self.weight, targets), targets))
        self.batch = sequence_batch(machine, 2500, self.rows)
        self.dlogp = inputs.normal(machine, 2501, self.rows)
        self.expected = reference.linear_logprobs(self.sets[0][0], self.weight, self.sets[0][1])
        near = self.expected["logp"].float() + inputs.normal(machine, 2502, self.rows, scale=0.05)
        self.batch["ref_logp"] = near

    def batch_of(self, rows):
        """The sequences inside a chunk of rows; the chunk must hold whole ones."""
        offsets = self.batch["cu_seqlens"]
        first = int((offsets == rows.start).nonzero()[0])
        last = int((offsets == rows.stop).nonzero()[-1])
        out = {}
        for name, values in self.batch.items():
            if values.shape[0] == self.rows:
                out[name] = values[rows].contiguous()
            elif name != "cu_seqlens":
                out[name] = values[first:last].contiguous()
        return out | {"cu_seqlens": (offsets[first : last + 1] - rows.start).contiguous()}

    def describe(self):
        certain = (self.expected["logp"].exp() > 0.9).double().mean().item()
        return {"share of p > 0.9": certain, "mean entropy": self.expected["entropy"].mean().item()}

    def gradient_error(self, got, weights):
        part = slice(0, min(64, self.rows))
        (hidden, targets), wide = self.sets[0], self.weight.double()
        z = hidden[part].double() @ wide.T
        dlogits, _ = reference.token_gradient(z, targets[part], weights[part])
        return reference.relative(got[part], dlogits @ wide)


class LossData:
    """Batches of the policy loss alone."""

    def __init__(self, machine, tokens, sequences, sets):
        self.rows, self.device = tokens, machine.device
        self.sets = []
        for k in range(sets):
            batch = inputs.batch(machine, 3000 + 10 * k, tokens, sequences)
            ids = torch.arange(sequences, device=machine.device)
            batch["ids"] = torch.repeat_interleave(ids, batch["cu_seqlens"].diff())
            self.sets.append(batch)

    def describe(self):
        return {"sequences": self.sets[0]["advantages"].shape[0]}


def exact_weights(data, tau):
    """g of BCPG-NSA at the exact log-probs of the first set."""
    batch = {**data.batch, "logp": data.expected["logp"]}
    host = {name: values.cpu() for name, values in batch.items()}
    return reference.bcpg_nsa(host, tau)[1].to(data.expected["logp"].device)


def name_of(shape):
    width = f" H={shape['width']}" if "width" in shape else ""
    return f"T={shape['rows']} V={shape['vocab']}{width} {NAMES[torch.bfloat16]}"
