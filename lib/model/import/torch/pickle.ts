import { NeonsenseError, shortened } from '../../../errors.js';
import type { Budget } from '../../../files/limits.js';

/** A class or function the pickle names; it is never looked up, imported or called. */
export class Global {
  constructor(
    readonly module: string,
    readonly name: string,
  ) {}

  get path(): string {
    return `${this.module}.${this.name}`;
  }
}

/** An instance the pickle makes without calling a constructor: a module of TorchScript. */
export class Instance {
  state: PickleValue = null;

  constructor(readonly type: Global) {}
}

/** Python's tuple, told apart from a list because only it is immutable. */
export class Tuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** What a persistent id stands for: storage that lies outside the pickle. */
export class PersistentId {
  constructor(readonly id: PickleValue) {}
}

/**
 * Something Python would have made by running code: an instance of a class, the result of a function. What it is can be
 * told, what is in it is of no interest: it stands beside the weights.
 */
export class Opaque {
  constructor(readonly path: string) {}
}

export type PickleValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | Global
  | Instance
  | Opaque
  | Tuple
  | PersistentId
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | object;

/** What becomes of the classes and functions a pickle names. Nothing is ever looked up, imported or called. */
export interface PickleRules {
  /** What calling `callee` with `args` stands for, or undefined where that is opaque. */
  readonly call: (callee: Global, args: readonly PickleValue[], budget: Budget) => PickleValue | undefined;
  /** Whether the attributes of an instance of `type` are of interest. */
  readonly hasAttributes: (type: Global) => boolean;
}

/**
 * Runs a pickle's stack machine over `bytes` without executing any Python: values and containers, what `rules` know, and
 * opaque objects for everything else. The binary opcodes of protocols 2 to 5.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` naming the opcode or place where reading stopped, or the limit reached.
 */
export function readPickle(bytes: Uint8Array, rules: PickleRules, budget: Budget): PickleValue {
  budget.check('headerBytes', bytes.length);
  return new Machine(bytes, rules, budget).run();
}

/** Opcodes by the names Python's pickle module gives them. */
const OP = {
  MARK: 0x28,
  STOP: 0x2e,
  POP: 0x30,
  POP_MARK: 0x31,
  DUP: 0x32,
  BINFLOAT: 0x47,
  BININT: 0x4a,
  BININT1: 0x4b,
  BININT2: 0x4d,
  BINSTRING: 0x54,
  SHORT_BINSTRING: 0x55,
  BINBYTES: 0x42,
  SHORT_BINBYTES: 0x43,
  NONE: 0x4e,
  BINPERSID: 0x51,
  REDUCE: 0x52,
  BINUNICODE: 0x58,
  EMPTY_LIST: 0x5d,
  APPEND: 0x61,
  BUILD: 0x62,
  GLOBAL: 0x63,
  APPENDS: 0x65,
  BINGET: 0x68,
  LONG_BINGET: 0x6a,
  BINPUT: 0x71,
  LONG_BINPUT: 0x72,
  SETITEM: 0x73,
  TUPLE: 0x74,
  SETITEMS: 0x75,
  EMPTY_DICT: 0x7d,
  EMPTY_TUPLE: 0x29,
  PROTO: 0x80,
  NEWOBJ: 0x81,
  TUPLE1: 0x85,
  TUPLE2: 0x86,
  TUPLE3: 0x87,
  NEWTRUE: 0x88,
  NEWFALSE: 0x89,
  LONG1: 0x8a,
  LONG4: 0x8b,
  SHORT_BINUNICODE: 0x8c,
  BINUNICODE8: 0x8d,
  BINBYTES8: 0x8e,
  EMPTY_SET: 0x8f,
  ADDITEMS: 0x90,
  FROZENSET: 0x91,
  NEWOBJ_EX: 0x92,
  STACK_GLOBAL: 0x93,
  MEMOIZE: 0x94,
  FRAME: 0x95,
  BYTEARRAY8: 0x96,
} as const;

