"""Proves that Triton's own HTTP client works with `neonsense serve`: health, metadata, inference in binary and as JSON.

python3 scripts/proof/triton_client.py     (needs a built dist/, and tritonclient[http] of PyPI)
"""

import re
import subprocess
from pathlib import Path

import numpy
import tritonclient.http as triton

ROOT = Path(__file__).parents[2]
MODEL = "household-int8-dynamic"


def check(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL)
    metadata = client.get_model_metadata(MODEL)
    shape = [1, *metadata["inputs"][0]["shape"][1:]]
    image = numpy.sin(numpy.arange(numpy.prod(shape), dtype=numpy.float32) / 50).reshape(shape)
    answers = []
    for binary in (True, False):
        tensor = triton.InferInput("input", shape, "FP32")
        tensor.set_data_from_numpy(image, binary_data=binary)
        wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("logits", "probabilities")]
        answers.append(client.infer(MODEL, [tensor], outputs=wanted, request_id="proof"))
    logits, probabilities = (answers[0].as_numpy(name) for name in ("logits", "probabilities"))
    assert logits.shape == probabilities.shape == (1, metadata["outputs"][0]["shape"][1])
    assert numpy.array_equal(logits, answers[1].as_numpy("logits"))
    assert abs(probabilities.sum() - 1) < 1e-5
    assert answers[0].get_response()["id"] == "proof"
    try:
        client.get_model_metadata("none")
        raise AssertionError("a model that is not served was described")
    except triton.InferenceServerException as error:
        assert "none" in str(error)


def main() -> None:
    command = ["node", "dist/cli/main.js", "serve", "--port", "0", "--model", f"models/{MODEL}.safetensors"]
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        line = server.stderr.readline()
        address = re.search(r"http://(\S+)", line)
        assert address, f"the server did not start: {line}"
        check(triton.InferenceServerClient(address[1]))
    finally:
        server.terminate()
        assert server.wait(timeout=30) == 0, "the server did not end by itself"
    print("tritonclient agrees with neonsense serve")


if __name__ == "__main__":
    main()
