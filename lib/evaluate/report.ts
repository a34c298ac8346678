import { examined, invalidArgument } from '../errors.js';
import { escapeHtml, htmlPage, htmlTable } from '../text/html.js';
import { percent } from '../text/units.js';
import type { Evaluation } from './score.js';

/**
 * The evaluations as one HTML page without outside references: a table of the models, accuracy by class, and each
 * model's confusion matrix and reliability diagram as inline SVG.
 * @param title what was evaluated, for example the data set's path
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`
 */
export function evaluationReport(title: string, evaluations: readonly Evaluation[]): string {
  if (typeof title !== 'string') throw invalidArgument('title', 'a text', title);
  return examined('evaluations', 'a list, as `evaluate` gives it,', evaluations, () => pageOf(title, evaluations));
}

function pageOf(title: string, evaluations: readonly Evaluation[]): string {
  return htmlPage(title, [
    summaryTable(evaluations),
    ...(evaluations.length > 1 ? [agreementTable(evaluations)] : []),
    classTable(evaluations),
    ...evaluations.map(
      (evaluation) =>
        `<section><h2>${escapeHtml(evaluation.model)}</h2><div class="plots">` +
        `<figure>${confusionSvg(evaluation)}<figcaption>Confusion matrix: rows are the right class, columns the ` +
        'predicted one, in images; shade is the share of the row.</figcaption></figure>' +
        `<figure>${reliabilitySvg(evaluation)}<figcaption>Reliability: accuracy by confidence in ` +
        `${evaluation.calibration.length} bins; on the diagonal, probabilities can be taken at their word. ` +
        `Expected calibration error ${percent(evaluation.ece)}.</figcaption></figure></div></section>`,
    ),
  ]);
}

/** Above this many classes numbers and names no longer fit a cell; the shades are drawn alone. */
const LABELLED_CLASSES = 40;

/**
 * A line for each model under a line of heads. Where one has learnt what is none of its classes, three columns more: the mean of the
 * classes' accuracies, the share of other things that is rejected and the share of the classes' images that is lost to it.
 *
 * @param nameOf how a model is called
 */
export function summaryRows(evaluations: readonly Evaluation[], nameOf: (model: string) => string): string[][] {
  const rejects = evaluations.some(({ rejection }) => rejection !== undefined);
  const heads = [
    ...['model', 'precision', 'images', 'top-1', 'top-5', 'calibration error'],
    ...(rejects ? ['class mean', 'others rejected', 'lost'] : []),
    'images/s',
  ];
  const rows = evaluations.map((evaluation) => [
    nameOf(evaluation.model),
    evaluation.precision,
    String(evaluation.images),
    percent(evaluation.top1),
    percent(evaluation.top5),
    percent(evaluation.ece),
    ...(rejects
      ? [
          percent(evaluation.classMean),
          percent(evaluation.rejection?.rejected ?? null),
          percent(evaluation.rejection?.lost ?? null),
        ]
      : []),
    evaluation.imagesPerSecond.toFixed(0),
  ]);
  return [heads, ...rows];
}

function summaryTable(evaluations: readonly Evaluation[]): string {
  const [heads, ...rows] = summaryRows(evaluations, (model) => model);
  return htmlTable(heads!, rows);
}

function agreementTable(evaluations: readonly Evaluation[]): string {
  const names = evaluations.map((evaluation) => evaluation.model);
  return `<h2>Agreement on the predicted class</h2>${htmlTable(
    ['', ...names],
    evaluations.map(({ model, agreement }) => [model, ...names.map((name) => percent(agreement[name] ?? 1))]),
  )}`;
}

function classTable(evaluations: readonly Evaluation[]): string {
  const labels = evaluations[0]?.labels ?? [];
  return `<h2>Top-1 by class</h2>${htmlTable(
    ['class', ...evaluations.map((evaluation) => evaluation.model)],
    labels.map((label) => [label, ...evaluations.map((evaluation) => percent(evaluation.perClass[label] ?? null))]),
  )}`;
}

