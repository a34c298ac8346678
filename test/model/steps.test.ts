import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readModel } from '../../lib/model/files.js';
import { BYTES_A_STEP } from '../../lib/model/steps.js';
import { modelsFolder } from '../../lib/shipped/manifest.js';

describe('reading a model', () => {
  it('lets the event loop turn for every MiB, twice: while it is hashed and while it is taken apart', async () => {
    const bytes = readFileSync(join(modelsFolder, 'household-fp32.safetensors'));
    const steps = Math.floor(bytes.length / BYTES_A_STEP);
    expect(steps).toBeGreaterThan(2);
    let turns = 0;
    let isReading = true;
    const turn = (): void => {
      turns++;
      if (isReading) setImmediate(turn);
    };
    setImmediate(turn);
    await readModel(bytes);
    isReading = false;
    expect(turns).toBeGreaterThanOrEqual(steps);
  });
});
