import { existsSync, type Stats, statSync } from 'node:fs';
import { fileError, invalidArgument, NeonsenseError, shortened } from '../errors.js';
import { type CommandLine, installed, isInstalled } from './programs.js';

/** What part of each picture is looked at, in shares of its sides, as rpicam-vid's `--roi`. */
export interface Region {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface RouteOptions {
  /** What comes through standard input, by ffmpeg's name: `yuv420p`, `rgb24`, `mjpeg` and the others that it knows. */
  readonly format?: string | undefined;
  /** Sides in pixels of the raw frames that come through standard input, or those that a camera is asked for. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Frames a second that a camera is asked for. Default: the camera's own. */
  readonly fps?: number | undefined;
  /** Look at a part of each picture only, in shares of its sides, 0 to 1. */
  readonly roi?: Region | undefined;
  /** Play a film at its own pace, as if it were live. Default false. */
  readonly realtime?: boolean | undefined;
}

/** How frames get here. */
export type Route =
  /** A program's output. */
  | {
      readonly kind: 'program';
      readonly command: CommandLine;
      readonly stdin: boolean;
      readonly gives: Gives;
      readonly live: boolean;
    }
  /** What was piped in, as it is. */
  | { readonly kind: 'stdin'; readonly gives: Gives; readonly live: true }
  /** An HTTP answer, when it is Motion JPEG; else `otherwise`. */
  | { readonly kind: 'http'; readonly url: string; readonly otherwise: () => Route; readonly live: true }
  | { readonly kind: 'folder'; readonly path: string; readonly live: false };

/** `ppm` says its sides itself. */
export type Gives =
  | { readonly format: 'mjpeg' | 'ppm' }
  | { readonly format: RawFormat; readonly width: number; readonly height: number };

/** Raw formats that `Classifier.stream` takes as they are. ffmpeg converts the others. */
const RAW_FORMATS = ['rgb24', 'bgr24', 'rgba', 'bgra', 'gray'] as const;
export type RawFormat = (typeof RAW_FORMATS)[number];

/** Longer side that ffmpeg hands on: the network sees 224 pixels, and bytes in a pipe cost time. */
const LONGEST_SIDE = 640;
const CAMERA = { width: 640, height: 480 };

/**
 * Finds how to read `source`: `camera`, a device, a film, an address, `-`, or a folder.
 *
 * @throws {NeonsenseError} `ERR_NOT_FOUND` for what is not there, and for a program that is not installed, with the command
 * that installs it; `ERR_INVALID_ARGUMENT`
 */
export function routeTo(source: string, options: RouteOptions = {}): Route {
  if (source === '-') return standardInput(options);
  if (source === 'camera') return camera(options);
  if (/^https?:\/\//i.test(source)) {
    const otherwise = (): Route => throughFfmpeg(['-i', source], options, { live: true, what: source });
    // ffmpeg cuts the region out, so it has to read the stream.
    return options.roi === undefined ? { kind: 'http', url: source, otherwise, live: true } : otherwise();
  }
  if (/^rtsps?:\/\//i.test(source)) {
    return throughFfmpeg(['-rtsp_transport', 'tcp', '-i', source], options, { live: true, what: source });
  }
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(source)) {
    throw invalidArgument('source', 'an address that begins with rtsp://, http:// or https://', source);
  }
  const entry = entryOf(source);
  if (entry.isDirectory()) return { kind: 'folder', path: source, live: false };
  if (entry.isCharacterDevice()) return device(source, options);
  const pace = options.realtime === true ? ['-re'] : [];
  // So that a name that begins with a dash, or has a colon in it, is a file's.
  return throughFfmpeg([...pace, '-i', `file:${source}`], options, { live: options.realtime === true, what: 'A film' });
}

function entryOf(source: string): Stats {
  try {
    return statSync(source);
  } catch (cause) {
    const name = shortened(source);
    throw fileError(
      cause,
      `There is no ${name}; a source is camera, a device like /dev/video0, a film, a folder, rtsp://, http:// or -`,
      `${name} can't be read`,
    );
  }
}

/** The camera there is: the Pi's, the Jetson's, or the first that the system lists. */
function camera(options: RouteOptions): Route {
  if (isInstalled('rpicam-vid') || isInstalled('libcamera-vid')) return raspberryPi(options);
  if (existsSync('/etc/nv_tegra_release')) {
    const { width, height } = sidesOf(options);
    const rate = options.fps === undefined ? '' : `,framerate=${options.fps}/1`;
    const from = ['nvarguscamerasrc', '!', `video/x-raw(memory:NVMM),width=${width},height=${height}${rate}`];
    return throughGStreamer([...from, '!', 'nvvidconv'], options);
  }
  if (process.platform === 'darwin') {
    const { width, height } = sidesOf(options);
    const rate = String(options.fps ?? 30);
    const input = ['-f', 'avfoundation', '-framerate', rate, '-video_size', `${width}x${height}`, '-i', '0'];
    return throughFfmpeg(input, options, { live: true, what: 'The camera' });
  }
  if (existsSync('/dev/video0')) return device('/dev/video0', options);
  throw new NeonsenseError(
    'ERR_NOT_FOUND',
    'No camera was found: there is no /dev/video0, and no rpicam-vid. On a Raspberry Pi: sudo apt-get install rpicam-apps',
  );
}

