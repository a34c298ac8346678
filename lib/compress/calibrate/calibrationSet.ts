import { examined, NeonsenseError } from '../../errors.js';
import type { Preprocessing } from '../../model/model.js';
import { firstNotFinite } from '../../model/weights.js';

declare const checked: unique symbol;

/** Preprocessed pictures, `[1, H, W, 3]` each, that were looked through once: as a model takes them, and finite. */
export type CalibrationSet = readonly Float32Array[] & { readonly [checked]: true };

/**
 * Checks pictures to calibrate with.
 *
 * @throws {NeonsenseError} `ERR_DATASET` for a set that is empty, or entries that are not the input `[1, H, W, 3]` that
 * the preprocessing makes, or not finite
 */
export function calibrationSet(inputs: unknown, preprocessing: Preprocessing): CalibrationSet {
  return examined('calibration', 'an array of preprocessed pictures', inputs, () => checkedSet(inputs, preprocessing));
}

function checkedSet(inputs: unknown, { size: [height, width] }: Preprocessing): CalibrationSet {
  if (!Array.isArray(inputs) || inputs.length === 0) {
    throw new NeonsenseError(
      'ERR_DATASET',
      'The calibration set is empty: give at least one preprocessed picture, better 100 or more of the kind the ' +
        'model will see',
    );
  }
  inputs.forEach((input: unknown, index) => {
    if (!(input instanceof Float32Array) || input.length !== height * width * 3) {
      const received = input instanceof Float32Array ? `${input.length} numbers` : typeof input;
      throw new NeonsenseError(
        'ERR_DATASET',
        `Calibration input ${index} has ${received}; the model takes a Float32Array of ${height * width * 3} ` +
          `(${height} x ${width} x 3)`,
      );
    }
    if (firstNotFinite(input) >= 0) {
      throw new NeonsenseError('ERR_DATASET', `Calibration input ${index} contains NaN or infinity`);
    }
  });
  return inputs as unknown as CalibrationSet;
}
