import type { Completed, CompletedOption, Words } from './commands.js';

/** A script for zsh: in a folder of `fpath` as `_neonsense`, or sourced after `compinit`. */
export function zshScript(commands: readonly Completed[]): string {
  const top = commands.filter(({ path }) => path.length === 1);
  return `#compdef neonsense
# Completion of neonsense for zsh.
${[...commands, help(top)].map((command) => (command.inner.length === 0 ? leaf(command) : branch(command.path, below(command, commands)))).join('\n')}
${branch([], [...top, help(top)])}
if [ "$funcstack[1]" = _neonsense ]; then _neonsense "$@"; else compdef _neonsense neonsense; fi
`;
}

const below = ({ path: [name] }: Completed, commands: readonly Completed[]): Completed[] =>
  commands.filter(({ path }) => path.length > 1 && path[0] === name);

const functionOf = (path: readonly string[]): string => ['_neonsense', ...path].join('_');

/** A command that has others below it. */
function branch(path: readonly string[], inner: readonly Completed[]): string {
  const named = inner.map((command) => ({ ...command, name: command.path.at(-1)! }));
  return `${functionOf(path)}() {
  local line state
  _arguments -C '1: :->command' '*:: :->rest'
  case $state in
    command)
      local -a commands
      commands=(${named.map(({ name, description }) => quoted(`${name}:${description}`)).join(' ')})
      _describe command commands ;;
    rest)
      case $line[1] in
${named.map(({ name, path: own }) => `        ${name}) ${functionOf(own)} ;;`).join('\n')}
      esac ;;
  esac
}`;
}

function leaf({ path, options, subject }: Completed): string {
  const specs = [...options.flatMap(specsOf), quoted(`*:argument:${action(subject)}`)];
  return `${functionOf(path)}() {
  _arguments -s \\
    ${specs.join(' \\\n    ')}
}`;
}

const help = (top: readonly Completed[]): Completed => ({
  path: ['help'],
  description: 'print help for a command',
  options: [],
  subject: { known: top.map(({ path }) => path[0]!), files: false },
  inner: [],
});

/** A spec for each name; once one is there, none is offered again unless it may be repeated. */
function specsOf({ names, description, value }: CompletedOption): string[] {
  const once = description.includes('may be repeated') ? '*' : `(${names.join(' ')})`;
  const said = description.replaceAll(/[[\]:\\]/g, '\\$&');
  return names.map((name) => {
    if (value === undefined) return quoted(`${once}${name}[${said}]`);
    return quoted(`${once}${name}${name.startsWith('--') ? '=' : '+'}[${said}]:value:${action(value)}`);
  });
}

function action({ known, files }: Words): string {
  if (files) return known.length === 0 ? '_files' : `{compadd -- ${known.join(' ')}; _files}`;
  return known.length === 0 ? ' ' : `(${known.join(' ')})`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
