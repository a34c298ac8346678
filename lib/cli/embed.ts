import type { Command } from 'commander';
import { Embedder } from '../classify/embedder.js';
import { NeonsenseError } from '../errors.js';
import { writeFileAtomically } from '../files/writeFile.js';
import { loadSharp } from '../image/loadSharp.js';
import { chooseShipped } from '../shipped/pickModel.js';
import { DUPLICATE, type Embedded, findDuplicates } from '../similar/similar.js';
import { csvLine } from '../text/csv.js';
import { expandPictures } from './expandPictures.js';
import { catchInterrupt } from './interrupt.js';
import { addModelOptions, type ModelOptions, openModel } from './modelOptions.js';
import { complain, noteWritten } from './notes.js';
import { progressLine } from './progress.js';
import { addFormats, type FormatOptions, formatOf, limitOption, modelOption, threadsOption } from './vocabulary.js';

interface Options extends ModelOptions, FormatOptions {
  readonly model: string;
  readonly page?: string | undefined;
  readonly duplicates?: boolean | undefined;
  readonly threshold: string;
  readonly limit?: number | undefined;
  readonly threads?: number | undefined;
}

/** What `embed --format` takes. Nobody reads vectors. */
const FORMATS = ['json', 'csv'] as const;
/** Longer side of the page's small pictures. */
const THUMBNAIL_SIDE = 160;

/** Adds `neonsense embed IMAGE|DIR...`. */
export function register(program: Command): void {
  const command = program
    .command('embed')
    .description('feature vectors of pictures, and which pictures look alike')
    .argument('<image...>', 'picture files, or directories (searched recursively)')
    .addOption(modelOption())
    .addOption(limitOption('pictures at most'))
    .addOption(threadsOption())
    .option('--duplicates', 'print groups of near duplicates instead of vectors, one a line as JSON')
    .option('--threshold <similarity>', 'from which two pictures count as the same one, 0 to 1', String(DUPLICATE))
    .option('--page <file>', 'also write an HTML page that shows duplicates and similar pictures');
  addModelOptions(addFormats(command, FORMATS, 'picture'), { classes: false })
    .addHelpText(
      'after',
      `
Examples:
  neonsense embed photos/ > vectors.jsonl
  neonsense embed --duplicates photos/
  neonsense embed photos/ --page similar.html > vectors.jsonl

A line is {"file", "model", "vector"}; vectors have length 1, so their scalar product says how alike two pictures are.`,
    )
    .action(run);
}

async function run(inputs: readonly string[], options: Options): Promise<void> {
  const format = formatOf(options, FORMATS);
  using interrupt = catchInterrupt();
  const { signal } = interrupt;
  const progress = progressLine('pictures');
  const report = (error: unknown): void => {
    if (!(error instanceof NeonsenseError) || error.code === 'ERR_ABORTED') throw error;
    process.exitCode = 1;
    progress.clear();
    complain(error.message);
  };
  const name = options.model === 'auto' ? (await chooseShipped()).variant.name : options.model;
  await using embedder = await Embedder.create(await openModel(name, options), {
    consume: true,
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  });
  const pictures: Embedded[] = [];
  try {
    const files = (await expandPictures(inputs, report)).slice(0, options.limit);
    for (const [done, file] of files.entries()) {
      progress.update(done, files.length);
      try {
        const vector = await embedder.embed(file, { signal });
        pictures.push({ file, vector });
        if (options.duplicates === true) continue;
        progress.clear();
        if (format === 'csv' && pictures.length === 1) print(csvLine(['file', 'model', ...vector.keys()]));
        print(
          format === 'csv'
            ? csvLine([file, name, ...vector])
            : JSON.stringify({ file, model: name, vector: Array.from(vector) }),
        );
      } catch (error) {
        report(error);
      }
    }
  } finally {
    progress.clear();
  }
  const groups = findDuplicates(pictures, Number(options.threshold));
  if (options.duplicates === true) {
    if (format === 'csv') print(csvLine(['group', 'file']));
    groups.forEach(({ files }, group) => {
      if (format === 'json') print(JSON.stringify({ model: name, files }));
      else for (const file of files) print(csvLine([group + 1, file]));
    });
  }
  if (options.page !== undefined) {
    const { similarPage } = await import('../similar/page.js');
    const shown = [];
    for (const picture of pictures) shown.push({ ...picture, thumbnail: await thumbnailOf(picture.file) });
    await writeFileAtomically(options.page, similarPage(shown, groups));
    await noteWritten(options.page, `${groups.length} groups of duplicates by ${name}`);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function thumbnailOf(file: string): Promise<string> {
  const sharp = await loadSharp();
  const small = await sharp(file).rotate().resize(THUMBNAIL_SIDE, THUMBNAIL_SIDE, { fit: 'inside' }).jpeg().toBuffer();
  return `data:image/jpeg;base64,${small.toString('base64')}`;
}
