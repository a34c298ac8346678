/**
 * Reads and runs ONNX files the slow way: a decoder of the protobuf wire format and plain loops for the operators that
 * MobileNetV3 takes, both written from the specifications (protobuf.dev's encoding page, onnx.proto, Operators.md).
 */

/** Field number to its values in order: numbers for varints, bytes for everything else. */
type Fields = Map<number, (number | Uint8Array)[]>;

export interface OnnxNode {
  readonly operator: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, number | readonly number[]>;
}

export interface OnnxTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface OnnxFile {
  readonly irVersion: number;
  readonly opset: number;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  /** Name and dimensions; a free dimension by its name. */
  readonly input: { readonly name: string; readonly shape: readonly (number | string)[] };
  readonly output: { readonly name: string; readonly shape: readonly (number | string)[] };
  readonly metadata: ReadonlyMap<string, string>;
}

function parse(bytes: Uint8Array): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag % 8;
    let value: number | Uint8Array;
    if (wire === 0) value = varint();
    else {
      const length = wire === 2 ? varint() : wire === 5 ? 4 : 8;
      if (at + length > bytes.length) throw new Error('A field runs past the end of its message');
      value = bytes.subarray(at, at + length);
      at += length;
    }
    const field = Math.floor(tag / 8);
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

const messages = (fields: Fields, field: number): Fields[] =>
  (fields.get(field) ?? []).map((value) => parse(value as Uint8Array));
const strings = (fields: Fields, field: number): string[] =>
  (fields.get(field) ?? []).map((value) => Buffer.from(value as Uint8Array).toString('utf8'));
const number = (fields: Fields, field: number): number => fields.get(field)![0] as number;

/** Repeated integers, packed or one by one. */
function integers(fields: Fields, field: number): number[] {
  return (fields.get(field) ?? []).flatMap((value) => {
    if (typeof value === 'number') return [value];
    const result: number[] = [];
    let current = 0;
    let factor = 1;
    for (const byte of value) {
      current += (byte & 127) * factor;
      factor *= 128;
      if (byte < 128) {
        result.push(current);
        current = 0;
        factor = 1;
      }
    }
    return result;
  });
}

function attribute(fields: Fields): [string, number | readonly number[]] {
  const name = strings(fields, 1)[0]!;
  switch (number(fields, 20)) {
    case 1: {
      const bytes = fields.get(2)![0] as Uint8Array;
      return [name, new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true)];
    }
    case 2:
      return [name, number(fields, 3)];
    case 7:
      return [name, integers(fields, 8)];
    default:
      throw new Error(`Attribute ${name} is of a type not expected here`);
  }
}

