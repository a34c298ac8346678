import { NeonsenseError } from '../errors.js';
import type { Architecture, LayerSpec } from '../model/architecture.js';
import { hasResidual, layerSpecs } from '../model/architecture.js';

/** One value of the lowered network by its plan name, and where it comes from. */
export interface ValueNode {
  readonly name: string;
  /** What computes it. `input` is the picture. */
  readonly op: 'input' | 'layer' | 'hard-swish' | 'global-average-pool' | 'multiply' | 'add';
  /** Names of the values it is computed from. */
  readonly inputs: readonly string[];
  readonly channels: number;
  /** The Conv2d or Linear module, for op `layer`. */
  readonly spec?: LayerSpec;
}

/**
 * The values of the network in the order they are computed, named as the lowered FP32 plan names them: `input`; a
 * weighted layer's output (behind ReLU or hard-sigmoid, before hard-swish) under the layer's name; `NAME.hard-swish`;
 * `features.N.pool`, `features.N.scale` and `features.N.add` of block N; `pool` before the classifier.
 */
export function valueGraph(architecture: Architecture): ValueNode[] {
  const specs = new Map(layerSpecs(architecture).map((spec) => [spec.name, spec]));
  const nodes: ValueNode[] = [{ name: 'input', op: 'input', inputs: [], channels: 3 }];

  const layer = (name: string, input: string): string => {
    const spec = specs.get(name);
    if (spec === undefined) throw new NeonsenseError('ERR_MODEL_ARCHITECTURE', `No layer ${name} in this architecture`);
    const channels = spec.shape[0]!;
    nodes.push({ name, op: 'layer', inputs: [input], channels, spec });
    if (spec.activation !== 'hard-swish') return name;
    nodes.push({ name: `${name}.hard-swish`, op: 'hard-swish', inputs: [name], channels });
    return `${name}.hard-swish`;
  };

  let current = layer('features.0.0', 'input');
  architecture.blocks.forEach((block, index) => {
    const name = `features.${index + 1}`;
    const residual = current;
    let module = 0;
    if (block.hasExpansion) {
      current = layer(`${name}.block.${module}.0`, current);
      module += 1;
    }
    current = layer(`${name}.block.${module}.0`, current);
    module += 1;
    if (block.squeeze > 0) {
      const pool = `${name}.pool`;
      nodes.push({ name: pool, op: 'global-average-pool', inputs: [current], channels: block.expanded });
      const gate = layer(`${name}.block.${module}.fc2`, layer(`${name}.block.${module}.fc1`, pool));
      nodes.push({ name: `${name}.scale`, op: 'multiply', inputs: [current, gate], channels: block.expanded });
      current = `${name}.scale`;
      module += 1;
    }
    current = layer(`${name}.block.${module}.0`, current);
    if (hasResidual(block)) {
      nodes.push({ name: `${name}.add`, op: 'add', inputs: [residual, current], channels: block.output });
      current = `${name}.add`;
    }
  });
  current = layer(`features.${architecture.blocks.length + 1}.0`, current);
  nodes.push({ name: 'pool', op: 'global-average-pool', inputs: [current], channels: architecture.last });
  layer('classifier.3', layer('classifier.0', 'pool'));
  return nodes;
}
