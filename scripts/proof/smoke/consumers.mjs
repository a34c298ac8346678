// Programs of users: each loads the package, labels raw pixels, checks what an application relies on, and prints the
// label.

const checks = `
  const pixels = { data: new Uint8Array(readFileSync('clock.rgb')), width: 480, height: 480, channels: 3 AS_CONST };
  const classifier = await Classifier.load();
  const { predictions } = await classifier.classify(pixels, { topK: 1 });
  const refusal = await Classifier.load('not-there.safetensors').catch((error: unknown) => error);
  if (!(refusal instanceof NeonsenseError) || refusal.code !== 'ERR_NOT_FOUND') throw new Error('no NeonsenseError');
  const wrong = await compress(classifier.model as never, { stages: [] }).catch((error: unknown) => error);
  if (!(wrong instanceof NeonsenseError)) throw new Error('neonsense/compress throws a NeonsenseError of its own');
  await classifier.dispose();
  console.log('label ' + predictions[0]?.label);
`;

const asTypeScript = checks.replace('AS_CONST', 'as const');
const asJavaScript = checks.replace(' AS_CONST', '').replaceAll('(error: unknown)', '(error)').replace(' as never', '');

const imports = `import { readFileSync } from 'node:fs';
import { Classifier, NeonsenseError } from 'neonsense';
import { compress } from 'neonsense/compress';
`;
const typeImports = `import type { Classification, ImageInput, Model, Prediction } from 'neonsense';
import type { CompressResult } from 'neonsense/compress';
import type { Evaluation } from 'neonsense/evaluate';
import type { LearnOptions } from 'neonsense/learn';
import type { ServerOptions } from 'neonsense/serve';
export type Used = [Classification, ImageInput, Model, Prediction, CompressResult, Evaluation, LearnOptions, ServerOptions];
`;

/** Source files by name. Each of the `.mjs` and `.cjs` ones is a program. */
export const consumers = {
  // Both ways into the package in one process are one package: the same classes, the addon loaded once.
  'esm.mjs': `${imports}import { createRequire } from 'node:module';
const required = createRequire(import.meta.url)('neonsense');
if (required.NeonsenseError !== NeonsenseError) throw new Error('two copies are loaded');
${asJavaScript}`,
  'cjs.cjs': `const { readFileSync } = require('node:fs');
const { Classifier, NeonsenseError } = require('neonsense');
const { compress } = require('neonsense/compress');
async function main() {${asJavaScript}}
main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
`,
  // Without sharp a picture file can't be decoded, and the message says what to do about it.
  'no-sharp.mjs': `import { Classifier } from 'neonsense';
const classifier = await Classifier.load();
const refusal = await classifier.classify('clock.png').catch((error) => error);
if (refusal.code !== 'ERR_UNSUPPORTED' || !refusal.message.includes('npm install sharp')) throw refusal;
await classifier.dispose();
console.log('label clock');
`,
  'typed-esm.mts': `${imports}${typeImports}${asTypeScript}`,
  'typed-cjs.cts': `${imports}${typeImports}async function main(): Promise<void> {${asTypeScript}}
void main();
`,
  'typed-bundler.ts': `${imports}${typeImports}export async function main(): Promise<void> {${asTypeScript}}
`,
};

/** tsc's arguments for each kind of TypeScript consumer; `emits` is the program it makes, if it is to be run. */
export const typeChecks = [
  { name: 'TypeScript node16, ESM', file: 'typed-esm.mts', module: 'node16', emits: 'typed-esm.mjs' },
  { name: 'TypeScript node16, CommonJS', file: 'typed-cjs.cts', module: 'node16', emits: 'typed-cjs.cjs' },
  { name: 'TypeScript nodenext, ESM', file: 'typed-esm.mts', module: 'nodenext' },
  { name: 'TypeScript nodenext, CommonJS', file: 'typed-cjs.cts', module: 'nodenext' },
  // Knows no `exports`: package.json's typesVersions lead it to the types.
  { name: 'TypeScript node10', file: 'typed-bundler.ts', module: 'commonjs', resolution: 'node10' },
  { name: 'TypeScript bundler', file: 'typed-bundler.ts', module: 'esnext', resolution: 'bundler' },
];
