"""The Python half of the protocol in peers/serve.mjs; the requests and answers are described there."""

import ctypes
import gc
import json
import os
import sys
import time

import numpy as np

SAMPLE = 2**18


def read(dataset, name, dtype):
    return np.fromfile(os.path.join(dataset["folder"], name + ".bin"), dtype=dtype)


def sample_of(values):
    """Large outputs: the first 2^18 elements, and 2^18 more spread evenly; serve.mjs takes the same."""
    flat = values.reshape(-1)
    if flat.size > 2 * SAMPLE:
        spread = np.arange(SAMPLE, dtype=np.int64) * (flat.size // SAMPLE)
        flat = np.concatenate([flat[:SAMPLE], flat[spread]])
    return flat.astype(np.float32)


def without_compiled(operations):
    """Compiling takes longer than all of a quick run."""
    if "LAPIDARY_BENCH_QUICK" not in os.environ:
        return operations
    keep = lambda variants: {name: run for name, run in variants.items() if "compiled" not in name}
    return {operation: keep(variants) for operation, variants in operations.items()}


def status(field):
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return 1024 * int(line.split()[1])
    return 0


def peak_bytes(run):
    """What `run` returns, and the peak of the resident memory above where it began (Linux; elsewhere None)."""
    gc.collect()
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ:  # a heap that is to be kept stays as it is
        ctypes.CDLL(None).malloc_trim(0)
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return run(), None
    before = status("VmRSS")
    result = run()
    return result, max(0, status("VmHWM") - before)


def best_rate(work, run, limit=1.0):
    """The best of as many runs as fit into `limit` seconds, at least one after the first."""
    run()
    best, spent = float("inf"), 0
    while spent < limit:
        started = time.perf_counter()
        run()
        seconds = time.perf_counter() - started
        best, spent = min(best, seconds), spent + max(seconds, limit / 20)
    return work / best


def pages():
    huge = 0
    try:
        with open("/proc/self/smaps") as file:
            for line in file:
                if line.startswith("AnonHugePages:"):
                    huge += 1024 * int(line.split()[1])
        return {"resident": status("VmRSS"), "huge": huge}
    except OSError:
        return {}


class Server:
    """`loaders`: {family: dataset -> {operation: {variant: function}}}; a function returns its outputs."""

    def __init__(self, loaders, set_threads, to_numpy, extra=None):
        self.loaders, self.set_threads, self.to_numpy = loaders, set_threads, to_numpy
        self.operations, self.folder, self.tag = {}, "", f"py{os.getpid()}"
        self.handlers = {
            "load": self.load, "threads": self.threads, "run": self.run, "check": self.check, "pages": self.pages,
        } | (extra or {})

    def load(self, dataset):
        self.operations = {}
        gc.collect()
        self.folder = dataset["folder"]
        self.operations = self.loaders.get(dataset["family"], lambda _: {})(dataset)
        return {"operations": {name: list(variants) for name, variants in self.operations.items()}}

    def threads(self, threads):
        self.set_threads(threads)
        return {}

    def run(self, operation, variant):
        function = self.operations[operation][variant]
        started = time.perf_counter()
        outputs = function()
        seconds = time.perf_counter() - started
        del outputs
        return {"seconds": seconds}

    def check(self, operation, variant, prefix):
        started = time.perf_counter()
        outputs, peak = peak_bytes(self.operations[operation][variant])
        seconds = time.perf_counter() - started
        files = {}
        for name, values in outputs.items():
            files[name] = os.path.join(self.folder, f"{prefix}-{self.tag}-{name}.out")
            sample_of(self.to_numpy(values)).tofile(files[name])
        return {"files": files, "seconds": seconds, "bytes": peak}

    def pages(self):
        return pages()

    def serve(self):
        answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not mix with the answers
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = self.handlers[request.pop("command")](**request)
            except Exception as error:  # the other side decides what a failed peer means
                answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
            print(json.dumps(answer), file=answers, flush=True)
