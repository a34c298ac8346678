import type { PooledSession, SessionPool } from '../runtime/sessionPool.js';
import type { Runner } from './runPicture.js';

/**
 * What runs the network on pictures: a session with all its threads for one that is alone, a pool of sessions of one
 * thread for several at the same time.
 */
export class Runners {
  readonly #session: PooledSession;
  /** Pictures that are worked on. */
  #inHand = 0;
  /** Made for the first of them that are not alone. */
  #pool: Promise<SessionPool> | undefined;
  #disposed = false;

  /** The session is not theirs to dispose of. */
  constructor(session: PooledSession) {
    this.#session = session;
  }

  /** Works on a picture, which counts as one in hand until that is done. `choose` says what runs it, by then. */
  async hold<T>(work: (choose: () => Promise<Runner>) => Promise<T>): Promise<T> {
    this.#inHand++;
    try {
      return await work(async () => (this.#inHand > 1 ? this.#many() : this.#session));
    } finally {
      this.#inHand--;
    }
  }

  async #many(): Promise<Runner> {
    const { another, threads } = this.#session;
    if (another === undefined || threads === 1) return this.#session;
    const { SessionPool } = await import('../runtime/sessionPool.js');
    // The session says so itself.
    if (this.#disposed) return this.#session;
    this.#pool ??= SessionPool.over(this.#session).catch((error: unknown) => {
      // There may be memory for it another time.
      this.#pool = undefined;
      throw error;
    });
    return this.#pool;
  }

  /** Waits for what the pool runs. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#pool?.then(
      (pool) => pool.dispose(),
      () => undefined,
    );
  }
}