/** Motion JPEG, which the Pi's camera programs all give, with the region cut out by the camera. */
function raspberryPi(options: RouteOptions): Route {
  const { width, height } = sidesOf(options);
  const { roi, fps } = options;
  const args = [
    ...['-n', '-t', '0', '--codec', 'mjpeg', '--width', String(width), '--height', String(height)],
    ...(fps === undefined ? [] : ['--framerate', String(fps)]),
    ...(roi === undefined ? [] : ['--roi', `${roi.x},${roi.y},${roi.width},${roi.height}`]),
    ...['-o', '-'],
  ];
  const candidates = (['rpicam-vid', 'libcamera-vid'] as const).map((program) => ({ program, args }));
  const command = installed(candidates, 'The camera');
  return { kind: 'program', command, stdin: false, gives: { format: 'mjpeg' }, live: true };
}

function device(path: string, options: RouteOptions): Route {
  const { width, height } = sidesOf(options);
  if (!isInstalled('ffmpeg') && isInstalled('gst-launch-1.0') && options.roi === undefined) {
    return throughGStreamer(['v4l2src', `device=${path}`, '!', 'decodebin', '!', 'videoscale'], options);
  }
  const rate = options.fps === undefined ? [] : ['-framerate', String(options.fps)];
  const input = ['-f', 'v4l2', ...rate, '-video_size', `${width}x${height}`, '-i', path];
  return throughFfmpeg(input, options, { live: true, what: path });
}

/** Four bytes a pixel, since rows of three would be padded; with alpha, which the fourth byte of BGRx need not be. */
function throughGStreamer(from: readonly string[], options: RouteOptions): Route {
  const { width, height } = sidesOf(options);
  const raw = `video/x-raw,format=BGRA,width=${width},height=${height}`;
  const args = ['-q', ...from, '!', 'videoconvert', '!', raw, '!', 'fdsink', 'fd=1'];
  const command = installed([{ program: 'gst-launch-1.0', args }], 'The camera');
  if (options.roi !== undefined) throw invalidArgument('roi', 'no region: GStreamer does not cut it out', options.roi);
  return { kind: 'program', command, stdin: false, gives: { format: 'bgra', width, height }, live: true };
}

function standardInput(options: RouteOptions): Route {
  const { format, width, height, roi } = options;
  if (format === undefined) throw invalidArgument('format', 'what comes through standard input', format);
  const motionJpeg = format === 'mjpeg';
  if (!motionJpeg && (width === undefined || height === undefined)) {
    throw invalidArgument('size', 'the sides of the raw frames, 640x480', undefined);
  }
  if (roi === undefined && motionJpeg) return { kind: 'stdin', gives: { format }, live: true };
  const raw = RAW_FORMATS.find((known) => known === format);
  if (roi === undefined && raw !== undefined) {
    return { kind: 'stdin', gives: { format: raw, width: width!, height: height! }, live: true };
  }
  if (!/^\w{1,30}$/.test(format)) throw invalidArgument('format', "ffmpeg's name of a pixel format, or mjpeg", format);
  const demuxed = motionJpeg
    ? ['-f', 'mjpeg']
    : ['-f', 'rawvideo', '-pixel_format', format, '-video_size', `${width}x${height}`];
  const what = roi === undefined ? `Format ${format}` : 'A region';
  return throughFfmpeg([...demuxed, '-i', '-'], options, { live: true, what, stdin: true });
}

/** Frames as ffmpeg decodes them, no larger than the network needs. */
function throughFfmpeg(
  input: readonly string[],
  { roi }: RouteOptions,
  { live, what, stdin = false }: { readonly live: boolean; readonly what: string; readonly stdin?: boolean },
): Route {
  const filters = [
    ...(roi === undefined ? [] : [`crop=iw*${roi.width}:ih*${roi.height}:iw*${roi.x}:ih*${roi.y}:exact=1`]),
    `scale=w='min(${LONGEST_SIDE},iw)':h='min(${LONGEST_SIDE},ih)':force_original_aspect_ratio=decrease:flags=area`,
  ];
  const args = [
    ...['-hide_banner', '-loglevel', 'error', ...(stdin ? [] : ['-nostdin'])],
    ...(live ? ['-flags', 'low_delay'] : []),
    ...input,
    ...['-an', '-sn', '-dn', '-vf', filters.join(',')],
    ...['-f', 'image2pipe', '-c:v', 'ppm', '-pix_fmt', 'rgb24', '-'],
  ];
  const command = installed([{ program: 'ffmpeg', args }], what);
  return { kind: 'program', command, stdin, gives: { format: 'ppm' }, live };
}

function sidesOf({ width, height }: RouteOptions): { readonly width: number; readonly height: number } {
  return width === undefined || height === undefined ? CAMERA : { width, height };
}
