import { describe, expect, it } from 'vitest';
import {
  chooseByRules,
  choosePrecision,
  type Device,
  INT8_DOT_PRODUCTS,
  measuredVariants,
  thisDevice,
  variantNamed,
} from '../../lib/shipped/chooseVariant.js';
import { readManifest } from '../../lib/shipped/manifest.js';

const manifest = readManifest();
const PLENTY = 4 * 2 ** 30;
const choose = (features: readonly string[], availableMemory = PLENTY, present = manifest.variants) =>
  chooseByRules(manifest, present, { features, availableMemory }).choice;

describe('the shipped rules choose', () => {
  it.each([
    ['a Raspberry Pi 5', ['neon', 'fp16', 'dotprod'], /has dotprod/],
    ['an Apple M2', ['neon', 'fp16', 'dotprod', 'i8mm', 'bf16'], /has i8mm/],
    ['an Ice Lake server', ['sse4.1', 'avx', 'fma3', 'avx2', 'avx512f', 'avx512bw', 'avx512vnni'], /has avx512vnni/],
    ['an Alder Lake PC', ['sse4.1', 'avx', 'fma3', 'avx2', 'avxvnni'], /has avxvnni/],
  ])('INT8 for %s', (_, features, reason) => {
    expect(choose(features)).toEqual({ variant: 'household-int8-dynamic', reason: expect.stringMatching(reason) });
  });

  it.each([
    ['a Raspberry Pi 3 or 4', ['neon']],
    ['a PC without VNNI', ['sse4.1', 'avx', 'f16c', 'fma3', 'avx2']],
    ['a CPU that says nothing', []],
  ])('FP32 for %s', (_, features) => {
    expect(choose(features)).toEqual({ variant: 'household-fp32', reason: expect.stringMatching(/INT8 is no faster/) });
  });

  it('INT8 where memory is short, whatever the CPU', () => {
    const { variant, reason } = choose(['neon'], 64 * 2 ** 20);
    expect(variant).toBe('household-int8-dynamic');
    expect(reason).toMatch(/64 MiB of memory are available, less than 128 MiB/);
    expect(choose(['neon'], 128 * 2 ** 20).variant).toBe('household-fp32');
  });

  it('among the models that are there', () => {
    const only = (...names: string[]) => manifest.variants.filter(({ name }) => names.includes(name));
    expect(choose(['dotprod'], 2 ** 20, only('household-fp32')).variant).toBe('household-fp32');
    expect(choose(['dotprod'], 2 ** 20, only('household-fp16')).variant).toBe('household-fp16');
    expect(choose(['neon'], PLENTY, only('household-fp16', 'household-int8-dynamic')).variant).toBe('household-fp16');
    expect(() => choose(['dotprod'], PLENTY, [])).toThrow(expect.objectContaining({ code: 'ERR_NOT_FOUND' }));
  });
});

describe('a variant by name', () => {
  it('is found, or what there is is listed', () => {
    expect(variantNamed(manifest, manifest.variants, 'household-int8-static').precision).toBe('int8-static');
    const unknown = (): unknown => variantNamed(manifest, manifest.variants, 'int4');
    expect(unknown).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
    expect(unknown).toThrow(/'auto' or one of household-fp32, /);
    expect(() => variantNamed(manifest, [], 'household-fp32')).toThrow(
      expect.objectContaining({ code: 'ERR_NOT_FOUND' }),
    );
  });
});

it('a measurement leaves out what loses more accuracy than allowed, but not what loses just as much', () => {
  const variant = (name: string, top1: number) => ({ ...manifest.variants[0]!, name, top1 });
  const present = [variant('best', 0.9), variant('limit', 0.89), variant('worse', 0.889)];
  const names = measuredVariants({ ...manifest, measure: { maxTop1Loss: 0.01, tolerance: 0 } }, present).map(
    ({ name }) => name,
  );
  expect(names).toEqual(['best', 'limit']);
});

describe("precision 'auto'", () => {
  it.each(INT8_DOT_PRODUCTS)('quantizes a float model on a CPU with %s', (feature) => {
    expect(choosePrecision({ precision: 'fp32' }, { features: ['x', feature] })).toMatchObject({
      quantize: true,
      choice: { variant: 'int8-dynamic', reason: expect.stringContaining(feature) },
    });
  });

  it('leaves it alone on other CPUs, and an INT8 model everywhere', () => {
    expect(choosePrecision({ precision: 'fp16' }, { features: ['neon'] })).toMatchObject({
      quantize: false,
      choice: { variant: 'fp16' },
    });
    expect(choosePrecision({ precision: 'int8-static' }, { features: ['dotprod'] })).toEqual({
      quantize: false,
      choice: { variant: 'int8-static', reason: expect.stringMatching(/already/) },
    });
  });

  it('computes float parts in half precision on a CPU with fp16, but not beside unsigned bytes', () => {
    const device = { features: ['neon', 'fp16'] };
    expect(choosePrecision({ precision: 'fp32' }, device)).toMatchObject({ quantize: false, choice: { fp16: true } });
    const values = new Map();
    const fixed = (activations: 'qs8' | 'qu8') =>
      choosePrecision({ precision: 'int8-static', quantization: { mode: 'static', activations, values } }, device);
    expect(fixed('qs8').choice.fp16).toBe(true);
    expect(fixed('qu8').choice.fp16).toBeUndefined();
  });
});

it('a machine whose CPU can not be identified has no features', () => {
  const device: Device = thisDevice({
    cpu: () => {
      throw new Error('no /proc');
    },
  });
  expect(device.features).toEqual([]);
  expect(device.availableMemory).toBeGreaterThan(2 ** 20);
});
