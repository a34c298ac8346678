#!/usr/bin/env node
// Bundles lib/ into dist/: one file for the library, one for the command line, one for the benchmark's child processes,
// and chunks for what each loads only when it is needed. Loading forty small modules took longer than loading and
// running a model. Types come from tsc beside them.
import { build } from 'esbuild';

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

// Each on its own: an entry that shared chunks with another would load more files than it needs.
for (const entry of ['index', 'cli/main', 'bench/trial']) {
  await build({ ...common, entryPoints: [`lib/${entry}.ts`], chunkNames: `chunks/${entry.replace('/', '-')}-[hash]` });
}
