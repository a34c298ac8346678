import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageVersion } from '../../lib/package.js';
import { CLASSIFIED } from '../../lib/serve/classifyRoute.js';
import type { Server } from '../../lib/serve/options.js';
import { createServer } from '../../lib/serve/server.js';
import { projectRoot } from '../cli/run.js';

const household = join(projectRoot, 'models/household-fp16.safetensors');
const int8 = join(projectRoot, 'models/household-int8-dynamic.safetensors');
const chair = readFileSync(join(projectRoot, 'examples/chair.png'));

let folder: string;
let server: Server;
let address: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neonsense-serve-'));
  server = await createServer({
    models: [household, int8],

    threads: 1,
    maxBytes: 8 << 20,
  });
  address = await server.listen({ host: '127.0.0.1', port: 0 });
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const post = (
  path: string,
  body: NonNullable<RequestInit['body']>,
  headers: Record<string, string> = {},
): Promise<Response> => fetch(address + path, { method: 'POST', body, headers });
const postImage = (query = ''): Promise<Response> =>
  post(`/v1/classify${query}`, new Uint8Array(chair), { 'content-type': 'image/png' });

describe('POST /v1/classify', () => {
  it('labels the bytes of a picture', async () => {
    const answer = await postImage('?topK=2');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      file: 'request',
      model: 'household-fp16',
      predictions: [{ label: 'chair' }, {}],
      rejected: false,
    });
  });

  it('labels a picture in a form, with the model asked for', async () => {
    const form = new FormData();
    form.set('image', new Blob([new Uint8Array(chair)]), 'my chair.png');
    const answer = await post('/v1/classify?model=household-int8-dynamic', form);
    expect(await answer.json()).toMatchObject({
      file: 'my chair.png',
      model: 'household-int8-dynamic',
      predictions: [{ label: 'chair' }, {}, {}, {}, {}],
    });
  });

  it('says where the evidence lies when asked', async () => {
    const { activation } = (await (await postImage('?why=1')).json()) as { activation: { values: number[] } };
    expect(activation).toMatchObject({ label: 'chair', width: 7, height: 7 });
    expect(activation.values).toHaveLength(49);
    expect(Math.max(...activation.values)).toBeGreaterThan(0);
    expect(await (await postImage()).json()).not.toHaveProperty('activation');
  });

  it.each([
    ['bytes that are no picture', () => post('/v1/classify', 'abc', { 'content-type': 'image/png' }), 422, 'ERR_IMAGE'],
    ['no body', () => post('/v1/classify', '', { 'content-type': 'image/png' }), 400, 'ERR_INVALID_ARGUMENT'],
    ['a model that is not served', () => postImage('?model=other'), 404, 'ERR_NOT_FOUND'],
    ['a wrong number of labels', () => postImage('?topK=0'), 400, 'ERR_INVALID_ARGUMENT'],
    ['a form without a picture', () => post('/v1/classify', new FormData()), 400, 'ERR_INVALID_ARGUMENT'],
  ])('answers %s with what is wrong', async (_, ask, status, code) => {
    const answer = await ask();
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ code, error: expect.stringMatching(/.{10}/) });
  });

  it('refuses more bytes than it may have, without reading them', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sent = httpRequest(
        `${address}/v1/classify`,
        { method: 'POST', headers: { 'content-type': 'image/png', 'content-length': String(1 << 30) } },
        (answer) => {
          resolve(answer.statusCode);
          sent.destroy();
        },
      );
      sent.on('error', reject);
      sent.write('x');
    });
    expect(status).toBe(413);
  });

  it('publishes what it answered', async () => {
    const seen: unknown[] = [];
    const listener = (message: unknown): void => void seen.push(message);
    CLASSIFIED.subscribe(listener);
    await postImage();
    CLASSIFIED.unsubscribe(listener);
    expect(seen).toMatchObject([{ model: 'household-fp16', classification: { rejected: false } }]);
  });
});

