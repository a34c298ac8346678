import { open, readdir, stat } from 'node:fs/promises';
import { extname, join, relative } from 'node:path';
import { describe, invalidArgument, NeonsenseError, shortened } from '../errors.js';
import { readRegularFile } from '../files/openFile.js';
import { decodeImage } from '../image/decode.js';
import { findImages } from '../image/find.js';
import type { DecodedImage } from '../image/pixels.js';
import { spreadEvenly } from '../numbers/spread.js';
import { CIFAR_SIDE, CIFAR100_FINE_LABELS, CIFAR100_RECORD_BYTES, interleavePlanes } from './cifar.js';
import { checkDatasetOptions } from './options.js';

/** One labelled picture of a data set. */
export interface LabelledImage {
  /** Position in the data set, before `limit` thinned it out. */
  readonly index: number;
  /** Path of its file below the data set's, where it has one of its own. */
  readonly file?: string | undefined;
  readonly pixels: DecodedImage;
  /** Index into the data set's `labels`. */
  readonly label: number;
}

/** A file of the data set that could not be decoded. */
export interface UnreadableImage {
  readonly file: string;
  readonly reason: string;
}

/** Labelled pictures that are read as they are asked for. */
export interface Dataset {
  readonly path: string;
  readonly format: 'folders' | 'raw' | 'cifar-100';
  /** Images that `images()` yields, if all can be decoded. */
  readonly size: number;
  /** The class names given to `openDataset`, in that order. */
  readonly labels: readonly string[];
  /** The one of them that stands for what the others are not, as given to `openDataset`. */
  readonly rejectClass?: string | undefined;
  /** Records of classes that are not among the labels; only CIFAR-100's files have them. */
  readonly leftOut: number;
  /** Files skipped by the latest `images()` so far, because they could not be decoded. */
  readonly unreadable: readonly UnreadableImage[];
  /** Reads the pictures in order; each call starts from the first. */
  images(): AsyncIterable<LabelledImage>;
}

export interface DatasetOptions {
  /** Class names in the order of the model's logits. */
  readonly labels: readonly string[];
  /** One of the labels that stands for what the other classes are not: a data set need not know it. */
  readonly rejectClass?: string | undefined;
  /** For a raw file: uint8 labels, one byte an image. Default: `NAME_labels.bin` beside `NAME.bin`. */
  readonly labelsFile?: string | undefined;
  /** Use this many images at most, spread evenly over the data set (which may be sorted by class). */
  readonly limit?: number | undefined;
}

/** Pictures of a folder that are decoded ahead of their use. */
const DECODE_AHEAD = 4;

/** Characters of names from files in one message. */
const LONGEST_LIST = 200;

/** Bytes of a flat file that are in memory at a time, rounded to whole records. */
const WINDOW_BYTES = 1 << 20;

/** Pixels a side of a raw data set's pictures, 48 MiB each; larger ones come of a file that is something else. */
const LARGEST_SIDE = 4096;

/** Labels of a raw data set, which are in memory together. */
const MOST_LABELS = 100_000_000;

/** Records of a CIFAR-100 file, which has 50,000 and is read through when it is opened. */
const MOST_CIFAR_RECORDS = 1_000_000;

/**
 * Opens a data set: a folder with one folder of pictures per class, a raw uint8 `[N, H, W, 3]` file of square pictures
 * with a labels file beside it, or CIFAR-100's own binary file (or the folder that holds it), whose fine labels are
 * matched to `labels` by name.
 * @throws {NeonsenseError} `ERR_NOT_FOUND` when `path` is missing, ERR_DATASET when its contents or labels do not fit, ERR_IO,
 *   ERR_INVALID_ARGUMENT
 */
