"""
Gives folded weights scales that one learning rate suits.

A batch norm folded into its convolution leaves weights as large as the values they make: in Keras' network their root mean
square goes from 0.02 (expansions) to 10 (depthwise). Adam moves every weight by about the learning rate, so at 1e-3 the
former are written anew within a few epochs while the latter stay where they are. A convolution before a batch norm may have
any scale (van Laarhoven 2017, arXiv:1706.05350), a channel between ReLU or nothing and a convolution too (Nagel et al. 2019,
arXiv:1906.04721): here all filters get the same root mean square, all free channels a spread near one, and the network
computes what it did.
"""

import torch
from torch import nn

POINTWISE_RMS = 0.1
# Filters of few weights: the stem's 27, the depthwise ones' 9 and 25.
SMALL_FILTER_RMS = 0.2
# Where the channels between two convolutions pass ReLU, which any positive factor passes through; behind are hard-swishes.
RELU_BLOCKS = (1, 2, 3)
# Blocks that write to one residual stream, and who else reads it.
STREAMS = (((1,), 2), ((2, 3), 4), ((4, 5, 6), 7), ((7, 8), 9), ((9, 10, 11), 12))


def balance(network: nn.Module) -> None:
    """In place. `network` is torchvision's mobilenet_v3_small with batch norms whose weights are positive."""
    features = network.features
    blocks = {index: _layers(features[index].block) for index in range(1, 12)}
    for index in RELU_BLOCKS:
        layers, excitation = blocks[index]
        for position, (layer, following) in enumerate(zip(layers, layers[1:])):
            spread = layer[1].weight.detach().clone()
            readers = [following[0]]
            if excitation is not None and position == len(layers) - 2:
                readers.append(excitation.fc1)
            _divide([layer[1]], readers, spread)
    for writers, reader in STREAMS:
        norms = [blocks[index][0][-1][1] for index in writers]
        spread = sum(norm.weight.detach() ** 2 for norm in norms).sqrt()
        first_of_reader = features[12] if reader == 12 else blocks[reader][0][0]
        _divide(norms, [*(blocks[index][0][0][0] for index in writers[1:]), first_of_reader[0]], spread)
    for layer in (features[0], *(layer for layers, _ in blocks.values() for layer in layers), features[12]):
        _scale_filters(layer[0], layer[1])


def _layers(block: nn.Sequential) -> tuple[list[nn.Sequential], nn.Module | None]:
    """A block's convolutions with their batch norms, in order, and its squeeze and excitation."""
    excitation = next((part for part in block if hasattr(part, "fc1")), None)
    return [part for part in block if part is not excitation], excitation


def _divide(norms: list[nn.BatchNorm2d], readers: list[nn.Conv2d], by: torch.Tensor) -> None:
    """Channels of what `norms` write become smaller, the weights that read them larger."""
    for norm in norms:
        norm.weight.data.div_(by)
        norm.bias.data.div_(by)
    for reader in readers:
        # A depthwise convolution's rows are its input channels.
        shape = (-1, 1, 1, 1) if reader.groups > 1 else (1, -1, 1, 1)
        reader.weight.data.mul_(by.view(shape))


def _scale_filters(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    weight = convolution.weight.data
    wanted = POINTWISE_RMS if weight[0, 0].numel() == 1 else SMALL_FILTER_RMS
    factor = wanted / weight.flatten(1).pow(2).mean(1).sqrt().clamp(min=1e-6)
    weight.mul_(factor.view(-1, 1, 1, 1))
    # The variance grows by factor squared, the batch norm's epsilon does not.
    before = (norm.running_var + norm.eps).sqrt()
    norm.running_mean.mul_(factor)
    norm.running_var.mul_(factor**2)
    norm.weight.data.mul_((norm.running_var + norm.eps).sqrt() / (factor * before))
