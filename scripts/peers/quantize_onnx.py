#!/usr/bin/env python3
"""Makes onnxruntime's own INT8 models with its Python tools, so that `neonsense bench` can measure them.

    npx neonsense export models/household-fp32.safetensors fp32.onnx
    python3 scripts/peers/quantize_onnx.py fp32.onnx household_train.bin OUTPUT_FOLDER [--images 200]
    npx neonsense bench models/household-fp32.safetensors OUTPUT_FOLDER/*.onnx --compare onnxruntime

Writes dynamic.onnx (quantize_dynamic: every Conv and Gemm) and static.onnx (QDQ, per channel, calibrated on pictures
of the raw uint8 [N, 32, 32, 3] file, prepared as the ONNX file's metadata says). Needs onnxruntime, onnx, sympy and numpy.
"""

import argparse
import json
import pathlib
import tempfile

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

SIDE = 32


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
    def __init__(self, file, count, preprocessing):
        pixels = np.fromfile(file, np.uint8).reshape(-1, SIDE, SIDE, 3)
        chosen = pixels[np.linspace(0, len(pixels) - 1, count).astype(int)].transpose(0, 3, 1, 2) / np.float32(255)
        mean, std = (np.array(preprocessing[key], np.float32).reshape(1, 3, 1, 1) for key in ("mean", "std"))
        self.pictures = iter((chosen - mean) / std)
        self.size = preprocessing["size"]

    def get_next(self):
        picture = next(self.pictures, None)
        return None if picture is None else {"input": resize(picture[None], self.size)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("pictures", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(options.model).metadata_props}
    with tempfile.TemporaryDirectory() as folder:
        prepared = pathlib.Path(folder) / "prepared.onnx"
        quant_pre_process(options.model, prepared)
        quantize_dynamic(prepared, options.output / "dynamic.onnx", weight_type=QuantType.QUInt8)
        quantize_static(
            prepared,
            options.output / "static.onnx",
            Pictures(options.pictures, options.images, metadata["preprocessing"]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


if __name__ == "__main__":
    main()
