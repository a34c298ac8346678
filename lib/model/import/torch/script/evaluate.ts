import { NeonsenseError, quoted, shortened } from '../../../../errors.js';
import type { Budget } from '../../../../files/limits.js';
import type { StateTensor } from '../../stateDict.js';
import type { PickleValue } from '../pickle.js';
import { Instance, Tuple } from '../pickle.js';
import { TorchTensor } from '../tensor.js';
import type { Node } from './graph.js';
import { applyOperator, nodeOf, unsupported } from './operators.js';
import type { ClassSource, Expression, FunctionSource, ModuleSource, Statement } from './syntax.js';
import { parseModule } from './syntax.js';
import type { Value } from './values.js';
import { Callable, Module, Tensor, UNKNOWN } from './values.js';

/** What the code of an archive needs beside itself. */
export interface ScriptArchive {
  /** The text of `code/PATH`, undefined where there is none. */
  readonly code: (path: string) => string | undefined;
  /** `CONSTANTS.c0`, `c1`, ...: the items of `constants.pkl`. */
  readonly constants: () => readonly PickleValue[];
  /** A tensor of the module tree under its dotted name, or one of the constants. */
  readonly tensor: (tensor: TorchTensor, name: string, isConstant: boolean) => StateTensor;
}

/**
 * What the `forward` of a TorchScript module computes from a picture, as a graph. The code is followed step by step with a
 * tensor that stands for any picture: branches are taken by what is known before, such as `training`.
 *
 * @throws {NeonsenseError} `ERR_UNSUPPORTED` where it cannot be followed, `ERR_MODEL_FORMAT` for damage or beyond the
 * budget.
 */
export function graphOf(root: Instance, archive: ScriptArchive, budget: Budget): Node {
  const image = new Tensor({ op: 'image' }, 4);
  return nodeOf(singleTensor(new Evaluation(archive, budget).method(new Module(root, ''), 'forward', [image])));
}

/** The one tensor of a result that may be wrapped: `(logits,)`, `{'logits': ...}`. */
function singleTensor(result: Value): Value {
  if (result instanceof Tensor) return result;
  const items = result instanceof Map ? [...result.values()] : Array.isArray(result) ? result : [];
  if (items.length === 1) return singleTensor(items[0]!);
  throw unsupported('one tensor as the answer of forward');
}

/** The result of a statement that ends its function. */
class Returned {
  constructor(readonly value: Value) {}
}

type Variables = Map<string, Value>;

class Evaluation {
  readonly #sources = new Map<string, ModuleSource>();
  readonly #attributes = new Map<Instance, Map<string, Value>>();
  #depth = 0;
  readonly #archive: ScriptArchive;
  readonly #budget: Budget;

  constructor(archive: ScriptArchive, budget: Budget) {
    this.#archive = archive;
    this.#budget = budget;
  }

  method(self: Module, name: string, args: readonly Value[]): Value {
    const source = this.#classOf(self).methods.get(name);
    if (source === undefined)
      throw unsupported(`a method ${quoted(name, 80)} of ${quoted(self.instance.type.path, 80)}`);
    return this.#call(source, [self, ...args], new Map());
  }

  #call(source: FunctionSource, args: readonly Value[], named: ReadonlyMap<string, Value>): Value {
    this.#budget.check('depth', ++this.#depth);
    const variables: Variables = new Map();
    source.parameters.forEach((parameter, index) => {
      const given = index < args.length ? args[index] : named.get(parameter.name);
      if (given !== undefined) variables.set(parameter.name, given);
      else if (parameter.default !== undefined)
        variables.set(parameter.name, this.#value(parameter.default, variables));
      else throw unsupported(`one argument for ${quoted(source.name, 80)}, the picture`);
    });
    const result = this.#run(source.body, variables);
    this.#depth--;
    return result instanceof Returned ? result.value : null;
  }

