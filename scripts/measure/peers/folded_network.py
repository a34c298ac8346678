"""Our float32 MobileNetV3 files for other frameworks: one walk over the layers, for whoever has the operations.

Batch norms are folded into the weights of such a file, and its metadata describe the blocks.
"""

import json
import struct


def read_model(file):
    """Arrays by name and the decoded metadata of a .safetensors file whose tensors are all plain F32."""
    import numpy

    with open(file, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
        data = stream.read()
    metadata = {key: json.loads(value) for key, value in header.pop("__metadata__").items() if value[:1] in "[{"}
    arrays = {}
    for name, entry in header.items():
        if entry["dtype"] != "F32":
            raise ValueError(f"{name} of {file} is {entry['dtype']}: peers are given a plain float32 model")
        start, end = entry["data_offsets"]
        arrays[name] = numpy.frombuffer(data[start:end], "<f4").reshape(entry["shape"])
    return arrays, metadata


def logits_of(image, arrays, architecture, operations):
    """
    Applies the network. `operations` has `convolution(values, weight, bias, stride, depthwise, activation)` with weight
    `[out, in, k, k]`, `mean(values)` to `[N, C, 1, 1]` or its like, `linear`, `multiply`, `add`.
    """
    if "classifier.weight" not in arrays:
        raise ValueError("expected one linear layer behind the pooled features and batch norms folded")

    def convolution(values, name, activation, stride=1, depthwise=False):
        weight, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
        return operations.convolution(values, weight, bias, stride, depthwise, activation)

    values = convolution(image, "features.0.0", "hard-swish", 2)
    for index, block in enumerate(architecture["blocks"], 1):
        start, prefix, part = values, f"features.{index}.block", 0
        if block["hasExpansion"]:
            values = convolution(values, f"{prefix}.0.0", block["activation"])
            part += 1
        values = convolution(values, f"{prefix}.{part}.0", block["activation"], block["stride"], depthwise=True)
        part += 1
        if block["squeeze"] > 0:
            squeezed = convolution(operations.mean(values), f"{prefix}.{part}.fc1", "relu")
            scale = convolution(squeezed, f"{prefix}.{part}.fc2", "hard-sigmoid")
            values = operations.multiply(values, scale)
            part += 1
        values = convolution(values, f"{prefix}.{part}.0", None)
        if block["stride"] == 1 and block["input"] == block["output"]:
            values = operations.add(start, values)
    values = convolution(values, f"features.{len(architecture['blocks']) + 1}.0", "hard-swish")
    return operations.linear(operations.mean(values), arrays["classifier.weight"], arrays["classifier.bias"])
