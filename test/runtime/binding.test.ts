// The addon called directly, past everything TypeScript checks: it must throw, never crash.
import { describe, expect, it } from 'vitest';
import { lower } from '../../lib/plan/lower.js';
import type { Plan } from '../../lib/plan/plan.js';
import type { Binding, NativeSession } from '../../lib/runtime/binding.js';
import { loadBinding } from '../../lib/runtime/load/load.js';
import { randomModel } from '../randomModel.js';

const options = { threads: 1, profile: false, fp16: false, sparse: false };
const model = randomModel();
/** A new one each time: creating a session uses up its arrays. */
const freshPlan = (): Plan => lower(model);
const imageSize = 64 * 64 * 3;

function create(value: unknown, sessionOptions: unknown = options): Promise<NativeSession> {
  const binding: Binding = loadBinding();
  // A synchronous throw and a rejection are both fine here.
  return Promise.resolve().then(() => binding.createSession(value as Plan, sessionOptions as typeof options));
}

const damaged = (change: (copy: { values: any[]; layers: any[]; input: any; outputs: any }) => void): unknown => {
  const plan = freshPlan();
  const copy = { ...plan, values: plan.values.map((v) => ({ ...v })), layers: plan.layers.map((l) => ({ ...l })) };
  change(copy as never);
  return copy;
};

describe('createSession of the addon', () => {
  it.each([
    ['no plan', undefined],
    ['a number', 7],
    ['an empty object', {}],
    ['values that are no array', damaged((p) => (p.values = {} as never))],
    ['a value that is no object', damaged((p) => (p.values[0] = 3))],
    ['a shape of strings', damaged((p) => (p.values[0].shape = ['a', 'b', 'c']))],
    ['a negative dimension', damaged((p) => (p.values[0].shape = [-1, 64, 3]))],
    ['a dimension beyond 32 bits', damaged((p) => (p.values[0].shape = [2 ** 40, 64, 3]))],
    ['an unknown type', damaged((p) => (p.values[0].type = 'f64'))],
    ['an unknown operator', damaged((p) => (p.layers[0].op = 'softmax'))],
    ['an index beyond the values', damaged((p) => (p.layers[0].inputs = [100000]))],
    ['weights missing', damaged((p) => delete p.layers[0].weights)],
    [
      'weights of another array type',
      damaged((p) => (p.layers[0].weights = { type: 'f32', data: new Float64Array(216) })),
    ],
    ['weights cut short', damaged((p) => (p.layers[0].weights = { type: 'f32', data: new Float32Array(215) }))],
    ['a bias of bytes', damaged((p) => (p.layers[0].bias = new Uint8Array(8)))],
    ['a kernel of three sides', damaged((p) => (p.layers[0].kernel = [3, 3, 3]))],
    ['NaN as an index', damaged((p) => (p.input = NaN))],
    ['more values than any network has', damaged((p) => (p.values = new Array(2 ** 25).fill(p.values[0])))],
    ['more layers than any network has', damaged((p) => (p.layers = new Array(2 ** 25).fill(p.layers[0])))],
    ['a layer with a million inputs', damaged((p) => (p.layers[0].inputs = new Array(1e6).fill(0)))],
    ['a name of megabytes', damaged((p) => (p.layers[0].name = 'x'.repeat(2 ** 22)))],
    ['outputs out of range', damaged((p) => (p.outputs = [-1]))],
  ])('refuses %s', async (_, value) => {
    await expect(create(value)).rejects.toThrow();
  });

  it.each([
    ['no options', undefined],
    ['no threads', { ...options, threads: 0 }],
    ['half a thread', { ...options, threads: 0.5 }],
    ['too many threads', { ...options, threads: 1e6 }],
    ['a flag that is no boolean', { ...options, sparse: 'yes' }],
  ])('refuses %s', async (_, value) => {
    await expect(create(freshPlan(), value ?? null)).rejects.toThrow();
  });
});

