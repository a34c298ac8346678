#!/usr/bin/env node
// Bundles lib/ into dist/: one file for the library, one for the command line, one for the benchmark's child processes,
// and chunks for what each loads only when it is needed. Loading forty small modules took longer than loading and
// running a model. Types come from tsc beside them.
import { rmSync } from 'node:fs';
import { build } from 'esbuild';

// Names of chunks carry a hash of their content, so an earlier build's would stay beside the new ones.
rmSync('dist/chunks', { recursive: true, force: true });

const common = {
  outdir: 'dist',
  outbase: 'lib',
  splitting: true,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  sourcemap: 'linked',
  sourcesContent: false,
  logLevel: 'warning',
};

// The library's two entries share their chunks, so that an error of one is an instance of the other's class. The programs
// are each on their own, and load no more files than they need.
for (const entries of [['index', 'api/compress'], ['cli/main'], ['bench/trial']]) {
  await build({
    ...common,
    entryPoints: entries.map((entry) => `lib/${entry}.ts`),
    chunkNames: `chunks/${entries[0].replace('/', '-')}-[hash]`,
  });
}
