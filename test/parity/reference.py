"""Writes a directory of cases for test/parity/parity.test.ts: manifest.json and arrays.bin, inputs and what torch says.

    python reference.py DIRECTORY
"""

import json
import pathlib
import sys

import torch

import openrlhf  # noqa: F401  the imports register the formulas
import others  # noqa: F401
import preferences  # noqa: F401
import trl  # noqa: F401
import verl  # noqa: F401
from advantages import estimator_cases
from batches import Blob, describe, random_batch
from formulas import FORMULAS
from heads import head_cases

BATCHES = (
    random_batch("near", 101, 0.15),
    random_batch("far", 102, 0.7),
    random_batch("holes", 103, 0.4, holes=True),
    random_batch("wide", 104, 2.5),
)


def evaluate(formula, batch, blob):
    logp = batch.logp.clone().requires_grad_()
    loss = formula.loss(batch, logp, **formula.parameters)
    (gradient,) = torch.autograd.grad(loss, logp)
    return {
        "formula": formula.name,
        "source": formula.source,
        "note": formula.note,
        "parameters": formula.parameters,
        "batch": batch.name,
        "loss": loss.item(),
        "gradient": blob.put(batch.packed(gradient), "d"),
    }


def main(directory):
    blob = Blob()
    manifest = {
        "batches": [describe(batch, blob) for batch in BATCHES],
        "cases": [
            evaluate(formula, batch, blob) for formula in FORMULAS for batch in BATCHES if batch.name in formula.batches
        ],
        "estimators": estimator_cases(blob),
        "heads": list(head_cases(blob, describe)),
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "arrays.bin").write_bytes(blob.bytes)
    (directory / "manifest.json").write_text(json.dumps(manifest))


main(pathlib.Path(sys.argv[1]))
