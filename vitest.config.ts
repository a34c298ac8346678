import { defineConfig } from 'vitest/config';

// Workers run in this Node, when it is given: scripts/proof/test-x64.mjs emulates an older CPU with it, which takes its
// time.
const emulated = process.env['NEONSENSE_TEST_NODE'];
if (emulated !== undefined) process.execPath = emulated;
const timeout = emulated === undefined ? 60_000 : 1_200_000;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: timeout,
    hookTimeout: timeout,
  },
});
