import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../../lib/errors.js';
import { readModel } from '../../../../lib/model/files.js';
import type { Model } from '../../../../lib/model/model.js';
import { layerSpecs } from '../../../../lib/model/network.js';
import { bitsOf } from '../../../bitsOf.js';
import { randomModel } from '../../../randomModel.js';
import { archive, pickle, stateOf } from './checkpoint.js';
import { classOf, codeOf, moduleTree, scriptFile } from './scriptFile.js';

const model = randomModel({ seed: 21 });
const code = codeOf(model);

function layersOf({ layers }: Model): Map<string, string> {
  return bitsOf({ layers } as Model);
}

/** Stage and index that timm gives each block of the small network. */
const TIMM_BLOCKS = ['0.0', '1.0', '1.1', '2.0', '2.1', '2.2', '3.0', '3.1', '4.0', '4.1', '4.2'];

/** timm's names of the modules of a small network, by torchvision's. */
function timmNames(architecture: Model['architecture']): Map<string, string> {
  const names = new Map<string, string>();
  for (const { name, role, block = 0, batchNorm } of layerSpecs(architecture)) {
    const expands = architecture.blocks[block]!.hasExpansion;
    const [own, norm] = {
      stem: ['conv_stem', 'bn1'],
      expand: ['conv_pw', 'bn1'],
      depthwise: ['conv_dw', expands ? 'bn2' : 'bn1'],
      squeeze: ['se.conv_reduce', ''],
      excite: ['se.conv_expand', ''],
      project: expands ? ['conv_pwl', 'bn3'] : ['conv_pw', 'bn2'],
      last: ['blocks.5.0.conv', 'blocks.5.0.bn1'],
      hidden: ['conv_head', ''],
      logits: ['classifier', ''],
    }[role] as [string, string];
    const inBlock = ['stem', 'last', 'hidden', 'logits'].includes(role) ? '' : `blocks.${TIMM_BLOCKS[block]}.`;
    names.set(name, inBlock + own);
    if (batchNorm !== undefined) names.set(batchNorm, inBlock + norm);
  }
  return names;
}

/** `code` with one piece of it replaced, which must be there. */
function changed(from: string | RegExp, to: string): string {
  const result = code.replace(from, to);
  expect(result).not.toBe(code);
  return result;
}

/** `code` that computes `input` from `x` first, and `answer` from `logits` at last. */
function around({ input = 'x', answer = 'logits' }): string {
  return code
    .replace('torch._convolution(x,', `torch._convolution(${input},`)
    .replace(/return (\w+)/, (_, logits: string) => `logits = ${logits}\n    return ${answer}`);
}