function tensor(fields: Fields): [string, OnnxTensor] {
  if (number(fields, 2) !== 1) throw new Error('Expected a float tensor');
  const raw = fields.get(9)![0] as Uint8Array;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const data = Float32Array.from({ length: raw.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  return [strings(fields, 8)[0]!, { shape: integers(fields, 1), data }];
}

function valueInfo(fields: Fields): OnnxFile['input'] {
  const tensorType = messages(messages(fields, 2)[0]!, 1)[0]!;
  const shape = messages(messages(tensorType, 2)[0]!, 1).map((size) => strings(size, 2)[0] ?? number(size, 1));
  return { name: strings(fields, 1)[0]!, shape };
}

export function readOnnx(bytes: Uint8Array): OnnxFile {
  const file = parse(bytes);
  const graph = messages(file, 7)[0]!;
  return {
    irVersion: number(file, 1),
    opset: number(messages(file, 8)[0]!, 2),
    nodes: messages(graph, 1).map((node) => ({
      operator: strings(node, 4)[0]!,
      name: strings(node, 3)[0]!,
      inputs: strings(node, 1),
      outputs: strings(node, 2),
      attributes: new Map(messages(node, 5).map(attribute)),
    })),
    initializers: new Map(messages(graph, 5).map(tensor)),
    input: valueInfo(messages(graph, 11)[0]!),
    output: valueInfo(messages(graph, 12)[0]!),
    metadata: new Map(messages(file, 14).map((entry) => [strings(entry, 1)[0]!, strings(entry, 2)[0]!])),
  };
}

function convolve(x: OnnxTensor, w: OnnxTensor, b: OnnxTensor, attributes: OnnxNode['attributes']): OnnxTensor {
  const [, , height, width] = x.shape as [number, number, number, number];
  const [outputs, inputsPerGroup, kh, kw] = w.shape as [number, number, number, number];
  const group = attributes.get('group') as number;
  const [top, left, bottom, right] = attributes.get('pads') as [number, number, number, number];
  const [sh, sw] = attributes.get('strides') as [number, number];
  const oh = Math.floor((height + top + bottom - kh) / sh) + 1;
  const ow = Math.floor((width + left + right - kw) / sw) + 1;
  const data = new Float32Array(outputs * oh * ow);
  for (let o = 0; o < outputs; o++) {
    const firstInput = Math.floor(o / (outputs / group)) * inputsPerGroup;
    for (let y = 0; y < oh; y++) {
      for (let z = 0; z < ow; z++) {
        let sum = b.data[o]!;
        for (let i = 0; i < inputsPerGroup; i++) {
          for (let ky = 0; ky < kh; ky++) {
            const row = y * sh - top + ky;
            if (row < 0 || row >= height) continue;
            for (let kx = 0; kx < kw; kx++) {
              const column = z * sw - left + kx;
              if (column < 0 || column >= width) continue;
              sum +=
                x.data[((firstInput + i) * height + row) * width + column]! *
                w.data[((o * inputsPerGroup + i) * kh + ky) * kw + kx]!;
            }
          }
        }
        data[(o * oh + y) * ow + z] = sum;
      }
    }
  }
  return { shape: [1, outputs, oh, ow], data };
}

/** Element by element; of two operands one may be `[1, C, 1, 1]`. */
function broadcast(a: OnnxTensor, b: OnnxTensor, operation: (x: number, y: number) => number): OnnxTensor {
  const [large, small] = a.data.length >= b.data.length ? [a, b] : [b, a];
  const area = large.data.length / small.data.length;
  if (area !== 1 && small.data.length !== large.shape[1]) throw new Error('Shapes do not broadcast');
  const data = large.data.map((value, i) => operation(value, small.data[Math.floor(i / area)]!));
  return { shape: large.shape, data };
}

/** Runs one image, `[1, 3, H, W]`. */
export function runOnnx(file: OnnxFile, image: OnnxTensor): OnnxTensor {
  const values = new Map<string, OnnxTensor>([...file.initializers, [file.input.name, image]]);
  for (const { operator, inputs, outputs, attributes } of file.nodes) {
    const [x, w, b] = inputs.map((name) => {
      const value = values.get(name);
      if (value === undefined) throw new Error(`${operator} reads ${name} before it exists`);
      return value;
    }) as [OnnxTensor, OnnxTensor, OnnxTensor];
    let result: OnnxTensor;
    switch (operator) {
      case 'Conv':
        result = convolve(x, w, b, attributes);
        break;
      case 'Gemm': {
        if (attributes.get('transB') !== 1) throw new Error('Expected transB');
        const [rows, columns] = w.shape as [number, number];
        const row = (o: number): number => x.data.reduce((sum, v, i) => sum + v * w.data[o * columns + i]!, b.data[o]!);
        result = { shape: [1, rows], data: Float32Array.from({ length: rows }, (_, o) => row(o)) };
        break;
      }
      case 'Relu':
        result = { shape: x.shape, data: x.data.map((v) => Math.max(0, v)) };
        break;
      case 'HardSigmoid': {
        const alpha = attributes.get('alpha') as number;
        const beta = attributes.get('beta') as number;
        result = { shape: x.shape, data: x.data.map((v) => Math.max(0, Math.min(1, alpha * v + beta))) };
        break;
      }
      case 'Mul':
        result = broadcast(x, w, (left, right) => left * right);
        break;
      case 'Add':
        result = broadcast(x, w, (left, right) => left + right);
        break;
      case 'GlobalAveragePool': {
        const channels = x.shape[1]!;
        const area = x.data.length / channels;
        const plane = (c: number): Float32Array => x.data.subarray(c * area, (c + 1) * area);
        const mean = (c: number): number => plane(c).reduce((sum, v) => sum + v, 0) / area;
        result = { shape: [1, channels, 1, 1], data: Float32Array.from({ length: channels }, (_, c) => mean(c)) };
        break;
      }
      case 'Flatten':
        result = { shape: [1, x.data.length], data: x.data };
        break;
      default:
        throw new Error(`Operator ${operator} is not expected here`);
    }
    values.set(outputs[0]!, result);
  }
  return values.get(file.output.name)!;
}
