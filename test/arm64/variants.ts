// The shipped models on the example pictures, for comparison between machines.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createSession, readModel } from '../../lib/index.js';
import { randomImages } from '../randomModel.js';

/** Logits of each shipped model, by file name, on a fixed random image: `[classes]`. */
export async function classifyAll(): Promise<Record<string, number[]>> {
  const folder = process.env['NEONSENSE_MODELS'] ?? 'models';
  const results: Record<string, number[]> = {};
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.safetensors'))) {
    const model = await readModel(join(folder, file));
    await using session = await createSession(model, { threads: 1 });
    results[file] = [...(await session.run(smoothImage(model)))];
  }
  return results;
}

/** A picture with structure at several scales; noise alone would leave every logit near the others. */
function smoothImage(model: Parameters<typeof randomImages>[0]): Float32Array {
  const [height, width] = model.preprocessing.size;
  const image = new Float32Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const disc = Math.hypot(x - width / 2, y - height / 2) < width / 3 ? 1.5 : -1;
      for (let c = 0; c < 3; c++) {
        image[(y * width + x) * 3 + c] = disc + 0.5 * Math.sin(x / 17 + c) * Math.cos(y / 23);
      }
    }
  }
  return image;
}
