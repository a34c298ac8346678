"""Gradual magnitude pruning (Zhu and Gupta 2017) during fine-tuning."""

import torch


class GradualPruning:
    """
    Zeroes the smallest weights of each layer in `targets`, per tensor: the share grows from nothing to `amount` by the
    cubic schedule over the first `ramp` of training, then the masks stay and the rest of the weights settle. With
    `convolutions`, that is their share, and the linear layers' is such that it is `amount` of all. With a ramp of 0 the zeros
    are those the network has, which must be that many or more.
    """

    UPDATE_EVERY = 10

    def __init__(
        self,
        network: torch.nn.Module,
        targets: list[str],
        amount: float,
        steps: int,
        ramp: float = 0.5,
        convolutions: float | None = None,
    ):
        modules = dict(network.named_modules())
        self.weights = {name: modules[name].weight for name in targets}
        self.shares = dict.fromkeys(targets, amount)
        if convolutions is not None:
            self.shares = _shares(self.weights, amount, convolutions)
        self.ramp_steps = max(1, int(steps * ramp)) if ramp > 0 else 0
        self.masks: dict[str, torch.Tensor] = {} if ramp > 0 else self._zeros()

    def _zeros(self) -> dict[str, torch.Tensor]:
        """Masks of the zeros there are."""
        masks = {name: (weight.data != 0).float() for name, weight in self.weights.items()}
        for name, mask in masks.items():
            zeros, wanted = int((mask == 0).sum()), round(self.shares[name] * mask.numel())
            if zeros < wanted:
                raise ValueError(f"{name} has {zeros} zeros to keep, expected {wanted}; start from a pruned network")
        return masks

    def share_at(self, name: str, step: int) -> float:
        done = min(1.0, step / max(1, self.ramp_steps))
        return self.shares[name] * (1 - (1 - done) ** 3)

    def after_step(self, step: int) -> None:
        """Call behind every optimizer step; `step` counts from 1."""
        moving = step <= self.ramp_steps and (step % self.UPDATE_EVERY == 0 or step == self.ramp_steps)
        for name, weight in self.weights.items():
            if moving or name not in self.masks:
                self.masks[name] = mask_of(weight.data, self.share_at(name, step))
            keep_masked(weight.data, self.masks[name])

    def apply_to(self, state: dict[str, torch.Tensor]) -> None:
        """Puts the masks on averaged weights, in which masked weights may not have decayed to zero yet."""
        for name, mask in self.masks.items():
            keep_masked(state[f"{name}.weight"], mask)


def _shares(weights: dict[str, torch.Tensor], amount: float, convolutions: float) -> dict[str, float]:
    """Each layer's share: `convolutions`, or for the linear layers what makes it `amount` of all."""
    counts = {name: weight.numel() for name, weight in weights.items()}
    linear = {name for name, weight in weights.items() if weight.ndim == 2}
    in_linear = sum(counts[name] for name in linear)
    rest = amount * sum(counts.values()) - convolutions * (sum(counts.values()) - in_linear)
    if not 0 <= rest <= in_linear:
        raise ValueError(
            f"with {convolutions} of the convolutions' weights no share of the linear layers' makes it {amount} of all"
        )
    return {name: rest / in_linear if name in linear else convolutions for name in weights}


def keep_masked(weight: torch.Tensor, mask: torch.Tensor) -> None:
    """Zeroes in place. Adding 0 makes -0 of negative weights +0, which is what model files store for nothing."""
    weight.mul_(mask).add_(0.0)


def mask_of(weight: torch.Tensor, share: float) -> torch.Tensor:
    """1 where a weight stays. Zeroes round(share * numel) weights, as torch.nn.utils.prune.l1_unstructured does."""
    count = round(share * weight.numel())
    mask = torch.ones(weight.numel())
    mask[torch.topk(weight.abs().flatten(), count, largest=False).indices] = 0
    return mask.view(weight.shape)


def layers(network: torch.nn.Module, kind: str) -> list[str]:
    """Names of the layers to prune: 'all' 54 Conv2d and Linear, or 'pointwise': 1x1 convolutions and the first Linear."""
    found = []
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            pointwise = module.kernel_size == (1, 1) and not name.endswith(("fc1", "fc2"))
            if kind == "all" or pointwise:
                found.append(name)
        elif isinstance(module, torch.nn.Linear) and (kind == "all" or name == "classifier.0"):
            found.append(name)
    return found
