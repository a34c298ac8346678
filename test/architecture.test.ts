// The direction of the imports in lib/ and the borders of the native code, read from the sources themselves.
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Source text by path from the project's root, with forward slashes. */
type Sources = Readonly<Record<string, string>>;

/**
 * What each room of lib/ may import besides itself: `cli -> bench, doctor, similar, entries -> learn, serve -> evaluate,
 * watch -> measure, classify -> shipped, stream -> compress, runtime -> image, plan -> model -> schema, files, numbers,
 * text -> errors`, written out. Rooms that stand side
 * by side in that line do not know each other. `index` and `entries` are the ways into the package, which re-export what
 * users get; `internal` does that for the programs in scripts/, and the package lacks it; `package` says where the package
 * lies on the disk, which only rooms that touch the disk may ask; `builtins` loads modules of Node late.
 */
const ground = ['errors', 'machineLimit', 'abort', 'builtins', 'numbers', 'text', 'files', 'schema'];
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  machineLimit: [],
  errors: ['machineLimit'],
  abort: ['errors'],
  package: [],
  builtins: [],
  numbers: ['errors'],
  text: [],
  report: ['text', 'numbers'],
  files: ['errors', 'builtins'],
  schema: ['errors', 'text'],
  model: ground,
  plan: ['model', ...ground],
  compress: ['report', 'model', ...ground],
  image: ['model', ...ground],
  runtime: ['package', 'image', 'plan', 'model', ...ground],
  shipped: ['package', 'compress', 'image', 'runtime', 'model', ...ground],
  classify: ['stream', 'shipped', 'compress', 'image', 'runtime', 'model', ...ground],
  measure: ['compress', 'image', 'runtime', 'plan', 'model', ...ground],
  evaluate: ['report', 'measure', 'classify', 'shipped', 'compress', 'image', 'runtime', 'model', ...ground],
  stream: ground,
  watch: ['stream', 'classify', 'image', 'model', ...ground],
  serve: ['package', 'text', 'watch', 'stream', 'classify', 'shipped', 'image', 'runtime', 'model', ...ground],
  similar: ['text', ...ground],
  learn: ['evaluate', 'classify', 'shipped', 'compress', 'image', 'runtime', 'model', ...ground],
  doctor: ['package', 'shipped', 'image', 'runtime', ...ground],
  index: ['doctor', 'stream', 'classify', 'shipped', 'image', 'runtime', 'model', ...ground],
  entries: [
    'serve',
    'watch',
    'learn',
    'evaluate',
    'measure',
    'classify',
    'shipped',
    'report',
    'compress',
    'image',
    'runtime',
    'model',
    ...ground,
  ],
  bench: ['index', 'package', 'shipped', 'compress', 'image', 'runtime', 'plan', 'model', ...ground],
  internal: [
    ...['index', 'bench', 'evaluate', 'learn', 'measure', 'classify', 'shipped', 'package'],
    ...['compress', 'image', 'runtime', 'plan', 'model', ...ground],
  ],
  cli: [
    ...[
      'similar',
      'learn',
      'serve',
      'watch',
      'stream',
      'bench',
      'doctor',
      'evaluate',
      'measure',
      'classify',
      'shipped',
      'package',
    ],
    ...['compress', 'image', 'runtime', 'plan', 'model', ...ground],
  ],
};

/** The one file that may load native code. */
const LOADER = 'lib/runtime/load/load.ts';
/** The file that may ask node-gyp-build, which could load too, what names of binaries mean. */
const FINDER = 'lib/runtime/load/candidates.ts';

/** Who may know how torchvision names its modules: the graph, and what maps the names of checkpoints to it. */
const KNOWS_MODULE_PATHS = /^lib\/model\/(network\.ts$|import\/)/;
/** A part of such a name that stands for nothing else. */
const MODULE_PATH = /\bfeatures\.(?:$|\d)|\bclassifier\.(?:$|\d)|\.block\.|(?:^|\.)fc[12]\b|\\\.fc\[12\]/;

/** Who may include what. A C++ file is allowed by the folder it lies in. */
const INCLUDE_BORDERS: readonly { readonly folder: string; readonly also?: string; readonly header: RegExp }[] = [
  { folder: 'native/addon/', header: /^(napi|node_api|js_native_api)\.h$/ },
  // One test takes features of the CPU away.
  { folder: 'native/engine/', also: 'native/test/sse_only.cc', header: /^(xnnpack|pthreadpool|cpuinfo)(\.h$|\/)/ },
];

