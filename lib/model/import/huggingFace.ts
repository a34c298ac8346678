import { basename, dirname, join } from 'node:path';
import * as z from 'zod/mini';
import { fileError, NeonsenseError, shortened } from '../../errors.js';
import type { Budget } from '../../files/limits.js';
import { openRegularFile } from '../../files/openFile.js';
import { check } from '../../schema/check.js';
import { type Conventions, TORCHVISION_EPSILON } from '../architecture.js';
import { parseJson } from '../format/json.js';
import { faultText, isFault, type Preprocessing, parsePreprocessing } from '../preprocessing.js';

/** What stands beside a network's weights. */
export interface Companions {
  /** One name per class, in the order of the logits. */
  readonly labels?: readonly string[];
  readonly preprocessing?: Preprocessing;
  readonly conventions?: Conventions;
}

/** What Hugging Face repositories call the weights; files of other names stand for themselves. */
const WEIGHTS = new Set(['model.safetensors', 'pytorch_model.bin']);

/**
 * What `config.json` and `preprocessor_config.json` in the folder of `file` say, as timm and transformers write them:
 * labels, preprocessing and, by the architecture's name, padding and epsilon.
 *
 * @throws {NeonsenseError} `ERR_IO` when one of them cannot be read, `ERR_MODEL_FORMAT` when it is damaged or larger
 * than `budget` allows.
 */
export async function readCompanions(file: string, budget: Budget): Promise<Companions> {
  if (!WEIGHTS.has(basename(file))) return {};
  const config = await readDocument(join(dirname(file), 'config.json'), CONFIG, budget);
  const processor = await readDocument(join(dirname(file), 'preprocessor_config.json'), PROCESSOR, budget);
  const labels = config === undefined ? undefined : labelsOf(config.content);
  const conventions = conventionsOf(config?.content.architecture ?? '');
  const fromProcessor = processor && checked(processorPreprocessing(processor.content), processor.path);
  const preprocessing = fromProcessor ?? (config && checked(timmPreprocessing(config.content), config.path));
  return {
    ...(labels === undefined ? {} : { labels }),
    ...(preprocessing === undefined ? {} : { preprocessing }),
    ...(conventions === undefined ? {} : { conventions }),
  };
}

/**
 * What `document`, the content of one of the two files, says of preprocessing; undefined for anything else. What its fields
 * say is not checked.
 */
export function preprocessingOf(document: unknown): object | undefined {
  const { image_mean, pretrained_cfg, crop_pct } = document as Record<string, unknown>;
  if (image_mean !== undefined) {
    const processor = z.safeParse(PROCESSOR, document);
    return processor.success ? processorPreprocessing(processor.data) : undefined;
  }
  if (pretrained_cfg === undefined && crop_pct === undefined) return undefined;
  const config = z.safeParse(CONFIG, document);
  return config.success ? timmPreprocessing(config.data) : undefined;
}

const optionalNumber = z.optional(z.nullable(z.number()));
const colour = z.optional(z.nullable(z.array(z.number())));
const CFG = z.looseObject({
  input_size: z.optional(z.array(z.number())),
  interpolation: z.optional(z.string()),
  crop_pct: optionalNumber,
  crop_mode: z.optional(z.nullable(z.string())),
  mean: colour,
  std: colour,
  label_names: z.optional(z.nullable(z.array(z.string()))),
});
type Cfg = z.infer<typeof CFG>;
/** timm's; `id2label` is transformers'. */
const CONFIG = z.looseObject({
  ...CFG.shape,
  architecture: z.optional(z.string()),
  pretrained_cfg: z.optional(CFG),
  id2label: z.optional(z.record(z.string(), z.string())),
});
const SIZE = z.optional(z.union([z.number(), z.record(z.string(), z.number())]));
const PROCESSOR = z.looseObject({
  do_resize: z.optional(z.boolean()),
  size: SIZE,
  resample: z.optional(z.number()),
  do_center_crop: z.optional(z.nullable(z.boolean())),
  crop_size: SIZE,
  rescale_factor: z.optional(z.number()),
  image_mean: colour,
  image_std: colour,
});

interface Document<T> {
  readonly path: string;
  readonly content: T;
}

