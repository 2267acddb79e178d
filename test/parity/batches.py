"""Random batches as the trainers hold them, padded to (B, T), and their packed form as the addon takes them.

Every input is a float32 number held in float64: both sides see the same numbers, and the formulas run in float64.
"""

import array
import dataclasses

import torch

PADDING = -7.0  # The trainers multiply by the mask afterwards, so what they find there must be finite.


@dataclasses.dataclass
class Batch:
    name: str
    logp: torch.Tensor  # (B, T), as are the next three
    old: torch.Tensor
    behaviour: torch.Tensor
    ref: torch.Tensor
    mask: torch.Tensor  # (B, T) of 0 and 1
    advantages: torch.Tensor  # (B,)
    token_advantages: torch.Tensor  # (B, T)
    lengths: list  # positions that are no padding; the mask may leave out some of them

    @property
    def kept(self):
        """(B,) tokens kept per sequence, at least 1 where it divides."""
        return self.mask.sum(-1).clamp(min=1)

    def packed(self, padded):
        return torch.cat([row[:length] for row, length in zip(padded, self.lengths)])


def float32(tensor):
    return tensor.to(torch.float32).to(torch.float64)


def random_batch(name, seed, drift, holes=False, sequences=12, longest=20):
    """Log-ratios of order `drift`. With `holes` some tokens inside are masked, and the third sequence is whole."""
    random = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(*shape, generator=random, dtype=torch.float64)
    shape = (sequences, longest)
    lengths = torch.randint(1, longest + 1, (sequences,), generator=random).tolist()
    inside = torch.arange(longest)[None, :] < torch.tensor(lengths)[:, None]
    mask = inside.clone()
    if holes:
        mask &= torch.rand(shape, generator=random) < 0.7
        mask[2] = False
    logp = -3 * torch.rand(shape, generator=random, dtype=torch.float64) - 0.01
    near = lambda: float32(torch.where(inside, (logp - drift * normal(*shape)).clamp(max=-0.005), PADDING))
    return Batch(
        name=name,
        logp=float32(torch.where(inside, logp, PADDING)),
        old=near(),
        behaviour=near(),
        ref=near(),
        mask=mask.to(torch.float64),
        advantages=float32(normal(sequences)),
        token_advantages=float32(normal(*shape)),
        lengths=lengths,
    )


class Blob:
    """One file of raw little-endian arrays; each is named by its dtype, first byte and element count."""

    def __init__(self):
        self.bytes = bytearray()

    def put(self, tensor, kind):
        """`kind` is an array typecode: f, d, i, H or B."""
        whole = tensor.reshape(-1) if kind in "fd" else tensor.reshape(-1).to(torch.int64)
        values = array.array(kind, whole.tolist())
        while len(self.bytes) % values.itemsize:
            self.bytes.append(0)
        start = len(self.bytes)
        self.bytes += values.tobytes()
        return {"kind": kind, "start": start, "count": len(values)}


def describe(batch, blob):
    """The packed batch, as an entry of the manifest."""
    ends = torch.tensor([0] + batch.lengths).cumsum(0)
    column = lambda name: blob.put(batch.packed(getattr(batch, name)), "f")
    return {
        "name": batch.name,
        "cuSeqlens": blob.put(ends, "i"),
        "mask": blob.put(batch.packed(batch.mask), "B"),
        "advantages": blob.put(batch.advantages, "f"),
        "tokenAdvantages": column("token_advantages"),
        "logp": column("logp"),
        "old": column("old"),
        "behaviour": column("behaviour"),
        "ref": column("ref"),
    }
