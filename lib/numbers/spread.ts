/** `count` whole numbers spread evenly over `[0, size)`, ascending; all of them where `count` is absent or too many. */
export function* spreadEvenly(size: number, count = size): Generator<number> {
  const taken = Math.min(size, count);
  for (let i = 0; i < taken; i++) yield Math.floor((i * size) / taken);
}
