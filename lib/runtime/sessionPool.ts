import { Allowance } from '../image/allowance.js';
import type { Frame, Pixels } from '../image/pixels.js';
import type { JpegLimits } from './binding.js';
import type { ImageRun, RunOptions, Session } from './session.js';

/** What a pool needs of a session. */
export type PooledSession = Pick<Session, 'runImage'> & Partial<Pick<Session, 'runJpeg' | 'another' | 'threads'>>;

/**
 * Sessions of one thread each for pictures that are worked on at the same time. Threads that share one picture wait for
 * each other after every layer; with a picture each they need not. Weights are packed once for all of them.
 */
export class SessionPool {
  readonly #own: readonly Session[];
  readonly #free: PooledSession[];
  readonly #turns: Allowance;
  /** Of the session it was made over. */
  readonly #threads: number;

  private constructor(own: readonly Session[], sessions: readonly PooledSession[], threads: number) {
    this.#own = own;
    this.#threads = threads;
    this.#free = [...sessions];
    this.#turns = new Allowance(sessions.length);
  }

  /**
   * As many sessions as `session` has threads; none but itself where it has one, and where its weights can't be shared.
   * It is not the pool's to dispose of.
   *
   * @throws {NeonsenseError} `ERR_NATIVE`, `ERR_DISPOSED`
   */
  static async over(session: PooledSession): Promise<SessionPool> {
    const { threads = 1 } = session;
    const own: Session[] = [];
    try {
      while (threads > 1 && own.length < threads) {
        const another = await session.another?.(1);
        if (another === undefined) break;
        own.push(another);
      }
    } catch (error) {
      await Promise.all(own.map((created) => created.dispose()));
      throw error;
    }
    return new SessionPool(own, own.length > 0 ? own : [session], threads);
  }

  /**
   * As `Session.runImage`, on the session that is free next.
   *
   * @throws {NeonsenseError} as `Session.runImage`
   */
  runImage(image: Pixels | Frame, options: RunOptions): Promise<ImageRun> {
    return this.#onFreeSession(options.signal, (session) => session.runImage(image, options));
  }

  /**
   * As `Session.runJpeg`, on the session that is free next; undefined where there is but one, of several threads: they
   * would wait while it reads, so other decoders are better.
   *
   * @throws {NeonsenseError} as `Session.runJpeg`
   */
  async runJpeg(jpeg: string | Uint8Array, limits: JpegLimits, options: RunOptions): Promise<ImageRun | undefined> {
    if (this.#own.length === 0 && this.#threads > 1) return undefined;
    return this.#onFreeSession(options.signal, async (session) => session.runJpeg?.(jpeg, limits, options));
  }

  async #onFreeSession<T>(signal: AbortSignal | undefined, work: (session: PooledSession) => Promise<T>): Promise<T> {
    const release = await this.#turns.take(1, signal);
    const session = this.#free.pop()!;
    try {
      return await work(session);
    } finally {
      this.#free.push(session);
      release();
    }
  }

  /** Waits for what runs, then frees the pool's own sessions, not the one it was made over. */
  async dispose(): Promise<void> {
    await Promise.all(this.#own.map((session) => session.dispose()));
  }
}
