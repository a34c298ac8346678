import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../cli/run.js';

/** A page's text; `name` is its path below the project. */
export const page = (name: string): string => readFileSync(join(projectRoot, name), 'utf8');

/** The contents of a page's blocks of code in `language`. */
export const blocksOf = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm'))].map(([, block]) => block!);
