import { escapeHtml } from '../text/html.js';
import { type DuplicateGroup, type Embedded, mostSimilar } from './similar.js';

/** A picture of the page. */
export interface PagePicture extends Embedded {
  /** A small version of it as a `data:` URL. */
  readonly thumbnail: string;
}

/** Similar pictures shown for each one. */
const NEIGHBOURS = 8;

const STYLE = `
:root{color-scheme:light dark;--line:#d9d6cd;--back:#fbfaf8;--ink:#1b1a17;--quiet:#5c5a53;--accent:#0a6b56}
@media (prefers-color-scheme:dark){:root{--line:#3a3934;--back:#151513;--ink:#f0eee8;--quiet:#b1aea4;--accent:#6fd3b5}}
body{margin:0 auto;max-width:1080px;padding:1rem;font:16px/1.45 system-ui,sans-serif;background:var(--back);color:var(--ink)}
h1{font-size:1.4rem}h2{font-size:1.1rem}p,figcaption{color:var(--quiet)}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(120px,1fr));gap:.6rem;margin:0 0 1.5rem;padding:0;list-style:none}
button{width:100%;padding:.3rem;border:1px solid var(--line);border-radius:.4rem;background:none;color:inherit;font:inherit;cursor:pointer}
button:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
button[aria-pressed=true]{border-color:var(--accent);box-shadow:0 0 0 2px var(--accent)}
img{display:block;width:100%;aspect-ratio:1;object-fit:contain}
span{display:block;font-size:.8rem;overflow-wrap:anywhere}
.group{padding:.6rem;border:1px solid var(--line);border-radius:.5rem;margin-bottom:1rem}`;

/** Draws grids from the data below it. Runs in the browser. */
const SCRIPT = `
const {pictures, groups} = JSON.parse(document.getElementById('data').textContent);
const card = (index, note) => {
  const item = document.createElement('li');
  const button = document.createElement('button');
  const image = document.createElement('img');
  image.src = pictures[index].thumbnail; image.alt = ''; image.loading = 'lazy';
  const name = document.createElement('span');
  name.textContent = pictures[index].file + (note === undefined ? '' : ', ' + note);
  button.append(image, name); button.type = 'button'; button.dataset.index = index;
  button.addEventListener('click', () => show(index));
  item.append(button);
  return item;
};
const show = (index) => {
  document.getElementById('similar-title').textContent = 'Looks like ' + pictures[index].file;
  document.getElementById('similar').replaceChildren(
    ...pictures[index].similar.map(([other, similarity]) => card(other, (100 * similarity).toFixed(1) + ' %')));
  for (const button of document.querySelectorAll('#all button'))
    button.setAttribute('aria-pressed', String(Number(button.dataset.index) === index));
  document.getElementById('similar-title').scrollIntoView({block: 'nearest'});
};
document.getElementById('all').replaceChildren(...pictures.map((_, index) => card(index)));
for (const members of groups) {
  const list = document.createElement('ul');
  list.className = 'grid group';
  list.replaceChildren(...members.map((index) => card(index)));
  document.getElementById('groups').append(list);
}
if (pictures.length > 0) show(0);`;

/** One HTML page without outside references: near duplicates, and for each picture those that look most like it. */
export function similarPage(pictures: readonly PagePicture[], groups: readonly DuplicateGroup[]): string {
  const places = new Map(pictures.map(({ file }, index) => [file, index]));
  const data = {
    pictures: pictures.map((picture) => ({
      file: picture.file,
      thumbnail: picture.thumbnail,
      similar: mostSimilar(picture, pictures, NEIGHBOURS).map(({ b, similarity }) => [
        places.get(b)!,
        Math.round(similarity * 1e4) / 1e4,
      ]),
    })),
    groups: groups.map(({ files }) => files.map((file) => places.get(file)!)),
  };
  const found = groups.length === 0 ? 'No near duplicates.' : `${groups.length} groups of near duplicates.`;
  // A closing tag in a file's name would end the script's element.
  const json = JSON.stringify(data).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>Similar pictures</title><style>${STYLE}</style></head><body>
<h1>Similar pictures</h1><p>${escapeHtml(`${pictures.length} pictures. ${found}`)}</p>
<main><section><h2 id="similar-title">Looks like</h2><ul class="grid" id="similar"></ul></section>
<section><h2>Near duplicates</h2><div id="groups"></div></section>
<section><h2>All pictures</h2><ul class="grid" id="all"></ul></section></main>
<script type="application/json" id="data">${json}</script><script>${SCRIPT}</script></body></html>
`;
}
