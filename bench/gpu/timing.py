"""Times every operation beside its peers. First the library alone, so that a peer which hangs in its compilation takes
nothing of it away; then all together, whose times count where they were had."""

import argparse
import gc
import json
import sys
import time

import torch

import library_providers
import operations as ops
from harness import Machine
from providers import TAU, Ours
from shapes import LinearData, LossData, TokenData, exact_weights, name_of
from timer import Timer

SHAPES = [
    {"rows": 8192, "vocab": 152064, "width": 3584},
    {"rows": 8192, "vocab": 151936, "width": 1536},
]
TINY = [{"rows": 64, "vocab": 120, "width": 16}, {"rows": 64, "vocab": 33, "width": 8}]
COMPILATION = 45  # seconds that must be left before torch.compile is tried
# Errors above which an answer is wrong: the library's, and those of peers, which round logits to 16 bits.
OWN_LIMITS = {"logp": 1e-4, "gradient": 1e-2}
PEER_LIMITS = {"logp": 0.5, "gradient": 0.2}


class Bench:
    def __init__(self, machine, seconds, path):
        self.machine, self.path, self.timer = machine, path, Timer(machine)
        self.end = time.monotonic() + seconds
        self.found = library_providers.importable()
        self.targeted = ()  # names of the shapes that the targets are for
        self.results, self.passed, self.failed = [], 0, 0
        self.libraries = {k: v if isinstance(v, str) else "there" for k, v in self.found.items()}

    def left(self):
        return self.end - time.monotonic()

    def save(self, complete=False):
        """After every operation: what was measured is kept whatever happens next."""
        if not self.path:
            return
        found = {"measurement": not self.machine.dry, "complete": complete, "libraries": self.libraries}
        found["products"] = self.machine.cuda.products()
        with open(self.path, "w") as file:
            json.dump(found | {"results": self.results}, file, indent=1)

    def memory(self, provider):
        """Peak bytes of building and the first run, without the gradients; and whether the answer is right."""
        if self.machine.dry:
            provider.build()
            provider.prepare(0)
            provider.run(0)
            return None
        torch.cuda.synchronize()
        free, _ = torch.cuda.mem_get_info()
        reserved, before = torch.cuda.memory_reserved(), torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        provider.build()
        provider.prepare(0)
        provider.run(0)
        torch.cuda.synchronize()
        # What was taken past torch's allocator, by the object itself.
        outside = free - torch.cuda.mem_get_info()[0] - (torch.cuda.memory_reserved() - reserved)
        given = sum(
            v.nbytes for k, v in provider.result(0).items() if k in ("dlogits", "dhidden", "dweight", "dstudent")
        )
        in_place = any(v.data_ptr() == w.data_ptr() for v in provider.result(0).values() for w in self.works)
        peak = torch.cuda.max_memory_allocated() - before - (0 if in_place else given)
        return {"extra": peak, "outside": max(0, outside)}

    def accuracy(self, operation, data, result):
        """Against doubles on the first set."""
        errors = {}
        if "logp" in result and hasattr(data, "expected"):
            errors["logp"] = (result["logp"].double() - data.expected["logp"]).abs().max().item()
        gradient = result.get("dlogits", result.get("dhidden"))
        if gradient is not None and operation.weights:
            weights = self.weights_of(operation, data)
            if "row_scale" in result:
                gradient = gradient[:64].double() * result["row_scale"][:64, None].double()
            errors["gradient"] = data.gradient_error(gradient, weights)
        return errors

    def judge(self, operation, provider, entry):
        own = isinstance(provider, Ours)
        limits = OWN_LIMITS if own else PEER_LIMITS
        wrong = {k: v for k, v in entry["errors"].items() if not v <= limits[k]}
        if own:
            self.passed, self.failed = self.passed + (not wrong), self.failed + bool(wrong)
        if wrong:
            entry["wrong"] = wrong
            print(f"{'FAILED ' if own else ''}{operation.name}: errors of {provider.name}: {wrong}", flush=True)

    def weights_of(self, operation, data):
        if operation.weights == "known":
            return data.dlogp
        if data.weights is None:
            data.weights = exact_weights(data, TAU)
        return data.weights

    def ready(self, operation, data, made):
        """Builds each provider; one that fails is left out with its reason."""
        ready, entries = {}, {}
        for provider in made:
            entry = {"note": provider.note}
            entries[provider.name] = entry
            if provider.name == "torch.compile" and self.left() < COMPILATION and not self.machine.dry:
                entry["left out"] = "no time to compile"
                continue
            start = time.monotonic()
            try:
                entry["memory"] = self.memory(provider)
                entry["first call"] = time.monotonic() - start
                entry["errors"] = self.accuracy(operation, data, provider.result(0))
                ready[provider.name] = provider
                self.judge(operation, provider, entry)
            except Exception as error:
                entry["left out"] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
                self.failed += isinstance(provider, Ours)
                mark = "FAILED " if isinstance(provider, Ours) else ""
                print(f"{mark}{operation.name}: {provider.name} is left out: {entry['left out']}", flush=True)
        return ready, entries

    def operation(self, operation, data, shape, peers, seconds):
        self.works = getattr(data, "works", [])
        made = list(operation.own(data)) + (list(operation.others(data, self.found)) if peers else [])
        ready, entries = self.ready(operation, data, made)
        contestants = {name: (p.run, p.prepare) for name, p in ready.items()}
        for run, prepare in contestants.values():
            for i in range(2):
                prepare(i)
                run(i)
        self.machine.synchronize()
        for name, times in self.timer.rounds(contestants, seconds, least=1 if self.machine.dry else 3).items():
            entries[name]["ms"] = times
        result = {"operation": operation.name, "shape": shape, "against peers": peers, "providers": entries}
        target = operation.target if shape in self.targeted else None
        result |= {"work": ops.work_of(operation, data), "target ms": target, "inputs": data.describe()}
        self.results.append(result)
        self.save()
        shown = {name: round(e["ms"]["median"], 3) for name, e in entries.items() if "ms" in e}
        print(f"{operation.name}, {shape}: {shown}", flush=True)
        del ready, contestants, made
        gc.collect()
        if not self.machine.dry:
            torch.cuda.empty_cache()

    def family(self, make_data, list_of, shape, peers, share):
        """Operations over one set of data, with their share of the time that is left."""
        if self.left() < 5:
            self.results.append({"operation": "all", "shape": shape, "left out": "the time was up"})
            return
        until = time.monotonic() + share * self.left()
        data = make_data()
        for k, operation in enumerate(list_of):
            each = max(0.5, (until - time.monotonic()) / (len(list_of) - k))
            self.operation(operation, data, shape, peers, min(each, 6.0))


