"""torch.nn.utils.prune.l1_unstructured on every Conv2d and Linear weight."""

import copy
import hashlib

import numpy as np
import torch
from fp32 import build_random
from generator import base64_of
from household import CHECKPOINTS, TWENTY
from record import floats, write
from torch import nn
from torch.nn.utils import prune

AMOUNT = 0.3


def pruned(model):
    """A pruned copy, and per module name the mask torch chose (1 where a weight was kept)."""
    model = copy.deepcopy(model)
    masks = {}
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            prune.l1_unstructured(module, "weight", amount=AMOUNT)
            masks[name] = module.weight_mask.numpy().copy()
            prune.remove(module, "weight")
    return model, masks


def bits_sha256(flags):
    """SHA-256 of flags packed eight to a byte, the first in the lowest bit."""
    return hashlib.sha256(np.packbits(flags, bitorder="little").tobytes()).hexdigest()


def layer_record(name, weight, mask):
    magnitude = np.abs(weight).ravel()
    dropped = mask.ravel() == 0
    threshold = magnitude[dropped].max()
    ties = magnitude == threshold
    return {
        "name": name,
        "shape": list(weight.shape),
        "pruned": int(dropped.sum()),
        "zeros": int((dropped | (magnitude == 0)).sum()),
        "threshold": float(threshold),
        "maskSha256": bits_sha256(dropped),
        "belowSha256": bits_sha256(magnitude < threshold),
        "ties": int(ties.sum()),
        "tiesPruned": int((ties & dropped).sum()),
        # Which of the equal ones torch took, so that its exact mask can be rebuilt.
        "tieBits": base64_of(np.packbits(dropped[ties], bitorder="little"), np.uint8),
    }


def layer_records(model, masks):
    modules = dict(model.named_modules())
    return [layer_record(name, modules[name].weight.detach().numpy(), mask) for name, mask in masks.items()]


def prune_goldens(household, out):
    for name in CHECKPOINTS:
        model = household.network(name)
        smaller, masks = pruned(model)
        write(
            out,
            f"prune-{name}.json",
            {
                "checkpoint": f"{name}.pth",
                "amount": AMOUNT,
                "layers": layer_records(model, masks),
                "correct": household.correct(household.logits(smaller)),
                "images": TWENTY,
                "logits": floats(household.logits(smaller, TWENTY, batch=1)),
            },
        )
    network = build_random("random-small-37")
    smaller, masks = pruned(network.model)
    images = list(range(20))
    with torch.no_grad():
        logits = np.concatenate([smaller(network.inputs([index])).numpy() for index in images])
    write(
        out,
        "prune-random-small-37.json",
        {
            "network": "random-small-37.json",
            "amount": AMOUNT,
            "layers": layer_records(network.model, masks),
            "images": images,
            "logits": floats(logits),
        },
    )