/** Stands on the stack where a MARK was pushed. */
const MARK = Symbol('mark');

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #rules: PickleRules;
  readonly #budget: Budget;
  readonly #text: Buffer;
  readonly #stack: (PickleValue | typeof MARK)[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #offset = 0;

  constructor(bytes: Uint8Array, rules: PickleRules, budget: Budget) {
    this.#bytes = bytes;
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#rules = rules;
    this.#budget = budget;
  }

  run(): PickleValue {
    for (;;) {
      const opcode = this.#byte();
      if (opcode === OP.STOP) return this.#pop();
      this.#budget.spend('work');
      this.#step(opcode);
    }
  }

  #step(opcode: number): void {
    switch (opcode) {
      case OP.PROTO: {
        const protocol = this.#byte();
        if (protocol < 2 || protocol > 5) throw this.#broken(`it has protocol ${protocol}; expected 2 to 5`);
        return;
      }
      case OP.FRAME:
        this.#take(8);
        return;
      case OP.MARK:
        this.#stack.push(MARK);
        return;
      case OP.POP:
        if (this.#stack.pop() === undefined) throw this.#broken('it pops from an empty stack');
        return;
      case OP.POP_MARK:
        this.#popToMark();
        return;
      case OP.DUP: {
        const top = this.#pop();
        this.#stack.push(top, top);
        return;
      }
      default:
        if (!this.#scalar(opcode) && !this.#container(opcode) && !this.#memory(opcode) && !this.#object(opcode)) {
          throw this.#broken(`opcode 0x${opcode.toString(16).padStart(2, '0')} is not one that PyTorch writes`);
        }
    }
  }

  #scalar(opcode: number): boolean {
    switch (opcode) {
      case OP.NONE:
        this.#stack.push(null);
        return true;
      case OP.NEWTRUE:
        this.#stack.push(true);
        return true;
      case OP.NEWFALSE:
        this.#stack.push(false);
        return true;
      case OP.BININT:
        this.#stack.push(this.#view.getInt32(this.#take(4), true));
        return true;
      case OP.BININT1:
        this.#stack.push(this.#byte());
        return true;
      case OP.BININT2:
        this.#stack.push(this.#view.getUint16(this.#take(2), true));
        return true;
      case OP.LONG1:
        this.#stack.push(this.#long(this.#byte()));
        return true;
      case OP.LONG4:
        this.#stack.push(this.#long(this.#length(4)));
        return true;
      case OP.BINFLOAT:
        this.#stack.push(this.#view.getFloat64(this.#take(8)));
        return true;
      case OP.BINUNICODE:
      case OP.BINSTRING:
        this.#push(this.#string(this.#length(4)));
        return true;
      case OP.SHORT_BINUNICODE:
      case OP.SHORT_BINSTRING:
        this.#push(this.#string(this.#byte()));
        return true;
      case OP.BINUNICODE8:
        this.#push(this.#string(this.#length(8)));
        return true;
      case OP.BINBYTES:
        this.#push(this.#bytesOf(this.#length(4)));
        return true;
      case OP.SHORT_BINBYTES:
        this.#push(this.#bytesOf(this.#byte()));
        return true;
      case OP.BINBYTES8:
      case OP.BYTEARRAY8:
        this.#push(this.#bytesOf(this.#length(8)));
        return true;
      default:
        return false;
    }
  }

  #container(opcode: number): boolean {
    switch (opcode) {
      case OP.EMPTY_TUPLE:
        this.#push(new Tuple([]));
        return true;
      case OP.TUPLE1:
      case OP.TUPLE2:
      case OP.TUPLE3: {
        const items = Array.from({ length: opcode - OP.TUPLE1 + 1 }, () => this.#pop());
        this.#push(new Tuple(items.reverse()));
        return true;
      }
      case OP.TUPLE:
        this.#push(new Tuple(this.#popToMark()));
        return true;
      case OP.EMPTY_LIST:
        this.#push([]);
        return true;
      case OP.APPEND: {
        const item = this.#pop();
        this.#list()?.push(item);
        return true;
      }
      case OP.APPENDS: {
        const items = this.#popToMark();
        const list = this.#list();
        if (list !== undefined) for (const item of items) list.push(item);
        return true;
      }
      case OP.EMPTY_SET:
        this.#push(new Opaque('builtins.set'));
        return true;
      case OP.ADDITEMS:
        this.#popToMark();
        if (!(this.#top() instanceof Opaque)) throw this.#broken('it adds to a value that is no set');
        return true;
      case OP.FROZENSET:
        this.#popToMark();
        this.#push(new Opaque('builtins.frozenset'));
        return true;
      case OP.EMPTY_DICT:
        this.#push(new Map());
        return true;
      case OP.SETITEM: {
        const value = this.#pop();
        const key = this.#pop();
        this.#setItem(this.#dictionary(), key, value);
        return true;
      }
      case OP.SETITEMS: {
        const items = this.#popToMark();
        const dictionary = this.#dictionary();
        if (items.length % 2 !== 0) throw this.#broken('it sets a key without a value');
        for (let i = 0; i < items.length; i += 2) this.#setItem(dictionary, items[i]!, items[i + 1]!);
        return true;
      }
      default:
        return false;
    }
  }

  #memory(opcode: number): boolean {
    switch (opcode) {
      case OP.BINPUT:
        this.#memo.set(this.#byte(), this.#top());
        return true;
      case OP.LONG_BINPUT:
        this.#memo.set(this.#view.getUint32(this.#take(4), true), this.#top());
        return true;
      case OP.MEMOIZE:
        this.#memo.set(this.#memo.size, this.#top());
        return true;
      case OP.BINGET:
        this.#stack.push(this.#recall(this.#byte()));
        return true;
      case OP.LONG_BINGET:
        this.#stack.push(this.#recall(this.#view.getUint32(this.#take(4), true)));
        return true;
      default:
        return false;
    }
  }

  #object(opcode: number): boolean {
    switch (opcode) {
      case OP.GLOBAL:
        this.#pushGlobal(this.#line(), this.#line());
        return true;
      case OP.STACK_GLOBAL: {
        const name = this.#pop();
        const module = this.#pop();
        if (typeof module !== 'string' || typeof name !== 'string')
          throw this.#broken('it names a global by no string');
        this.#pushGlobal(module, name);
        return true;
      }
      case OP.BINPERSID:
        this.#push(new PersistentId(this.#pop()));
        return true;
      case OP.REDUCE: {
        const args = this.#arguments();
        const callee = this.#callee();
        const result = callee instanceof Global ? this.#rules.call(callee, args, this.#budget) : undefined;
        this.#push(result === undefined ? new Opaque(callee.path) : result);
        return true;
      }
      case OP.NEWOBJ_EX:
        if (!(this.#pop() instanceof Map)) throw this.#broken('it makes an object without named arguments');
        this.#newObject();
        return true;
      case OP.NEWOBJ:
        this.#newObject();
        return true;
      case OP.BUILD: {
        const state = this.#pop();
        const target = this.#top();
        // A dict keeps its own attributes this way (state_dict's `_metadata`): nothing that is needed here.
        if (target instanceof Instance) target.state = state;
        else if (typeof target !== 'object' || target === null) {
          throw this.#broken('it sets the state of a value that has none');
        }
        return true;
      }
      default:
        return false;
    }
  }

  #newObject(): void {
    this.#arguments();
    const type = this.#callee();
    const known = type instanceof Global && this.#rules.hasAttributes(type);
    this.#push(known ? new Instance(type) : new Opaque(type.path));
  }

  #pushGlobal(module: string, name: string): void {
    this.#push(new Global(shortened(module), shortened(name)));
  }

  /** What is called: named, or itself made by an opaque call. */
  #callee(): Global | Opaque {
    const callee = this.#pop();
    if (callee instanceof Global || callee instanceof Opaque) return callee;
    throw this.#broken('it calls what is no function');
  }

  /** Pushes a value that takes memory of its own. */
  #push(value: PickleValue): void {
    this.#budget.spend('objects');
    this.#stack.push(value);
  }

  #setItem(dictionary: Map<PickleValue, PickleValue> | undefined, key: PickleValue, value: PickleValue): void {
    if (dictionary === undefined) return;
    this.#budget.spend('objects');
    dictionary.set(key, value);
  }

  #arguments(): readonly PickleValue[] {
    const args = this.#pop();
    if (!(args instanceof Tuple)) throw this.#broken('it calls a function without a tuple of arguments');
    return args.items;
  }

  #byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  /** Moves past `count` bytes, which must be there; where they begin. */
  #take(count: number): number {
    const start = this.#offset;
    if (start + count > this.#bytes.length) throw this.#broken('it ends too early');
    this.#offset = start + count;
    return start;
  }

  /** A little-endian length of 4 or 8 bytes. */
  #length(width: 4 | 8): number {
    const start = this.#take(width);
    const low = this.#view.getUint32(start, true);
    return width === 4 ? low : low + this.#view.getUint32(start + 4, true) * 2 ** 32;
  }

  #string(length: number): string {
    const start = this.#take(length);
    return this.#text.toString('utf8', start, start + length);
  }

  /** A view of the next `length` bytes. */
  #bytesOf(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#offset);
    if (end < 0) throw this.#broken('it ends too early');
    const text = this.#string(end - this.#offset);
    this.#offset = end + 1;
    return text;
  }

  /** A little-endian integer in two's complement; one too large for any size or offset is of no use to a tensor. */
  #long(length: number): PickleValue {
    const start = this.#take(length);
    if (length > 8) return new Opaque('builtins.int');
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[start + i]!);
    return Number(BigInt.asIntN(8 * length, value));
  }

  #top(): PickleValue {
    const top = this.#stack.at(-1);
    if (top === undefined || top === MARK) throw this.#broken('it needs a value that is not on the stack');
    return top as PickleValue;
  }

  #pop(): PickleValue {
    const top = this.#top();
    this.#stack.pop();
    return top;
  }

  #popToMark(): PickleValue[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw this.#broken('it needs a mark that is not on the stack');
    const items = this.#stack.splice(mark + 1);
    this.#stack.pop();
    return items as PickleValue[];
  }

  /** The list on the stack, undefined for an object that takes items in its own way. */
  #list(): PickleValue[] | undefined {
    const top = this.#top();
    if (top instanceof Opaque) return undefined;
    if (!Array.isArray(top)) throw this.#broken('it appends to a value that is no list');
    return top as PickleValue[];
  }

  #dictionary(): Map<PickleValue, PickleValue> | undefined {
    const top = this.#top();
    if (top instanceof Opaque) return undefined;
    if (!(top instanceof Map)) throw this.#broken('it sets an item of a value that is no dict');
    return top as Map<PickleValue, PickleValue>;
  }

  #recall(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#broken(`it recalls value ${index}, which was never stored`);
    return value;
  }

  #broken(what: string): NeonsenseError {
    return new NeonsenseError(
      'ERR_MODEL_FORMAT',
      `Unreadable pickle in the checkpoint: at byte ${this.#offset} ${what}`,
    );
  }
}
