import { examined } from '../../errors.js';
import type { Precision } from '../../model/model.js';
import { mebibytes, percent, signedPercent } from '../../text/units.js';
import type { ChannelReport } from '../prune/pruneChannels.js';
import type { GoalResult } from './goals.js';
import type { LayerStatistics } from './layerStatistics.js';

/** The original, or what one stage made, measured. */
export interface MeasuredStage {
  /** `baseline`, or the stage's name. */
  readonly name: string;
  readonly precision: Precision;
  /** The stage's options; empty for the baseline. */
  readonly options: { readonly [key: string]: unknown };
  /** Size of the model's file. */
  readonly bytes: number;
  /** Share of weights that are zero. */
  readonly sparsity: number;
  /** Weights, biases and batch norm's learned numbers. */
  readonly parameters: number;
  /** Shares of the evaluation pictures; absent without evaluation data. */
  readonly accuracy?: {
    readonly top1: number;
    readonly top5: number;
    /** Share of pictures on which the baseline names the same class. */
    readonly agreement: number;
    /** Pictures that `top1` and `top5` are shares of: for a model with a reject class, those of its other classes. */
    readonly images: number;
    /** Pictures that only the baseline names right, and only this model does; absent where that was not counted. */
    readonly lost?: number;
    readonly gained?: number;
  };
  /** Of one picture, all stages and the baseline in turn in one run; absent where it was not wanted. */
  readonly latency?: {
    /** Median, in milliseconds. */
    readonly ms: number;
    /** Median over the baseline's median. */
    readonly ratio: number;
    readonly runs: number;
    readonly threads: number;
  };
  readonly layers: readonly LayerStatistics[];
  /** Widths that channel pruning changed, or why it did not. */
  readonly channels?: readonly ChannelReport[];
}

/** What is reported of a compression. JSON values only. */
export interface CompressReport {
  /** ISO 8601. */
  readonly date: string;
  /** What was compressed and where it was measured, by name; the caller's. */
  readonly environment: { readonly [key: string]: string };
  /** The baseline first, the result last. */
  readonly stages: readonly MeasuredStage[];
  readonly goals: readonly GoalResult[];
}

/** Headings of `stageRow`. */
export const STAGE_COLUMNS = [
  'stage',
  'precision',
  'size',
  'against baseline',
  'zeros',
  'top-1',
  'top-5',
  'agreement',
  'latency',
  'ratio',
] as const;

/** One stage as table cells; `-` where something was not measured. */
export function stageRow(stage: MeasuredStage, baseline: MeasuredStage): string[] {
  const { accuracy, latency } = stage;
  return [
    stage.name,
    stage.precision,
    mebibytes(stage.bytes),
    stage === baseline ? '' : signedPercent(stage.bytes / baseline.bytes - 1),
    percent(stage.sparsity),
    accuracy === undefined ? '-' : percent(accuracy.top1),
    accuracy === undefined ? '-' : percent(accuracy.top5),
    accuracy === undefined ? '-' : percent(accuracy.agreement),
    latency === undefined ? '-' : `${latency.ms.toFixed(3)} ms`,
    latency === undefined ? '-' : `${latency.ratio.toFixed(3)}x`,
  ];
}

/** Headings of `goalRow`. */
export const GOAL_COLUMNS = ['goal', 'wanted', 'reached', 'baseline', 'result', ''] as const;

/** One goal as table cells. */
export function goalRow({ metric, wanted, reached, baseline, value, met }: GoalResult): string[] {
  const text = (number: number): string => {
    if (metric === 'size') return mebibytes(number);
    return metric === 'latency' ? `${number.toFixed(3)} ms` : percent(number);
  };
  const direction = metric === 'accuracy' ? 'at least' : 'at most';
  return [
    metric,
    `${direction} ${signedPercent(wanted)}`,
    signedPercent(reached),
    text(baseline),
    text(value),
    met ? 'met' : 'FAILED',
  ];
}

/** What the functions that render one expect. */
export const A_REPORT = 'a report, as `compress` gives it,';

/** The report as Markdown: stages, goals, then each stage's layers. */
export function reportMarkdown(report: CompressReport): string {
  return examined('report', A_REPORT, report, () => markdownOf(report));
}

function markdownOf(report: CompressReport): string {
  const baseline = report.stages[0]!;
  const lines = ['# Compression report', '', `Measured ${report.date}.`, ''];
  for (const [name, value] of Object.entries(report.environment)) lines.push(`- ${name}: ${value}`);
  lines.push(
    '',
    ...markdownTable(
      STAGE_COLUMNS,
      report.stages.map((stage) => stageRow(stage, baseline)),
    ),
    '',
  );
  if (report.goals.length > 0) {
    lines.push('## Goals', '', ...markdownTable(GOAL_COLUMNS, report.goals.map(goalRow)), '');
  }
  for (const stage of report.stages.slice(1)) {
    lines.push(`## ${stage.name}`, '', `Options: \`${JSON.stringify(stage.options)}\``, '');
    if (stage.channels !== undefined && stage.channels.length > 0) {
      lines.push(
        ...markdownTable(
          ['width', 'before', 'after', 'note'],
          stage.channels.map(({ name, before, after, reason }) => [name, `${before}`, `${after}`, reason ?? '']),
        ),
        '',
      );
    }
    lines.push(
      ...markdownTable(
        ['layer', 'weights', 'type', 'zeros', 'error, rms', 'error, largest', 'signal to noise'],
        stage.layers.map(({ layer, weights, type, sparsity, error }) => [
          layer,
          `${weights}`,
          type,
          percent(sparsity),
          error === undefined ? '-' : error.rms.toExponential(2),
          error === undefined ? '-' : error.largest.toExponential(2),
          error === undefined || error.signalToNoise === null ? '-' : `${error.signalToNoise.toFixed(1)} dB`,
        ]),
      ),
      '',
    );
  }
  return `${lines.join('\n')}\n`;
}

/** The report as JSON, for programs. */
export function reportJson(report: CompressReport): string {
  return examined('report', A_REPORT, report, () => `${JSON.stringify(report, null, 2)}\n`);
}

function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const escaped = (cell: string): string => cell.replaceAll('|', '\\|');
  const row = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`;
  return [row(header), row(header.map(() => '---')), ...rows.map(row)];
}
