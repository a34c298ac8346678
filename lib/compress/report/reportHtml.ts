import { examined } from '../../errors.js';
import { escapeHtml, htmlPage, htmlTable } from '../../text/html.js';
import { mebibytes, percent } from '../../text/units.js';
import type { GoalResult } from './goals.js';
import type { Histogram, LayerStatistics } from './layerStatistics.js';
import {
  A_REPORT,
  type CompressReport,
  GOAL_COLUMNS,
  goalRow,
  type MeasuredStage,
  STAGE_COLUMNS,
  stageRow,
} from './report.js';

/**
 * The report as one HTML page without outside references: the tables, size, latency and accuracy by stage as bars, and
 * for each stage a histogram of every layer's weights and of their error, as inline SVG.
 */
export function reportHtml(report: CompressReport): string {
  return examined('report', A_REPORT, report, () => htmlOf(report));
}

function htmlOf(report: CompressReport): string {
  const baseline = report.stages[0]!;
  const facts = Object.entries(report.environment).map(
    ([name, value]) => `<li>${escapeHtml(name)}: ${escapeHtml(value)}</li>`,
  );
  return htmlPage('Compression report', [
    `<p>Measured ${escapeHtml(report.date)}.</p><ul>${facts.join('')}</ul>`,
    htmlTable(
      STAGE_COLUMNS,
      report.stages.map((stage) => stageRow(stage, baseline)),
    ),
    report.goals.length > 0 ? `<h2>Goals</h2>${goalTable(report.goals)}` : '',
    `<div class="plots">${stagePlots(report.stages).join('')}</div>`,
    ...report.stages.slice(1).map(stageSection),
  ]);
}

const WEIGHT_COLOUR = '#4a7fb5';
const ERROR_COLOUR = '#c0703a';

function goalTable(goals: readonly GoalResult[]): string {
  return htmlTable(GOAL_COLUMNS, goals.map(goalRow), (row) => !goals[row]!.met);
}

/** Size, latency and accuracy by stage; what was not measured is left out. */
function stagePlots(stages: readonly MeasuredStage[]): string[] {
  const plots = [barPlot('File size', stages, (stage) => stage.bytes, mebibytes)];
  if (stages.every(({ latency }) => latency !== undefined)) {
    plots.push(
      barPlot(
        'Latency',
        stages,
        ({ latency }) => latency!.ms,
        (ms) => `${ms.toFixed(3)} ms`,
      ),
    );
  }
  if (stages.every(({ accuracy }) => accuracy !== undefined)) {
    plots.push(barPlot('Top-1 accuracy', stages, ({ accuracy }) => accuracy!.top1, percent));
    plots.push(barPlot('Agreement with the baseline', stages, ({ accuracy }) => accuracy!.agreement, percent));
  }
  return plots;
}

/** Horizontal bars from zero, so that their lengths compare. */
function barPlot(
  title: string,
  stages: readonly MeasuredStage[],
  value: (stage: MeasuredStage) => number,
  text: (value: number) => string,
): string {
  const height = 26;
  const [left, length] = [130, 190];
  const most = Math.max(...stages.map(value), Number.MIN_VALUE);
  const bars = stages.map((stage, index) => {
    const y = index * height;
    const width = ((value(stage) / most) * length).toFixed(1);
    const colour = index === 0 ? '#8a99a8' : WEIGHT_COLOUR;
    return (
      `<text x="${left - 6}" y="${y + 17}" text-anchor="end">${escapeHtml(stage.name)}</text>` +
      `<rect x="${left}" y="${y + 4}" width="${width}" height="${height - 8}" fill="${colour}"/>` +
      `<text x="${left + Number(width) + 5}" y="${y + 17}">${escapeHtml(text(value(stage)))}</text>`
    );
  });
  const size = `0 0 ${left + length + 90} ${stages.length * height}`;
  return (
    `<figure><figcaption>${escapeHtml(title)}</figcaption>` +
    `<svg viewBox="${size}" width="410" font-size="12" font-family="system-ui,sans-serif" role="img" ` +
    `aria-label="${escapeHtml(title)} by stage">${bars.join('')}</svg></figure>`
  );
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
    `<figure>${histogramSvg(histogram, WEIGHT_COLOUR, `weights of ${layer}`)}` +
    `${error === undefined ? '' : histogramSvg(error.histogram, ERROR_COLOUR, `error of ${layer}`)}` +
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
    `<text x="0" y="${height + 11}">-${end}</text>` +
    `<text x="${width / 2}" y="${height + 11}" text-anchor="middle">0</text>` +
    `<text x="${width}" y="${height + 11}" text-anchor="end">${end}</text></svg>`
  );
}
