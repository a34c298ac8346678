/** `12.3 %`; a dash for no share at all. */
export function percent(share: number | null): string {
  return share === null ? '-' : `${(100 * share).toFixed(1)} %`;
}

/** `-12.3 %`, with its sign. */
export function signedPercent(change: number): string {
  return `${change > 0 ? '+' : ''}${percent(change)}`;
}

/** `1,234,567` */
export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** Bytes as MiB (2^20), two decimals unless told otherwise. */
export function mebibytes(bytes: number, decimals = 2): string {
  return `${(bytes / 2 ** 20).toFixed(decimals)} MiB`;
}

/** Bytes in the unit that suits them: `812 bytes`, `4.2 KiB`, `5.95 MiB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`;
  return bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(1)} KiB` : mebibytes(bytes);
}

/** `p = 0.031`, as test results are given. */
export function probabilityText(p: number): string {
  return p < 0.001 ? 'p < 0.001' : `p = ${p.toFixed(3)}`;
}
