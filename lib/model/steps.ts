/** Work that can pause: it yields where the event loop may have its turn. */
export type Steps<T> = Generator<void, T>;

/** Bytes that are worked on between two pauses: a millisecond or a few. */
export const BYTES_A_STEP = 1 << 20;

/** Does the work without a pause. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Does the work with a turn of the event loop at each pause. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await nextTurn();
  }
}

/** Gives the event loop its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
