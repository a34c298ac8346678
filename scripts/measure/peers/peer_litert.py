#!/usr/bin/env python3
"""LiteRT, TensorFlow Lite's successor, as a peer: our float32 .safetensors file built in Keras and converted.

PRECISION is fp32 or int8-dynamic: weights of eight bits, values made eight bits at run time. Needs ai-edge-litert and
numpy, to make also tensorflow-cpu. See trial.py for the commands.
"""

import folded_network
import trial


def versions():
    from importlib.metadata import version

    return {"ai-edge-litert": version("ai-edge-litert")}


def make(precision, source, target):
    import tensorflow as tf

    arrays, metadata = folded_network.read_model(source)
    architecture = metadata["architecture"]
    if architecture["padding"] != "same":
        raise ValueError(f"expected TensorFlow's padding but {source} has {architecture['padding']}")

    def hard_sigmoid(values):
        return tf.nn.relu6(values + 3.0) * (1.0 / 6.0)

    activations = {
        "relu": tf.nn.relu,
        "hard-swish": lambda values: values * hard_sigmoid(values),
        "hard-sigmoid": hard_sigmoid,
        None: tf.identity,
    }

    class Operations:
        add = staticmethod(tf.add)
        multiply = staticmethod(tf.multiply)

        @staticmethod
        def mean(values):
            return tf.reduce_mean(values, (1, 2), keepdims=True)

        @staticmethod
        def linear(values, weight, bias):
            return tf.matmul(tf.reshape(values, (1, weight.shape[1])), tf.constant(weight.T)) + tf.constant(bias)

        @staticmethod
        def convolution(values, weight, bias, stride, depthwise, activation):
            strides = (1, stride, stride, 1)
            if depthwise:
                values = tf.nn.depthwise_conv2d(values, tf.constant(weight.transpose(2, 3, 0, 1)), strides, "SAME")
            else:
                values = tf.nn.conv2d(values, tf.constant(weight.transpose(2, 3, 1, 0)), strides, "SAME")
            return activations[activation](values + tf.constant(bias))

    height, width = metadata["preprocessing"]["size"]

    @tf.function(input_signature=[tf.TensorSpec((1, height, width, 3), tf.float32)])
    def network(image):
        return folded_network.logits_of(image, arrays, architecture, Operations)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    if precision == "int8-dynamic":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    with open(target, "wb") as stream:
        stream.write(converter.convert())


def load(_, file, threads, image):
    import numpy
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(file, num_threads=threads)
    interpreter.allocate_tensors()
    [taken] = interpreter.get_input_details()
    [given] = interpreter.get_output_details()
    pixels = numpy.ascontiguousarray(image.transpose(0, 2, 3, 1))

    def run(_):
        interpreter.set_tensor(taken["index"], pixels)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return run


if __name__ == "__main__":
    trial.main(versions, load, make, usage=__doc__)
