"""Times of interleaved providers by device events: what prepares a run is not timed, and a flush of the L2 cache lies
between it and the run. In the dry run the host's clock stands in, and nothing it says is a measurement."""

import time

import torch

FLUSH = 256 << 20  # bytes: several times any L2


def quantiles(values):
    """Milliseconds at 20, 50 and 80 percent."""
    ordered = sorted(values)
    at = lambda q: ordered[min(len(ordered) - 1, int(q * len(ordered)))]
    return {"p20": at(0.2), "median": at(0.5), "p80": at(0.8), "samples": len(ordered)}


class Timer:
    def __init__(self, machine):
        self.machine = machine
        size = 1 << 10 if machine.dry else FLUSH
        self.flush = torch.empty(size, dtype=torch.uint8, device=machine.device)

    def once(self, run, prepare=None):
        """Milliseconds of one run."""
        if prepare is not None:
            prepare()
        self.flush.fill_(1)
        if self.machine.dry:
            start = time.perf_counter()
            run()
            return 1e3 * (time.perf_counter() - start)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        # The host runs ahead while the device flushes, so that launches are not waited for.
        begin.record()
        run()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)

    def rounds(self, contestants, seconds, most=30, least=3):
        """`contestants`: name -> (run, prepare), each called with the number of the round. In every round each runs
        once, in an order that moves on, so that a warmer or busier device meets all alike."""
        names = list(contestants)
        times = {name: [] for name in names}
        end = time.monotonic() + seconds
        for i in range(most):
            if i >= least and time.monotonic() > end:
                break
            for k in range(len(names)):
                name = names[(i + k) % len(names)]
                run, prepare = contestants[name]
                before = None if prepare is None else (lambda: prepare(i))
                times[name].append(self.once(lambda: run(i), before))
        return {name: quantiles(values) for name, values in times.items()}
