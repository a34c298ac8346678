import { mkdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CompressStage } from '../compress/pipeline.js';
import { isPointwise } from '../compress/quantize/quantizeDynamic.js';
import type { TrainedRanges } from '../compress/quantize/trainedRanges.js';
import { parseGoals } from '../compress/report/goals.js';
import {
  type CompressReport,
  GOAL_COLUMNS,
  goalRow,
  reportJson,
  reportMarkdown,
  STAGE_COLUMNS,
  stageRow,
} from '../compress/report/report.js';
import { reportHtml } from '../compress/report/reportHtml.js';
import { fileError, invalidArgument, NeonsenseError } from '../errors.js';
import { openDataset } from '../evaluate/datasets.js';
import { evaluate } from '../evaluate/evaluate.js';
import { REPORTED_MISTAKES } from '../evaluate/mistakes.js';
import { readPictures } from '../evaluate/pictures.js';
import type { Evaluation } from '../evaluate/score.js';
import { readRegularFile } from '../files/openFile.js';
import { writeFileAtomically } from '../files/writeFile.js';
import { type CompressResult, compress, type ModelScore, type NamedModel } from '../measure/compress.js';
import { writeModel } from '../model/files.js';
import { wholeNumber } from './arguments.js';
import { environmentFacts } from './environmentFacts.js';
import { catchInterrupt } from './interrupt.js';
import { addModelOptions, type ModelOptions, openModel } from './modelOptions.js';
import { note, noteWritten } from './notes.js';
import { progressOf } from './progress.js';
import { coloursOf, columnsOf, NO_SCREEN, type Screen } from './terminal.js';
import { printable, table } from './text.js';
import { addFormats, limitOption, outputOption, threadsOption } from './vocabulary.js';

interface Options extends ModelOptions {
  readonly output: string;
  readonly prune?: number | undefined;
  readonly pruneMethod: 'l1-unstructured' | 'n:m' | 'block' | 'channels';
  readonly pruneScope: 'per-tensor' | 'global';
  readonly pruneTargets: string;
  readonly pattern: readonly [number, number];
  readonly repair: 'reconstruct' | 'recalibrate' | 'none';
  readonly quantize?: 'int8' | 'dynamic' | 'static' | 'fp16' | undefined;
  readonly scope: 'linear' | 'all';
  readonly observer: 'minmax' | 'percentile' | 'mse';
  readonly percentile: number;
  readonly activations: 'qs8' | 'qu8';
  readonly ranges?: string | undefined;
  readonly keepFloat?: string | undefined;
  readonly order: readonly Step[];
  readonly calibrate?: string | undefined;
  readonly calibrateLabels?: string | undefined;
  readonly calibrateLimit: number;
  readonly evaluate?: string | undefined;
  readonly evaluateLabels?: string | undefined;
  readonly limit?: number | undefined;
  readonly threads?: number | undefined;
  readonly runs: number;
  readonly json?: boolean | undefined;
  readonly keepStages?: string | undefined;
  readonly require?: string | undefined;
  readonly report?: string | undefined;
}

type Step = 'prune' | 'quantize';

/** Adds `neonsense compress IN -o OUT`. */
export function register(program: Command): void {
  const command = program
    .command('compress')
    .description('prune and quantize a model, and measure what each stage cost and gained')
    .argument('<model>', 'model file, or a model that comes with neonsense by its name')
    .addOption(outputOption('model file to write'))
    .option('--prune <amount>', 'zero this share of the weights, for example 0.3', share)
    .addOption(
      new Option('--prune-method <method>', 'what is removed')
        .choices(['l1-unstructured', 'n:m', 'block', 'channels'])
        .default('l1-unstructured'),
    )
    .addOption(
      new Option('--prune-scope <scope>', 'where the share is reached')
        .choices(['per-tensor', 'global'])
        .default('per-tensor'),
    )
    .option('--prune-targets <layers>', 'all, pointwise (1x1 and Linear), or layer names, comma-separated', 'all')
    .option('--pattern <n:m>', 'for --prune-method n:m: keep n of every m', pattern, [2, 4] as const)
    .addOption(
      new Option(
        '--repair <how>',
        'after pruning, with the calibration data: solve for new weights, or shift batch norms',
      )
        .choices(['reconstruct', 'recalibrate', 'none'])
        .default('reconstruct'),
    )
    .addOption(
      new Option(
        '--quantize <how>',
        'quantize the weights; int8 is static beside --ranges, else dynamic, which needs no calibration',
      ).choices(['int8', 'dynamic', 'static', 'fp16']),
    )
    .addOption(
      new Option('--scope <scope>', 'for dynamic: the Linear layers, or every 1x1 convolution too')
        .choices(['linear', 'all'])
        .default('all'),
    )
    .addOption(
      new Option('--observer <kind>', 'for static: how ranges are chosen')
        .choices(['minmax', 'percentile', 'mse'])
        .default('mse'),
    )
    .option('--percentile <percent>', 'for --observer percentile', number, 99.99)
    .addOption(
      new Option('--activations <type>', 'for static: int8, or uint8 as QNNPACK')
        .choices(['qs8', 'qu8'])
        .default('qs8'),
    )
    .option('--ranges <file>', 'for static: the ranges the model was trained with, as JSON, instead of calibration')
    .option('--keep-float <layers>', 'layers left in float: none, names; for static also sensitive or auto')
    .option('--order <steps>', 'order of the steps', order, ['prune', 'quantize'] as const)
    .option('--calibrate <data>', 'pictures to calibrate with (see evaluate --data)')
    .option('--calibrate-labels <file>', 'labels of raw calibration pixels')
    .option('--calibrate-limit <n>', 'calibration pictures to use, spread evenly over the data', wholeNumber, 200)
    .option('--evaluate <data>', 'labelled pictures to score every stage on (see evaluate --data)')
    .option('--evaluate-labels <file>', 'labels of raw evaluation pixels')
    .addOption(limitOption('pictures at most to score on, spread evenly over the data'))
    .addOption(threadsOption('threads of the engine (default: 1 for latency, the performance cores for accuracy)'))
    .option('--runs <n>', 'runs of each model for the latency', wholeNumber, 200)
    .option('--keep-stages <folder>', 'write the model of every stage to this folder')
    .option('--require <goals>', 'fail unless met, for example size=-30%,latency=-40%,accuracy=-5%')
    .option('--report <file>', 'write a report: .md, .json or .html');
  addModelOptions(addFormats(command, ['text', 'json'])).action(run);
}