async function readDocument<T>(
  path: string,
  schema: z.ZodMiniType<T>,
  budget: Budget,
): Promise<Document<T> | undefined> {
  const text = await readText(path, budget);
  if (text === undefined) return undefined;
  let content: unknown;
  try {
    content = parseJson(text, budget);
  } catch (error) {
    if (error instanceof NeonsenseError) throw error;
    throw new NeonsenseError('ERR_MODEL_FORMAT', `${shortened(path)} is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return { path, content: check(schema, content, { name: '', code: 'ERR_MODEL_FORMAT', file: path }) };
}

/** Undefined where there is no such file. */
async function readText(path: string, budget: Budget): Promise<string | undefined> {
  try {
    const { handle, bytes } = await openRegularFile(path);
    try {
      budget.check('headerBytes', bytes);
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof NeonsenseError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(error, `There is no ${shortened(path)}`, `Cannot read ${shortened(path)}`);
  }
}

function labelsOf({ label_names, pretrained_cfg, id2label }: z.infer<typeof CONFIG>): readonly string[] | undefined {
  const names = label_names ?? pretrained_cfg?.label_names;
  if (names != null) return names;
  if (id2label === undefined) return undefined;
  const byIndex = Object.entries(id2label).sort(([a], [b]) => Number(a) - Number(b));
  return byIndex.every(([id], index) => id === String(index)) ? byIndex.map(([, label]) => label) : undefined;
}

/** By the name of timm's architecture: those of `tf_` are TensorFlow's networks. */
function conventionsOf(architecture: string): Conventions | undefined {
  return architecture.startsWith('tf_mobilenetv3')
    ? { padding: 'same', batchNormEpsilon: TORCHVISION_EPSILON }
    : undefined;
}

/** timm's recipe for evaluation: `Resize(size / crop_pct)`, `CenterCrop(size)`, by PIL. */
function timmPreprocessing({ pretrained_cfg, ...top }: z.infer<typeof CONFIG>): object | undefined {
  const { input_size, crop_pct, crop_mode, interpolation, mean, std }: Cfg = { ...top, ...pretrained_cfg };
  const [, height, width] = input_size ?? [];
  if (mean == null || std == null || height === undefined || width === undefined) return undefined;
  // timm's third mode draws a border of the picture's own pixels, which nothing here does.
  if (crop_mode === 'border') return undefined;
  return {
    fit: crop_mode === 'squash' ? 'squash' : 'crop',
    resize: Math.floor(Math.max(height, width) / (crop_pct ?? 0.875)),
    size: [height, width],
    ...(interpolation === 'bilinear' ? BILINEAR : BICUBIC),
    mean,
    std,
  };
}

/** PIL filters over all pixels when it shrinks. */
const BILINEAR = { interpolation: 'bilinear', antialias: true } as const;
const BICUBIC = { interpolation: 'bicubic', antialias: true } as const;
/** PIL's number for it. */
const PIL_BICUBIC = 3;

/** transformers' image processor. */
function processorPreprocessing(processor: z.infer<typeof PROCESSOR>): object | undefined {
  const { size, crop_size, do_center_crop, resample, image_mean, image_std, rescale_factor = 1 / 255 } = processor;
  if (image_mean == null || image_std == null || size === undefined) return undefined;
  const resized = sidesOf(size);
  const cropped = do_center_crop === true && crop_size !== undefined ? sidesOf(crop_size) : undefined;
  const shortest = typeof size === 'number' ? size : size['shortest_edge'];
  return {
    fit: cropped === undefined || shortest === undefined ? 'squash' : 'crop',
    ...(cropped === undefined ? {} : { resize: shortest ?? Math.max(...resized) }),
    size: cropped ?? resized,
    ...(resample === PIL_BICUBIC ? BICUBIC : BILINEAR),
    ...(Math.abs(rescale_factor * 255 - 1) < 1e-3 ? {} : { range: [0, 255 * rescale_factor] }),
    mean: image_mean,
    std: image_std,
  };
}

function sidesOf(size: number | Record<string, number>): [number, number] {
  if (typeof size === 'number') return [size, size];
  const { height, width, shortest_edge: shortest } = size;
  return [height ?? shortest ?? 0, width ?? shortest ?? 0];
}

function checked(preprocessing: object | undefined, path: string): Preprocessing | undefined {
  if (preprocessing === undefined) return undefined;
  const parsed = parsePreprocessing(preprocessing);
  if (!isFault(parsed)) return parsed;
  throw new NeonsenseError('ERR_MODEL_FORMAT', `${shortened(path)}: ${faultText(parsed, 'preprocessing')}`);
}
