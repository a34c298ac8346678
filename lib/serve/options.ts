import type { ReadModelOptions } from '../model/files.js';
import type { WatchResult } from '../watch/watch.js';
import type { ServedModel } from './models.js';
import type { ShadowOptions } from './shadow.js';

export interface ServerOptions {
  /**
   * Model files and folders of them; the first model answers when a request names none. Default: the household model for
   * this machine.
   */
  readonly models?: readonly string[] | undefined;
  /** What the models do not say themselves. */
  readonly reading?: ReadModelOptions | undefined;
  /** Threads of each model's session. Default: the session's own. */
  readonly threads?: number | undefined;
  /** Pictures and tensors under way at a time; more are answered with 503. Default 8. */
  readonly maxInFlight?: number | undefined;
  /** Bytes that a request may have. Default 32 MiB. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds in which a request must have come in. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** A model file that sees a share of the pictures too. */
  readonly shadow?: (ShadowOptions & { readonly model: string }) | undefined;
  /** Share of each label that drift is measured against; default: of the first 1,000 answers. */
  readonly reference?: Readonly<Record<string, number>> | undefined;
  /** What the live page shows besides, by its name: see {@link Server.watched}. */
  readonly watching?: string | undefined;
  /** A folder for what boards measure with `neonsense bench --lab`; without it nothing is taken. */
  readonly lab?: string | undefined;
  /** Structured logs on standard error, as pino writes them. Default false. */
  readonly log?: boolean | undefined;
}

export interface ListenOptions {
  /** Address to listen on; `0.0.0.0` lets other machines in. Default `127.0.0.1`. */
  readonly host?: string;
  /** 0 takes a free one. Default 8080. */
  readonly port?: number;
}

/** Where results of `watch` are shown. */
export interface Shown {
  /** Shows a result to those who look. Reads its picture before it returns, or not at all; does not wait. */
  show(result: WatchResult): void;
}

/** A server that can be listened with; closing it waits for what is under way, then frees the models. */
export interface Server extends AsyncDisposable {
  readonly models: readonly ServedModel[];
  /** Shows the results of `watch` on the live page; there with `watching`. */
  readonly watched: Shown | undefined;
  /**
   * @returns the address, `http://127.0.0.1:8080`
   * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for a port or an address that can't be had
   */
  listen(options?: ListenOptions): Promise<string>;
  close(): Promise<void>;
}
