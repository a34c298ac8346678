/** Options that had another name before all commands had the same ones. */
const RENAMED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  compare: { '--images': '--limit' },
  compress: { '--calibrate-images': '--calibrate-limit' },
  watch: { '--format': '--pixel-format' },
};

/** A command line with options as they are called now. */
export function currentSpelling(args: readonly string[]): string[] {
  const [command = '', ...rest] = args;
  const renamed = Object.hasOwn(RENAMED, command) ? RENAMED[command]! : undefined;
  if (renamed === undefined) return [...args];
  const end = rest.indexOf('--');
  return [
    command,
    ...rest.map((arg, at) => {
      const [name = '', ...value] = arg.split('=');
      const isOption = (end < 0 || at < end) && Object.hasOwn(renamed, name);
      return isOption ? [renamed[name]!, ...value].join('=') : arg;
    }),
  ];
}