async function run(source: string, options: Options): Promise<void> {
  // Whatever can be refused is refused before the first minute of work.
  if (options.require !== undefined) parseGoals(options.require);
  const render = options.report === undefined ? undefined : rendererFor(options.report);
  const stages = stagesOf(options, options.ranges === undefined ? undefined : await readRanges(options.ranges));
  const model = await openModel(source, options);
  const dataset =
    options.evaluate === undefined
      ? undefined
      : await openDataset(options.evaluate, {
          labels: model.labels,
          labelsFile: options.evaluateLabels,
          limit: options.limit,
        });

  using interrupt = catchInterrupt();
  const { signal } = interrupt;
  const progress = progressOf();
  let result: CompressResult;
  let evaluations: readonly Evaluation[] | undefined;
  try {
    const calibration =
      options.calibrate === undefined
        ? undefined
        : await readPictures(model, options.calibrate, {
            labelsFile: options.calibrateLabels,
            limit: options.calibrateLimit,
            signal,
            onProgress: ({ done, total }) => progress.update('pictures read', done, total),
          });
    result = await compress(model, {
      stages,
      calibration,
      ...(dataset === undefined
        ? {}
        : {
            evaluate: async (models: readonly NamedModel[]): Promise<readonly ModelScore[]> => {
              evaluations = await evaluate(models, dataset, {
                threads: options.threads,
                mistakes: render === reportHtml ? REPORTED_MISTAKES : undefined,
                signal,
                onProgress: ({ done, total }) => progress.update('pictures evaluated', done, total),
              });
              return evaluations;
            },
          }),
      ...(options.require === undefined ? {} : { require: options.require }),
      latency: { runs: options.runs, threads: options.threads },
      environment: environmentOf(source, options),
      signal,
      onProgress: (what, done, total) => progress.update(what, done, total),
      onWarning: (message) => {
        if (options.repair !== 'none') note(`${message} (--calibrate, or --repair none)`);
      },
    });
  } finally {
    progress.clear();
  }

  await writeModel(result.model, options.output);
  const written = [options.output];
  if (options.keepStages !== undefined) written.push(...(await keepStages(result, options.keepStages)));
  if (options.report !== undefined && render !== undefined) {
    await writeFileAtomically(options.report, await render(result.report, evaluations));
    written.push(options.report);
  }
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify(result.report)}\n`
      : `${printable(`${source} to ${options.output}`)}\n${resultText(result.report, process.stdout)}\n`,
  );
  for (const file of written) await noteWritten(file);
  if (!result.passed) process.exitCode = 1;
}

function stagesOf(options: Options, ranges: TrainedRanges | undefined): CompressStage[] {
  const stages: CompressStage[] = [];
  for (const step of options.order) {
    if (step === 'prune') {
      // n:m needs no share: the pattern is one.
      const prunes = options.prune !== undefined || options.pruneMethod === 'n:m';
      if (!prunes) continue;
      stages.push({ stage: 'prune', ...pruneOptions(options) } as CompressStage);
      const quantized = stages.some(({ stage }) => stage.startsWith('quantize') || stage === 'fp16');
      const repairs = options.calibrate !== undefined && options.pruneMethod !== 'channels' && !quantized;
      if (repairs && options.repair !== 'none') stages.push({ stage: options.repair });
    } else if (options.quantize !== undefined) {
      stages.push(quantizeStage(options, ranges));
    }
  }
  if (stages.length === 0) {
    throw invalidArgument('--prune or --quantize', 'at least one of them', undefined);
  }
  return stages;
}

function pruneOptions({ prune: amount, pruneMethod, pruneScope, pruneTargets, pattern: [n, m] }: Options): object {
  if (pruneMethod === 'channels') return { method: pruneMethod, amount };
  const targets =
    pruneTargets === 'all' ? {} : { targets: pruneTargets === 'pointwise' ? isPointwise : pruneTargets.split(',') };
  if (pruneMethod === 'n:m') return { method: pruneMethod, n, m, ...targets };
  return { method: pruneMethod, amount, scope: pruneScope, ...targets };
}

function quantizeStage(
  { quantize: named, scope, observer, percentile, activations, keepFloat }: Options,
  ranges: TrainedRanges | undefined,
): CompressStage {
  const quantize = named === 'int8' ? (ranges === undefined ? 'dynamic' : 'static') : named;
  if (ranges !== undefined && quantize !== 'static') {
    throw invalidArgument('--quantize', 'static beside --ranges', quantize);
  }
  if (quantize === 'fp16') return { stage: 'fp16' };
  const searched = keepFloat === 'auto' || keepFloat === 'sensitive';
  const layersLeft = keepFloat === undefined || searched ? undefined : keepFloat === 'none' ? [] : keepFloat.split(',');
  if (quantize === 'static') {
    const layers = searched ? keepFloat : layersLeft;
    const how = ranges === undefined ? { observer, percentile } : { ranges };
    return { stage: 'quantize-static', ...how, activations, ...(layers && { keepFloat: layers }) };
  }
  if (searched) throw invalidArgument('--keep-float', 'none or layer names with --quantize dynamic', keepFloat);
  return { stage: 'quantize-dynamic', scope, ...(layersLeft && { keepFloat: layersLeft }) };
}

/** What the file holds is checked where it is used, against the network. */
async function readRanges(file: string): Promise<TrainedRanges> {
  let text: string;
  try {
    text = (await readRegularFile(file)).toString('utf8');
  } catch (error) {
    const failed = "Can't read the ranges";
    throw fileError(error, `${failed}: ${(error as Error).message}`, failed);
  }
  try {
    return JSON.parse(text) as TrainedRanges;
  } catch (error) {
    throw new NeonsenseError(
      'ERR_INVALID_ARGUMENT',
      `--ranges: expected JSON like {"pool": {"scale": 0.03, "zeroPoint": -118}} in ${file} but ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** Writes `1-prune.safetensors`, `2-quantize-dynamic.safetensors` and so on. */
