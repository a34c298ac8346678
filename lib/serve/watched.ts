import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { loadSharp, type Sharp } from '../image/loadSharp.js';
import { resultObject } from '../watch/resultObject.js';
import type { WatchResult } from '../watch/watch.js';

/** Longer side of the pictures that are shown. */
const SHOWN_SIDE = 640;
/** Milliseconds between two pictures shown: encoding them takes time that the network could use. */
const SHOWN_EVERY_MS = 80;
const BOUNDARY = 'frame';

export interface WatchedListeners {
  readonly result: (result: WatchResult) => void;
  /** A picture that could not be shown. */
  readonly error: (error: unknown) => void;
}

/**
 * What a camera sees and the network says of it, for the live page: results as server-sent events, pictures as Motion
 * JPEG. Nothing is encoded while nobody looks, and nobody who is slow holds up the others: what they can't take is left
 * out.
 */
export class Watched {
  /** How it is called, such as `/dev/video0`. */
  readonly source: string;
  readonly #model: string;
  readonly #on: WatchedListeners;
  readonly #results = new Set<ServerResponse>();
  readonly #pictures = new Set<ServerResponse>();
  #encoding = false;
  #shownAt = Number.NEGATIVE_INFINITY;

  /** @param model the one that looks, as results call it */
  constructor(source: string, model: string, on: WatchedListeners) {
    this.source = source;
    this.#model = model;
    this.#on = on;
  }

  /** Shows a result to those who look. Reads its picture before it returns, or not at all; does not wait. */
  show(result: WatchResult): void {
    this.#on.result(result);
    if (this.#results.size > 0) {
      const text = `data: ${JSON.stringify(resultObject(result, this.#model))}\n\n`;
      for (const response of this.#results) if (!response.writableNeedDrain) response.write(text);
    }
    const now = performance.now();
    if (this.#pictures.size === 0 || this.#encoding || now - this.#shownAt < SHOWN_EVERY_MS) return;
    this.#encoding = true;
    this.#shownAt = now;
    encoded(result.picture)
      .then((jpeg) => {
        const head = `--${BOUNDARY}\r\ncontent-type: image/jpeg\r\ncontent-length: ${jpeg.length}\r\n\r\n`;
        const part = Buffer.concat([Buffer.from(head), jpeg, Buffer.from('\r\n')]);
        for (const response of this.#pictures) if (!response.writableNeedDrain) response.write(part);
      })
      // A frame that can't be decoded; the next one may.
      .catch((error: unknown) => this.#on.error(error))
      .finally(() => {
        this.#encoding = false;
      });
  }

  addResults(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.flushHeaders();
    this.#add(this.#results, response);
  }

  addPictures(response: ServerResponse): void {
    const type = `multipart/x-mixed-replace; boundary=${BOUNDARY}`;
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' });
    response.flushHeaders();
    this.#add(this.#pictures, response);
  }

  /** Sends everybody away. */
  end(): void {
    for (const response of [...this.#results, ...this.#pictures]) response.end();
  }

  #add(to: Set<ServerResponse>, response: ServerResponse): void {
    to.add(response);
    response.on('close', () => to.delete(response));
  }
}

/** Swaps red and blue. */
const SWAP: [[0, 0, 1], [0, 1, 0], [1, 0, 0]] = [
  [0, 0, 1],
  [0, 1, 0],
  [1, 0, 0],
];

/** Raw pixels are copied at once, since their memory is used again; encoded ones are of their own. */
async function encoded(picture: WatchResult['picture']): Promise<Uint8Array> {
  if (picture instanceof Uint8Array) return picture;
  if (typeof picture === 'string') return await shown((await loadSharp())(picture).rotate());
  const { width, height, channels, order } = picture;
  const data = picture.data.slice();
  const sharp = (await loadSharp())(data, { raw: { width, height, channels } }).flatten({ background: '#fff' });
  return await shown(order === 'bgr' ? sharp.recomb(SWAP) : sharp);
}

async function shown(picture: ReturnType<Sharp>): Promise<Uint8Array> {
  return await picture.resize(SHOWN_SIDE, SHOWN_SIDE, { fit: 'inside', withoutEnlargement: true }).jpeg().toBuffer();
}

/** `/v1/watch` says what is watched, `/v1/watch/results` and `/v1/watch/pictures` show it as long as the reader stays. */
export function registerWatched(app: FastifyInstance, watched: Watched | undefined): void {
  app.get('/v1/watch', () => ({ source: watched?.source ?? null }));
  if (watched === undefined) return;
  app.get('/v1/watch/results', (_request, reply) => watched.addResults(reply.hijack().raw));
  app.get('/v1/watch/pictures', (_request, reply) => watched.addPictures(reply.hijack().raw));
  app.addHook('preClose', async () => watched.end());
}
