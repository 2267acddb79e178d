"""Liger, CCE and QuACK where they can be imported. Their losses are -logp; gradients go through their autograd."""

import importlib

import torch

from providers import Provider
from torch_providers import bcpg_nsa

MODULES = {"Liger": "liger_kernel.transformers.functional", "CCE": "cut_cross_entropy", "QuACK": "quack.cross_entropy"}


def importable():
    """name -> module, or the reason as text."""
    found = {}
    for name, module in MODULES.items():
        try:
            found[name] = importlib.import_module(module)
        except Exception as error:  # an import may fail in any way
            found[name] = f"{type(error).__name__}: {error}"
    return found


class Library(Provider):
    def __init__(self, name, data, loss_of, operation, note=""):
        self.name, self.data, self.loss_of, self.operation, self.note = name, data, loss_of, operation, note
        self.last = {}

    def leaves(self, i):
        raise NotImplementedError

    def prepare(self, i):
        self.last = {}
        self.given = self.leaves(i)

    def run(self, i):
        if self.operation == "logp":
            with torch.no_grad():
                self.last = {"logp": -self.loss_of(*self.given)}
            return
        logp = -self.loss_of(*self.given)
        whole = (self.data.dlogp * logp).sum() if self.operation == "known" else bcpg_nsa(self.data.batch, logp)
        whole.backward()
        self.last = {"logp": logp.detach(), **self.gradients()}

    def result(self, i):
        return self.last


class LogitsLibrary(Library):
    """Each run gets the logits anew: some write their gradient over them."""

    def leaves(self, i):
        self.data.restore(i)
        x = self.data.work(i).detach()
        return x.requires_grad_(self.operation != "logp"), self.data.sets[i % len(self.data.sets)][1].long()

    def gradients(self):
        return {"dlogits": self.given[0].grad}


class LinearLibrary(Library):
    def leaves(self, i):
        hidden, targets = self.data.sets[i % len(self.data.sets)]
        head = self.data.weight.detach().requires_grad_(self.operation == "loss")
        return hidden.detach().requires_grad_(self.operation != "logp"), head, targets.long()

    def gradients(self):
        frozen = self.operation == "frozen"
        return {"dhidden": self.given[0].grad} | ({} if frozen else {"dweight": self.given[1].grad})


class LigerMean(LinearLibrary):
    """Its fused head computes gradients in the forward, for weights that are all equal."""

    def run(self, i):
        hidden, head, targets = self.given
        self.loss_of(hidden, head, targets).backward()
        self.last = self.gradients()


def token_libraries(found, data, operation):
    if not isinstance(found["Liger"], str):
        liger = found["Liger"].liger_cross_entropy
        yield LogitsLibrary("Liger", data, lambda x, t: liger(x, t, reduction="none"), operation)
    if not isinstance(found["QuACK"], str):
        quack = found["QuACK"].cross_entropy
        loss = lambda x, t: quack(x, t, reduction="none", inplace_backward=True)
        yield LogitsLibrary("QuACK", data, loss, operation)


def linear_libraries(found, data, operation):
    if not isinstance(found["CCE"], str):
        cce = found["CCE"].linear_cross_entropy
        yield LinearLibrary("CCE", data, lambda h, w, t: cce(h, w, t, reduction="none"), operation)
    if not isinstance(found["Liger"], str):
        liger = found["Liger"].liger_fused_linear_cross_entropy
        if operation == "loss":
            yield LigerMean("Liger", data, lambda h, w, t: liger(h, w, t), operation, "equal weights only")
        elif operation == "logp":
            yield LinearLibrary("Liger", data, lambda h, w, t: liger(h, w, t, reduction="none"), operation)
