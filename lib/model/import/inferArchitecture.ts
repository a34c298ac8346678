import { NeonsenseError } from '../../errors.js';
import type { Architecture, Conventions } from '../architecture.js';
import { type LayerRole, type LayerSpec, layerSpecs } from '../network.js';
import { skeletonOf } from './skeleton.js';

/** Tensor shapes by torchvision's names, for example `features.0.0.weight` -> `[16, 3, 3, 3]`. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** The four tensors of a batch norm, as torchvision's state_dict names them. */
export const BATCH_NORM_TENSORS = ['weight', 'bias', 'running_mean', 'running_var'] as const;

// Far beyond any MobileNetV3; keeps every product of two channel counts and a kernel an exact number.
const MOST_CHANNELS = 65_536;

// Enough to recognise what is wrong without printing a whole state_dict.
const NAMES_IN_A_MESSAGE = 4;

/**
 * Finds out which MobileNetV3 the tensors belong to, deriving every channel count (so any width and any class count)
 * from their shapes, and checks each tensor against it. A convolution may come with its batch norm or with a bias it
 * was folded into; the classifier may have a hidden layer, be a single Linear, or be absent.
 *
 * @param conventions what shapes do not show
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` naming the tensors that are missing, misshaped or unexpected.
 */
export function inferArchitecture(shapes: Shapes, conventions: Conventions = {}): Architecture {
  const name = nameOf(shapes);
  const skeleton = skeletonFor(name, shapes);
  const widths = new Map(
    layerSpecs(skeleton).map((spec) => [
      roleOf(spec.role, spec.block),
      outputChannels(shapes.get(`${spec.name}.weight`), spec, name),
    ]),
  );
  const width = (role: LayerRole, block?: number): number => widths.get(roleOf(role, block)) ?? 0;
  const architecture: Architecture = {
    name,
    stem: width('stem'),
    blocks: skeleton.blocks.map((block, index) => ({
      kernel: block.kernel,
      input: index === 0 ? width('stem') : width('project', index - 1),
      expanded: width('depthwise', index),
      output: width('project', index),
      squeeze: width('squeeze', index),
      activation: block.activation,
      stride: block.stride,
      hasExpansion: block.hasExpansion,
    })),
    last: width('last'),
    hidden: width('hidden'),
    classes: width('logits'),
    ...conventions,
  };
  checkShapes(shapes, architecture);
  return architecture;
}

/** The network with one channel everywhere: which layers there are among those it may have, and what they are called. */
function skeletonFor(name: Architecture['name'], shapes: Shapes): Architecture {
  const has = (spec: LayerSpec | undefined): boolean => shapes.has(`${spec?.name}.weight`);
  const full = skeletonOf(name, { hidden: 1, classes: 1 });
  const specs = layerSpecs(full);
  // Without an expansion a block begins with the depthwise convolution, the only one with one input per group.
  const bare = new Set(
    specs
      .filter((spec) => spec.role === 'expand' && isDepthwise(shapes.get(`${spec.name}.weight`)))
      .map(({ block }) => block),
  );
  const linear = layerSpecs({ ...full, hidden: 0 }).find(({ role }) => role === 'logits');
  const headless = [...shapes.keys()].every((tensor) => !tensor.startsWith(`${linear?.name}.`));
  const head = has(linear)
    ? { hidden: 0, classes: 1 }
    : headless
      ? { hidden: 0, classes: 0 }
      : { hidden: 1, classes: 1 };
  return skeletonOf(name, head, (block) => !bare.has(block));
}

function roleOf(role: LayerRole, block: number | undefined): string {
  return `${role} ${block}`;
}

function isDepthwise(shape: readonly number[] | undefined): boolean {
  return shape?.length === 4 && shape[1] === 1 && (shape[2] ?? 0) > 1;
}

