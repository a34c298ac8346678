import { describe, expect, it } from 'vitest';
import { NeonsenseError } from '../../../lib/errors.js';
import type { DType, Tensor } from '../../../lib/model/format/safetensors.js';
import { encodeSafetensors, parseSafetensors } from '../../../lib/model/format/safetensors.js';
import fc from '../../fastCheck.js';

/** A file with this header and data, built without the writer. */
function fileOf(header: string | object, data: Uint8Array = new Uint8Array()): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

function refusal(file: Uint8Array): string {
  try {
    parseSafetensors(file);
  } catch (error) {
    expect(error).toBeInstanceOf(NeonsenseError);
    expect((error as NeonsenseError).code).toBe('ERR_MODEL_FORMAT');
    return (error as Error).message;
  }
  throw new Error('the file was accepted');
}

const entry = (begin: number, end: number, extra: object = {}): object => ({
  dtype: 'U8',
  shape: [end - begin],
  data_offsets: [begin, end],
  ...extra,
});

describe('parseSafetensors', () => {
  it('reads a file laid out by hand, padded or not', () => {
    const header =
      '{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[1,2],"data_offsets":[1,9]},"y":{"shape":[],"dtype":"I8","data_offsets":[0,1]}}';
    for (const padding of ['', '   ', '\n']) {
      const { tensors, metadata } = parseSafetensors(
        fileOf(header + padding, Buffer.from([7, 0, 0, 128, 63, 0, 0, 0, 64])),
      );
      expect(metadata).toEqual(new Map([['a', 'b']]));
      expect(tensors.get('y')).toMatchObject({ dtype: 'I8', shape: [] });
      expect([...tensors.get('y')!.bytes]).toEqual([7]);
      expect(Buffer.from(tensors.get('x')!.bytes).readFloatLE(4)).toBe(2);
    }
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(), /0$/],
    ['less than a length', new Uint8Array(7), /7$/],
    ['a header longer than the file', fileOf('{}').subarray(0, 9), /header is said to have 2 bytes but only 1/],
    ['a header length beyond 2^63', Buffer.from([255, 255, 255, 255, 255, 255, 255, 255, 123]), /header is said/],
    ['a header that does not begin with a brace', fileOf(' {}'), /begin with \{/],
    ['an empty header', fileOf(''), /begin with \{/],
    ['a header that is not JSON', fileOf('{"a":'), /not JSON/],
    ['a header with bytes behind it', fileOf('{}x'), /not JSON/],
    ['a header that is not UTF-8', fileOf('{"a": 1}').fill(0xff, 10, 11), /UTF-8/],
    ['metadata that is not an object', fileOf({ __metadata__: ['a'] }), /__metadata__/],
    ['metadata that is not text', fileOf({ __metadata__: { a: 1 } }), /"a"/],
    ['a tensor that is null', fileOf({ x: null }), /"x"/],
    ['an unknown dtype', fileOf({ x: entry(0, 0, { dtype: 'F31' }) }), /"F31"/],
    ['a dtype that only objects have', fileOf({ x: entry(0, 0, { dtype: 'toString' }) }), /"toString"/],
    ['a negative size', fileOf({ x: entry(0, 0, { shape: [-1] }) }), /shape/],
    ['a size that is not whole', fileOf({ x: entry(0, 0, { shape: [0.5] }) }), /shape/],
    ['a shape that overflows', fileOf({ x: entry(0, 0, { shape: [2 ** 52, 2 ** 52, 2 ** 52] }) }), /needs Infinity/],
    ['three offsets', fileOf({ x: entry(0, 0, { data_offsets: [0, 0, 0] }) }), /data_offsets/],
    [
      'offsets the wrong way round',
      fileOf({ x: entry(0, 0, { data_offsets: [1, 0] }) }, Buffer.alloc(1)),
      /bytes 1 to 0/,
    ],
    [
      'offsets beyond the file',
      fileOf({ x: entry(0, 9) }, Buffer.alloc(8)),
      /bytes 0 to 9 of the data, which has only 8/,
    ],
    [
      'fewer bytes than the shape needs',
      fileOf({ x: entry(0, 1, { shape: [2] }) }, Buffer.alloc(1)),
      /needs 2 bytes but has 1/,
    ],
    ['an unknown property', fileOf({ x: entry(0, 0, { stride: [1] }) }), /"stride"/],
    ['overlapping tensors', fileOf({ x: entry(0, 2), y: entry(1, 3) }, Buffer.alloc(3)), /"y" overlaps/],
    ['two tensors in one place', fileOf({ x: entry(0, 2), y: entry(0, 2) }, Buffer.alloc(2)), /overlaps/],
    ['a hole', fileOf({ x: entry(0, 1), y: entry(2, 3) }, Buffer.alloc(3)), /1 bytes before tensor "y"/],
    ['bytes behind the last tensor', fileOf({ x: entry(0, 1) }, Buffer.alloc(2)), /1 bytes follow/],
    [
      'a tensor described twice',
      fileOf(
        '{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0078":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}}',
      ),
      /"x" twice/,
    ],
    [
      'a property given twice',
      fileOf('{"x":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}'),
      /"dtype" twice/,
    ],
    ['metadata given twice', fileOf('{"__metadata__":{"a":"1","a":"2"}}'), /"a" twice/],
  ])('refuses %s', (_, file, message) => {
    expect(refusal(file)).toMatch(message);
  });

  it('refuses a header larger than the limit before it reads it', () => {
    const file = new Uint8Array(100_000_001 + 8);
    new DataView(file.buffer).setUint32(0, 100_000_001, true);
    expect(refusal(file)).toMatch(/headerBytes/);
  });

  it('is not fooled by braces, quotes and colons within names and values', () => {
    const name = 'a"b\\":{}[],\\\\';
    const metadata = new Map([
      [name, '"":{"x":1,"x":2}\\'],
      ['__proto__', 'p'],
    ]);
    const file = encodeSafetensors({
      tensors: new Map([[name, { dtype: 'U8', shape: [0], bytes: new Uint8Array() }]]),
      metadata,
    });
    expect(parseSafetensors(file).metadata).toEqual(metadata);
    expect([...parseSafetensors(file).tensors.keys()]).toEqual([name]);
  });
});

describe('encodeSafetensors', () => {
  const widths = { F64: 8, F32: 4, I64: 8, F16: 2, BF16: 2, I8: 1, U8: 1, BOOL: 1 } as const;
  const tensor = fc
    .tuple(fc.constantFrom(...(Object.keys(widths) as (keyof typeof widths)[])), fc.array(fc.nat(4), { maxLength: 3 }))
    .chain(([dtype, shape]) => {
      const length = shape.reduce((a, b) => a * b, 1) * widths[dtype];
      return fc
        .uint8Array({ minLength: length, maxLength: length })
        .map((bytes): Tensor => ({ dtype: dtype as DType, shape, bytes }));
    });
  const container = fc.record({
    tensors: fc
      .array(
        fc.tuple(
          fc.string({ unit: 'grapheme' }).filter((name) => name !== '__metadata__'),
          tensor,
        ),
        { maxLength: 6 },
      )
      .map((entries) => new Map(entries)),
    metadata: fc.array(fc.tuple(fc.string(), fc.string({ unit: 'grapheme' }))).map((entries) => new Map(entries)),
  });

  it('gives back exactly what it was given, aligned, whatever order it came in', () => {
    fc.assert(
      fc.property(container, ({ tensors, metadata }) => {
        const file = encodeSafetensors({ tensors, metadata });
        const read = parseSafetensors(file);
        expect(read.metadata).toEqual(metadata);
        expect(new Map(read.tensors)).toEqual(tensors);
        for (const { dtype, bytes } of read.tensors.values()) {
          expect(bytes.byteOffset % widths[dtype as keyof typeof widths]).toBe(0);
        }
        const reversed = new Map([...tensors].reverse());
        expect(encodeSafetensors({ tensors: reversed, metadata })).toEqual(file);
      }),
      { numRuns: 100 },
    );
  });
});
