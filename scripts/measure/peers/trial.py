"""What the programs peer_*.py have in common: one trial in a process of its own, as lib/bench/trialProcess.ts runs it.

Each of them is started by scripts/measure/peers/all.mjs as

    peer_NAME.py versions                         prints {"name": "version"}
    peer_NAME.py make PRECISION SOURCE TARGET     makes the engine's own file, where it needs one
    peer_NAME.py trial PRECISION SPEC_AS_JSON     prints what lib/bench/trialSpec.ts calls a TrialResult
    peer_NAME.py run PRECISION FILE RUNS          runs on one thread and prints the logits: what count.mjs counts
"""

import json
import signal
import sys
import time


def peak_bytes():
    """VmHWM of this process: unlike ru_maxrss it does not count what the parent had in memory."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def trial_values(count):
    """The numbers that lib/bench/trialProcess.ts gives every engine, in the order of `[N, H, W, 3]`."""
    state = 1
    values = []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values.append(state / 2**32 * 4 - 2)
    return values


def trial_input(batch, size):
    """As float32 `[N, 3, H, W]`."""
    import numpy

    height, width = size
    values = numpy.array(trial_values(batch * height * width * 3), numpy.float32)
    return numpy.ascontiguousarray(values.reshape(batch, height, width, 3).transpose(0, 3, 1, 2))


def trial(load, precision, spec):
    """Import, load, first run, warm-up and counted runs. `load(precision, file, threads)` gives image -> logits."""
    image = trial_input(spec["batch"], spec["size"])
    start = time.perf_counter()
    run = load(precision, spec["file"], spec["threads"], image)
    ready = time.perf_counter()
    logits = run(image)
    first = time.perf_counter()
    for _ in range(spec["warmup"]):
        run(image)
    samples = []
    for _ in range(spec["runs"]):
        before = time.perf_counter()
        run(image)
        samples.append((time.perf_counter() - before) * 1000)
    return {
        "initMs": (ready - start) * 1000,
        "firstMs": (first - ready) * 1000,
        "samplesMs": samples,
        "peakRssBytes": peak_bytes(),
        "logits": [float(value) for value in logits.reshape(-1)[: logits.size // spec["batch"]]],
    }


def main(versions, load, make=None, usage=None):
    """Runs the command that the arguments name."""
    # Ctrl-C reaches the whole process group; the parent decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    command, *rest = sys.argv[1:] or [""]
    if command == "versions":
        print(json.dumps(versions()))
    elif command == "make" and make is not None:
        make(*rest)
        print(json.dumps(versions()))
    elif command == "trial":
        print(json.dumps(trial(load, rest[0], json.loads(rest[1]))))
    elif command == "run":
        precision, file, runs = rest
        image = trial_input(1, (224, 224))
        run = load(precision, file, 1, image)
        for _ in range(int(runs)):
            logits = run(image)
        print(json.dumps([float(value) for value in logits.reshape(-1)]))
    else:
        sys.exit(usage)
