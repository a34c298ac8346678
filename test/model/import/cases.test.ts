// Checkpoints as people have them: each gives PyTorch's own logits, or is refused for what it is.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readModel } from '../../../lib/model/files.js';
import { createSession } from '../../../lib/runtime/session.js';
import { describeShared } from '../../shared.js';

const REFUSED: Readonly<Record<string, readonly [code: string, message: RegExp]>> = {
  'C3-fx-static-int8.pth': ['ERR_UNSUPPORTED', /statically quantized by PyTorch FX graph mode/],
  'C4-fx-qat-prepared.pth': ['ERR_UNSUPPORTED', /prepared for quantization but not converted.*convert/],
  'E2-trace-scaled-input.pt': ['ERR_MODEL_ARCHITECTURE', /normalizes its input: .*times 2 plus -1/],
  'E3-trace-relu-head.pt': ['ERR_MODEL_ARCHITECTURE', /classifier\.3 expected a hard-swish but found a relu/],
  'E4-trace-dilated.pt': ['ERR_MODEL_ARCHITECTURE', /dilation 1, 1 but found dilation 2, 2/],
};

describeShared('checkpoints from the field', (shared) => {
  const folder = join(shared, 'cases/checkpoints');
  const expected = shared === '' ? {} : (JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as object);
  const read = Object.entries(expected).filter(([file]) => !(file in REFUSED)) as [string, number[]][];

  it.each(read)("%s gives PyTorch's logits", async (file, logits) => {
    const bytes = new Uint8Array(readFileSync(join(folder, 'input.f32')));
    const session = await createSession(await readModel(join(folder, file)), { threads: 1 });
    try {
      const found = await session.run(new Float32Array(bytes.buffer));
      const range = Math.max(...logits) - Math.min(...logits);
      logits.forEach((logit, index) => expect(Math.abs(found[index]! - logit) / range).toBeLessThan(2e-4));
      expect(found).toHaveLength(logits.length);
    } finally {
      await session.dispose();
    }
  });

  it.each(Object.entries(REFUSED))('%s is refused for what it is', async (file, [code, message]) => {
    const reading = readModel(join(folder, file));
    await expect(reading).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
