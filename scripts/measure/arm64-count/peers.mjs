// ncnn and MNN as subjects of a count.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSession, toOnnx, trialInput } from '../../../dist/internal.cjs';
import { run } from './process.mjs';
import { arm64Python, countedPeers } from './python.mjs';

/** ncnn and MNN on the weights of one of our models, in each of their precisions. */
export async function peersOf(read, { model, maker, folder }) {
  const python = arm64Python();
  const session = await createSession(read, { threads: 1 });
  const logits = [...(await session.run(trialInput({ batch: 1, size: read.preprocessing.size })))];
  await session.dispose();
  // Several models may be counted in one go.
  const own = mkdtempSync(join(folder, 'peers-'));
  const onnx = join(own, 'model.onnx');
  writeFileSync(onnx, toOnnx(read));
  return countedPeers.flatMap(({ name, program, module, extension, precisions }) =>
    precisions.map((precision) => {
      const file = join(own, `${name}-${precision}${extension}`);
      run(maker, [program, 'make', precision, onnx, file]);
      const engine = precision === 'fp32' ? name : `${name} ${precision}`;
      return { engine, model, file, logits, peer: { python, program, module, precision } };
    }),
  );
}
