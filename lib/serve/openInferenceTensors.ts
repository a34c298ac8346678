import type { FastifyReply } from 'fastify';
import { describe, NeonsenseError } from '../errors.js';

/** Images of one request; more than this in one tensor would keep the others waiting. */
const MOST_IMAGES = 64;

/** Header of the binary extension: how many bytes of the body are JSON, before the tensors' bytes. */
export const JSON_LENGTH_HEADER = 'inference-header-content-length';

/** A body: its JSON, and the bytes of tensors behind it. */
export interface InferBody {
  readonly json: unknown;
  readonly bytes: Buffer;
}

/**
 * Takes a body apart.
 *
 * @param header how many bytes are JSON; undefined when all are
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` when the header or the JSON can't be right
 */
export function splitInferBody(body: Buffer, header: string | string[] | undefined): InferBody {
  const length = header === undefined ? body.length : Number(header);
  if (!Number.isSafeInteger(length) || length < 2 || length > body.length) {
    throw wrong(`the header ${JSON_LENGTH_HEADER}`, `a length of at most the body's ${body.length} bytes`, header);
  }
  try {
    return { json: JSON.parse(body.toString('utf8', 0, length)), bytes: body.subarray(length) };
  } catch (cause) {
    throw new NeonsenseError('ERR_INVALID_ARGUMENT', `The request is no JSON: ${(cause as Error).message}`, { cause });
  }
}

/** What a request asks for. */
export interface InferRequest {
  readonly id: string | undefined;
  /** `[N, H, W, 3]` */
  readonly tensor: Float32Array;
  readonly outputs: readonly { readonly name: string; readonly binary: boolean }[];
}

/**
 * Reads the body of `/infer`.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` naming the field that is not as the protocol or the model has it
 */
export function readInferRequest(
  { json, bytes }: InferBody,
  model: { readonly input: string; readonly shape: readonly number[]; readonly outputs: readonly string[] },
): InferRequest {
  if (!isRecord(json)) throw wrong('the request', 'a JSON object', json);
  const { id, inputs, outputs, parameters } = json;
  if (id !== undefined && typeof id !== 'string') throw wrong('id', 'a string', id);
  if (!Array.isArray(inputs) || inputs.length !== 1 || !isRecord(inputs[0])) {
    throw wrong('inputs', `one tensor, named ${model.input}`, inputs);
  }
  const [input] = inputs;
  if (input['name'] !== model.input) throw wrong('inputs[0].name', `"${model.input}"`, input['name']);
  if (input['datatype'] !== 'FP32') throw wrong('inputs[0].datatype', '"FP32"', input['datatype']);
  const images = imagesOf(input['shape'], model.shape);
  const length = images * model.shape.reduce((a, b) => a * b, 1);
  const binaryByDefault = isRecord(parameters) && parameters['binary_data_output'] === true;
  return {
    id,
    tensor: tensorOf(input, bytes, length),
    outputs: outputsOf(outputs, model.outputs, binaryByDefault),
  };
}

function imagesOf(shape: unknown, expected: readonly number[]): number {
  const wanted = `[N, ${expected.join(', ')}] with N from 1 to ${MOST_IMAGES}`;
  if (!Array.isArray(shape) || shape.length !== expected.length + 1) throw wrong('inputs[0].shape', wanted, shape);
  const [images, ...rest] = shape as unknown[];
  const fits = rest.every((size, axis) => size === expected[axis]);
  if (!fits || !Number.isInteger(images) || (images as number) < 1 || (images as number) > MOST_IMAGES) {
    throw wrong('inputs[0].shape', wanted, `[${shape.join(', ')}]`.slice(0, 100));
  }
  return images as number;
}

function tensorOf(input: Record<string, unknown>, bytes: Buffer, length: number): Float32Array {
  const { parameters, data } = input;
  const size = isRecord(parameters) ? parameters['binary_data_size'] : undefined;
  if (size !== undefined) {
    if (size !== 4 * length || bytes.length !== size) {
      throw wrong('inputs[0].parameters.binary_data_size', `${4 * length}, the bytes behind the JSON`, size);
    }
    return readFloats(bytes, length);
  }
  const values = Array.isArray(data) ? data.flat(4) : data;
  if (!Array.isArray(values) || values.length !== length || !values.every(Number.isFinite)) {
    throw wrong('inputs[0].data', `${length} finite numbers`, data);
  }
  return Float32Array.from(values as number[]);
}

/** Little-endian floats, which may lie at any offset. */
function readFloats(bytes: Buffer, length: number): Float32Array {
  const floats = new Float32Array(length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < length; i++) floats[i] = view.getFloat32(4 * i, true);
  return floats;
}

function outputsOf(
  outputs: unknown,
  known: readonly string[],
  binaryByDefault: boolean,
): { name: string; binary: boolean }[] {
  if (outputs === undefined || (Array.isArray(outputs) && outputs.length === 0)) {
    return known.map((name) => ({ name, binary: binaryByDefault }));
  }
  if (!Array.isArray(outputs) || outputs.length > known.length) throw wrong('outputs', 'an array of outputs', outputs);
  return outputs.map((output: unknown, index) => {
    const name = isRecord(output) ? output['name'] : undefined;
    if (typeof name !== 'string' || !known.includes(name)) {
      throw wrong(`outputs[${index}].name`, `one of ${known.join(', ')}`, name);
    }
    const parameters = (output as Record<string, unknown>)['parameters'];
    const binary = isRecord(parameters) ? parameters['binary_data'] : undefined;
    return { name, binary: typeof binary === 'boolean' ? binary : binaryByDefault };
  });
}

/** Sends the answer: JSON alone, or JSON with the bytes of the tensors asked for in binary behind it. */
export function writeInferAnswer(
  reply: FastifyReply,
  head: { readonly model_name: string; readonly model_version: string; readonly id: string | undefined },
  tensors: readonly { name: string; binary: boolean; shape: readonly number[]; data: Float32Array }[],
): unknown {
  const outputs = tensors.map(({ name, binary, shape, data }) => ({
    name,
    datatype: 'FP32',
    shape,
    ...(binary ? { parameters: { binary_data_size: 4 * data.length } } : { data: Array.from(data) }),
  }));
  const answer = { ...head, outputs };
  if (!tensors.some(({ binary }) => binary)) return answer;
  const json = Buffer.from(JSON.stringify(answer));
  const binaries = tensors.filter(({ binary }) => binary).map(({ data }) => littleEndian(data));
  reply.header('content-type', 'application/octet-stream').header(JSON_LENGTH_HEADER, String(json.length));
  return Buffer.concat([json, ...binaries]);
}

function littleEndian(floats: Float32Array): Buffer {
  const bytes = Buffer.alloc(4 * floats.length);
  floats.forEach((value, index) => {
    bytes.writeFloatLE(value, 4 * index);
  });
  return bytes;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(what: string, expected: string, received: unknown): NeonsenseError {
  const came = typeof received === 'string' ? JSON.stringify(received.slice(0, 100)) : describe(received);
  return new NeonsenseError('ERR_INVALID_ARGUMENT', `Expected ${expected} for ${what} but received ${came}`);
}
