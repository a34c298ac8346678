import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import * as z from 'zod/mini';
import { readRegularFile } from '../files/openFile.js';
import { writeFileAtomically } from '../files/writeFile.js';
import type { Model } from '../model/model.js';
import { median } from '../numbers/quantile.js';
import { packageVersion } from '../package.js';
import { bindingFile, loadBinding } from '../runtime/load/load.js';
import { createSession, type Session } from '../runtime/session.js';
import { timeInTurn } from '../runtime/timeInTurn.js';
import { numberThat } from '../schema/types.js';
import type { VariantChoice } from './chooseVariant.js';

/** A model that may be chosen. */
export interface MeasuredCandidate {
  readonly name: string;
  /** Tells this content from any other: a hash. */
  readonly identity: string;
  readonly sparse: boolean;
  /** Whether its float parts are computed in half precision; not of a sparse one. */
  readonly fp16: boolean;
  /** Whether the measurement may use up the model that `load` gives. */
  readonly consume: boolean;
  load(): Promise<Model>;
}

/** Milliseconds of one picture by candidate. */
export type Measurement = Readonly<Record<string, number>>;

/** How a measurement is made and kept; tests put other things in. */
export interface MeasureOptions {
  /** Threads of the sessions; default: the engine's. */
  readonly threads?: number | undefined;
  /** Candidates slower than the fastest by at most this share count as equally fast. */
  readonly tolerance: number;
  /** Where results are kept. */
  readonly cache?: string | undefined;
  readonly measure?: (candidates: readonly MeasuredCandidate[], threads: number | undefined) => Promise<Measurement>;
  /** What besides the candidates and threads a result depends on. */
  readonly machine?: (() => Promise<readonly unknown[]>) | undefined;
}

/** Rounds whose times are not counted, the most that are, and the time after which no further one begins. */
const WARM_UP = 3;
const MOST_ROUNDS = 50;
const FEWEST_ROUNDS = 7;
const BUDGET_MS = 1500;
/** Entries kept in the cache file; the oldest go first. */
const MOST_ENTRIES = 32;

/**
 * Chooses the fastest candidate by measuring all of them taking turns, or by what an earlier measurement with the same
 * CPU, binary, package, models and threads gave, which is kept in a file. Of equally fast ones the first is taken.
 *
 * @param candidates the preferred first; their sessions are all in memory at the same time
 * @throws {NeonsenseError} what loading and running the models throws; never for the file, without which it is measured
 */
export async function chooseByMeasurement(
  candidates: readonly MeasuredCandidate[],
  options: MeasureOptions,
): Promise<VariantChoice> {
  const { threads, tolerance, cache = cacheFile(), measure = measureCandidates, machine = thisMachine } = options;
  const identities = candidates.map(({ name, identity, sparse, fp16 }) => [name, identity, sparse, fp16]);
  const key = sha256(JSON.stringify([await machine(), threads ?? null, identities]));
  const entries = await readEntries(cache);
  const kept = entries.find((entry) => entry.key === key && candidates.every(({ name }) => name in entry.ms));
  const ms = kept?.ms ?? (await measure(candidates, threads));
  if (kept === undefined) await keep(cache, [{ key, ms }, ...entries].slice(0, MOST_ENTRIES));

  const fastest = Math.min(...candidates.map(({ name }) => ms[name]!));
  const chosen = candidates.find(({ name }) => ms[name]! <= fastest * (1 + tolerance))!;
  const times = candidates.map(({ name }) => `${name} ${ms[name]!.toFixed(2)} ms`).join(', ');
  const equal = ms[chosen.name]! > fastest ? ', which counts as equally fast' : '';
  const when = kept === undefined ? 'measured now' : `measured earlier, kept in ${cache}`;
  const reason = `${times}${equal} (${when})`;
  return { variant: chosen.name, reason, ms, ...(chosen.fp16 && { fp16: true as const }) };
}

/** `measured.json` in the user's cache folder: `XDG_CACHE_HOME` where set, else the system's usual place. */
export function cacheFile(environment: NodeJS.ProcessEnv = process.env): string {
  const folder = environment['XDG_CACHE_HOME'];
  // The XDG specification: a path that is not absolute is to be ignored.
  const usual = USUAL_CACHES[process.platform as 'darwin' | 'win32'] ?? ['.cache'];
  const chosen = folder !== undefined && isAbsolute(folder) ? folder : join(homedir(), ...usual);
  return join(chosen, 'neonsense', 'measured.json');
}

/** Below the user's folder, where it is not as on Linux. */
const USUAL_CACHES = { darwin: ['Library', 'Caches'], win32: ['AppData', 'Local'] } as const;

/** Median milliseconds of a run of one picture, all candidates taking turns so that drift of the machine hits each. */
async function measureCandidates(
  candidates: readonly MeasuredCandidate[],
  threads: number | undefined,
): Promise<Measurement> {
  const sessions: Session[] = [];
  try {
    for (const { load, sparse, fp16, consume } of candidates) {
      const model = await load();
      sessions.push(await createSession(model, { consume, sparse, fp16, threads }));
    }
    const runs = sessions.map((session) => {
      const length = session.inputs[0]!.shape.slice(1).reduce<number>((product, side) => product * side!, 1);
      const input = Float32Array.from({ length }, (_, i) => Math.sin(0.01 * i));
      return () => session.run(input);
    });
    const started = performance.now();
    const times = await timeInTurn(runs, {
      warmup: WARM_UP,
      rounds: MOST_ROUNDS,
      onRound: (round) => round < WARM_UP + FEWEST_ROUNDS || performance.now() - started <= BUDGET_MS,
    });
    return Object.fromEntries(candidates.map(({ name }, i) => [name, median(times[i]!)]));
  } finally {
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}

async function thisMachine(): Promise<readonly unknown[]> {
  const { name, features } = loadBinding().cpu();
  return [process.platform, process.arch, name, features, packageVersion(), sha256(await readFile(bindingFile()))];
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Milliseconds of each measurement, under what it was made with. */
const entry = z.object({
  key: z.string(),
  ms: z.record(
    z.string(),
    numberThat('milliseconds', (time) => time > 0),
  ),
});
type Entry = z.infer<typeof entry>;

/** What the file holds that can be used; nothing where it is missing, unreadable or not what we write. */
async function readEntries(file: string): Promise<Entry[]> {
  try {
    const { entries } = z.parse(
      z.object({ format: z.literal(1), entries: z.array(z.unknown()) }),
      JSON.parse((await readRegularFile(file)).toString('utf8')),
    );
    return entries.flatMap((each) => z.safeParse(entry, each).data ?? []);
  } catch {
    return [];
  }
}

/** A home that is read-only or full costs only that it is measured again. */
async function keep(file: string, entries: readonly Entry[]): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFileAtomically(file, `${JSON.stringify({ format: 1, entries }, null, 1)}\n`);
  } catch {
    return;
  }
}
