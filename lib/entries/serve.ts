import { invalidArgument } from '../errors.js';
import type { AbReport } from '../serve/abReport.js';
import type { Server, ServerOptions } from '../serve/options.js';

export type { AbReport, Share } from '../serve/abReport.js';
export { httpStatus } from '../serve/httpStatus.js';
export type { ServedModel } from '../serve/models.js';
export type { ListenOptions, Server, ServerOptions, Shown } from '../serve/options.js';
export type { ShadowAnswer, ShadowOptions, ShadowRecord } from '../serve/shadow.js';
export type { Region } from '../watch/route.js';
export type { WatchOptions, WatchResult } from '../watch/watch.js';
export { watch } from '../watch/watch.js';

/**
 * Loads the models and makes a server of them: the Open Inference Protocol v2 under `/v2`, pictures under
 * `/v1/classify`, the live page at `/`, `/metrics`, `/openapi.json`. What `neonsense serve` starts.
 *
 * @throws {NeonsenseError} `ERR_NOT_FOUND` for models that are not there, `ERR_INVALID_ARGUMENT`, `ERR_UNSUPPORTED` for a
 * network without classes, what `readModel` and `createSession` throw
 */
export async function createServer(options: ServerOptions = {}): Promise<Server> {
  const { createServer: create } = await import('../serve/server.js');
  return await create(options);
}

/**
 * How two models differ on the pictures that both saw: reads the log that a server with `shadow.log` writes.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`, `ERR_NOT_FOUND`, `ERR_IO`; `ERR_DATASET` for a file without a record
 */
export async function abReport(file: string): Promise<AbReport> {
  if (typeof file !== 'string') throw invalidArgument('file', 'a path', file);
  const { abReport: report } = await import('../serve/abReport.js');
  return await report(file);
}
