"""
Zeros in the 1x1 convolutions, more and more of them while the network learns to do without: magnitude pruning by the cubic schedule of Zhu
and Gupta (2017), weights judged by what they do to their output.
"""

import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from network import FROZEN_BLOCKS, Convolution, Network
from photos import SIDE, Pictures

# Share of zeros in each 1x1 convolution but those of squeeze and excitation.
SHARE = 0.8
# In the layers that are never trained otherwise: these have a hundredth of the weights, and the sparse kernels take over at two thirds.
LOWER_SHARE = 0.7
# The steps in which zeros are added; the remaining ones settle around them.
RAMP = 0.5
UPDATE_EVERY = 10
BATCH = 48
TEACHER_TEMPERATURE = 2.0
CROP = 96
LOWER = ("stem.", *(f"features.{index}." for index in range(1, FROZEN_BLOCKS + 1)))


def pointwise(network: Network) -> dict[str, Convolution]:
    """The convolutions whose weights become zero: those the sparse kernels run."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, Convolution) and module.kernel_size == (1, 1) and ".se." not in name
    }


class Sizes:
    """How large each convolution's inputs and outputs are on average, channel by channel."""

    def __init__(self, layers: dict[str, Convolution]):
        self.inputs: dict[str, torch.Tensor] = {}
        self.outputs: dict[str, torch.Tensor] = {}
        self.hooks = [layer.register_forward_hook(self._hook(name)) for name, layer in layers.items()]

    def _hook(self, name: str):
        def hook(_module, inputs, output):
            self.inputs[name] = inputs[0].detach().square().mean((0, 2, 3)).sqrt()
            self.outputs[name] = output.detach().std((0, 2, 3))

        return hook

    def close(self) -> None:
        for hook in self.hooks:
            hook.remove()


class Zeros:
    """Masks on the weights of `layers`; call `after_step` behind every optimizer step, counted from 1."""

    def __init__(self, layers: dict[str, Convolution], sizes: Sizes, steps: int, share: float):
        self.layers, self.share, self.ramp = layers, share, max(1, int(steps * RAMP))
        self.scales = {
            name: (sizes.inputs[name][None, :] / sizes.outputs[name][:, None].clamp(min=1e-6))[..., None, None]
            for name in layers
        }
        self.masks: dict[str, torch.Tensor] = {}

    def after_step(self, step: int) -> None:
        if step <= self.ramp and (step % UPDATE_EVERY == 0 or step == self.ramp):
            share = self.share * (1 - (1 - step / self.ramp) ** 3)
            for name, layer in self.layers.items():
                worth = (layer.weight.data.abs() * self.scales[name]).flatten()
                mask = torch.ones_like(worth)
                mask[worth.topk(round(share * len(worth)), largest=False).indices] = 0
                self.masks[name] = mask.view_as(layer.weight)
        for name, mask in self.masks.items():
            # Adding 0 makes -0 of negative weights +0, which is what model files store for nothing.
            self.layers[name].weight.data.mul_(mask).add_(0.0)


def relative_adam(parameters: dict[str, torch.nn.Parameter], step: float, steps: int):
    """Adam whose steps are a share of each tensor's size, with a warm start and a cosine to nothing."""
    groups = [
        {"params": [value], "lr": step * max(float(value.detach().square().mean().sqrt()), 1e-2)}
        for value in parameters.values()
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda at: min(1, (at + 1) / 40) * 0.5 * (1 + math.cos(math.pi * min(1, at / steps)))
    )
    return optimizer, schedule


def lower_values(network: Network, pictures: torch.Tensor) -> list[torch.Tensor]:
    values = F.hardswish(network.stem(pictures))
    found = []
    for index in ("1", "2", "3"):
        values = network.features[index](values)
        found.append(values)
    return found


