import { type Command, CommanderError, Command as Program } from 'commander';
import { NeonsenseError } from '../errors.js';
import { machineLimit } from '../machineLimit.js';
import { packageVersion } from '../package.js';
import { printable } from './text.js';

/** What a command's file exports. */
export interface CommandModule {
  /** Adds the command to the program. */
  register(program: Command): void;
}

/** Loads each command's file by the command's name, so that only the one asked for is paid for. */
export type CommandList = Readonly<Record<string, () => Promise<CommandModule>>>;

/**
 * Exit codes: 0 done; 1 it was tried and failed, wholly or in part; 2 the command line is wrong; 130 interrupted by
 * Ctrl-C.
 */
const FAILED = 1;
const WRONG_USAGE = 2;
export const INTERRUPTED = 130;

/**
 * Runs the command line. A command reports failure by throwing, or by setting `process.exitCode` where it goes on
 * after a failure; one that throws the abort error was interrupted.
 *
 * @param args Without node and the script: `process.argv.slice(2)`.
 */
export async function runProgram(commands: CommandList, args: readonly string[]): Promise<void> {
  endWhenClosed(process.stdout);
  endWhenClosed(process.stderr);
  const named = commands[args[0] ?? ''];
  const loaders = named !== undefined && Object.hasOwn(commands, args[0] ?? '') ? [named] : Object.values(commands);
  try {
    const program = new Program('neonsense')
      .description('MobileNetV3-Small image classification on XNNPACK: classify, compress, measure, deploy')
      .version(packageVersion(), '-V, --version', 'print the version')
      .helpOption('-h, --help', 'print help')
      .helpCommand('help [command]', 'print help for a command')
      .configureHelp({ helpWidth: 100 })
      .showSuggestionAfterError()
      .exitOverride();
    for (const command of await Promise.all(loaders.map((load) => load()))) command.register(program);
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    const message = messageOf(error);
    if (message !== undefined) process.stderr.write(`neonsense: ${message}\n`);
  }
}

function exitCodeOf(error: unknown): number {
  // commander has its own codes: 0 after printing help or the version that was asked for, else 1.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USAGE;
  if (!(error instanceof NeonsenseError)) return FAILED;
  if (error.code === 'ERR_INVALID_ARGUMENT') return WRONG_USAGE;
  return error.code === 'ERR_ABORTED' ? INTERRUPTED : FAILED;
}

/** Options that have another name on the command line than in the library. */
const FLAGS: Readonly<Record<string, string>> = { labels: 'classes', preprocessing: 'preprocess' };

/** A message with the library's options, such as `options.topK`, as who typed a command knows them: `--top-k`. */
function asFlags(message: string): string {
  return message.replaceAll(/`options\.(\w+)`/g, (_, name: string) => {
    return `\`--${(FLAGS[name] ?? name).replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}\``;
  });
}

/** What is left to say: commander has printed its errors, and who pressed Ctrl-C knows. */
function messageOf(error: unknown): string | undefined {
  if (error instanceof CommanderError) return undefined;
  if (error instanceof NeonsenseError) {
    return error.code === 'ERR_ABORTED' ? undefined : asFlags(error.message).split('\n').map(printable).join('\n');
  }
  const limit = machineLimit(error);
  if (limit !== undefined) return limit;
  // Not foreseen, so a mistake of ours: the stack is what a bug report needs.
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/**
 * `neonsense ... | head` closes our output early, which is no error: there is just nobody left to write to. What else keeps
 * us from writing, such as a full disk, is one, and nothing that is still computed could be told.
 */
function endWhenClosed(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    if (stream === process.stdout) {
      process.stderr.write(
        `neonsense: the output can't be written: ${machineLimit(error) ?? printable(error.message)}\n`,
      );
    }
    process.exit(FAILED);
  });
}
