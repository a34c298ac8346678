import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { csvHead, csvRow, jsonLine, resultLine, resultText, Tally } from '../../lib/cli/classifyOutput.js';
import { finish, neonsense, projectRoot, start } from './run.js';

const example = (name: string): string => join(projectRoot, 'examples', `${name}.png`);

interface Line {
  file: string;
  predictions: { label: string; probability: number }[];
  rejected: boolean;
  ms: { decode: number; preprocess: number; inference: number };
}

function parse(stdout: string): Line[] {
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'neonsense-cli-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A new folder with these files below it: text, or a copy of an example. */
function tree(name: string, files: Record<string, string | { example: string }>): string {
  const root = join(folder, name);
  mkdirSync(root);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    if (typeof content === 'string') writeFileSync(join(root, path), content);
    else copyFileSync(example(content.example), join(root, path));
  }
  return root;
}

describe('the household model', () => {
  it('labels every example as what it shows', async () => {
    const names = 'bed chair clock couch keyboard lamp table telephone television wardrobe'.split(' ');
    const { code, stdout, stderr } = await neonsense(['classify', '--json', ...names.map(example)]);
    expect([code, stderr]).toEqual([0, '']);
    const found = parse(stdout).map(({ file, predictions }) => [file, predictions[0]!.label]);
    expect(found).toEqual(names.map((name) => [example(name), name]));
  });

  it('is sure that clock.png is a clock, and says how long it took', async () => {
    const { code, stdout } = await neonsense(['classify', 'examples/clock.png']);
    expect(code).toBe(0);
    const [file, first, ...rest] = stdout.trimEnd().split('\n');
    expect(file).toBe('examples/clock.png');
    expect(first).toMatch(/^ {2}clock +\d+\.\d %$/);
    expect(Number(/([\d.]+) %/.exec(first!)![1])).toBeGreaterThan(60);
    expect(rest).toHaveLength(5);
    expect(rest.at(-1)).toMatch(/^ {2}household-[\w-]+: decode [\d.]+ ms, preprocess [\d.]+ ms, inference [\d.]+ ms$/);
  });
});

