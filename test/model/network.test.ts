import { describe, expect, it } from 'vitest';
import { mainOutput, networkOf } from '../../lib/model/network.js';
import { torchvisionArchitecture } from '../torchvisionArchitecture.js';

const architecture = torchvisionArchitecture();

/** Padding and output size of the convolutions of stride 2 and the first of stride 1, by name. */
function windows(padding: 'same' | undefined, size: readonly [number, number]) {
  const { nodes } = networkOf({ ...architecture, ...(padding === undefined ? {} : { padding }) }, size);
  return Object.fromEntries(
    nodes.flatMap((node) =>
      node.operator === 'layer' && (node.spec.stride === 2 || node.name === 'features.5.block.1.0')
        ? [[node.name, [...node.padding, ...node.shape.slice(0, 2)]]]
        : [],
    ),
  );
}

describe('the network', () => {
  it("pads as torchvision does, and as TensorFlow's SAME does, which depends on the size", () => {
    expect(windows(undefined, [224, 224])).toEqual({
      'features.0.0': [1, 1, 1, 1, 112, 112],
      'features.1.block.0.0': [1, 1, 1, 1, 56, 56],
      'features.2.block.1.0': [1, 1, 1, 1, 28, 28],
      'features.4.block.1.0': [2, 2, 2, 2, 14, 14],
      'features.5.block.1.0': [2, 2, 2, 2, 14, 14],
      'features.9.block.1.0': [2, 2, 2, 2, 7, 7],
    });
    // Top, right, bottom, left. An odd side needs the same zeros on both sides, an even one fewer before than after.
    expect(windows('same', [224, 97])).toEqual({
      'features.0.0': [0, 1, 1, 1, 112, 49],
      'features.1.block.0.0': [0, 1, 1, 1, 56, 25],
      'features.2.block.1.0': [0, 1, 1, 1, 28, 13],
      'features.4.block.1.0': [1, 2, 2, 2, 14, 7],
      'features.5.block.1.0': [2, 2, 2, 2, 14, 7],
      'features.9.block.1.0': [1, 2, 2, 2, 7, 4],
    });
  });

  it('gives logits and features, features alone without a classifier', () => {
    const outputs = (changes: object) => [...networkOf({ ...architecture, ...changes }, [64, 64]).outputs];
    expect(outputs({})).toEqual([
      ['logits', 'classifier.3'],
      ['pool', 'pool'],
    ]);
    expect(outputs({ hidden: 0 })).toEqual([
      ['logits', 'classifier'],
      ['pool', 'pool'],
    ]);
    expect(outputs({ hidden: 0, classes: 0 })).toEqual([['pool', 'pool']]);
    expect(mainOutput({ ...architecture, classes: 0 })).toBe('pool');
  });
});
