import { existsSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { invalidArgument, NeonsenseError } from '../errors.js';
import type { Model } from '../model/model.js';
import type { Binding } from '../runtime/binding.js';
import { mebibytes } from '../text/units.js';
import type { Manifest, Variant } from './manifest.js';

/** Which of several models runs, and why. */
export interface VariantChoice {
  /** A shipped variant's name; for a model of your own, the precision it runs in. */
  readonly variant: string;
  /** One sentence without a full stop. */
  readonly reason: string;
  /** Median milliseconds of one picture by candidate, where they were measured. */
  readonly ms?: Readonly<Record<string, number>>;
  /** Present where what the model has in float is computed in half precision. */
  readonly fp16?: true;
}

/** What of a machine the rules look at. */
export interface Device {
  /** As `Cpu.features` names them. */
  readonly features: readonly string[];
  /** Bytes this process may still use. */
  readonly availableMemory: number;
}

/**
 * CPU features with which an int8 multiply-accumulate does four times the work of a float one: dot products of ARM
 * (`dotprod`, `i8mm`) and x86 (`avxvnni`, `avx512vnni`). On a CPU without them an INT8 inference takes as many
 * instructions as FP32 (counted on Cortex-A72, docs/benchmarks.md).
 */
export const INT8_DOT_PRODUCTS: readonly string[] = ['i8mm', 'dotprod', 'avx512vnni', 'avxvnni'];

/**
 * Whether the CPU computes in half precision. Every model then takes a quarter to two fifths fewer instructions (counted
 * on Cortex-A76, docs/benchmarks.md).
 */
export function hasHalfPrecision({ features }: Pick<Device, 'features'>): boolean {
  return features.includes('fp16');
}

/** The engine has no half precision beside unsigned bytes. */
function takesHalfPrecision({ quantization }: Pick<Model, 'quantization'>): boolean {
  return quantization?.mode !== 'static' || quantization.activations !== 'qu8';
}

/** The choice, with float parts in half precision if the CPU has it. */
export function withHalfPrecision(choice: VariantChoice, device: Pick<Device, 'features'>): VariantChoice {
  if (!hasHalfPrecision(device)) return choice;
  return { ...choice, reason: `${choice.reason}; it has fp16: float parts run in half precision`, fp16: true };
}

/** This machine, as the rules see it; without features where the CPU can't be identified. */
export function thisDevice(binding: Pick<Binding, 'cpu'>): Device {
  let features: readonly string[] = [];
  try {
    features = binding.cpu().features;
  } catch {
    // Without /proc and /sys, for example. The rules then choose what runs well everywhere.
  }
  // availableMemory, which knows of control groups, came with Node 20.13.
  const { availableMemory } = process as { availableMemory?: () => number };
  return { features, availableMemory: availableMemory?.call(process) ?? freemem() };
}

/**
 * Chooses a variant by the manifest's rules: the first rule that holds and whose variant is there decides.
 *
 * @param present variants that may be chosen
 * @throws {NeonsenseError} `ERR_NOT_FOUND` where no rule's variant is there
 */
export function chooseByRules(
  { rules }: Manifest,
  present: readonly Variant[],
  device: Device,
): { readonly variant: Variant; readonly choice: VariantChoice } {
  for (const { variant: name, anyFeature, availableMemoryBelow: below, because } of rules) {
    const variant = present.find((each) => each.name === name);
    const feature = anyFeature?.find((each) => device.features.includes(each));
    const fits =
      (anyFeature === undefined || feature !== undefined) && (below === undefined || device.availableMemory < below);
    if (variant === undefined || !fits) continue;
    const facts = [
      ...(feature === undefined ? [] : [`this CPU has ${feature}`]),
      ...(below === undefined
        ? []
        : [`${mebibytes(device.availableMemory, 0)} of memory are available, less than ${mebibytes(below, 0)}`]),
    ];
    return { variant, choice: { variant: name, reason: [...facts, because].join(': ') } };
  }
  throw new NeonsenseError(
    'ERR_NOT_FOUND',
    `None of the models the rules name is there (${[...new Set(rules.map(({ variant }) => variant))].join(', ')}): ` +
      'install neonsense again, or name a model file',
  );
}

/** The manifest's variants whose files are in `folder`; a package may leave some out. */
export function presentVariants({ variants }: Manifest, folder: string): Variant[] {
  return variants.filter(({ file }) => existsSync(join(folder, file)));
}

/**
 * A variant by its name.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for a name that is none, `ERR_NOT_FOUND` where its file is missing
 */
export function variantNamed(manifest: Manifest, present: readonly Variant[], name: unknown): Variant {
  const variant = manifest.variants.find((each) => each.name === name);
  if (variant === undefined) {
    const names = manifest.variants.map((each) => each.name).join(', ');
    throw invalidArgument('options.variant', `'auto' or one of ${names}`, name);
  }
  if (!present.includes(variant)) {
    const names = present.map((each) => each.name).join(', ');
    throw new NeonsenseError(
      'ERR_NOT_FOUND',
      `The model ${variant.name} does not come with this package; there is ${names || 'none'}`,
    );
  }
  return variant;
}

/** Those a measurement compares: all that are present but the ones that lose too much accuracy. */
export function measuredVariants({ measure }: Manifest, present: readonly Variant[]): Variant[] {
  const best = Math.max(...present.map(({ top1 }) => top1));
  // Shares are of whole pictures, so a loss of exactly the limit must not fail by its last bit.
  return present.filter(({ top1 }) => best - top1 <= measure.maxTop1Loss + 1e-9);
}

/**
 * Whether a float model of one's own is to be quantized for this CPU, and computed in half precision.
 *
 * @param model what it is now
 */
export function choosePrecision(
  model: Pick<Model, 'precision' | 'quantization'>,
  device: Pick<Device, 'features'>,
): { readonly quantize: boolean; readonly choice: VariantChoice } {
  const { precision } = model;
  const kept = (reason: string) => {
    const choice = { variant: precision, reason };
    return { quantize: false, choice: takesHalfPrecision(model) ? withHalfPrecision(choice, device) : choice };
  };
  if (precision !== 'fp32' && precision !== 'fp16') return kept(`the model is ${precision} already`);
  const feature = INT8_DOT_PRODUCTS.find((each) => device.features.includes(each));
  if (feature === undefined) return kept('this CPU has no int8 dot product, without which INT8 is no faster');
  const reason = `this CPU has ${feature}: INT8 is the faster one`;
  return { quantize: true, choice: withHalfPrecision({ variant: 'int8-dynamic', reason }, device) };
}
