// The documentation as a site: the pages of docs/, the few that stand elsewhere in the repository, and the API from its
// docstrings. A link that leads nowhere fails the build.
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const reference = join(root, 'docs/reference/typedoc-sidebar.json');

/** Pages that stand beside what they are about, and where the site has them. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'README.md': 'readme.md',
  'CHANGELOG.md': 'changelog.md',
  'CONTRIBUTING.md': 'contributing.md',
  'SECURITY.md': 'security.md',
  'models/README.md': 'models.md',
  'examples/README.md': 'examples.md',
  'third_party/README.md': 'third-party.md',
};

const docs = join(root, 'docs');
/** Copies of them; not in git. VitePress takes pages below one folder alone. */
const copies = join(docs, 'repository');
mkdirSync(copies, { recursive: true });
for (const [from, to] of Object.entries(ELSEWHERE)) copyFileSync(join(root, from), join(copies, to));

const page = (text: string, name: string): { text: string; link: string } => ({ text, link: `/${name}` });

export default defineConfig({
  title: 'neonsense',
  description: 'Image classification with MobileNetV3 inside Node: offline, on the CPU',
  srcExclude: ['**/node_modules/**'],
  outDir: join(root, 'build-docs'),
  cacheDir: join(root, 'build-docs-cache'),
  rewrites: { 'repository/:path(.*)': ':path' },
  cleanUrls: true,
  markdown: {
    config: (markdown) => {
      markdown.core.ruler.push('repository-links', (state) => {
        const file = state.env.realPath ?? state.env.path;
        const original = Object.entries(ELSEWHERE).find(([, copy]) => join(copies, copy) === file)?.[0];
        const folder = original === undefined ? dirname(file) : dirname(join(root, original));
        for (const token of state.tokens) onTheSite(token.children ?? [], { folder, file });
      });
    },
  },
  themeConfig: {
    outline: [2, 3],
    search: { provider: 'local' },
    nav: [
      page('Get started', 'readme'),
      page('API', 'reference/'),
      page('Command line', 'cli'),
      page('Changes', 'changelog'),
    ],
    sidebar: [
      {
        text: 'Tasks',
        items: [
          page('Get started', 'readme'),
          page('Use your own model', 'own-model'),
          page('Teach it your classes', 'learn'),
          page('Camera', 'camera'),
          page('Server', 'server'),
          page('Many machines', 'fleet'),
          page('Compress', 'compress'),
          page('Similar pictures', 'embeddings'),
          page('Recipes for frameworks', 'recipes'),
        ],
      },
      {
        text: 'Where it runs',
        items: [
          page('Raspberry Pi', 'raspberry-pi'),
          page('Jetson', 'jetson'),
          page('Android (Termux)', 'android'),
          page('Electron', 'electron'),
          page('Measure a board', 'bench-on-a-board'),
        ],
      },
      {
        text: 'Questions',
        items: [
          page('Why not onnxruntime', 'why-not-onnxruntime'),
          page('Frequent questions', 'faq'),
          page('Troubleshooting', 'troubleshooting'),
        ],
      },
      {
        text: 'Reference',
        items: [
          page('API by topic', 'api'),
          page('Command line', 'cli'),
          page('Models', 'models'),
          page('Model format', 'model-format'),
          page('Platforms', 'platforms'),
          page('Packaging', 'packaging'),
          page('Security', 'security'),
          page('Robustness', 'robustness'),
        ],
      },
      ...(existsSync(reference)
        ? [{ text: 'Every symbol', collapsed: true, items: JSON.parse(readFileSync(reference, 'utf8')) }]
        : []),
      {
        text: 'Developers',
        collapsed: true,
        items: [
          page('Architecture', 'architecture'),
          page('Contributing', 'contributing'),
          page('Benchmarks', 'benchmarks'),
          page('Training', 'training'),
          page('Log: benchmarks', 'log/benchmarks'),
          page('Log: server', 'log/serving'),
          page('Log: training', 'log/training-thumbnails'),
        ],
      },
    ],
  },
});

interface Token {
  type: string;
  tag: string;
  readonly children: Token[] | null;
  attrs: [name: string, value: string][] | null;
  attrGet(name: string): string | null;
  attrSet(name: string, value: string): void;
}

/**
 * Links as the repository has them become those of the site. One to a file that is no page keeps its text alone, and
 * says the file's name to who points at it: the site has no such files.
 */
function onTheSite(tokens: readonly Token[], { folder, file }: { folder: string; file: string }): void {
  let isFile = false;
  for (const token of tokens) {
    const source = token.type === 'image' ? token.attrGet('src')! : undefined;
    if (source !== undefined && !source.includes(':')) {
      token.attrSet('src', `./${relative(dirname(file), join(folder, source))}`);
    }
    if (token.type === 'link_open') {
      const [path = '', anchor] = (token.attrGet('href') ?? '').split('#', 2);
      if (path === '' || /^([a-z]+:|\/)/i.test(path)) continue;
      const name = relative(root, join(folder, path));
      isFile = !isPage(name) && existsSync(join(root, name));
      if (isFile) token.attrs = [['title', name]];
      else token.attrSet('href', `/${placeOf(name)}${anchor === undefined ? '' : `#${anchor}`}`);
    }
    if (isFile && /^link_(open|close)$/.test(token.type)) {
      if (token.type === 'link_close') isFile = false;
      token.type = token.type.replace('link', 'file');
      token.tag = 'span';
    }
  }
}

const isPage = (name: string): boolean => Object.hasOwn(ELSEWHERE, name) || /^docs\/.*\.md$/.test(name);
const placeOf = (name: string): string => (ELSEWHERE[name] ?? name.replace(/^docs\//, '')).replace(/\.md$/, '');
