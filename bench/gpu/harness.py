"""Counts of checks, and the machine they run on: a device with torch's stream, or the host for the SIMT object."""

import gc
import json
import os
import time
import traceback

import torch

import lapidary_structs as lap
from lapidary_ctypes import Cuda, MissingSymbol

DTYPES = {torch.float32: lap.F32, torch.bfloat16: lap.BF16, torch.float16: lap.F16}
NAMES = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}


class Checks:
    """Every failure is printed where it happens; what the time did not allow is a failure too."""

    SHOWN = 12  # of one section

    def __init__(self, seconds=None, path=None):
        self.passed, self.failures, self.measured, self.path = 0, [], {}, path
        self.start = time.monotonic()
        self.deadline = None if seconds is None else self.start + seconds
        self._section, self._shown = "", 0

    def expect(self, ok, what):
        if ok:
            self.passed += 1
            return
        self.failures.append(f"{self._section}: {what}")
        self._shown += 1
        if self._shown <= self.SHOWN:
            print(f"FAILED {self._section}: {what}", flush=True)

    def below(self, value, bound, what):
        """NaN fails."""
        self.expect(value <= bound, f"{what} is {value:.3g}, allowed {bound:.3g}")

    def run(self, name, function, *arguments):
        """One group of checks; whatever it raises is a failure of it, and the others go on."""
        self._section, self._shown = name, 0
        start = time.monotonic()
        if self.deadline is not None and start > self.deadline:
            self.expect(False, "not run: the time was up")
            return
        try:
            function(*arguments)
        except MissingSymbol as missing:
            self.expect(False, str(missing))
        except Exception as error:
            self.expect(False, f"{type(error).__name__}: {error}")
            traceback.print_exc()
        self.save()
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()  # other processes test beside this one
        print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)

    def save(self, complete=False):
        """After every section: a fault or the end of the time leaves what was found before it."""
        if self.path is None:
            return
        result = {"complete": complete, "passed": self.passed, "failures": self.failures}
        result |= {"measured": self.measured, "seconds": time.monotonic() - self.start}
        with open(self.path, "w") as file:
            json.dump(result, file, indent=1)


class Machine:
    """Where tensors live and how calls reach it. `cuda`: the context on torch's current stream."""

    def __init__(self, dry, object_path):
        self.dry = dry
        self.device = torch.device("cpu" if dry else "cuda:0")
        if dry:
            self.stream = None
            self.cuda = Cuda(object_path)
            torch.set_num_threads(1)  # of tiny tensors
            return
        torch.cuda.init()
        # A stream of its own: the default one is NULL, which the library takes as "make one".
        self.stream = torch.cuda.Stream()
        torch.cuda.set_stream(self.stream)
        torch.backends.cuda.matmul.allow_tf32 = False
        self.cuda = Cuda(object_path, self.stream.cuda_stream)

    def context(self, object_path, environment):
        """Another context, made while these variables are set."""
        before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        try:
            made = Cuda(object_path, None if self.dry else self.stream.cuda_stream)
            made.products()  # looked for at the first use, which is to be now
            return made
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)

    def synchronize(self):
        self.cuda.synchronize()
        if not self.dry:
            torch.cuda.synchronize()

    def generator(self, seed):
        return torch.Generator(self.device).manual_seed(seed)

    def poisoned(self, *shape, dtype=torch.float32):
        """Memory in which nothing is left over: NaN everywhere, or in integers a number that no output has."""
        if dtype.is_floating_point:
            return torch.full(shape, float("nan"), dtype=dtype, device=self.device)
        return torch.full(shape, 0x5A if dtype == torch.uint8 else -77777, dtype=dtype, device=self.device)

    def scratch(self, size):
        return torch.full((max(size, 1),), 0xFF, dtype=torch.uint8, device=self.device)
