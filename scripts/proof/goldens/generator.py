"""Random tensors that Python and TypeScript make bit for bit alike (the other half is test/golden/randomNetwork.ts).

Only integer arithmetic modulo 2^32 and single float32 operations are used, whose results IEEE 754 fixes:
value = offset + scale * (u / 2^24 - 0.5) with u the upper 24 bits of mulberry32. The stream of a tensor depends on the
seed and the tensor's name alone, so tensors can be made in any order.
"""

import base64
import hashlib

import numpy as np


def stream_seed(text):
    """FNV-1a, 32 bits, of the UTF-8 bytes of `text`."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def mulberry32(seed, count):
    """The first `count` outputs of mulberry32 as uint32, all at once: its state only ever grows by a constant."""
    state = np.uint32(seed) + np.arange(1, count + 1, dtype=np.uint32) * np.uint32(0x6D2B79F5)
    t = (state ^ (state >> np.uint32(15))) * (state | np.uint32(1))
    t ^= t + (t ^ (t >> np.uint32(7))) * (t | np.uint32(61))
    return t ^ (t >> np.uint32(14))


def uniform(seed_text, count, scale, offset=0.0):
    """float32 `[count]` in offset +- scale / 2. Every step rounds to float32 once."""
    bits = mulberry32(stream_seed(seed_text), count) >> np.uint32(8)
    centred = (bits.astype(np.int32) - np.int32(1 << 23)).astype(np.float32) * np.float32(2.0**-24)
    return centred * np.float32(scale) + np.float32(offset)


def decode(codes, unit):
    """float32 of small integers times a float32 unit: one rounding."""
    return codes.astype(np.float32) * np.float32(unit)


def image(seed, index, size, levels):
    """float32 `[H, W, 3]`: a sum of random mosaics, coarse to fine, so that pictures differ beyond noise."""
    height, width = size
    total = np.zeros((height, width, 3), np.float32)
    for level in levels:
        cell = level["cell"]
        rows, columns = height // cell, width // cell
        mosaic = uniform(f"{seed}/image/{index}/{cell}", rows * columns * 3, level["scale"])
        mosaic = mosaic.reshape(rows, columns, 3)
        total = total + mosaic.repeat(cell, axis=0).repeat(cell, axis=1)
    return total


def fingerprint(named_arrays):
    """SHA-256 over the float32 little-endian bytes of all tensors, in the order given."""
    digest = hashlib.sha256()
    for _, array in named_arrays:
        digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
    return digest.hexdigest()


def base64_of(array, dtype):
    return base64.b64encode(np.ascontiguousarray(array).astype(dtype).tobytes()).decode()
