const MARKER = 0xff;
const END = 0xd9;
const START_OF_SCAN = 0xda;
/** Start of a frame that libjpeg decodes: baseline, extended and progressive, with Huffman codes. */
const FRAMES = [0xc0, 0xc1, 0xc2];
const PROGRESSIVE = 0xc2;
const COEFFICIENTS = 64;

/**
 * A JPEG file that lacks nothing but its end marker, as recorders leave it when they lose power at the wrong moment, with
 * the marker; undefined for any other. Whether the last scan has all its bytes shows when it is decoded; that no scan is
 * missing is looked up here, because a progressive picture without its last scans decodes to a blurred one.
 */
export function withEndMarker(file: Uint8Array): Uint8Array | undefined {
  if (file[0] !== MARKER || file[1] !== 0xd8) return undefined;
  /** Bits still missing of each coefficient of each component, by the component's number. */
  const missing = new Map<number, Uint8Array>();
  let isProgressive = false;
  let hasScan = false;
  let offset = 2;
  for (;;) {
    offset = nextMarker(file, offset);
    if (offset >= file.length) break;
    const marker = file[offset + 1]!;
    if (marker === END) return undefined;
    const length = ((file[offset + 2] ?? 0) << 8) | (file[offset + 3] ?? 0);
    const segment = file.subarray(offset + 4, offset + 2 + length);
    if (length < 2 || offset + 2 + length > file.length) return undefined;
    if (FRAMES.includes(marker)) {
      isProgressive = marker === PROGRESSIVE;
      for (let i = 0; i < (segment[5] ?? 0); i++)
        missing.set(segment[6 + 3 * i] ?? 0, new Uint8Array(COEFFICIENTS).fill(1));
    } else if (marker === START_OF_SCAN) {
      hasScan = true;
      const components = segment[0] ?? 0;
      const [first = 0, last = 0, bits = 0] = segment.subarray(1 + 2 * components);
      for (let i = 0; i < components; i++) {
        const coefficients = missing.get(segment[1 + 2 * i] ?? 0);
        if (isProgressive) coefficients?.fill(bits & 15, first, last + 1);
        else coefficients?.fill(0);
      }
    }
    offset += 2 + length;
  }
  if (!hasScan || [...missing.values()].some((bits) => bits.some((bit) => bit !== 0))) return undefined;
  // Half of the marker may be there.
  const end = file.at(-1) === MARKER ? file.subarray(0, -1) : file;
  return Buffer.concat([end, Uint8Array.of(MARKER, END)]);
}

/** Where the next marker with a segment, or the end marker, begins; the file's length where none does. */
function nextMarker(file: Uint8Array, start: number): number {
  for (let at = file.indexOf(MARKER, start); at >= 0 && at + 1 < file.length; at = file.indexOf(MARKER, at + 1)) {
    const next = file[at + 1]!;
    // A stuffed zero, fill bytes, restart markers: all inside of a scan.
    if (next !== 0 && next !== MARKER && !(next >= 0xd0 && next <= 0xd7)) return at;
  }
  return file.length;
}
