import type { Model } from '../../../../lib/model/model.js';
import { networkOf } from '../../../../lib/model/network.js';
import type { Piece } from './checkpoint.js';
import { archive, pickle, stateOf } from './checkpoint.js';

interface Tree extends Map<string, Tree | Piece> {}

const TYPE = pickle.global('__torch__.net', 'Net');
const PART = pickle.global('__torch__.net', 'Part');

/** The module tree that TorchScript would write for these tensors. */
export function moduleTree(entries: ReadonlyMap<string, Piece>): Piece {
  const root: Tree = new Map();
  for (const [name, piece] of entries) {
    const path = name.split('.');
    let node = root;
    for (const part of path.slice(0, -1)) {
      if (!node.has(part)) node.set(part, new Map());
      node = node.get(part) as Tree;
    }
    node.set(path.at(-1)!, piece);
  }
  const write = (node: Tree, type: Piece): Piece => {
    const state: [string, Piece][] = [
      ['training', pickle.boolean(false)],
      ['_is_full_backward_hook', pickle.none],
    ];
    for (const [key, value] of node) state.push([key, value instanceof Map ? write(value, PART) : value]);
    return pickle.instance(type, pickle.dict(state));
  };
  return write(root, TYPE);
}

/** Gives a module of torchvision's another name. */
export type Renaming = (module: string) => string;

/**
 * The code of `model`'s network in the words PyTorch's tracer writes, one statement for each operator.
 *
 * @param named what the modules are called instead of by torchvision's names
 */
export function codeOf(model: Model, named: Renaming = (module) => module): string {
  const attribute = (name: string): string =>
    named(name)
      .split('.')
      .reduce((of, part) => (/^\d/.test(part) ? `getattr(${of}, "${part}")` : `(${of}).${part}`), 'self');
  const variable = (name: string): string => (name === 'input' ? 'x' : `_${name.replace(/\W/g, '_')}`);
  const lines: string[] = [];
  let last = 'x';
  for (const node of networkOf(model.architecture, [224, 224]).nodes) {
    if (node.operator === 'input') continue;
    const [first = '', second = ''] = node.inputs.map(variable);
    last = variable(node.name);
    switch (node.operator) {
      case 'layer': {
        const { spec, padding } = node;
        const { bias, batchNorm } = model.layers.get(spec.name)!;
        const weights = `${attribute(spec.name)}.weight, ${bias === undefined ? 'None' : `${attribute(spec.name)}.bias`}`;
        const pooled = spec.role === 'hidden' ? `torch.flatten(${first}, 1)` : first;
        const geometry = `[${spec.stride}, ${spec.stride}], [${padding[0]}, ${padding[1]}], [1, 1], False, [0, 0], ${spec.groups}`;
        lines.push(
          spec.kind === 'linear'
            ? `${last} = torch.linear(${pooled}, ${weights})`
            : `${last} = torch._convolution(${first}, ${weights}, ${geometry}, False, False, True, True)`,
        );
        if (batchNorm !== undefined) {
          const of = attribute(spec.batchNorm!);
          lines.push(
            `${last} = torch.batch_norm(${last}, ${of}.weight, ${of}.bias, ${of}.running_mean, ${of}.running_var, False, 0.01, ${spec.epsilon}, True)`,
          );
        }
        if (spec.activation === 'relu') lines.push(`${last} = torch.relu_(${last})`);
        if (spec.activation === 'hard-sigmoid') lines.push(`${last} = torch.hardsigmoid(${last})`);
        break;
      }
      case 'hard-swish':
        lines.push(`${last} = torch.hardswish(${first})`);
        break;
      case 'global-average-pool':
        lines.push(`${last} = torch.adaptive_avg_pool2d(${first}, [1, 1])`);
        break;
      case 'multiply':
        lines.push(`${last} = torch.mul(${second}, ${first})`);
        break;
      case 'add':
        lines.push(`${last} = torch.add(${first}, ${second})`);
    }
  }
  return classOf([
    'def forward(self: __torch__.net.Net,',
    '    x: Tensor) -> Tensor:',
    ...lines.map((line) => `  ${line}`),
    `  return ${last}`,
  ]);
}

/** The file of code with a class whose methods are these lines. */
export function classOf(methods: readonly string[]): string {
  const head = ['class Net(Module):', '  __parameters__ = []', '  __buffers__ = []', '  training : bool'];
  return [...head, ...methods.map((line) => `  ${line}`), ''].join('\n');
}

/** A TorchScript archive of `model` with `code`, and constants where it reads some. */
export function scriptFile(
  model: Model,
  code = codeOf(model),
  constants: Piece = pickle.tuple(),
  named: Renaming = (module) => module,
): Uint8Array {
  const { entries: own, storages } = stateOf(model);
  const entries = new Map(
    [...own].map(([name, piece]) => [name.replace(/^(.*)(\.\w+)$/, (_, module, part) => named(module) + part), piece]),
  );
  const extra = { 'constants.pkl': pickle.file(constants), 'code/__torch__/net.py': Buffer.from(code) };
  return archive({ root: moduleTree(entries), storages, extra });
}