describe('the arrays of a plan', () => {
  const input = new Float32Array(imageSize).map((_, i) => Math.sin(i));
  const logitsOf = async (plan: Plan): Promise<Float32Array> => {
    const session = await create(plan);
    const output = new Float32Array(10);
    await session.run(input, 0, output, 0);
    await session.dispose();
    return output;
  };
  /** The plan with each float array in memory that `place` made for it. */
  const placed = (place: (bytes: number) => ArrayBufferLike): Plan => {
    const move = (array: Float32Array): Float32Array => {
      const copy = new Float32Array(place(array.byteLength), 0, array.length);
      copy.set(array);
      return copy;
    };
    return damaged(({ layers }) => {
      for (const layer of layers) {
        if (layer.weights === undefined) continue;
        layer.weights = { ...layer.weights, data: move(layer.weights.data) };
        layer.bias = move(layer.bias);
      }
    }) as Plan;
  };
  const stemOf = (plan: Plan): Float32Array => {
    const [layer] = plan.layers;
    if (layer?.op !== 'conv2d') throw new Error('expected the stem first');
    return layer.weights.data as Float32Array;
  };

  it('are gone at once, before anything is packed, and refused when given again', async () => {
    const plan = freshPlan();
    const creation = loadBinding().createSession(plan, options);
    expect(stemOf(plan).byteLength).toBe(0);
    await creation;
    await expect(create(plan)).rejects.toThrow(/features\.0\.0.*0 weights/);
  });

  it('stay where they are when another part of the plan is refused', async () => {
    const plan = damaged((p) => (p.outputs = ['the last one'])) as Plan;
    await expect(create(plan)).rejects.toThrow();
    expect(stemOf(plan).length).toBeGreaterThan(0);
  });

  it('may lie in shared memory, which is copied: what is written to it afterwards is not seen', async () => {
    const expected = await logitsOf(freshPlan());
    const plan = placed((bytes) => new SharedArrayBuffer(bytes));
    const creation = loadBinding().createSession(plan, options);
    for (const layer of plan.layers) {
      if ('weights' in layer) (layer.weights.data as Float32Array).fill(NaN);
    }
    const output = new Float32Array(10);
    await (await creation).run(input, 0, output, 0);
    expect(output).toEqual(expected);
  });

  it('may lie side by side in one buffer', async () => {
    const expected = await logitsOf(freshPlan());
    const buffer = new ArrayBuffer(2 ** 22);
    let offset = 0;
    const plan = placed(() => buffer);
    for (const layer of plan.layers as any[]) {
      if (!('weights' in layer)) continue;
      for (const [owner, key] of [[layer.weights, 'data'] as const, [layer, 'bias'] as const]) {
        const { length } = owner[key];
        owner[key] = new Float32Array(buffer, offset, length);
        offset += length * 4;
      }
    }
    const source = freshPlan().layers;
    plan.layers.forEach((layer, i) => {
      const original = source[i]!;
      if (!('weights' in layer) || !('weights' in original)) return;
      (layer.weights.data as Float32Array).set(original.weights.data as Float32Array);
      (layer.bias as Float32Array).set(original.bias as Float32Array);
    });
    expect(await logitsOf(plan)).toEqual(expected);
    expect(buffer.byteLength).toBe(0);
  });

  it('may lie in buffers that can be resized', async () => {
    // Newer than the types of the oldest Node this runs on.
    const Resizable = ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer;
    const expected = await logitsOf(freshPlan());
    expect(await logitsOf(placed((bytes) => new Resizable(bytes, { maxByteLength: 2 * bytes })))).toEqual(expected);
  });

  it('may lie in memory that can not be moved', async () => {
    const expected = await logitsOf(freshPlan());
    const memory = new (globalThis as any).WebAssembly.Memory({ initial: 64 });
    const plan = freshPlan();
    const [layer] = plan.layers as any[];
    const copy = new Float32Array(memory.buffer, 8, layer.weights.data.length);
    copy.set(layer.weights.data);
    layer.weights = { ...layer.weights, data: copy };
    expect(await logitsOf(plan)).toEqual(expected);
    expect(memory.buffer.byteLength).toBe(64 * 2 ** 16);
  });

  it("may lie in Node's pool of small buffers, which stays whole", async () => {
    const expected = await logitsOf(freshPlan());
    const neighbour = Buffer.from('do not lose me');
    const plan = freshPlan();
    const [layer] = plan.layers as any[];
    const pooled = Buffer.allocUnsafe(layer.bias.byteLength);
    expect(pooled.buffer.byteLength).toBe(Buffer.poolSize);
    const bias = new Float32Array(pooled.buffer, pooled.byteOffset, layer.bias.length);
    bias.set(layer.bias);
    layer.bias = bias;
    expect(await logitsOf(plan)).toEqual(expected);
    expect(String(neighbour)).toBe('do not lose me');
  });

  it('are looked at after the last getter has run', async () => {
    const plan = freshPlan();
    const data = stemOf(plan);
    const copy = { ...plan };
    Object.defineProperty(copy, 'outputs', {
      get: () => {
        structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] });
        return plan.outputs;
      },
    });
    await expect(create(copy)).rejects.toThrow(/features\.0\.0.*0 weights/);
  });
});

