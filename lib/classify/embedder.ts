import type { ImageInput } from '../image/source.js';
import type { Model } from '../model/model.js';
import { createSession, type Session } from '../runtime/session.js';
import { Runners } from './runners.js';
import { type Decoding, fastDecoding, runPicture } from './runPicture.js';

/**
 * Feature vectors of pictures: what the classifier reads, before it. Pictures that look alike have vectors whose scalar
 * product is near 1. Dispose it, or declare it with `await using`.
 */
export class Embedder implements AsyncDisposable {
  /** Length of a vector. */
  readonly width: number;
  readonly #decoding: Decoding;
  readonly #session: Session;
  readonly #runners: Runners;

  private constructor(model: Model, session: Session, decoding: Decoding) {
    this.#decoding = decoding;
    this.#session = session;
    this.#runners = new Runners(session);
    this.width = model.architecture.last;
  }

  /**
   * @param options.threads as for `createSession`
   * @param options.consume as for `createSession`
   * @param options.decoding how picture files are decoded; default: no more than the model can tell apart
   * @throws {NeonsenseError} what `createSession` throws for the model, the addon and the machine
   */
  static async create(
    model: Model,
    {
      decoding,
      ...options
    }: { readonly threads?: number; readonly consume?: boolean; readonly decoding?: Decoding } = {},
  ): Promise<Embedder> {
    const session = await createSession(model, { ...options, outputs: ['pool'] });
    return new Embedder(model, session, decoding ?? fastDecoding(model.preprocessing));
  }

  /**
   * The features of one picture, divided by their length: `[width]` numbers whose squares sum to 1.
   *
   * @throws {NeonsenseError} as `Classifier.classify` does for the picture
   */
  async embed(
    image: ImageInput,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Float32Array> {
    const { result } = await this.#runners.hold((choose) => runPicture(image, 'image', this.#decoding, signal, choose));
    return unitLength(result.output);
  }

  async dispose(): Promise<void> {
    await Promise.all([this.#session.dispose(), this.#runners.dispose()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/** `vector` divided by its length; a vector of zeros stays one. */
function unitLength(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return length === 0 ? vector : vector.map((x) => x / length);
}
