"""How goldens are written: JSON that diffs by line, with what made it at the top."""

import datetime
import json
import os
import platform
import sys

import numpy as np
from generator import base64_of

SEED = 20240711


def made_by():
    torch = sys.modules.get("torch")
    libraries = ("torch", "torchvision", "timm", "keras", "jax", "numpy")
    return {
        "command": f"python3 scripts/proof/goldens/{os.path.basename(sys.argv[0])}",
        "date": datetime.date.today().isoformat(),
        "seed": SEED,
        **{name: sys.modules[name].__version__ for name in libraries if name in sys.modules},
        "python": platform.python_version(),
        "machine": platform.machine() if torch is None else f"{platform.machine()}, {cpu_capability(torch)}",
        **({} if torch is None else {"threads": torch.get_num_threads()}),
    }


def cpu_capability(torch):
    for line in torch.__config__.show().splitlines():
        if "CPU capability usage" in line:
            return line.split(":")[1].strip()
    return "unknown"


def floats(array):
    """A float32 tensor in JSON."""
    array = np.asarray(array)
    return {"shape": list(array.shape), "float32": base64_of(array, "<f4")}


def render(value, depth):
    """JSON with a line per entry in the outer `depth` levels and in every list of objects, compact elsewhere."""
    if isinstance(value, dict) and depth > 0:
        body = [f"{json.dumps(key)}: {render(item, depth - 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(body) + "\n}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(render(item, depth - 1) for item in value) + "\n]"
    return json.dumps(value)


def write(folder, name, content):
    path = os.path.join(folder, name)
    text = render({"madeBy": made_by(), **content}, 3) + "\n"
    if len(text) >= 300_000:
        raise SystemExit(f"{name} would be {len(text)} bytes: a golden file stays below 300,000")
    with open(path + ".part", "w") as file:
        file.write(text)
    os.replace(path + ".part", path)
    print(f"{name}: {len(text):,} bytes", flush=True)
