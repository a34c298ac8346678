import { readdirSync, readFileSync } from 'node:fs';
import { arch, availableParallelism, platform, release } from 'node:os';
import { join } from 'node:path';
import { packageRoot, packageVersion } from '../package.js';
import { loadBinding } from '../runtime/load/load.js';

/** The machine and software that made a measurement; what can't be read is null. */
export interface Environment {
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly cpu: string;
  /** Instruction set extensions that decide which kernels run. */
  readonly features: readonly string[];
  readonly cores: number;
  readonly governor: string | null;
  /** Degrees Celsius of the hottest zone, before the measurement. */
  readonly temperature: number | null;
  /** For example `linux-arm64`. */
  readonly platform: string;
  readonly kernel: string;
  readonly node: string;
  /** Version of this package. */
  readonly version: string;
  /** Commit of this package's own repository, null in an installed package. */
  readonly commit: string | null;
  /** Commit of the XNNPACK sources the engine is built from. */
  readonly xnnpack: string | null;
  /** Versions of the peers that were measured too, by name; absent where there were none. */
  readonly peers?: Readonly<Record<string, string>>;
}

/**
 * Describes this machine now.
 * @throws {NeonsenseError} `ERR_NATIVE_LOAD` when the engine, which identifies the CPU, can't be loaded
 */
export function describeEnvironment(): Environment {
  const cpu = loadBinding().cpu();
  return {
    date: new Date().toISOString(),
    cpu: cpu.name,
    features: cpu.features,
    cores: availableParallelism(),
    governor: readText('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
    temperature: hottestZone('/sys/class/thermal'),
    platform: `${platform()}-${arch()}`,
    kernel: release(),
    node: process.version,
    version: packageVersion(),
    commit: commitOf(packageRoot),
    xnnpack: xnnpackCommit(join(packageRoot, 'third_party', 'manifest.json')),
  };
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return null;
  }
}

function hottestZone(folder: string): number | null {
  let zones: string[];
  try {
    zones = readdirSync(folder).filter((name) => name.startsWith('thermal_zone'));
  } catch {
    return null;
  }
  const degrees = zones
    .map((zone) => Number(readText(join(folder, zone, 'temp')) ?? Number.NaN) / 1000)
    .filter((value) => Number.isFinite(value) && value > 0);
  return degrees.length === 0 ? null : Math.max(...degrees);
}

/** The commit HEAD points at, read without git: a branch's ref is a file or a line of packed-refs. */
export function commitOf(root: string): string | null {
  const head = readText(join(root, '.git', 'HEAD'));
  if (head === null) return null;
  if (!head.startsWith('ref: ')) return head;
  const ref = head.slice('ref: '.length);
  const packed = readText(join(root, '.git', 'packed-refs'))
    ?.split('\n')
    .find((line) => line.endsWith(` ${ref}`));
  return readText(join(root, '.git', ref)) ?? packed?.split(' ')[0] ?? null;
}

function xnnpackCommit(manifest: string): string | null {
  const text = readText(manifest);
  if (text === null) return null;
  const { sources } = JSON.parse(text) as { sources: { name: string; commit: string }[] };
  return sources.find(({ name }) => name === 'XNNPACK')?.commit ?? null;
}
