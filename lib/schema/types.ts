import * as z from 'zod/mini';

/** A whole number from `min` to `max`. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER) {
  const error =
    max === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${min}` : `an integer from ${min} to ${max}`;
  return z.int({ error }).check(z.minimum(min, { error }), z.maximum(max, { error }));
}

/** A finite number that `holds`. */
export function numberThat(error: string, holds: (value: number) => boolean) {
  return z.number({ error }).check(z.refine(holds, { error }));
}

/** A share, from 0 to 1. */
export const share = () => numberThat('a number from 0 to 1', (value) => value >= 0 && value <= 1);

/** A string that is not empty. */
export const text = (error = 'a string that is not empty') => z.string({ error }).check(z.minLength(1, { error }));

/** A list that is not empty. */
export function list<T extends z.core.SomeType>(item: T) {
  return z
    .array(item, { error: 'a list that is not empty' })
    .check(z.minLength(1, { error: 'a list that is not empty' }));
}

/** A function; what it takes and gives is not looked at. */
export function callback<T>() {
  return z.custom<T>((value) => typeof value === 'function', { error: 'a function' });
}

/** An AbortSignal, by its shape: one of another realm is of another class. */
export function abortSignal() {
  const holds = (value: unknown): boolean => {
    const { aborted, addEventListener } = Object(value) as Partial<AbortSignal>;
    return typeof aborted === 'boolean' && typeof addEventListener === 'function';
  };
  return z.custom<AbortSignal>(holds, { error: 'an AbortSignal' });
}