describe('TorchScript that computes the network', () => {
  it('gives the weights of its module tree, bit by bit', async () => {
    const read = await readModel(scriptFile(model));
    expect(layersOf(read)).toEqual(layersOf(model));
    expect(read.provenance).toEqual([{ step: 'convert', details: { from: 'TorchScript' } }]);
  });

  it.each<[string, string | RegExp, string]>([
    [
      'by mean',
      /torch\.adaptive_avg_pool2d\((_features_12_0_hard_swish), \[1, 1\]\)/,
      'torch.mean($1, [-1, -2], True)',
    ],
    ['by view', 'torch.flatten(_pool, 1)', 'torch.view(_pool, [torch.size(_pool, 0), -1])'],
    ['by reshape of one picture', 'torch.flatten(_pool, 1)', 'torch.reshape(_pool, [1, 72])'],
    ['by squeeze', 'torch.flatten(_pool, 1)', 'torch.squeeze(torch.squeeze(_pool, -1), -1)'],
  ])('may pool and flatten %s', async (_, from, to) => {
    expect(layersOf(await readModel(scriptFile(model, changed(from, to))))).toEqual(layersOf(model));
  });

  it.each<[string, string]>([
    ['hard-swish written out', 'torch.div(torch.mul(Y, torch.hardtanh(torch.add(Y, 3.), 0., 6.)), 6.)'],
    ['hard-swish from hard-sigmoid', 'torch.mul(Y, torch.hardsigmoid(Y))'],
    ['a sum with nothing', 'torch.add(torch.hardswish(Y), 0)'],
    ['a dropout that is off', 'torch.dropout(torch.hardswish(Y), 0.5, False)'],
  ])('may have %s', async (_, expression) => {
    const source = changed('torch.hardswish(_classifier_0)', expression.replaceAll('Y', '_classifier_0'));
    expect(layersOf(await readModel(scriptFile(model, source)))).toEqual(layersOf(model));
  });

  it('may have one Linear as its classifier, under any name', async () => {
    const single = randomModel({ seed: 22, architecture: { ...model.architecture, hidden: 0 } });
    const named = (module: string): string => (module === 'classifier' ? 'head.fc' : module);
    const source = codeOf(single, named).replace('torch.linear(_pool', 'torch.linear(torch.flatten(_pool, 1)');
    const read = await readModel(scriptFile(single, source, undefined, named));
    expect(layersOf(read)).toEqual(layersOf(single));
  });

  it('may be of timm, whose hidden layer is a convolution and whose epsilon is another', async () => {
    const architecture = { ...model.architecture, batchNormEpsilon: 1e-5 };
    const network = randomModel({ seed: 23, architecture });
    const names = timmNames(architecture);
    const named = (module: string): string => names.get(module) ?? module;
    const hidden = 'getattr(self, "conv_head")'.replace(/getattr\(self, "(\w+)"\)/, '(self).$1');
    const source = codeOf(network, named)
      .replace(
        `torch.linear(torch.flatten(_pool, 1), ${hidden}.weight, ${hidden}.bias)`,
        `torch._convolution(_pool, ${hidden}.weight, ${hidden}.bias, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)`,
      )
      .replace(/torch\.linear\((\w+), \(self\)\.classifier/, 'torch.linear(torch.flatten($1, 1), (self).classifier');
    expect(source).toMatch(/_convolution\(_pool.*\n.*hardswish.*\n.*linear\(torch\.flatten/);
    const read = await readModel(scriptFile(network, source, undefined, named));
    expect(layersOf(read)).toEqual(layersOf(network));
    expect(read.architecture).toMatchObject({ batchNormEpsilon: 1e-5 });
    expect(read.provenance).toEqual([{ step: 'convert', details: { from: 'TorchScript', layout: 'timm' } }]);
    const swapped = scriptFile(network, source.replace('hardswish', 'silu'), undefined, named);
    await expect(readModel(swapped)).rejects.toMatchObject({ code: 'ERR_MODEL_ARCHITECTURE' });
  });

  it('may be written with methods, functions, branches and loops, as torch.jit.script writes it', async () => {
    const body = code
      .split('\n')
      .filter((line) => line.startsWith('    '))
      .map((line) => line.slice(4).replace(/^ *return /, 'return '));
    const source = `${classOf([
      'flag : Final[bool] = True',
      'factors : Final[List[int]] = [1, 1]',
      'def forward(self: __torch__.net.Net,',
      '    input: Tensor) -> Tensor:',
      '  training = self.training',
      '  if training:',
      '    ops.prim.RaiseException("not for training", "builtins.ValueError")',
      '  else:',
      '    pass',
      '  if torch.ne(torch.dim(input), 4):',
      '    _0 = torch.format("expected 4D input (got {}D input)", torch.dim(input))',
      '    ops.prim.RaiseException(_0, "builtins.ValueError")',
      '  else:',
      '    pass',
      '  a, b, = (input, None, )',
      '  for i in range(torch.len(self.factors)):',
      '    a = torch.mul(a, self.factors[i])',
      '  size = annotate(List[int], [])',
      '  _1 = torch.append(size, 1)',
      '  while torch.lt(torch.len(size), 3):',
      '    _2 = torch.append(size, 1)',
      '  if torch.__is__(b, None):',
      '    x = __torch__.net.same(a, flag=self.flag, )',
      '  else:',
      '    x = b',
      '  return (self)._forward(x, )',
      'def _forward(self: __torch__.net.Net,',
      '    x: Tensor) -> Tensor:',
      ...body.slice(1).map((line) => `  ${line}`),
    ])}
def same(input: Tensor,
    flag: bool=False,
    scale: float=1.) -> Tensor:
  if flag:
    _0 = torch.mul(input, scale)
  else:
    _0 = torch.neg(input)
  return _0
`;
    expect(layersOf(await readModel(scriptFile(model, source)))).toEqual(layersOf(model));
  });

  it('may give its logits in a tuple or a dict of one', async () => {
    for (const answer of ['(logits,)', '{"logits": logits}']) {
      expect(layersOf(await readModel(scriptFile(model, around({ answer }))))).toEqual(layersOf(model));
    }
  });

  it('may hold a second network that it does not use', async () => {
    const { entries, storages } = stateOf(model);
    const both = new Map([...entries, ...[...entries].map(([name, piece]) => [`teacher.${name}`, piece] as const)]);
    const { storages: others } = stateOf(randomModel({ seed: 22 }), '', 'b');
    const other = stateOf(randomModel({ seed: 22 }), 'teacher.', 'b').entries;
    for (const [name, piece] of other) both.set(name, piece);
    const extra = { 'constants.pkl': pickle.file(pickle.tuple()), 'code/__torch__/net.py': Buffer.from(code) };
    const file = archive({ root: moduleTree(both), storages: new Map([...storages, ...others]), extra });
    expect(layersOf(await readModel(file))).toEqual(layersOf(model));
  });
});

describe('what TorchScript says with other numbers', () => {
  it('an epsilon of its own becomes another weight of batch norm', async () => {
    const epsilon = 0.01;
    const read = await readModel(scriptFile(model, code.replaceAll('0.001, True', `${epsilon}, True`)));
    for (const [name, { batchNorm }] of model.layers) {
      if (batchNorm === undefined) continue;
      const found = read.layers.get(name)!.batchNorm!;
      found.weight.forEach((weight, i) => {
        const spread = batchNorm.variance[i]!;
        expect(weight / Math.sqrt(spread + 0.001)).toBeCloseTo(batchNorm.weight[i]! / Math.sqrt(spread + epsilon), 5);
      });
      expect(found.bias).toEqual(batchNorm.bias);
    }
  });

  it.each<[string, string, number[]]>([
    ['a number', 'torch.mul(x, 2)', [2, 2, 2]],
    ['a constant', 'torch.div(x, CONSTANTS.c0)', [4, 4, 4]],
    ['one for each channel', 'torch.mul(x, torch.view(CONSTANTS.c1, [1, 3, 1, 1]))', [1, 2, 3]],
    ['what comes to a factor', 'torch.add(torch.mul(torch.sub(x, 1), 2), 2)', [2, 2, 2]],
    ['work in place', 'torch.mul_(torch.clone(x), 3.)', [3, 3, 3]],
  ])('a factor on the input becomes other weights of the first layer: %s', async (_, input, factors) => {
    const { storages } = stateOf(model);
    const constant = (key: string, length: number, shape: number[]) => ({ key, length, shape });
    const { tensor } = await import('./checkpoint.js');
    const constants = pickle.tuple(
      tensor(constant('0', 1, [])),
      tensor({ ...constant('1', 3, [3]), storage: 'LongStorage' }),
    );
    const extra = {
      'constants.pkl': pickle.file(constants),
      'constants/0': new Uint8Array(Float32Array.of(0.25).buffer),
      'constants/1': new Uint8Array(BigInt64Array.of(1n, 2n, 3n).buffer),
      'code/__torch__/net.py': Buffer.from(around({ input })),
    };
    const read = await readModel(archive({ root: moduleTree(stateOf(model).entries), storages, extra }));
    const { data } = model.layers.get('features.0.0')!.weights;
    const expected = Float32Array.from(data, (value, i) => value * factors[Math.floor(i / 9) % 3]!);
    expect(read.layers.get('features.0.0')!.weights.data).toEqual(expected);
  });
});

describe('TorchScript that computes something else', () => {
  async function expectRefusal(source: string, code: ErrorCode, message: RegExp): Promise<void> {
    const reading = readModel(scriptFile(model, source));
    await expect(reading).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  }

  it.each<[string, string | RegExp, string, RegExp]>([
    [
      'another activation in the head',
      'torch.hardswish(_classifier_0)',
      'torch.relu(_classifier_0)',
      /classifier\.3 expected a hard-swish but found a relu/,
    ],
    [
      'an activation that is not known',
      'torch.hardswish(_classifier_0)',
      'torch.silu(_classifier_0)',
      /found torch\.silu/,
    ],
    [
      'an activation in place that is not known',
      'torch.hardswish(_classifier_0)',
      'torch.silu_(_classifier_0)',
      /found torch\.silu_/,
    ],
    ['an activation left out', 'torch.hardswish(_classifier_0)', '_classifier_0', /expected a hard-swish/],
    [
      'hard-swish with other numbers',
      'torch.hardswish(_classifier_0)',
      'torch.div(torch.mul(_classifier_0, torch.hardtanh(torch.add(_classifier_0, 2.), 0., 6.)), 6.)',
      /expected a hard-swish/,
    ],
    [
      'a dilated convolution',
      '[1, 1], [1, 1], [1, 1], False',
      '[1, 1], [1, 1], [2, 2], False',
      /dilation 1, 1 but found dilation 2, 2/,
    ],
    [
      'another stride',
      '[2, 2], [1, 1], [1, 1]',
      '[1, 1], [1, 1], [1, 1]',
      /features\.0\.0 expected stride 2, 2 but found stride 1, 1/,
    ],
    [
      'another padding',
      '[2, 2], [1, 1], [1, 1]',
      '[2, 2], [0, 0], [1, 1]',
      /expected padding 1, 1, 1, 1 but found padding 0, 0/,
    ],
    ['a transposed convolution', '[1, 1], False,', '[1, 1], True,', /transposed convolution/],
    ['a residual left out', /torch\.add\(([^,]+), [^)]+\)/, '$1', /expected a add of two values/],
    [
      'a residual with a factor',
      /torch\.add\(([^,]+), ([^)]+)\)/,
      'torch.add($1, $2, alpha=0.5)',
      /torch\.add with a factor/,
    ],
    [
      'weights of another layer',
      /(features, "3".*)"1"\)\.weight/,
      '$1"0").weight',
      /this tensor of the checkpoint but found the tensor/,
    ],
    [
      'a mean over one axis',
      /torch\.adaptive_avg_pool2d\((_features_12_0_hard_swish), \[1, 1\]\)/,
      'torch.mean($1, [2], True)',
      /expected a global average pool but found/,
    ],
    [
      'pooling to more than a pixel',
      /(adaptive_avg_pool2d\(_features_12_0_hard_swish, )\[1, 1\]/,
      '$1[2, 2]',
      /expected a global average pool but found/,
    ],
  ])('by %s is refused, saying where', async (_, from, to, message) => {
    await expectRefusal(changed(from, to), 'ERR_MODEL_ARCHITECTURE', message);
  });

  it.each<[string, { input?: string; answer?: string }, RegExp]>([
    ['a softmax at the end', { answer: 'torch.softmax(logits, 1)' }, /at the end .*torch\.softmax/],
    ['logits times a number', { answer: 'torch.mul(logits, 2)' }, /a value times 2/],
    [
      'a normalized input',
      { input: 'torch.div(torch.sub(x, 0.5), 0.5)' },
      /normalizes its input: features\.0\.0 reads the input times 2 plus -1.*`preprocessing`/,
    ],
    ['an input in another order', { input: 'torch.flip(x, [1])' }, /found torch\.flip/],
    ['a clamped input', { input: 'torch.clamp(x, 0, 1)' }, /found a clamp/],
    ['an input of another layer', { input: 'torch.relu(x)' }, /expected the picture but found a relu/],
  ])('with %s is refused', async (_, parts, message) => {
    await expectRefusal(around(parts), 'ERR_MODEL_ARCHITECTURE', message);
  });

  it.each<[string, string, RegExp]>([
    ['two answers', around({ answer: '(logits, x)' }), /one tensor as the answer/],
    [
      'a branch on the picture',
      changed('return', 'if torch.gt(torch.sum(x), 0):\n      pass\n    else:\n      pass\n    return'),
      /conditions that do not depend on the picture/,
    ],
    [
      'dropout that is on',
      changed('torch.hardswish(_classifier_0)', 'torch.dropout(_classifier_0, 0.5, True)'),
      /model\.eval\(\)/,
    ],
    ['batch norm that learns', changed('running_var, False', 'running_var, True'), /model\.eval\(\)/],
    [
      'memory changed behind a view',
      changed(
        'torch.linear(torch.flatten(_pool, 1)',
        'torch.linear(torch.relu_(torch.flatten(_pool, 1)), (self).x)\n    _y = torch.linear(_pool',
      ).replace('(self).x', 'getattr((self).classifier, "0").weight, None'),
      /changed in place/,
    ],
    [
      'hooks',
      changed('__buffers__ = []', '__buffers__ = []\n  __forward_hooks__ = ["hook", ]'),
      /modules without hooks/,
    ],
    ['no forward', classOf(['def other(self: __torch__.net.Net) -> Tensor:', '  return None']), /a method "forward"/],
    ['no code', '', /the code of "__torch__\.net\.Net"/],
    ['code that is no Python', 'class Net(Module):\n  def forward(self:\n$', /a form that is not known/],
    ['a form it does not write', changed('return', 'lambda: 1\n    return'), /a form that is not known/],
    ['assignment to an attribute', changed('return', 'self.x = x\n    return'), /assignments to names alone/],
  ])('with %s is refused', async (_, source, message) => {
    await expectRefusal(source, 'ERR_UNSUPPORTED', message);
  });

  it.each<[string, string]>([
    ['a loop without end', 'while True:\n      pass'],
    ['a long loop', 'for i in range(1000000000):\n      pass'],
    ['a function that calls itself', '_0 = (self).forward(x, )'],
    ['nested brackets', `_0 = ${'['.repeat(5000)}${']'.repeat(5000)}`],
    ['nested blocks', Array.from({ length: 100 }, (_, i) => `${'  '.repeat(i)}if True:`).join('\n    ')],
    ['a million words', `_0 = [${'1, '.repeat(600_000)}]`],
  ])('with %s is refused in time', async (_, statement) => {
    await expect(readModel(scriptFile(model, changed('return', `${statement}\n    return`)))).rejects.toMatchObject({
      code: 'ERR_MODEL_FORMAT',
      message: expect.stringMatching(/limits\.(work|depth)/),
    });
  });

  it.each<[string, string]>([
    ['lists that double', '_0 = [1]\n    for i in range(60):\n      _0 = torch.add(_0, _0)'],
    ['texts that double', '_0 = "x"\n    for i in range(60):\n      _0 = torch.add(_0, _0)'],
    ['views without end', 'for i in range(10000):\n      x = torch.detach(x)'],
  ])('with %s is refused in time', async (_, statements) => {
    const source = code.replace('    _features_0_0 =', `    ${statements}\n    _features_0_0 =`);
    await expectRefusal(source, 'ERR_UNSUPPORTED', /cannot be followed/);
  });

  it('with a chain of operators deeper than any stack is refused', async () => {
    const source = code.replace(
      '    _features_0_0 =',
      '    for i in range(50000):\n      x = torch.relu(x)\n    _features_0_0 =',
    );
    await expectRefusal(source, 'ERR_MODEL_ARCHITECTURE', /expected the picture but found a relu/);
  });
});
