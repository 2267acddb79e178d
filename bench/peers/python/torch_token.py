"""Log-probs and divergences of logits [T, V], in the ways a PyTorch user writes them."""

import numpy as np
import torch
import torch.nn.functional as F

import serve

BLOCK = 16  # rows at a time in the variants that keep their temporaries in the cache


def tensor(dataset, name, shape, dtype=None):
    """Into memory of PyTorch's own allocator, whose pages are then those of its outputs."""
    if (dtype or dataset["dtype"]) == "bf16":
        source = torch.from_numpy(serve.read(dataset, name, np.int16)).view(torch.bfloat16)
    else:
        source = torch.from_numpy(serve.read(dataset, name, np.float32))
    source = source.reshape(shape)
    return torch.empty(source.shape, dtype=source.dtype).copy_(source)


def log_softmax(x, index):
    return F.log_softmax(x, -1, dtype=torch.float32).gather(-1, index).squeeze(-1)


def logsumexp(x, index):
    x = x.float()
    return x.gather(-1, index).squeeze(-1) - torch.logsumexp(x, -1)


def cross_entropy(x, index):
    return -F.cross_entropy(x.float(), index.squeeze(-1), reduction="none")


def entropy_by_log_softmax(x, index):
    logp = F.log_softmax(x, -1, dtype=torch.float32)
    return logp.gather(-1, index).squeeze(-1), -(logp.exp() * logp).sum(-1)


def entropy_by_logsumexp(x, index):
    x = x.float()
    lse = torch.logsumexp(x, -1)
    p = torch.exp(x - lse[:, None])
    return x.gather(-1, index).squeeze(-1) - lse, lse - (p * x).sum(-1)


def gradient_by_hand(x, index, dlogp):
    """g (onehot - softmax) without autograd."""
    p = torch.softmax(x, -1, dtype=torch.float32)
    logp = torch.log(p.gather(-1, index).squeeze(-1))
    p.mul_(-dlogp[:, None])
    p.scatter_add_(-1, index, dlogp[:, None])
    return logp, p.to(x.dtype)


def forward_kl(student, teacher):
    return F.kl_div(
        F.log_softmax(student, -1, dtype=torch.float32),
        F.log_softmax(teacher, -1, dtype=torch.float32),
        reduction="none",
        log_target=True,
    ).sum(-1)


def compiled(function):
    return torch.compile(function, dynamic=False)


def by_rows(function, *inputs):
    parts = [function(*block) for block in zip(*(x.split(BLOCK) for x in inputs))]
    if isinstance(parts[0], tuple):
        return tuple(torch.cat(columns) for columns in zip(*parts))
    return torch.cat(parts)


def load(dataset):
    rows, vocab = dataset["rows"], dataset["vocab"]
    x, teacher = (tensor(dataset, name, (rows, vocab)) for name in ("logits", "teacher"))
    index = torch.from_numpy(serve.read(dataset, "targets", np.int32)).long()[:, None]
    dlogp = tensor(dataset, "dlogp", (rows,), "f32")
    gradient = torch.empty_like(x)

    def forward(function):
        return torch.no_grad()(lambda: {"logp": function(x, index)})

    def with_entropy(function):
        return torch.no_grad()(lambda: dict(zip(("logp", "entropy"), function(x, index))))

    def autograd(function):
        def run():
            leaf = x.detach().requires_grad_()
            logp = function(leaf, index)
            logp.backward(dlogp)
            return {"logp": logp, "dlogits": leaf.grad}

        return run

    def by_hand(function):
        return torch.no_grad()(lambda: dict(zip(("logp", "dlogits"), function(x, index, dlogp))))

    def by_hand_rows():
        """A block of rows at a time into a gradient that is made once."""
        logp = []
        for block, rows_index, g, out in zip(*(a.split(BLOCK) for a in (x, index, dlogp, gradient))):
            part, p = gradient_by_hand(block, rows_index, g)
            out.copy_(p)
            logp.append(part)
        return {"logp": torch.cat(logp), "dlogits": gradient}

    def divergence(function):
        return torch.no_grad()(lambda: {"divergence": function(x, teacher)})

    return serve.without_compiled({
        "forward": {
            "log_softmax, gather": forward(log_softmax),
            "gather - logsumexp": forward(logsumexp),
            "cross_entropy": forward(cross_entropy),
            "logsumexp by rows": forward(lambda *a: by_rows(logsumexp, *a)),
            "compiled logsumexp": forward(compiled(logsumexp)),
        },
        "forward with entropy": {
            "log_softmax": with_entropy(entropy_by_log_softmax),
            "by rows": with_entropy(lambda *a: by_rows(entropy_by_logsumexp, *a)),
            "compiled": with_entropy(compiled(entropy_by_logsumexp)),
        },
        "forward and backward": {
            "cross_entropy, autograd": autograd(cross_entropy),
            "log_softmax, autograd": autograd(log_softmax),
            "softmax by hand": by_hand(gradient_by_hand),
            "by hand, by rows": torch.no_grad()(by_hand_rows),
            "compiled by hand": by_hand(compiled(gradient_by_hand)),
            "compiled, autograd": autograd(compiled(log_softmax)),
        },
        "divergence": {
            "kl_div": divergence(forward_kl),
            "kl_div by rows": divergence(lambda *a: by_rows(forward_kl, *a)),
            "compiled kl_div": divergence(compiled(forward_kl)),
        },
    })
