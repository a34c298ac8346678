import { wilsonInterval } from '../../numbers/interval.js';
import { mcNemar } from '../../numbers/mcNemar.js';
import { type Measured, scatterChart, seriesKey } from '../../report/charts.js';
import { coverageFigure, mcNemarNote, type ScoredModel, scoredSection } from '../../report/scored.js';
import { escapeHtml, htmlFacts, htmlFigure, htmlPage, htmlTable, htmlVerdict, minuteOf } from '../../text/html.js';
import { grouped, mebibytes, percent, probabilityText, signedPercent } from '../../text/units.js';
import type { Histogram, LayerStatistics } from './layerStatistics.js';
import { type CompressReport, GOAL_COLUMNS, goalRow, type MeasuredStage, STAGE_COLUMNS, stageRow } from './report.js';

/** The page of `reportHtml`. */
export function compressPage(report: CompressReport, evaluations: readonly ScoredModel[] | undefined): string {
  const { stages, goals } = report;
  const baseline = stages[0]!;
  return htmlPage('Compression report', [
    htmlVerdict(
      verdictOf(report),
      goals.some(({ met }) => !met),
    ),
    htmlFacts({ measured: minuteOf(report.date), ...report.environment }),
    htmlTable(
      STAGE_COLUMNS,
      stages.map((stage) => stageRow(stage, baseline)),
    ),
    goals.length > 0 ? `<h2>Goals</h2>${htmlTable(GOAL_COLUMNS, goals.map(goalRow), (row) => !goals[row]!.met)}` : '',
    scatters(stages, evaluations),
    lossTable(stages),
    ...(evaluations === undefined ? [] : beforeAndAfter(evaluations)),
    ...stages.slice(1).map(stageSection),
  ]);
}

/** What a compression comes to, in a sentence or two. */
export function verdictOf({ stages, goals }: CompressReport): string {
  const [baseline, result] = [stages[0]!, stages.at(-1)!];
  const gains = [
    `${mebibytes(result.bytes)} instead of ${mebibytes(baseline.bytes)} (${change(result.bytes, baseline.bytes)})`,
  ];
  if (result.latency !== undefined && baseline.latency !== undefined) {
    const ms = (value: number): string => `${value.toFixed(2)} ms`;
    gains.push(
      `${ms(result.latency.ms)} a picture instead of ${ms(baseline.latency.ms)} (${change(result.latency.ms, baseline.latency.ms)})`,
    );
  }
  const cost =
    result.accuracy === undefined || baseline.accuracy === undefined
      ? 'What it costs in accuracy was not measured.'
      : `It names ${percent(result.accuracy.top1)} of ${grouped(result.accuracy.images)} pictures right, the original ` +
        `${percent(baseline.accuracy.top1)}; they name the same class on ${percent(result.accuracy.agreement)}.`;
  const missed = goals.filter(({ met }) => !met).map(({ metric }) => metric);
  const goal =
    goals.length === 0
      ? ''
      : missed.length === 0
        ? ' All goals are met.'
        : ` Missed: the goal for ${missed.join(' and ')}.`;
  return `The compressed model takes ${gains.join(' and ')}. ${cost}${goal}`;
}

const change = (value: number, before: number): string => signedPercent(value / before - 1);

/** Accuracy against size and time, the stages numbered in their order. */
function scatters(stages: readonly MeasuredStage[], evaluations: readonly ScoredModel[] = []): string {
  if (stages.some(({ accuracy }) => accuracy === undefined)) return '';
  const measured = (cost: (stage: MeasuredStage) => number): Measured[] =>
    stages.map((stage) => {
      const { top1, images } = stage.accuracy!;
      const [low, high] = wilsonInterval(top1, images);
      return { name: stage.name, x: cost(stage), y: top1, low, high };
    });
  const charts = [
    htmlFigure(
      scatterChart(
        measured(({ bytes }) => bytes / 2 ** 20),
        'file, MiB',
        'top-1',
      ),
      'Accuracy against the size of the file. Whiskers are 95 % intervals (Wilson).',
    ),
  ];
  if (stages.every(({ latency }) => latency !== undefined)) {
    charts.push(
      htmlFigure(
        scatterChart(
          measured(({ latency }) => latency!.ms),
          'median ms a picture',
          'top-1',
        ),
        `Accuracy against the time one picture takes, ${stages[0]!.latency!.runs} runs of each in turn, ` +
          `${stages[0]!.latency!.threads} thread${stages[0]!.latency!.threads === 1 ? '' : 's'}.`,
      ),
    );
  }
  if (evaluations.length > 0) {
    charts.push(coverageFigure(evaluations.map(({ coverage }, at) => ({ name: stages[at]!.name, points: coverage }))));
  }
  const key = seriesKey(stages.map(({ name }) => name));
  return `<h2>What it costs</h2>${key}<div class="plots">${charts.join('')}</div>`;
}

