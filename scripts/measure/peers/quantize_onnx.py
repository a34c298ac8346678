#!/usr/bin/env python3
"""Makes onnxruntime's own INT8 models with its Python tools.

    npx neonsense export models/household-fp32.safetensors fp32.onnx
    python3 scripts/measure/peers/quantize_onnx.py fp32.onnx OUTPUT_FOLDER [--pictures household_train.bin] [--images 200]
    npx neonsense bench models/household-fp32.safetensors OUTPUT_FOLDER/*.onnx --compare onnxruntime

Writes dynamic.onnx (quantize_dynamic as it comes: every Conv and Gemm) and, given pictures, static.onnx (quantize_static: QDQ,
per channel, calibrated on pictures of the raw uint8 [N, SIDE, SIDE, 3] file, prepared as the ONNX file's metadata says). Both lose
much accuracy on this network, so each is also made in a form that keeps more of it: dynamic-keep.onnx and static-keep.onnx leave
the stem and the depthwise convolutions in float, and the second all that is neither Conv nor Gemm. Prints the versions as JSON.
Needs onnxruntime, onnx, sympy and numpy.
"""

import argparse
import json
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


def resize(pictures, size):
    """Bilinear, half-pixel centres, no antialiasing: PyTorch's align_corners=False. `[N, C, H, W]`."""
    for axis, length in ((3, size[1]), (2, size[0])):
        position = np.maximum((np.arange(length) + 0.5) * pictures.shape[axis] / length - 0.5, 0)
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, pictures.shape[axis] - 1)
        share = (position - low).astype(np.float32).reshape((-1, 1) if axis == 2 else (-1,))
        pictures = np.take(pictures, low, axis) * (1 - share) + np.take(pictures, high, axis) * share
    return pictures.astype(np.float32)


class Pictures(CalibrationDataReader):
    """Pictures spread evenly over the file, one at a time."""

    def __init__(self, file, side, count, preprocessing):
        pixels = np.fromfile(file, np.uint8).reshape(-1, side, side, 3)
        chosen = pixels[np.linspace(0, len(pixels) - 1, count).astype(int)].transpose(0, 3, 1, 2) / np.float32(255)
        mean, std = (np.array(preprocessing[key], np.float32).reshape(1, 3, 1, 1) for key in ("mean", "std"))
        self.pictures = iter((chosen - mean) / std)
        self.size = preprocessing["size"]

    def get_next(self):
        picture = next(self.pictures, None)
        return None if picture is None else {"input": resize(picture[None], self.size)}


def sensitive(model):
    """Names of the stem and of the depthwise convolutions."""
    convolutions = [node for node in onnx.load(model).graph.node if node.op_type == "Conv"]

    def depthwise(node):
        return any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)

    return [node.name for index, node in enumerate(convolutions) if index == 0 or depthwise(node)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--pictures", type=pathlib.Path)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(options.model).metadata_props}
    with tempfile.TemporaryDirectory() as folder:
        prepared = pathlib.Path(folder) / "prepared.onnx"
        quant_pre_process(options.model, prepared)
        keep = {"op_types_to_quantize": ["Conv", "Gemm", "MatMul"], "nodes_to_exclude": sensitive(prepared)}
        forms = {"": {}, "-keep": keep}
        for suffix, selection in forms.items():
            quantize_dynamic(
                prepared, options.output / f"dynamic{suffix}.onnx", weight_type=QuantType.QUInt8, **selection
            )
            if options.pictures is None:
                continue
            quantize_static(
                prepared,
                options.output / f"static{suffix}.onnx",
                Pictures(options.pictures, options.side, options.images, metadata["preprocessing"]),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                **selection,
            )
    print(json.dumps({"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}))


if __name__ == "__main__":
    main()
