import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { availableParallelism, freemem, release, totalmem } from 'node:os';
import type { Cpu } from '../runtime/binding.js';
import { type Kernels, kernelsFor } from '../runtime/kernels.js';
import { isOlder } from '../runtime/load/binaryFile.js';
import type { BinaryOrigin } from '../runtime/load/candidates.js';
import { type LoadAttempt, loadError, thisHost, tryLoad } from '../runtime/load/load.js';
import { OLDEST_NODE } from '../runtime/load/loadFailure.js';
import { cgroupCpus, defaultThreads } from '../runtime/threads.js';

/** The machine and how the addon gets on with it; what can't be told is null. */
export interface RuntimeReport {
  readonly platform: string;
  readonly kernel: string;
  readonly node: string;
  readonly nodeApi: string;
  /** Version of Electron where Node is its. */
  readonly electron: string | null;
  /** For example `glibc 2.36` or `musl 1.2.5`; null on other systems than Linux. */
  readonly libc: string | null;
  readonly binary: BinaryReport;
  readonly cpu: Cpu | null;
  readonly kernels: Kernels | null;
  readonly threads: ThreadReport | null;
  /** In bytes. */
  readonly memory: { readonly total: number; readonly available: number; readonly limit: number | null };
  /** What is broken, one message each. */
  readonly problems: readonly string[];
}

/** Where the addon was loaded from, or why it was not. */
export type BinaryReport =
  | { readonly loaded: true; readonly file: string; readonly origin: BinaryOrigin; readonly bytes: number }
  | { readonly loaded: false; readonly attempts: readonly LoadAttempt[] };

/** The number of threads a session uses by default, and where it comes from. */
export interface ThreadReport {
  readonly default: number;
  /** Which limit decides. */
  readonly why: string;
  readonly performanceCores: number;
  /** CPUs this process may run on. */
  readonly usable: number;
  /** CPUs' worth of time the control group grants, null without a quota. */
  readonly quota: number | null;
}

/** Looks at this machine and loads the addon; never throws. */
export function examineRuntime(load: typeof tryLoad = tryLoad): RuntimeReport {
  const host = thisHost();
  const problems: string[] = [];
  if (isOlder(host.node, OLDEST_NODE))
    problems.push(`Node ${host.node} is too old: neonsense needs ${OLDEST_NODE} or newer`);
  const found = load();
  let binary: BinaryReport;
  let cpu: Cpu | null = null;
  if ('attempts' in found) {
    binary = { loaded: false, attempts: found.attempts };
    problems.push(loadError(found.attempts).message);
  } else {
    binary = { loaded: true, file: found.file, origin: found.origin, bytes: statSync(found.file).size };
    try {
      cpu = found.binding.cpu();
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  const { availableMemory, constrainedMemory } = process as {
    availableMemory?: () => number;
    constrainedMemory?: () => number;
  };
  const total = totalmem();
  const limit = constrainedMemory?.call(process) ?? 0;
  return {
    platform: `${host.platform}-${host.arch}`,
    kernel: release(),
    node: host.node,
    nodeApi: host.napi,
    electron: process.versions['electron'] ?? null,
    libc: libcName(host.libc, host.glibc),
    binary,
    cpu,
    kernels: cpu === null ? null : kernelsFor(host.arch, cpu.features),
    threads: cpu === null ? null : describeThreads(cpu.performanceCores, availableParallelism(), cgroupCpus()),
    // Without a limit Node gives 0 or a number beyond all memory.
    memory: {
      total,
      available: availableMemory?.call(process) ?? freemem(),
      limit: limit > 0 && limit < total ? limit : null,
    },
    problems,
  };
}

/**
 * Says where the default number of threads comes from.
 *
 * @param quota CPUs the control group grants, Infinity without a quota
 */
export function describeThreads(performanceCores: number, usable: number, quota: number): ThreadReport {
  const threads = defaultThreads(performanceCores);
  const limits: readonly (readonly [number, string])[] = [
    [performanceCores, `the CPU has ${performanceCores} cores of the fastest kind`],
    [usable, `this process may run on ${usable} CPUs`],
    [Math.max(1, Math.floor(quota)), `the control group grants ${quota} CPUs`],
  ];
  const why = limits.find(([limit]) => limit === threads)?.[1] ?? 'more rarely help a network this small';
  return {
    default: threads,
    why,
    performanceCores,
    usable,
    quota: Number.isFinite(quota) ? quota : null,
  };
}

function libcName(libc: string | undefined, glibc: string | undefined): string | null {
  if (libc === undefined) return null;
  const version = libc === 'glibc' ? glibc : libc === 'musl' ? muslVersion() : undefined;
  return version === undefined ? libc : `${libc} ${version}`;
}

/** musl tells its version only when its loader is run without arguments. */
function muslVersion(): string | undefined {
  try {
    const loader = readdirSync('/lib').find((name) => name.startsWith('ld-musl-'));
    if (loader === undefined) return undefined;
    return /Version (\S+)/.exec(spawnSync(`/lib/${loader}`, { encoding: 'utf8', timeout: 2000 }).stderr ?? '')?.[1];
  } catch {
    return undefined;
  }
}