/** Each stage against the original on the same pictures; nothing where that was not counted. */
function lossTable(stages: readonly MeasuredStage[]): string {
  const rows = stages.slice(1).flatMap(({ name, accuracy }) => {
    if (accuracy?.lost === undefined || accuracy.gained === undefined) return [];
    const p = probabilityText(mcNemar(accuracy.lost, accuracy.gained));
    return [[name, grouped(accuracy.lost), grouped(accuracy.gained), p]];
  });
  if (rows.length === 0) return '';
  return (
    `<h2>Against the original</h2>${htmlTable(['stage', 'only original right', 'only stage right', 'McNemar'], rows)}` +
    mcNemarNote('at 0.05 and above it may have cost nothing')
  );
}

/** How the original and the result did, class by class. */
function beforeAndAfter(evaluations: readonly ScoredModel[]): string[] {
  return [scoredSection('The result', evaluations.at(-1)!), scoredSection('The original', evaluations[0]!)];
}

function stageSection(stage: MeasuredStage): string {
  const channels =
    stage.channels === undefined || stage.channels.length === 0
      ? ''
      : htmlTable(
          ['width', 'before', 'after', 'note'],
          stage.channels.map(({ name, before, after, reason }) => [name, `${before}`, `${after}`, reason ?? '']),
        );
  return (
    `<h2>${escapeHtml(stage.name)}</h2><p>Options: <code>${escapeHtml(JSON.stringify(stage.options))}</code></p>` +
    `${channels}<details><summary>Weights and their error, ${stage.layers.length} layers</summary>` +
    `<div class="plots">${stage.layers.map(layerPlots).join('')}</div></details>`
  );
}

function layerPlots({ layer, weights, type, sparsity, histogram, error }: LayerStatistics): string {
  const noise =
    error === undefined || error.signalToNoise === null ? '' : `, signal to noise ${error.signalToNoise.toFixed(1)} dB`;
  return (
    `<figure>${histogramSvg(histogram, 'var(--first)', `weights of ${layer}`)}` +
    `${error === undefined ? '' : histogramSvg(error.histogram, 'var(--second)', `error of ${layer}`)}` +
    `<figcaption>${escapeHtml(layer)}<br>${weights} ${type}, ${percent(sparsity)} zeros${noise}</figcaption></figure>`
  );
}

/** Counts as a filled outline; heights are logarithmic, because the zeros of a pruned layer dwarf everything else. */
function histogramSvg({ max, counts }: Histogram, colour: string, label: string): string {
  const [width, height] = [200, 60];
  const tallest = Math.log1p(Math.max(...counts, 1));
  const step = width / counts.length;
  const outline = counts
    .map((count, bin) => {
      const y = (height - (Math.log1p(count) / tallest) * height).toFixed(1);
      return `V${y}H${((bin + 1) * step).toFixed(1)}`;
    })
    .join('');
  const end = max.toPrecision(2);
  return (
    `<svg viewBox="0 0 ${width} ${height + 14}" width="${width}" font-size="10" font-family="system-ui,sans-serif" ` +
    `role="img" aria-label="Histogram: ${escapeHtml(label)}">` +
    `<path d="M0,${height}${outline}V${height}Z" fill="${colour}"/>` +
    `<g fill="currentColor"><text x="0" y="${height + 11}">-${end}</text>` +
    `<text x="${width / 2}" y="${height + 11}" text-anchor="middle">0</text>` +
    `<text x="${width}" y="${height + 11}" text-anchor="end">${end}</text></g></svg>`
  );
}
