// Bundled by arm64.test.ts and run in arm64 Node: the golden checks against the cross-built addon. Prints one JSON
// object.
//
//   node golden-run.mjs GOLDEN_DIR SHARED_DIR|- EVERY

import * as lib from '../../lib/index.js';
import { loadBinding } from '../../lib/runtime/load/load.js';
import { checkCheckpoint, checkRandomNetwork } from '../golden/checks.js';
import { classifyAll, depthwiseKernelsOf, operatorsOfMostlyZero } from './variants.js';

const [goldenDir = '', sharedDir = '-', every = '1'] = process.argv.slice(2);
const results: Record<string, unknown> = {};
for (const name of ['random-small-10', 'random-small-37', 'random-small-half-21']) {
  results[name] = await checkRandomNetwork(lib, { goldenDir, name, threads: 1 });
}
if (sharedDir !== '-') {
  for (const name of ['udacisense-fp32', 'household-first']) {
    results[name] = await checkCheckpoint(lib, { goldenDir, sharedDir, name, threads: 1, every: Number(every) });
  }
}
const cpu = loadBinding().cpu();
const fp16 = cpu.features.includes('fp16');
console.log(
  JSON.stringify({
    arch: process.arch,
    cpu,
    results,
    variants: await classifyAll(),
    inHalfPrecision: fp16 ? await classifyAll(true) : {},
    sparseOperators: await operatorsOfMostlyZero(),
    depthwiseKernels: await depthwiseKernelsOf('household-fp32.safetensors', fp16),
  }),
);
