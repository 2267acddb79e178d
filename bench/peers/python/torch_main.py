"""PyTorch as a peer: eager and compiled, on the CPU."""

import torch

import serve
import torch_linear
import torch_policy_loss
import torch_token


def ceilings(size):
    """Rates of a product of square matrices and of an exp in the cache, which a good library reaches."""
    rates = {}
    # CPUs without bf16 instructions multiply bf16 a hundred times slower: a small product shows as much.
    for name, dtype, n in (("f32", torch.float32, size), ("bf16", torch.bfloat16, size // 4)):
        a, b = (torch.randn(n, n).to(dtype) for _ in range(2))
        rates[name] = serve.best_rate(2 * n**3, lambda: a @ b)
    x = -20 * torch.rand(torch.get_num_threads() << 16)  # enough for all threads, and in their L2 caches
    out = torch.empty_like(x)

    def exps():
        for _ in range(100):
            torch.exp(x, out=out)

    rates["exp"] = serve.best_rate(100 * x.numel(), exps)
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
