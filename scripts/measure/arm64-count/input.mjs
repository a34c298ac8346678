/** The same random pixels each time, `[1, H, W, 3]` or `[1, 3, H, W]`: the kernels do not branch on them. */
export function pixels(count) {
  let state = 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 4 - 2;
  });
}
