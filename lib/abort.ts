import { abortError } from './errors.js';

/** Those that one signal still has to tell, and the listener that does. */
interface Audience {
  readonly told: Set<() => void>;
  readonly listener: () => void;
}

const audiences = new WeakMap<AbortSignal, Audience>();

/**
 * Calls `react` once when `signal` fires. A signal has one listener however many calls share it: Node warns of a leak
 * from eleven on, and taking one of a thousand off looks at all of them.
 *
 * @returns takes `react` back
 */
export function onAbort(signal: AbortSignal, react: () => void): () => void {
  const audience = audiences.get(signal) ?? listenTo(signal);
  audience.told.add(react);
  return () => {
    audience.told.delete(react);
    // Node keeps a derived signal alive for as long as it has a listener.
    if (audience.told.size > 0 || audiences.get(signal) !== audience) return;
    audiences.delete(signal);
    signal.removeEventListener('abort', audience.listener);
  };
}

function listenTo(signal: AbortSignal): Audience {
  const told = new Set<() => void>();
  const audience = {
    told,
    listener: (): void => {
      audiences.delete(signal);
      for (const react of told) react();
    },
  };
  signal.addEventListener('abort', audience.listener, { once: true });
  audiences.set(signal, audience);
  return audience;
}

/**
 * `work`, unless `signal` fires first: then the abort error at once, while the work goes on in the background.
 *
 * @throws {NeonsenseError} `ERR_ABORTED`, and what `work` throws
 */
export function untilAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      reject(abortError(signal));
      work.catch(() => undefined);
      return;
    }
    const forget = onAbort(signal, () => reject(abortError(signal)));
    const settle =
      <V>(end: (value: V) => void) =>
      (value: V): void => {
        forget();
        end(value);
      };
    work.then(settle(resolve), settle(reject));
  });
}
