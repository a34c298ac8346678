// ncnn and MNN as subjects of a count.
import { join } from 'node:path';
import { createSession } from '../../../dist/internal.cjs';
import { pixels } from './input.mjs';
import { run } from './process.mjs';
import { arm64Python, pythonPeers } from './python.mjs';

/** ncnn and MNN on the weights of one of our models, in each of their precisions. */
export async function peersOf(read, { model, onnx, maker, folder }) {
  const python = arm64Python();
  const session = await createSession(read, { threads: 1 });
  const logits = [...(await session.run(pixels(3 * read.preprocessing.size[0] * read.preprocessing.size[1])))];
  await session.dispose();
  return Object.entries(pythonPeers).flatMap(([name, { program, module, extension, precisions }]) =>
    precisions.map((precision) => {
      const file = join(folder, `${name}-${precision}${extension}`);
      run(maker, [program, 'make', precision, onnx, file]);
      const engine = precision === 'fp32' ? name : `${name} ${precision}`;
      return { engine, model, file, logits, peer: { python, program, module, precision } };
    }),
  );
}
