/** A shared object as small as a reader takes it, from the numbers in the ELF specification. */
export interface Shape {
  machine?: number;
  needed?: string[];
  /** Symbol versions asked of the first needed library. */
  versions?: string[];
  exported?: string[];
  align?: number;
  /** Address of the code segment less its place in the file. */
  slide?: number;
  flags?: number;
  stackFlags?: number;
  /** Unloaded with the thread that loaded it. */
  unloads?: boolean;
  /** More entries of the dynamic segment. */
  dynamic?: [number, number][];
  /** Instructions, each with the name of the function it is. */
  code?: [string, ...number[]][];
  /** Adds section headers and a symbol table. */
  symbols?: boolean;
  trailer?: string;
}

export const ENTRY = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
const CODE_AT = 0x1000;

/**
 * @param shape  what to differ in from an arm64 addon for glibc that can be shipped
 * @returns the bytes of the file
 */
export function tinyElf(shape: Shape = {}): Buffer {
  const { machine = 183, needed = ['libc.so.6'], versions = ['GLIBC_2.17'], exported = ENTRY, align = 16384 } = shape;
  const { slide = 0, code = [['f', 0xd65f03c0]] } = shape;

  const strings = new Strings();
  const symbols = [Buffer.alloc(24), ...exported.map((name) => symbol(strings.add(name), 1, 2, CODE_AT))];
  const neededAt = needed.map((name) => strings.add(name));
  const versionAt = versions.map((name) => strings.add(name));
  const verneed = Buffer.concat([
    fields([2, 1], [2, versions.length], [4, neededAt[0] ?? 0], [4, 16], [4, 0]),
    ...versionAt.map((at, i) => fields([4, 0], [2, 0], [2, i + 2], [4, at], [4, i + 1 < versionAt.length ? 16 : 0])),
  ]);

  const instructions = Buffer.concat(
    code.map(([, ...words]) => fields(...words.map((word): [number, number] => [4, word]))),
  );
  const codeEnd = CODE_AT + instructions.length;
  const tables = [Buffer.concat(symbols), fields([4, 1], [4, symbols.length]), verneed, strings.bytes()];
  const at = (index: number) => tables.slice(0, index).reduce((sum, each) => sum + each.length, 0x400);
  const dynamic = [
    ...neededAt.map((name): [number, number] => [1, name]),
    [5, at(3)],
    [6, at(0)],
    [10, tables[3]?.length ?? 0],
    [4, at(1)],
    ...(versions.length > 0
      ? ([
          [0x6ffffffe, at(2)],
          [0x6fffffff, 1],
        ] as [number, number][])
      : []),
    ...(shape.unloads === true ? [] : ([[0x6ffffffb, 8]] as [number, number][])),
    ...(shape.dynamic ?? []),
    [0, 0],
  ] as [number, number][];
  const dynamicBytes = Buffer.concat(dynamic.map(([tag, value]) => fields([8, tag], [8, value])));

  const file = Buffer.alloc(codeEnd);
  program(1, shape.flags ?? 5, 0, slide, codeEnd, align).copy(file, 64);
  program(2, 6, 0x200, 0x200 + slide, dynamicBytes.length, 8).copy(file, 120);
  program(0x6474e551, shape.stackFlags ?? 6, 0, 0, 0, 16).copy(file, 176);
  for (let i = 0; i + 16 <= dynamicBytes.length; i += 16) {
    // Addresses in the dynamic segment move with the segment.
    const tag = dynamicBytes.readBigUInt64LE(i);
    if ([4n, 5n, 6n, 0x6ffffffen].includes(tag))
      dynamicBytes.writeBigUInt64LE(dynamicBytes.readBigUInt64LE(i + 8) + BigInt(slide), i + 8);
  }
  dynamicBytes.copy(file, 0x200);
  Buffer.concat(tables).copy(file, 0x400);
  instructions.copy(file, CODE_AT);

  const sections = shape.symbols === true ? sectionsOf(code, codeEnd, instructions.length, slide) : undefined;
  const header = fields([4, 0x464c457f], [1, 2], [1, 1], [1, 1], [1, 0], [8, 0], [2, 3], [2, machine], [4, 1], [8, 0]);
  const rest = fields(
    [8, 64],
    [8, sections?.headersAt ?? 0],
    [4, 0],
    [2, 64],
    [2, 56],
    [2, 3],
    [2, 64],
    [2, sections?.count ?? 0],
    [2, sections === undefined ? 0 : sections.count - 1],
  );
  Buffer.concat([header, rest]).copy(file);
  return Buffer.concat([file, sections?.bytes ?? Buffer.alloc(0), Buffer.from(shape.trailer ?? '')]);
}

/** .text, .symtab, .strtab and .shstrtab. */
function sectionsOf(code: [string, ...number[]][], start: number, textSize: number, slide: number) {
  const strings = new Strings();
  let address = CODE_AT + slide;
  const symbols: Buffer[] = [Buffer.alloc(24)];
  for (const [name, ...words] of code) {
    symbols.push(symbol(strings.add(name), 1, name.startsWith('$') ? 0 : 2, address));
    address += words.length * 4;
  }
  const names = new Strings();
  const [text, symtab, strtab, shstrtab] = ['.text', '.symtab', '.strtab', '.shstrtab'].map((name) => names.add(name));
  const parts = [Buffer.concat(symbols), strings.bytes(), names.bytes()];
  const at = (index: number) => start + parts.slice(0, index).reduce((sum, each) => sum + each.length, 0);
  const section = (name = 0, type: number, flags: number, where: number, offset: number, size: number, link = 0) =>
    fields([4, name], [4, type], [8, flags], [8, where], [8, offset], [8, size], [4, link], [4, 0], [8, 8], [8, 0]);
  const headers = [
    Buffer.alloc(64),
    section(text, 1, 6, CODE_AT + slide, CODE_AT, textSize),
    section(symtab, 2, 0, 0, at(0), parts[0]?.length ?? 0, 3),
    section(strtab, 3, 0, 0, at(1), parts[1]?.length ?? 0),
    section(shstrtab, 3, 0, 0, at(2), parts[2]?.length ?? 0),
  ];
  return { bytes: Buffer.concat([...parts, ...headers]), headersAt: at(3), count: headers.length };
}

class Strings {
  #text = '\0';

  add(text: string): number {
    const at = this.#text.length;
    this.#text += `${text}\0`;
    return at;
  }

  bytes(): Buffer {
    return Buffer.from(this.#text, 'latin1');
  }
}

function symbol(name: number, section: number, type: number, address: number): Buffer {
  return fields([4, name], [1, (1 << 4) | type], [1, 0], [2, section], [8, address], [8, 0]);
}

function program(type: number, flags: number, offset: number, address: number, size: number, align: number): Buffer {
  return fields([4, type], [4, flags], [8, offset], [8, address], [8, address], [8, size], [8, size], [8, align]);
}

/** Numbers in little-endian order, each as [bytes, value]. */
function fields(...each: [number, number][]): Buffer {
  return Buffer.concat(
    each.map(([size, value]) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(value));
      return bytes.subarray(0, size);
    }),
  );
}
