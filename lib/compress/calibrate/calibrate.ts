import { examined, invalidArgument, NeonsenseError, throwIfAborted } from '../../errors.js';
import type { Model } from '../../model/model.js';
import { networkOf } from '../../model/network.js';
import type { CalibrationSet } from './calibrationSet.js';
import { ValueObserver } from './observers.js';

/**
 * Runs a model and yields, input by input, the named values of its network, `[H, W, C]` each. Injected, because this
 * folder loads no engine: a session made with these `outputs` has it.
 *
 * @param values names as `createSession` takes them for `outputs`
 */
export type ObserveModel = (
  model: Model,
  values: readonly string[],
  inputs: readonly Float32Array[],
) => AsyncIterable<Readonly<Record<string, Float32Array>>>;

const EXPECTED = 'an async iterable of values by their names';

/**
 * What `observe` yields, looked at: it is the caller's, and may give anything.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`, and what `observe` throws
 */
export async function* observing(
  observe: ObserveModel,
  model: Model,
  values: readonly string[],
  inputs: readonly Float32Array[],
): AsyncGenerator<Readonly<Record<string, Float32Array>>> {
  const seen: unknown = observe(model, values, inputs);
  const isIterable = examined('observe', EXPECTED, seen, () => Symbol.asyncIterator in Object(seen));
  if (!isIterable) throw invalidArgument('observe', EXPECTED, seen);
  for await (const each of seen as ReturnType<ObserveModel>) {
    yield examined('observe', EXPECTED, each, () => {
      const stranger = values.find((name) => each[name] !== undefined && !ArrayBuffer.isView(each[name]));
      if (stranger !== undefined) throw invalidArgument(`observe: ${stranger}`, 'a Float32Array', each[stranger]);
      return { ...each };
    });
  }
}

/**
 * Observes every value of the network over a calibration set.
 *
 * @param model in FP32
 * @param inputs one preprocessed picture each, `[1, H, W, 3]`
 * @returns an observer for each node of the network, by name
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` where the model yields NaN or
 * infinity, `ERR_ABORTED`
 */
export async function calibrate(
  model: Model,
  inputs: CalibrationSet,
  observe: ObserveModel,
  signal?: AbortSignal,
  onProgress?: (done: number, total: number) => void,
): Promise<Map<string, ValueObserver>> {
  const { nodes } = networkOf(model.architecture, model.preprocessing.size);
  const observers = new Map(nodes.map(({ name, shape }) => [name, new ValueObserver(shape[2])]));
  const [picture, ...values] = [...observers.keys()];
  for (const input of inputs) observers.get(picture!)!.add(input);
  let done = 0;
  for await (const seen of observing(observe, model, values, inputs)) {
    throwIfAborted(signal);
    for (const name of values) if (seen[name] !== undefined) observers.get(name)!.add(seen[name]);
    onProgress?.(++done, inputs.length);
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