export async function openDataset(path: string, options: DatasetOptions): Promise<Dataset> {
  checkDatasetOptions(options);
  const entry = await statOf(path, 'data set');
  if (entry.isDirectory()) {
    const names = await readdir(path, { withFileTypes: true }).catch((cause) => {
      throw unreadable('data set', path, cause);
    });
    const classFolders = names.filter((name) => name.isDirectory() && !name.name.startsWith('.'));
    if (classFolders.length > 0)
      return openFolders(
        path,
        classFolders.map((name) => name.name),
        options,
      );
    for (const name of ['test.bin', 'train.bin']) {
      const file = join(path, name);
      if (names.some((candidate) => candidate.name === name)) return openDataset(file, options);
    }
    throw new NeonsenseError(
      'ERR_DATASET',
      `Expected one folder of pictures per class, or CIFAR-100's test.bin, in ${shortened(path)} but found neither`,
    );
  }
  if (!entry.isFile()) {
    throw new NeonsenseError('ERR_DATASET', `Expected a file or folder as data set but ${shortened(path)} is neither`);
  }
  const labelsFile = options.labelsFile ?? (await defaultLabelsFile(path));
  if (labelsFile !== undefined) return openRaw(path, entry.size, labelsFile, options);
  if (entry.size > 0 && entry.size % CIFAR100_RECORD_BYTES === 0) return openCifar(path, entry.size, options);
  throw new NeonsenseError(
    'ERR_DATASET',
    `${shortened(path)} has no labels: expected ${labelsFileFor(path)} beside it (one uint8 per image), a labels file named ` +
      `explicitly, or a CIFAR-100 binary file (a multiple of ${CIFAR100_RECORD_BYTES} bytes; this has ${entry.size})`,
  );
}

async function statOf(path: string, what: string) {
  if (typeof path !== 'string' || path === '') throw invalidArgument('path', `the path of a ${what}`, path);
  try {
    return await stat(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const missing = code === 'ENOENT' || code === 'ENOTDIR';
    if (!missing) throw unreadable(what, path, cause);
    throw new NeonsenseError('ERR_NOT_FOUND', `There is no ${what} at ${shortened(path)}`, { cause });
  }
}

function unreadable(what: string, path: string, cause: unknown): NeonsenseError {
  const reason = shortened((cause as Error).message);
  return new NeonsenseError('ERR_IO', `Could not read the ${what} ${shortened(path)}: ${reason}`, { cause });
}

function labelsFileFor(path: string): string {
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}_labels${extension}`;
}

async function defaultLabelsFile(path: string): Promise<string | undefined> {
  const candidate = labelsFileFor(path);
  return (await stat(candidate).catch(() => undefined))?.isFile() ? candidate : undefined;
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 100).join(', ');
  const isWhole = names.length <= 100 && shown.length <= LONGEST_LIST;
  return isWhole ? shown : `${shortened(shown, LONGEST_LIST)} (${names.length} in all)`;
}

async function openFolders(path: string, folders: string[], options: DatasetOptions): Promise<Dataset> {
  const { labels, limit, rejectClass } = options;
  if (options.labelsFile !== undefined) {
    throw new NeonsenseError(
      'ERR_INVALID_ARGUMENT',
      `A labels file belongs to a raw data set; ${shortened(path)} is a folder, whose labels are its folders' names`,
    );
  }
  folders.sort();
  const unknown = folders.filter((name) => !labels.includes(name));
  if (unknown.length > 0) {
    throw new NeonsenseError(
      'ERR_DATASET',
      `The class folders of ${shortened(path)} do not fit the model, which has no class named ${listNames(unknown)}. ` +
        `Folders: ${listNames(folders)}. Model's labels: ${listNames(labels)}. ` +
        'Rename the folders to the labels, or move the others away',
    );
  }
  const files: { file: string; label: number }[] = [];
  const unlisted: UnreadableImage[] = [];
  for (const folder of folders) {
    const label = labels.indexOf(folder);
    const pictures = await findImages(join(path, folder), {
      onUnreadable: (error) => unlisted.push({ file: join(path, folder), reason: error.message }),
    }).catch((error: unknown) => {
      // A class may be without pictures, as long as not all are.
      if (error instanceof NeonsenseError && error.code === 'ERR_NOT_FOUND') return [];
      throw error;
    });
    for (const file of pictures) files.push({ file, label });
  }
  if (files.length === 0) {
    throw new NeonsenseError(
      'ERR_DATASET',
      `The class folders of ${shortened(path)} (${listNames(folders)}) hold no pictures`,
    );
  }

  const unreadable = [...unlisted];
  return {
    path,
    format: 'folders',
    size: Math.min(files.length, limit ?? files.length),
    labels,
    rejectClass,
    leftOut: 0,
    unreadable,
    async *images() {
      unreadable.splice(0, unreadable.length, ...unlisted);
      const order = spreadEvenly(files.length, limit);
      const ahead: { index: number; picture: Promise<DecodedImage | Error> }[] = [];
      const fill = (): void => {
        while (ahead.length < DECODE_AHEAD) {
          const next = order.next();
          if (next.done === true) return;
          const picture = decodeImage(files[next.value]!.file).catch((reason: unknown) =>
            reason instanceof Error ? reason : new Error(describe(reason)),
          );
          ahead.push({ index: next.value, picture });
        }
      };
      for (fill(); ahead.length > 0; fill()) {
        const { index, picture } = ahead.shift()!;
        const pixels = await picture;
        const { file, label } = files[index]!;
        if (pixels instanceof Error) unreadable.push({ file, reason: pixels.message });
        else yield { index, file: relative(path, file), pixels, label };
      }
    },
  };
}

