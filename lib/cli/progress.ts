import { columnsOf } from './terminal.js';
import { cut } from './text.js';

/** What says how far a long job is and how long it will still take. */
export interface ProgressLine {
  update(done: number, total: number): void;
  /** Removes the line. */
  clear(): void;
}

/** The same for a job of several kinds of work, one after the other. */
export interface Progress {
  /** @param what is counted, for example `images` */
  update(what: string, done: number, total: number): void;
  clear(): void;
}

const BAR_CELLS = 24;
const REDRAW_MS = 100;
/** Where nobody looks on: work that is shorter says nothing, longer work so much apart. */
const QUIET_MS = 10_000;
const REPEAT_MS = 30_000;

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
 * One line that is drawn again and again where `stream` is a terminal. Where it is a log or a pipe, a line of its own when
 * work has taken 10 seconds, and each half minute from then on.
 */
export function progressOf(stream: NodeJS.WriteStream = process.stderr): Progress {
  const show = stream.isTTY ? drawnLine(stream) : loggedLines(stream);
  let kind = '';
  let left = remaining();
  return {
    update(what, done, total) {
      if (what !== kind) left = remaining();
      kind = what;
      show.update(what, done, total, left(done, total));
    },
    clear: () => show.clear(),
  };
}

/** {@link progressOf} for one kind of work. */
export function progressLine(unit: string, stream?: NodeJS.WriteStream): ProgressLine {
  const progress = progressOf(stream);
  return { update: (done, total) => progress.update(unit, done, total), clear: () => progress.clear() };
}

interface Shown {
  update(what: string, done: number, total: number, left: string): void;
  clear(): void;
}

function drawnLine(stream: NodeJS.WriteStream): Shown {
  let drawn = Number.NEGATIVE_INFINITY;
  let drawnKind = '';
  return {
    update(what, done, total, left) {
      const now = performance.now();
      if (now - drawn < REDRAW_MS && done < total && what === drawnKind) return;
      drawn = now;
      drawnKind = what;
      const share = total === 0 ? 1 : Math.min(1, done / total);
      const filled = Math.round(share * BAR_CELLS);
      const bar = `${'#'.repeat(filled)}${'.'.repeat(BAR_CELLS - filled)}`;
      const line = cut(`[${bar}] ${done}/${total} ${what}${left}`, Math.max(1, columnsOf(stream) - 1));
      stream.write(`\r${line}\u001b[K`);
    },
    clear() {
      if (drawn !== Number.NEGATIVE_INFINITY) stream.write('\r\u001b[K');
    },
  };
}

function loggedLines(stream: NodeJS.WriteStream): Shown {
  let next = performance.now() + QUIET_MS;
  return {
    update(what, done, total, left) {
      if (performance.now() < next || done >= total) return;
      next = performance.now() + REPEAT_MS;
      stream.write(`neonsense: ${done} of ${total} ${what}${left}\n`);
    },
    clear: () => undefined,
  };
}

/**
 * How long the rest will take, judged by what came after the first: that one also loads, packs and warms up, which the
 * others do not.
 */
function remaining(): (done: number, total: number) => string {
  let first: { readonly done: number; readonly at: number } | undefined;
  return (done, total) => {
    if (done <= 0) return '';
    first ??= { done, at: performance.now() };
    if (done <= first.done || done >= total) return '';
    const each = (performance.now() - first.at) / (done - first.done);
    return `, ${formatDuration(each * (total - done))} left`;
  };
}
