"""What is timed: for each operation its least bytes or its useful FLOP, its target on an H100 at the first shape, and
who takes part."""

from dataclasses import dataclass
from typing import Callable

import library_providers
import linear_providers as linear
import providers as ours
import torch_providers as peers

ELEMENT = 2  # bytes of bf16


@dataclass
class Operation:
    name: str
    own: Callable  # data -> the library's providers
    others: Callable = lambda data, found: ()  # data, libraries -> peers
    passes: int = 0  # over T V elements, read or written
    products: int = 0  # of 2 T H V FLOP each
    bytes: int = 0
    target: float = None  # milliseconds
    weights: str = ""  # "known" or "loss": what a gradient is compared with


def token_operations(machine):
    def peers_of(operation, compiled=True):
        def make(data, found):
            yield peers.TorchToken(data, operation)
            if compiled:
                yield peers.TorchToken(data, operation, compile=True)
            if operation != "entropy":
                yield from library_providers.token_libraries(found, data, operation)

        return make

    def divergence_peers(operation):
        return lambda data, found: [peers.TorchDivergence(data, operation)]

    all_rows = ("logp", "lse", "entropy", "top1")
    return [
        Operation(
            "log-probs, entropy", lambda d: [ours.Forward(machine, d, all_rows)], peers_of("entropy"), 1, target=0.85
        ),
        Operation(
            "gradient in place, S_i deferred",
            lambda d: [ours.InPlace(machine, d, "unit", True)],
            peers_of("loss"),
            2,
            target=1.9,
            weights="loss",
        ),
        Operation(
            "gradient in place, S_i explicit",
            lambda d: [ours.Explicit(machine, d)],
            passes=3,
            target=2.8,
            weights="loss",
        ),
        Operation("log-probs", lambda d: [ours.Forward(machine, d)], peers_of("logp", False), 1),
        Operation(
            "gradient in place, weights known",
            lambda d: [ours.InPlace(machine, d, "known")],
            peers_of("known", False),
            2,
            weights="known",
        ),
        Operation("backward alone, in place", lambda d: [ours.Explicit(machine, d, False)], passes=2, weights="loss"),
        Operation("divergence", lambda d: [ours.Divergence(machine, d, False)], divergence_peers("value"), 2),
        Operation(
            "divergence with gradient", lambda d: [ours.Divergence(machine, d, True)], divergence_peers("gradient"), 3
        ),
    ]


def linear_operations(machine, contexts):
    """`contexts`: label -> context, "" for the default one."""

    def peers_of(operation, compiled=True):
        def make(data, found):
            yield peers.TorchLinear(data, operation)
            if compiled:
                yield peers.TorchLinear(data, operation, compile=True)
            yield from library_providers.linear_libraries(found, data, operation)

        return make

    def forward(data):
        return [linear.LinearForward(machine, data, cuda, label) for label, cuda in contexts.items()]

    def steps(frozen):
        def make(data):
            for label, cuda in contexts.items():
                for chunks, keep, how in ((2, True, "2 chunks"), (1, True, "1 chunk"), (1, False, "recomputed")):
                    text = f"{label}, {how}" if label else how
                    yield linear.LinearStep(machine, data, chunks, keep, frozen, cuda, text)

        return make

    return [
        Operation("linear forward", forward, peers_of("logp"), products=1, target=12.5),
        Operation("linear step with S_i", steps(False), peers_of("loss"), products=3, target=38, weights="loss"),
        Operation(
            "linear step, frozen head", steps(True), peers_of("frozen", False), products=2, target=26, weights="loss"
        ),
    ]


def loss_operations(machine):
    return [
        Operation(
            "policy loss, BCPG-NSA",
            lambda d: [ours.LossOnly(machine, d)],
            lambda d, found: [peers.TorchLoss(d, "loss"), peers.TorchLoss(d, "loss", compile=True)],
            bytes=16,
        )
    ]


def work_of(operation, data):
    """Least bytes, or FLOP that count once however often they are computed."""
    if operation.products:
        return {"flops": operation.products * 2 * data.rows * data.vocab * data.width}
    if operation.passes:
        return {"bytes": operation.passes * data.rows * data.vocab * ELEMENT}
    return {"bytes": operation.bytes * data.rows}
