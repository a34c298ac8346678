import { NeonsenseError, throwIfAborted } from '../../errors.js';
import type { Model } from '../../model/model.js';
import { valueGraph } from '../values.js';
import { ValueObserver } from './observers.js';

/**
 * Runs a model in FP32 and yields, input by input, every intermediate value by its plan name. Injected, because this
 * folder loads no engine: a session made with `observe: true` has it.
 */
export type ObserveModel = (
  model: Model,
  inputs: readonly Float32Array[],
) => AsyncIterable<ReadonlyMap<string, Float32Array>>;

/**
 * Refuses a calibration set that is empty, or whose entries are not the model's input `[1, H, W, 3]`.
 *
 * @throws NeonsenseError `ERR_DATASET`
 */
export function requireCalibration(model: Model, inputs: readonly Float32Array[]): void {
  if (!Array.isArray(inputs) || inputs.length === 0) {
    throw new NeonsenseError(
      'ERR_DATASET',
      'The calibration set is empty: give at least one preprocessed picture, better 100 or more of the kind the ' +
        'model will see',
    );
  }
  const [height, width] = model.preprocessing.size;
  inputs.forEach((input, index) => {
    if (!(input instanceof Float32Array) || input.length !== height * width * 3) {
      const received = input instanceof Float32Array ? `${input.length} numbers` : typeof input;
      throw new NeonsenseError(
        'ERR_DATASET',
        `Calibration input ${index} has ${received}; the model takes a Float32Array of ${height * width * 3} ` +
          `(${height} x ${width} x 3)`,
      );
    }
    if (!input.every(Number.isFinite)) {
      throw new NeonsenseError('ERR_DATASET', `Calibration input ${index} contains NaN or infinity`);
    }
  });
}

/**
 * Observes every value of the network over a calibration set.
 *
 * @param model in FP32
 * @param inputs one preprocessed picture each, `[1, H, W, 3]`
 * @returns an observer for each value name of `valueGraph`
 * @throws NeonsenseError `ERR_DATASET` for an unusable set, `ERR_MODEL_ARCHITECTURE` where the model yields NaN or
 * infinity, `ERR_ABORTED`
 */
export async function calibrate(
  model: Model,
  inputs: readonly Float32Array[],
  observe: ObserveModel,
  signal?: AbortSignal,
): Promise<Map<string, ValueObserver>> {
  requireCalibration(model, inputs);
  const observers = new Map(
    valueGraph(model.architecture).map(({ name, channels }) => [name, new ValueObserver(channels)]),
  );
  for (const input of inputs) observers.get('input')!.add(input);
  for await (const values of observe(model, inputs)) {
    throwIfAborted(signal);
    for (const [name, observer] of observers) {
      const numbers = name === 'input' ? undefined : values.get(name);
      if (numbers !== undefined) observer.add(numbers);
    }
  }
  for (const [name, observer] of observers) {
    if (observer.count === 0) {
      throw new NeonsenseError('ERR_UNSUPPORTED', `Calibration saw no value named ${name}`);
    }
    if (!Number.isFinite(observer.min) || !Number.isFinite(observer.max)) {
      throw new NeonsenseError('ERR_MODEL_ARCHITECTURE', `The value ${name} became infinite during calibration`);
    }
  }
  return observers;
}
