import { NeonsenseError } from '../../../../errors.js';
import type { Budget } from '../../../../files/limits.js';
import type { Token } from './tokens.js';
import { tokensOf } from './tokens.js';

export type Expression =
  | { readonly kind: 'literal'; readonly value: number | string | boolean | null }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'attribute'; readonly of: Expression; readonly name: string }
  | {
      readonly kind: 'call';
      readonly callee: Expression;
      readonly args: Expression[];
      readonly named: Map<string, Expression>;
    }
  /** `of[at]`; a slice has no single index and is kept as undefined. */
  | { readonly kind: 'index'; readonly of: Expression; readonly at: Expression | undefined }
  | { readonly kind: 'list'; readonly items: Expression[] }
  | { readonly kind: 'dict'; readonly entries: [Expression, Expression][] }
  | { readonly kind: 'minus'; readonly of: Expression };

export type Statement =
  /** `a = value`, or `a, b = value`, which takes the value apart. */
  | { readonly kind: 'assign'; readonly targets: Expression[]; readonly unpacks: boolean; readonly value: Expression }
  | { readonly kind: 'expression'; readonly value: Expression }
  | { readonly kind: 'return'; readonly value: Expression }
  | { readonly kind: 'if'; readonly condition: Expression; readonly then: Statement[]; readonly otherwise: Statement[] }
  | { readonly kind: 'for'; readonly target: string; readonly over: Expression; readonly body: Statement[] }
  | { readonly kind: 'while'; readonly condition: Expression; readonly body: Statement[] };

export interface FunctionSource {
  readonly name: string;
  readonly parameters: readonly { readonly name: string; readonly default: Expression | undefined }[];
  readonly body: readonly Statement[];
}

export interface ClassSource {
  readonly methods: ReadonlyMap<string, FunctionSource>;
  /** What the class fixes for all instances: `padding : Final[int] = 1`, `__forward_hooks__ = [...]`. */
  readonly constants: ReadonlyMap<string, Expression>;
}

/** What one file of code holds. */
export interface ModuleSource {
  readonly classes: ReadonlyMap<string, ClassSource>;
  readonly functions: ReadonlyMap<string, FunctionSource>;
}

/**
 * Parses one file of an archive's `code/` folder, as PyTorch's serializer writes it.
 *
 * @throws {NeonsenseError} `ERR_UNSUPPORTED` for a form it does not write, `ERR_MODEL_FORMAT` beyond the budget.
 */
export function parseModule(source: string, budget: Budget): ModuleSource {
  return new Parser(tokensOf(source, budget), budget).module();
}

class Parser {
  #at = 0;
  #depth = 0;
  readonly #tokens: readonly Token[];
  readonly #budget: Budget;

  constructor(tokens: readonly Token[], budget: Budget) {
    this.#tokens = tokens;
    this.#budget = budget;
  }

