import { stat } from 'node:fs/promises';
import { sizeText } from '../text/units.js';
import { coloursOf } from './terminal.js';
import { printable } from './text.js';

/** Says something on standard error, under the one name that all we say there begins with. */
export function note(text: string): void {
  process.stderr.write(`${coloursOf(process.stderr).dim('neonsense:')} ${lines(text)}\n`);
}

/** Says what failed. */
export function complain(text: string): void {
  process.stderr.write(`${coloursOf(process.stderr).red('neonsense:')} ${lines(text)}\n`);
}

/** Says which file was written and how large it is, and what it is for where its name does not say it. */
export async function noteWritten(file: string, use = ''): Promise<void> {
  const { size } = await stat(file);
  note(`wrote ${file}, ${sizeText(size)}${use === '' ? '' : `: ${use}`}`);
}

/** Several lines may be ours; in what they quote nothing is. */
function lines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
