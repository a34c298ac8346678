// What a good programmer writes without us: sharp, shrinking while it decodes, and onnxruntime-node.
import { readFileSync } from 'node:fs';
import sharp from 'sharp';

const SIDE = 224;

/** Something that labels pictures, in as many sessions as work at the same time. */
export class Peer {
  #ort;
  #sessions;
  #free;
  #waiting = [];
  #preprocessing;

  static async create(ort, onnx, { preprocessing, threads, sessions = 1 }) {
    const options = { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' };
    const created = [];
    for (let i = 0; i < sessions; i++) created.push(await ort.InferenceSession.create(onnx, options));
    return new Peer(ort, created, preprocessing);
  }

  constructor(ort, sessions, preprocessing) {
    this.#ort = ort;
    this.#sessions = sessions;
    this.#free = sessions.map((session) => ({ session, tensor: new Float32Array(3 * SIDE * SIDE) }));
    this.#preprocessing = preprocessing;
  }

  /** A picture's path or bytes. */
  async photo(source) {
    return this.#label(await resized(sharp(source, { sequentialRead: true })));
  }

  async rgba(data, width, height) {
    return this.#label(await resized(sharp(data, { raw: { width, height, channels: 4 } })));
  }

  /** sharp knows no nv12: its two planes are resized as pictures of one and two channels, and converted when small. */
  async nv12(data, width, height) {
    const plane = (from, w, h, channels) => {
      const bytes = data.subarray(from, from + w * h * channels);
      return sharp(bytes, { raw: { width: w, height: h, channels } })
        .resize(SIDE, SIDE, RESIZE)
        .raw()
        .toBuffer({ resolveWithObject: true });
    };
    const [luma, chroma] = await Promise.all([
      plane(0, width, height, 1),
      plane(width * height, width / 2, height / 2, 2),
    ]);
    const [y, c] = [luma.data, chroma.data];
    const [lumaStep, chromaStep] = [luma.info.channels, chroma.info.channels];
    const rgb = new Uint8ClampedArray(3 * SIDE * SIDE);
    for (let i = 0; i < SIDE * SIDE; i++) {
      const l = 1.164 * (y[i * lumaStep] - 16);
      const u = c[i * chromaStep] - 128;
      const v = c[i * chromaStep + 1] - 128;
      rgb[3 * i] = l + 1.596 * v;
      rgb[3 * i + 1] = l - 0.392 * u - 0.813 * v;
      rgb[3 * i + 2] = l + 2.017 * u;
    }
    return this.#label(rgb);
  }

  async dispose() {
    for (const session of this.#sessions) await session.release?.();
  }

  async #label(rgb) {
    const place = this.#free.pop() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
    try {
      const { session, tensor } = place;
      toPlanes(rgb, this.#preprocessing, tensor);
      const input = new this.#ort.Tensor('float32', tensor, [1, 3, SIDE, SIDE]);
      const output = await session.run({ [session.inputNames[0]]: input });
      const { data } = output[session.outputNames[0]];
      return data.indexOf(Math.max(...data));
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(place);
      else next(place);
    }
  }
}

// Without rounding up to 32 bits, and with the cheapest kernel that still looks at every pixel.
const RESIZE = { fit: 'fill', kernel: 'linear', fastShrinkOnLoad: true };

function resized(picture) {
  return picture.resize(SIDE, SIDE, RESIZE).removeAlpha().raw().toBuffer();
}

function toPlanes(rgb, { mean, std }, planes) {
  const plane = SIDE * SIDE;
  for (let c = 0; c < 3; c++) {
    const scale = 1 / (255 * std[c]);
    const shift = mean[c] / std[c];
    for (let i = 0, from = c, to = c * plane; i < plane; i++, from += 3) planes[to + i] = rgb[from] * scale - shift;
  }
}

/** The module of a folder where `npm install` put it. */
export async function loadOrt(modules) {
  const { createRequire } = await import('node:module');
  const { join, resolve } = await import('node:path');
  const require = createRequire(join(resolve(modules), 'package.json'));
  const { version } = JSON.parse(readFileSync(require.resolve('onnxruntime-node/package.json'), 'utf8'));
  return { ort: require('onnxruntime-node'), version };
}