  module(): ModuleSource {
    const classes = new Map<string, ClassSource>();
    const functions = new Map<string, FunctionSource>();
    while (this.#peek().kind !== 'end') {
      if (this.#takeName('class')) {
        const name = this.#name();
        this.#skipTo(':');
        classes.set(name, this.#classBody());
      } else if (this.#takeName('def')) {
        const parsed = this.#function();
        functions.set(parsed.name, parsed);
      } else {
        // `op_version_set = 1` of old files.
        this.#simpleStatement();
        this.#expect('newline');
      }
    }
    return { classes, functions };
  }

  #classBody(): ClassSource {
    const methods = new Map<string, FunctionSource>();
    const constants = new Map<string, Expression>();
    this.#expect('newline');
    this.#expect('indent');
    while (!this.#take('dedent')) {
      if (this.#takeName('def')) {
        const method = this.#function();
        methods.set(method.name, method);
        continue;
      }
      const target = this.#expression();
      if (this.#takeSymbol(':')) this.#expression();
      if (this.#takeSymbol('=')) {
        const value = this.#expression();
        if (target.kind === 'name') constants.set(target.name, value);
      }
      this.#expect('newline');
    }
    return { methods, constants };
  }

  #function(): FunctionSource {
    const name = this.#name();
    const parameters: { name: string; default: Expression | undefined }[] = [];
    this.#expectSymbol('(');
    while (!this.#takeSymbol(')')) {
      const parameter = this.#name();
      if (this.#takeSymbol(':')) this.#expression();
      parameters.push({ name: parameter, default: this.#takeSymbol('=') ? this.#expression() : undefined });
      this.#takeSymbol(',');
    }
    if (this.#takeSymbol('->')) this.#expression();
    this.#expectSymbol(':');
    return { name, parameters, body: this.#block() };
  }

  #block(): Statement[] {
    this.#budget.check('depth', ++this.#depth);
    this.#expect('newline');
    this.#expect('indent');
    const statements: Statement[] = [];
    while (!this.#take('dedent')) {
      const statement = this.#statement();
      if (statement !== undefined) statements.push(statement);
    }
    this.#depth--;
    return statements;
  }

  #statement(): Statement | undefined {
    if (this.#takeName('if')) {
      const condition = this.#expression();
      this.#expectSymbol(':');
      const then = this.#block();
      if (!this.#takeName('else')) return { kind: 'if', condition, then, otherwise: [] };
      this.#expectSymbol(':');
      return { kind: 'if', condition, then, otherwise: this.#block() };
    }
    if (this.#takeName('for')) {
      const target = this.#name();
      if (!this.#takeName('in')) throw this.#unknown();
      const over = this.#expression();
      this.#expectSymbol(':');
      return { kind: 'for', target, over, body: this.#block() };
    }
    if (this.#takeName('while')) {
      const condition = this.#expression();
      this.#expectSymbol(':');
      return { kind: 'while', condition, body: this.#block() };
    }
    const statement = this.#simpleStatement();
    this.#expect('newline');
    return statement;
  }

  #simpleStatement(): Statement | undefined {
    if (this.#takeName('pass')) return undefined;
    if (this.#takeName('return')) {
      return { kind: 'return', value: this.#peek().kind === 'newline' ? NONE : this.#tuple() };
    }
    const first = this.#tuple();
    if (!this.#takeSymbol('=')) return { kind: 'expression', value: first };
    const unpacks = first.kind === 'list';
    return { kind: 'assign', targets: unpacks ? first.items : [first], unpacks, value: this.#tuple() };
  }

  /** One expression, or several with commas between or behind them, which make a tuple. */
  #tuple(): Expression {
    const first = this.#expression();
    if (!this.#isSymbol(',')) return first;
    const items = [first];
    while (this.#takeSymbol(',')) {
      if (this.#isSymbol('=') || this.#peek().kind === 'newline') break;
      items.push(this.#expression());
    }
    return { kind: 'list', items };
  }

  #expression(): Expression {
    this.#budget.check('depth', ++this.#depth);
    let expression = this.#atom();
    for (;;) {
      if (this.#takeSymbol('.')) expression = { kind: 'attribute', of: expression, name: this.#name() };
      else if (this.#takeSymbol('(')) expression = this.#call(expression);
      else if (this.#takeSymbol('[')) expression = this.#index(expression);
      else break;
    }
    this.#depth--;
    return expression;
  }

  #atom(): Expression {
    const token = this.#next();
    if (token.kind === 'number' || token.kind === 'string') return { kind: 'literal', value: token.value };
    if (token.kind === 'name') {
      if (LITERALS.has(token.text)) return { kind: 'literal', value: LITERALS.get(token.text)! };
      return token.text === 'None' ? NONE : { kind: 'name', name: token.text };
    }
    if (token.kind !== 'symbol') throw this.#unknown();
    switch (token.text) {
      case '-':
        return { kind: 'minus', of: this.#expression() };
      case '[':
        return { kind: 'list', items: this.#itemsTo(']') };
      case '(': {
        const items: Expression[] = [];
        let isTuple = false;
        while (!this.#takeSymbol(')')) {
          items.push(this.#expression());
          if (this.#takeSymbol(',')) isTuple = true;
          else if (!this.#isSymbol(')')) throw this.#unknown();
        }
        return items.length === 1 && !isTuple ? items[0]! : { kind: 'list', items };
      }
      case '{': {
        const entries: [Expression, Expression][] = [];
        while (!this.#takeSymbol('}')) {
          const key = this.#expression();
          this.#expectSymbol(':');
          entries.push([key, this.#expression()]);
          this.#takeSymbol(',');
        }
        return { kind: 'dict', entries };
      }
      default:
        throw this.#unknown();
    }
  }

  #itemsTo(end: string): Expression[] {
    const items: Expression[] = [];
    while (!this.#takeSymbol(end)) {
      items.push(this.#expression());
      if (!this.#takeSymbol(',') && !this.#isSymbol(end)) throw this.#unknown();
    }
    return items;
  }

  #call(callee: Expression): Expression {
    const args: Expression[] = [];
    const named = new Map<string, Expression>();
    while (!this.#takeSymbol(')')) {
      const value = this.#expression();
      if (value.kind === 'name' && this.#takeSymbol('=')) named.set(value.name, this.#expression());
      else args.push(value);
      if (!this.#takeSymbol(',') && !this.#isSymbol(')')) throw this.#unknown();
    }
    return { kind: 'call', callee, args, named };
  }

  /** `x[1]`, a slice `x[1:]`, or a type with parameters `Dict[str, int]`. */
  #index(of: Expression): Expression {
    let at: Expression | undefined;
    let parts = 0;
    while (!this.#takeSymbol(']')) {
      if (this.#takeSymbol(':') || this.#takeSymbol(',')) parts += 2;
      else {
        at = this.#expression();
        parts++;
      }
    }
    return { kind: 'index', of, at: parts === 1 ? at : undefined };
  }

  /** Skips the bases of a class. */
  #skipTo(symbol: string): void {
    while (!this.#takeSymbol(symbol)) {
      if (this.#peek().kind === 'newline') throw this.#unknown();
      this.#next();
    }
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end' };
  }

  #next(): Token {
    const token = this.#peek();
    if (token.kind === 'end') throw this.#unknown();
    this.#at++;
    return token;
  }

  #take(kind: 'newline' | 'indent' | 'dedent'): boolean {
    if (this.#peek().kind !== kind) return false;
    this.#at++;
    return true;
  }

  #expect(kind: 'newline' | 'indent' | 'dedent'): void {
    if (!this.#take(kind)) throw this.#unknown();
  }

  #name(): string {
    const token = this.#next();
    if (token.kind !== 'name') throw this.#unknown();
    return token.text;
  }

  #takeName(text: string): boolean {
    const token = this.#peek();
    if (token.kind !== 'name' || token.text !== text) return false;
    this.#at++;
    return true;
  }

  #isSymbol(text: string): boolean {
    const token = this.#peek();
    return token.kind === 'symbol' && token.text === text;
  }

  #takeSymbol(text: string): boolean {
    const found = this.#isSymbol(text);
    if (found) this.#at++;
    return found;
  }

  #expectSymbol(text: string): void {
    if (!this.#takeSymbol(text)) throw this.#unknown();
  }

  #unknown(): NeonsenseError {
    const near = this.#tokens.slice(Math.max(0, this.#at - 6), this.#at + 2).map(textOf);
    return new NeonsenseError(
      'ERR_UNSUPPORTED',
      `The checkpoint's TorchScript code has a form that is not known, near ${JSON.stringify(near.join(' ').slice(0, 120))}`,
    );
  }
}

const NONE: Expression = { kind: 'literal', value: null };
const LITERALS: ReadonlyMap<string, boolean> = new Map([
  ['True', true],
  ['False', false],
]);

function textOf(token: Token): string {
  if ('text' in token) return token.text;
  return 'value' in token ? String(token.value) : '';
}
