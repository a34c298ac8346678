import type { Command } from 'commander';
import { fileError, invalidArgument } from '../errors.js';
import { readRegularFile } from '../files/openFile.js';
import { modelFile } from '../shipped/readModel.js';
import { portNumber, wholeNumber } from './arguments.js';
import { addModelOptions, type ModelOptions, readingOf } from './modelOptions.js';
import { note } from './notes.js';
import { noteAssumedPreprocessing } from './preprocessing.js';
import { INTERRUPTED } from './program.js';
import { threadsOption } from './vocabulary.js';

interface Options extends ModelOptions {
  readonly model?: string[] | undefined;
  readonly models?: string[] | undefined;
  readonly host: string;
  readonly port: number;
  readonly threads?: number | undefined;
  readonly maxInFlight: number;
  readonly maxBytes: number;
  readonly shadow?: string | undefined;
  readonly share: string;
  readonly shadowLog?: string | undefined;
  readonly keep?: string | undefined;
  readonly reference?: string | undefined;
  readonly lab?: string | undefined;
  readonly log?: boolean | undefined;
}

const collect = (value: string, previous: string[] = []): string[] => [...previous, value];

/** Adds `neonsense serve`. */
export function register(program: Command): void {
  const command = program
    .command('serve')
    .description('answer over HTTP: pictures, tensors (Open Inference Protocol v2), a live page, metrics')
    .option(
      '-m, --model <model>',
      'model file, or a model that comes with neonsense by its name; may be repeated, the first answers when a request names none',
      collect,
    )
    .option('--models <folder>', 'folder of model files; may be repeated', collect)
    .option('--host <address>', 'address to listen on; 0.0.0.0 lets other machines in', '127.0.0.1')
    .option('-p, --port <number>', 'port; 0 takes a free one', portNumber, 8080)
    .addOption(threadsOption('threads of each model (default: the performance cores, at most 4)'))
    .option('--max-in-flight <n>', 'pictures under way at a time; more are answered with 503', wholeNumber, 8)
    .option('--max-bytes <n>', 'bytes a request may have', wholeNumber, 32 << 20)
    .option('--shadow <model>', 'a second model that sees a share of the pictures too, after they were answered')
    .option('--share <part>', 'that share, above 0 to 1', '0.1')
    .option('--shadow-log <file>', 'append what both answered, a JSON line a picture, for `neonsense ab report`')
    .option('--keep <folder>', 'keep the pictures on which the two disagree')
    .option('--reference <file>', 'JSON with the share of each label, which drift is measured against')
    .option('--lab <folder>', 'keep in this folder what boards measure with `neonsense bench --lab`, and show it')
    .option('--log', 'structured logs of every request on standard error');
  addModelOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  neonsense serve
  neonsense serve --models models/ --port 9000
  neonsense serve -m mine.safetensors --shadow next.safetensors --share 0.1 --shadow-log ab.jsonl
  curl -s --data-binary @photo.jpg -H 'content-type: image/jpeg' http://127.0.0.1:8080/v1/classify

The page is at /, metrics for Prometheus at /metrics, the description of the interface at /openapi.json.
Ctrl-C finishes what is under way, then ends.`,
    )
    .action(run);
}

async function run(options: Options): Promise<void> {
  const stop = stopRequest();
  const share = Number(options.share);
  if (!(share > 0 && share <= 1)) throw invalidArgument('--share', 'a number above 0, at most 1', options.share);
  const given = [...(options.model ?? []).map((name) => modelFile(name)), ...(options.models ?? [])];
  const { createServer } = await import('../serve/server.js');
  await using server = await createServer({
    models: given.length > 0 ? given : undefined,
    reading: await readingOf(options),
    threads: options.threads,
    maxInFlight: options.maxInFlight,
    maxBytes: options.maxBytes,
    reference: options.reference === undefined ? undefined : await readReference(options.reference),
    shadow:
      options.shadow === undefined
        ? undefined
        : { model: modelFile(options.shadow), share, log: options.shadowLog, keep: options.keep },
    lab: options.lab,
    log: options.log,
  });
  const address = await server.listen({ host: options.host, port: options.port });
  for (const { file, model } of server.models) noteAssumedPreprocessing(file, model);
  const names = server.models.map(({ name }) => name).join(', ');
  note(`${names} at ${address}`);
  if ((await stop) === 'SIGINT') process.exitCode = INTERRUPTED;
}

async function readReference(file: string): Promise<Record<string, number>> {
  const text = await readRegularFile(file).catch((cause: unknown) => {
    throw fileError(cause, `There is no ${file}`, `${file} can't be read`);
  });
  const shares: unknown = parsed(text.toString('utf8'));
  const sound =
    typeof shares === 'object' &&
    shares !== null &&
    Object.values(shares).every((share) => typeof share === 'number' && share >= 0 && share <= 1);
  if (!sound) throw invalidArgument('--reference', 'a JSON object of labels with their shares, 0 to 1', file);
  return shares as Record<string, number>;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Resolves with the first signal that asks to stop; a second one ends the process as usual. */
function stopRequest(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal));
  });
}
