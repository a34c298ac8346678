import type { Pixels } from '../../lib/image/pixels.js';

/** The generator of scripts/proof/goldens/. */
export function randomBytes(seed: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  let state = seed;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Noise, the same as the goldens were made of. */
export function picture(seed: number, height: number, width: number): Pixels {
  return { data: randomBytes(seed, height * width * 3), width, height, channels: 3 };
}
