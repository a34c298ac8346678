"""torch.ao.quantization.quantize_dynamic on the Linear layers with the QNNPACK engine, dense and pruned."""

import hashlib
import io

import numpy as np
import torch
from fp32 import build_random
from household import CHECKPOINTS
from pruning import AMOUNT, pruned
from record import floats, write
from torch import nn
from torch.ao.nn.quantized.dynamic import Linear as DynamicLinear
from torch.ao.quantization import quantize_dynamic

# Generated pictures that the twenty of the random network are chosen from.
RANDOM_PICTURES = 200


def saved_bytes(model):
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.getbuffer().nbytes


def quantized(model):
    torch.backends.quantized.engine = "qnnpack"
    return quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


def layer_records(model):
    rows = []
    for name, module in model.named_modules():
        if isinstance(module, DynamicLinear):
            weight = module.weight()
            codes = weight.int_repr().numpy()
            rows.append(
                {
                    "name": name,
                    "shape": list(codes.shape),
                    "scale": weight.q_scale(),
                    "scaleHex": float(weight.q_scale()).hex(),
                    "zeroPoint": weight.q_zero_point(),
                    "least": int(codes.min()),
                    "largest": int(codes.max()),
                    "zeros": int((codes == 0).sum()),
                    "int8Sha256": hashlib.sha256(codes.tobytes()).hexdigest(),
                }
            )
    return rows


def rounding_margin(x):
    """How far the nearest activation is from being rounded to another uint8 code, in codes (see choose_images)."""
    x = x.double()
    scale = (x.max().clamp(min=0) - x.min().clamp(max=0)) / 255
    position = x / scale
    return float((position - position.floor() - 0.5).abs().min())


class SingleRuns:
    """Results of running pictures one at a time, as torch's per-tensor activation ranges make batches differ."""

    def __init__(self, model, inputs_of, indices):
        self.indices = list(indices)
        self.features, self.margins, logits = [], [], []
        linears = [module for module in model.modules() if isinstance(module, DynamicLinear)]
        seen = []
        hooks = [module.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone())) for module in linears]
        with torch.no_grad():
            for index in self.indices:
                seen.clear()
                logits.append(model(inputs_of([index])).numpy())
                self.features.append(seen[0].numpy())
                self.margins.append(min(rounding_margin(x) for x in seen))
        for hook in hooks:
            hook.remove()
        self.logits = np.concatenate(logits)

    def choose_images(self, groups, from_each):
        """
        The pictures of each group whose activations are farthest from a rounding boundary. The others say little: a
        last bit in a convolution's sum moves one of 1,600 activations to the next code and the logits by up to 1e-3 of
        their range, which torch's own convolution backends do to each other (see torchAgainstItself).
        """
        order = np.argsort(self.margins)[::-1]
        size = len(self.indices) // groups
        chosen = [[at for at in order if at // size == group][:from_each] for group in range(groups)]
        return sorted(int(at) for group in chosen for at in group)


def against_itself(model, inputs_of, runs, chosen):
    """Largest change of a logit, as a share of the range, when torch convolves without oneDNN."""
    spread = list(range(0, len(runs.indices), len(runs.indices) // 100))
    span = float(runs.logits.max() - runs.logits.min())
    with torch.backends.mkldnn.flags(enabled=False):

        def change(positions):
            other = SingleRuns(model, inputs_of, [runs.indices[at] for at in positions])
            return float(np.abs(other.logits - runs.logits[positions]).max()) / span

        return {"spread": change(spread), "images": change(chosen)}


def golden_of(dense, inputs_of, indices, groups, from_each):
    """The golden content of a network, and its logits on all of `indices`."""
    model = quantized(dense)
    runs = SingleRuns(model, inputs_of, indices)
    chosen = runs.choose_images(groups, from_each)
    content = {
        "engine": "qnnpack",
        "savedBytes": {"fp32": saved_bytes(dense), "quantized": saved_bytes(model)},
        "layers": layer_records(model),
        "range": float(runs.logits.max() - runs.logits.min()),
        "torchAgainstItself": against_itself(model, inputs_of, runs, chosen),
        "images": [runs.indices[at] for at in chosen],
        "roundingMargins": [runs.margins[at] for at in chosen],
        "features": floats(np.concatenate([runs.features[at] for at in chosen])),
        "logits": floats(runs.logits[chosen]),
    }
    return content, runs.logits


def quantize_goldens(household, out):
    network = build_random("random-small-37")
    for prefix, change, extra in (
        ("quantize-dynamic", lambda model: model, {}),
        ("prune-quantize-dynamic", lambda model: pruned(model)[0], {"amount": AMOUNT}),
    ):
        for name in CHECKPOINTS:
            dense = change(household.network(name))
            # Two pictures of each class: the file is sorted by class.
            content, logits = golden_of(dense, household.inputs, range(len(household.labels)), 10, 2)
            head = {"checkpoint": f"{name}.pth", **extra}
            write(out, f"{prefix}-{name}.json", {**head, **content, "correct": household.correct(logits)})
        content, _ = golden_of(change(network.model), network.inputs, range(RANDOM_PICTURES), 1, 20)
        write(out, f"{prefix}-random-small-37.json", {"network": "random-small-37.json", **extra, **content})
