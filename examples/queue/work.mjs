// A worker: labels the pictures of one job after the other, until it is told to stop. Start as many as there are cores, on as
// many machines as see the pictures under the same paths.
//
// node work.mjs [MODEL]
import { Worker } from 'bullmq';
import { Classifier } from 'neonsense';
import { connection, QUEUE } from './queue.mjs';

const [model] = process.argv.slice(2);
// A process for each core with one thread labels the most pictures.
const classifier = await Classifier.load(model, { threads: 1 });

/** A job's pictures; one that can't be read has its reason in place of predictions, so that it fails nobody else's. */
async function label({ data: { pictures } }) {
  const results = await classifier.classifyBatch(pictures, { topK: 1, onError: 'collect' });
  return results.map((result, i) =>
    'error' in result
      ? { file: pictures[i], error: result.error.message }
      : { file: pictures[i], predictions: result.predictions, rejected: result.rejected },
  );
}

const worker = new Worker(QUEUE, label, {
  connection: connection(),
  // A worker that dies holds its job for this long; then another one does it. A job's answers are stored by the same step
  // that ends it, and only for the worker that still holds it: so each picture's answer is there once.
  lockDuration: 5000,
  stalledInterval: 2000,
  maxStalledCount: 10,
});
worker.on('error', (error) => console.error(error.message));

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    // Waits for the job in hand.
    await worker.close();
    await classifier.dispose();
  });
}
