// The scripts of `neonsense completion`, in the shells they are for.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { neonsense, projectRoot } from './run.js';

const isThere = (shell: string): boolean => spawnSync(shell, ['-c', ':']).status === 0;

let folder: string;
const scriptFor = (shell: string): string => join(folder, shell);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-completion-'));
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout, stderr } = await neonsense(['completion', shell]);
    expect([code, stderr]).toEqual([0, '']);
    writeFileSync(scriptFor(shell), stdout);
  }
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

function run(shell: string, args: readonly string[]): string[] {
  const { status, stdout, stderr } = spawnSync(shell, args, { cwd: projectRoot, encoding: 'utf8', timeout: 50_000 });
  expect([status, stderr]).toEqual([0, '']);
  return stdout.split('\n').slice(0, -1);
}

/** What bash offers for the last of `words`. */
function inBash(...words: string[]): string[] {
  const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _neonsense; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return run('bash', ['--norc', '-c', program, 'bash', scriptFor('bash'), ...words]);
}

/** What fish offers at the end of a line, without descriptions. */
function inFish(line: string): string[] {
  return run('fish', ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', scriptFor('fish'), line]).map(
    (offered) => offered.split('\t')[0]!,
  );
}

/** A line of an interactive zsh after the Tab key, which is waited for; a key that does nothing runs into the time limit. */
function isCompletedByZsh(line: string, completed: string): boolean {
  const program = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "autoload -U compinit; compinit -u -D; source $1; print rea''dy"
zpty -r -m shell seen '*ready*'
zpty -w -n shell "$2"$'\\t'
zpty -r -m shell seen "*$3*"
zpty -d shell`;
  const args = ['-f', '-c', program, 'zsh', scriptFor('zsh'), line, completed];
  return spawnSync('zsh', args, { cwd: projectRoot, timeout: 30_000 }).status === 0;
}

describe.runIf(isThere('bash'))('bash completes (skipped without bash)', () => {
  it.each([
    [['neonsense', 'classi'], ['classify']],
    [['neonsense', 'help', 'doc'], ['doctor']],
    [['neonsense', 'ab', ''], ['report']],
    [['neonsense', 'ab', 'report', '--j'], ['--json']],
    [['neonsense', 'classify', '--dec'], ['--decode']],
    [
      ['neonsense', 'classify', '--decode', ''],
      ['fast', 'exact'],
    ],
    [['neonsense', 'classify', '--decode', '=', 'e'], ['exact']],
    [['neonsense', 'compress', '--quantize', 'i'], ['int8']],
    [['neonsense', 'classify', '-m', 'household-fp1'], ['household-fp16']],
    [['neonsense', 'inspect', 'features-imagenet-'], ['features-imagenet-int8-dynamic']],
    [['neonsense', 'classify', 'READ'], ['README.md']],
    [['neonsense', 'completion', 'b'], ['bash']],
  ])('%j', (words, offered) => {
    expect(inBash(...words)).toEqual(offered);
  });

  it('no option that is an old spelling', () => {
    expect(inBash('neonsense', 'compare', '--im')).toEqual(['']);
  });
});

describe.runIf(isThere('fish'))('fish completes (skipped without fish)', () => {
  it.each([
    ['neonsense classi', ['classify']],
    ['neonsense ab ', ['report']],
    ['neonsense classify --decode ', ['exact', 'fast']],
    ['neonsense classify --dec', ['--decode']],
    ['neonsense classify -m household-fp1', ['household-fp16']],
    ['neonsense classify READ', ['README.md']],
    ['neonsense completion b', ['bash']],
  ])('%s', (line, offered) => {
    expect(inFish(line)).toEqual(offered);
  });
});

describe.runIf(isThere('zsh'))('zsh completes (skipped without zsh)', () => {
  it.each([
    ['neonsense classi', 'neonsense classify'],
    ['neonsense ab rep', 'neonsense ab report'],
    ['neonsense classify --deco', 'neonsense classify --decode'],
    ['neonsense classify --decode=e', 'neonsense classify --decode=exact'],
    ['neonsense inspect household-fp1', 'neonsense inspect household-fp16'],
  ])('%s', (line, completed) => {
    expect(isCompletedByZsh(line, completed)).toBe(true);
  });
});

it('another shell is refused with the ones there are', async () => {
  const { code, stdout, stderr } = await neonsense(['completion', 'tcsh']);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^neonsense: .*'tcsh' is invalid.*bash, zsh, fish/);
});
