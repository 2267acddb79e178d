"""PyTorch as a peer: eager and compiled, on the CPU."""

import time

import torch

import serve
import torch_linear
import torch_policy_loss
import torch_token


def best_rate(work, run, repeats=5):
    run()
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
    return work / best


def ceilings(size):
    """Rates of a product of square matrices and of an exp in the cache, which a good library reaches."""
    rates = {}
    for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
        rates[name] = best_rate(2 * size**3, lambda: a @ b)
    x = -20 * torch.rand(1 << 15)
    out = torch.empty_like(x)

    def exps():
        for _ in range(2000):
            torch.exp(x, out=out)

    rates["exp"] = best_rate(2000 * x.numel(), exps)
    return rates


def to_numpy(values):
    return values.detach().float().numpy()


server = serve.Server(
    {"token": torch_token.load, "linear": torch_linear.load, "policy-loss": torch_policy_loss.load},
    torch.set_num_threads,
    to_numpy,
    {"ceilings": ceilings, "version": lambda: {"version": torch.__version__}},
)
server.serve()
