import type { DecodedImage } from '../image/pixels.js';
import type { PicturedMistake } from '../report/scored.js';

/** A picture that was taken for another class. */
export interface Mistake extends PicturedMistake {
  /** The picture, at most 96 pixels a side. */
  readonly thumbnail: DecodedImage;
}

/** What reports of the command line keep of each model. */
export const REPORTED_MISTAKES = 24;

/** Longest side of a thumbnail, in pixels. */
const SIDE = 96;

/** The mistakes a model was surest of, of all it made; memory is that of `most` thumbnails. */
export class Mistakes {
  readonly #most: number;
  readonly #kept: Mistake[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  add(mistake: Omit<Mistake, 'thumbnail'>, pixels: DecodedImage): void {
    const place = this.#kept.findIndex(({ confidence }) => confidence < mistake.confidence);
    const at = place < 0 ? this.#kept.length : place;
    if (at >= this.#most) return;
    this.#kept.splice(at, 0, { ...mistake, thumbnail: thumbnailOf(pixels) });
    this.#kept.length = Math.min(this.#kept.length, this.#most);
  }

  get list(): readonly Mistake[] {
    return this.#kept;
  }
}

/** The picture made smaller by a whole number, each pixel the mean of those it stands for. */
export function thumbnailOf({ data, width, height, channels }: DecodedImage): DecodedImage {
  const factor = Math.max(1, Math.ceil(Math.max(width, height) / SIDE));
  const [columns, rows] = [Math.max(1, Math.floor(width / factor)), Math.max(1, Math.floor(height / factor))];
  const small = new Uint8Array(columns * rows * channels);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        let count = 0;
        for (let v = y * factor; v < Math.min(height, (y + 1) * factor); v++) {
          for (let u = x * factor; u < Math.min(width, (x + 1) * factor); u++, count++) {
            sum += data[(v * width + u) * channels + c]!;
          }
        }
        small[(y * columns + x) * channels + c] = Math.round(sum / count);
      }
    }
  }
  return { data: small, width: columns, height: rows, channels };
}
