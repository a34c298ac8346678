// What clients do to a server that strangers can reach.
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Server } from '../../lib/serve/options.js';
import { createServer } from '../../lib/serve/server.js';
import { projectRoot } from '../cli/run.js';

const MIB = 1 << 20;
const chair = readFileSync(join(projectRoot, 'examples/chair.png'));
let server: Server;
let address: string;
let port: number;

beforeAll(async () => {
  const models = [join(projectRoot, 'models/household-int8-dynamic.safetensors')];
  server = await createServer({ models, threads: 1, maxBytes: 4 * MIB, requestTimeoutMs: 1000 });
  address = await server.listen({ port: 0 });
  port = Number(new URL(address).port);
});
afterAll(() => server.close());

const label = async (): Promise<string> => {
  const headers = { 'content-type': 'image/png' };
  const answer = await fetch(`${address}/v1/classify`, { method: 'POST', body: new Uint8Array(chair), headers });
  return ((await answer.json()) as { predictions: { label: string }[] }).predictions[0]!.label;
};
const inFlight = async (): Promise<number> =>
  Number(/^neonsense_pictures_in_flight (\d+)$/m.exec(await (await fetch(`${address}/metrics`)).text())![1]);

/** The server is well: the page is there, pictures are labelled, nothing is under way. */
async function isWell(): Promise<void> {
  expect((await fetch(address)).status).toBe(200);
  // Until what was begun for those who left is done, others are told to come again.
  await expect.poll(inFlight, { timeout: 20_000 }).toBe(0);
  expect(await label()).toBe('chair');
}

/** Resident memory once it has settled. */
async function memory(): Promise<number> {
  await pause(300);
  return process.memoryUsage().rss;
}

function opened(text: string | Buffer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(text);
      resolve(socket);
    });
    socket.on('error', reject);
  });
}

const head = `POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: ${chair.length}\r\n\r\n`;

describe('a server among clients that misbehave', () => {
  it('answers others while some are slow, and ends those that take too long', async () => {
    const slow = await Promise.all(Array.from({ length: 50 }, () => opened(head)));
    const closed = slow.map((socket) => new Promise((resolve) => socket.on('close', resolve).resume()));
    await isWell();
    await Promise.all(closed);
    await isWell();
  });

  it('outlives uploads that break off', async () => {
    const form =
      'POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 9999\r\n\r\n';
    const part = '--b\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\n';
    for (let i = 0; i < 100; i++) {
      const socket = await opened(
        i % 2 === 0 ? form + part : Buffer.concat([Buffer.from(head), chair.subarray(0, 1000)]),
      );
      await pause(1);
      socket.destroy();
    }
    await isWell();
  });

  it('takes none of a body of a gigabyte that does not say how long it is', async () => {
    const before = await memory();
    const piece = Buffer.alloc(MIB);
    let sent = 0;
    const status = await new Promise<number | undefined>((resolve) => {
      const headers = { 'content-type': 'image/png', 'transfer-encoding': 'chunked' };
      const request = httpRequest(`${address}/v1/classify`, { method: 'POST', headers }, (answer) => {
        resolve(answer.statusCode);
        request.destroy();
      });
      // The server may hang up before its answer is read.
      request.on('error', () => resolve(undefined));
      const send = (): void => {
        while (sent < 1024 && !request.destroyed) {
          sent++;
          if (!request.write(piece)) return void request.once('drain', send);
        }
      };
      send();
    });
    expect([413, undefined]).toContain(status);
    expect(sent).toBeLessThan(200);
    expect((await memory()) - before).toBeLessThan(64 * MIB);
    await isWell();
  });

  it('loses nothing and grows by nothing over a thousand requests that are given up', async () => {
    const giveUp = async (): Promise<void> => {
      const socket = await opened(Buffer.concat([Buffer.from(head), chair]));
      await pause(Math.random() * 10);
      socket.destroy();
    };
    const many = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 20) await Promise.all(Array.from({ length: 20 }, giveUp));
    };
    // The first ones fill caches.
    await many(200);
    await isWell();
    const before = await memory();
    await many(1000);
    await isWell();
    expect((await memory()) - before).toBeLessThan(64 * MIB);
  });
});
