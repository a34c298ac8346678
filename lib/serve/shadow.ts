import { createHash } from 'node:crypto';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Classification } from '../classify/classifier.js';
import type { ServedModel } from './models.js';

export interface ShadowOptions {
  /** Share of the pictures that the second model sees too, above 0 to 1. */
  readonly share: number;
  /** File that every comparison is appended to, a JSON line each; see {@link ShadowRecord}. */
  readonly log?: string | undefined;
  /** Folder for the pictures on which the two disagree. */
  readonly keep?: string | undefined;
}

/** One picture seen by both models. */
export interface ShadowRecord {
  /** ISO 8601. */
  readonly time: string;
  readonly model: string;
  readonly shadow: string;
  readonly agrees: boolean;
  readonly answers: readonly [first: ShadowAnswer, second: ShadowAnswer];
  /** The picture's file in the folder given, when the two disagree. */
  readonly kept?: string;
}

export interface ShadowAnswer {
  readonly label: string;
  readonly probability: number;
  readonly rejected: boolean;
  /** Milliseconds in the network. */
  readonly ms: number;
}

/** Comparisons that may wait; beyond it pictures are not compared, so that the second model never holds up the first. */
const MOST_WAITING = 4;

/** The second model of an A/B test: it sees a share of the pictures, after they were answered, and its answers are counted. */
export class Shadow {
  readonly model: ServedModel;
  readonly #share: number;
  readonly #log: string | undefined;
  readonly #keep: string | undefined;
  readonly #onRecord: (record: ShadowRecord) => void;
  readonly #onError: (error: unknown) => void;
  #owed = 0;
  #waiting = 0;
  #work: Promise<void> = Promise.resolve();

  constructor(
    model: ServedModel,
    { share, log, keep }: ShadowOptions,
    on: { readonly record: (record: ShadowRecord) => void; readonly error: (error: unknown) => void },
  ) {
    this.model = model;
    this.#share = share;
    this.#log = log;
    this.#keep = keep;
    this.#onRecord = on.record;
    this.#onError = on.error;
  }

  /** Takes `picture` when it is its turn: of 10 pictures every tenth at a share of 0.1. Does not wait. */
  offer(picture: Uint8Array, first: string, answer: Classification): void {
    this.#owed += this.#share;
    // Ten tenths are a little less than 1.
    if (this.#owed < 1 - 1e-9) return;
    this.#owed--;
    if (this.#waiting >= MOST_WAITING) return;
    this.#waiting++;
    this.#work = this.#work
      .then(() => this.#compare(picture, first, answer))
      .catch(this.#onError)
      .finally(() => {
        this.#waiting--;
      });
  }

  /** Waits for what was taken. */
  async drained(): Promise<void> {
    await this.#work;
  }

  async #compare(picture: Uint8Array, first: string, answer: Classification): Promise<void> {
    const second = await this.model.classifier.classify(picture, { topK: 1 });
    const answers = [shortened(answer), shortened(second)] as const;
    const agrees = answers[0].label === answers[1].label && answers[0].rejected === answers[1].rejected;
    const kept = agrees ? undefined : await this.#keepPicture(picture);
    const record: ShadowRecord = {
      time: new Date().toISOString(),
      model: first,
      shadow: this.model.name,
      agrees,
      answers,
      ...(kept === undefined ? {} : { kept }),
    };
    this.#onRecord(record);
    if (this.#log !== undefined) await appendFile(this.#log, `${JSON.stringify(record)}\n`);
  }

  /** By content, so that a picture sent twice is kept once. */
  async #keepPicture(picture: Uint8Array): Promise<string | undefined> {
    if (this.#keep === undefined) return undefined;
    await mkdir(this.#keep, { recursive: true });
    const file = join(this.#keep, createHash('sha256').update(picture).digest('hex').slice(0, 32));
    await writeFile(file, picture);
    return file;
  }
}

function shortened({ predictions, rejected, ms }: Classification): ShadowAnswer {
  const { label, probability } = predictions[0]!;
  return { label, probability, rejected, ms: ms.inference };
}
