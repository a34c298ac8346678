/** A line on a terminal that says how far a long job is and how long it will still take. */
export interface ProgressLine {
  update(done: number, total: number): void;
  /** Removes the line. */
  clear(): void;
}

const BAR_CELLS = 24;
const REDRAW_MS = 100;

/** `m:ss`, or `h:mm:ss` from an hour on. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const pad = (value: number): string => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}:${pad(seconds % 60)}`
    : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(seconds % 60)}`;
}

/**
 * Draws to `stream` if it is a terminal and does nothing otherwise, so that pipes and logs stay clean.
 * @param unit what is counted, for example `images`
 */
export function progressLine(unit: string, stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  if (!stream.isTTY) return { update: () => undefined, clear: () => undefined };
  const started = performance.now();
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    update(done, total) {
      const now = performance.now();
      if (now - drawn < REDRAW_MS && done < total) return;
      drawn = now;
      const share = total === 0 ? 1 : Math.min(1, done / total);
      const filled = Math.round(share * BAR_CELLS);
      const left = done === 0 ? '' : `, ${formatDuration(((now - started) * (total - done)) / done)} left`;
      const bar = `${'#'.repeat(filled)}${'.'.repeat(BAR_CELLS - filled)}`;
      const line = `[${bar}] ${done}/${total} ${unit}${left}`;
      stream.write(`\r${line.slice(0, Math.max(1, (stream.columns ?? 80) - 1))}\u001b[K`);
    },
    clear() {
      if (drawn !== Number.NEGATIVE_INFINITY) stream.write('\r\u001b[K');
    },
  };
}
