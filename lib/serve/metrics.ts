import type { Classification } from '../classify/classifier.js';
import type { WatchResult } from '../watch/watch.js';
import { Drift } from './drift.js';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from './http.js';
import type { ServedModel } from './models.js';

/** Bounds of the latency histograms in seconds: from a network's milliseconds to a large picture on an old board. */
const SECONDS = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2, 4];

/** What `/metrics` gives Prometheus. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #drifts = new Map<string, Drift>();
  readonly #requests = this.#counter('neonsense_requests_total', 'Answers given', ['route', 'status']);
  readonly #labels = this.#counter('neonsense_predictions_total', 'Pictures by their first label', ['model', 'label']);
  readonly #rejected = this.#counter('neonsense_rejected_total', 'Pictures the model was too unsure of', ['model']);
  readonly #disagreements = this.#counter('neonsense_shadow_total', 'Pictures the second model saw too', [
    'model',
    'shadow',
    'agrees',
  ]);
  readonly #stages = new Histogram({
    name: 'neonsense_stage_seconds',
    help: 'Seconds by stage of one picture: decode, preprocess, inference',
    labelNames: ['model', 'stage'],
    buckets: SECONDS,
    registers: [this.#registry],
  });
  readonly #durations = new Histogram({
    name: 'neonsense_request_seconds',
    help: 'Seconds from the head of a request to the end of its answer',
    labelNames: ['route'],
    buckets: SECONDS,
    registers: [this.#registry],
  });

  readonly #dropped = this.#counter('neonsense_watch_dropped_total', 'Frames that came while the network worked', []);
  readonly #latency = new Histogram({
    name: 'neonsense_watch_latency_seconds',
    help: 'Seconds from the arrival of a watched frame to its result',
    buckets: SECONDS,
    registers: [this.#registry],
  });

  /** @param inFlight how many pictures are under way */
  constructor(
    models: readonly ServedModel[],
    inFlight: () => number,
    reference: Readonly<Record<string, number>> | undefined,
  ) {
    collectDefaultMetrics({ register: this.#registry });
    const info = this.#gauge('neonsense_model_info', 'Models that are served', ['model', 'precision', 'architecture']);
    const drift = this.#gauge(
      'neonsense_label_drift',
      'Population stability index of the latest 1,000 labels against the reference; above 0.25 the pictures changed',
      ['model'],
      () => {
        for (const [model, labels] of this.#drifts) {
          const index = labels.index();
          if (!Number.isNaN(index)) drift.set({ model }, index);
        }
      },
    );
    const gauge: Gauge = this.#gauge('neonsense_pictures_in_flight', 'Pictures under way', [], () =>
      gauge.set(inFlight()),
    );
    for (const { name, model } of models) {
      info.set({ model: name, precision: model.precision, architecture: model.architecture.name }, 1);
      this.#drifts.set(name, new Drift(reference));
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** In Prometheus' text format. */
  async text(): Promise<string> {
    return await this.#registry.metrics();
  }

  request(route: string, status: number, seconds: number): void {
    this.#requests.inc({ route, status: String(status) });
    this.#durations.observe({ route }, seconds);
  }

  classified(model: string, { predictions, rejected, ms }: Classification): void {
    for (const stage of ['decode', 'preprocess', 'inference'] as const) {
      this.#stages.observe({ model, stage }, ms[stage] / 1000);
    }
    this.#labelled(model, predictions[0]!.label, rejected);
  }

  /** A frame of what is watched; one that can't be read has no label. */
  watched(model: string, { predictions: [first], rejected, latencyMs, dropped }: WatchResult): void {
    this.#dropped.inc(dropped);
    this.#latency.observe(latencyMs / 1000);
    if (first !== undefined) this.#labelled(model, first.label, rejected);
  }

  #labelled(model: string, label: string, rejected: boolean): void {
    this.#labels.inc({ model, label });
    if (rejected) this.#rejected.inc({ model });
    this.#drifts.get(model)?.add(label);
  }

  shadowed(model: string, shadow: string, agrees: boolean): void {
    this.#disagreements.inc({ model, shadow, agrees: String(agrees) });
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: string[], collect?: () => void): Gauge {
    return new Gauge({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      ...(collect === undefined ? {} : { collect }),
    });
  }
}
