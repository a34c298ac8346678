#!/usr/bin/env python3
"""ncnn as a peer: its network made from our ONNX export by pnnx, as ncnn's authors have it.

PRECISION is fp32, or fp16: half precision in memory and, where the CPU has it, in arithmetic, which is ncnn's default.
int8 is left out: it takes ncnn2table and ncnn2int8, which no package carries. Needs ncnn and numpy, to make also pnnx.
See trial.py for the commands.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import trial

# The newest pnnx is installed beside Python, whether its folder is on the path or not.
PNNX = Path(sys.executable).with_name("pnnx")


def versions():
    import ncnn

    return {"ncnn": ncnn.__version__}


def make(_, source, target):
    """Writes TARGET, the network's layers, and its weights beside it as .bin, in float32."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        shutil.copy(source, model)
        subprocess.run([PNNX, model, "fp16=0"], check=True, cwd=folder, stdout=sys.stderr, stderr=sys.stderr)
        shutil.copy(model.with_suffix(".ncnn.param"), target)
        shutil.copy(model.with_suffix(".ncnn.bin"), Path(target).with_suffix(".bin"))


def load(precision, file, threads, _):
    import ncnn
    import numpy

    network = ncnn.Net()
    network.opt.num_threads = threads
    network.opt.use_vulkan_compute = False
    half = precision == "fp16"
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = half
    if network.load_param(file) != 0 or network.load_model(str(Path(file).with_suffix(".bin"))) != 0:
        raise ValueError(f"ncnn does not take {file}")

    def run(image):
        extractor = network.create_extractor()
        extractor.input("in0", ncnn.Mat(image[0]))
        return numpy.array(extractor.extract("out0")[1])

    return run


if __name__ == "__main__":
    trial.main(versions, load, make, usage=__doc__)
