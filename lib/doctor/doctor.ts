import { statSync } from 'node:fs';
import { join } from 'node:path';
import { loadSharp } from '../image/loadSharp.js';
import { packageRoot, packageVersion } from '../package.js';
import { chooseByRules, type Device, presentVariants, type VariantChoice } from '../shipped/chooseVariant.js';
import { type Manifest, manifestDocument, modelsFolder } from '../shipped/manifest.js';
import { checkManifest } from '../shipped/manifestSchema.js';
import { cacheFile } from '../shipped/measureVariants.js';
import { type SelfTestResult, selfTest } from '../shipped/selfTest.js';
import { percent } from '../text/units.js';
import { examineRuntime, type RuntimeReport } from './runtime.js';

/** What there is to know about neonsense on this machine; `neonsense doctor` prints it. */
export interface DoctorReport extends RuntimeReport {
  /** Version of this package. */
  readonly version: string;
  /** The package's folder. */
  readonly package: string;
  /** Nothing is broken. */
  readonly healthy: boolean;
  readonly models: readonly ModelReport[];
  /** What `Classifier.load()` would run, null without models. */
  readonly choice: VariantChoice | null;
  /** Where `measure: true` keeps its results. */
  readonly measureCache: string;
  /** Empty where the addon could not be loaded. */
  readonly selfTest: readonly SelfTestResult[];
  /** The picture decoder, which raw pixels do without. */
  readonly sharp: { readonly version: string | null; readonly problem: string | null };
}

/** One of the shipped models. */
export interface ModelReport {
  readonly name: string;
  readonly file: string;
  /** `missing` is no fault, a package may leave some out. */
  readonly state: 'present' | 'missing' | 'damaged';
}

/** What to examine; tests put other things in. */
export interface DoctorOptions {
  readonly runtime?: (() => RuntimeReport) | undefined;
  readonly models?: string | undefined;
  readonly sharp?: (() => Promise<{ readonly versions: { readonly sharp?: string } }>) | undefined;
}

/** Examines machine, addon, models and decoder, and tries every precision. Never throws for what it finds. */
export async function diagnose(options: DoctorOptions = {}): Promise<DoctorReport> {
  const { runtime = examineRuntime, models: folder = modelsFolder, sharp = loadSharp } = options;
  const report = runtime();
  const problems = [...report.problems];
  const broken = <T>(what: () => T): T | null => {
    try {
      return what();
    } catch (error) {
      problems.push((error as Error).message);
      return null;
    }
  };
  const manifest = broken(() => {
    const { file, document } = manifestDocument(folder);
    return checkManifest(document, file);
  });
  const models = manifest === null ? [] : manifest.variants.map((variant) => modelReport(variant, folder));
  for (const { name, file, state } of models) {
    if (state === 'damaged')
      problems.push(`${file} is damaged: ${name} has another size there. Install neonsense again`);
  }
  const device: Device = { features: report.cpu?.features ?? [], availableMemory: report.memory.available };
  const choice =
    manifest === null ? null : broken(() => chooseByRules(manifest, presentVariants(manifest, folder), device).choice);
  const results = manifest !== null && report.binary.loaded ? await selfTest(manifest, device.features, folder) : [];
  for (const { precision, state, what, difference } of results) {
    if (state !== 'failed') continue;
    const why =
      difference === null ? what : `${what} gives other numbers than it should (off by ${shareOfRange(difference)})`;
    problems.push(`The self-test of ${precision} failed: ${why}`);
  }
  return {
    ...report,
    version: packageVersion(),
    package: packageRoot,
    healthy: problems.length === 0,
    problems,
    models,
    choice,
    measureCache: cacheFile(),
    selfTest: results,
    sharp: await sharpReport(sharp),
  };
}

function modelReport({ name, file: base, bytes }: Manifest['variants'][number], folder: string): ModelReport {
  const file = join(folder, base);
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  return { name, file, state: size === undefined ? 'missing' : size === bytes ? 'present' : 'damaged' };
}

async function sharpReport(load: NonNullable<DoctorOptions['sharp']>): Promise<DoctorReport['sharp']> {
  try {
    return { version: (await load()).versions.sharp ?? null, problem: null };
  } catch (error) {
    return { version: null, problem: (error as Error).message };
  }
}

function shareOfRange(share: number): string {
  return Number.isFinite(share) ? `${percent(share)} of their range` : 'not finite';
}
