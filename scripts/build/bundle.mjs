#!/usr/bin/env node
// Bundles lib/ into dist/: one file for the library, one for the command line, one for the benchmark's child processes,
// and chunks for what each loads only when it is needed. Loading forty small modules took longer than loading and
// running a model. `tsc` writes the types to dist/types before or after.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { build, transform } from 'esbuild';

/** Files of this build, by path below the project. */
const written = new Set();

function write(file, content) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  written.add(file);
}

/** A package's JavaScript is a quarter of it less so. Names stay, and lines are short enough for a stack trace to help. */
const compact = { minifyWhitespace: true, minifySyntax: true, lineLimit: 160 };

/** Packages of which code is in the bundles. */
const bundled = new Set();

function noteBundled({ inputs }) {
  for (const input of Object.keys(inputs)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (name !== undefined) bundled.add(name);
  }
}

const common = {
  ...compact,
  outdir: 'dist',
  outbase: 'lib',
  splitting: true,
  bundle: true,
  write: false,
  metafile: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  // What is pure JavaScript is bundled, so that an installation fetches nothing else. sharp has binaries of its own.
  external: ['sharp'],
  // So that paths in the output are the same in a copy whose node_modules is a link.
  preserveSymlinks: true,
  logLevel: 'warning',
};

/**
 * Lets every entry and every part that is loaded late import `base` first. esbuild puts code into one chunk for each
 * set of entries and late parts that share it; this way all of what `base` needs is shared by all, and so is one chunk
 * instead of one for each combination. A plain classify then reads three files instead of twenty.
 */
function onTopOf(base) {
  const file = resolve(base);
  return {
    name: 'on-top-of',
    setup({ onLoad }) {
      const late = new Set(library.slice(1).map((entry) => resolve(`lib/${entry}.ts`)));
      for (const entry of readdirSync('lib', { recursive: true, withFileTypes: true })) {
        const importer = join(entry.parentPath ?? entry.path, entry.name);
        if (!entry.isFile() || !importer.endsWith('.ts')) continue;
        for (const [, path] of readFileSync(importer, 'utf8').matchAll(/\bimport\('(\.[^']+)\.js'\)/g)) {
          late.add(resolve(dirname(importer), `${path}.ts`));
        }
      }
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (!late.has(path)) return undefined;
        return { loader: 'ts', contents: `import ${JSON.stringify(file)};\n${readFileSync(path, 'utf8')}` };
      });
    },
  };
}

/**
 * What serving rests on, and what draws, are each one file that the library and the command line share, beside the chunks
 * of both.
 */
const apart = {
  name: 'apart',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/(http|plots)\.js$/ }, ({ path }) => ({
      path: path.replace(/js$/, 'cjs'),
      external: true,
    }));
  },
};

/** Fastify's compilers of JSON schemas, which it asks for only when it is given none (lib/serve/http.ts). */
const withoutSchemaCompilers = {
  name: 'without-schema-compilers',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@fastify\/(ajv|fast-json-stringify)-compiler$/ }, ({ path }) => ({
      path,
      namespace: 'left-out',
    }));
    onLoad({ filter: /./, namespace: 'left-out' }, () => ({ contents: '' }));
  },
};
for (const [name, source] of Object.entries({ http: 'lib/serve/http.ts', plots: 'lib/report/plots.ts' })) {
  const { outputFiles, metafile } = await build({
    ...common,
    // Only other packages are in it: short names save 300 kB, longer lines 5.
    minifyIdentifiers: true,
    lineLimit: 1000,
    plugins: [withoutSchemaCompilers],
    entryPoints: [source],
    format: 'cjs',
    splitting: false,
    supported: { 'dynamic-import': false },
  });
  noteBundled(metafile);
  write(`dist/chunks/${name}.cjs`, outputFiles[0].text);
}

// The library exists once, as CommonJS, and the ES modules hand on what it exports. Two copies would be two classes of
// each name, and an error thrown by one no `instanceof` the other's. Its two entries share their chunks for the same
// reason.
const library = ['index', 'entries/compress', 'entries/evaluate', 'entries/learn', 'entries/serve'];
const { outputFiles, metafile } = await build({
  ...common,
  plugins: [onTopOf('lib/index.ts'), apart],
  entryPoints: library.map((entry) => `lib/${entry}.ts`),
  outExtension: { '.js': '.cjs' },
  chunkNames: 'chunks/[name]-[hash]',
});
noteBundled(metafile);
for (const { path, text } of outputFiles) write(relative('.', path), traceable(await asCommonJs(text), path));
for (const entry of library) {
  const { exports } = metafile.outputs[`dist/${entry}.cjs`];
  const file = entry.split('/').at(-1);
  // createRequire, not `export ... from`: to find a CommonJS file's names Node would have to scan all of it first. In a
  // variable called require, which is all that tools follow that trace files.
  write(
    `dist/${entry}.js`,
    `import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
export const { ${exports.join(', ')} } = require('./${file}.cjs');
`,
  );
  // Types exist once as well, for the same reason.
  const types = relative(dirname(entry), `types/${entry}`).replace(/^(?!\.)/, './');
  write(`dist/${entry}.d.ts`, `export * from '${types}.js';\n`);
}
// The declarations are those of the CommonJS files; an ES module may import them too.
write('dist/types/package.json', '{ "type": "commonjs" }\n');

