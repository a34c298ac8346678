import { escapeHtml } from '../text/html.js';
import { cell, dot, line, link, plot, rectY, text } from './plots.js';
import { SvgDocument, type SvgNode } from './svgDocument.js';

/** Charts as SVG for a page: their colours are those of the page's style, so that they turn dark with it. */

type PlotOptions = NonNullable<Parameters<typeof plot>[0]>;

/** Colours of series, in the page's style. */
const SERIES = ['var(--first)', 'var(--second)', 'var(--third)', 'var(--fourth)', 'var(--fifth)', 'var(--sixth)'];

const seriesColour = (index: number): string => SERIES[index % SERIES.length]!;

/** Series by the numbers and colours they have in charts. */
export function seriesKey(names: readonly string[]): string {
  const items = names.map(
    (name, at) => `<li><b style="color:${seriesColour(at)}">${at + 1}</b>${escapeHtml(name)}</li>`,
  );
  return `<ul class="key">${items.join('')}</ul>`;
}

/** @param label what is to be seen, for those who can't see it */
function draw(label: string, options: PlotOptions): string {
  const document = new SvgDocument() as unknown as NonNullable<PlotOptions['document']>;
  const svg = plot({ document, className: 'plot', marginLeft: 52, marginBottom: 40, ...options }) as unknown as SvgNode;
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', label);
  // Plot also names the groups inside, which have no role that may have a name.
  return svg.markup.replaceAll(/<g aria-label="[^"]*"/g, '<g');
}

/** One thing in a chart of two measures, with the interval its second measure lies in. */
export interface Measured {
  readonly name: string;
  readonly x: number;
  /** Share, 0 to 1. */
  readonly y: number;
  readonly low: number;
  readonly high: number;
}

/** Shares against something that costs, with whiskers for their 95 % intervals. */
export function scatterChart(points: readonly Measured[], x: string, y: string): string {
  const most = Math.max(...points.map((point) => point.x)) || 1;
  const colour = (_: Measured, index: number): string => seriesColour(index);
  return draw(`${y} against ${x}: ${points.map(({ name }) => name).join(', ')}`, {
    width: 400,
    height: 300,
    marginTop: 28,
    marginRight: 24,
    grid: true,
    x: { label: x, domain: [0, most * 1.15], nice: true, ticks: 5 },
    y: { label: y, nice: true, ticks: 5, tickFormat: percentTick, insetTop: 12, insetBottom: 6 },
    marks: [
      link(points, { x1: 'x', x2: 'x', y1: 'low', y2: 'high', stroke: colour, strokeWidth: 2 }),
      dot(points, {
        x: 'x',
        y: 'y',
        r: 5,
        fill: colour,
        title: (point: Measured) =>
          `${point.name}: ${percentTick(point.y)}, ${percentTick(point.low)} to ${percentTick(point.high)}`,
      }),
      text(points, {
        x: 'x',
        y: 'y',
        text: (_: Measured, index: number) => `${index + 1}`,
        dx: 12,
        fontWeight: 'bold',
        fill: colour,
      }),
    ],
  });
}

/** Above this many classes numbers and names no longer fit a cell; the shades are drawn alone. */
const LABELLED_CLASSES = 40;

/** Pictures by right class (rows) and named class (columns); the shade is the share of the row. */
export function confusionChart(labels: readonly string[], confusion: readonly (readonly number[])[]): string {
  const isLabelled = labels.length <= LABELLED_CLASSES;
  const widest = Math.max(...labels.map((label) => label.length));
  const margin = isLabelled ? 16 + 6.5 * widest : 8;
  const cells = confusion.flatMap((row, right) => {
    const images = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, named) => ({ right, named, count, share: images === 0 ? 0 : count / images }));
  });
  type Cell = (typeof cells)[number];
  const shown = cells.filter(({ count }) => count > 0);
  const side = isLabelled ? 34 * labels.length : 640;
  const axis = { type: 'band', domain: labels.map((_, index) => index), label: null } as const;
  const name = (index: number): string => labels[index]!;
  return draw('Confusion matrix', {
    width: margin + side + 8,
    height: margin + side + 8,
    marginLeft: margin,
    marginTop: margin,
    marginRight: 8,
    marginBottom: 8,
    padding: 0.02,
    x: { ...axis, axis: isLabelled ? 'top' : null, tickRotate: -90, tickSize: 0, tickFormat: name },
    y: { ...axis, axis: isLabelled ? 'left' : null, tickSize: 0, tickFormat: name },
    style: 'font-size:12px',
    marks: [
      cell(cells, {
        x: 'named',
        y: 'right',
        fill: ({ right, named }: Cell) => (right === named ? 'var(--first)' : 'var(--wrong)'),
        fillOpacity: ({ count, share }: Cell) => (count === 0 ? 0.03 : 0.12 + 0.88 * share),
        ...(isLabelled
          ? { title: ({ right, named, count }: Cell) => `${labels[right]} named ${labels[named]}: ${count}` }
          : {}),
      }),
      ...(isLabelled
        ? [
            text(shown, {
              x: 'named',
              y: 'right',
              text: 'count',
              fill: ({ share }: Cell) => (share > 0.5 ? 'var(--back)' : 'currentColor'),
            }),
          ]
        : []),
    ],
  });
}

