"""Writes test/golden/timm-*.json: timm's own networks with seeded random weights, and their logits.

Needs timm beside torch. Networks whose names begin with tf_ have TensorFlow's padding and another epsilon.
"""

import argparse
from pathlib import Path

import timm
import torch
from random_network import RandomNetwork
from record import SEED, floats, write
from torch import nn

ROOT = Path(__file__).resolve().parents[3]
NETWORKS = {"mobilenetv3_small_050": 5, "mobilenetv3_large_100": 4, "tf_mobilenetv3_small_075": 6}
IMAGES = [0, 1, 2]


class TimmNetwork(RandomNetwork):
    """timm's names for what RandomNetwork fills, and its 1x1 convolution behind the pooling, which has a bias."""

    def _fill_weights(self, name, module):
        part = name.rsplit(".", 1)[-1]
        gains = {"conv_reduce": (1.5, 1.0), "conv_expand": (2.0, 4.0), "conv_head": (2.0, 1.0)}
        gain, bias = gains.get(part, (0.5, None))
        fan_in = module.weight[0].numel()
        self._fill(f"{name}.weight", module.weight, gain * (12 / fan_in) ** 0.5, 0.0)
        if bias is not None:
            self._fill(f"{name}.bias", module.bias, bias, 0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=str(ROOT / "test" / "golden"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, classes in NETWORKS.items():
        torch.manual_seed(SEED)
        model = timm.create_model(name, pretrained=False, num_classes=classes)
        network = TimmNetwork(model, f"{SEED}/{name}")
        epsilons = {module.eps for module in model.modules() if isinstance(module, nn.BatchNorm2d)}
        with torch.no_grad():
            logits = model(network.inputs(IMAGES))
        write(
            options.out,
            f"timm-{name}.json",
            {
                "architecture": name,
                "epsilon": epsilons.pop(),
                "network": network.golden(),
                "images": IMAGES,
                "range": float(logits.max() - logits.min()),
                "logits": floats(logits.numpy()),
            },
        )


if __name__ == "__main__":
    main()
