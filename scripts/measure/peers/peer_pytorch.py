#!/usr/bin/env python3
"""PyTorch as a peer: the network of our float32 .safetensors file, its batch norms folded.

PRECISION is eager, torchscript (traced and frozen) or compiled (torch.compile, which takes a C++ compiler).
Needs torch and numpy. See trial.py for the commands.
"""

import folded_network
import trial


def versions():
    import torch

    return {"torch": torch.__version__}


def network(file):
    """A module from image `[N, 3, H, W]` to logits."""
    import torch
    from torch.nn import functional

    arrays, metadata = folded_network.read_model(file)
    architecture = metadata["architecture"]
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    activations = {
        "relu": functional.relu,
        "hard-swish": functional.hardswish,
        "hard-sigmoid": functional.hardsigmoid,
        None: lambda values: values,
    }

    class Operations:
        add = staticmethod(torch.add)
        multiply = staticmethod(torch.mul)

        @staticmethod
        def mean(values):
            return values.mean((2, 3), keepdim=True)

        @staticmethod
        def linear(values, weight, bias):
            return functional.linear(values.flatten(1), weight, bias)

        @staticmethod
        def convolution(values, weight, bias, stride, depthwise, activation):
            side = weight.shape[-1]
            padding = side // 2
            if stride == 2 and architecture["padding"] == "same":
                # TF's "same" for an even number of pixels: one more behind than before.
                values = functional.pad(values, (padding - 1, padding, padding - 1, padding))
                padding = 0
            groups = len(weight) if depthwise else 1
            return activations[activation](functional.conv2d(values, weight, bias, stride, padding, groups=groups))

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, tensor in tensors.items():
                self.register_buffer(name.replace(".", "_"), tensor)

        def forward(self, image):
            own = {name: getattr(self, name.replace(".", "_")) for name in tensors}
            return folded_network.logits_of(image, own, architecture, Operations)

    return Network().eval()


def load(precision, file, threads, image):
    import torch

    torch.set_num_threads(threads)
    model = network(file).to(memory_format=torch.channels_last)
    example = torch.from_numpy(image).to(memory_format=torch.channels_last)
    if precision == "torchscript":
        # Not optimize_for_inference: in torch 1.13 on x86-64 it changes this network's logits by 7 % of their range.
        model = torch.jit.freeze(torch.jit.trace(model, example))
    if precision == "compiled":
        model = torch.compile(model)

    def run(_):
        with torch.inference_mode():
            return model(example).numpy()

    return run


if __name__ == "__main__":
    trial.main(versions, load, usage=__doc__)
