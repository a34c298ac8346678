// Pointers to the functions of Node-API for the cross build for Windows, as assembly for any CPU: what an import library
// holds, without the name of a program (node_api.cc says why). Calls that the compiler makes to a function of another
// library go through the pointer `__imp_NAME`.

import { createRequire } from 'node:module';

/** Node-API's version, as native/CMakeLists.txt sets it. */
const VERSION = 'v8';
/** What Electron forbids can't be linked. */
const FORBIDDEN = ['napi_create_external_arraybuffer', 'napi_create_external_buffer'];

/**
 * @param {string} root  project folder
 * @returns {string} assembly
 */
export function nodeApiImports(root) {
  const symbols = createRequire(`${root}/package.json`)('node-api-headers').symbols[VERSION];
  const names = [...symbols.js_native_api_symbols, ...symbols.node_api_symbols];
  return names
    .filter((name) => !FORBIDDEN.includes(name))
    .map(importOf)
    .join('');
}

/** In sections of its own that go together, so that the linker drops what nobody calls. */
function importOf(name) {
  const pointer = `__imp_${name}`;
  return `
.section .data$${pointer},"dw",discard,${pointer}
.globl ${pointer}
.p2align 3
${pointer}: .quad 0
.section .rdata$${pointer},"dr",associative,${pointer}
${name}_text: .asciz "${name}"
.section .nodeapi$m,"dr",associative,${pointer}
.p2align 3
.quad ${name}_text
.quad ${pointer}
`;
}
