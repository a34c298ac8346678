import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** A program that runs its loop `rounds` times: two loads, two SIMD operations and three others each. */
function program(rounds: number): Uint8Array {
  const code = [
    0xd2800009 | (rounds << 5), // mov x9, #rounds
    0xf94003e1, // ldr x1, [sp]
    0x3dc003e0, // ldr q0, [sp]
    0x4e20d400, // fadd v0.4s, v0.4s, v0.4s
    0x6e20dc01, // fmul v1.4s, v0.4s, v0.4s
    0x8b010042, // add x2, x2, x1
    0xf1000529, // subs x9, x9, #1
    0x54ffff41, // b.ne to the first load
    0xd2800000, // mov x0, #0
    0xd2800ba8, // mov x8, #93 (exit)
    0xd4000001, // svc #0
  ];
  const base = 0x400000;
  const headers = 64 + 56;
  const file = new Uint8Array(headers + 4 * code.length);
  const view = new DataView(file.buffer);
  // ELF-64, little-endian, an executable for AArch64 with one loadable, executable segment: the whole file.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 183, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(base + headers), true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setUint32(68, 5, true);
  view.setBigUint64(80, BigInt(base), true);
  view.setBigUint64(88, BigInt(base), true);
  view.setBigUint64(96, BigInt(file.length), true);
  view.setBigUint64(104, BigInt(file.length), true);
  view.setBigUint64(112, 0x1000n, true);
  code.forEach((word, at) => view.setUint32(headers + 4 * at, word, true));
  return file;
}

const has = (command: string): boolean => spawnSync(command, ['--version']).status === 0;

const able = has('qemu-aarch64') && has('cc');

describe.skipIf(!able)('the counting plugin (skipped without qemu-user or a C compiler)', () => {
  let folder: string;
  let plugin: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'neonsense-count-'));
    plugin = join(folder, 'plugin.so');
    const source = fileURLToPath(new URL('../../../scripts/measure/arm64-count/plugin.c', import.meta.url));
    const compiled = spawnSync('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-o', plugin, source]);
    expect(String(compiled.stderr)).toBe('');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function count(rounds: number, module: string, blocks?: string): Record<string, number> {
    const file = join(folder, `loop-${rounds}`);
    writeFileSync(file, program(rounds));
    chmodSync(file, 0o755);
    const out = join(folder, `${module}-${rounds}.jsonl`);
    const env = {
      ...process.env,
      QEMU_PLUGIN: `file=${plugin},module=${module},out=${out}${blocks === undefined ? '' : `,blocks=${blocks}`}`,
    };
    const run = spawnSync('qemu-aarch64', [file], { env });
    expect({ status: run.status, stderr: String(run.stderr) }).toEqual({ status: 0, stderr: '' });
    return JSON.parse(readFileSync(out, 'utf8')) as Record<string, number>;
  }

  it('counts every instruction of the module by its kind', () => {
    for (const rounds of [1, 1000]) {
      const expected = { simd: 2 * rounds, loadStore: 2 * rounds, other: 3 * rounds + 4, elsewhere: 0 };
      expect(count(rounds, 'loop-')).toEqual(expected);
    }
  });

  it('keeps what runs outside the module apart', () => {
    expect(count(10, 'another')).toEqual({ simd: 0, loadStore: 0, other: 0, elsewhere: 74 });
  });

  it("lists the module's blocks: where in its file, how often entered, and their instructions", () => {
    const list = join(folder, 'blocks');
    count(500, 'loop-', list);
    const loop = 'f94003e1 3dc003e0 4e20d400 6e20dc01 8b010042 f1000529 54ffff41';
    // The code begins at 0x78; the first round is entered through the instruction before the loop.
    const expected = [`78 1 d2803e89 ${loop}`, `7c 499 ${loop}`, '98 1 d2800000 d2800ba8 d4000001'];
    expect(readFileSync(list, 'utf8').trimEnd().split('\n').sort()).toEqual(expected);
  });

  it('refuses to start without its arguments', () => {
    const env = { ...process.env, QEMU_PLUGIN: `file=${plugin}` };
    const run = spawnSync('qemu-aarch64', [join(folder, 'loop-1')], { env });
    expect(run.status).not.toBe(0);
    expect(String(run.stderr)).toContain('module=NAME');
  });
});