async function openRaw(
  path: string,
  bytes: number,
  labelsFile: string,
  { labels, limit, rejectClass }: DatasetOptions,
): Promise<Dataset> {
  const entry = await statOf(labelsFile, 'labels file');
  if (!entry.isFile())
    throw new NeonsenseError('ERR_DATASET', `The labels file ${shortened(labelsFile)} is not a regular file`);
  const count = entry.size;
  if (count === 0) throw new NeonsenseError('ERR_DATASET', `The labels file ${shortened(labelsFile)} is empty`);
  const side = Math.sqrt(bytes / (3 * count));
  if (!Number.isInteger(side) || side === 0) {
    throw new NeonsenseError(
      'ERR_DATASET',
      `Expected ${shortened(path)} to hold ${count} square RGB pictures, one for each byte of ${shortened(labelsFile)}, but its ` +
        `${bytes} bytes make ${(bytes / count).toFixed(2)} bytes a picture (32 x 32 pictures take 3072)`,
    );
  }
  if (side > LARGEST_SIDE || count > MOST_LABELS) {
    throw new NeonsenseError(
      'ERR_DATASET',
      `${shortened(path)} with ${shortened(labelsFile)} would make ${count} pictures of ${side} x ${side} pixels; at most ${MOST_LABELS} of ` +
        `${LARGEST_SIDE} x ${LARGEST_SIDE} are read`,
    );
  }
  const imageLabels = await readLabels(labelsFile, count);
  const outside = imageLabels.findIndex((label) => label >= labels.length);
  if (outside >= 0) {
    const found = [...new Set(imageLabels)].sort((a, b) => a - b);
    throw new NeonsenseError(
      'ERR_DATASET',
      `Label ${imageLabels[outside]} of image ${outside} in ${shortened(labelsFile)} is outside the model's ${labels.length} ` +
        `classes. Labels in the file: ${listNames(found.map(String))}. Model's labels: ` +
        listNames(labels.map((name, index) => `${index} ${name}`)),
    );
  }
  return {
    path,
    format: 'raw',
    size: Math.min(count, limit ?? count),
    labels,
    rejectClass,
    leftOut: 0,
    unreadable: [],
    async *images() {
      for await (const { index, record } of records(path, 3 * side * side, spreadEvenly(count, limit))) {
        yield {
          index,
          pixels: { data: record.slice(), width: side, height: side, channels: 3 },
          label: imageLabels[index]!,
        };
      }
    },
  };
}

/** The labels, without the pool of memory that `readFile` may cut short files out of. */
async function readLabels(path: string, count: number): Promise<Uint8Array> {
  const content = await readRegularFile(path).catch((cause) => {
    throw unreadable('labels file', path, cause);
  });
  if (content.length !== count)
    throw new NeonsenseError('ERR_DATASET', `${shortened(path)} changed its size while it was read`);
  return new Uint8Array(content);
}

