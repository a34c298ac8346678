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

/** The look that all reports share. */
const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;max-width:75em;margin:2em auto;padding:0 1em;color:#1b2733}' +
  'table{border-collapse:collapse;margin:1em 0}th,td{padding:.25em .8em;border-bottom:1px solid #d5dde5;' +
  'text-align:right}th:first-child,td:first-child{text-align:left}.plots{display:flex;flex-wrap:wrap;gap:1.5em}' +
  'figure{margin:0;max-width:40em}figcaption{font-size:.85em;color:#54687a}' +
  'svg{display:block;max-width:100%;height:auto}code{font-size:.85em;overflow-wrap:anywhere}' +
  '.failed{color:#b3261e;font-weight:600}';

/** A whole page without outside references. */
export function htmlPage(title: string, body: readonly string[]): string {
  return `${[
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>`,
    `<h1>${escapeHtml(title)}</h1>`,
    ...body,
    '</body></html>',
  ].join('\n')}\n`;
}

/**
 * A table of plain texts.
 *
 * @param isBad rows that stand out
 */
export function htmlTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  isBad: (row: number) => boolean = () => false,
): string {
  const cells = (tag: string, texts: readonly string[]): string =>
    texts.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join('');
  const body = rows.map((row, i) => `<tr${isBad(i) ? ' class="failed"' : ''}>${cells('td', row)}</tr>`).join('');
  return `<table><thead><tr>${cells('th', header)}</tr></thead><tbody>${body}</tbody></table>`;
}
