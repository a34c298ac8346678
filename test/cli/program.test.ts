import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { neonsense, projectRoot } from './run.js';

describe('a wrong command line exits with 2, says why on standard error, and prints nothing else', () => {
  it.each([
    [[], /Usage: neonsense/],
    [['--bogus'], /unknown option '--bogus'/],
    [['clasify', 'a.png'], /unknown command 'clasify'\n\(Did you mean classify\?\)/],
    [['classify'], /missing required argument 'image'/],
    [
      ['classify', '--tpo-k', '3', 'a.png'],
      /^neonsense: unknown option '--tpo-k'\n\(Did you mean --top-k\?\)\nSee neonsense classify --help\n$/,
    ],
    [['classify', '--threads', '0', 'a.png'], /--threads.*at least 1 but received "0"/],
    [['classify', '--threads', '1.5', 'a.png'], /--threads.*received "1\.5"/],
    [['classify', '--threads', 'two', 'a.png'], /--threads.*received "two"/],
    [
      ['classify', '--threads', '9999', 'a.png'],
      /^neonsense: .*`--threads` but received 9999.*\nSee neonsense classify --help\n$/,
    ],
    [['classify', '--top-k', '-1', 'a.png'], /--top-k.*received "-1"/],
    [['classify', '--json', '--csv', 'a.png'], /one format for `--format` but received "json and csv"/],
    [['ab', 'report'], /missing required argument 'log'\nSee neonsense ab report --help/],
    [['inspect'], /missing required argument 'model'/],
    [['inspect', 'a', 'b'], /too many arguments/],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await neonsense(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });
});

describe('what was asked for exits with 0', () => {
  it('--version', async () => {
    const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { version: string };
    expect(await neonsense(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it.each([
    [['--help'], /classify \[options\] <image\.\.\.>/],
    [['classify', '--help'], /--top-k <n>[^]*Examples:\n {2}neonsense classify photo\.jpg/],
    [['help', 'inspect'], /neonsense inspect my-model\.safetensors/],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await neonsense(args);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(message);
  });
});

describe('what the machine does not give is named in one line, with exit code 1', () => {
  const main = join(projectRoot, 'dist/cli/main.js');
  const run = (command: string): { status: number | null; stderr: string } =>
    spawnSync('sh', ['-c', command], { cwd: projectRoot, encoding: 'utf8' });

  it.runIf(existsSync('/dev/full'))('a full disk', () => {
    for (const args of ['classify --json examples/clock.png', 'inspect models/household-fp32.safetensors']) {
      const { status, stderr } = run(`${process.execPath} ${main} ${args} > /dev/full`);
      expect([status, stderr]).toEqual([1, expect.stringMatching(/^neonsense: the output .* the disk is full.*\n$/)]);
    }
  });

  it("files that Node's permission model keeps closed", () => {
    const [major] = process.versions.node.split('.').map(Number);
    const flag = major! < 22 ? '--experimental-permission' : '--permission';
    const { status, stderr } = run(
      `${process.execPath} --no-warnings ${flag} '--allow-fs-read=${join(projectRoot, 'dist')}/*' ${main} classify a.png`,
    );
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^neonsense: .*--allow-fs-read.*\n$/)]);
  });
});
