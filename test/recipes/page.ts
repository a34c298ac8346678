// What docs/recipes.md says, a recipe a section.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../cli/run.js';

export interface Recipe {
  readonly title: string;
  readonly name: string;
  /** Where its files lie in the repository. */
  readonly folder: string;
  /** The files it shows, by name. */
  readonly files: ReadonlyMap<string, string>;
  /** Its commands, in order. */
  readonly commands: readonly string[];
  /** Packages it installs, in the versions tried. */
  readonly dependencies: Readonly<Record<string, string>>;
}

const CODE = /^```(\w+)\n([^]*?)^```$/gm;
/** A line that ends with the name of the file the next block shows. */
const FILE_NAME = /`([\w.[\]/-]+)`:\n\n$/;

/** Sections that link to a folder of examples/recipes/ are recipes. */
export function recipes(): Recipe[] {
  const text = readFileSync(join(projectRoot, 'docs/recipes.md'), 'utf8');
  return text.split(/^## /m).flatMap((section) => {
    const name = /\(\.\.\/examples\/recipes\/([\w-]+)\)/.exec(section)?.[1];
    if (name === undefined) return [];
    const folder = join(projectRoot, 'examples/recipes', name);
    const files = new Map<string, string>();
    const commands: string[] = [];
    for (const { index, 1: language, 2: code } of section.matchAll(CODE)) {
      const file = FILE_NAME.exec(section.slice(0, index))?.[1];
      if (language === 'sh') commands.push(...code!.replaceAll('\\\n', ' ').trimEnd().split('\n'));
      else if (file !== undefined) files.set(file, code!);
      else throw new Error(`${name}: a block of ${language} without the name of its file before it`);
    }
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const title = section.split('\n', 1)[0]!;
    return [{ title, name, folder, files, commands, dependencies: manifest.dependencies }];
  });
}
