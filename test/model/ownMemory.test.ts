// A session may take over a model's memory and detach it. None of it may be memory that others use. (Zeros, because
// only what gets shorter by it is stored deflated.)
import { describe, expect, it } from 'vitest';
import { toFp16 } from '../../lib/compress/stages/fp16.js';
import { quantizeDynamic } from '../../lib/compress/stages/quantizeDynamic.js';
import { encodeModel, readModel } from '../../lib/model/files.js';
import { randomModel } from '../randomModel.js';

describe('a model that was read', () => {
  it.each([
    ['int8', quantizeDynamic(randomModel({ sparsity: 0.9 }), { keepFloat: [] })],
    ['half precision', toFp16(randomModel())],
    ['float', randomModel()],
  ])("in %s lies in no buffer of Node's pool", async (_, model) => {
    // Node hands out parts of blocks of this size for short buffers; see Buffer.poolSize.
    expect(Buffer.allocUnsafe(10).buffer.byteLength).toBe(Buffer.poolSize);
    const read = await readModel(encodeModel(model));
    const arrays = [...read.layers.values()].flatMap(({ weights, bias }) => [
      weights.data,
      ...(bias === undefined ? [] : [bias]),
    ]);
    expect(arrays.filter(({ buffer }) => buffer.byteLength === Buffer.poolSize)).toEqual([]);
  });
});