/** `lib/classify/classifier.ts` is in room `classify`, `lib/index.ts` in `index`. */
function roomOf(path: string): string {
  return path
    .replace(/^lib\//, '')
    .replace(/\.ts$/, '')
    .split('/')[0]!;
}

/** What the checks want to know of a TypeScript source. */
interface Facts {
  /** Every module it names: `import`, `export ... from`, `import()`, `require()`, and `import('...')` as a type. */
  readonly imports: readonly string[];
  /** Whether it has a way to a `.node` file: such a name, the package that finds them, or dlopen. */
  readonly loadsNative: boolean;
  /** Whether a text in it names a module of the network. */
  readonly namesModules: boolean;
}

/** Read from the syntax tree, so that comments and texts that merely mention an import do not count. */
function factsOf(path: string, text: string): Facts {
  const imports: string[] = [];
  let loadsNative = false;
  let namesModules = false;
  const take = (node: ts.Node | undefined): void => {
    if (node !== undefined && ts.isStringLiteralLike(node)) imports.push(node.text);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) take(node.moduleSpecifier);
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) take(node.argument.literal);
    if (ts.isCallExpression(node) && loads(node.expression)) take(node.arguments[0]);
    if (ts.isStringLiteralLike(node) || ts.isTemplateTail(node)) {
      loadsNative ||= /^node-gyp-build$|\.node$/.test(node.text);
    }
    if (isText(node)) namesModules ||= MODULE_PATH.test(node.text);
    if (ts.isIdentifier(node)) loadsNative ||= node.text === 'dlopen';
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  return { imports, loadsNative, namesModules };
}

/** A string, a piece of a template between two expressions, or a regular expression. */
function isText(node: ts.Node): node is ts.LiteralLikeNode {
  return (
    ts.isStringLiteralLike(node) ||
    ts.isTemplateHead(node) ||
    ts.isTemplateMiddleOrTemplateTail(node) ||
    ts.isRegularExpressionLiteral(node)
  );
}

/** `import`, or anything that calls itself require. */
function loads(callee: ts.Expression): boolean {
  return callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require');
}

/** Violations of the rules for lib/, one sentence each. */
function checkLibrary(sources: Sources): string[] {
  const problems: string[] = [];
  for (const [path, text] of Object.entries(sources)) {
    const room = roomOf(path);
    if (path.split('/').some((part) => /^(utils?|helpers?|common|misc)(\.ts)?$/.test(part))) {
      problems.push(`${path}: a helper lives beside its user or gets a name of its own`);
      continue;
    }
    const allowed = ALLOWED[room];
    if (allowed === undefined) {
      problems.push(`${path}: lib/${room} is no known room`);
      continue;
    }
    const { imports, loadsNative, namesModules } = factsOf(path, text);
    if (namesModules && !KNOWS_MODULE_PATHS.test(path)) {
      problems.push(`${path}: only the network's graph and the mapping of checkpoint names know a module's name`);
    }
    if (path !== LOADER && loadsNative) problems.push(`${path}: only ${LOADER} loads native code`);
    for (const specifier of imports) {
      if (/^node-gyp-build(\/|$)/.test(specifier) && path !== LOADER && path !== FINDER) {
        problems.push(`${path}: only ${LOADER} loads native code`);
      }
      if (specifier === 'zod') problems.push(`${path}: zod/mini does the same in a quarter of the bytes`);
      if (!specifier.startsWith('.')) continue;
      const target = posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts');
      if (!target.startsWith('lib/')) {
        problems.push(`${path}: imports ${specifier}, which is outside lib/`);
        continue;
      }
      const to = roomOf(target);
      if (to !== room && !allowed.includes(to)) problems.push(`${path}: ${room} must not import ${to} (${specifier})`);
    }
  }
  return problems;
}

/** Violations of the borders inside native/, one sentence each. */
function checkNative(sources: Sources): string[] {
  return Object.entries(sources).flatMap(([path, text]) =>
    [...text.matchAll(/^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]/gm)].flatMap(([, header = '']) => {
      const border = INCLUDE_BORDERS.find((candidate) => candidate.header.test(header));
      if (border !== undefined && !path.startsWith(border.folder) && path !== border.also) {
        return [`${path}: only ${border.folder} includes ${header}`];
      }
      if (path.startsWith('native/engine/') && header.startsWith('addon/')) {
        return [`${path}: the engine knows nothing of the addon`];
      }
      if (path.startsWith('native/kernels/') && /^(addon|engine|image)\//.test(header)) {
        return [`${path}: kernels know nothing but the CPU's features`];
      }
      if (path.startsWith('native/image/') && /^(addon|engine)\//.test(header)) {
        return [`${path}: image knows nothing of the engine and the addon`];
      }
      const [, alone] = /^native\/(hash|inflate)\//.exec(path) ?? [];
      if (alone !== undefined && header.includes('/') && !header.startsWith(`${alone}/`)) {
        return [`${path}: ${alone} knows nothing else`];
      }
      return path.startsWith('native/engine/') && header.startsWith('image/')
        ? [`${path}: the engine knows nothing of pictures`]
        : [];
    }),
  );
}