/** The large network is the only one with more than 13 feature modules. */
function nameOf(shapes: Shapes): Architecture['name'] {
  let highest = -1;
  for (const tensor of shapes.keys()) {
    const match = /^features\.(\d{1,4})\./.exec(tensor);
    if (match) highest = Math.max(highest, Number(match[1]));
  }
  if (highest < 0) {
    const found = shapes.size === 0 ? 'no tensors at all' : `${shapes.size} tensors: ${listed([...shapes.keys()])}`;
    throw new NeonsenseError(
      'ERR_MODEL_ARCHITECTURE',
      "Expected the weights of torchvision's mobilenet_v3_small or mobilenet_v3_large, whose first tensor is " +
        `features.0.0.weight, but found ${found}`,
    );
  }
  return highest > 12 ? 'mobilenet_v3_large' : 'mobilenet_v3_small';
}

function outputChannels(shape: readonly number[] | undefined, spec: LayerSpec, network: string): number {
  const tensor = `${spec.name}.weight`;
  if (shape === undefined) throw missing([tensor], network);
  const rank = spec.shape.length;
  const channels = shape[0];
  if (shape.length !== rank || channels === undefined || channels < 1 || channels > MOST_CHANNELS) {
    throw new NeonsenseError(
      'ERR_MODEL_ARCHITECTURE',
      `Expected ${rank} dimensions, the first from 1 to ${MOST_CHANNELS}, for tensor ${tensor} of ${network} but it ` +
        `has shape [${shape.join(', ')}]`,
    );
  }
  return channels;
}

/** Checks that exactly the tensors of `architecture` are there, each with its shape. */
function checkShapes(shapes: Shapes, architecture: Architecture): void {
  const expected = new Map<string, readonly number[]>();
  for (const spec of layerSpecs(architecture)) {
    for (const [tensor, shape] of tensorsOf(spec, shapes)) expected.set(tensor, shape);
  }
  const absent = [...expected.keys()].filter((tensor) => !shapes.has(tensor));
  if (absent.length > 0) throw missing(absent, architecture.name);
  for (const [tensor, shape] of expected) {
    const found = shapes.get(tensor);
    if (found !== undefined && !sameShape(found, shape)) {
      throw new NeonsenseError(
        'ERR_MODEL_ARCHITECTURE',
        `Expected shape [${shape.join(', ')}] for tensor ${tensor} of ${architecture.name} but it has shape ` +
          `[${found.join(', ')}]`,
      );
    }
  }
  const unexpected = [...shapes.keys()].filter((tensor) => !expected.has(tensor));
  if (unexpected.length > 0) {
    throw new NeonsenseError(
      'ERR_MODEL_ARCHITECTURE',
      `Unexpected ${plural(unexpected.length)}, which ${architecture.name} does not have: ${listed(unexpected)}`,
    );
  }
}

/** The tensors `spec` needs; the batch norm's, unless its place was taken by a bias. */
function* tensorsOf(spec: LayerSpec, shapes: Shapes): Generator<[string, readonly number[]]> {
  const perChannel = [spec.shape[0] ?? 0];
  yield [`${spec.name}.weight`, spec.shape];
  const normalized = spec.batchNorm;
  const folded = normalized !== undefined && !BATCH_NORM_TENSORS.some((part) => shapes.has(`${normalized}.${part}`));
  if (normalized === undefined || (folded && shapes.has(`${spec.name}.bias`))) {
    yield [`${spec.name}.bias`, perChannel];
  } else {
    for (const part of BATCH_NORM_TENSORS) yield [`${normalized}.${part}`, perChannel];
  }
}

function missing(tensors: readonly string[], network: string): NeonsenseError {
  return new NeonsenseError(
    'ERR_MODEL_ARCHITECTURE',
    `Missing ${plural(tensors.length)} of ${network}, by torchvision's names: ${listed(tensors)}`,
  );
}

function plural(count: number): string {
  return count === 1 ? '1 tensor' : `${count} tensors`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_IN_A_MESSAGE).map((name) => (name.length > 80 ? `${name.slice(0, 77)}...` : name));
  const rest = names.length - shown.length;
  return rest > 0 ? `${shown.join(', ')} and ${rest} more` : shown.join(', ');
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}
