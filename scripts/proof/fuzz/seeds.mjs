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

const pickles = () => [
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
  safetensors: () => headers(),
  pickle: pickles,
  torch: pickles,
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
