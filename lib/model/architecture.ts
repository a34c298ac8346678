/** One inverted residual block: expand 1x1, depthwise KxK, optional squeeze-and-excitation, project 1x1. */
export interface Block {
  /** Depthwise kernel side, 3 or 5. */
  readonly kernel: number;
  readonly input: number;
  /** Channels of the depthwise convolution. */
  readonly expanded: number;
  readonly output: number;
  /** Channels of the squeeze-and-excitation bottleneck, 0 where the block has none. */
  readonly squeeze: number;
  readonly activation: 'relu' | 'hard-swish';
  readonly stride: number;
  /** False where input and expanded channels are equal by the table and torchvision leaves the expansion out. */
  readonly hasExpansion: boolean;
}

/**
 * What no tensor's shape shows. Each is absent where the network does as torchvision's; a model file keeps only those
 * that are there.
 */
export interface Conventions {
  /**
   * `same`: TensorFlow's padding, in Keras' networks and timm's of names with `tf_`. A window of stride 2 gets as few
   * zeros as it needs, the odd one at the bottom and on the right. Torchvision's is `(kernel - 1) / 2` on each side.
   */
  readonly padding?: 'same';
  /** Added to the variance by every batch norm, above 0. Torchvision's 0.001 is the default; timm's is 0.00001. */
  readonly batchNormEpsilon?: number;
}

/** What torchvision's MobileNetV3 adds to the variance (`BatchNorm2d(eps=0.001)`). */
export const TORCHVISION_EPSILON = 1e-3;

/**
 * A MobileNetV3 (Howard et al. 2019, arXiv:1905.02244) as torchvision, Keras and timm build it; channel counts are free.
 * Its classifier reads the mean of the last features. It is a hidden layer, hard-swish and a linear layer; or a linear
 * layer alone; or nothing, in a network that only gives features.
 */
export interface Architecture extends Conventions {
  readonly name: 'mobilenet_v3_small' | 'mobilenet_v3_large';
  /** Output channels of the stem convolution. */
  readonly stem: number;
  readonly blocks: readonly Block[];
  /** Output channels of the last 1x1 convolution. */
  readonly last: number;
  /** Width of the classifier's hidden layer, 0 for a classifier without one. */
  readonly hidden: number;
  /** 0 for a network without a classifier. */
  readonly classes: number;
}

/** `architecture` with other conventions. What is torchvision's is left out, as in every architecture. */
export function withConventions(
  architecture: Architecture,
  {
    padding,
    batchNormEpsilon,
  }: { readonly padding?: 'torch' | 'same' | undefined; readonly batchNormEpsilon?: number | undefined },
): Architecture {
  const { padding: oldPadding = 'torch', batchNormEpsilon: oldEpsilon = TORCHVISION_EPSILON, ...shape } = architecture;
  const epsilon = batchNormEpsilon ?? oldEpsilon;
  return {
    ...shape,
    ...((padding ?? oldPadding) === 'same' ? { padding: 'same' } : {}),
    ...(epsilon === TORCHVISION_EPSILON ? {} : { batchNormEpsilon: epsilon }),
  };
}

/** What the paper's tables fix about a block; every channel count comes from the weights. */
export interface BlockTemplate {
  readonly kernel: number;
  readonly stride: number;
  readonly activation: 'relu' | 'hard-swish';
  /** Whether the block has a squeeze-and-excitation. */
  readonly squeezes: boolean;
}

/** Kernel, squeeze-and-excitation (SE or -), activation (RE or HS), stride: columns of the paper's tables 1 and 2. */
type Row = readonly [kernel: number, squeeze: 'SE' | '-', activation: 'RE' | 'HS', stride: number];

const SMALL: readonly Row[] = [
  [3, 'SE', 'RE', 2],
  [3, '-', 'RE', 2],
  [3, '-', 'RE', 1],
  [5, 'SE', 'HS', 2],
  [5, 'SE', 'HS', 1],
  [5, 'SE', 'HS', 1],
  [5, 'SE', 'HS', 1],
  [5, 'SE', 'HS', 1],
  [5, 'SE', 'HS', 2],
  [5, 'SE', 'HS', 1],
  [5, 'SE', 'HS', 1],
];

const LARGE: readonly Row[] = [
  [3, '-', 'RE', 1],
  [3, '-', 'RE', 2],
  [3, '-', 'RE', 1],
  [5, 'SE', 'RE', 2],
  [5, 'SE', 'RE', 1],
  [5, 'SE', 'RE', 1],
  [3, '-', 'HS', 2],
  [3, '-', 'HS', 1],
  [3, '-', 'HS', 1],
  [3, '-', 'HS', 1],
  [3, 'SE', 'HS', 1],
  [3, 'SE', 'HS', 1],
  [5, 'SE', 'HS', 2],
  [5, 'SE', 'HS', 1],
  [5, 'SE', 'HS', 1],
];

/** The blocks of each network, first to last, as torchvision builds them (not dilated). */
export const BLOCK_TEMPLATES: Readonly<Record<Architecture['name'], readonly BlockTemplate[]>> = {
  mobilenet_v3_small: SMALL.map(template),
  mobilenet_v3_large: LARGE.map(template),
};

function template([kernel, squeeze, activation, stride]: Row): BlockTemplate {
  return { kernel, stride, activation: activation === 'RE' ? 'relu' : 'hard-swish', squeezes: squeeze === 'SE' };
}
