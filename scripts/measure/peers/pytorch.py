#!/usr/bin/env python3
"""PyTorch as a peer: one trial, or the accuracy, of a torchvision MobileNetV3 in one of its forms.

    python3 scripts/measure/peers/pytorch.py versions
    python3 scripts/measure/peers/pytorch.py trial VARIANT SPEC_AS_JSON
    python3 scripts/measure/peers/pytorch.py accuracy VARIANT MODEL PICTURES.bin LABELS.bin

Started by scripts/measure/peers/all.mjs. VARIANT is eager, torchscript (traced and frozen) or quantize-dynamic (Linear layers in int8,
QNNPACK); the model is our float32 .safetensors file, batch norm not folded. Prints one JSON object.
Needs torch, torchvision and numpy (made with 1.13, 0.14 and 1.24).
"""

import json
import signal
import struct
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


def read_model(file):
    """Tensors and metadata of a .safetensors file whose tensors are all plain F32."""
    import numpy
    import torch

    with open(file, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
        data = stream.read()
    metadata = {key: json.loads(value) for key, value in header.pop("__metadata__").items() if value[:1] in "[{"}
    state = {}
    for name, entry in header.items():
        if entry["dtype"] != "F32":
            raise ValueError(f"{name} of {file} is {entry['dtype']}: PyTorch is given a plain float32 model")
        start, end = entry["data_offsets"]
        values = numpy.frombuffer(data[start:end], "<f4").copy()
        state[name] = torch.from_numpy(values).reshape(entry["shape"])
    return state, metadata


def load(file, variant, example):
    """The network, ready to run; `example` is an input to trace it with."""
    import torch
    import torchvision

    state, metadata = read_model(file)
    architecture = metadata["architecture"]
    make = getattr(torchvision.models, architecture["name"])
    model = make(num_classes=architecture["classes"])
    missing, unknown = model.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unknown:
        raise ValueError(f"{file} is not torchvision's network: missing {missing[:3]}, unknown {unknown[:3]}")
    model.eval()
    if variant == "quantize-dynamic":
        torch.backends.quantized.engine = "qnnpack"
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    if variant == "torchscript":
        # Not optimize_for_inference: in torch 1.13 on x86-64 it changes this network's logits by 7 % of their range.
        model = torch.jit.freeze(torch.jit.trace(model, example))
    return model, metadata


def trial_input(batch, size):
    """The numbers that lib/bench/trialProcess.ts gives every engine, as [N, 3, H, W]."""
    import torch

    height, width = size
    state = 1
    values = []
    for _ in range(batch * height * width * 3):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values.append(state / 2**32 * 4 - 2)
    image = torch.tensor(values, dtype=torch.float32).reshape(batch, height, width, 3)
    return image.permute(0, 3, 1, 2).contiguous()


def trial(variant, spec):
    """Import, load, first run, warm-up and counted runs; what lib/bench/trialSpec.ts calls a TrialResult."""
    start = time.perf_counter()
    import torch
    import torchvision  # noqa: F401

    imported = time.perf_counter()
    torch.set_num_threads(spec["threads"])
    image = trial_input(spec["batch"], spec["size"])
    before_load = time.perf_counter()
    model, _ = load(spec["file"], variant, image)
    with torch.inference_mode():
        ready = time.perf_counter()
        logits = model(image)[0].tolist()
        first = time.perf_counter()
        for _ in range(spec["warmup"]):
            model(image)
        samples = []
        for _ in range(spec["runs"]):
            before = time.perf_counter()
            model(image)
            samples.append((time.perf_counter() - before) * 1000)
    return {
        "initMs": (imported - start + ready - before_load) * 1000,
        "firstMs": (first - ready) * 1000,
        "samplesMs": samples,
        "peakRssBytes": peak_bytes(),
        "logits": logits,
    }


def accuracy(variant, file, pictures, labels):
    """Top-1 on raw uint8 [N, H, W, 3] pictures, prepared as the model's file says."""
    import numpy
    import torch

    right = numpy.fromfile(labels, numpy.uint8)
    pixels = numpy.fromfile(pictures, numpy.uint8)
    side = round((len(pixels) / 3 / len(right)) ** 0.5)
    images = torch.from_numpy(pixels.reshape(-1, side, side, 3)).permute(0, 3, 1, 2)
    torch.set_num_threads(1)
    _, metadata = read_model(file)
    preprocessing = metadata["preprocessing"]
    if side > min(preprocessing["reduce"]):
        raise ValueError(f"expected pictures of at most {preprocessing['reduce']} but {pictures} has {side} x {side}")
    mean, std = (torch.tensor(preprocessing[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))

    def prepare(batch):
        normalized = (batch.float() / 255 - mean) / std
        size = preprocessing["size"]
        return torch.nn.functional.interpolate(normalized, size, mode="bilinear", align_corners=False)

    model, _ = load(file, variant, prepare(images[:1]))
    correct = 0
    with torch.inference_mode():
        for index, label in enumerate(right):
            # One at a time: dynamic quantization takes its range from the whole batch.
            correct += int(model(prepare(images[index : index + 1])).argmax(1).item() == label)
    return {"top1": correct / len(right), "images": len(right)}


def versions():
    import torch
    import torchvision

    return {"torch": torch.__version__, "torchvision": torchvision.__version__}


def main(arguments):
    # Ctrl-C reaches the whole process group; the parent decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    command, *rest = arguments or [""]
    if command == "versions":
        print(json.dumps(versions()))
    elif command == "trial":
        print(json.dumps(trial(rest[0], json.loads(rest[1]))))
    elif command == "accuracy":
        print(json.dumps(accuracy(*rest)))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
