import type { Architecture } from '../lib/model/architecture.js';

/** Input, kernel, expanded, output, SE, activation, stride: torchvision's tables, written out again from the paper. */
const SMALL = `
16 3 16 16 SE RE 2
16 3 72 24 - RE 2
24 3 88 24 - RE 1
24 5 96 40 SE HS 2
40 5 240 40 SE HS 1
40 5 240 40 SE HS 1
40 5 120 48 SE HS 1
48 5 144 48 SE HS 1
48 5 288 96 SE HS 2
96 5 576 96 SE HS 1
96 5 576 96 SE HS 1`;
const LARGE = `
16 3 16 16 - RE 1
16 3 64 24 - RE 2
24 3 72 24 - RE 1
24 5 72 40 SE RE 2
40 5 120 40 SE RE 1
40 5 120 40 SE RE 1
40 3 240 80 - HS 2
80 3 200 80 - HS 1
80 3 184 80 - HS 1
80 3 184 80 - HS 1
80 3 480 112 SE HS 1
112 3 672 112 SE HS 1
112 5 672 160 SE HS 2
160 5 960 160 SE HS 1
160 5 960 160 SE HS 1`;

/** torchvision's `_make_divisible(channels, 8)`. */
function makeDivisible(channels: number): number {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

/** The network as torchvision builds it for `width_mult` and `num_classes`. */
export function torchvisionArchitecture(
  name: Architecture['name'] = 'mobilenet_v3_small',
  { width = 1, classes = 10 } = {},
): Architecture {
  const rows = (name === 'mobilenet_v3_small' ? SMALL : LARGE).trim().split('\n');
  const adjust = (channels: number): number => makeDivisible(channels * width);
  const blocks = rows.map((row) => {
    const [input, kernel, expanded, output, squeeze, activation, stride] = row.split(' ') as [string, ...string[]];
    const wide = adjust(Number(expanded));
    return {
      kernel: Number(kernel),
      input: adjust(Number(input)),
      expanded: wide,
      output: adjust(Number(output)),
      squeeze: squeeze === 'SE' ? makeDivisible(Math.floor(wide / 4)) : 0,
      activation: activation === 'RE' ? ('relu' as const) : ('hard-swish' as const),
      stride: Number(stride),
      hasExpansion: wide !== adjust(Number(input)),
    };
  });
  const output = blocks.at(-1)!.output;
  const hidden = adjust(name === 'mobilenet_v3_small' ? 1024 : 1280);
  return { name, stem: blocks[0]!.input, blocks, last: 6 * output, hidden, classes };
}
