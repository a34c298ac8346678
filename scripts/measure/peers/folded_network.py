"""Our float32 MobileNetV3 files for other frameworks: one walk over the layers, for whoever has the operations.

Batch norms are folded into the weights of such a file, and its metadata describe the blocks.
"""

import json
import struct


def read_model(file):
    """Arrays by name and the decoded metadata of a .safetensors file whose weights are all F32."""
    import numpy

    with open(file, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
        data = stream.read()
    metadata = {key: json.loads(value) for key, value in header.pop("__metadata__").items() if value[:1] in "[{"}
    stored = {}
    for name, entry in header.items():
        if entry["dtype"] not in ("F32", "U8"):
            raise ValueError(f"{name} of {file} is {entry['dtype']}: peers are given a float32 model")
        start, end = entry["data_offsets"]
        stored[name] = numpy.frombuffer(data[start:end], "<f4" if entry["dtype"] == "F32" else "u1")
        stored[name] = stored[name].reshape(entry["shape"])
    arrays = {name: array for name, array in stored.items() if name.endswith((".weight", ".bias"))}
    # Weights with many zeros have a bit for each, and the others.
    for name, encoding in metadata.get("encodings", {}).items():
        dense = numpy.zeros(encoding["shape"], "<f4")
        bits = numpy.unpackbits(stored[f"{name}.bitmap"], bitorder="little")[: dense.size].astype(bool)
        dense.reshape(-1)[bits] = stored[f"{name}.values"]
        arrays[name] = dense
    if "classifier.0.weight" in arrays:
        arrays["classifier.0.weight"] = arrays["classifier.0.weight"][:, :, None, None]
    return arrays, metadata


def logits_of(image, arrays, architecture, operations):
    """
    Applies the network. `operations` has `convolution(values, weight, bias, stride, depthwise, activation)` with weight
    `[out, in, k, k]`, `mean(values)` to `[N, C, 1, 1]` or its like, `linear`, `multiply`, `add`.
    """
    if "features.0.1.weight" in arrays:
        raise ValueError("expected batch norms folded")

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
    values, last = operations.mean(values), "classifier"
    if "classifier.0.weight" in arrays:
        values, last = convolution(values, "classifier.0", "hard-swish"), "classifier.3"
    return operations.linear(values, arrays[f"{last}.weight"], arrays[f"{last}.bias"])
