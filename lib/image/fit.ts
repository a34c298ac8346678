import type { Preprocessing } from '../model/preprocessing.js';

/** `[height, width]` in pixels. */
type Sides = readonly [number, number];

/** How a picture is brought to the network's input: resized to `resized`, of which `window` is seen, at `place`. */
export interface Fit {
  /** What the whole picture is resized to. */
  readonly resized: Sides;
  /** Top left corner, in the resized picture, of what is seen of it. */
  readonly from: Sides;
  /** How much is seen. */
  readonly seen: Sides;
  /** Top left corner of what is seen in the network's input. */
  readonly place: Sides;
}

/**
 * Where the pixels of a picture of `height` x `width` go. As torchvision's Resize and CenterCrop, and timm's
 * ResizeKeepRatio and CenterCropOrPad, round.
 */
export function fitOf({ fit = 'squash', resize, size }: Preprocessing, height: number, width: number): Fit {
  const picture: Sides = [height, width];
  if (fit === 'letterbox') {
    const ratio = Math.max(height / size[0], width / size[1]);
    const resized = sides((axis) => Math.min(size[axis], Math.max(1, halfEven(picture[axis] / ratio))));
    const place = sides((axis) => Math.floor((size[axis] - resized[axis]) / 2));
    return { resized, from: [0, 0], seen: resized, place };
  }
  const resized: Sides =
    resize === undefined
      ? size
      : fit === 'squash'
        ? [resize, resize]
        : sides((axis) => (picture[axis] === Math.min(...picture) ? resize : longer(resize, picture)));
  const from = sides((axis) => halfEven((resized[axis] - size[axis]) / 2));
  return { resized, from, seen: size, place: [0, 0] };
}

function longer(resize: number, picture: Sides): number {
  return Math.trunc((resize * Math.max(...picture)) / Math.min(...picture));
}

function sides(of: (axis: 0 | 1) => number): Sides {
  return [of(0), of(1)];
}

/** As Python's `round`: ties go to the even number. */
function halfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