describe('output', () => {
  it('--json gives one object a line, with probabilities that sum to 1 over all classes', async () => {
    const { stdout } = await neonsense(['classify', '--json', '--top-k', '10', example('clock'), example('lamp')]);
    const lines = parse(stdout);
    expect(lines.map(({ file }) => file)).toEqual([example('clock'), example('lamp')]);
    for (const line of lines) {
      expect(Object.keys(line)).toEqual(['file', 'model', 'predictions', 'rejected', 'noneProbability', 'ms']);
      expect(Object.keys(line.ms)).toEqual(['decode', 'preprocess', 'inference']);
      Object.values(line.ms).forEach((ms) => expect(ms).toBeGreaterThan(0));
      const probabilities = line.predictions.map(({ probability }) => probability);
      expect(probabilities).toEqual([...probabilities].sort((a, b) => b - a));
      expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
    }
  });

  it('--top-k limits the predictions; --threads changes none of them', async () => {
    const args = ['classify', '--json', '--top-k', '2', example('bed')];
    const runs = await Promise.all(['1', '2'].map((threads) => neonsense([...args, '--threads', threads])));
    const [one, two] = runs.map(({ stdout }) => parse(stdout)[0]!.predictions);
    expect(one).toHaveLength(2);
    one!.forEach(({ label, probability }, i) => {
      expect(label).toBe(two![i]!.label);
      expect(probability).toBeCloseTo(two![i]!.probability, 5);
    });
  });

  it("for a terminal has bars and no control characters of a file's name", () => {
    const ms = { decode: 1.25, preprocess: 0.5, inference: 2 };
    const predictions = [
      { label: 'clock', index: 0, probability: 0.75 },
      { label: 'keyboard', index: 1, probability: 0.25 },
    ];
    const screen = { isTTY: true, columns: 80 };
    expect(
      resultText('a\u001b[2Jb.png', 'household-fp16', { predictions, rejected: false, ms }, screen).split('\n'),
    ).toEqual([
      'a?[2Jb.png',
      '  clock     75.0 %  ██████████████████',
      '  keyboard  25.0 %  ██████',
      '  household-fp16: decode 1.3 ms, preprocess 0.5 ms, inference 2.0 ms',
    ]);
  });

  const ms = { decode: 0, preprocess: 0, inference: 2 };
  const answer = (label: string, rejected = false) => ({
    predictions: [
      { label, index: 0, probability: 0.75 },
      { label: 'bed', index: 1, probability: 0.2 },
    ],
    rejected,
    ms,
  });

  it('lists many pictures a line each, labels in one column in any script', () => {
    const labels = ['lamp', '椅子'];
    expect(resultLine('a.png', labels, answer('lamp'))).toBe(' 75.0 %  lamp           a.png  bed 20.0 %');
    expect(resultLine('b.png', labels, answer('椅子'))).toBe(' 75.0 %  椅子           b.png  bed 20.0 %');
    expect(resultLine('c.png', labels, answer('lamp', true))).toBe(' 75.0 %  none of these  c.png  bed 20.0 %');
  });

  it('counts classes, the rejected and the unreadable, and leaves the first picture out of the speed', () => {
    const tally = new Tally();
    tally.add(answer('bed'), 9000);
    tally.add(answer('lamp'), 9500);
    tally.add(answer('lamp'), 10_000);
    tally.add(answer('lamp', true), 10_500);
    expect(tally.text('mine.safetensors', 2)).toEqual([
      '4 pictures labelled by mine.safetensors, 2.0 a second',
      '  lamp               2',
      '  bed                1',
      '  none of these      1',
      '  could not be read  2',
    ]);
  });

  it('gives no speed of what took under a second', () => {
    const tally = new Tally();
    for (const now of [9000, 9001, 9002]) tally.add(answer('bed'), now);
    expect(tally.text('mine.safetensors', 0)[0]).toBe('3 pictures labelled by mine.safetensors');
  });

  it('as CSV has a row a picture and quotes what would break it', () => {
    expect([csvHead(2), csvRow('a,"b".png', 'm', answer('lamp'))]).toEqual([
      'file,model,rejected,label,probability,label2,probability2',
      '"a,""b"".png",m,false,lamp,0.750000,bed,0.200000',
    ]);
  });

  it('of several pictures is a list with a summary on standard error; --csv and --limit are kept', async () => {
    const list = await neonsense(['classify', example('clock'), example('lamp')]);
    expect(list.stdout).toMatch(/^ *[\d.]+ % {2}clock +\S+clock\.png\n *[\d.]+ % {2}lamp +\S+lamp\.png\n$/);
    expect(list.stderr).toMatch(/^neonsense: 2 pictures labelled by household-[\w-]+.*\n {2}clock +1\n {2}lamp +1\n$/);
    const csv = await neonsense(['classify', '--csv', '--limit', '1', example('clock'), example('lamp')]);
    expect([csv.code, csv.stderr]).toEqual([0, '']);
    expect(csv.stdout).toMatch(/^file,model,rejected,label,probability\n.*clock\.png,.*,false,clock,[\d.]+\n$/);
  });

  it('says where the model is too unsure to answer, to people and to programs', () => {
    const unsure = { predictions: [{ label: 'clock', index: 0, probability: 0.2 }], rejected: true, ms };
    expect(resultText('cat.png', 'mine.safetensors', unsure)).toMatch(/^cat\.png: none of these.*\n {2}clock +20\.0 %/);
    expect(JSON.parse(jsonLine('cat.png', 'mine.safetensors', unsure))).toMatchObject({
      model: 'mine.safetensors',
      rejected: true,
      predictions: unsure.predictions,
    });
  });
});

