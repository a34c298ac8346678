import { createHash } from 'node:crypto';
import type { Model } from '../lib/model/model.js';

/** Everything in the model by its place, arrays as a hash: equal for two models exactly when all their bits are. */
export function bitsOf(model: Model): Map<string, string> {
  const bits = new Map<string, string>();
  const visit = (place: string, value: unknown): void => {
    if (ArrayBuffer.isView(value)) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      bits.set(`${place}:${value.constructor.name}`, createHash('sha256').update(bytes).digest('hex'));
    } else if (value instanceof Map) {
      for (const [key, item] of value) visit(`${place}/${String(key)}`, item);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) visit(`${place}.${key}`, item);
    } else {
      bits.set(place, Object.is(value, -0) ? '-0' : (JSON.stringify(value) ?? 'undefined'));
    }
  };
  visit('', model);
  return bits;
}
