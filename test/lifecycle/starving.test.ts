// Machines that have too little of something: the error says so, and the process goes on and ends by itself.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bindingFile } from '../../lib/runtime/load/load.js';

const root = join(import.meta.dirname, '../..');

/** Runs `source` as a module behind `wrapper`, with the library at hand. */
function run(wrapper: readonly string[], source: string): { status: number | null; stdout: string; stderr: string } {
  const preamble = `import { createSession, readModel } from ${JSON.stringify(join(root, 'dist/index.js'))};
    const model = await readModel(${JSON.stringify(join(root, 'models/household-int8-dynamic.safetensors'))});`;
  const [command = '', ...rest] = [...wrapper, process.execPath];
  return spawnSync(command, [...rest, '--input-type=module', '--eval', preamble + source], {
    encoding: 'utf8',
    timeout: 60_000,
  });
}

const works = (...command: [string, ...string[]]): boolean => spawnSync(command[0], command.slice(1)).status === 0;

/** A limit on processes does not bind root. */
const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const wrapped = process.getuid?.() === 0 ? asNobody : [];
const fewThreads = ['prlimit', '--nproc=13', ...wrapped] as [string, ...string[]];

describe.skipIf(!works(...fewThreads, process.execPath, '--version'))('where few threads can be started', () => {
  it('a session that wants more names the limit, and one that wants fewer works', () => {
    const result = run(
      fewThreads,
      `await createSession(model, { threads: 256 }).catch(({ code, message }) => console.log(code, message));
      const session = await createSession(model, { threads: 1 });
      console.log((await session.run(new Float32Array(224 * 224 * 3))).length);
      await session.dispose();`,
    );
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout).toMatch(
      /^ERR_NATIVE Only \d+ of 256 threads could be started .*ulimit -u.*`threads`.*\n11\n$/,
    );
  });
});

describe.skipIf(process.platform !== 'linux')('where memory is short', () => {
  it('a plan that is only long is refused before anything of it is copied', () => {
    const result = run(
      ['sh', '-c', 'ulimit -v 1500000 && exec "$0" "$@"'],
      `const addon = { exports: {} };
      process.dlopen(addon, ${JSON.stringify(bindingFile())});
      const value = { name: 'x', shape: [1, 1, 1], type: 'f32' };
      const plan = { values: new Array(2e7).fill(value), layers: [], input: 0, outputs: [] };
      try {
        addon.exports.createSession(plan, { threads: 1, profile: false, fp16: false, sparse: false });
      } catch (error) {
        console.log(error.message);
      }`,
    );
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout).toBe('`plan.values` has 20000000 entries, at most 4096 are allowed\n');
  });
});

const empty = mkdtempSync(join(tmpdir(), 'neonsense-starving-'));
const nothing = join(empty, 'nothing');
writeFileSync(nothing, '');
const hidden = `mount --bind ${empty} /sys/devices/system/cpu && mount --bind ${nothing} /proc/cpuinfo`;
const withoutCpus = (['-m', '-rm'] as const)
  .map((flags): [string, ...string[]] => ['unshare', flags, 'sh', '-c', `${hidden} && exec "$0" "$@"`])
  .find((wrapper) => works(...wrapper, 'true'));

describe.skipIf(withoutCpus === undefined)('where /sys/devices/system/cpu and /proc/cpuinfo are empty', () => {
  it('the CPU is said to be unknown', () => {
    const result = run(
      withoutCpus!,
      `await createSession(model).catch(({ code, message }) => console.log(code, message));
      await createSession(model, { threads: 1 }).catch(({ code, message }) => console.log(code, message));`,
    );
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout).toBe("ERR_NATIVE This CPU can't be identified: are /proc and /sys mounted?\n".repeat(2));
  });
});
