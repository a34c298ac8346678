import { basename } from 'node:path';
import * as z from 'zod/mini';
import { NeonsenseError } from '../errors.js';
import { check } from '../schema/check.js';
import { integer, list, numberThat, share, text } from '../schema/types.js';
import type { Manifest } from './manifest.js';

const isFileName = (name: string): boolean => name !== '' && basename(name) === name && !name.includes('\\');
const fileName = z.string().check(z.refine(isFileName, { error: "a file's name without a folder" }));
const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/, { error: '64 hexadecimal digits' }));

const schema = z.strictObject({
  format: z.literal(1),
  variants: list(
    z.strictObject({
      name: text('a name'),
      file: fileName,
      precision: z.enum(['fp32', 'fp16', 'int8-dynamic', 'int8-static']),
      sparse: z._default(z.boolean(), false),
      bytes: integer(1),
      sha256,
      top1: share(),
      top5: share(),
    }),
  ),
  rules: list(
    z.strictObject({
      variant: z.string(),
      anyFeature: z.optional(list(text('the name of a CPU feature'))),
      availableMemoryBelow: z.optional(integer(1)),
      because: text('a reason'),
    }),
  ),
  measure: z.strictObject({ maxTop1Loss: share(), tolerance: share() }),
  selfTest: list(z.strictObject({ variant: z.string(), logits: list(numberThat('a finite number', Number.isFinite)) })),
});

/**
 * Checks a parsed manifest: each part, and that the parts fit together. Unknown keys are refused, so that a misspelt
 * condition does not make a rule hold always.
 *
 * @param file it was read from, for messages
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` naming the place, what was expected and what was found
 */
export function checkManifest(value: unknown, file?: string): Manifest {
  const subject = { name: '', code: 'ERR_MODEL_FORMAT', ...(file !== undefined && { file }) } as const;
  const { format: _, ...manifest } = check(schema, value, subject);
  const { variants, rules, selfTest } = manifest;
  const names = variants.map(({ name }) => name);
  const refuse = (problem: string): never => {
    throw new NeonsenseError('ERR_MODEL_FORMAT', file === undefined ? problem : `${file}: ${problem}`);
  };
  if (new Set(names).size !== names.length) refuse('two variants have the same name');
  const known = (name: string, place: string) =>
    variants.find((each) => each.name === name) ??
    refuse(`Expected one of ${names.join(', ')} for \`${place}.variant\` but received '${name}'`);
  rules.forEach(({ variant }, i) => {
    if (known(variant, `rules[${i}]`).sparse) {
      refuse(`a rule names ${variant}, but sparse variants are for measurements and by name only`);
    }
  });
  const last = rules.at(-1)!;
  if (last.anyFeature !== undefined || last.availableMemoryBelow !== undefined) {
    refuse('the last rule has a condition: some machine would be left without a model');
  }
  selfTest.forEach(({ variant }, i) => {
    const { precision } = known(variant, `selfTest[${i}]`);
    if (precision !== 'fp32' && precision !== 'fp16') {
      refuse(
        `Expected a float variant for \`selfTest[${i}].variant\` but received '${variant}', which is ${precision}`,
      );
    }
  });
  return manifest as Manifest;
}
