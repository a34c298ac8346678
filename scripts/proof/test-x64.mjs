#!/usr/bin/env node
// Runs tests in x64 Node under qemu-user, on CPUs that lack what this machine has:
//
//   node scripts/proof/test-x64.mjs [--cpu Nehalem|Haswell] [ARGUMENTS OF VITEST...]     default: the numeric tests
//
// Kernels are chosen by what the CPU can do, and each sums in an order of its own: a test that is green on the CPU of
// whoever wrote it must be green with SSE alone, and with AVX2 without AVX-512. vitest itself runs natively and starts
// its workers by process.execPath, which vitest.config.ts takes from NEONSENSE_TEST_NODE: a program that starts qemu.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
/** What each CPU says it has and qemu can't emulate is taken away, or qemu warns of it at every start. */
const CPUS = { Nehalem: 'Nehalem', Haswell: 'Haswell,-pcid,-x2apic,-tsc-deadline,-hle,-invpcid,-rtm' };
/** Those whose results come from the engine's kernels. */
const NUMERIC = [
  'test/golden',
  'test/compress/prune',
  'test/compress/quantize',
  'test/runtime/session.test.ts',
  'test/runtime/binding.test.ts',
];

function main(argv) {
  const [cpu, rest] = argv[0] === '--cpu' ? [argv[1], argv.slice(2)] : ['Haswell', argv];
  if (!Object.hasOwn(CPUS, cpu)) throw new Error(`--cpu: expected one of ${Object.keys(CPUS).join(', ')}, got ${cpu}`);
  const folder = join(root, 'build-x64');
  const node = join(folder, `node-${cpu}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(node, `#!/bin/sh\nexec qemu-x86_64 -cpu '${CPUS[cpu]}' '${process.execPath}' "$@"\n`, { mode: 0o755 });
  const started = spawnSync(node, ['-p', 'process.arch'], { encoding: 'utf8' });
  if (started.stdout?.trim() !== 'x64') {
    const reason = started.error?.message ?? started.stderr.trim();
    throw new Error(`qemu-x86_64 does not run ${process.execPath} (${reason}). On Debian: apt-get install qemu-user`);
  }
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [
    vitest,
    'run',
    '--poolOptions.forks.minForks=1',
    '--poolOptions.forks.maxForks=1',
    ...(rest.some((each) => !each.startsWith('-')) ? rest : [...NUMERIC, ...rest]),
  ];
  const env = { ...process.env, NEONSENSE_TEST_NODE: node };
  return spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' }).status ?? 1;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(`test-x64: ${error.message}`);
  process.exitCode = 1;
}
