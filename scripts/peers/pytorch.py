#!/usr/bin/env python3
"""Times a torchvision MobileNetV3-Small checkpoint in PyTorch, as `neonsense bench --format jsonl` does ours.

    python3 scripts/peers/pytorch.py CHECKPOINT.pth [--threads 1] [--runs 250] [--warmup 20] [--trials 5]

Prints one JSON row for each of eager, TorchScript (frozen, optimized for inference) and quantize_dynamic with QNNPACK.
Each trial is a process of its own and the variants take turns. Needs torch and torchvision (made with 1.13 and 0.14).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

VARIANTS = ("eager", "torchscript", "quantize-dynamic")


def peak_bytes():
    """VmHWM of this process: unlike ru_maxrss it does not count what the parent had in memory."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def trial(options):
    """One process: import, load, first run, warm-up and counted runs of one variant."""
    bare = peak_bytes()
    start = time.perf_counter()
    import torch
    import torchvision

    torch.set_num_threads(options.threads)
    state = torch.load(options.checkpoint, map_location="cpu")
    model = torchvision.models.mobilenet_v3_small(num_classes=state["classifier.3.weight"].shape[0])
    model.load_state_dict(state)
    model.eval()
    if options.variant == "quantize-dynamic":
        torch.backends.quantized.engine = "qnnpack"
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    # The same generator as our trials: pixels are normalized, so about -2 to 2.
    image = torch.rand(options.batch, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 4 - 2
    if options.variant == "torchscript":
        model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, image)))
    with torch.inference_mode():
        ready = time.perf_counter()
        model(image)
        first = time.perf_counter()
        for _ in range(options.warmup):
            model(image)
        samples = []
        for _ in range(options.runs):
            before = time.perf_counter()
            model(image)
            samples.append((time.perf_counter() - before) * 1000)
    result = {
        "initMs": (ready - start) * 1000,
        "firstMs": (first - ready) * 1000,
        "samplesMs": samples,
        "rssDeltaBytes": peak_bytes() - bare,
        "torch": torch.__version__,
    }
    print(json.dumps(result))


def quantile(ordered, fraction):
    position = (len(ordered) - 1) * fraction
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def row(options, variant, results):
    samples = [sample for result in results for sample in result["samplesMs"]]
    ordered = sorted(samples)
    return {
        "engine": f"pytorch-{results[0]['torch']}",
        "model": options.checkpoint,
        "precision": variant,
        "threads": options.threads,
        "batch": options.batch,
        "initMs": statistics.median(result["initMs"] for result in results),
        "firstMs": statistics.median(result["firstMs"] for result in results),
        "medianMs": quantile(ordered, 0.5),
        "p90Ms": quantile(ordered, 0.9),
        "p99Ms": quantile(ordered, 0.99),
        "minMs": ordered[0],
        "stddevMs": statistics.stdev(samples) if len(samples) > 1 else 0.0,
        "imagesPerSecond": 1000 * options.batch / quantile(ordered, 0.5),
        "rssDeltaBytes": statistics.median(result["rssDeltaBytes"] for result in results),
        "fileBytes": os.path.getsize(options.checkpoint),
        "samplesMs": samples,
        "trials": len(results),
        "environment": {"platform": platform.platform(), "python": platform.python_version()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=250)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant is not None:
        trial(options)
        return
    trials = min(options.trials, options.runs)
    results = {variant: [] for variant in VARIANTS}
    for number in range(trials):
        runs = options.runs // trials + (number < options.runs % trials)
        for variant in VARIANTS if number % 2 == 0 else reversed(VARIANTS):
            command = [sys.executable, __file__, options.checkpoint, "--variant", variant, "--runs", str(runs)]
            for name in ("threads", "batch", "warmup"):
                command += [f"--{name}", str(getattr(options, name))]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            results[variant].append(json.loads(output.splitlines()[-1]))
    for variant in VARIANTS:
        print(json.dumps(row(options, variant, results[variant])))


if __name__ == "__main__":
    main()