describe('inputs', () => {
  it('- reads one picture from standard input', async () => {
    const { code, stdout } = await neonsense(['classify', '--json', '-'], readFileSync(example('chair')));
    expect(code).toBe(0);
    const [line] = parse(stdout);
    expect([line!.file, line!.predictions[0]!.label]).toEqual(['-', 'chair']);
    expect(line!.ms.decode).toBeGreaterThan(0);
  });

  it.each([
    ['nothing', '', /standard input is empty/],
    ['text', 'hello, this is no picture. '.repeat(9), /standard input is not a JPEG.*"hello, this /],
    ['half a picture', readFileSync(example('chair')).subarray(0, 2000), /standard input can't be decoded/],
  ])('- refuses %s', async (_, bytes, message) => {
    const { code, stdout, stderr } = await neonsense(['classify', '-'], bytes);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
  });

  it('directories are searched recursively, in order, for picture extensions only', async () => {
    const root = tree('nested', {
      'b.png': { example: 'clock' },
      'a/z.PNG': { example: 'lamp' },
      'a/deep/er/x.png': { example: 'table' },
      'a/notes.txt': 'no picture',
      '.hidden.png': 'not looked at',
    });
    const { code, stdout, stderr } = await neonsense(['classify', '--json', root]);
    expect([code, stderr]).toEqual([0, '']);
    expect(parse(stdout).map(({ file, predictions }) => [file, predictions[0]!.label])).toEqual([
      [join(root, 'a', 'deep', 'er', 'x.png'), 'table'],
      [join(root, 'a', 'z.PNG'), 'lamp'],
      [join(root, 'b.png'), 'clock'],
    ]);
  });

  it("what can't be read is named with the reason, the rest go on, and the exit code is 1", async () => {
    const root = tree('mixed', {
      '1-good.png': { example: 'clock' },
      '2-empty.png': '',
      '3-text.jpg': 'this is a text file',
      '4-cut.png': '',
      '5-good.png': { example: 'couch' },
    });
    const whole = readFileSync(example('bed'));
    writeFileSync(join(root, '4-cut.png'), whole.subarray(0, whole.length >> 1));
    const { code, stdout, stderr } = await neonsense(['classify', '--json', 'missing.png', root, example('lamp')]);
    expect(code).toBe(1);
    expect(parse(stdout).map(({ predictions }) => predictions[0]!.label)).toEqual(['clock', 'couch', 'lamp']);
    const reports = stderr.trimEnd().split('\n');
    expect(reports).toHaveLength(4);
    expect(reports[0]).toMatch(/missing\.png does not exist/);
    expect(reports[1]).toMatch(/2-empty\.png is empty/);
    expect(reports[2]).toMatch(/3-text\.jpg is not a JPEG.*"this is a te"/);
    expect(reports[3]).toMatch(/4-cut\.png can't be decoded: the file is damaged or cut short/);
  });

  it('a directory without pictures is an error', async () => {
    const root = tree('textonly', { 'readme.txt': 'x' });
    const { code, stdout, stderr } = await neonsense(['classify', root]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/textonly holds no pictures \(\.jpg, /);
  });

  it('a missing model is an error before any picture is looked at', async () => {
    const { code, stdout, stderr } = await neonsense(['classify', '--model', 'missing.safetensors', example('bed')]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/missing\.safetensors/);
  });
});

describe('the end', () => {
  const pictures = Array.from({ length: 300 }, (_, i) => [`${i}.png`, { example: 'bed' }] as const);
  const many = (): string => tree(`many-${Math.random()}`, Object.fromEntries(pictures));

  it('Ctrl-C finishes the picture in hand and exits with 130', async () => {
    const child = start(['classify', '--json', many()]);
    child.stdout.once('data', () => child.kill('SIGINT'));
    const { code, stdout, stderr } = await finish(child);
    expect([code, stderr]).toEqual([130, '']);
    expect(stdout.endsWith('\n')).toBe(true);
    expect(parse(stdout).length).toBeLessThan(300);
  });

  it('Ctrl-C stops waiting for standard input', async () => {
    const child = start(['classify', '--json', example('bed'), '-']);
    child.stdout.once('data', () => child.kill('SIGINT'));
    const { code, stdout, stderr } = await finish(child);
    expect([code, stderr, parse(stdout).length]).toEqual([130, '', 1]);
  });

  it('a reader that goes away ends it quietly', async () => {
    const child = start(['classify', '--json', many()]);
    child.stdout.once('data', () => child.stdout.destroy());
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const code = await new Promise((resolve) => child.on('exit', resolve));
    expect([code, stderr]).toEqual([0, '']);
  });
});
