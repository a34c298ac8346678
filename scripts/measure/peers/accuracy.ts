import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import {
  createSession,
  type Model,
  NeonsenseError,
  type OnnxRuntime,
  openDataset,
  type Predictor,
  planes,
  readModel,
  type Subject,
  scorePredictors,
} from '../../../lib/internal.js';
import { subjectKey } from './report.js';

/** Share of pictures that each subject gets right, by `subjectKey`; peers that only run the float weights are left out. */
export type Accuracies = ReadonlyMap<string, number>;

/**
 * Counts top-1 on raw pictures of ours and of onnxruntime-node, in this process on the same decoded pictures.
 * @param pictures raw uint8 `[N, H, W, 3]`, with `NAME_labels.bin` beside `NAME.bin`
 * @param float the model whose labels and preprocessing the peers share
 */
export async function countAccuracy(
  subjects: readonly Subject[],
  pictures: string,
  float: Model,
  signal: AbortSignal,
): Promise<Accuracies> {
  const extension = extname(pictures);
  const labelsFile = `${pictures.slice(0, pictures.length - extension.length)}_labels${extension}`;
  if (!existsSync(labelsFile)) {
    throw new NeonsenseError('ERR_NOT_FOUND', `--accuracy: there are no labels at ${labelsFile}`);
  }
  const dataset = await openDataset(pictures, { labels: float.labels, labelsFile });
  const accuracies = new Map<string, number>();
  const predictors: Predictor[] = [];
  for (const subject of subjects) {
    const predictor = await predictorOf(subject, float);
    if (predictor !== undefined) predictors.push(predictor);
  }
  for (const { model, top1 } of await scorePredictors(predictors, dataset, { signal })) accuracies.set(model, top1);
  return accuracies;
}

async function predictorOf(subject: Subject, float: Model): Promise<Predictor | undefined> {
  const name = subjectKey(subject);
  if (subject.engine === 'neonsense') {
    const model = await readModel(subject.file);
    const { labels, preprocessing, precision } = model;
    const session = await createSession(model, { threads: 1, sparse: subject.sparse });
    return { name, precision, labels, preprocessing, run: (input) => session.run(input) };
  }
  if (subject.engine !== 'onnxruntime-node') return undefined;
  const { InferenceSession, Tensor } = createRequire(subject.module!)(subject.module!) as OnnxRuntime;
  const session = await InferenceSession.create(subject.file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const { labels, preprocessing, precision } = float;
  return {
    name,
    precision,
    labels,
    preprocessing,
    run: async (input) => {
      const [height, width] = preprocessing.size;
      const shape = { batch: input.length / (3 * height * width), size: preprocessing.size };
      const image = new Tensor('float32', planes(input, shape), [shape.batch, 3, height, width]);
      return (await session.run({ [session.inputNames[0]!]: image }))[session.outputNames[0]!]!.data;
    },
  };
}
