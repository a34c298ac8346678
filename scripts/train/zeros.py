"""
Zeros in 1x1 convolutions, more and more of them while the network learns to do without: the cubic schedule of Zhu and Gupta (2017,
arXiv:1710.01878). A weight is worth what the loss would lack without it, to first order: its square times its gradient's (Molchanov et al. 2019,
arXiv:1906.10771), which Adam keeps a mean of.
"""

import torch
from network import Convolution, Network

# The steps in which zeros are added; the remaining ones settle around them.
RAMP = 0.6
UPDATE_EVERY = 20


class Zeros:
    """Holds this share of the weights of each 1x1 convolution that is trained at zero; call `after_step` behind every optimizer step."""

    def __init__(self, network: Network, moving: dict[str, torch.nn.Parameter], share: float, steps: int):
        self.share, self.ramp = share, max(1, int(steps * RAMP))
        self.weights = {
            f"{name}.weight": module.weight
            for name, module in network.named_modules()
            if isinstance(module, Convolution) and module.kernel_size == (1, 1) and f"{name}.weight" in moving
        }
        self.masks: dict[str, torch.Tensor] = {}

    def after_step(self, step: int, optimizer: torch.optim.Adam) -> None:
        """`step` counts from 1."""
        if self.share and step <= self.ramp and (step % UPDATE_EVERY == 0 or step == self.ramp):
            share = self.share * (1 - (1 - step / self.ramp) ** 3)
            for name, weight in self.weights.items():
                worth = (weight.data.square() * optimizer.state[weight]["exp_avg_sq"]).flatten()
                mask = torch.ones_like(worth)
                mask[worth.topk(round(share * len(worth)), largest=False).indices] = 0
                self.masks[name] = mask.view_as(weight)
        self.hold(self.weights)

    def hold(self, weights: dict[str, torch.Tensor]) -> None:
        for name, mask in self.masks.items():
            # Adding 0 makes -0 of negative weights +0, which is what model files store for nothing.
            weights[name].data.mul_(mask).add_(0.0)
