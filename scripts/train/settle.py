"""Batch norm statistics of a mean of several runs' weights."""

import torch
from augment import Augmentation
from data import FULL_SIZE, Pictures

BATCH = 50
SEED = 1


def measure_statistics(network: torch.nn.Module, pictures: Pictures) -> None:
    """
    In place: the statistics the network's own values have in one pass over `pictures`, drawn as the runs draw them. Averaged
    weights make other values than any of the runs did, so the average of the runs' statistics is not theirs (Izmailov et al.
    2018, arXiv:1803.05407; Jordan et al. 2022, arXiv:2211.08403).
    """
    network.eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            # Every batch counts the same.
            layer.momentum = None
            layer.train()
    generator = torch.Generator().manual_seed(SEED)
    augmentation = Augmentation(generator)
    with torch.no_grad():
        for rows in torch.randperm(len(pictures), generator=generator).split(BATCH):
            hard, _ = augmentation(pictures.pixels[rows], FULL_SIZE)
            (hard,) = augmentation.mix(hard)
            network(hard.contiguous(memory_format=torch.channels_last))
    network.eval()
