"""Forward passes of what is not trained, through ONNX Runtime: several times as fast as PyTorch on a CPU."""

import io

import numpy as np
import torch


class _Method(torch.nn.Module):
    def __init__(self, module: torch.nn.Module, method: str):
        super().__init__()
        self.module, self.method = module, method

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return getattr(self.module, self.method)(values)


class Frozen:
    """A method of a module with the weights it has now: float32 [N, C, H, W], any N, H and W, to whatever it gives."""

    def __init__(self, module: torch.nn.Module, method: str, shape: tuple[int, ...], threads: int = 1):
        # Only training needs it: what tests the parts of training does without.
        import onnxruntime

        file = io.BytesIO()
        torch.onnx.export(
            _Method(module, method),
            torch.zeros(1, *shape),
            file,
            dynamo=False,
            input_names=["in"],
            output_names=["out"],
            dynamic_axes={"in": {0: "n", 2: "h", 3: "w"}, "out": {0: "n"}},
            opset_version=17,
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"in": np.ascontiguousarray(values, np.float32)})[0]
