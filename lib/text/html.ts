const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** `text` as it may stand in an element or an attribute's quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** The look that all reports share: light and dark as the reader's system is, narrow and wide, and light on paper. */
const STYLE = `
:root{color-scheme:light dark;--back:#fbfaf8;--ink:#1b1a17;--quiet:#5c5a53;--line:#d9d6cd;--wrong:#b3402b;--good:#0a6b56;
--first:#1d6fa5;--second:#b06a1f;--third:#4b7d3a;--fourth:#8a4f9e;--fifth:#a03a5c;--sixth:#5d6470}
@media (prefers-color-scheme:dark){:root{--back:#151513;--ink:#f0eee8;--quiet:#b1aea4;--line:#3a3934;--wrong:#f08a74;--good:#6fd3b5;
--first:#6bb4e6;--second:#e2a660;--third:#93c47f;--fourth:#c79ad8;--fifth:#e58aa8;--sixth:#a5adba}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1.2rem 1rem 3rem;font:16px/1.5 system-ui,sans-serif;background:var(--back);color:var(--ink)}
h1{font-size:1.5rem;line-height:1.25;margin:.2em 0 .4em;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2.2em 0 .5em;overflow-wrap:anywhere}h3{font-size:1rem;margin:1.4em 0 .4em}
.verdict{font-size:1.15rem;max-width:46em;margin:.3em 0 1em;padding-left:.8em;border-left:4px solid var(--good)}.verdict.bad{border-color:var(--wrong)}
p,li{max-width:52em}figcaption,.note{color:var(--quiet);font-size:.9rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em;margin:1em 0;font-size:.92rem}dt{color:var(--quiet)}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto;max-width:100%}.wide:focus-visible,summary:focus-visible,a:focus-visible{outline:3px solid var(--first);outline-offset:2px}
table{border-collapse:collapse;margin:.8em 0;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{padding:.3em .8em .3em 0;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th{color:var(--quiet);font-weight:600;white-space:normal;vertical-align:bottom}th:first-child,td:first-child{text-align:left}.failed td{color:var(--wrong);font-weight:600}
.plots{display:flex;flex-wrap:wrap;gap:1.5em 2em;align-items:flex-start}figure{margin:0;max-width:100%}figcaption{max-width:26rem}
svg{display:block;max-width:100%;height:auto}.plot{--plot-background:var(--back)}code{font-size:.85em;overflow-wrap:anywhere}
.key{display:flex;flex-wrap:wrap;gap:.2em 1.2em;margin:.4em 0 1em;padding:0;list-style:none}.key b{padding-right:.3em}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(112px,1fr));gap:1em;margin:.8em 0;padding:0;list-style:none}
.grid img{display:block;width:96px;height:96px;object-fit:contain;image-rendering:auto;background:var(--line)}.grid li{font-size:.85rem;line-height:1.35;overflow-wrap:anywhere}
.grid b{color:var(--wrong)}
@media print{:root{color-scheme:light;--back:#fff;--ink:#000;--quiet:#444;--line:#bbb;--wrong:#a02c18;--good:#0a6b56;--first:#1d6fa5;--second:#b06a1f;--third:#4b7d3a;--fourth:#8a4f9e;--fifth:#a03a5c;--sixth:#5d6470}
body{max-width:none;padding:0;font-size:9.5pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}.wide{overflow:visible}th,td{padding-right:.45em}table{font-size:7.5pt}td:first-child{white-space:normal;overflow-wrap:anywhere}.plots{gap:1em}figure{width:47%}figure,tr,.grid li{break-inside:avoid}h2,h3{break-after:avoid}}`;

/** A whole page without outside references; it runs nothing and asks for nothing. */
export function htmlPage(title: string, body: readonly string[]): string {
  return `${[
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body><main>`,
    `<h1>${escapeHtml(title)}</h1>`,
    ...body.filter((part) => part !== ''),
    '</main></body></html>',
  ].join('\n')}\n`;
}

/**
 * A table of plain texts, which scrolls where it is wider than the page, also by keyboard.
 *
 * @param isBad rows that stand out
 */
export function htmlTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  isBad: (row: number) => boolean = () => false,
): string {
  const heads = header.map((text) => `<th scope="col">${escapeHtml(text)}</th>`).join('');
  const cells = (texts: readonly string[]): string => texts.map((text) => `<td>${escapeHtml(text)}</td>`).join('');
  const body = rows.map((row, i) => `<tr${isBad(i) ? ' class="failed"' : ''}>${cells(row)}</tr>`).join('');
  return (
    '<div class="wide" tabindex="0" role="group" aria-label="table">' +
    `<table><thead><tr>${heads}</tr></thead><tbody>${body}</tbody></table></div>`
  );
}

/** Names and what is to be said of each. */
export function htmlFacts(facts: Readonly<Record<string, string>>): string {
  const rows = Object.entries(facts).map(([name, text]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(text)}</dd>`);
  return rows.length === 0 ? '' : `<dl>${rows.join('')}</dl>`;
}

/** The sentence that says what a report comes to. */
export function htmlVerdict(text: string, isBad = false): string {
  return `<p class="verdict${isBad ? ' bad' : ''}">${escapeHtml(text)}</p>`;
}

/** A drawing with what is to be said of it. */
export function htmlFigure(svg: string, caption: string): string {
  return `<figure>${svg}<figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

/** `2026-11-27 07:11 UTC` of a date in ISO 8601; what is none stays as it is. */
export function minuteOf(date: string): string {
  return date.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):[\d.]+Z$/, '$1 $2 UTC');
}
