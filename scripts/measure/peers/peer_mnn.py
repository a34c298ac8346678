#!/usr/bin/env python3
"""MNN as a peer: its network made from our ONNX export by its own converter.

PRECISION is fp32; fp16, half precision in arithmetic where the CPU has it (MNN's precision "low"); or int8-dynamic:
weights of eight bits, values made eight bits at run time (MNN's memory "low"). Needs MNN and numpy.
See trial.py for the commands.
"""

import subprocess
import sys
from pathlib import Path

import trial

CONVERTER = Path(sys.executable).with_name("mnnconvert")


def versions():
    import MNN

    return {"MNN": MNN.version()}


def make(precision, source, target):
    quantize = ["--weightQuantBits", "8"] if precision == "int8-dynamic" else []
    command = [
        CONVERTER,
        "-f",
        "ONNX",
        "--modelFile",
        source,
        "--MNNModel",
        target,
        "--bizCode",
        "neonsense",
        *quantize,
    ]
    subprocess.run(command, check=True, stdout=sys.stderr, stderr=sys.stderr)


def load(precision, file, threads, image):
    import MNN
    import numpy

    interpreter = MNN.Interpreter(file)
    session = interpreter.createSession(
        {
            "backend": "CPU",
            "numThread": threads,
            "precision": "low" if precision == "fp16" else "high",
            "memory": "low" if precision == "int8-dynamic" else "normal",
        }
    )
    taken = interpreter.getSessionInput(session)
    given = interpreter.getSessionOutput(session)

    def tensor(values):
        return MNN.Tensor(values.shape, MNN.Halide_Type_Float, values, MNN.Tensor_DimensionType_Caffe)

    source = tensor(image)
    target = tensor(numpy.zeros(given.getShape(), numpy.float32))

    def run(_):
        taken.copyFrom(source)
        interpreter.runSession(session)
        given.copyToHostTensor(target)
        return numpy.array(target.getNumpyData())

    return run


if __name__ == "__main__":
    trial.main(versions, load, make, usage=__doc__)
