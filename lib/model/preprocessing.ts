import { describe, examined, NeonsenseError } from '../errors.js';

/**
 * How pixels become the network's input. What training did has to be done again: a network trained on centre crops
 * takes a squashed chair for a wardrobe.
 *
 * In this order: the picture is fitted into `size` as `fit` says, by `interpolation`; each channel, 0..255, is mapped to
 * `range`; `mean` is subtracted and the difference divided by `std`. Names of ready-made ones: {@link PreprocessingPreset}.
 */
export interface Preprocessing {
  /**
   * How a picture of another shape is brought to `size`. `squash`: each axis by itself, which distorts. `crop`: the
   * shorter side becomes `resize` pixels and `size` is cut out of the middle. `letterbox`: the whole picture inside
   * `size`, the rest filled with `fill`. Default `squash`.
   */
  readonly fit?: 'squash' | 'crop' | 'letterbox';
  /**
   * With `crop`: pixels of the shorter side before `size` is cut out. With `squash`: pixels of both sides before `size`
   * is cut out; absent, the picture is brought to `size` itself.
   */
  readonly resize?: number;
  /**
   * `[height, width]` that what is seen of the picture is area-averaged down to before it is brought to `size`; an axis
   * of which fewer pixels are seen is left as it is. For networks trained on thumbnails. Not with `letterbox`, and only
   * with plain `bilinear`.
   */
  readonly reduce?: readonly [number, number];
  /** `[height, width]` of the network's input. */
  readonly size: readonly [number, number];
  /**
   * `bilinear` and `bicubic` with `antialias` are PIL's, rounding to whole steps of 255 included. `bilinear` without is
   * PyTorch's and TensorFlow's, half-pixel centres, in float. `area` averages exactly what a pixel of the target covers
   * along an axis that shrinks, and is `bilinear` along one that grows. Default `bilinear`.
   */
  readonly interpolation?: 'bilinear' | 'bicubic' | 'area';
  /** Whether a shrinking picture is filtered over all of its pixels. Default false; `bicubic` needs it. */
  readonly antialias?: boolean;
  /** Colour around a letterboxed picture, RGB, 0..255. Default: the one that normalizes closest to 0. */
  readonly fill?: readonly [number, number, number];
  /** What 0 and 255 become before `mean` and `std`. Default `[0, 1]`. */
  readonly range?: readonly [number, number];
  /** Per RGB channel, in units of `range`. */
  readonly mean: readonly [number, number, number];
  /** Per RGB channel, in units of `range`. */
  readonly std: readonly [number, number, number];
  /** Present where nobody said how the training prepared its pictures, and this is what is mostly done. */
  readonly assumed?: true;
}

/** ImageNet's mean and standard deviation, as torchvision uses them. */
export const IMAGENET_MEAN = [0.485, 0.456, 0.406] as const;
export const IMAGENET_STD = [0.229, 0.224, 0.225] as const;

const IMAGENET = { mean: IMAGENET_MEAN, std: IMAGENET_STD } as const;

/** What the usual recipes do to a picture before their network sees it. */
export const PRESETS = {
  /** torchvision's classification recipes: Resize(256), CenterCrop(224), ImageNet's mean and std. */
  torchvision: {
    fit: 'crop',
    resize: 256,
    size: [224, 224],
    interpolation: 'bilinear',
    antialias: true,
    ...IMAGENET,
  },
  /** timm's default for MobileNetV3: bicubic, crop_pct 0.875. */
  timm: { fit: 'crop', resize: 256, size: [224, 224], interpolation: 'bicubic', antialias: true, ...IMAGENET },
  /** Keras Applications' MobileNetV3 fed by image_dataset_from_directory: squashed bilinearly, [-1, 1]. */
  keras: { size: [224, 224], interpolation: 'bilinear', range: [-1, 1], mean: [0, 0, 0], std: [1, 1, 1] },
  /** The household networks trained on thumbnails: area average to 32 x 32, then enlarged. */
  household: { reduce: [32, 32], size: [224, 224], ...IMAGENET },
} as const satisfies { readonly [name: string]: Preprocessing };

/**
 * What a checkpoint that says nothing is taken to want: the usual size and normalization, without distortion, and with
 * all of the shorter side. Recipes crop an eighth of it or squash; this is wrong by the least whichever it was.
 */
export const ASSUMED: Preprocessing = {
  fit: 'crop',
  resize: 224,
  reduce: [224, 224],
  size: [224, 224],
  ...IMAGENET,
  assumed: true,
};

/** Name of a ready-made {@link Preprocessing}. */
export type PreprocessingPreset = keyof typeof PRESETS;

/** Whether `name` is that of a preset. */
export function isPreset(name: unknown): name is PreprocessingPreset {
  return typeof name === 'string' && Object.hasOwn(PRESETS, name);
}

/** The preset a preprocessing is the same as, if any. */
export function presetOf(preprocessing: Preprocessing): PreprocessingPreset | undefined {
  const text = (value: Preprocessing): string => JSON.stringify(canonical(value));
  return (Object.keys(PRESETS) as PreprocessingPreset[]).find((name) => text(PRESETS[name]) === text(preprocessing));
}

/** Longest side, in pixels, that is resized to. */
const LONGEST = 65_535;

/** What is wrong with a value that should be a {@link Preprocessing}. */
export interface PreprocessingFault {
  /** The field, `preprocessing` where it is none of them. */
  readonly field: string;
  readonly expected: string;
  readonly received: unknown;
}

/**
 * `value` with its fields in the order they are written in, and nothing else; or what is wrong with it. This is the one
 * check of a preprocessing, whether an option, a file or a program brings it.
 */