  #run(statements: readonly Statement[], variables: Variables): Returned | undefined {
    for (const statement of statements) {
      const result = this.#step(statement, variables);
      if (result !== undefined) return result;
    }
    return undefined;
  }

  #step(statement: Statement, variables: Variables): Returned | undefined {
    this.#budget.spend('work');
    switch (statement.kind) {
      case 'assign': {
        const value = this.#value(statement.value, variables);
        if (!statement.unpacks) this.#assign(statement.targets[0]!, value, variables);
        else {
          if (!Array.isArray(value) || value.length !== statement.targets.length)
            throw unsupported('as many values as names');
          statement.targets.forEach((target, index) => this.#assign(target, value[index]!, variables));
        }
        return undefined;
      }
      case 'expression':
        this.#value(statement.value, variables);
        return undefined;
      case 'return':
        return new Returned(this.#value(statement.value, variables));
      case 'if':
        return this.#run(
          this.#decided(statement.condition, variables) ? statement.then : statement.otherwise,
          variables,
        );
      case 'while':
        while (this.#decided(statement.condition, variables)) {
          const result = this.#run(statement.body, variables);
          if (result !== undefined) return result;
          this.#budget.spend('work');
        }
        return undefined;
      case 'for': {
        const over = this.#value(statement.over, variables);
        if (!Array.isArray(over)) throw unsupported('a loop whose length is known');
        for (const item of over) {
          this.#budget.spend('work');
          variables.set(statement.target, item);
          const result = this.#run(statement.body, variables);
          if (result !== undefined) return result;
        }
        return undefined;
      }
    }
  }

  #assign(target: Expression, value: Value, variables: Variables): void {
    if (target.kind !== 'name') throw unsupported('assignments to names alone');
    variables.set(target.name, value);
  }

  /** A condition that does not depend on the picture. */
  #decided(condition: Expression, variables: Variables): boolean {
    const value = this.#value(condition, variables);
    if (typeof value !== 'boolean') throw unsupported('conditions that do not depend on the picture');
    return value;
  }

  #value(expression: Expression, variables: Variables): Value {
    this.#budget.spend('work');
    switch (expression.kind) {
      case 'literal':
        return expression.value;
      case 'name':
        return variables.get(expression.name) ?? named(expression.name, variables);
      case 'list':
        return expression.items.map((item) => this.#value(item, variables));
      case 'dict':
        return new Map(
          expression.entries.map(([key, value]) => [this.#value(key, variables), this.#value(value, variables)]),
        );
      case 'minus': {
        const value = this.#value(expression.of, variables);
        return typeof value === 'number' ? -value : UNKNOWN;
      }
      case 'attribute':
        return this.#attribute(this.#value(expression.of, variables), expression.name);
      case 'index':
        return this.#item(expression, variables);
      case 'call':
        return this.#called(expression, variables);
    }
  }

  #item({ of, at }: { of: Expression; at: Expression | undefined }, variables: Variables): Value {
    const container = this.#value(of, variables);
    const index = at === undefined ? UNKNOWN : this.#value(at, variables);
    const item =
      container instanceof Map
        ? container.get(index)
        : Array.isArray(container) && typeof index === 'number'
          ? container.at(index)
          : undefined;
    if (item === undefined) throw unsupported('an item that is known');
    return item;
  }

  #attribute(of: Value, name: string): Value {
    if (of instanceof Module) return this.#moduleAttribute(of, name);
    if (!(of instanceof Callable) || of.self !== undefined) throw unsupported(`no attribute ${quoted(name, 80)}`);
    if (of.path === 'CONSTANTS') return this.#constant(Number(name.slice(1)));
    return new Callable(`${of.path}.${name}`);
  }

  #moduleAttribute(module: Module, name: string): Value {
    const { state } = module.instance;
    const known = this.#attributes.get(module.instance) ?? new Map<string, Value>();
    this.#attributes.set(module.instance, known);
    let value = known.get(name);
    if (value === undefined && state instanceof Map && state.has(name)) {
      // One object for each attribute, so that work done in place is seen by whoever reads it next.
      value = this.#fromPickle(state.get(name)!, `${module.path}${name}`, false);
      known.set(name, value);
    }
    if (value !== undefined) return value;
    const source = this.#classOf(module);
    if (source.methods.has(name)) return new Callable(name, module);
    const constant = source.constants.get(name);
    if (constant === undefined)
      throw unsupported(`an attribute ${quoted(name, 80)} of ${quoted(module.instance.type.path, 80)}`);
    return this.#value(constant, new Map());
  }

  #constant(index: number): Value {
    const value = this.#archive.constants()[index];
    if (value === undefined)
      throw new NeonsenseError('ERR_MODEL_FORMAT', `Damaged checkpoint: constant ${index} of its code is missing`);
    return this.#fromPickle(value, `CONSTANTS.c${index}`, true);
  }

  #fromPickle(value: PickleValue, name: string, isConstant: boolean): Value {
    if (value instanceof Instance) return new Module(value, `${name}.`);
    if (value instanceof TorchTensor) {
      return new Tensor(
        { op: 'parameter', name, tensor: this.#archive.tensor(value, name, isConstant) },
        value.shape.length,
      );
    }
    const items = value instanceof Tuple ? value.items : value;
    if (Array.isArray(items)) {
      this.#budget.spend('work', items.length);
      return items.map((item: PickleValue, index) => this.#fromPickle(item, `${name}.${index}`, isConstant));
    }
    const isPlain = value === null || ['number', 'string', 'boolean'].includes(typeof value);
    return isPlain ? (value as null | number | string | boolean) : UNKNOWN;
  }

  #called({ callee, args, named }: Expression & { kind: 'call' }, variables: Variables): Value {
    const called = this.#callee(callee, variables);
    if (called.self === undefined && TYPED.has(called.path)) {
      // `annotate(List[int], value)`: the type is none of our concern, nor can it be looked up.
      const value = args[1];
      return value === undefined ? UNKNOWN : this.#value(value, variables);
    }
    const values = args.map((argument) => this.#value(argument, variables));
    const namedValues = new Map<string, Value>(
      [...named].map(([name, value]) => [name, this.#value(value, variables)]),
    );
    if (called.self !== undefined) return this.#methodCall(called.self, called.path, values, namedValues);
    return this.#functionCall(called.path, values, namedValues);
  }

  #callee(expression: Expression, variables: Variables): Callable {
    if (expression.kind === 'attribute') {
      const of = this.#value(expression.of, variables);
      // Methods of modules; what has been made in the code has no methods that are called so.
      if (of instanceof Module) {
        const attribute = this.#attribute(of, expression.name);
        if (attribute instanceof Callable) return attribute;
        throw unsupported(`a method ${quoted(expression.name, 80)}`);
      }
      const member = this.#attribute(of, expression.name);
      if (member instanceof Callable) return member;
      throw unsupported(`a function ${quoted(expression.name, 80)}`);
    }
    const value = this.#value(expression, variables);
    if (value instanceof Callable) return value;
    throw unsupported('a call of a function by its name');
  }

  #methodCall(self: Module, name: string, args: readonly Value[], named: ReadonlyMap<string, Value>): Value {
    const source = this.#classOf(self).methods.get(name);
    if (source === undefined) throw unsupported(`a method ${quoted(name, 80)}`);
    return this.#call(source, [self, ...args], named);
  }

  #functionCall(path: string, args: readonly Value[], named: ReadonlyMap<string, Value>): Value {
    if (path.startsWith('torch.')) return applyOperator(path.slice('torch.'.length), args, named);
    if (path.startsWith('__torch__.')) {
      const at = path.lastIndexOf('.');
      const source = this.#source(path.slice(0, at)).functions.get(path.slice(at + 1));
      if (source === undefined) throw unsupported(`no call of ${quoted(path, 80)}`);
      return this.#call(source, args, named);
    }
    const [first = null, second] = args;
    switch (path) {
      case 'getattr':
        if (first instanceof Module && typeof second === 'string') return this.#moduleAttribute(first, second);
        break;
      case 'int':
      case 'float':
      case 'bool':
        return typeof first === 'number' || typeof first === 'boolean' ? first : UNKNOWN;
      case 'range': {
        const [start, end] = args.length === 1 ? [0, first] : [first, second];
        if (typeof start !== 'number' || typeof end !== 'number' || args.length > 2) break;
        this.#budget.spend('work', Math.max(0, end - start));
        return Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index);
      }
      case 'ops.prim.NumToTensor':
        return first;
      case 'ops.prim.RaiseException':
        throw unsupported('code that does not raise an exception');
      default:
    }
    return new Tensor({ op: 'other', name: shortened(path, 80) }, undefined);
  }

  #classOf({ instance: { type } }: Module): ClassSource {
    const source = this.#source(type.module).classes.get(type.name);
    if (source === undefined) throw unsupported(`the code of ${quoted(type.path, 80)}`);
    for (const hooks of ['__forward_pre_hooks__', '__forward_hooks__']) {
      const list = source.constants.get(hooks);
      if (list?.kind === 'list' && list.items.length > 0) throw unsupported('modules without hooks');
    }
    return source;
  }

  /** The code of module `__torch__.a.b`, in the file `__torch__/a/b.py`. */
  #source(module: string): ModuleSource {
    const known = this.#sources.get(module);
    if (known !== undefined) return known;
    const text = this.#archive.code(`${module.replaceAll('.', '/')}.py`);
    if (text === undefined) throw unsupported(`the code of ${quoted(module, 80)}`);
    const parsed = parseModule(text, this.#budget);
    this.#sources.set(module, parsed);
    return parsed;
  }
}

/** Calls whose first argument is a type. */
const TYPED = new Set(['annotate', 'unchecked_cast', 'uninitialized']);

/** What a name means that is no variable: the beginning of a function's name. */
function named(name: string, variables: Variables): Value {
  if (variables.has(name)) return null;
  return new Callable(name);
}
