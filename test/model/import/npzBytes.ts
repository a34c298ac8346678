import { zipSync } from 'fflate';

/** An array as `numpy.save` writes it, float32 unless said otherwise. */
export function npyBytes(
  shape: readonly number[],
  data: ArrayBufferView,
  { descr = '<f4', fortran = false } = {},
): Uint8Array {
  const sides = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${sides}), }`;
  const header = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const start = Buffer.alloc(10);
  start.write('\x93NUMPY\x01\x00', 'latin1');
  start.writeUInt16LE(header.length, 8);
  return Buffer.concat([start, Buffer.from(header), Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}

/** What `numpy.savez` (or, with a `level`, `numpy.savez_compressed`) writes; by fflate, independent of the reader. */
export function npzBytes(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>,
  { level = 0 as 0 | 6 } = {},
): Uint8Array {
  const files = [...tensors].map(([name, { shape, data }]) => [`${name}.npy`, npyBytes(shape, data)] as const);
  return zipSync(Object.fromEntries(files), { level });
}