describe('run of the addon', () => {
  it.each([
    ['no input', [undefined, 0, new Float32Array(10), 0]],
    ['an input too short', [new Float32Array(imageSize - 1), 0, new Float32Array(10), 0]],
    ['an offset past the end', [new Float32Array(imageSize), 1, new Float32Array(10), 0]],
    ['a negative offset', [new Float32Array(imageSize), -1, new Float32Array(10), 0]],
    ['a fractional offset', [new Float32Array(imageSize * 2), 0.5, new Float32Array(10), 0]],
    ['an infinite offset', [new Float32Array(imageSize), Infinity, new Float32Array(10), 0]],
    ['an output too short', [new Float32Array(imageSize), 0, new Float32Array(9), 0]],
    ['an output of doubles', [new Float32Array(imageSize), 0, new Float64Array(10), 0]],
  ])('refuses %s', async (_, parameters) => {
    const session = await create(freshPlan());
    expect(() => session.run(...(parameters as Parameters<NativeSession['run']>))).toThrow();
    session.dispose();
  });

  it('refuses a second run while one is under way', async () => {
    const session = await create(freshPlan());
    const input = new Float32Array(imageSize);
    const output = new Float32Array(10);
    const run = session.run(input, 0, output, 0);
    expect(() => session.run(input, 0, output, 0)).toThrow(/running already/);
    await run;
    await session.run(input, 0, output, 0);
  });

  it('finishes a run whose session is disposed meanwhile', async () => {
    const session = await create(freshPlan());
    const output = new Float32Array(10);
    const run = session.run(new Float32Array(imageSize), 0, output, 0);
    session.dispose();
    await run;
    expect(output.some((logit) => logit !== 0)).toBe(true);
    await session.dispose();
    expect(() => session.run(new Float32Array(imageSize), 0, output, 0)).toThrow(/disposed/);
  });

  it('refuses to work on another object', async () => {
    const session = await create(freshPlan());
    expect(() => session.run.call({} as never, new Float32Array(imageSize), 0, new Float32Array(10), 0)).toThrow();
    const Session = session.constructor as new () => NativeSession;
    expect(() => new Session().run(new Float32Array(imageSize), 0, new Float32Array(10), 0)).toThrow(/disposed/);
  });

  it('takes shared memory', async () => {
    const session = await create(freshPlan());
    const input = new Float32Array(new SharedArrayBuffer(imageSize * 4)).fill(0.5);
    const shared = new Float32Array(10);
    await session.run(input, 0, shared, 0);
    const own = new Float32Array(10);
    await session.run(Float32Array.from(input), 0, own, 0);
    expect(shared).toEqual(own);
  });
});

describe('cpu', () => {
  it('names the features that decide which kernels run', () => {
    const cpu = loadBinding().cpu();
    expect(cpu.features).toContain(process.arch === 'arm64' ? 'neon' : 'sse4.1');
    expect(cpu.performanceCores).toBeGreaterThanOrEqual(1);
    expect(cpu.cores).toBeGreaterThanOrEqual(cpu.performanceCores);
  });
});
