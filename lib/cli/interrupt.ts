/** Ctrl-C as a signal that work in hand can look at between two steps. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * From now until it is disposed, the first Ctrl-C only fires the signal; a second one ends the process as usual.
 */
export function catchInterrupt(): Interrupt {
  const controller = new AbortController();
  const onInterrupt = (): void => controller.abort();
  process.once('SIGINT', onInterrupt);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => void process.removeListener('SIGINT', onInterrupt),
  };
}
