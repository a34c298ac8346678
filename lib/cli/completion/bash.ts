import type { Completed, Words } from './commands.js';

/** A script for bash from 3.2 on, which macOS still has. */
export function bashScript(commands: readonly Completed[]): string {
  const top = commands.filter(({ path }) => path.length === 1).map(({ path }) => path[0]!);
  const nested = commands.filter(({ inner }) => inner.length > 0);
  return `# Completion of neonsense for bash: source it, or put it into ~/.local/share/bash-completion/completions/neonsense
_neonsense() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} path=\${COMP_WORDS[1]}
  local known= files= options= IFS=$' \\t\\n'
  COMPREPLY=()
  # bash takes --decode=fast apart at the sign.
  if [ "$cur" = = ]; then cur=
  elif [ "$prev" = = ]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${[...top, 'help', '--help', '--version'].join(' ')}" -- "$cur"))
    return
  fi
  case $path in
${nested.map(({ path, inner }) => `    ${path.join(' ')}) if [ "$COMP_CWORD" -eq 2 ]; then known="${inner.join(' ')}"; else path="$path \${COMP_WORDS[2]}"; fi ;;`).join('\n')}
    help) known="${top.join(' ')}" ;;
  esac
  case $path in
${commands
  .filter(({ inner }) => inner.length === 0)
  .map(branch)
  .join('\n')}
  esac
  case $cur in -*) known=$options files= ;; esac
  COMPREPLY=($(compgen -W "$known" -- "$cur"))
  if [ -n "$files" ]; then
    compopt -o filenames 2>/dev/null
    IFS=$'\\n'
    COMPREPLY+=($(compgen -f -- "$cur"))
  fi
}
complete -o nosort -F _neonsense neonsense 2>/dev/null || complete -o filenames -F _neonsense neonsense
`;
}

function branch({ path, options, subject }: Completed): string {
  const values = options
    .filter(({ value }) => value !== undefined)
    .map(({ names, value }) => `        ${names.join('|')}) ${set(value!)} ;;`);
  const names = options.flatMap((option) => option.names).join(' ');
  const pattern = path.length === 1 ? path[0]! : `"${path.join(' ')}"`;
  return `    ${pattern})
      options="${names}"
      case $prev in
${[...values, `        *) ${set(subject)} ;;`].join('\n')}
      esac ;;`;
}

function set({ known, files }: Words): string {
  return `known="${known.join(' ')}" files=${files ? 1 : ''}`;
}