function confusionSvg({ labels, confusion }: Evaluation): string {
  const labelled = labels.length <= LABELLED_CLASSES;
  const cell = labelled ? 34 : Math.max(2, Math.floor(720 / labels.length));
  const margin = labelled ? 14 + 7 * Math.max(...labels.map((label) => label.length)) : 4;
  const side = margin + cell * labels.length + 2;
  const parts: string[] = [];
  confusion.forEach((row, label) => {
    const images = row.reduce((sum, count) => sum + count, 0);
    const y = margin + label * cell;
    if (labelled) {
      const name = escapeHtml(labels[label]!);
      parts.push(
        `<text x="${margin - 6}" y="${y + cell / 2 + 4}" text-anchor="end">${name}</text>`,
        `<text transform="translate(${y + cell / 2 + 4} ${margin - 6}) rotate(-90)">${name}</text>`,
      );
    }
    row.forEach((count, predicted) => {
      if (count === 0 && !labelled) return;
      const share = images === 0 ? 0 : count / images;
      const x = margin + predicted * cell;
      const hue = predicted === label ? '29,111,165' : '196,70,50';
      const title = `${escapeHtml(labels[label]!)} as ${escapeHtml(labels[predicted]!)}: ${count}`;
      parts.push(
        `<rect x="${x}" y="${y}" width="${cell}" height="${cell}" ` +
          `stroke="#e3e8ee" stroke-width="${labelled ? 1 : 0}" fill="rgba(${hue},${(count === 0 ? 0 : 0.08 + 0.92 * share).toFixed(3)})"><title>${title}</title></rect>`,
      );
      if (labelled && count > 0) {
        const ink = share > 0.5 ? '#fff' : '#1b2733';
        parts.push(
          `<text x="${x + cell / 2}" y="${y + cell / 2 + 4}" text-anchor="middle" fill="${ink}">${count}</text>`,
        );
      }
    });
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}" viewBox="0 0 ${side} ${side}" ` +
    `font-family="system-ui,sans-serif" font-size="12" role="img" aria-label="Confusion matrix">${parts.join('')}</svg>`
  );
}

function reliabilitySvg({ calibration }: Evaluation): string {
  const side = 320;
  const margin = 40;
  const at = (fraction: number): number => margin + fraction * side;
  const bars = calibration
    .filter((bin) => bin.images > 0)
    .map((bin) => {
      const height = bin.accuracy * side;
      const title = `${bin.images} images, confidence ${percent(bin.confidence)}, accuracy ${percent(bin.accuracy)}`;
      return (
        `<rect x="${at(bin.lower).toFixed(1)}" y="${(at(1) - height).toFixed(1)}" height="${height.toFixed(1)}" ` +
        `width="${((bin.upper - bin.lower) * side - 1).toFixed(1)}" fill="#1d6fa5"><title>${title}</title></rect>`
      );
    });
  const ticks = [0, 0.5, 1].flatMap((tick) => [
    `<text x="${at(tick)}" y="${at(1) + 18}" text-anchor="middle">${tick}</text>`,
    `<text x="${margin - 6}" y="${at(1 - tick) + 4}" text-anchor="end">${tick}</text>`,
  ]);
  const full = side + 2 * margin;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${full}" height="${full}" viewBox="0 0 ${full} ${full}" ` +
    'font-family="system-ui,sans-serif" font-size="12" role="img" aria-label="Reliability diagram">' +
    `<rect x="${margin}" y="${margin}" width="${side}" height="${side}" fill="none" stroke="#d5dde5"/>` +
    `${bars.join('')}<path d="M${at(0)} ${at(1)}L${at(1)} ${at(0)}" stroke="#c44632" stroke-dasharray="4 4"/>` +
    `${ticks.join('')}<text x="${at(0.5)}" y="${full - 4}" text-anchor="middle">confidence</text></svg>`
  );
}
