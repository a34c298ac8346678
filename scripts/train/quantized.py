"""
MobileNetV3-Small as the engine runs it in int8, for training: batch norms folded, every weight and every value rounded
to 8 bits in the forward pass, gradients as if it were not (straight-through estimator, Bengio et al. 2013).

Values are named as in the engine's plan (lib/compress/values.ts): a layer's own name for its output, clamped by ReLU or
hard-sigmoid but before a hard-swish; `NAME.hard-swish`; `features.N.pool`, `.scale` and `.add`; `pool`.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

# What a hard-swish makes of anything below is 0, so its input need not reach further down.
HARD_SWISH_FLOOR = -3.0
LOWEST, HIGHEST = -128, 127
# The share of a value's numbers that its first range leaves out at each end.
CLIPPED = 1e-4
# Share of the difficulty that equalization moves into the weights.
MIGRATION = 0.7


class ActivationRange(nn.Module):
    """
    int8 with a scale that is learnt (Esser et al. 2020, arXiv:1902.08153) and a zero point that is not. What is learnt is
    the scale's logarithm: scales differ by a factor of a thousand, and an optimizer's steps should not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(1))
        self.register_buffer("zero_point", torch.zeros(1))
        self.seen: list[tuple[float, float]] | None = None
        # Largest magnitude in each channel while it was looked at.
        self.peaks: torch.Tensor | None = None
        self.floor = float("-inf")

    @property
    def scale(self) -> torch.Tensor:
        return self.log_scale.exp()

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        if self.seen is not None:
            self._see(value.detach())
            return value
        # The gradient of a scale sums over all numbers; this brings it to the size of a weight's.
        factor = 1 / (value.numel() * HIGHEST) ** 0.5
        return torch._fake_quantize_learnable_per_tensor_affine(
            value, self.scale, self.zero_point, LOWEST, HIGHEST, factor
        )

    def _see(self, value: torch.Tensor) -> None:
        flat = value.flatten()
        count = max(1, round(CLIPPED * flat.numel()))
        high = float(flat.topk(count).values[-1])
        low = float(flat.topk(count, largest=False).values[-1])
        self.seen.append((low, high))
        peaks = value.transpose(0, 1).flatten(1).abs().amax(1)
        self.peaks = peaks if self.peaks is None else torch.maximum(self.peaks, peaks)

    def settle(self) -> None:
        """Scale and zero point from what was seen; 0 is one of the 256 steps."""
        low = max(min(0.0, sum(low for low, _ in self.seen) / len(self.seen)), self.floor)
        high = max(0.0, sum(high for _, high in self.seen) / len(self.seen))
        scale = max((high - low) / 255, 2.0**-16)
        self.log_scale.data.fill_(math.log(scale))
        self.zero_point.fill_(min(HIGHEST, max(LOWEST, round(LOWEST - low / scale))))
        self.seen = None


