import { NeonsenseError } from '../../../errors.js';

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

export type PickleValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | Global
  | Instance
  | Tuple
  | PersistentId
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | object;

/** What a pickle is allowed to name. Anything else stops the reading. */
export interface PickleRules {
  /** The result of calling `callee` with `args`, or undefined where that is not allowed. */
  readonly call: (callee: Global, args: readonly PickleValue[]) => PickleValue | undefined;
  /** Whether `name` may be named at all. */
  readonly allows: (name: Global) => boolean;
  /** Whether instances of `type` may be made. */
  readonly instantiates: (type: Global) => boolean;
}

// Deeper nesting than any module tree; a pickle cannot make it in fewer bytes than it costs.
const DEEPEST_STACK = 100_000;

/**
 * Runs a pickle's stack machine over `bytes` without executing any Python: only values, containers, and what `rules`
 * allow. Protocols 2 to 4 as torch.save and TorchScript write them.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` naming the global, opcode or place where reading stopped.
 */
export function readPickle(bytes: Uint8Array, rules: PickleRules): PickleValue {
  return new Machine(bytes, rules).run();
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
  SHORT_BINUNICODE: 0x8c,
  STACK_GLOBAL: 0x93,
  MEMOIZE: 0x94,
  FRAME: 0x95,
} as const;

/** Stands on the stack where a MARK was pushed. */
const MARK = Symbol('mark');

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #rules: PickleRules;
  readonly #stack: (PickleValue | typeof MARK)[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #offset = 0;

  constructor(bytes: Uint8Array, rules: PickleRules) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#rules = rules;
  }

  run(): PickleValue {
    for (;;) {
      const opcode = this.#byte();
      if (opcode === OP.STOP) return this.#pop();
      this.#step(opcode);
      if (this.#stack.length > DEEPEST_STACK) throw this.#broken('its stack grows too high');
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
      case OP.BINFLOAT:
        this.#stack.push(this.#view.getFloat64(this.#take(8)));
        return true;
      case OP.BINUNICODE:
        this.#stack.push(this.#text(this.#view.getUint32(this.#take(4), true)));
        return true;
      case OP.SHORT_BINUNICODE:
        this.#stack.push(this.#text(this.#byte()));
        return true;
      default:
        return false;
    }
  }

  #container(opcode: number): boolean {
    switch (opcode) {
      case OP.EMPTY_TUPLE:
        this.#stack.push(new Tuple([]));
        return true;
      case OP.TUPLE1:
      case OP.TUPLE2:
      case OP.TUPLE3: {
        const items = Array.from({ length: opcode - OP.TUPLE1 + 1 }, () => this.#pop());
        this.#stack.push(new Tuple(items.reverse()));
        return true;
      }
      case OP.TUPLE:
        this.#stack.push(new Tuple(this.#popToMark()));
        return true;
      case OP.EMPTY_LIST:
        this.#stack.push([]);
        return true;
      case OP.APPEND: {
        const item = this.#pop();
        this.#list().push(item);
        return true;
      }
      case OP.APPENDS: {
        const items = this.#popToMark();
        const list = this.#list();
        for (const item of items) list.push(item);
        return true;
      }
      case OP.EMPTY_DICT:
        this.#stack.push(new Map());
        return true;
      case OP.SETITEM: {
        const value = this.#pop();
        const key = this.#pop();
        this.#dictionary().set(key, value);
        return true;
      }
      case OP.SETITEMS: {
        const items = this.#popToMark();
        const dictionary = this.#dictionary();
        if (items.length % 2 !== 0) throw this.#broken('it sets a key without a value');
        for (let i = 0; i < items.length; i += 2) dictionary.set(items[i]!, items[i + 1]!);
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
        this.#stack.push(new PersistentId(this.#pop()));
        return true;
      case OP.REDUCE: {
        const args = this.#arguments();
        const callee = this.#pop();
        const result = callee instanceof Global ? this.#rules.call(callee, args) : undefined;
        if (result === undefined) {
          throw this.#broken(`it calls ${callee instanceof Global ? callee.path : 'what is no function'}`);
        }
        this.#stack.push(result);
        return true;
      }
      case OP.NEWOBJ: {
        const args = this.#arguments();
        const type = this.#pop();
        if (!(type instanceof Global) || !this.#rules.instantiates(type) || args.length > 0) {
          throw this.#broken(`it makes an object of ${type instanceof Global ? type.path : 'no class'}`);
        }
        this.#stack.push(new Instance(type));
        return true;
      }
      case OP.BUILD: {
        const state = this.#pop();
        const target = this.#top();
        // A dict keeps its own attributes this way (state_dict's `_metadata`): nothing that is needed here.
        if (target instanceof Instance) target.state = state;
        else if (!(target instanceof Map)) throw this.#broken('it sets the state of a value that has none');
        return true;
      }
      default:
        return false;
    }
  }

  #pushGlobal(module: string, name: string): void {
    const global = new Global(module, name);
    if (!this.#rules.allows(global)) {
      throw new NeonsenseError(
        'ERR_MODEL_FORMAT',
        `The checkpoint refers to ${JSON.stringify(global.path)}, which is not among the tensor types that can be ` +
          'read; nothing of it was executed. Save only the weights: torch.save(model.state_dict(), path)',
      );
    }
    this.#stack.push(global);
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

  #text(length: number): string {
    const start = this.#take(length);
    return new TextDecoder().decode(this.#bytes.subarray(start, start + length));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#offset);
    if (end < 0) throw this.#broken('it ends too early');
    const text = this.#text(end - this.#offset);
    this.#offset = end + 1;
    return text;
  }

  /** A little-endian integer in two's complement; those too large to be exact are of no use to a tensor. */
  #long(length: number): number {
    const start = this.#take(length);
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
    const items = this.#stack.splice(mark);
    items.shift();
    return items as PickleValue[];
  }

  #list(): PickleValue[] {
    const top = this.#top();
    if (!Array.isArray(top)) throw this.#broken('it appends to a value that is no list');
    return top as PickleValue[];
  }

  #dictionary(): Map<PickleValue, PickleValue> {
    const top = this.#top();
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
