"""Seeded random networks: torchvision's own modules, weights from generator.py.

Convolution and linear weights and the batch norms' weight and bias are uniform. Running statistics are measured on
calibration pictures and kept as 8-bit codes, because with made-up ones a deep random network answers the same for every
picture and its logits would prove nothing. Biases of the two classifier layers are codes for the same reason.
"""

import math

import numpy as np
import torch
from generator import base64_of, decode, fingerprint, image, uniform
from torch import nn

LEVELS = [
    {"cell": 224, "scale": 0.5},
    {"cell": 56, "scale": 3.0},
    {"cell": 16, "scale": 2.0},
    {"cell": 1, "scale": 0.5},
]
SIZE = (224, 224)
CALIBRATION = range(1000, 1024)


class RandomNetwork:
    def __init__(self, model, seed):
        self.model = model.eval()
        self.seed = seed
        self.recipes = {}
        names = {module: name for name, module in model.named_modules()}
        for module, name in names.items():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                self._fill_weights(name, module)
            elif isinstance(module, nn.BatchNorm2d):
                self._fill(f"{name}.weight", module.weight, 1.0, 1.0)
                self._fill(f"{name}.bias", module.bias, 1.0, 0.0)
        self._calibrate(names)

    def inputs(self, indices):
        """float32 `[N, 3, H, W]`."""
        batch = np.stack([image(self.seed, index, SIZE, LEVELS) for index in indices])
        return torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous()

    def tensors(self):
        """Name and float32 array of everything but the counters, in state_dict order."""
        state = self.model.state_dict()
        return [(name, tensor.numpy()) for name, tensor in state.items() if not name.endswith("num_batches_tracked")]

    def golden(self):
        tensors = self.tensors()
        return {
            "seed": self.seed,
            "inputSize": list(SIZE),
            "levels": LEVELS,
            "sha256": fingerprint(tensors),
            "inputSha256": fingerprint([("", image(self.seed, 0, SIZE, LEVELS))]),
            "tensors": [{"name": name, "shape": list(array.shape), **self.recipes[name]} for name, array in tensors],
        }

    def _fill(self, name, parameter, scale, offset):
        scale, offset = float(np.float32(scale)), float(np.float32(offset))
        values = uniform(f"{self.seed}/{name}", parameter.numel(), scale, offset)
        self._store(parameter, values, name, {"scale": scale, "offset": offset})

    def _fill_codes(self, name, parameter, values, dtype):
        """`values` rounded to 8-bit codes of one unit; unsigned codes are kept above 0 (they are variances)."""
        largest = 127 if dtype == np.int8 else 255
        unit = np.float32(np.abs(values).max() / largest)
        codes = np.rint(values / unit).clip(-largest if dtype == np.int8 else 1, largest).astype(dtype)
        recipe = {"unit": float(unit), "codeType": dtype.__name__, "codes": base64_of(codes, dtype)}
        self._store(parameter, decode(codes, unit), name, recipe)

    def _store(self, parameter, values, name, recipe):
        parameter.data.copy_(torch.from_numpy(values).view_as(parameter))
        self.recipes[name] = recipe

    def _fill_weights(self, name, module):
        fan_in = module.weight[0].numel()
        # A uniform distribution of width s has variance s^2 / 12. A batch norm follows most convolutions: a standard
        # deviation near 0.3 makes the choice of its eps (1e-3) show in the logits.
        squeeze = name.endswith((".fc1", ".fc2"))
        gain = {"fc1": 1.5, "fc2": 2.0}[name.rsplit(".", 1)[1]] if squeeze else 0.5
        self._fill(f"{name}.weight", module.weight, gain * math.sqrt(12 / fan_in), 0.0)
        if module.bias is not None and squeeze:
            self._fill(f"{name}.bias", module.bias, 1.0 if name.endswith("fc1") else 4.0, 0.0)

    def _calibrate(self, names):
        """One pass over the calibration pictures; each layer's statistics are settled before its output is computed."""

        def settle_norm(module, args):
            (x,) = args
            name = names[module]
            channels = x.double().transpose(0, 1).flatten(1)
            self._fill_codes(f"{name}.running_mean", module.running_mean, channels.mean(1).numpy(), np.int8)
            self._fill_codes(f"{name}.running_var", module.running_var, channels.var(1).numpy(), np.uint8)

        def settle_linear(module, args):
            (x,) = args
            name = names[module]
            # Typical pictures shall differ by 1.5 from the mean picture, and the means be spread over +-1.
            centred = (x - x.mean(0)).double() @ module.weight.double().t()
            scale = self.recipes[f"{name}.weight"]["scale"] * 1.5 / float((centred**2).mean(1).sqrt().median())
            self._fill(f"{name}.weight", module.weight, scale, 0.0)
            spread = uniform(f"{self.seed}/{name}.bias", module.out_features, 2.0)
            means = (x.mean(0).double() @ module.weight.double().t()).numpy()
            self._fill_codes(f"{name}.bias", module.bias, spread - means, np.int8)

        hooks = []
        for module in names:
            if isinstance(module, nn.BatchNorm2d):
                hooks.append(module.register_forward_pre_hook(settle_norm))
            elif isinstance(module, nn.Linear):
                hooks.append(module.register_forward_pre_hook(settle_linear))
        with torch.no_grad():
            self.model(self.inputs(CALIBRATION))
        for hook in hooks:
            hook.remove()
