import { describe, expect, it } from 'vitest';
import { createSession } from '../../lib/runtime/session.js';
import { randomImages, randomModel } from '../randomModel.js';

describe('a run', () => {
  it('leaves the main thread free: its loop turns many times for each image', async () => {
    const model = randomModel({ size: 224 });
    await using session = await createSession(model, { threads: 1 });
    const count = 16;
    const images = randomImages(model, count);
    let turns = 0;
    let isRunning = true;
    const turn = (): void => {
      turns++;
      if (isRunning) setImmediate(turn);
    };
    setImmediate(turn);
    await session.run(images);
    isRunning = false;
    // A run on the main thread lets the loop turn once or twice between two images, and not at all meanwhile.
    expect(turns).toBeGreaterThan(10 * count);
  });
});
