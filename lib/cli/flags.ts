import type { Command } from 'commander';

/** What has another name on the command line than in the library. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  labels: 'classes',
  preprocessing: 'preprocess',
  variant: 'model',
  labelsFile: 'labels',
  format: 'pixelFormat',
};

/**
 * A library's message in the words of the command that ran: `options.topK` becomes `--top-k`, and so does `topK` where
 * the command has such an option.
 */
export function asFlags(message: string, command: Command | undefined): string {
  const known = new Map((command?.options ?? []).map((option) => [option.attributeName(), option.long]));
  return message.replaceAll(/`(options\.)?(\w+)`/g, (quoted: string, isOption: string | undefined, name: string) => {
    const other = OTHER_NAMES[name];
    // The library's `labels` are the command line's classes, also where that has labels of its own.
    const flag = (other === undefined ? undefined : known.get(other)) ?? known.get(name);
    if (flag !== undefined && flag !== null) return `\`${flag}\``;
    return isOption === undefined
      ? quoted
      : `\`--${(other ?? name).replaceAll(/[A-Z]/g, (upper) => `-${upper.toLowerCase()}`)}\``;
  });
}
