import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import * as z from 'zod/mini';
import { invalidArgument, NeonsenseError } from '../errors.js';

/**
 * Measurements are kept as files of JSON lines, `BOARD/DATE.jsonl`, as in the repository's bench/results: they can be
 * read, compared and sent as they are, and no database has to run on whatever machine collects them.
 */
const FILE = /^\d{4}-\d{2}-\d{2}(-\d+)?\.jsonl$/;
const BOARD = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const LONGEST_BOARD = 60;
const MOST_ROWS = 1000;
/** Runs of one day and board, and boards: whoever reaches the port may post, and must not fill the disk. */
const MOST_RUNS = 20;
const MOST_BOARDS = 500;

const name = z.string().check(z.minLength(1), z.maxLength(200));
const positive = z.number().check(z.positive());
const rowSchema = z.looseObject({
  engine: name,
  model: name,
  precision: name,
  threads: z.int().check(z.positive()),
  batch: z.int().check(z.positive()),
  medianMs: positive,
  minMs: positive,
  imagesPerSecond: positive,
  environment: z.looseObject({ date: z.iso.datetime(), cpu: name, platform: name }),
});
const postSchema = z.object({
  board: z.string().check(z.regex(BOARD), z.maxLength(LONGEST_BOARD)),
  rows: z.array(rowSchema).check(z.minLength(1), z.maxLength(MOST_ROWS)),
});

type Row = z.infer<typeof rowSchema>;

/** The latest run of a board. */
export interface BoardResult {
  readonly board: string;
  readonly date: string;
  readonly cpu: string;
  readonly platform: string;
  readonly rows: readonly Pick<
    Row,
    'engine' | 'model' | 'precision' | 'threads' | 'batch' | 'medianMs' | 'minMs' | 'imagesPerSecond'
  >[];
}

/** Measurements of many boards in a folder. */
export class Lab {
  readonly #folder: string;
  /** One write after the other, so that two runs do not take one name. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Keeps a run.
   *
   * @returns its file, within the folder
   * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for what is no run; `ERR_UNSUPPORTED` when there are too many
   */
  async add(posted: unknown): Promise<string> {
    const { data, error } = postSchema.safeParse(posted);
    if (error !== undefined) {
      const [issue] = error.issues;
      throw invalidArgument(issue?.path.join('.') || 'body', 'what `neonsense bench --lab` sends', issue?.message);
    }
    // As they came, with all fields in their order.
    const { rows } = posted as typeof data;
    const added = this.#work.then(() => this.#write(data.board, rows));
    this.#work = added.catch(() => undefined);
    return await added;
  }

  /** The latest run of each board, by the boards' names. */
  async boards(): Promise<BoardResult[]> {
    const results: BoardResult[] = [];
    for (const board of await this.#names()) {
      const files = (await readdir(join(this.#folder, board))).filter((file) => FILE.test(file));
      const latest = files.sort(byRun).at(-1);
      if (latest === undefined) continue;
      const rows = rowsOf(await readFile(join(this.#folder, board, latest), 'utf8'));
      const [first] = rows;
      if (first === undefined) continue;
      const { date, cpu, platform } = first.environment;
      results.push({
        ...{ board, date, cpu, platform },
        rows: rows.map(({ engine, model, precision, threads, batch, medianMs, minMs, imagesPerSecond }) => ({
          ...{ engine, model, precision, threads, batch, medianMs, minMs, imagesPerSecond },
        })),
      });
    }
    return results;
  }

  async #names(): Promise<string[]> {
    const entries = await readdir(this.#folder, { withFileTypes: true }).catch(() => []);
    return entries
      .filter((entry) => entry.isDirectory() && BOARD.test(entry.name))
      .map((entry) => entry.name)
      .sort();
  }

  async #write(board: string, rows: readonly Row[]): Promise<string> {
    const known = await this.#names();
    if (!known.includes(board) && known.length >= MOST_BOARDS) throw full(`${MOST_BOARDS} boards`);
    await mkdir(join(this.#folder, board), { recursive: true });
    const day = rows[0]!.environment.date.slice(0, 10);
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    for (let run = 1; run <= MOST_RUNS; run++) {
      const file = `${day}${run === 1 ? '' : `-${run}`}.jsonl`;
      try {
        await writeFile(join(this.#folder, board, file), text, { flag: 'wx' });
        return `${board}/${file}`;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
    throw full(`${MOST_RUNS} runs of ${board} on ${day}`);
  }
}

/** Days in their order, and the runs of a day by number: `-10` comes after `-2`. */
function byRun(a: string, b: string): number {
  const day = a.slice(0, 10).localeCompare(b.slice(0, 10));
  return day !== 0 ? day : runOf(a) - runOf(b);
}

function runOf(file: string): number {
  return Number(/^\d{4}-\d{2}-\d{2}-(\d+)/.exec(file)?.[1] ?? 1);
}

/** Rows that can be read; files may come from elsewhere. */
function rowsOf(text: string): Row[] {
  return text.split('\n').flatMap((line) => {
    try {
      const row = rowSchema.safeParse(JSON.parse(line));
      return row.success ? [row.data] : [];
    } catch {
      return [];
    }
  });
}

function full(what: string): NeonsenseError {
  return new NeonsenseError('ERR_UNSUPPORTED', `The lab's folder has ${what} already; move some away`);
}

/** `POST /v1/lab` keeps what a board measured, `GET /v1/lab` shows the latest of each; without a folder there is none. */
export function registerLab(app: FastifyInstance, folder: string | undefined): void {
  const lab = folder === undefined ? undefined : new Lab(folder);
  app.get('/v1/lab', async () => ({ boards: (await lab?.boards()) ?? [] }));
  if (lab === undefined) return;
  app.post('/v1/lab', async (request, reply) => reply.code(201).send({ kept: await lab.add(request.body) }));
}
