import { imageSource } from '../image/source.js';
import type { Model, Preprocessing } from '../model/model.js';
import { preprocess } from '../runtime/preprocess.js';
import { createSession, type Session } from '../runtime/session.js';
import type { ImageInput } from './classifier.js';

/**
 * Feature vectors of pictures: what the classifier reads, before it. Pictures that look alike have vectors whose scalar
 * product is near 1. Dispose it, or declare it with `await using`.
 */
export class Embedder implements AsyncDisposable {
  /** Length of a vector. */
  readonly width: number;
  readonly #preprocessing: Preprocessing;
  readonly #session: Session;

  private constructor(model: Model, session: Session) {
    this.#preprocessing = model.preprocessing;
    this.#session = session;
    this.width = model.architecture.last;
  }

  /**
   * @param options.threads as for `createSession`
   * @param options.consume as for `createSession`
   * @throws {NeonsenseError} what `createSession` throws for the model, the addon and the machine
   */
  static async create(
    model: Model,
    options: { readonly threads?: number; readonly consume?: boolean } = {},
  ): Promise<Embedder> {
    return new Embedder(model, await createSession(model, { ...options, outputs: ['pool'] }));
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
    const tensor = await this.#tensorOf(image, signal);
    return unitLength(await this.#session.run(tensor, signal === undefined ? {} : { signal }));
  }

  async dispose(): Promise<void> {
    await this.#session.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #tensorOf(image: ImageInput, signal: AbortSignal | undefined): Promise<Float32Array> {
    const { encoded, pixels } = { encoded: '', ...(await imageSource(image, 'image')) };
    if (pixels !== undefined) return preprocess(pixels, this.#preprocessing);
    const { decodeImage } = await import('../image/decode.js');
    return preprocess(await decodeImage(encoded, { signal }), this.#preprocessing);
  }
}

/** `vector` divided by its length; a vector of zeros stays one. */
function unitLength(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return length === 0 ? vector : vector.map((x) => x / length);
}
