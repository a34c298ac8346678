"""MobileNetV3-Small with the ImageNet weights of Keras Applications, as a torchvision network."""

from pathlib import Path

import numpy as np
import torch
import torchvision
from data import LABELS, MEAN, STD, Pictures, enlarge

# Folded statistics are measured on this many pictures.
STATISTICS_PICTURES = 200


def build(classes: int = len(LABELS)) -> torch.nn.Module:
    """torchvision's mobilenet_v3_small without weights."""
    return torchvision.models.mobilenet_v3_small(num_classes=classes)


def import_keras(network: torch.nn.Module, path: Path, pictures: Pictures) -> None:
    """
    Puts the folded Keras weights into `network` (all but the classifier). Keras' batch norms are folded into the
    convolutions, so each batch norm here gets the statistics its convolution's output has on `pictures`, and the weight
    and bias that make it the identity plus the folded bias: the network computes what Keras' does (up to padding at the
    borders), and can be trained.
    """
    folded = np.load(path)
    modules = _convolutions(network)
    hooks = []

    def measure(batch_norm: torch.nn.BatchNorm2d, bias: torch.Tensor):
        def hook(_module, _inputs, output):
            # Everything upstream has its statistics by now, so this output is the one the trained network sees.
            mean = output.mean((0, 2, 3))
            variance = output.var((0, 2, 3), unbiased=False)
            batch_norm.running_mean.copy_(mean)
            batch_norm.running_var.copy_(variance)
            batch_norm.weight.data.copy_((variance + batch_norm.eps).sqrt())
            batch_norm.bias.data.copy_(bias + mean)

        return hook

    for name, (convolution, batch_norm) in modules.items():
        weight = torch.from_numpy(folded[f"{name}.weight"]).float().view_as(convolution.weight)
        bias = torch.from_numpy(folded[f"{name}.bias"]).float()
        if name == "stem":
            weight, bias = _to_imagenet_normalization(weight, bias)
        convolution.weight.data.copy_(weight)
        if batch_norm is None:
            convolution.bias.data.copy_(bias)
        else:
            hooks.append(convolution.register_forward_hook(measure(batch_norm, bias)))
    network.eval()
    step = max(1, len(pictures) // STATISTICS_PICTURES)
    with torch.no_grad():
        network(enlarge(pictures.pixels[::step][:STATISTICS_PICTURES], 224))
    for hook in hooks:
        hook.remove()


def _convolutions(network: torch.nn.Module) -> dict[str, tuple[torch.nn.Conv2d, torch.nn.BatchNorm2d | None]]:
    """Keras-side layer name to torchvision's convolution and the batch norm behind it."""
    features = network.features
    found = {"stem": (features[0][0], features[0][1]), "last": (features[12][0], features[12][1])}
    for index in range(1, 12):
        block = features[index].block
        # [expand], depthwise, [squeeze and excitation], project: torchvision leaves out the parts a block lacks.
        parts = list(block)
        names = ["pr", "dw", "exp"]
        excitation = next((part for part in parts if hasattr(part, "fc1")), None)
        plain = [part for part in parts if part is not excitation]
        for name, part in zip(names, reversed(plain)):
            found[f"features.{index}.{name}"] = (part[0], part[1])
        if excitation is not None:
            found[f"features.{index}.se.fc1"] = (excitation.fc1, None)
            found[f"features.{index}.se.fc2"] = (excitation.fc2, None)
    return found


def _to_imagenet_normalization(weight: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Keras takes 2 p - 1 for a pixel p in 0..1, torchvision (p - mean) / std: 2 p - 1 = 2 std x + (2 mean - 1)."""
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    return weight * 2 * std, bias + (weight * (2 * mean - 1)).sum((1, 2, 3))
