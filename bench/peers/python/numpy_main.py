"""NumPy as a peer. Its elementwise operations run on one thread, its matrix products on all."""

import numpy as np
from threadpoolctl import threadpool_limits

import serve

BLOCK = 8  # rows at a time: the temporaries stay in the cache
limits = None


def set_threads(threads):
    global limits
    limits = threadpool_limits(threads)


def widen(values):
    if values.dtype == np.float32:
        return values
    return (values.astype(np.uint32) << 16).view(np.float32)


def load_logits(dataset):
    rows, vocab = dataset["rows"], dataset["vocab"]
    kind = np.uint16 if dataset["dtype"] == "bf16" else np.float32
    logits, teacher = (serve.read(dataset, name, kind).reshape(rows, vocab) for name in ("logits", "teacher"))
    targets, dlogp = serve.read(dataset, "targets", np.int32), serve.read(dataset, "dlogp", np.float32)
    scratch = np.empty((BLOCK, vocab), np.float32)
    gradient = np.empty((rows, vocab), np.float32)

    def blocks():
        for begin in range(0, rows, BLOCK):
            part = widen(logits[begin : begin + BLOCK])
            yield slice(begin, begin + len(part)), part, np.arange(len(part)), targets[begin : begin + len(part)]

    def forward():
        logp = np.empty(rows, np.float32)
        for at, x, row, target in blocks():
            top = x.max(-1, keepdims=True)
            shifted = np.subtract(x, top, out=scratch[: len(x)])
            picked = shifted[row, target]
            logp[at] = picked - np.log(np.exp(shifted, out=shifted).sum(-1))
        return {"logp": logp}

    def with_entropy():
        logp, entropy = np.empty(rows, np.float32), np.empty(rows, np.float32)
        for at, x, row, target in blocks():
            shifted = np.subtract(x, x.max(-1, keepdims=True), out=scratch[: len(x)])
            e = np.exp(shifted)
            total = e.sum(-1)
            logp[at] = shifted[row, target] - np.log(total)
            entropy[at] = np.log(total) - np.einsum("ij,ij->i", e, shifted) / total
        return {"logp": logp, "entropy": entropy}

    def backward():
        logp = np.empty(rows, np.float32)
        for at, x, row, target in blocks():
            p = np.subtract(x, x.max(-1, keepdims=True), out=gradient[at])
            picked = p[row, target]
            total = np.exp(p, out=p).sum(-1)
            logp[at] = picked - np.log(total)
            p *= (-dlogp[at] / total)[:, None]
            p[row, target] += dlogp[at]
        return {"logp": logp, "dlogits": gradient}

    def divergence():
        result = np.empty(rows, np.float32)
        for begin in range(0, rows, BLOCK):
            at = slice(begin, begin + BLOCK)
            s, t = (widen(x[at]) for x in (logits, teacher))
            s, t = (x - x.max(-1, keepdims=True) for x in (s, t))
            log_s = s - np.log(np.exp(s).sum(-1, keepdims=True))
            e = np.exp(t)
            total = e.sum(-1, keepdims=True)
            log_t = t - np.log(total)
            result[at] = np.einsum("ij,ij->i", e / total, log_t - log_s)
        return {"divergence": result}

    operations = {"forward": forward, "forward with entropy": with_entropy, "divergence": divergence}
    if kind == np.float32:
        operations["forward and backward"] = backward
    return {name: {"by rows": run} for name, run in operations.items()}


def load_linear(dataset):
    if dataset["dtype"] != "f32":
        return {}
    rows, vocab, width = dataset["rows"], dataset["vocab"], dataset["width"]
    hidden = serve.read(dataset, "hidden", np.float32).reshape(rows, width)
    weight = serve.read(dataset, "weight", np.float32).reshape(vocab, width)
    targets, dlogp = serve.read(dataset, "targets", np.int32), serve.read(dataset, "dlogp", np.float32)
    logits, row = np.empty((rows, vocab), np.float32), np.arange(rows)
    dweight = np.empty((vocab, width), np.float32)

    def softmax():
        np.matmul(hidden, weight.T, out=logits)
        np.subtract(logits, logits.max(-1, keepdims=True), out=logits)
        picked = logits[row, targets]
        total = np.exp(logits, out=logits).sum(-1)
        return picked - np.log(total), total

    def both():
        logp, total = softmax()
        np.multiply(logits, (-dlogp / total)[:, None], out=logits)
        logits[row, targets] += dlogp
        return {"logp": logp, "dhidden": logits @ weight, "dweight": np.matmul(logits.T, hidden, out=dweight)}

    return {
        "forward": {"logits held": lambda: {"logp": softmax()[0]}},
        "forward and backward": {"logits held": both},
    }


def load_policy_loss(dataset):
    names = ("logp", "oldLogp", "refLogp", "tokenWeights", "advantages", "seqScale")
    logp, old, ref, weights, advantages, scale = (serve.read(dataset, name, np.float32) for name in names)
    offsets = serve.read(dataset, "cuSeqlens", np.float64).astype(np.int64)
    lengths = np.diff(offsets)

    def bcpg_nsa():
        s = np.add.reduceat(logp - ref, offsets[:-1])
        a = np.repeat(advantages * scale, lengths) * weights
        loss = np.sum(0.5e-3 * scale * s * s, dtype=np.float64) - np.dot(a, logp)
        return {"loss": np.array([loss]), "dlogp": np.repeat(1e-3 * scale * s, lengths) - a}

    def grpo(kl):
        a, n = np.repeat(advantages, lengths), np.repeat(scale, lengths)
        rho = np.exp(logp - old)
        plain, clipped = rho * a, np.clip(rho, 0.8, 1.2) * a
        loss, g = -np.minimum(plain, clipped), np.where(plain <= clipped, -plain, 0)
        if kl:
            gap = ref - logp
            ratio = np.exp(gap)
            loss, g = loss + np.float32(0.04) * (ratio - gap - 1), g + np.float32(0.04) * (1 - ratio)
        return {"loss": np.array([np.dot(n, loss)]), "dlogp": n * g}

    return {
        "BCPG-NSA": {"reduceat": bcpg_nsa},
        "GRPO without KL": {"by hand": lambda: grpo(False)},
        "GRPO with k3": {"by hand": lambda: grpo(True)},
    }


def ceilings(size):
    a, b = (np.random.default_rng(i).standard_normal((size, size), np.float32) for i in (0, 1))
    product = serve.best_rate(2 * size**3, lambda: np.matmul(a, b))
    x = np.linspace(-20, 0, 1 << 15, dtype=np.float32)
    out = np.empty_like(x)

    def exps():
        for _ in range(500):
            np.exp(x, out=out)

    return {"f32": product, "exp": serve.best_rate(500 * x.size, exps)}


serve.Server(
    {"token": load_logits, "linear": load_linear, "policy-loss": load_policy_loss},
    set_threads,
    np.asarray,
    {"ceilings": ceilings, "version": lambda: {"version": np.__version__}},
).serve()
