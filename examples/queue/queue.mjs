// What producer and workers agree on.

/** Pictures of one job: few enough that a lost one is soon done again, enough that the queue costs little. */
export const PICTURES_A_JOB = 50;

export const QUEUE = 'pictures';

/** Where Redis is: REDIS_URL, or this machine. */
export function connection() {
  const { hostname, port } = new URL(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
  return { host: hostname, port: Number(port || 6379), maxRetriesPerRequest: null };
}
