// The producer: puts every picture of a folder into the queue, waits until all are labelled, and writes a JSON line for each.
// Started again, it goes on with the jobs that are there.
//
// node produce.mjs FOLDER OUTPUT.jsonl
import { readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Queue, QueueEvents } from 'bullmq';
import { connection, PICTURES_A_JOB, QUEUE } from './queue.mjs';

const [folder, output] = process.argv.slice(2).map((path) => resolve(path));
const pictures = (await readdir(folder)).sort().map((name) => join(folder, name));
const queue = new Queue(QUEUE, { connection: connection() });

const jobs = [];
for (let i = 0; i < pictures.length; i += PICTURES_A_JOB) {
  // A job of this name is there once, however often it is added.
  const options = { jobId: `${folder.replaceAll(':', '_')}-${i}`, attempts: 5, backoff: 1000 };
  jobs.push({ name: 'label', data: { pictures: pictures.slice(i, i + PICTURES_A_JOB) }, opts: options });
}
const added = await queue.addBulk(jobs);

const events = new QueueEvents(QUEUE, { connection: connection() });
let done = 0;
const answers = await Promise.all(
  added.map(async (job) => {
    // Also of one that was done before; throws for one that failed.
    const labelled = await job.waitUntilFinished(events);
    process.stderr.write(`${++done} of ${added.length} jobs\n`);
    return labelled;
  }),
);
const lines = answers.flat().map((answer) => `${JSON.stringify(answer)}\n`);
await writeFile(output, lines.join(''));
await Promise.all(added.map(({ id }) => queue.remove(id)));
await Promise.all([events.close(), queue.close()]);
