import { type Command, InvalidArgumentError } from 'commander';
import stringWidth from 'string-width';
import { invalidArgument, NeonsenseError } from '../errors.js';
import type { Server } from '../serve/options.js';
import { modelFile } from '../shipped/readModel.js';
import { resultObject } from '../watch/resultObject.js';
import type { Region } from '../watch/route.js';
import { type WatchResult, watch } from '../watch/watch.js';
import { portNumber, wholeNumber } from './arguments.js';
import { ChangeCommand } from './changeCommand.js';
import { loadClassifier } from './loadClassifier.js';
import { addModelOptions, type ModelOptions, readingOf } from './modelOptions.js';
import { complain, note } from './notes.js';
import { noteAssumedPreprocessing } from './preprocessing.js';
import { INTERRUPTED } from './program.js';
import { columnsOf } from './terminal.js';
import { bar, cut, printable } from './text.js';
import { addFormats, modelOption, threadsOption } from './vocabulary.js';

interface Options extends ModelOptions {
  readonly model: string;
  readonly language?: string | undefined;
  readonly threads?: number | undefined;
  readonly topK: number;
  readonly pixelFormat?: string | undefined;
  readonly size?: readonly [width: number, height: number] | undefined;
  readonly fps?: number | undefined;
  readonly roi?: Region | undefined;
  readonly every: number;
  readonly smooth?: boolean | undefined;
  readonly all?: boolean | undefined;
  readonly realtime?: boolean | undefined;
  readonly json?: boolean | undefined;
  readonly changes?: boolean | undefined;
  readonly exec?: string | undefined;
  readonly serve?: number | undefined;
  readonly host: string;
}

const BAR_CELLS = 16;
/** For the label, so that the rest of the line stands still while labels change. */
const LABEL_CELLS = 14;

/** Adds `neonsense watch SOURCE`. */
export function register(program: Command): void {
  const command = program
    .command('watch')
    .description('label what a camera, a film, a stream or a folder shows, as it happens')
    .argument('<source>', 'camera, /dev/video0, a film, rtsp://, http:// (Motion JPEG), - or a folder of new pictures')
    .addOption(modelOption())
    .addOption(threadsOption())
    .option('-k, --top-k <n>', 'predictions of each frame in --json', wholeNumber, 5)
    .option('--pixel-format <name>', "for -: ffmpeg's name of the pixel format (yuv420p, rgb24...), or mjpeg")
    .option('--size <WxH>', 'for -: sides of the raw frames; for a camera: those it is asked for', size)
    .option('--fps <n>', 'frames a second that a camera is asked for', wholeNumber)
    .option('--roi <x,y,w,h>', 'look at this part only, in shares of the picture: 0.25,0,0.5,1', region)
    .option('--every <n>', 'look at every n-th frame', wholeNumber, 1)
    .option('--smooth', 'average over frames, so that labels do not flicker')
    .option('--all', 'look at every frame and let the source wait; for a film this is so anyway')
    .option('--realtime', 'play a film at its own pace, and drop frames as of a camera')
    .option('--changes', 'print only when the label changes')
    .option('--exec <command>', 'run a shell command when the label changes; the label is $1 and $NEONSENSE_LABEL')
    .option(
      '--serve <port>',
      'also show it on the live page of `neonsense serve` at this port; 0 takes a free one',
      portNumber,
    )
    .option('--host <address>', 'for --serve: address to listen on; 0.0.0.0 lets other machines in', '127.0.0.1')
    .option('--language <tag>', 'name the classes in this language, where the model has them in it, for example de');
  addModelOptions(addFormats(command, ['text', 'json'], 'frame'))
    .addHelpText(
      'after',
      `
Examples:
  neonsense watch camera --smooth
  neonsense watch /dev/video0 --size 1280x720 --json --changes
  neonsense watch camera --serve 8080
  neonsense watch rtsp://camera.local/stream --exec 'echo "$1" >> seen.txt'
  ffmpeg -i film.mp4 -f rawvideo -pix_fmt yuv420p -s 640x480 - | neonsense watch - --pixel-format yuv420p --size 640x480

Programs that read cameras and films (ffmpeg, rpicam-vid, gst-launch-1.0) are found on the machine.
Ctrl-C ends the program that reads, and the command.`,
    )
    .action(run);
}

async function run(source: string, options: Options): Promise<void> {
  using stop = catchStop();
  const change = options.exec === undefined ? undefined : new ChangeCommand(options.exec);
  const server = options.serve === undefined ? undefined : await serve(source, options, options.serve);
  // One session for both: the weights are there once.
  const classifier = server?.models[0]?.classifier ?? (await loadClassifier(options));
  noteAssumedPreprocessing(options.model, classifier.model);
  const model = server?.models[0]?.name ?? classifier.choice?.variant ?? options.model;
  if (options.json !== true) note(`${model} looks at ${source}`);
  const show = shownAs(options, model);
  try {
    let label: string | undefined;
    for await (const result of watch(classifier, source, watchOptions(options, stop.signal))) {
      const now = labelOf(result);
      // A frame that can't be read says nothing of what is there.
      const changed = result.error === undefined && now !== label;
      if (changed) {
        label = now;
        change?.run({ label: now, probability: result.predictions[0]?.probability ?? 0, frame: result.frame });
      }
      server?.watched?.show(result);
      await show(result, changed);
    }
    await change?.finished();
  } catch (error) {
    if (!(error instanceof NeonsenseError && error.code === 'ERR_ABORTED')) throw error;
    process.exitCode = stop.by === 'SIGINT' ? INTERRUPTED : 0;
  } finally {
    change?.stop();
    if (server !== undefined) await server.close();
    else await classifier.dispose();
  }
}

