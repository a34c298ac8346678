import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { projectRoot } from './run.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-doctor-cli-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function doctor(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [join(projectRoot, 'dist/cli/main.js'), 'doctor', ...args], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, ...environment },
  });
}

describe('neonsense doctor', () => {
  it('ends with 0 and one JSON object on a healthy machine', () => {
    const { status, stdout, stderr } = doctor(['--json']);
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ healthy: true, problems: [], binary: { loaded: true } });
  });

  it('ends with 1 and says why when the binary named is none', () => {
    const file = join(folder, 'addon.node');
    copyFileSync(join(projectRoot, 'package.json'), file);
    const { status, stdout } = doctor([], { NEONSENSE_BINARY: file });
    expect(status).toBe(1);
    expect(stdout).toContain(file);
    expect(stdout).toMatch(/it is no binary/);
    expect(stdout).toMatch(/sharp {7}\d/);
  });

  it('outlives a binary that ends the process, and says so', (context) => {
    writeFileSync(
      join(folder, 'crash.c'),
      '#include <signal.h>\n__attribute__((constructor)) static void crash(void) { raise(SIGILL); }\n',
    );
    const file = join(folder, 'crash.node');
    const compiled = spawnSync('cc', ['-shared', '-fPIC', '-o', file, join(folder, 'crash.c')]);
    if (compiled.status !== 0) context.skip();
    const { status, stdout } = doctor([], { NEONSENSE_BINARY: file });
    expect(status).toBe(1);
    expect(stdout).toMatch(/ends the process with SIGILL/);
  });
});
