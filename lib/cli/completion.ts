import { Argument, type Command, type Option } from 'commander';
import { PRESETS } from '../model/preprocessing.js';
import { shippedNames } from '../shipped/readModel.js';
import { bashScript } from './completion/bash.js';
import type { Completed, CompletedOption, Words } from './completion/commands.js';
import { fishScript } from './completion/fish.js';
import { zshScript } from './completion/zsh.js';

/** It completes all commands. */
export const knowsAll = true;

const SHELLS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/**
 * Adds `neonsense completion SHELL`. The scripts know all words themselves: a shell that asked us at each Tab would wait for
 * Node to start, on a Raspberry Pi for a second.
 */
export function register(program: Command): void {
  program
    .command('completion')
    .description('print what lets a shell complete commands, options and their values')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SHELLS)))
    .addHelpText(
      'after',
      `
Once, for the shells to come:
  neonsense completion bash > ~/.local/share/bash-completion/completions/neonsense
  neonsense completion zsh > "\${fpath[1]}/_neonsense"
  neonsense completion fish > ~/.config/fish/completions/neonsense.fish
For this shell alone: source <(neonsense completion bash). Commands must begin with neonsense, not with npx.`,
    )
    .action((shell: keyof typeof SHELLS) => {
      process.stdout.write(SHELLS[shell](commandsOf(program)));
    });
}

/** All commands that a command line can name, with their subcommands as `ab report`. */
function commandsOf(program: Command): Completed[] {
  const list = (command: Command, path: readonly string[]): Completed[] => [
    {
      path,
      description: command.description(),
      options: command.createHelp().visibleOptions(command).map(optionOf),
      subject: subjectOf(command),
      inner: command.commands.map((inner) => inner.name()),
    },
    ...command.commands.flatMap((inner) => list(inner, [...path, inner.name()])),
  ];
  return program.commands.flatMap((command) => list(command, [command.name()]));
}

function optionOf({ short, long, description, flags, argChoices, required, optional }: Option): CompletedOption {
  const placeholder = /[<[]([^>\]]+)[>\]]/.exec(flags)?.[1] ?? '';
  return {
    names: [short, long].filter((name) => name !== undefined && name !== null) as string[],
    description,
    value: required || optional ? wordsFor(placeholder, argChoices) : undefined,
  };
}

/** What the text between an option's angle brackets says of its value. */
function wordsFor(placeholder: string, choices: readonly string[] | undefined): Words {
  if (choices !== undefined) return { known: choices, files: false };
  if (placeholder === 'model') return { known: ['auto', ...shippedNames()], files: true };
  if (placeholder === 'preset') return { known: Object.keys(PRESETS), files: true };
  return { known: [], files: ['file', 'folder', 'path', 'data'].includes(placeholder) };
}

/** Commands work on files, on models that may have names of their own, or on what can be chosen from. */
function subjectOf({ registeredArguments }: Command): Words {
  const [first] = registeredArguments;
  if (first?.argChoices !== undefined) return { known: first.argChoices, files: false };
  const known = first?.name() === 'model' ? shippedNames() : first?.name() === 'source' ? ['camera'] : [];
  return { known, files: first !== undefined };
}