describe('the Open Inference Protocol', () => {
  const shape = [1, 224, 224, 3];
  const tensor = Float32Array.from({ length: 224 * 224 * 3 }, (_, i) => Math.sin(i / 50));
  const infer = (body: object, model = 'household-fp16'): Promise<Response> =>
    post(`/v2/models/${model}/infer`, JSON.stringify(body), { 'content-type': 'application/json' });

  it('says that it is ready, and what it serves', async () => {
    expect((await fetch(`${address}/v2/health/ready`)).status).toBe(200);
    expect((await fetch(`${address}/v2/health/live`)).status).toBe(200);
    expect(await (await fetch(`${address}/v2`)).json()).toMatchObject({ name: 'neonsense', version: packageVersion() });
    expect((await fetch(`${address}/v2/models/household-fp16/ready`)).status).toBe(200);
    expect((await fetch(`${address}/v2/models/none`)).status).toBe(404);
    expect(await (await fetch(`${address}/v2/models/household-fp16`)).json()).toMatchObject({
      name: 'household-fp16',
      inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 224, 224, 3] }],
      outputs: [{ name: 'logits' }, { name: 'probabilities' }],
    });
  });

  it('gives the same logits as JSON and as bytes', async () => {
    const asJson = await infer({
      id: 'mine',
      inputs: [{ name: 'input', datatype: 'FP32', shape, data: Array.from(tensor) }],
      outputs: [{ name: 'logits' }],
    });
    const { id, outputs } = (await asJson.json()) as { id: string; outputs: { shape: number[]; data: number[] }[] };
    expect(id).toBe('mine');
    expect(outputs).toHaveLength(1);

    const json = Buffer.from(
      JSON.stringify({
        inputs: [{ name: 'input', datatype: 'FP32', shape, parameters: { binary_data_size: 4 * tensor.length } }],
        outputs: [{ name: 'logits', parameters: { binary_data: true } }],
      }),
    );
    const asBytes = await post(
      '/v2/models/household-fp16/infer',
      new Uint8Array(Buffer.concat([json, Buffer.from(tensor.buffer)])),
      { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(json.length) },
    );
    const answer = Buffer.from(await asBytes.arrayBuffer());
    const head = Number(asBytes.headers.get('inference-header-content-length'));
    const logits = outputs[0]!.data.map((_, i) => answer.readFloatLE(head + 4 * i));
    expect(logits).toEqual(outputs[0]!.data);
    expect(answer.length).toBe(head + 4 * logits.length);
  });

  it('gives probabilities that sum to 1', async () => {
    const answer = await infer({
      inputs: [{ name: 'input', datatype: 'FP32', shape, data: Array.from(tensor) }],
      outputs: [{ name: 'probabilities' }],
    });
    const { outputs } = (await answer.json()) as { outputs: { data: number[] }[] };
    expect(outputs[0]!.data.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
  });

  it.each([
    ['no input', { inputs: [] }, 'inputs'],
    ['an input of another name', { inputs: [{ name: 'x' }] }, 'inputs[0].name'],
    ['another type', { inputs: [{ name: 'input', datatype: 'INT8' }] }, 'datatype'],
    ['another shape', { inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 3, 224, 224] }] }, '[N, 224, 224, 3]'],
    ['too many images', { inputs: [{ name: 'input', datatype: 'FP32', shape: [1e6, 224, 224, 3] }] }, 'from 1 to 64'],
    ['too few numbers', { inputs: [{ name: 'input', datatype: 'FP32', shape, data: [1] }] }, 'inputs[0].data'],
    [
      'an output that is none',
      { inputs: [{ name: 'input', datatype: 'FP32', shape, data: Array.from(tensor) }], outputs: [{ name: 'x' }] },
      'outputs[0].name',
    ],
    [
      'bytes that did not come',
      { inputs: [{ name: 'input', datatype: 'FP32', shape, parameters: { binary_data_size: 4 * tensor.length } }] },
      'binary_data_size',
    ],
  ])('refuses %s by its field', async (_, body, field) => {
    const answer = await infer(body);
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { error: string }).error).toContain(field);
  });
});

describe('what runs beside', () => {
  it('counts requests, labels and stages for Prometheus', async () => {
    await postImage();
    const text = await (await fetch(`${address}/metrics`)).text();
    expect(text).toMatch(/neonsense_requests_total\{route="\/v1\/classify",status="200"\} \d/);
    expect(text).toMatch(/neonsense_predictions_total\{model="household-fp16",label="chair"\} \d/);
    expect(text).toMatch(/neonsense_stage_seconds_count\{model="household-fp16",stage="inference"\} \d/);
    expect(text).toContain('neonsense_model_info{model="household-int8-dynamic",precision="int8-dynamic"');
    expect(text).toMatch(/process_resident_memory_bytes \d/);
  });

  it('describes itself as an OpenAPI document', async () => {
    const document = (await (await fetch(`${address}/openapi.json`)).json()) as { paths: object; openapi: string };
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toContain('/v1/classify');
  });
});

describe('a second model', () => {
  it('sees the share of the pictures it should, and what it said is logged', async () => {
    const log = join(folder, 'shadow.jsonl');
    const shadow = { model: int8, share: 0.5, log, keep: join(folder, 'kept') };
    const two = await createServer({ models: [household], threads: 1, shadow });
    const at = await two.listen({ host: '127.0.0.1', port: 0 });
    for (let i = 0; i < 4; i++) {
      const headers = { 'content-type': 'image/png' };
      await fetch(`${at}/v1/classify`, { method: 'POST', body: new Uint8Array(chair), headers });
    }
    await two.close();
    const records = readFileSync(log, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    const record = {
      model: 'household-fp16',
      shadow: 'household-int8-dynamic',
      agrees: true,
      answers: [{ label: 'chair' }, { label: 'chair' }],
    };
    expect(records).toMatchObject([record, record]);
    expect(existsSync(shadow.keep)).toBe(false);
  });
});

describe('models that are served', () => {
  const features = join(projectRoot, 'models/features-imagenet.safetensors');

  it('are those of a folder that name classes', async () => {
    const mixed = join(folder, 'mixed');
    mkdirSync(mixed);
    for (const file of [int8, features]) copyFileSync(file, join(mixed, basename(file)));
    await using of = await createServer({ models: [mixed], threads: 1 });
    expect(of.models.map(({ name }) => name)).toEqual(['household-int8-dynamic']);
  });

  it('are refused when they give features only and were asked for', async () => {
    const asked = createServer({ models: [features], threads: 1 });
    await expect(asked).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining('learn') });
  });
});

describe('a server with more to do than it may', () => {
  it('turns requests away and answers those it took', async () => {
    await using small = await createServer({ models: [household], threads: 1, maxInFlight: 1 });
    const at = await small.listen({ host: '127.0.0.1', port: 0 });
    const ask = (): Promise<Response> =>
      fetch(`${at}/v1/classify`, {
        method: 'POST',
        body: new Uint8Array(chair),
        headers: { 'content-type': 'image/png' },
      });
    const answers = await Promise.all(Array.from({ length: 8 }, ask));
    const statuses = answers.map(({ status }) => status).sort();
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    expect(answers.find(({ status }) => status === 503)!.headers.get('retry-after')).toBe('1');
    expect((await ask()).status).toBe(200);
  });
});