/** A server of the model, with what is watched on its page. */
async function serve(source: string, options: Options, port: number): Promise<Server> {
  const { model, language, threads, host } = options;
  if (language !== undefined) throw invalidArgument('--language', 'no language when there is --serve', language);
  const { createServer } = await import('../serve/server.js');
  const server = await createServer({
    models: model === 'auto' ? undefined : [modelFile(model)],
    reading: await readingOf(options),
    threads,
    watching: source,
  });
  try {
    const address = await server.listen({ host, port });
    note(`${source} is shown at ${address}`);
    return server;
  } catch (error) {
    await server.close();
    throw error;
  }
}

function watchOptions(options: Options, signal: AbortSignal): Parameters<typeof watch>[2] {
  const { pixelFormat: format, size: sides, fps, roi, every, smooth, topK, all, realtime } = options;
  return {
    ...{ format, fps, roi, every, smooth, topK, all, realtime, signal },
    ...(sides === undefined ? {} : { width: sides[0], height: sides[1] }),
  };
}

/** The label, or the empty text for none of them. */
function labelOf({ rejected, predictions }: WatchResult): string {
  return rejected ? '' : (predictions[0]?.label ?? '');
}

/** How results are shown: as JSON, on one live line of a terminal, or a line for each change. */
function shownAs({ json, changes }: Options, model: string): (result: WatchResult, changed: boolean) => Promise<void> {
  if (json === true) {
    return async (result, changed) => {
      if (changed || changes !== true) await print(JSON.stringify(resultObject(result, model)));
    };
  }
  const { stdout } = process;
  if (stdout.isTTY && changes !== true) {
    return async (result) => {
      await print(`\r${cut(liveLine(result), Math.max(1, columnsOf(stdout) - 1))}\u001b[K`, '');
    };
  }
  return async (result, changed) => {
    if (result.error !== undefined) complain(result.error.message);
    if (changed) await print(`${(result.timeMs / 1000).toFixed(1)} s  ${liveLine(result)}`);
  };
}

/** One frame for people. */
export function liveLine({ predictions, rejected, fps, dropped, latencyMs, file, error }: WatchResult): string {
  const [first] = predictions;
  const said =
    first === undefined
      ? [error === undefined ? 'nothing' : 'no picture']
      : [
          rejected ? 'none of these' : printable(first.label),
          bar(rejected ? 0 : first.probability, BAR_CELLS).padEnd(BAR_CELLS),
          `${(100 * first.probability).toFixed(0).padStart(3)} %`,
        ];
  const numbers = [`${fps.toFixed(1)} fps`, `${dropped} dropped`, `${latencyMs.toFixed(0)} ms`];
  const [what = '', ...rest] = said;
  return [
    what + ' '.repeat(Math.max(0, LABEL_CELLS - stringWidth(what))),
    ...rest,
    ...numbers,
    ...(file === undefined ? [] : [printable(file)]),
  ].join('  ');
}

/** Writes to standard output and waits where its reader is slow, so that results do not pile up in memory. */
async function print(text: string, end = '\n'): Promise<void> {
  if (!process.stdout.write(text + end)) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

function size(text: string): [number, number] {
  const sides = /^(\d{1,5})x(\d{1,5})$/i.exec(text)?.slice(1).map(Number);
  if (sides === undefined || sides.includes(0)) {
    throw new InvalidArgumentError(`Expected WIDTHxHEIGHT in pixels, 640x480, but received "${text}".`);
  }
  return [sides[0]!, sides[1]!];
}

function region(text: string): Region {
  const [x, y, width, height, ...more] = text
    .split(',')
    .map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (height === undefined || more.length > 0) {
    throw new InvalidArgumentError(`Expected four shares x,y,w,h, 0.25,0,0.5,1, but received "${text}".`);
  }
  return { x: x!, y: y!, width: width!, height };
}

/** The first request to stop, by Ctrl-C, `kill` or a terminal that is closed; a second one ends the process as usual. */
function catchStop(): Disposable & { readonly signal: AbortSignal; readonly by: NodeJS.Signals | undefined } {
  const controller = new AbortController();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let by: NodeJS.Signals | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    by = signal;
    controller.abort();
    release();
  };
  const release = (): void => {
    for (const signal of signals) process.removeListener(signal, stop);
  };
  for (const signal of signals) process.on(signal, stop);
  return {
    signal: controller.signal,
    get by() {
      return by;
    },
    [Symbol.dispose]: release,
  };
}
