import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
// @ts-expect-error a script without types
import { targets } from '../../scripts/build/cross/targets.mjs';

const folder = resolve(import.meta.dirname, '../../.github/workflows');
const workflows = readdirSync(folder).map((name): [string, string] => [name, readFileSync(join(folder, name), 'utf8')]);
const named = (name: string) => readFileSync(join(folder, name), 'utf8');

/** The text of one job. */
function job(workflow: string, name: string): string {
  const found = new RegExp(`^  ${name}:\\n((?:(?: {4}.*)?\\n)+)`, 'm').exec(`${workflow}\n`);
  if (found?.[1] === undefined) throw new Error(`no job ${name}`);
  return found[1];
}

/** What jobs may write, by workflow. */
const ASKED: Readonly<Record<string, readonly string[]>> = {
  'codeql.yml': ['security-events'],
  'release.yml': ['id-token', 'contents'],
};

describe.each(workflows)('%s', (name, workflow) => {
  test('takes every action at a commit and says which version that is', () => {
    for (const [, used] of workflow.matchAll(/uses: (.+)/g))
      expect(used).toMatch(/^(?:\.\/\.github\/workflows\/[\w-]+\.yml|[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$/);
  });

  test('may read the repository and nothing else, but for what a job asks', () => {
    expect(workflow).toMatch(/^permissions:\n {2}contents: read\n\n/m);
    const asked = [...workflow.matchAll(/^ +([\w-]+): (?:write|admin)\b/gm)].map((match) => match[1]);
    expect(asked).toEqual(ASKED[name] ?? []);
    expect(workflow).not.toMatch(/pull_request_target|write-all/);
  });

  test('gives a job a time limit', () => {
    const runners = [...workflow.matchAll(/runs-on:/g)].length;
    expect([...workflow.matchAll(/timeout-minutes:/g)]).toHaveLength(runners);
  });

  test('lets no expression into a shell, where its text would be code', () => {
    for (const [, script] of workflow.matchAll(/^ +(?:- )?run: (.+(?:\n {10,}.*)*)/gm))
      expect(script).not.toContain('${{');
  });
});

test('one action has one commit everywhere', () => {
  const commits = new Map<string, Set<string>>();
  for (const [, workflow] of workflows) {
    for (const [, action = '', commit = ''] of workflow.matchAll(/uses: ([\w/-]+)@(\S+)/g))
      commits.set(action, (commits.get(action) ?? new Set()).add(commit));
  }
  for (const [action, each] of commits) expect([...each], action).toHaveLength(1);
});

test('every target is built, and run where the table of targets says so', () => {
  const rows = [...named('prebuild.yml').matchAll(/\{ target: ([\w-]+), runner: ([\w.-]+), run: '(.*)' \}/g)];
  const expected = Object.entries(targets as Record<string, { isRun: boolean; arch: string; platform: string }>);
  expect(rows.map(([, name, , run]) => [name, run !== ''])).toEqual(expected.map(([name, { isRun }]) => [name, isRun]));
  for (const [, name = '', runner = ''] of rows) {
    if (targets[name].isRun && targets[name].arch === 'arm64') expect(runner).toMatch(/-arm$|^macos-15$/);
  }
});

test('nothing is published that was not built, checked, run and tried as a dependency', () => {
  const release = named('release.yml');
  expect(job(release, 'package')).toMatch(/^ {4}needs: prebuild$/m);
  expect(job(release, 'publish')).toMatch(/^ {4}needs: package$/m);
  expect(job(release, 'smoke')).toMatch(/^ {4}needs: publish$/m);
  const steps = job(release, 'package');
  const order = [
    'scripts/build/prebuild/release.mjs',
    'name-repository.mjs',
    'npm pack',
    'smoke.mjs --all --tarball',
    'upload-artifact',
  ];
  const places = order.map((text) => steps.indexOf(text));
  expect(places.every((place) => place >= 0)).toBe(true);
  expect([...places].sort((a, b) => a - b)).toEqual(places);
  expect(steps).not.toMatch(/continue-on-error|if:/);
  expect(job(release, 'publish')).toContain('id-token: write');
  expect(job(release, 'publish')).toMatch(/npm@11\.\d+\.\d+ publish "\.\/\$TARBALL" --provenance/);
  expect([...release.matchAll(/npm\S* publish/g)]).toHaveLength(1);
});

test('what is published is compiled anew, by no one who holds a token', () => {
  const restored = [...named('prebuild.yml').matchAll(/uses: actions\/cache@.*\n {8}if: (.*)\n/g)].map(
    ([, when]) => when,
  );
  expect(restored).toEqual(["github.ref_type != 'tag'"]);
  expect(named('prebuild.yml').match(/actions\/cache@/g)).toHaveLength(1);
  expect(named('release.yml')).not.toMatch(/actions\/cache|secrets\./);
});
