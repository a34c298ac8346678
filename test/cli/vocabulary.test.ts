import { type Command, Command as Program } from 'commander';
import { describe, expect, it } from 'vitest';
import { asFlags } from '../../lib/cli/flags.js';
import { currentSpelling } from '../../lib/cli/oldSpellings.js';
import { coloursOf, columnsOf } from '../../lib/cli/terminal.js';

async function commands(): Promise<Command[]> {
  const program = new Program('neonsense');
  const modules = await Promise.all([
    import('../../lib/cli/classify.js'),
    import('../../lib/cli/inspect.js'),
    import('../../lib/cli/convert.js'),
    import('../../lib/cli/compress.js'),
    import('../../lib/cli/compare.js'),
    import('../../lib/cli/evaluate.js'),
    import('../../lib/cli/bench.js'),
    import('../../lib/cli/ab.js'),
    import('../../lib/cli/watch.js'),
    import('../../lib/cli/serve.js'),
    import('../../lib/cli/embed.js'),
    import('../../lib/cli/learn.js'),
    import('../../lib/cli/export.js'),
    import('../../lib/cli/doctor.js'),
  ]);
  for (const { register } of modules) register(program);
  return program.commands.flatMap((command) => (command.commands.length > 0 ? command.commands : [command]));
}

describe('one vocabulary', () => {
  it('gives an option the same short name and kind of value in every command', async () => {
    const kinds = new Map<string, Set<string>>();
    for (const command of await commands()) {
      for (const { long, short, flags } of command.options) {
        const known = kinds.get(long!) ?? new Set();
        // A list of numbers and a number are given alike.
        kinds.set(long!, known.add(`${short ?? ''} ${flags.replace(/.*--[\w-]+ ?/, '').replace('<list>', '<n>')}`));
      }
    }
    // The model's class names beside the files of raw labels; a pixel's share beside a port.
    const differing = [...kinds].filter(([, found]) => found.size > 1).map(([name]) => name);
    expect(differing.sort()).toEqual(['--lab', '--precision', '--threads'].filter((name) => differing.includes(name)));
  });

  it('has --json in every command that prints results', async () => {
    const without = (await commands()).filter(({ options }) => !options.some(({ long }) => long === '--json'));
    expect(without.map((command) => command.name())).toEqual(['serve']);
  });

  it('still understands what options were called before', () => {
    expect(currentSpelling(['compare', 'a', 'b', '--images', '4'])).toEqual(['compare', 'a', 'b', '--limit', '4']);
    expect(currentSpelling(['watch', '-', '--format=rgb24'])).toEqual(['watch', '-', '--pixel-format=rgb24']);
    expect(currentSpelling(['watch', '--', '--format'])).toEqual(['watch', '--', '--format']);
    expect(currentSpelling(['bench', '--format', 'md'])).toEqual(['bench', '--format', 'md']);
  });
});

describe("a library's message", () => {
  const command = new Program('classify')
    .option('-m, --model <model>')
    .option('-k, --top-k <n>')
    .option('--classes <f>');

  it.each([
    ['Expected a model for `options.variant`', 'Expected a model for `--model`'],
    ['a number for `topK`', 'a number for `--top-k`'],
    ['names for `options.labels`', 'names for `--classes`'],
    ['`stages[0].stage` and `probability`', '`stages[0].stage` and `probability`'],
    ['`options.somethingElse`', '`--something-else`'],
  ])('%s is told as %s', (message, told) => {
    expect(asFlags(message, command)).toBe(told);
  });
});

describe('a terminal', () => {
  const hasColors = (): boolean => true;

  it('gets colours and its own width; a pipe and NO_COLOR get none, and a pipe lines of any length', () => {
    expect(coloursOf({ isTTY: true, columns: 40, hasColors }).red('x')).toBe('\u001b[31mx\u001b[39m');
    expect(coloursOf({ isTTY: false, columns: 0, hasColors }).red('x')).toBe('x');
    expect(coloursOf({ isTTY: true, columns: 40, hasColors: () => false }).red('x')).toBe('x');
    expect([columnsOf({ isTTY: true, columns: 40 }), columnsOf({ isTTY: true, columns: 0 })]).toEqual([40, 80]);
    expect(columnsOf({ isTTY: false, columns: 40 })).toBe(Number.POSITIVE_INFINITY);
  });
});
