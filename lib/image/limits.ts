import { availableParallelism, totalmem } from 'node:os';
import { Allowance } from './allowance.js';

/** What decodes share. */
export interface DecodeLimits {
  /** Pictures read and decoded at the same time. */
  readonly decoders: Allowance;
  /** Bytes that encoded pictures, decoders and pixels not yet used take together. */
  readonly memory: Allowance;
}

/** As much as a 100-megapixel picture decoded whole takes. */
const MOST_MEMORY = 384 * 2 ** 20;

/** Node's threads for files, decoders and the engine, unless told otherwise. */
const DEFAULT_POOL_THREADS = 4;

let shared: DecodeLimits | undefined;

/** The limits of all pictures of this thread that are not given others. */
export function sharedLimits(): DecodeLimits {
  shared ??= decodeLimits();
  return shared;
}

/** @param memory bytes; default: a quarter of the memory this process may use, at most 384 MiB */
export function decodeLimits(memory: number = Math.min(MOST_MEMORY, Math.floor(usableMemory() / 4))): DecodeLimits {
  return { decoders: new Allowance(decodersAtOnce()), memory: new Allowance(memory) };
}

/** As many as there are cores, but one of the pool's threads is left to inference and to everybody else's files. */
function decodersAtOnce(): number {
  const pool = Number(process.env['UV_THREADPOOL_SIZE']) || DEFAULT_POOL_THREADS;
  return Math.max(1, Math.min(availableParallelism(), pool - 1));
}

/** Memory of the machine, or of the control group where that grants less. */
function usableMemory(): number {
  // Not in every runtime that looks like Node.
  const { constrainedMemory } = process as { constrainedMemory?: () => number };
  const granted = constrainedMemory?.call(process) ?? 0;
  return granted > 0 ? Math.min(granted, totalmem()) : totalmem();
}