// The programs share their chunks: a benchmark's process runs much of what the command line runs.
{
  const { outputFiles, metafile } = await build({
    ...common,
    // Nobody reads their stacks but to report a fault: short names and long lines save 150 kB.
    minifyIdentifiers: true,
    lineLimit: 1000,
    plugins: [apart],
    entryPoints: ['lib/cli/main.ts', 'lib/bench/trial.ts'],
    chunkNames: 'chunks/program-[hash]',
  });
  noteBundled(metafile);
  for (const { path, text } of outputFiles) write(relative('.', path), withRequire(text));
}

// The live page of `serve` is what it is; browsers read it.
for (const file of readdirSync('lib/serve/page')) write(`dist/page/${file}`, readFileSync(`lib/serve/page/${file}`));
// What the programs in scripts/ use, in one file that is not published.
{
  const { outputFiles } = await build({
    ...common,
    entryPoints: ['lib/internal.ts'],
    outExtension: { '.js': '.cjs' },
    splitting: false,
  });
  write('dist/internal.cjs', await asCommonJs(outputFiles[0].text));
}

write('dist/bundled.txt', bundledPackages([...bundled].sort()));

// Names of chunks carry a hash of their content, so an earlier build's would stay beside the new ones. They go last:
// a program that is running meanwhile finds its files.
for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath ?? entry.path, entry.name);
  if (entry.isFile() && !file.startsWith('dist/types/') && !written.has(file)) rmSync(file);
}

/** Says whose code is in the bundles, which carry no comments. */
function bundledPackages(names) {
  const lines = names.map((name) => {
    const { version, license } = JSON.parse(readFileSync(join('node_modules', name, 'package.json'), 'utf8'));
    return `${name} ${version}, ${license}: ${licenceOf(name, license)}`;
  });
  return ['The JavaScript in this folder contains code of', ...lines, ''].join('\n');
}

/** Where the package carries the licence of a bundled package: with the others, or copied as it came. */
function licenceOf(name, license) {
  const own = `third_party/licenses/${name}`;
  if (existsSync(own)) return own;
  const folder = join('node_modules', name);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.\w+)?$/i.test(entry));
  const copy = `dist/licenses/${name}.txt`;
  write(copy, file === undefined ? `${name}: ${license}\n` : readFileSync(join(folder, file)));
  return copy;
}

/** One of esbuild's ES modules as CommonJS, with its place on the disk where it asks for it. */
async function asCommonJs(text) {
  const { code } = await transform(text, {
    ...compact,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    define: { 'import.meta.url': 'ownUrl' },
    // `import()` fails in CommonJS that was compiled without a way to load ES modules, as Jest and vm pools do it; it
    // takes the ES modules of a package that has both, which older Nodes may not parse; and Node remembers a failure.
    supported: { 'dynamic-import': false },
  });
  return code.includes('ownUrl') ? `const ownUrl = require('node:url').pathToFileURL(__filename).href;\n${code}` : code;
}

/**
 * Names models and binaries in code that asks where it lies, in a function that nobody calls. What copies a program's
 * files by reading its code (Next.js' standalone output, Vercel, Nitro) understands `join(__dirname, ...)`, and not how
 * they are found at run time.
 */
function traceable(code, path) {
  if (!code.includes('ownUrl')) return code;
  const root = relative(dirname(path), '.');
  const files = ['models', 'prebuilds', 'package.json'].map((name) => `join(__dirname,"${root}/${name}")`);
  return `${code}function traced(){const{join}=require("node:path");return[${files}]}\n`;
}

/**
 * A bundled CommonJS package asks for Node's modules by `require`, which an ES module does not have by itself; and what
 * stays outside is required in the programs as in the library.
 */
function withRequire(text) {
  const required = text.replace(
    /\bimport\("sharp"\)/g,
    'Promise.resolve().then(() => ({ default: require("sharp") }))',
  );
  if (required === text && !text.includes('Dynamic require of')) return text;
  const [, shebang, rest] = /^(#!.*\n)?([^]*)$/.exec(required);
  return `${shebang ?? ''}import { createRequire as makeRequire } from 'node:module';
const require = makeRequire(import.meta.url);
${rest}`;
}
