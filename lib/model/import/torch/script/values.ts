import type { Instance } from '../pickle.js';
import type { Node } from './graph.js';

/**
 * A tensor while the code runs. Operators that work in place give it another node; views of the same memory, which would
 * change with it, are then stale.
 */
export class Tensor {
  /** Set where the memory was changed through another view. */
  isStale = false;

  constructor(
    public node: Node,
    /** Number of dimensions, undefined where it cannot be told. */
    readonly rank: number | undefined,
    /** All tensors that are views of the same memory, this one among them. */
    readonly views: Tensor[] = [],
  ) {
    views.push(this);
  }
}

/** A module of the tree, with the dotted name of its attributes. */
export class Module {
  constructor(
    readonly instance: Instance,
    readonly path: string,
  ) {}
}

/** A class, function or method by its name: `torch.add`, `__torch__.torch.nn.functional.relu`. */
export class Callable {
  constructor(
    readonly path: string,
    readonly self?: Module,
  ) {}
}

/** A number that depends on the size of the picture, or a value of no interest. */
export const UNKNOWN = Symbol('unknown');

export type Value =
  | null
  | number
  | boolean
  | string
  | typeof UNKNOWN
  | Tensor
  | Module
  | Callable
  | Value[]
  | Map<Value, Value>;
