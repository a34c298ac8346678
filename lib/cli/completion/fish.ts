import type { Completed, CompletedOption, Words } from './commands.js';

/** A script for fish from 3.0 on. */
export function fishScript(commands: readonly Completed[]): string {
  return `# Completion of neonsense for fish: put it into ~/.config/fish/completions/neonsense.fish
# Whether the words behind the program's name begin with these.
function __neonsense_at
    set -l words (commandline -opc)
    test (count $words) -gt (count $argv); or return 1
    for i in (seq (count $argv))
        test $words[(math $i + 1)] = $argv[$i]; or return 1
    end
end
# Whether they are these and no more.
function __neonsense_after
    test (count (commandline -opc)) -eq (math (count $argv) + 1); and __neonsense_at $argv
end
complete -c neonsense -f
${[...commands.flatMap(lines), line('__neonsense_after', `-a help -d ${quoted('print help for a command')}`), line('__neonsense_after help', `-a ${quoted(namesOf(commands))}`)].join('\n')}
`;
}

const namesOf = (commands: readonly Completed[]): string =>
  commands
    .filter(({ path }) => path.length === 1)
    .map(({ path }) => path[0])
    .join(' ');

function lines({ path, description, options, subject, inner }: Completed): string[] {
  const own = line(
    ['__neonsense_after', ...path.slice(0, -1)].join(' '),
    `-a ${path.at(-1)} -d ${quoted(description)}`,
  );
  if (inner.length > 0) return [own];
  const here = ['__neonsense_at', ...path].join(' ');
  const words = subject.files || subject.known.length > 0 ? [line(here, argument(subject))] : [];
  return [own, ...words, ...options.map((option) => line(here, optionText(option)))];
}

const line = (condition: string, rest: string): string => `complete -c neonsense -n ${quoted(condition)} ${rest}`;

function argument({ known, files }: Words): string {
  return [...(files ? ['-F'] : []), ...(known.length === 0 ? [] : [`-a ${quoted(known.join(' '))}`])].join(' ');
}

function optionText({ names, description, value }: CompletedOption): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const words = value === undefined ? '' : ` ${value.files ? '-r' : '-x'} ${argument(value)}`.trimEnd();
  return `${flags.join(' ')}${words} -d ${quoted(description)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
}
