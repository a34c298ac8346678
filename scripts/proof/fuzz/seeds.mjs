// What the fuzzer starts from: small real files, and pieces of larger ones.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { Budget, packageRoot, readZip } from '../../../dist/internal.cjs';

const models = join(packageRoot, 'models');
const shared = join(process.env.NEONSENSE_SHARED ?? join(packageRoot, '../shared'), 'cases');

const headers = () =>
  readdirSync(models)
    .filter((name) => name.endsWith('.safetensors'))
    .map((name) => readFileSync(join(models, name)))
    .map((bytes) => bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())));

/** Checkpoints of the field, where the shared folder is. */
function checkpoints() {
  const folder = join(shared, 'checkpoints');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /\.(pth|pt|ckpt)$/.test(name))
    .map((name) => readFileSync(join(folder, name)));
}

/** A state_dict of one tensor, `[2, 2]` or whatever storage 2 has, as torch.save pickles it. */
const stateDict = (shape, storage) =>
  Buffer.from(
    '\x80\x02ccollections\nOrderedDict\n)Rq\x00(X\x08\x00\x00\x00a.weightctorch._utils\n_rebuild_tensor_v2\n' +
      `((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00${storage}X\x03\x00\x00\x00cpuK\x02tQ` +
      `K\x00${shape}K\x01\x85\x89ccollections\nOrderedDict\n)RtRu.`,
    'latin1',
  );

/** An array as numpy.save writes it. */
function npy(descr, shape, bytes, version = 1) {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }\n`;
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from([0x93, ...Buffer.from('NUMPY'), version, 0]), length, Buffer.from(text), bytes]);
}

/** Headers of few tensors: ours, a state_dict's. */
const smallHeaders = () =>
  [
    { 'features.0.0.weight': { dtype: 'F32', shape: [1, 1], data_offsets: [0, 4] }, __metadata__: { format: 'pt' } },
    { a: { dtype: 'F16', shape: [0, 3], data_offsets: [0, 0] }, b: { dtype: 'I64', shape: [], data_offsets: [0, 8] } },
    { __metadata__: { format: 'neonsense', version: '1', 'model.labels': '["a"]', 'model.precision': '"fp32"' } },
  ].map((header) => Buffer.concat([Buffer.from(JSON.stringify(header)), Buffer.alloc(9)]));

const pickles = () => [
  stateDict('K\x02\x85', '1'),
  stateDict('K\x01K\x02\x86', '2'),
  Buffer.from('\x80\x02}q\x00X\x01\x00\x00\x00aq\x01K\x01s.', 'latin1'),
  Buffer.from('\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01.', 'latin1'),
  ...checkpoints().flatMap((bytes) =>
    [...readZip(bytes, new Budget())].filter(([name]) => name.endsWith('/data.pkl')).map(([, entry]) => entry.read()),
  ),
];
const json = (kind, value) => Buffer.concat([Buffer.of(kind), Buffer.from(JSON.stringify(value))]);

/** Seeds by target, made when asked for. */
export const seeds = {
  model: () => [...checkpoints().slice(0, 1), zipSync({ 'archive/data.pkl': pickles()[0] }), Buffer.alloc(16)],
  safetensors: smallHeaders,
  pickle: pickles,
  torch: pickles,
  npz: () => [
    npy('<f4', '2, 1, ', Buffer.alloc(8)),
    npy('<f2', '1, 1, 3, 16', Buffer.alloc(96), 2),
    npy('<i8', '', Buffer.alloc(8), 3),
  ],
  zip: () => [0, 6].map((level) => zipSync({ a: Buffer.from('one'), 'b/c': Buffer.alloc(300, 'x') }, { level })),
  picture: () => [
    readFileSync(join(packageRoot, 'examples/clock.png')).subarray(0, 512),
    Buffer.from('\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xda\0\x08\x01\x01\0\0?\0\x37', 'latin1'),
    Buffer.from(
      'II*\0\x08\0\0\0\x02\0\x06\x01\x03\0\x01\0\0\0\x02\0\0\0\x53\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0',
      'latin1',
    ),
    Buffer.from('\0\0\0\x1cftypavif\0\0\0\0mif1avif', 'latin1'),
  ],
  dataset: () => [
    Buffer.concat([Buffer.of(1), Buffer.alloc(12, '\0\x01\x02'), Buffer.alloc(12 * 12)]),
    Buffer.concat([Buffer.of(0), Buffer.alloc(3074)]),
  ],
  remembered: () => headers().map((header) => Buffer.concat([lengthOf(header), header])),
  documents: () => [
    json(0, JSON.parse(readFileSync(join(models, 'manifest.json'), 'utf8'))),
    json(1, { reduce: [32, 32], size: [224, 224], mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
    json(2, { input: { scale: 0.02, zeroPoint: -9 }, 'features.0.0': { scale: 0.08, zeroPoint: -91 } }),
  ],
  cache: () => [Buffer.from(JSON.stringify({ format: 1, entries: [{ key: 'k', ms: { a: 1.5 } }] }))],
};

function lengthOf(header) {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return length;
}
