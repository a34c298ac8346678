import { examined, invalidArgument, NeonsenseError, throwIfAborted } from '../errors.js';
import { type FrameShape, frameBytes, PIXEL_FORMATS, type PixelFormat, type Region } from '../image/pixels.js';
import type { Confidence } from '../model/model.js';
import { largestIndices } from '../numbers/largest.js';
import { type ByteSource, jpegFrames, rawFrames } from '../stream/chunks.js';
import { Mailbox } from '../stream/mailbox.js';
import { Smoothing, type SmoothingOptions } from '../stream/smoothing.js';
import type { Classification, ImageInput, Prediction } from './classifier.js';
import { checkCount, checkOptions, checkSignal } from './options.js';
import { judge } from './rejection.js';

export interface StreamOptions {
  /** Raw pixels by ffmpeg's name of their format, or `mjpeg`: JPEGs one after the other, with HTTP's headers or without. */
  readonly format: PixelFormat | 'mjpeg';
  /** Sides of raw frames in pixels. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /**
   * Bytes from one row of a raw frame to the next, of each plane, or of the first, as in {@link Frame}; the last row is
   * as long. Default: rows without gaps.
   */
  readonly stride?: number | readonly number[] | undefined;
  /** How luma and chroma of a raw frame stand for colours. Default `bt601`. */
  readonly matrix?: 'bt601' | 'bt709' | undefined;
  /** Whether their values are ffmpeg's `tv` or `pc`. Default `limited`. */
  readonly range?: 'limited' | 'full' | undefined;
  /** The part of each frame to look at, in pixels. A JPEG is then decoded whole. Default: all of it. */
  readonly roi?: Region | undefined;
  /** Newest frame wins: frames that come while the network works are dropped and counted. Default true. */
  readonly latest?: boolean | undefined;
  /** Steadies probabilities and label over frames; see {@link SmoothingOptions}. Default false. */
  readonly smooth?: boolean | SmoothingOptions | undefined;
  /** Look at every n-th frame only. Default 1. */
  readonly every?: number | undefined;
  /** Predictions of each result. Default 5. */
  readonly topK?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the network says of one frame. */
export interface StreamResult {
  /** Number of the frame, 0 for the first that came. */
  readonly frame: number;
  /** Milliseconds from the first frame's arrival to this one's. */
  readonly timeMs: number;
  /** Most probable first; with smoothing the label that holds is the first. Empty for a frame that can't be read. */
  readonly predictions: readonly Prediction[];
  readonly rejected: boolean;
  /** Results a second, over the last second. */
  readonly fps: number;
  /** Frames dropped since the result before. */
  readonly dropped: number;
  /** Milliseconds from the frame's arrival to its result. */
  readonly latencyMs: number;
  /** Why this frame could not be read; the stream goes on. */
  readonly error?: NeonsenseError;
  /** The frame's bytes as they came. They are used again once the next result is asked for: copy what is kept. */
  readonly data: Uint8Array;
}

/** What a stream needs of a classifier. */
export interface FrameClassifier {
  readonly labels: readonly string[];
  readonly confidence: Confidence | undefined;
  classify(
    image: ImageInput,
    options: { topK?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<Classification>;
}

/** Bytes that one JPEG may have: an 8K frame at the best quality is smaller. */
const LARGEST_JPEG = 32 << 20;

/** Results that the rate is counted over. */
const RATE_WINDOW_MS = 1000;

interface Frame {
  readonly number: number;
  readonly at: number;
  readonly data: Uint8Array;
}

/** See `Classifier.stream`. */
export async function* classifyStream(
  classifier: FrameClassifier,
  source: ByteSource,
  options: StreamOptions,
): AsyncGenerator<StreamResult> {
  const { format, latest = true, every = 1, topK = 5, signal, smooth = false } = checked(source, options);
  const recycled: Uint8Array[] = [];
  const shape = format === 'mjpeg' ? undefined : shapeOf(options);
  const frames =
    shape === undefined ? jpegFrames(source, LARGEST_JPEG) : rawFrames(source, frameBytes(shape, 'options'), recycled);
  // JPEGs differ in length.
  const recycle = (data: Uint8Array): void => void (shape !== undefined && recycled.push(data));
  const imageOf = async (data: Uint8Array): Promise<ImageInput> => {
    if (shape !== undefined) return { ...shape, data };
    return options.roi === undefined ? data : partOfJpeg(data, options.roi, signal);
  };
  const smoothing = smooth === false ? undefined : new Smoothing(smooth === true ? {} : smooth);
  const times: number[] = [];
  let first: number | undefined;
  for await (const { frame, dropped } of latest
    ? newest(frames, every, recycle, signal)
    : each(frames, every, signal)) {
    first ??= frame.at;
    let answer: Pick<StreamResult, 'predictions' | 'rejected' | 'error'>;
    try {
      const all = await classifier.classify(await imageOf(frame.data), {
        topK: smoothing === undefined ? topK : classifier.labels.length,
        signal,
      });
      answer = smoothing === undefined ? all : smoothed(classifier, all, smoothing, topK);
    } catch (error) {
      if (!(error instanceof NeonsenseError) || error.code !== 'ERR_IMAGE') throw error;
      answer = { predictions: [], rejected: true, error };
    }
    const now = performance.now();
    times.push(now);
    while (times[0]! < now - RATE_WINDOW_MS) times.shift();
    yield {
      frame: frame.number,
      timeMs: frame.at - first,
      predictions: answer.predictions,
      rejected: answer.rejected,
      fps: times.length < 2 ? 0 : (1000 * (times.length - 1)) / (now - times[0]!),
      dropped,
      latencyMs: now - frame.at,
      ...(answer.error === undefined ? {} : { error: answer.error }),
      data: frame.data,
    };
    recycle(frame.data);
  }
}

/** Reads the source as fast as it comes and gives the newest frame whenever the consumer asks. */
async function* newest(
  frames: AsyncGenerator<Uint8Array>,
  every: number,
  recycle: (data: Uint8Array) => void,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ frame: Frame; dropped: number }> {
  const box = new Mailbox<Frame>();
  const abort = (): void => box.end(aborted(signal!));
  signal?.addEventListener('abort', abort, { once: true });
  let stopped = false;
  const reading = (async () => {
    let number = 0;
    for await (const data of frames) {
      if (stopped) break;
      if (number % every !== 0) {
        recycle(data);
      } else {
        const replaced = box.put({ number, at: performance.now(), data });
        if (replaced !== undefined) recycle(replaced.data);
      }
      number++;
    }
    box.end();
  })().catch((error: unknown) => box.end(error));
  try {
    for (;;) {
      const frame = await box.take();
      if (frame === undefined) return;
      yield { frame, dropped: box.takeDropped() };
    }
  } finally {
    stopped = true;
    signal?.removeEventListener('abort', abort);
    // A source that waits for more would keep its reader waiting too; it is closed, not waited for.
    void frames.return(undefined).catch(() => undefined);
    void reading;
  }
}

/** Every frame in its turn; the source waits. */
async function* each(
  frames: AsyncGenerator<Uint8Array>,
  every: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ frame: Frame; dropped: number }> {
  let number = 0;
  for await (const data of frames) {
    throwIfAborted(signal);
    if (number % every === 0) yield { frame: { number, at: performance.now(), data }, dropped: 0 };
    number++;
  }
}

function smoothed(
  { labels, confidence }: FrameClassifier,
  { predictions, noneProbability }: Classification,
  smoothing: Smoothing,
  topK: number,
): Pick<StreamResult, 'predictions' | 'rejected'> {
  const reject = confidence?.rejectClass === undefined ? -1 : labels.indexOf(confidence.rejectClass);
  const probabilities = new Float64Array(labels.length);
  for (const { label, probability } of predictions) probabilities[labels.indexOf(label)] = probability;
  if (reject >= 0) probabilities[reject] = noneProbability ?? 0;
  const { averages, leader } = smoothing.add(probabilities);
  const order = largestIndices(averages, labels.length).filter((index) => index !== reject && index !== leader);
  const shown = [...(leader === reject ? [] : [leader]), ...order].slice(0, topK);
  const { rejected } = judge(averages, shown[0]!, reject < 0 ? undefined : reject, confidence?.rejectBelow);
  return {
    predictions: shown.map((index) => ({ label: labels[index]!, index, probability: averages[index]! })),
    rejected,
  };
}

const SHAPE = ['format', 'width', 'height', 'stride', 'matrix', 'range', 'roi'] as const;

function shapeOf(options: StreamOptions): FrameShape {
  const given = SHAPE.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  return Object.fromEntries(given) as FrameShape;
}

/** Positions are the picture's own, so it is decoded whole. */
async function partOfJpeg(data: Uint8Array, roi: Region, signal: AbortSignal | undefined): Promise<ImageInput> {
  const { decodeImage } = await import('../image/decode.js');
  return { ...(await decodeImage(data, { signal })), roi };
}

function checked(source: unknown, options: StreamOptions): StreamOptions {
  const isSource = examined('source', 'an async iterable of bytes', source, () => {
    return typeof source === 'object' && source !== null && Symbol.asyncIterator in source;
  });
  if (!isSource) throw invalidArgument('source', 'a Readable or another async iterable of bytes', source);
  const own = checkOptions(options, [...SHAPE, 'latest', 'smooth', 'every', 'topK', 'signal']);
  const { format } = own;
  if (format === 'mjpeg') {
    for (const name of ['stride', 'matrix', 'range'] as const) {
      if (own[name] === undefined) continue;
      throw invalidArgument(`options.${name}`, 'nothing for mjpeg, whose pictures say it themselves', own[name]);
    }
  } else {
    if (!PIXEL_FORMATS.includes(format)) {
      throw invalidArgument('options.format', `one of ${PIXEL_FORMATS.join(', ')}, mjpeg`, format);
    }
    examined('options', 'the shape of frames', options, () => frameBytes(shapeOf(own), 'options'));
  }
  checkCount(own.every, 'options.every');
  checkCount(own.topK, 'options.topK');
  checkSignal(own.signal);
  throwIfAborted(own.signal);
  return own;
}

function aborted(signal: AbortSignal): unknown {
  try {
    throwIfAborted(signal);
  } catch (error) {
    return error;
  }
  return undefined;
}
