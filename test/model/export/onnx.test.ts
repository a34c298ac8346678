import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { quantizeDynamic } from '../../../lib/compress/stages/quantizeDynamic.js';
import { toOnnx } from '../../../lib/model/export/onnx.js';
import { ProtobufWriter } from '../../../lib/model/export/protobuf.js';
import { readModel } from '../../../lib/model/files.js';
import { toFloat32 } from '../../../lib/model/weights.js';
import fc from '../../fastCheck.js';
import { floatsOf, type RandomNetworkGolden, readGolden } from '../../golden/files.js';
import { randomNetworkInput, randomNetworkTensors, safetensorsBytes } from '../../golden/randomNetwork.js';
import { readOnnx, runOnnx } from '../../reference/onnx.js';

const goldens = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'golden');

async function randomNetwork(name: string) {
  const golden = readGolden<RandomNetworkGolden>(goldens, name);
  const model = await readModel(safetensorsBytes(randomNetworkTensors(golden.network)));
  return { golden, model };
}

describe('toOnnx', () => {
  it("writes a graph that computes PyTorch's logits when run by the specification", async () => {
    const { golden, model } = await randomNetwork('random-small-37');
    const [height, width] = golden.network.inputSize;
    const pixels = randomNetworkInput(golden.network, [0]);
    const planes = new Float32Array(pixels.length);
    for (let at = 0; at < height * width; at++) {
      for (let c = 0; c < 3; c++) planes[c * height * width + at] = pixels[3 * at + c]!;
    }
    const { data } = runOnnx(readOnnx(toOnnx(model)), { shape: [1, 3, height, width], data: planes });
    const batch = golden.batches.find(({ images }) => images[0] === 0)!;
    const expected = floatsOf(batch.logits).subarray(0, 37);
    expect(data).toHaveLength(37);
    const difference = Math.max(...data.map((value, i) => Math.abs(value - expected[i]!)));
    expect(difference).toBeLessThanOrEqual(1e-4 * golden.range);
  });

  it('declares opset 13, a free batch size and what the model needs of its input', async () => {
    const { model } = await randomNetwork('random-small-10');
    const file = readOnnx(toOnnx({ ...model, labels: model.labels.map((label) => `${label} é`) }));
    expect(file).toMatchObject({
      irVersion: 7,
      opset: 13,
      input: { name: 'input', shape: ['N', 3, 224, 224] },
      output: { name: 'logits', shape: ['N', 10] },
    });
    expect(JSON.parse(file.metadata.get('labels')!)).toEqual(model.labels.map((label) => `${label} é`));
    expect(JSON.parse(file.metadata.get('preprocessing')!)).toEqual(model.preprocessing);
    expect(new Set(file.nodes.map(({ operator }) => operator))).toEqual(
      new Set(['Conv', 'Relu', 'HardSigmoid', 'Mul', 'Add', 'GlobalAveragePool', 'Flatten', 'Gemm']),
    );
    expect(file.nodes.filter(({ operator }) => operator === 'Conv' || operator === 'Gemm')).toHaveLength(54);
    const names = file.nodes.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('writes the large network too, each value made before it is read', async () => {
    const { model } = await randomNetwork('random-large-10');
    const file = readOnnx(toOnnx(model));
    const known = new Set([file.input.name, ...file.initializers.keys()]);
    for (const { inputs, outputs } of file.nodes) {
      for (const input of inputs) expect(known).toContain(input);
      for (const output of outputs) known.add(output);
    }
    expect(known).toContain(file.output.name);
    expect(file.nodes.filter(({ operator }) => operator === 'Conv' || operator === 'Gemm')).toHaveLength(64);
  });

  it('writes the real numbers that quantized weights stand for', async () => {
    const { model } = await randomNetwork('random-small-10');
    const quantized = quantizeDynamic(model, { scope: 'all' });
    const file = readOnnx(toOnnx(quantized));
    const { weights } = quantized.layers.get('classifier.3')!;
    expect(weights.type).toBe('i8');
    expect(file.initializers.get('classifier.3.weight')!.data).toEqual(toFloat32(weights));
  });
});

describe('ProtobufWriter', () => {
  it('gives the bytes of the examples in the encoding specification', () => {
    expect([...new ProtobufWriter().integer(1, 150).finish()]).toEqual([0x08, 0x96, 0x01]);
    expect([...new ProtobufWriter().string(2, 'testing').finish()]).toEqual([0x12, 0x07, ...Buffer.from('testing')]);
    expect([...new ProtobufWriter().message(3, new ProtobufWriter().integer(1, 150)).finish()]).toEqual([
      0x1a, 0x03, 0x08, 0x96, 0x01,
    ]);
    expect([...new ProtobufWriter().integers(6, [3, 270, 86942]).finish()]).toEqual([
      0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05,
    ]);
  });

  it('writes integers of any size it promises as BigInt arithmetic would', () => {
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (value) => {
        const bytes = [...new ProtobufWriter().integer(1, value).finish()].slice(1);
        const decoded = bytes.reduce((sum, byte, at) => sum + (BigInt(byte & 127) << BigInt(7 * at)), 0n);
        expect(decoded).toBe(BigInt(value));
        expect(bytes.every((byte, at) => byte >= 128 === at < bytes.length - 1)).toBe(true);
      }),
    );
  });
});