export function parsePreprocessing(value: unknown): Preprocessing | PreprocessingFault {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fault('preprocessing', 'an object with size, mean and std', value);
  }
  const fields = value as { readonly [key: string]: unknown };
  for (const [field, expected, good] of RULES) {
    const given = fields[field];
    if (given === undefined ? field === 'size' || field === 'mean' || field === 'std' : !good(given)) {
      return fault(`preprocessing.${field}`, expected, given);
    }
  }
  const surplus = Object.keys(fields).find((key) => !RULES.some(([field]) => field === key));
  if (surplus !== undefined) {
    return fault('preprocessing', `only ${RULES.map(([field]) => field).join(', ')}`, surplus);
  }
  const preprocessing = canonical(fields as unknown as Preprocessing);
  return disagreement(preprocessing) ?? preprocessing;
}

/** Whether {@link parsePreprocessing} found a fault. */
export function isFault(parsed: Preprocessing | PreprocessingFault): parsed is PreprocessingFault {
  return 'expected' in parsed;
}

/** A fault in a sentence. `place` is how the caller knows the preprocessing, for example `options.preprocessing`. */
export function faultText({ field, expected, received }: PreprocessingFault, place: string): string {
  const value = describe(Array.isArray(received) ? String(received).slice(0, 200) : received);
  return `Expected ${expected} for \`${place}${field.slice('preprocessing'.length)}\` but received ${value}`;
}

/**
 * A preprocessing from what a caller gave: a preset's name, or all of it.
 *
 * @param name How messages call it, for example `options.preprocessing`.
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`
 */
export function preprocessingFrom(value: unknown, name: string): Preprocessing {
  return examined(name, "a preset's name or an object", value, () => found(value, name));
}

function found(value: unknown, name: string): Preprocessing {
  if (isPreset(value)) return PRESETS[value];
  const parsed =
    typeof value === 'string'
      ? fault('preprocessing', `one of ${Object.keys(PRESETS).join(', ')}, or an object,`, value)
      : parsePreprocessing(value);
  if (!isFault(parsed)) return parsed;
  throw new NeonsenseError('ERR_INVALID_ARGUMENT', faultText(parsed, name));
}

function fault(field: string, expected: string, received: unknown): PreprocessingFault {
  return { field, expected, received };
}

type Rule = readonly [field: keyof Preprocessing, expected: string, good: (value: unknown) => boolean];

const isLength = (value: unknown): boolean =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= LONGEST;
const oneOf =
  (...names: readonly string[]) =>
  (value: unknown): boolean =>
    names.includes(value as string);
const numbers =
  (count: number, good: (number: number) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.length === count && value.every((n) => Number.isFinite(n) && good(n as number));

const SIDES = `[height, width], whole numbers from 1 to ${LONGEST}`;

/** Each field by itself, in the order they are written in: that of the first files, with what came later beside. */
const RULES: readonly Rule[] = [
  ['fit', 'squash, crop or letterbox', oneOf('squash', 'crop', 'letterbox')],
  ['resize', `a whole number of pixels from 1 to ${LONGEST}`, isLength],
  ['reduce', SIDES, numbers(2, isLength)],
  ['size', SIDES, numbers(2, isLength)],
  ['interpolation', 'bilinear, bicubic or area', oneOf('bilinear', 'bicubic', 'area')],
  ['antialias', 'true or false', (value) => typeof value === 'boolean'],
  ['fill', 'three numbers from 0 to 255, red, green and blue', numbers(3, (n) => n >= 0 && n <= 255)],
  ['range', '[low, high], two finite numbers of which the second is larger', isRange],
  ['mean', 'three finite numbers, red, green and blue', numbers(3, () => true)],
  ['std', 'three finite numbers above 0, red, green and blue', numbers(3, (n) => n > 0)],
  ['assumed', 'true or nothing', (value) => value === true],
];

function isRange(value: unknown): boolean {
  return numbers(2, () => true)(value) && (value as number[])[0]! < (value as number[])[1]!;
}

/** Fields that do not go together. */
function disagreement(preprocessing: Preprocessing): PreprocessingFault | undefined {
  const { fit = 'squash', interpolation = 'bilinear', antialias = false, resize, reduce, fill, size } = preprocessing;
  const wrong = (field: keyof Preprocessing, expected: string): PreprocessingFault =>
    fault(`preprocessing.${field}`, expected, preprocessing[field]);
  if (fit === 'crop' && resize === undefined) return wrong('resize', 'pixels of the shorter side, which crop needs,');
  if (fit === 'letterbox' && resize !== undefined) return wrong('resize', 'nothing beside letterbox');
  if (resize !== undefined && resize < Math.max(...size)) {
    return wrong('resize', `at least ${Math.max(...size)}, the longer side of size,`);
  }
  if (fill !== undefined && fit !== 'letterbox') return wrong('fill', 'nothing beside crop and squash');
  if (interpolation === 'bicubic' && !antialias) return wrong('antialias', 'true beside bicubic');
  if (interpolation === 'area' && antialias) return wrong('antialias', 'nothing beside area, which averages anyway,');
  if (reduce !== undefined && (fit === 'letterbox' || interpolation !== 'bilinear' || antialias)) {
    return wrong('reduce', 'nothing beside letterbox, bicubic, area or antialias');
  }
  return undefined;
}

function canonical(value: Preprocessing): Preprocessing {
  const entries = RULES.flatMap(([field]) => {
    const given = value[field];
    return given === undefined ? [] : [[field, Array.isArray(given) ? [...given] : given] as const];
  });
  return Object.fromEntries(entries) as unknown as Preprocessing;
}
