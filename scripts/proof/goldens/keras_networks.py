"""Writes test/golden/keras-*.json: Keras' own networks with seeded random weights, and their logits.

Needs keras with the jax backend, no torch. Weights are named by their paths, as a user would save them:
numpy.savez(file, **{weight.path: weight.numpy() for weight in model.weights}).
"""

import argparse
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
from generator import base64_of, decode, fingerprint, image, uniform
from record import SEED, floats, write

ROOT = Path(__file__).resolve().parents[3]
SIZE = (224, 224)
LEVELS = [{"cell": 224, "scale": 0.25}, {"cell": 56, "scale": 1.0}, {"cell": 16, "scale": 0.5}]
CALIBRATION = range(1000, 1012)
IMAGES = [0, 1, 2]


class KerasNetwork:
    def __init__(self, model, seed):
        self.model, self.seed, self.recipes = model, seed, {}
        for layer in model.layers:
            self._fill_layer(layer)
        self._calibrate()

    def inputs(self, indices):
        return np.stack([image(self.seed, index, SIZE, LEVELS) for index in indices])

    def golden(self):
        arrays = [(weight.path, np.asarray(weight)) for weight in self.model.weights]
        return {
            "seed": self.seed,
            "inputSize": list(SIZE),
            "levels": LEVELS,
            "sha256": fingerprint(arrays),
            "inputSha256": fingerprint([("", image(self.seed, 0, SIZE, LEVELS))]),
            "tensors": [{"name": name, "shape": list(array.shape), **self.recipes[name]} for name, array in arrays],
        }

    def _fill_layer(self, layer):
        if isinstance(layer, keras.layers.BatchNormalization):
            self._fill(layer.gamma, 1.0, 1.0)
            self._fill(layer.beta, 1.0, 0.0)
            return
        if not layer.weights:
            return
        kernel = layer.weights[0]
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        fan_in = np.prod(kernel.shape[:2] if depthwise else kernel.shape[:-1])
        gains = {
            "excite_conv": (1.5, 1.0),
            "excite_conv_1": (2.0, 4.0),
            "conv_2": (2.0, 1.0),
            "logits": (4.0, 2.0),
            "dense": (4.0, 2.0),
        }
        gain, bias = next((value for name, value in gains.items() if layer.name.endswith(name)), (0.5, None))
        if layer.name in ("conv", "conv_1"):
            gain, bias = 0.5, None
        self._fill(kernel, gain * (12 / fan_in) ** 0.5, 0.0)
        if bias is not None:
            self._fill(layer.weights[1], bias, 0.0)

    def _calibrate(self):
        """One pass over the calibration pictures; a batch norm's statistics are settled before its output is computed."""

        def settled(operation):
            def run(*args, **kwargs):
                if isinstance(operation, keras.layers.BatchNormalization):
                    self._settle(operation, np.asarray(args[0]))
                return operation(*args, **kwargs)

            return run

        # Activations and sums are operations between the layers; this walks them all in order.
        self.model._run_through_graph(keras.ops.convert_to_tensor(self.inputs(CALIBRATION)), operation_fn=settled)

    def _settle(self, layer, values):
        channels = values.astype(np.float64).reshape(-1, values.shape[-1])
        self._fill_codes(layer.moving_mean, channels.mean(0), np.int8)
        self._fill_codes(layer.moving_variance, channels.var(0), np.uint8)

    def _fill(self, weight, scale, offset):
        scale, offset = float(np.float32(scale)), float(np.float32(offset))
        values = uniform(f"{self.seed}/{weight.path}", int(np.prod(weight.shape)), scale, offset)
        self._store(weight, values, {"scale": scale, "offset": offset})

    def _fill_codes(self, weight, values, dtype):
        largest = 127 if dtype == np.int8 else 255
        unit = np.float32(np.abs(values).max() / largest)
        codes = np.rint(values / unit).clip(-largest if dtype == np.int8 else 1, largest).astype(dtype)
        recipe = {"unit": float(unit), "codeType": dtype.__name__, "codes": base64_of(codes, dtype)}
        self._store(weight, decode(codes, unit), recipe)

    def _store(self, weight, values, recipe):
        weight.assign(values.reshape(weight.shape))
        self.recipes[weight.path] = recipe


def networks():
    """Name, network and what it gives: logits of a whole one, features of one without its top."""
    options = {"weights": None, "input_shape": (*SIZE, 3), "include_preprocessing": False}
    top = {**options, "classifier_activation": None, "dropout_rate": 0}
    yield "small", keras.applications.MobileNetV3Small(classes=5, **top)
    base = keras.applications.MobileNetV3Small(include_top=False, pooling="avg", **options)
    yield "small-notop", base
    keras.backend.clear_session()
    base = keras.applications.MobileNetV3Small(alpha=0.75, include_top=False, pooling="avg", **options)
    yield "small-dense", keras.Model(base.inputs, keras.layers.Dense(3, name="dense")(base.outputs[0]))
    keras.backend.clear_session()
    yield "large", keras.applications.MobileNetV3Large(alpha=0.75, classes=4, **top)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=str(ROOT / "test" / "golden"))
    parser.add_argument("--only", nargs="+", choices=["small", "small-notop", "small-dense", "large"])
    options = parser.parse_args()
    for name, model in networks():
        if options.only and name not in options.only:
            continue
        network = KerasNetwork(model, f"{SEED}/keras-{name}")
        outputs = model.predict(network.inputs(IMAGES), verbose=0)
        write(
            options.out,
            f"keras-{name}.json",
            {
                "network": network.golden(),
                "images": IMAGES,
                "range": float(outputs.max() - outputs.min()),
                "logits": floats(outputs.reshape(len(IMAGES), -1)),
            },
        )


if __name__ == "__main__":
    main()
