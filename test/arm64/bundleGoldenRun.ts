import { build } from 'esbuild';
import { projectRoot } from '../cli/run.js';

/** Makes of `golden-run.ts` one file that another Node can run, on another system or CPU. */
export async function bundleGoldenRun(outfile: string): Promise<void> {
  await build({
    entryPoints: [`${projectRoot}/test/arm64/golden-run.ts`],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
  });
}
