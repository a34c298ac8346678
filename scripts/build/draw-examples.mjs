// Draws the pictures of examples/: our own drawings, so that they carry no one else's rights. Each is an SVG below,
// rendered by sharp.
//
// Usage: node scripts/build/draw-examples.mjs [FOLDER]     (default: examples/)

import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

const SIDE = 480;

/** Something repeated `count` times. */
const times = (count, draw) => Array.from({ length: count }, (_, i) => draw(i)).join('\n');

/** A linear gradient that fills can name. */
const gradient = (id, from, to, direction = 'x1="0" y1="0" x2="0" y2="1"') =>
  `<linearGradient id="${id}" ${direction}>
    <stop offset="0" stop-color="${from}"/><stop offset="1" stop-color="${to}"/>
  </linearGradient>`;

/** A radial gradient that fills can name; the inner colour reaches to `until`. */
const glow = (id, from, to, until) =>
  `<radialGradient id="${id}">
    <stop offset="${until}" stop-color="${from}"/><stop offset="1" stop-color="${to}"/>
  </radialGradient>`;

const across = 'x1="0" y1="0" x2="1" y2="0"';

const drawings = {
  // Ten past ten, as in every advertisement for clocks.
  clock: () => `
    <defs>
      ${gradient('rim', '#2c3f66', '#131d33')}
      ${glow('face', '#fffdf4', '#e9e3d0', 0.7)}
    </defs>
    <rect width="480" height="480" fill="#ffffff"/>
    <circle cx="240" cy="240" r="226" fill="url(#rim)"/>
    <circle cx="240" cy="240" r="186" fill="url(#face)"/>
    ${times(60, (i) => {
      const long = i % 5 === 0;
      return `<line x1="240" y1="${long ? 66 : 64}" x2="240" y2="${long ? 92 : 74}" stroke="#1b1b1f"
        stroke-width="${long ? 9 : 3}" transform="rotate(${i * 6} 240 240)"/>`;
    })}
    <line x1="240" y1="260" x2="240" y2="142" stroke="#15151a" stroke-width="17" stroke-linecap="round"
      transform="rotate(-55 240 240)"/>
    <line x1="240" y1="268" x2="240" y2="92" stroke="#15151a" stroke-width="12" stroke-linecap="round"
      transform="rotate(60 240 240)"/>
    <line x1="240" y1="285" x2="240" y2="84" stroke="#c0282d" stroke-width="5" stroke-linecap="round"
      transform="rotate(200 240 240)"/>
    <circle cx="240" cy="240" r="14" fill="#c0282d"/>`,

  keyboard: () => `
    <defs>${gradient('key', '#fbf9f3', '#d5d1c4')}</defs>
    <rect width="480" height="480" fill="#6f6b62"/>
    <g transform="rotate(-12 240 240) translate(-70 -60)">
      ${times(8, (row) =>
        times(9, (column) => {
          const x = column * 74 + (row % 3) * 22 - 40;
          const y = row * 74;
          return `<rect x="${x}" y="${y}" width="68" height="68" rx="8" fill="#a39d8d"/>
            <rect x="${x + 7}" y="${y + 3}" width="54" height="52" rx="8" fill="url(#key)"/>
            <rect x="${x + 16}" y="${y + 12}" width="12" height="14" rx="3" fill="#4a473f"/>`;
        }),
      )}
    </g>`,

  lamp: () => `
    <defs>
      ${gradient('shade', '#fff3c8', '#efc46e')}
      ${gradient('foot', '#8a5a2c', '#4f2f14', across)}
      ${glow('glow', '#c98d4d', '#4a2d18', 0)}
    </defs>
    <rect width="480" height="480" fill="url(#glow)"/>
    <rect y="410" width="480" height="70" fill="#3a2314"/>
    <path d="M232 230 h16 v60 c34 14 44 60 22 92 l18 32 h-96 l18 -32 c-22 -32 -12 -78 22 -92 z" fill="url(#foot)"/>
    <rect x="180" y="410" width="120" height="20" rx="6" fill="#3c2210"/>
    <path d="M168 56 h144 l74 180 h-292 z" fill="url(#shade)"/>
    <path d="M168 56 h144 l4 12 h-152 z M99 224 h282 l5 12 h-292 z" fill="#d9a552"/>`,

  telephone: () => `
    <defs>${gradient('body', '#3b3b42', '#141417')}</defs>
    <rect width="480" height="480" fill="#ffffff"/>
    <path d="M120 210 h240 l76 180 q6 34 -30 34 h-332 q-36 0 -30 -34 z" fill="url(#body)"/>
    <path d="M42 168 q0 -92 198 -92 q198 0 198 92 v34 q0 14 -14 14 h-66 q-14 0 -14 -14 v-32
      q-40 -20 -104 -20 q-64 0 -104 20 v32 q0 14 -14 14 h-66 q-14 0 -14 -14 z" fill="#1b1b20"/>
    <path d="M66 152 q30 -56 174 -56 q144 0 174 56 q-40 -34 -174 -34 q-134 0 -174 34 z" fill="#5a5a63"/>
    <path d="M168 232 h144 l26 156 h-196 z" fill="#c9c6bd"/>
    ${times(4, (row) =>
      times(3, (column) => {
        const key = 38 + row * 3;
        const x = 240 + (column - 1) * (46 + row * 5) - key / 2;
        return `<rect x="${x}" y="${242 + row * 36}" width="${key}" height="26" rx="6" fill="#26262b"/>`;
      }),
    )}`,

  television: () => `
    <defs>
      ${gradient('case', '#4a4a50', '#232327')}
      ${gradient('screen', '#8d99a3', '#39434c', 'x1="0" y1="0" x2="1" y2="1"')}
    </defs>
    <rect width="480" height="480" fill="#ffffff"/>
    <rect x="28" y="62" width="424" height="340" rx="20" fill="url(#case)"/>
    <rect x="62" y="92" width="356" height="252" rx="24" fill="#0d0d10"/>
    <rect x="74" y="102" width="332" height="232" rx="20" fill="url(#screen)"/>
    <path d="M92 116 h150 l-130 200 h-20 z" fill="#ffffff" opacity="0.18"/>
    ${times(5, (i) => `<rect x="${70 + i * 26}" y="364" width="16" height="12" rx="3" fill="#8c8c92"/>`)}
    <circle cx="392" cy="370" r="11" fill="#b0343a"/>
    <rect x="84" y="402" width="60" height="18" fill="#1b1b1e"/>
    <rect x="336" y="402" width="60" height="18" fill="#1b1b1e"/>`,

  bed: () => `
    <defs>${gradient('wood', '#a9713b', '#7a4c22')}${gradient('quilt', '#d9e2ee', '#93a8c4')}</defs>
    <rect width="480" height="480" fill="#efe6d4"/>
    <rect y="330" width="480" height="150" fill="#b98d5e"/>
    <path d="M70 90 q170 -60 340 0 v190 h-340 z" fill="url(#wood)"/>
    <rect x="58" y="84" width="24" height="280" rx="8" fill="#6b411c"/>
    <rect x="398" y="84" width="24" height="280" rx="8" fill="#6b411c"/>
    <rect x="96" y="176" width="136" height="76" rx="28" fill="#ffffff" stroke="#d5d5d8" stroke-width="4"/>
    <rect x="248" y="176" width="136" height="76" rx="28" fill="#ffffff" stroke="#d5d5d8" stroke-width="4"/>
    <path d="M82 236 h316 l50 150 h-416 z" fill="url(#quilt)"/>
    <path d="M82 236 h316 l12 36 h-340 z" fill="#f7f9fc"/>
    <rect x="24" y="376" width="432" height="62" rx="10" fill="url(#wood)"/>
    <rect x="24" y="430" width="26" height="40" fill="#6b411c"/>
    <rect x="430" y="430" width="26" height="40" fill="#6b411c"/>`,

  chair: () => `
    <defs>${gradient('wood', '#b87a3e', '#8a5425', across)}</defs>
    <rect width="480" height="480" fill="#ffffff"/>
    <g fill="url(#wood)">
      <path d="M126 26 h26 l14 240 v190 h-26 v-190 z"/>
      <path d="M296 26 h26 l-2 240 v150 h-24 v-150 z"/>
      <rect x="130" y="36" width="190" height="34" rx="10"/>
      <rect x="140" y="92" width="174" height="20"/>
      <rect x="142" y="134" width="172" height="20"/>
      <rect x="146" y="176" width="166" height="20"/>
      <path d="M344 292 h24 v180 h-24 z"/>
      <path d="M180 296 h24 v176 h-24 z" opacity="0.95"/>
    </g>
    <path d="M138 246 h186 l56 56 h-204 z" fill="#7a1f24"/>
    <path d="M176 302 h204 v16 h-204 z" fill="#5a1418"/>
    <path d="M192 392 h162 v12 h-162 z" fill="#7a4a20"/>`,

  couch: () => `
    <defs>${gradient('cloth', '#c0343a', '#8c1f26')}${gradient('seat', '#d5484d', '#a92a31')}</defs>
    <rect width="480" height="480" fill="#ffffff"/>
    <rect x="60" y="140" width="360" height="170" rx="34" fill="url(#cloth)"/>
    <rect x="84" y="232" width="154" height="84" rx="20" fill="url(#seat)"/>
    <rect x="242" y="232" width="154" height="84" rx="20" fill="url(#seat)"/>
    <rect x="50" y="300" width="380" height="70" rx="14" fill="#8c1f26"/>
    <rect x="20" y="204" width="76" height="170" rx="34" fill="url(#cloth)"/>
    <rect x="384" y="204" width="76" height="170" rx="34" fill="url(#cloth)"/>
    <rect x="50" y="370" width="22" height="26" fill="#3b2210"/>
    <rect x="408" y="370" width="22" height="26" fill="#3b2210"/>`,

  table: () => `
    <defs>${gradient('wood', '#b27440', '#8d5527')}</defs>
    <rect width="480" height="480" fill="#ffffff"/>
    <path d="M104 120 h272 l80 66 h-432 z" fill="url(#wood)"/>
    <rect x="24" y="186" width="432" height="18" fill="#6f4019"/>
    <rect x="52" y="204" width="376" height="34" fill="#8a5428"/>
    <path d="M44 204 h30 l-6 250 h-16 z M406 204 h30 l-8 250 h-16 z" fill="#7d4a20"/>
    <path d="M120 238 h20 l-4 130 h-12 z M340 238 h20 l-4 130 h-12 z" fill="#5d3514"/>`,

  wardrobe: () => `
    <defs>${gradient('wood', '#bd8448', '#93602c', across)}</defs>
    <rect width="480" height="480" fill="#ffffff"/>
    <path d="M84 34 h312 l18 26 h-348 z" fill="#7d4f22"/>
    <rect x="80" y="60" width="320" height="376" fill="url(#wood)"/>
    ${times(2, (i) => {
      const x = 92 + i * 150;
      return `<rect x="${x}" y="74" width="146" height="264" fill="#b0773b" stroke="#6b4119" stroke-width="5"/>
        <rect x="${x + 22}" y="98" width="102" height="216" fill="#c48d52" stroke="#855728" stroke-width="5"/>
        <rect x="${x}" y="350" width="146" height="74" fill="#b0773b" stroke="#6b4119" stroke-width="5"/>
        <circle cx="${x + 73}" cy="387" r="8" fill="#3d230c"/>`;
    })}
    <circle cx="226" cy="212" r="8" fill="#3d230c"/><circle cx="254" cy="212" r="8" fill="#3d230c"/>
    <rect x="84" y="436" width="40" height="22" fill="#5d3813"/>
    <rect x="356" y="436" width="40" height="22" fill="#5d3813"/>`,
};

const folder = process.argv[2] ?? fileURLToPath(new URL('../../examples/', import.meta.url));
mkdirSync(folder, { recursive: true });
for (const [name, draw] of Object.entries(drawings)) {
  const open = `<svg xmlns="http://www.w3.org/2000/svg" width="${SIDE}" height="${SIDE}">`;
  const file = join(folder, `${name}.png`);
  await sharp(Buffer.from(`${open}${draw()}</svg>`))
    .flatten({ background: '#ffffff' })
    .png({ palette: true, compressionLevel: 9, effort: 10 })
    .toFile(file);
  console.log(`${name}.png ${statSync(file).size} bytes`);
}