class QuantizedLayer(nn.Module):
    """A convolution or linear layer with a folded batch norm; weights in int8, one scale for each output channel."""

    def __init__(self, name: str, module: nn.Module, norm: nn.BatchNorm2d | None, activation: str) -> None:
        super().__init__()
        weight, bias = fold(module, norm)
        self.name, self.activation = name, activation
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.convolution = (
            dict(stride=module.stride, padding=module.padding, groups=module.groups)
            if isinstance(module, nn.Conv2d)
            else None
        )
        self.output = ActivationRange()
        if activation == "hard-swish":
            self.output.floor = HARD_SWISH_FLOOR
            self.swished = ActivationRange()

    def rounded_weight(self) -> torch.Tensor:
        scale = self.weight.detach().flatten(1).abs().amax(1).clamp(min=2.0**-23) / HIGHEST
        zero_points = torch.zeros(len(scale), dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(self.weight, scale, zero_points, 0, -HIGHEST, HIGHEST)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        weight = self.rounded_weight() if self.output.seen is None else self.weight
        value = (
            F.linear(value, weight, self.bias)
            if self.convolution is None
            else F.conv2d(value, weight, self.bias, **self.convolution)
        )
        if self.activation == "relu":
            value = value.relu()
        elif self.activation == "hard-sigmoid":
            value = F.hardsigmoid(value)
        value = self.output(value)
        return self.swished(F.hardswish(value)) if self.activation == "hard-swish" else value


def _read_peaks(layer: QuantizedLayer) -> torch.Tensor:
    """Largest magnitude among the weights that read each input channel."""
    weight = layer.weight.detach().abs()
    return weight.flatten(1).amax(1) if weight.shape[1] == 1 else weight.transpose(0, 1).flatten(1).amax(1)


def fold(module: nn.Module, norm: nn.BatchNorm2d | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of a layer together with the batch norm behind it."""
    weight = module.weight.detach().double()
    if norm is None:
        return weight.float().contiguous(), module.bias.detach().clone()
    factor = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = norm.bias.detach().double() - norm.running_mean.double() * factor
    return (weight * factor.view(-1, 1, 1, 1)).float().contiguous(), bias.float()


@dataclass
class _Block:
    feature: str
    expand: str | None
    depthwise: str
    squeeze: tuple[str, str] | None
    project: str
    residual: bool


class QuantizedNetwork(nn.Module):
    """
    Takes normalized pictures [N, 3, H, W], gives logits [N, classes]. `begin_calibration`, some forward passes and
    `end_calibration` find the ranges; until then it computes in float.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        self.values = nn.ModuleDict()
        self._add_value("input")
        self._add_layer("features.0.0", *_convolution(network.features[0]), "hard-swish")
        self.blocks = [self._add_block(index, network.features[index]) for index in range(1, 12)]
        self._add_layer("features.12.0", *_convolution(network.features[12]), "hard-swish")
        self._add_value("pool")
        self._add_layer("classifier.0", network.classifier[0], None, "hard-swish")
        self._add_layer("classifier.3", network.classifier[3], None, "none")

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        value = self._layer("features.0.0", self._value("input", pictures))
        for block in self.blocks:
            start = value
            if block.expand is not None:
                value = self._layer(block.expand, value)
            value = self._layer(block.depthwise, value)
            if block.squeeze is not None:
                gate = self._value(f"{block.feature}.pool", value.mean((2, 3), keepdim=True))
                for name in block.squeeze:
                    gate = self._layer(name, gate)
                value = self._value(f"{block.feature}.scale", value * gate)
            value = self._layer(block.project, value)
            if block.residual:
                value = self._value(f"{block.feature}.add", start + value)
        value = self._value("pool", self._layer("features.12.0", value).mean((2, 3)))
        return self._layer("classifier.3", self._layer("classifier.0", value))

    def begin_calibration(self) -> None:
        for value in self.ranges().values():
            value.seen, value.peaks = [], None

    def end_calibration(self) -> None:
        for value in self.ranges().values():
            value.settle()

    def equalize(self) -> None:
        """
        Spreads channels evenly over their value's range: where nothing but ReLU is between two layers, a channel may be
        divided by any positive number in the first and multiplied by it in the second (Nagel et al. 2019,
        arXiv:1906.04721); the number is SmoothQuant's (Xiao et al. 2022). The network computes what it did before. Call
        between `begin_calibration` with some forward passes and a second calibration.
        """
        ranges = self.ranges()
        for makers, readers, values in self._links():
            seen = torch.stack([ranges[name].peaks for name in values]).amax(0)
            read = torch.stack([_read_peaks(self.layers[_key(name)]) for name in readers]).amax(0)
            factors = seen**MIGRATION / read ** (1 - MIGRATION)
            factors = torch.where((seen > 0) & (read > 0), factors, torch.ones(())).clamp(1 / 64, 64)
            # What nobody reads may hold any value; at zero it takes no part in anybody's range.
            inverse = (read > 0) / factors
            for name in makers:
                layer = self.layers[_key(name)]
                layer.weight.data.mul_(inverse.view(-1, *[1] * (layer.weight.ndim - 1)))
                layer.bias.data.mul_(inverse)
            for name in readers:
                layer = self.layers[_key(name)]
                axis = 0 if layer.weight.shape[1] == 1 else 1
                layer.weight.data.mul_(factors.view(*[-1 if d == axis else 1 for d in range(layer.weight.ndim)]))

    def _links(self) -> list[tuple[list[str], list[str], list[str]]]:
        """Makers, readers and values of channels that may be rescaled. Hard-swish does not scale, so it ends a link."""
        links = []
        stream: tuple[list[str], list[str], list[str]] | None = None
        for block in self.blocks:
            first = block.expand or block.depthwise
            if stream is not None:
                stream[1].append(first)
            if self.layers[_key(block.depthwise)].activation == "relu":
                if block.expand is not None:
                    links.append(([block.expand], [block.depthwise], [block.expand]))
                readers = [block.project] + ([block.squeeze[0]] if block.squeeze is not None else [])
                links.append(([block.depthwise], readers, [block.depthwise]))
            if block.residual and stream is not None:
                stream[0].append(block.project)
                stream[2].extend([block.project, f"{block.feature}.add"])
            elif not block.residual:
                stream = ([block.project], [], [block.project])
                links.append(stream)
        stream[1].append("features.12.0")
        return links

    def ranges(self) -> dict[str, ActivationRange]:
        """The range of each value by its name."""
        found = {_name(key): value for key, value in self.values.items()}
        for key, layer in self.layers.items():
            found[_name(key)] = layer.output
            if layer.activation == "hard-swish":
                found[f"{_name(key)}.hard-swish"] = layer.swished
        return found

    def quantization(self) -> dict[str, dict[str, float]]:
        """Scale and zero point of each value, as `neonsense compress --ranges` takes them."""
        return {
            name: {"scale": float(value.scale), "zeroPoint": int(value.zero_point)}
            for name, value in self.ranges().items()
        }

    def into(self, network: nn.Module) -> None:
        """Puts the weights into a torchvision network, whose batch norms then only add the bias."""
        modules = dict(network.named_modules())
        for key, layer in self.layers.items():
            name = _name(key)
            module = modules[name]
            module.weight.data.copy_(layer.weight.detach())
            norm = modules.get(f"{name[:-1]}1") if module.bias is None else None
            if norm is None:
                module.bias.data.copy_(layer.bias.detach())
                continue
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
            norm.weight.data.fill_(1)
            norm.bias.data.copy_(layer.bias.detach())

    def _add_block(self, index: int, module: nn.Module) -> _Block:
        feature = f"features.{index}"
        names = [f"{feature}.block.{part}" for part in range(len(module.block))]
        at = next((part for part, inner in enumerate(module.block) if hasattr(inner, "fc1")), None)
        plain = [part for part in range(len(names)) if part != at]
        activation = "hard-swish" if isinstance(module.block[0][2], nn.Hardswish) else "relu"
        for part in plain[:-1]:
            self._add_layer(f"{names[part]}.0", *_convolution(module.block[part]), activation)
        self._add_layer(f"{names[plain[-1]]}.0", *_convolution(module.block[plain[-1]]), "none")
        squeeze = None
        if at is not None:
            squeeze = (f"{names[at]}.fc1", f"{names[at]}.fc2")
            self._add_value(f"{feature}.pool")
            self._add_layer(squeeze[0], module.block[at].fc1, None, "relu")
            self._add_layer(squeeze[1], module.block[at].fc2, None, "hard-sigmoid")
            self._add_value(f"{feature}.scale")
        if module.use_res_connect:
            self._add_value(f"{feature}.add")
        expand = f"{names[plain[0]]}.0" if len(plain) == 3 else None
        depthwise, project = f"{names[plain[-2]]}.0", f"{names[plain[-1]]}.0"
        return _Block(feature, expand, depthwise, squeeze, project, module.use_res_connect)

    def _add_layer(self, name: str, module: nn.Module, norm: nn.BatchNorm2d | None, activation: str) -> None:
        self.layers[_key(name)] = QuantizedLayer(name, module, norm, activation)

    def _add_value(self, name: str) -> None:
        self.values[_key(name)] = ActivationRange()

    def _layer(self, name: str, value: torch.Tensor) -> torch.Tensor:
        return self.layers[_key(name)](value)

    def _value(self, name: str, value: torch.Tensor) -> torch.Tensor:
        return self.values[_key(name)](value)


def _key(name: str) -> str:
    """Modules may not have a dot in their name."""
    return name.replace(".", "/")


def _name(key: str) -> str:
    return key.replace("/", ".")


def _convolution(module: nn.Sequential) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    return module[0], module[1]
