import { type Command, CommanderError, Command as Program } from 'commander';
import { NeonsenseError } from '../errors.js';
import { machineLimit } from '../machineLimit.js';
import { packageVersion } from '../package.js';
import { asFlags } from './flags.js';
import { complain } from './notes.js';
import { currentSpelling } from './oldSpellings.js';
import { columnsOf } from './terminal.js';

/** What a command's file exports. */
export interface CommandModule {
  /** Adds the command to the program. */
  register(program: Command): void;
  /** Whether it speaks of all other commands, which are loaded then. */
  readonly knowsAll?: boolean;
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
  let ran: Command | undefined;
  try {
    const program = new Program('neonsense')
      .description('MobileNetV3-Small image classification on XNNPACK: classify, compress, measure, deploy')
      .version(packageVersion(), '-V, --version', 'print the version')
      .helpOption('-h, --help', 'print help')
      .helpCommand('help [command]', 'print help for a command')
      .configureHelp({ helpWidth: Math.min(100, columnsOf(process.stdout)) })
      .configureOutput({ outputError: (message) => complain(message.replace(/^error: /, '').trimEnd()) })
      .showSuggestionAfterError()
      .hook('preAction', (_, command) => {
        ran = command;
      })
      .exitOverride();
    for (const module of await modulesFor(commands, args[0])) module.register(program);
    forEachCommand(program, (command) => command.showHelpAfterError(seeHelp(command)));
    await program.parseAsync(currentSpelling(args), { from: 'user' });
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    const message = messageOf(error);
    if (message === undefined) return;
    complain(asFlags(message, ran));
    if (ran !== undefined && process.exitCode === WRONG_USAGE) process.stderr.write(`${seeHelp(ran)}\n`);
  }
}

/** The command that is asked for; all, where none is or where it wants them. */
async function modulesFor(commands: CommandList, name = ''): Promise<CommandModule[]> {
  const named = Object.hasOwn(commands, name) ? await commands[name]!() : undefined;
  if (named !== undefined && named.knowsAll !== true) return [named];
  return await Promise.all(Object.values(commands).map((load) => load()));
}

function forEachCommand(command: Command, act: (command: Command) => void): void {
  act(command);
  for (const inner of command.commands) forEachCommand(inner, act);
}

/** What stands below each complaint about a command line. */
function seeHelp(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
  return `See ${names.join(' ')} --help`;
}

function exitCodeOf(error: unknown): number {
  // commander has its own codes: 0 after printing help or the version that was asked for, else 1.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USAGE;
  if (!(error instanceof NeonsenseError)) return FAILED;
  if (error.code === 'ERR_INVALID_ARGUMENT') return WRONG_USAGE;
  return error.code === 'ERR_ABORTED' ? INTERRUPTED : FAILED;
}

/** What is left to say: commander has printed its errors, and who pressed Ctrl-C knows. */
function messageOf(error: unknown): string | undefined {
  if (error instanceof CommanderError) return undefined;
  if (error instanceof NeonsenseError) {
    return error.code === 'ERR_ABORTED' ? undefined : error.message;
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
      complain(`the output can't be written: ${machineLimit(error) ?? error.message}`);
    }
    process.exit(FAILED);
  });
}
