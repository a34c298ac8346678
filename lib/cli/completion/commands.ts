/** What may follow: words that are known, and files. */
export interface Words {
  readonly known: readonly string[];
  readonly files: boolean;
}

/** One option of a command. */
export interface CompletedOption {
  /** `-m`, `--model`. */
  readonly names: readonly string[];
  readonly description: string;
  /** What its value may be; absent where it has none. */
  readonly value?: Words | undefined;
}

/** One command as a shell is told of it. */
export interface Completed {
  /** What stands after the program's name: `['ab', 'report']`. */
  readonly path: readonly string[];
  readonly description: string;
  readonly options: readonly CompletedOption[];
  /** What its arguments may be. */
  readonly subject: Words;
  /** Names of the commands below it. */
  readonly inner: readonly string[];
}