async function openCifar(
  path: string,
  bytes: number,
  { labels, limit, rejectClass }: DatasetOptions,
): Promise<Dataset> {
  const fineToLabel = CIFAR100_FINE_LABELS.map((name) => labels.indexOf(name));
  const unknown = labels.filter((name) => name !== rejectClass && !CIFAR100_FINE_LABELS.includes(name));
  if (unknown.length > 0) {
    throw new NeonsenseError(
      'ERR_DATASET',
      `${shortened(path)} is a CIFAR-100 file, which knows no ${listNames(unknown)}. Model's labels: ${listNames(labels)}. ` +
        `CIFAR-100's fine labels: ${listNames(CIFAR100_FINE_LABELS)}`,
    );
  }
  const total = bytes / CIFAR100_RECORD_BYTES;
  if (total > MOST_CIFAR_RECORDS) {
    throw new NeonsenseError(
      'ERR_DATASET',
      `${shortened(path)} would hold ${total} CIFAR-100 records, of which there are 50,000: it is another file, or lacks its labels ` +
        `file ${labelsFileFor(path)}`,
    );
  }
  const positions: number[] = [];
  for await (const { index, record } of records(path, CIFAR100_RECORD_BYTES, spreadEvenly(total))) {
    const fine = record[1]!;
    if (fine >= CIFAR100_FINE_LABELS.length) {
      throw new NeonsenseError(
        'ERR_DATASET',
        `Record ${index} of ${shortened(path)} has the fine label ${fine}, but CIFAR-100's go from 0 to 99: it is another file, ` +
          'or damaged',
      );
    }
    if (fineToLabel[fine]! >= 0) positions.push(index);
  }
  if (positions.length === 0) {
    throw new NeonsenseError(
      'ERR_DATASET',
      `None of the ${total} records of ${shortened(path)} belongs to the model's labels`,
    );
  }
  const order = [...spreadEvenly(positions.length, limit)].map((at) => positions[at]!);
  return {
    path,
    format: 'cifar-100',
    size: order.length,
    labels,
    rejectClass,
    leftOut: total - positions.length,
    unreadable: [],
    async *images() {
      for await (const { index, record } of records(path, CIFAR100_RECORD_BYTES, order)) {
        const data = interleavePlanes(record.subarray(2), CIFAR_SIDE, CIFAR_SIDE);
        const pixels = { data, width: CIFAR_SIDE, height: CIFAR_SIDE, channels: 3 } as const;
        yield { index, pixels, label: fineToLabel[record[1]!]! };
      }
    },
  };
}

/** Reads records of equal length at ascending positions; each is valid until the next is asked for. */
async function* records(
  path: string,
  recordBytes: number,
  positions: Iterable<number>,
): AsyncGenerator<{ index: number; record: Uint8Array }> {
  const perWindow = Math.max(1, Math.floor(WINDOW_BYTES / recordBytes));
  const window = new Uint8Array(perWindow * recordBytes);
  let first = 0;
  let held = 0;
  const file = await open(path, 'r').catch((cause) => {
    throw unreadable('data set', path, cause);
  });
  try {
    for (const index of positions) {
      if (index < first || index >= first + held) {
        const bytes = await readFully(file, window, index * recordBytes).catch((cause) => {
          throw unreadable('data set', path, cause);
        });
        first = index;
        held = Math.floor(bytes / recordBytes);
        if (held === 0) {
          throw new NeonsenseError(
            'ERR_DATASET',
            `${shortened(path)} became shorter while it was read: no image ${index} is left`,
          );
        }
      }
      const at = (index - first) * recordBytes;
      yield { index, record: window.subarray(at, at + recordBytes) };
    }
  } finally {
    await file.close();
  }
}

/** Fills `buffer` from `position` on, as far as the file goes; one read call may return less than asked for. */
async function readFully(
  file: Awaited<ReturnType<typeof open>>,
  buffer: Uint8Array,
  position: number,
): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
