"""PyTorch as a peer, eager and compiled, as a careful user writes the operations."""

import torch

from providers import TAU, Provider


def log_probs(x, index):
    z = x.float()
    return z.gather(-1, index).squeeze(-1) - torch.logsumexp(z, -1)


def with_entropy(x, index):
    z = x.float()
    lse = torch.logsumexp(z, -1)
    p = torch.exp(z - lse[:, None])
    return z.gather(-1, index).squeeze(-1) - lse, lse - (p * z).sum(-1)


def sums(batch, values):
    """Of each sequence."""
    return torch.zeros_like(batch["seq_scale"]).index_add(0, batch["ids"], values)


def bcpg_nsa(batch, logp):
    s = sums(batch, logp - batch["ref_logp"])
    policy = -(batch["advantages"] * batch["seq_scale"])[batch["ids"]] * batch["token_weights"] * logp
    return policy.sum() + (0.5 * TAU * batch["seq_scale"] * s * s).sum()


def bcpg_nsa_slopes(batch, logp):
    s = sums(batch, logp - batch["ref_logp"])
    ids = batch["ids"]
    return batch["seq_scale"][ids] * (TAU * s[ids] - batch["advantages"][ids] * batch["token_weights"])


def gradient_by_hand(x, index, slopes):
    """logp, and the gradient with weights that may need all of logp; no autograd."""
    z = x.float()
    lse = torch.logsumexp(z, -1)
    logp = z.gather(-1, index).squeeze(-1) - lse
    hot = torch.arange(x.shape[1], device=x.device)[None] == index
    return logp, (slopes(logp)[:, None] * (hot.float() - torch.exp(z - lse[:, None]))).to(x.dtype)


def forward_kl(student, teacher):
    log_s, log_t = torch.log_softmax(student.float(), -1), torch.log_softmax(teacher.float(), -1)
    return (log_t.exp() * (log_t - log_s)).sum(-1)


class Torch(Provider):
    """`compile`: through torch.compile, its compilation in `build`."""

    def __init__(self, data, operation, compile=False):
        self.data, self.operation, self.compile = data, operation, compile
        self.name = "torch.compile" if compile else "torch"
        self.last = {}

    def build(self):
        if self.compile:
            torch._dynamo.reset()
        # On the host, in the dry run, Dynamo alone: code for a CPU would say nothing and takes long to make.
        on_device = self.data.device.type == "cuda"
        backend = "inductor" if on_device else "eager"
        function = self.function()
        self.step = torch.compile(function, dynamic=False, backend=backend) if self.compile else function

    def inputs(self, i):
        x, targets = self.data.sets[i % len(self.data.sets)]
        return x, targets.long()[:, None]

    def prepare(self, i):
        self.last = {}  # gives its memory back before the clock starts
        self.given = self.inputs(i)

    def result(self, i):
        return self.last


class TorchToken(Torch):
    def function(self):
        batch, dlogp = self.data.batch, self.data.dlogp
        return {
            "logp": log_probs,
            "entropy": with_entropy,
            "known": lambda x, index: gradient_by_hand(x, index, lambda logp: dlogp),
            "loss": lambda x, index: gradient_by_hand(x, index, lambda logp: bcpg_nsa_slopes(batch, logp)),
        }[self.operation]

    @torch.no_grad()
    def forward(self):
        out = self.step(*self.given)
        self.last = {"logp": out[0] if isinstance(out, tuple) else out}

    @torch.no_grad()
    def by_hand(self):
        logp, dlogits = self.step(*self.given)
        self.last = {"logp": logp, "dlogits": dlogits}

    def by_autograd(self):
        x, index = self.given
        leaf = x.detach().requires_grad_()
        logp = log_probs(leaf, index)
        loss = bcpg_nsa(self.data.batch, logp) if self.operation == "loss" else (self.data.dlogp * logp).sum()
        loss.backward()
        self.last = {"logp": logp.detach(), "dlogits": leaf.grad}

    def run(self, i):
        if self.operation in ("logp", "entropy"):
            self.forward()
        elif self.compile:
            self.by_hand()
        else:
            self.by_autograd()


class TorchDivergence(Torch):
    def function(self):
        return forward_kl

    def inputs(self, i):
        sets = self.data.sets
        return sets[i % len(sets)][0], sets[(i + 1) % len(sets)][0]

    def run(self, i):
        student, teacher = self.given
        if self.operation == "value":
            with torch.no_grad():
                self.last = {"value": self.step(student, teacher)}
            return
        leaf = student.detach().requires_grad_()
        value = self.step(leaf, teacher)
        value.sum().backward()
        self.last = {"value": value.detach(), "dstudent": leaf.grad}


class TorchLinear(Torch):
    """The logits held whole, and what follows left to autograd."""

    def function(self):
        batch, weight = self.data.batch, self.data.weight

        def forward(hidden, index):
            return log_probs(hidden @ weight.T, index)

        def loss(hidden, head, index):
            logp = log_probs(hidden @ head.T, index)
            return bcpg_nsa(batch, logp), logp

        return forward if self.operation == "logp" else loss

    def run(self, i):
        hidden, index = self.given
        if self.operation == "logp":
            with torch.no_grad():
                self.last = {"logp": self.step(hidden, index)}
            return
        frozen = self.operation == "frozen"
        h, head = hidden.detach().requires_grad_(), self.data.weight.detach().requires_grad_(not frozen)
        loss, logp = self.step(h, head, index)
        loss.backward()
        self.last = {"logp": logp.detach(), "dhidden": h.grad} | ({} if frozen else {"dweight": head.grad})


class TorchLoss(Torch):
    def function(self):
        return bcpg_nsa_slopes

    def inputs(self, i):
        batch = self.data.sets[i % len(self.data.sets)]
        return batch, batch["logp"]

    @torch.no_grad()
    def run(self, i):
        self.last = {"dlogp": self.step(*self.given)}
