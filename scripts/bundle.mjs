#!/usr/bin/env node
// Bundles lib/ into dist/: one file for the library, one for the command line, one for the benchmark's child processes.
// Loading forty small modules took longer than loading and running a model. Types come from tsc beside them.
import { build } from 'esbuild';

await build({
  entryPoints: ['lib/index.ts', 'lib/cli/main.ts', 'lib/bench/trial.ts'],
  outdir: 'dist',
  outbase: 'lib',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  sourcemap: 'linked',
  sourcesContent: false,
  logLevel: 'warning',
});