function sourcesIn(folder: string, extensions: RegExp): Sources {
  return Object.fromEntries(
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && extensions.test(entry.name))
      .map((entry) => {
        const file = join(entry.parentPath, entry.name);
        return [relative(root, file).replaceAll(sep, '/'), readFileSync(file, 'utf8')];
      }),
  );
}

describe('lib/', () => {
  const sources = sourcesIn('lib', /\.ts$/);

  it('imports one way only, and loads native code in one file', () => {
    expect(checkLibrary(sources)).toEqual([]);
  });

  it('is what the check looked at', () => {
    expect(new Set(Object.keys(sources).map(roomOf))).toEqual(new Set(Object.keys(ALLOWED)));
    expect(factsOf(LOADER, sources[LOADER]!).loadsNative).toBe(true);
  });
});

describe('scripts/', () => {
  it('reaches lib/ through its one internal entry, and bundles none of it but for dist/', () => {
    const { 'scripts/build/bundle.mjs': bundler, ...sources } = sourcesIn('scripts', /\.(ts|mjs|cjs)$/);
    expect(bundler).toContain('lib/internal.ts');
    for (const [path, text] of Object.entries(sources)) {
      const reached = [...text.matchAll(/['"`/]lib\/([\w./-]+\.[jt]s)\b/g)].map(([, file]) => file);
      expect(new Set(['internal.js', ...reached]), path).toEqual(new Set(['internal.js']));
    }
  });
});

describe('native/', () => {
  const sources = sourcesIn('native', /\.(cc|h|cpp|c|hpp)$/);

  it('keeps Node-API to the addon and XNNPACK to the engine', () => {
    expect(checkNative(sources)).toEqual([]);
  });

  it('is what the check looked at', () => {
    const text = Object.values(sources).join('\n');
    for (const header of ['napi.h', 'xnnpack.h', 'pthreadpool.h', 'cpuinfo.h']) expect(text).toContain(`<${header}>`);
  });
});

describe('the check of lib/', () => {
  it.each([
    ['a static import upwards', 'lib/model/a.ts', `import { b } from '../runtime/b.js';`, 'must not import runtime'],
    [
      'a type import upwards',
      'lib/model/a.ts',
      `import type { B } from '../classify/b.js';`,
      'model must not import classify',
    ],
    ['an import over lines', 'lib/compress/a.ts', `import {\n  b,\n} from\n  "../runtime/b.js";`, 'import runtime'],
    ['a re-export', 'lib/image/a.ts', `export * from '../classify/b.js';`, 'image must not import classify'],
    ['an import for its effect', 'lib/runtime/a.ts', `import '../shipped/b.js';`, 'runtime must not import shipped'],
    ['a dynamic import', 'lib/classify/a.ts', `const b = await import('../cli/b.js');`, 'classify must not import cli'],
    ['an import from a deeper folder', 'lib/model/torch/a.ts', `import '../../compress/b.js';`, 'import compress'],
    ['a require', 'lib/model/a.ts', `const b = require('../runtime/b.js');`, 'model must not import runtime'],
    ['a type named by its module', 'lib/model/a.ts', `type B = typeof import('../runtime/b.js');`, 'import runtime'],
    ['errors that import', 'lib/errors.ts', `import './model/b.js';`, 'errors must not import model'],
    ['rooms side by side', 'lib/bench/a.ts', `import '../evaluate/b.js';`, 'bench must not import evaluate'],
    [
      'a room that imports the entry above it',
      'lib/classify/a.ts',
      `import '../index.js';`,
      'classify must not import index',
    ],
    ['an entry that reaches above classify', 'lib/index.ts', `import './cli/b.js';`, 'index must not import cli'],
    ['a model that looks for files', 'lib/model/a.ts', `import '../package.js';`, 'must not import package'],
    [
      'a module of the network by its name',
      'lib/compress/a.ts',
      `const a = 'features.1.block.0.0';`,
      "a module's name",
    ],
    ['a name put together', 'lib/plan/a.ts', 'const a = `features.${n}`;', "a module's name"],
    ['a name in the middle of a template', 'lib/plan/a.ts', 'const a = `${b}.block.1`;', "a module's name"],
    ['a name taken apart', 'lib/plan/a.ts', 'const a = /\\.fc[12]$/.test(b);', "a module's name"],
    ['the classifier by its name', 'lib/runtime/a.ts', `const a = 'classifier.3';`, "a module's name"],
    ['a way out of lib/', 'lib/cli/a.ts', `import '../../scripts/b.mjs';`, 'outside lib/'],
    ['a room nobody knows', 'lib/shared/a.ts', '', 'no known room'],
    ['the whole of zod', 'lib/measure/a.ts', `import * as z from 'zod';`, 'zod/mini'],
    ['a utils folder', 'lib/model/utils/a.ts', '', 'a helper lives beside its user'],
    ['a utils file', 'lib/utils.ts', '', 'a helper lives beside its user'],
    ['a second loader', 'lib/runtime/a.ts', `require('node-gyp-build')(root);`, 'only lib/runtime/load/load.ts'],
    [
      'its inner file',
      'lib/classify/a.ts',
      `import load from 'node-gyp-build/node-gyp-build.js';`,
      'only lib/runtime/load/load.ts',
    ],
    [
      'a binary by its name',
      'lib/classify/a.ts',
      `require('../../build/neonsense.node');`,
      'only lib/runtime/load/load.ts',
    ],
    [
      'a binary in a template',
      'lib/classify/a.ts',
      'const file = `${root}/neonsense.node`;',
      'only lib/runtime/load/load.ts',
    ],
    ['dlopen', 'lib/bench/a.ts', `process.dlopen(module, file);`, 'only lib/runtime/load/load.ts'],
  ])('finds %s', (_, path, text, problem) => {
    expect(checkLibrary({ [path]: text }).join('\n')).toContain(problem);
  });

  it.each([
    ['imports downwards', 'lib/cli/a.ts', `import '../bench/b.js';\nimport '../model/torch/c.js';`],
    ['its own room', 'lib/model/torch/a.ts', `import { b } from '../b.js';\nimport './c.js';`],
    ['packages and Node', 'lib/model/a.ts', `import * as z from 'zod/mini';\nimport fs from 'node:fs';`],
    ['what only a comment says', 'lib/model/a.ts', `// import '../runtime/b.js', or load it: 'b.node'`],
    ['the graph', 'lib/model/network.ts', 'const a = `features.${n}.block`;'],
    ['a reader of checkpoints', 'lib/model/import/a.ts', `const a = 'classifier.3';`],
    ['a comment that names a layer', 'lib/plan/a.ts', `// features.0.0 is the stem\nconst features = b.features;`],
    ['what only a text says', 'lib/model/a.ts', `const s = "from '../cli/c.js'";`],
    ['the finder', FINDER, `import names from 'node-gyp-build/node-gyp-build.js';`],
    ['the loader', LOADER, `import '../../package.js';\nrequire('node-gyp-build');`],
  ])('accepts %s', (_, path, text) => {
    expect(checkLibrary({ [path]: text })).toEqual([]);
  });
});

describe('the check of native/', () => {
  it.each([
    ['XNNPACK in the addon', 'native/addon/a.cc', '#include <xnnpack.h>', 'only native/engine/ includes xnnpack.h'],
    ['XNNPACK in a test', 'native/test/a.cc', '  # include "xnnpack/math.h"', 'only native/engine/ includes xnnpack/'],
    ['pthreadpool in the addon', 'native/addon/a.h', '#include <pthreadpool.h>', 'includes pthreadpool.h'],
    ['cpuinfo in the addon', 'native/addon/a.h', '#pragma once\n#include <cpuinfo.h>', 'includes cpuinfo.h'],
    ['Node-API in the engine', 'native/engine/a.h', '#include <napi.h>', 'only native/addon/ includes napi.h'],
    ['the C headers of Node-API', 'native/engine/a.h', '#include <node_api.h>', 'addon/ includes node_api.h'],
    ['an image room that knows the engine', 'native/image/a.cc', '#include "engine/plan.h"', 'nothing of the engine'],
    ['a kernel that knows the engine', 'native/kernels/a.cc', '#include "engine/plan.h"', "but the CPU's features"],
    ['an engine that knows pictures', 'native/engine/a.cc', '#include "image/picture.h"', 'nothing of pictures'],
    ['a hash that knows the engine', 'native/hash/a.cc', '#include "engine/cpu.h"', 'hash knows nothing else'],
    ['an inflater that knows hashes', 'native/inflate/a.cc', '#include "hash/sha256.h"', 'inflate knows nothing else'],
    ['an engine that knows the addon', 'native/engine/a.cc', '#include "addon/convert.h"', 'nothing of the addon'],
  ])('finds %s', (_, path, text, problem) => {
    expect(checkNative({ [path]: text }).join('\n')).toContain(problem);
  });

  it('accepts what belongs where it is', () => {
    expect(
      checkNative({
        'native/addon/a.cc': '#include <napi.h>\n#include "engine/session.h"',
        'native/engine/b.cc': '#include <xnnpack.h>\n#include <vector>\n// #include <napi.h>',
      }),
    ).toEqual([]);
  });
});
