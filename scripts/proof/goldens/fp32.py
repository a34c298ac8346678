"""FP32 goldens: logits of the checkpoints and of random networks, and activations of one picture."""

import copy

import numpy as np
import torch
from generator import base64_of
from household import CHECKPOINTS
from random_network import RandomNetwork
from record import SEED, floats, write
from torchvision.models import mobilenet_v3_large, mobilenet_v3_small

ACTIVATIONS_OF = 425


def build_random(name):
    makers = {
        "random-small-10": lambda: mobilenet_v3_small(num_classes=10),
        "random-small-37": lambda: mobilenet_v3_small(num_classes=37),
        "random-small-half-21": lambda: mobilenet_v3_small(width_mult=0.5, num_classes=21),
        "random-large-10": lambda: mobilenet_v3_large(num_classes=10),
    }
    return RandomNetwork(makers[name](), f"{SEED}/{name}")


RANDOM = ("random-small-10", "random-small-37", "random-small-half-21", "random-large-10")


def smallest_margin(logits):
    """Least distance between the best and the second-best class of a picture."""
    best = np.sort(logits, axis=1)
    return float((best[:, -1] - best[:, -2]).min())


def checkpoint_logits(household, out):
    for name in CHECKPOINTS:
        logits = household.logits(household.network(name))
        write(
            out,
            f"{name}.json",
            {
                "checkpoint": {"file": f"{name}.pth", "sha256": household.checkpoint_sha256(name)},
                "correct": household.correct(logits),
                "top1": base64_of(logits.argmax(axis=1), np.uint8),
                "range": float(logits.max() - logits.min()),
                "smallestMargin": smallest_margin(logits),
                "logits": floats(logits),
            },
        )


def random_logits(out, names=RANDOM):
    for name in names:
        network = build_random(name)
        double = copy.deepcopy(network.model).double()
        batches, largest_error = [], 0.0
        with torch.no_grad():
            for images in ([0], [1, 2, 3, 4]):
                inputs = network.inputs(images)
                logits = network.model(inputs).numpy()
                exact = double(inputs.double()).numpy()
                largest_error = max(largest_error, float(np.abs(logits - exact).max()))
                batches.append({"images": images, "logits": floats(logits), "float64": exact.tolist()})
        every = np.concatenate([np.array(batch["float64"]) for batch in batches])
        print(
            f"{name}: range {every.max() - every.min():.3f}, between pictures {every.std(axis=0).mean():.3f}, "
            f"float32 error {largest_error:.2e}"
        )
        write(
            out,
            f"{name}.json",
            {
                "range": float(every.max() - every.min()),
                "largestFloat32Error": largest_error,
                "smallestMargin": smallest_margin(every),
                "network": network.golden(),
                "batches": batches,
            },
        )


def activations(household, out):
    """Mean and mean magnitude of every module's output, so that a wrong layer can be found by bisection."""
    model = household.network("udacisense-fp32")
    rows = []

    def note(name):
        def hook(module, _, output):
            # In-place activations overwrite this tensor later: take the numbers now.
            rows.append(
                {
                    "name": name,
                    "module": type(module).__name__,
                    "shape": list(output.shape),
                    "mean": float(output.double().mean()),
                    "meanAbs": float(output.double().abs().mean()),
                }
            )

        return hook

    for name, module in model.named_modules():
        if name:
            module.register_forward_hook(note(name))
    with torch.no_grad():
        model(household.inputs([ACTIVATIONS_OF]))
    write(out, "activations.json", {"checkpoint": "udacisense-fp32.pth", "image": ACTIVATIONS_OF, "modules": rows})
