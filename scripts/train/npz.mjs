// Arrays of a .npz file as numpy.savez writes it: a ZIP of stored .npy files, here of little-endian float32 only.

const END = 0x06054b50;
const ENTRY = 0x02014b50;

/**
 * @param {Buffer} bytes
 * @returns {Map<string, { shape: number[], data: Float32Array }>}
 */
export function readNpz(bytes) {
  const end = bytes.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (end < 0 || bytes.readUInt32LE(end) !== END) throw new Error('it is no .npz file');
  const arrays = new Map();
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    if (bytes.readUInt32LE(at) !== ENTRY) throw new Error('its list of arrays is damaged');
    if (bytes.readUInt16LE(at + 10) !== 0) throw new Error('its arrays are compressed; numpy.savez stores them');
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => bytes.readUInt16LE(at + offset));
    const name = bytes.toString('utf8', at + 46, at + 46 + nameLength).replace(/\.npy$/, '');
    const local = bytes.readUInt32LE(at + 42);
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    arrays.set(name, readNpy(name, bytes.subarray(start, start + bytes.readUInt32LE(at + 24))));
    at += 46 + nameLength + extraLength + commentLength;
  }
  return arrays;
}

function readNpy(name, bytes) {
  const wide = bytes[6] > 1;
  const start = (wide ? 12 : 10) + (wide ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8));
  const header = bytes.toString('latin1', wide ? 12 : 10, start);
  if (!/'descr': '<f4'/.test(header) || !/'fortran_order': False/.test(header)) {
    throw new Error(`${name} is no float32 array in C order: ${header.trim()}`);
  }
  const shape = /'shape': \(([^)]*)\)/
    .exec(header)[1]
    .split(',')
    .filter((size) => size.trim())
    .map(Number);
  const count = shape.reduce((a, b) => a * b, 1);
  const data = new Float32Array(count);
  new Uint8Array(data.buffer).set(bytes.subarray(start, start + 4 * count));
  return { shape, data };
}