def thin_lower(dense: Network, network: Network, pictures: Pictures, steps: int = 400, batch: int = 48) -> None:
    """
    Prunes the layers that are never trained in `network`, which shall give what they give in `dense`. They look at a few
    pixels around each of theirs, so crops will do.
    """
    random = np.random.default_rng(7)
    layers = {name: layer for name, layer in pointwise(network).items() if name.startswith(LOWER)}

    def crops() -> torch.Tensor:
        found = np.empty((batch, CROP, CROP, 3), np.uint8)
        for index, row in enumerate(random.integers(len(pictures), size=batch)):
            top, left = random.integers(SIDE - CROP, size=2)
            found[index] = pictures.pixels[row, top : top + CROP, left : left + CROP]
        pixels = torch.from_numpy(found).permute(0, 3, 1, 2).float() / 127.5 - 1
        return pixels.contiguous(memory_format=torch.channels_last)

    with torch.no_grad():
        sizes = Sizes(layers)
        spreads = [value.std((0, 2, 3), keepdim=True) for value in lower_values(network, crops())]
        sizes.close()
    moving = {name: value for name, value in network.named_parameters() if name.startswith(LOWER)}
    optimizer, schedule = relative_adam(moving, 5e-3, steps)
    zeros = Zeros(layers, sizes, steps, LOWER_SHARE)
    began, seen = time.time(), 0.0
    for step in range(1, steps + 1):
        pixels = crops()
        with torch.no_grad():
            wanted = lower_values(dense, pixels)
        loss = sum(
            ((value - target) / spread).square().mean()
            for value, target, spread in zip(lower_values(network, pixels), wanted, spreads)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        zeros.after_step(step)
        seen += loss.item()
        if step % 50 == 0:
            print(
                f"lower {step}: {seen / 50:.4f} of the variance of three values, {time.time() - began:.0f} s",
                flush=True,
            )
            seen = 0.0


def thin_upper(
    dense: Network, network: Network, read_view, views: tuple[int, ...], seed: int = 0
) -> dict[str, torch.Tensor]:
    """
    Prunes the layers behind the lower ones in `network`, which shall answer as `dense` does: to pictures that their own lower
    layers have seen. `read_view(number)` gives activations of the one and of the other (functions of sample numbers) and how many
    samples there are. Gives averaged weights with the same zeros.
    """
    random = np.random.default_rng(seed)
    layers = {name: layer for name, layer in pointwise(network).items() if not name.startswith(LOWER)}
    moving = {name: value for name, value in network.named_parameters() if not name.startswith(LOWER)}
    thin, full, count = read_view(views[0])
    steps = len(views) * (count // BATCH)
    with torch.no_grad():
        sizes = Sizes(layers)
        network.upper(thin(np.arange(0, count, max(1, count // 64))))
        sizes.close()
    optimizer, schedule = relative_adam(moving, 3e-3, steps)
    zeros = Zeros(layers, sizes, steps, SHARE)
    average = {name: value.detach().clone() for name, value in moving.items()}
    step, began = 0, time.time()
    for number in views:
        thin, full, count = read_view(number)
        order, seen = random.permutation(count), 0.0
        for start in range(0, count - BATCH + 1, BATCH):
            samples = np.sort(order[start : start + BATCH])
            with torch.no_grad():
                wanted = dense.upper(full(samples))
                answers = (dense.head(wanted) / TEACHER_TEMPERATURE).softmax(1)
            values = network.upper(thin(samples))
            logits = network.head(values) / TEACHER_TEMPERATURE
            alike = (values - wanted).square().mean() / wanted.square().mean()
            loss = -(answers * F.log_softmax(logits, 1)).sum(1).mean() + alike
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(moving.values()), 5.0)
            optimizer.step()
            schedule.step()
            step += 1
            zeros.after_step(step)
            seen += alike.item()
            decay = min(0.98, (1 + step) / (10 + step))
            with torch.no_grad():
                for name, value in moving.items():
                    average[name].lerp_(value, 1 - decay)
        print(
            f"upper, view {number}: features off by {seen / (count // BATCH):.3f}, {time.time() - began:.0f} s",
            flush=True,
        )
    for name, mask in zeros.masks.items():
        average[f"{name}.weight"].mul_(mask).add_(0.0)
    return average