async function keepStages(result: CompressResult, folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const files: string[] = [];
  for (const [index, { name, model }] of result.stages.entries()) {
    files.push(join(folder, `${index + 1}-${name}.safetensors`));
    await writeModel(model, files.at(-1)!);
  }
  return files;
}

type Renderer = (report: CompressReport, evaluations?: readonly Evaluation[]) => string | Promise<string>;

const RENDERERS: Readonly<Record<string, Renderer>> = {
  '.md': reportMarkdown,
  '.json': reportJson,
  '.html': reportHtml,
};

function rendererFor(file: string): Renderer {
  const render = RENDERERS[extname(file).toLowerCase()];
  if (render === undefined) throw invalidArgument('--report', 'a file name ending in .md, .json or .html', file);
  return render;
}

function environmentOf(source: string, options: Options): Record<string, string> {
  return {
    model: source,
    ...(options.calibrate === undefined ? {} : { calibration: options.calibrate }),
    ...(options.evaluate === undefined ? {} : { evaluation: options.evaluate }),
    ...environmentFacts(),
  };
}

/** The stages, and the goals where there were any, as tables for a terminal. */
export function resultText({ stages, goals }: CompressReport, screen: Screen = NO_SCREEN): string {
  const columns = columnsOf(screen);
  const { green, red } = coloursOf(screen);
  const rows = [[...STAGE_COLUMNS], ...stages.map((stage) => stageRow(stage, stages[0]!))];
  const lines = table(rows, [2, 3, 4, 5, 6, 7, 8, 9], columns);
  if (goals.length > 0) {
    const marked = goals.map((goal) =>
      goalRow(goal).map((cell, at) => (at < 5 ? cell : (goal.met ? green : red)(cell))),
    );
    lines.push('', ...table([[...GOAL_COLUMNS], ...marked], [1, 2, 3, 4], columns));
  }
  return lines.join('\n');
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value < 1)) {
    throw new InvalidArgumentError(`Expected a number from 0 up to but not including 1 but received "${text}".`);
  }
  return value;
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) {
    throw new InvalidArgumentError(`Expected a number but received "${text}".`);
  }
  return value;
}

function pattern(text: string): [number, number] {
  const match = /^(\d+):(\d+)$/.exec(text);
  if (match === null) throw new InvalidArgumentError(`Expected a pattern such as 2:4 but received "${text}".`);
  return [Number(match[1]), Number(match[2])];
}

function order(text: string): Step[] {
  const steps = text.split(',').map((step) => step.trim());
  if (new Set(steps).size !== steps.length || steps.some((step) => step !== 'prune' && step !== 'quantize')) {
    throw new InvalidArgumentError(`Expected prune,quantize or quantize,prune but received "${text}".`);
  }
  return steps as Step[];
}
