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

/** A MobileNetV3 (Howard et al. 2019, arXiv:1905.02244) as torchvision builds it; channel counts are free. */
export interface Architecture {
  readonly name: 'mobilenet_v3_small' | 'mobilenet_v3_large';
  /** Output channels of the stem convolution. */
  readonly stem: number;
  readonly blocks: readonly Block[];
  /** Output channels of the last 1x1 convolution. */
  readonly last: number;
  /** Width of the classifier's hidden layer. */
  readonly hidden: number;
  readonly classes: number;
}

/** What one Conv2d or Linear module is: everything but its numbers. */
export interface LayerSpec {
  /** torchvision's module name, for example `features.1.block.0.0` or `classifier.3`. */
  readonly name: string;
  readonly kind: 'conv2d' | 'linear';
  /** `[O, I / groups, KH, KW]` or `[O, I]`. */
  readonly shape: readonly number[];
  readonly stride: number;
  /** Zeros on each side. */
  readonly padding: number;
  readonly groups: number;
  /** Name of the batch norm module that follows in torchvision, absent for layers with a bias of their own. */
  readonly batchNorm?: string;
  /** What is applied to the layer's output. */
  readonly activation: 'none' | 'relu' | 'hard-swish' | 'hard-sigmoid';
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

/** Whether the block adds its input to its output: torchvision's rule, stride 1 and as many channels out as in. */
export function hasResidual(block: Block): boolean {
  return block.stride === 1 && block.input === block.output;
}

/** torchvision's module name of the block at `index` of `architecture.blocks`: block 0 is `features.1.block`. */
export function blockName(index: number): string {
  return `features.${index + 1}.block`;
}

/** Every Conv2d and Linear module in the order the network runs them: 54 for mobilenet_v3_small, 64 for the large. */
export function layerSpecs(architecture: Architecture): readonly LayerSpec[] {
  const { stem, blocks, last, hidden, classes } = architecture;
  const specs = [convolution('features.0', stem, 3, 'hard-swish', { kernel: 3, stride: 2 })];
  blocks.forEach((block, index) => specs.push(...blockSpecs(block, blockName(index))));
  const lastInput = blocks.at(-1)?.output ?? stem;
  specs.push(convolution(`features.${blocks.length + 1}`, last, lastInput, 'hard-swish'));
  specs.push(linear('classifier.0', hidden, last, 'hard-swish'), linear('classifier.3', classes, hidden, 'none'));
  return specs;
}

function blockSpecs(block: Block, name: string): LayerSpec[] {
  const { kernel, input, expanded, output, squeeze, activation, stride } = block;
  const specs: LayerSpec[] = [];
  // torchvision numbers the parts of a block in a row, so a part that is left out moves those behind it.
  let part = 0;
  if (block.hasExpansion) specs.push(convolution(`${name}.${part++}`, expanded, input, activation));
  specs.push(convolution(`${name}.${part++}`, expanded, 1, activation, { kernel, stride, groups: expanded }));
  if (squeeze > 0) {
    const squeezeName = `${name}.${part++}`;
    specs.push(biasedConvolution(`${squeezeName}.fc1`, squeeze, expanded, 'relu'));
    specs.push(biasedConvolution(`${squeezeName}.fc2`, expanded, squeeze, 'hard-sigmoid'));
  }
  specs.push(convolution(`${name}.${part}`, output, expanded, 'none'));
  return specs;
}

/** torchvision's Conv2dNormActivation: `name.0` is the convolution, `name.1` its batch norm. */
function convolution(
  name: string,
  output: number,
  inputPerGroup: number,
  activation: LayerSpec['activation'],
  { kernel = 1, stride = 1, groups = 1 } = {},
): LayerSpec {
  const shape = [output, inputPerGroup, kernel, kernel];
  const padding = (kernel - 1) / 2;
  return { name: `${name}.0`, kind: 'conv2d', shape, stride, padding, groups, batchNorm: `${name}.1`, activation };
}

/** A 1x1 convolution of the squeeze-and-excitation, which has a bias and no batch norm. */
function biasedConvolution(
  name: string,
  output: number,
  input: number,
  activation: LayerSpec['activation'],
): LayerSpec {
  return { name, kind: 'conv2d', shape: [output, input, 1, 1], stride: 1, padding: 0, groups: 1, activation };
}

function linear(name: string, output: number, input: number, activation: LayerSpec['activation']): LayerSpec {
  return { name, kind: 'linear', shape: [output, input], stride: 1, padding: 0, groups: 1, activation };
}