/** A part of the pictures that a model was about as sure of. */
export interface Reliability {
  readonly lower: number;
  readonly upper: number;
  readonly images: number;
  readonly confidence: number;
  readonly accuracy: number;
}

/** How often a model is right by how sure it is, over the number of pictures in each part. */
export function reliabilityChart(bins: readonly Reliability[]): string {
  const filled = bins.filter(({ images }) => images > 0);
  const shares = {
    x: { label: 'confidence', domain: [0, 1], tickFormat: percentTick, ticks: 5 },
    width: 400,
    marginRight: 24,
  } as const;
  const right = draw('Accuracy by confidence', {
    ...shares,
    height: 300,
    marginTop: 28,
    grid: true,
    y: { label: 'right', domain: [0, 1], tickFormat: percentTick, ticks: 5 },
    marks: [
      rectY(filled, {
        x1: 'lower',
        x2: 'upper',
        y1: 0,
        y2: 'accuracy',
        inset: 0.5,
        fill: 'var(--first)',
        title: ({ images, confidence, accuracy }: Reliability) =>
          `${images} pictures, on average ${percentTick(confidence)} sure, ${percentTick(accuracy)} right`,
      }),
      line(
        [
          [0, 0],
          [1, 1],
        ],
        { stroke: 'var(--wrong)', strokeDasharray: '4 4' },
      ),
    ],
  });
  const most = Math.max(...filled.map(({ images }) => images), 1);
  const counts = draw('Pictures by confidence', {
    ...shares,
    height: 110,
    marginTop: 20,
    y: { label: 'pictures', domain: [0, most * 1.25], ticks: 2 },
    marks: [
      rectY(filled, { x1: 'lower', x2: 'upper', y1: 0, y2: 'images', inset: 0.5, fill: 'var(--second)' }),
      text(filled, {
        x: ({ lower, upper }: Reliability) => (lower + upper) / 2,
        y: 'images',
        text: ({ images }: Reliability) => String(images),
        dy: -7,
        fontSize: 9,
      }),
    ],
  });
  return right + counts;
}

/** One model's accuracy where it only answers when it is sure enough. */
export interface CoverageSeries {
  readonly name: string;
  readonly points: readonly { readonly coverage: number; readonly accuracy: number }[];
}

/** Accuracy of the answers that are given against the share of pictures that get one. */
export function coverageChart(series: readonly CoverageSeries[]): string {
  const least = Math.min(0.9, ...series.flatMap(({ points }) => points.map(({ accuracy }) => accuracy)));
  return draw(`Accuracy against coverage: ${series.map(({ name }) => name).join(', ')}`, {
    width: 400,
    height: 300,
    marginTop: 28,
    marginRight: 24,
    grid: true,
    x: { label: 'answered', domain: [0, 1], tickFormat: percentTick, ticks: 5 },
    y: { label: 'right of those', domain: [least, 1], nice: true, tickFormat: percentTick, ticks: 5 },
    marks: series.map(({ points }, index) =>
      line(points, { x: 'coverage', y: 'accuracy', stroke: seriesColour(index), strokeWidth: 2 }),
    ),
  });
}

function percentTick(share: number): string {
  return `${Number((100 * share).toFixed(1))} %`;
}