def plan(bench, object_path):
    """Makers of data and operations, in the order of their weight."""
    machine = bench.machine
    contexts = {"": machine.cuda}
    if machine.cuda.has("linear_logprobs"):
        for head in ("wgmma", "wgmma2"):
            contexts[head] = machine.context(object_path, {"LAPIDARY_CUDA_HEAD": head})
    shapes, sets = (TINY, 2) if machine.dry else (SHAPES, 3)
    tokens, sequences = (4096, 64) if machine.dry else (1 << 24, 4096)
    families = []
    for shape in shapes:
        of_logits = {k: shape[k] for k in ("rows", "vocab")}
        families.append(
            [
                (lambda s=shape: TokenData(machine, s, sets), ops.token_operations(machine), name_of(of_logits)),
                (lambda s=shape: LinearData(machine, s, 2), ops.linear_operations(machine, contexts), name_of(shape)),
            ]
        )
    loss = (lambda: LossData(machine, tokens, sequences, sets), ops.loss_operations(machine), f"N={tokens}")
    return families[0] + [loss], families[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--object", required=True)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--quick", action="store_true", help="the library alone, at the first shape")
    parser.add_argument("--seconds", type=float, default=170)
    parser.add_argument("--json")
    given = parser.parse_args()
    machine = Machine(given.dry_run, given.object)
    bench = Bench(machine, given.seconds, given.json)
    first, second = plan(bench, given.object)
    bench.targeted = [shape for _, _, shape in first]
    for make, list_of, shape in first:
        bench.family(make, list_of, shape, False, 0.1)
    if not given.quick:
        for make, list_of, shape in first:
            bench.family(make, list_of, shape, True, 0.4)
        # The second shape: the library beside PyTorch as it comes.
        for make, list_of, shape in second:
            bench.family(make, [each for each in list_of if each.target], shape, False, 0.5)
    bench.save(complete=True)
    print(f"{bench.passed} passed, {bench.failed} failed")
    sys.exit(0 if bench.failed == 0 else 1)


if __name__ == "__main__":
    main()
