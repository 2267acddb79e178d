"""The list of formulas: each is a function of a padded batch and the log-probs to differentiate by."""

import dataclasses
import typing

FORMULAS = []


@dataclasses.dataclass
class Formula:
    name: str
    source: str
    batches: tuple
    parameters: dict
    loss: typing.Callable
    note: str = ""


def formula(name, source, *variants, batches=("near", "far", "holes"), note=""):
    """Registers a function of (batch, logp, **parameters) that gives the loss, once for each variant."""

    def register(loss):
        for parameters in variants or ({},):
            FORMULAS.append(Formula(name, source, batches, parameters, loss, note))
        return loss

    return register
