import type { Command } from 'commander';
import { invalidArgument } from '../errors.js';
import { DEFAULT_BASE, type LearnReport, learn } from '../learn/learn.js';
import { readRemembered, rememberedFile, writeRemembered } from '../learn/rememberedFile.js';
import { writeModel } from '../model/files.js';
import { percent } from '../text/units.js';
import { catchInterrupt } from './interrupt.js';
import { addModelOptions, type ModelOptions, openModel } from './modelOptions.js';
import { noteWritten } from './notes.js';
import { progressOf } from './progress.js';
import { columnsOf } from './terminal.js';
import { printable, table } from './text.js';
import { addFormats, limitOption, outputOption, threadsOption } from './vocabulary.js';

interface Options extends ModelOptions {
  readonly output: string;
  readonly base?: string | undefined;
  readonly add?: string | undefined;
  readonly limit?: number | undefined;
  readonly threads?: number | undefined;
  readonly json?: boolean | undefined;
}

/** Wrong photos listed for people; `--json` has all. */
const LISTED = 10;

/** Adds `neonsense learn PHOTOS -o FILE`. */
export function register(program: Command): void {
  const command = program
    .command('learn')
    .description('teach a network your classes from a folder of photos: no GPU, no Python, no internet')
    .argument('<photos>', 'folder with a folder of photos per class; `other` holds things that are none of them')
    .addOption(outputOption('where the model goes, a .safetensors file'))
    .option(
      '--base <model>',
      'network whose features are used: a file, or one that comes with neonsense by its name (default: features-imagenet)',
    )
    .option('--add <file>', 'a learnt model: its classes are kept, those of the folder are added')
    .addOption(limitOption('photos taken of each class at most'))
    .addOption(threadsOption('photos worked on at a time (default: the cores, at most 4)'));
  addModelOptions(addFormats(command, ['text', 'json']), { classes: false })
    .addHelpText(
      'after',
      `
Examples:
  neonsense learn photos/ -o mine.safetensors
  neonsense learn more/ --add mine.safetensors -o mine-2.safetensors
  neonsense classify --model mine.safetensors new.jpg

photos/ holds photos/cat/*.jpg, photos/dog/*.jpg, and so on. Twenty photos a class are a start; every figure printed is
of photos that were left out while learning.`,
    )
    .action(run);
}

async function run(photos: string, options: Options): Promise<void> {
  if (!options.output.endsWith('.safetensors')) {
    throw invalidArgument('--output', 'the name of a .safetensors file', options.output);
  }
  using interrupt = catchInterrupt();
  const progress = progressOf();
  try {
    const { model, report, remembered } = await learn(photos, {
      base: options.base === undefined ? undefined : await openModel(options.base, options),
      add: options.add === undefined ? undefined : await readRemembered(rememberedFile(options.add)),
      limit: options.limit,
      threads: options.threads,
      signal: interrupt.signal,
      onProgress: (what, done, total) => {
        progress.update(what, done, total);
        if (done === total) progress.clear();
      },
    });
    await writeModel(model, options.output);
    await writeRemembered(rememberedFile(options.output), remembered);
    const named = { base: options.base ?? DEFAULT_BASE, model: options.output };
    process.stdout.write(
      `${options.json === true ? JSON.stringify({ ...named, ...report }) : reportText(report, columnsOf(process.stdout))}\n`,
    );
  } finally {
    progress.clear();
  }
  await noteWritten(options.output, `learnt on ${options.base ?? DEFAULT_BASE}`);
  await noteWritten(rememberedFile(options.output), 'lets classes be added later');
}

/** Pairs of classes listed for people; `--json` has the whole confusion matrix. */
const CONFUSED = 5;

function mostConfused(labels: readonly string[], confusion: LearnReport['confusion']): string[] {
  return confusion
    .flatMap((row, label) => row.map((count, answer) => ({ label, answer, count })))
    .filter(({ label, answer, count }) => label !== answer && count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, CONFUSED)
    .map(({ label, answer, count }) => `${labels[label]} for ${labels[answer]} ${count}`);
}

/** The report for people. */
export function reportText(report: LearnReport, columns = Number.POSITIVE_INFINITY): string {
  const { labels, photos, confusion, accuracy, interval, nearestMean, rejection, wrong, unreadable } = report;
  const rows = labels.map((label, index) => {
    const right = confusion[index]![index]!;
    return [`  ${printable(label)}`, `${photos[index]}`, accuracy === null ? '-' : percent(right / photos[index]!)];
  });
  const text = [...table([['class', 'photos', 'named right'], ...rows], [1, 2], columns)];
  if (accuracy === null || interval === null) {
    text.push('', 'With a single photo in a class nothing could be left out, so nobody knows how good this is.');
  } else {
    const [low, high] = interval.map(percent);
    text.push('', `named right: ${percent(accuracy)} (95 % interval ${low} to ${high}), by cross-validation`);
    text.push(`nearest class mean: ${percent(nearestMean)}; used here: ${report.method.name}`);
  }
  const confused = mostConfused(labels, confusion);
  if (confused.length > 0) text.push(`most often taken for another: ${printable(confused.join(', '))}`);
  if (rejection !== null) {
    const others = rejection.rejected === null ? '' : `${percent(rejection.rejected)} of other things are rejected, `;
    text.push(`${others}${percent(rejection.lost)} of the classes' photos are lost by rejecting`);
  }
  if (wrong.length > 0) text.push('', `taken for another class (${wrong.length}):`);
  for (const { file, label, takenFor } of wrong.slice(0, LISTED)) {
    text.push(`  ${printable(file)}: ${printable(takenFor)} instead of ${printable(label)}`);
  }
  if (wrong.length > LISTED) text.push(`  and ${wrong.length - LISTED} more; --json lists all`);
  for (const { file, reason } of unreadable.slice(0, LISTED))
    text.push(`skipped ${printable(file)}: ${printable(reason)}`);
  return text.join('\n');
}
