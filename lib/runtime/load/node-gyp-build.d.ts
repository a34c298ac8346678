// The part of node-gyp-build 4.8 that reads the names of prebuilt files; the package has no types of its own.
declare module 'node-gyp-build/node-gyp-build.js' {
  /** A folder in `prebuilds/`, such as `darwin-x64+arm64`. */
  interface Tuple {
    readonly name: string;
    readonly platform: string;
    readonly architectures: readonly string[];
  }
  /** What a file's name says it is for. */
  interface Tags {
    readonly file: string;
    readonly libc?: 'glibc' | 'musl';
  }
  const nodeGypBuild: {
    /** Undefined where the folder is not named like that. */
    parseTuple(name: string): Tuple | undefined;
    matchTuple(platform: string, arch: string): (tuple: Tuple | undefined) => tuple is Tuple;
    compareTuples(a: Tuple, b: Tuple): number;
    /** Undefined where the name does not end in `.node`. */
    parseTags(file: string): Tags | undefined;
    compareTags(runtime: string): (a: Tags, b: Tags) => number;
  };
  export default nodeGypBuild;
}
