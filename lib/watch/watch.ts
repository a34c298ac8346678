import { Readable } from 'node:stream';
import type { Classifier } from '../classify/classifier.js';
import type { StreamOptions, StreamResult } from '../classify/classifyStream.js';
import { checkCount, checkOptions, checkSignal } from '../classify/options.js';
import { abortError, examined, invalidArgument, NeonsenseError, shortened, throwIfAborted } from '../errors.js';
import { decodeImage } from '../image/decode.js';
import { INTERLEAVED, type Pixels } from '../image/pixels.js';
import type { ByteSource } from '../stream/chunks.js';
import type { SmoothingOptions } from '../stream/smoothing.js';
import { arrivals } from './arrivals.js';
import { startSource } from './child.js';
import { type RawFrames, readPpm } from './ppm.js';
import { type Gives, type RawFormat, type Region, type Route, type RouteOptions, routeTo } from './route.js';

export interface WatchOptions extends RouteOptions {
  /** Look at every n-th frame only. Default 1. */
  readonly every?: number | undefined;
  /** Steadies probabilities and label over frames; not for a folder, whose pictures need not be of one scene. Default false. */
  readonly smooth?: boolean | SmoothingOptions | undefined;
  /** Predictions of each result. Default 5. */
  readonly topK?: number | undefined;
  /** Look at every frame; the source waits. Default: for a film yes, for what is live no: there the newest frame wins. */
  readonly all?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the network says of one frame, and what it looked like. */
export interface WatchResult extends Omit<StreamResult, 'data'> {
  /** The picture's file, when a folder is watched. */
  readonly file?: string;
  /** The frame, until the next result is asked for: an encoded picture, or raw pixels. */
  readonly picture: string | Uint8Array | Pixels;
}

/**
 * Labels what a camera, a film or a folder shows. Programs it needs are found on the machine, and ended when the loop is
 * left or the signal fires.
 *
 * @param source `camera`, a device such as `/dev/video0`, a film's path, `rtsp://`, `http://` (Motion JPEG, or what
 * ffmpeg reads), `-` for standard input with `format` and sides, or a folder, whose new pictures are labelled
 * @throws {NeonsenseError} `ERR_NOT_FOUND` for what is not there, and for a missing program, with the command that
 * installs it; `ERR_INVALID_ARGUMENT`; `ERR_IO` when a source fails; `ERR_ABORTED`
 */
export async function* watch(
  classifier: Classifier,
  source: string,
  given: WatchOptions = {},
): AsyncGenerator<WatchResult> {
  if (typeof source !== 'string') throw invalidArgument('source', "a camera's, file's or folder's name", source);
  const known = checkOptions(given, KNOWN);
  const options = { ...known, roi: checkRegion(known.roi) };
  checkSignal(options.signal);
  throwIfAborted(options.signal);
  for (const name of ['width', 'height', 'fps', 'every', 'topK'] as const) checkCount(options[name], `options.${name}`);
  const route = routeTo(source, options);
  yield* follow(classifier, route, options);
}

async function* follow(classifier: Classifier, route: Route, options: WatchOptions): AsyncGenerator<WatchResult> {
  switch (route.kind) {
    case 'folder':
      return yield* watchFolder(classifier, route.path, options);
    case 'stdin':
      return yield* label(classifier, process.stdin, route.gives, route.live, options);
    case 'http':
      return yield* watchHttp(classifier, route, options);
    case 'program':
      return yield* watchProgram(classifier, route, options);
  }
}

async function* watchProgram(
  classifier: Classifier,
  { command, stdin, gives, live }: Route & { readonly kind: 'program' },
  options: WatchOptions,
): AsyncGenerator<WatchResult> {
  const { signal } = options;
  await using program = startSource(command, { stdin });
  // A silent source would keep its reader waiting.
  const stop = (): void => void program.output.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    yield* label(classifier, program.output, gives, live, options);
    throwIfAborted(signal);
    await program.ended();
  } catch (error) {
    // Why the frames ended is what the program says.
    if (!(error instanceof NeonsenseError && error.code === 'ERR_IMAGE')) throw asAbort(error, signal);
    await program.ended();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** An answer of Motion JPEG is read here; for anything else ffmpeg is asked. */
async function* watchHttp(
  classifier: Classifier,
  { url, otherwise, live }: Route & { readonly kind: 'http' },
  options: WatchOptions,
): AsyncGenerator<WatchResult> {
  const controller = new AbortController();
  const signal =
    options.signal === undefined ? controller.signal : AbortSignal.any([options.signal, controller.signal]);
  try {
    const answer = await fetch(url, { signal });
    if (!answer.ok) throw new NeonsenseError('ERR_IO', `${shortened(url)} answered with status ${answer.status}`);
    const type = answer.headers.get('content-type') ?? '';
    if (/^(multipart\/x-mixed-replace|image\/jpeg)/i.test(type) && answer.body !== null) {
      const body = Readable.fromWeb(answer.body as Parameters<typeof Readable.fromWeb>[0]);
      return yield* label(classifier, body, { format: 'mjpeg' }, live, options);
    }
  } catch (error) {
    throwIfAborted(options.signal);
    if (error instanceof NeonsenseError) throw error;
    const { cause } = error as Error;
    const reason = cause instanceof Error ? cause.message : (error as Error).message;
    throw new NeonsenseError('ERR_IO', `${shortened(url)} can't be read: ${reason}`, { cause: error });
  } finally {
    controller.abort();
  }
  yield* follow(classifier, otherwise(), options);
}

async function* label(
  classifier: Classifier,
  bytes: ByteSource,
  gives: Gives,
  live: boolean,
  options: WatchOptions,
): AsyncGenerator<WatchResult> {
  const { every, smooth, topK, signal, all = !live } = options;
  const common = { latest: !all, every, smooth, topK, signal };
  if (gives.format === 'mjpeg') {
    for await (const { data, ...result } of classifier.stream(bytes, { format: 'mjpeg', ...common })) {
      yield { ...result, picture: data };
    }
    return;
  }
  const opened: OpenedFrames | undefined =
    'width' in gives
      ? { ...gives, pixels: bytes }
      : await readPpm(bytes).then((ppm) => ppm && { format: 'rgb24', ...ppm });
  if (opened === undefined) return;
  const { format, width, height, pixels } = opened;
  const raw: StreamOptions = { format, width, height, ...common };
  for await (const { data, ...result } of classifier.stream(pixels, raw)) {
    yield { ...result, picture: { data, width, height, ...INTERLEAVED[format] } };
  }
}

const KNOWN = ['format', 'width', 'height', 'fps', 'roi', 'every', 'smooth', 'topK', 'all', 'realtime', 'signal'];

interface OpenedFrames extends RawFrames {
  readonly format: RawFormat;
}

/** Each picture in its turn, since none is more worth than another. */
async function* watchFolder(
  classifier: Classifier,
  folder: string,
  { every = 1, smooth = false, topK = 5, roi, signal }: WatchOptions,
): AsyncGenerator<WatchResult> {
  if (smooth !== false)
    throw invalidArgument('smooth', 'false for a folder, whose pictures are of many scenes', smooth);
  let number = -1;
  let first: number | undefined;
  let last: number | undefined;
  for await (const file of arrivals(folder, signal)) {
    number++;
    if (number % every !== 0) continue;
    const at = performance.now();
    first ??= at;
    let answer: Pick<WatchResult, 'predictions' | 'rejected' | 'error'>;
    try {
      const picture = roi === undefined ? file : await partOf(file, roi);
      answer = await classifier.classify(picture, { topK, signal });
    } catch (error) {
      if (!(error instanceof NeonsenseError) || !['ERR_IMAGE', 'ERR_NOT_FOUND', 'ERR_IO'].includes(error.code)) {
        throw error;
      }
      answer = { predictions: [], rejected: true, error };
    }
    const now = performance.now();
    const { predictions, rejected, error } = answer;
    yield {
      frame: number,
      timeMs: at - first,
      predictions,
      rejected,
      fps: last === undefined ? 0 : 1000 / (now - last),
      dropped: 0,
      latencyMs: now - at,
      ...(error === undefined ? {} : { error }),
      picture: file,
      file,
    };
    last = now;
  }
  throwIfAborted(signal);
}

/** A part in whole pixels of a picture, at least one of them. */
function inPixels({ width, height }: Pixels, roi: Region): NonNullable<Pixels['roi']> {
  const span = (from: number, share: number, side: number): [number, number] => {
    const start = Math.min(side - 1, Math.round(from * side));
    return [start, Math.max(start + 1, Math.min(side, Math.round((from + share) * side)))];
  };
  const [left, right] = span(roi.x, roi.width, width);
  const [top, bottom] = span(roi.y, roi.height, height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** The engine looks at the part alone; nothing is cut out here. */
async function partOf(file: string, roi: Region): Promise<Pixels> {
  const picture = await decodeImage(file);
  return { ...picture, roi: inPixels(picture, roi) };
}

/** The region, read once. */
function checkRegion(given: Region | undefined): Region | undefined {
  if (given === undefined) return undefined;
  const expected = 'x, y, width, height in shares of the picture, within 0 to 1';
  return examined('options.roi', expected, given, () => {
    const { x, y, width, height } = given;
    const sound =
      [x, y, width, height].every((share) => typeof share === 'number' && share >= 0) &&
      width > 0 &&
      height > 0 &&
      x + width <= 1 + 1e-9 &&
      y + height <= 1 + 1e-9;
    if (!sound) throw invalidArgument('options.roi', expected, given);
    return { x, y, width, height };
  });
}

/** A source that the signal closed ends with an error of its own; what happened is the abort. */
function asAbort(error: unknown, signal: AbortSignal | undefined): unknown {
  return signal?.aborted === true ? abortError(signal) : error;
}
