import { foldModel } from '../foldBatchNorm.js';
import type { Layer, Model } from '../model.js';
import { type LayerNode, mainOutput, type NetworkNode, networkOf } from '../network.js';
import { toFloat32 } from '../weights.js';
import { ProtobufWriter } from './protobuf.js';

/** The operator set the file asks for; HardSwish came with 14, so it is written as HardSigmoid and Mul. */
const OPSET = 13;
/** Of the file format; the one that came with opset 13 (ONNX 1.8). */
const IR_VERSION = 7;

/** onnx.proto: TensorProto.DataType */
const FLOAT = 1;
/** onnx.proto: AttributeProto.AttributeType */
const ATTRIBUTE_TYPE = { float: 1, integer: 2, integers: 7 } as const;

type Attribute = { readonly float: number } | { readonly integer: number } | { readonly integers: readonly number[] };

/**
 * Writes a model as an ONNX file (opset 13) with the graph that PyTorch's exporter makes of the same network: float32,
 * batch norm folded into the convolutions, quantized or half-precision weights as the real numbers they stand for.
 * Input `input` is `[N, 3, H, W]`, prepared as the model's preprocessing says (which is kept, with the labels, in the
 * file's metadata); output `logits` is `[N, classes]`, or `pool` `[N, C]` of a network without a classifier.
 * @returns the file's bytes
 */
export function toOnnx(model: Model): Uint8Array {
  const folded = foldModel(model);
  const graph = new GraphWriter();
  const { nodes, outputs } = networkOf(folded.architecture, folded.preprocessing.size);
  const names = new Map([...outputs].map(([output, node]) => [node, output]));
  const values = new Map<string, string>();
  for (const node of nodes) {
    const inputs = node.inputs.map((name) => values.get(name)!);
    values.set(node.name, addNode(graph, node, inputs, folded.layers, names.get(node.name)));
  }
  return fileOf(folded, graph);
}

/** @param output what the network calls the node's value where it is an output: a vector, `[N, C]` */
function addNode(
  graph: GraphWriter,
  node: NetworkNode,
  inputs: readonly string[],
  layers: Model['layers'],
  output: string | undefined,
): string {
  const { name } = node;
  switch (node.operator) {
    case 'input':
      return name;
    case 'layer':
      return addLayer(graph, node, layers.get(name)!, inputs[0]!, output ?? name);
    case 'hard-swish':
      return graph.node('Mul', name, [inputs[0]!, hardSigmoid(graph, node.inputs[0]!, inputs[0]!)]);
    case 'global-average-pool': {
      if (output === undefined) return graph.node('GlobalAveragePool', name, inputs);
      const pooled = graph.node('GlobalAveragePool', `${name}.mean`, inputs);
      return graph.node('Flatten', output, [pooled], { axis: { integer: 1 } });
    }
    case 'multiply':
      return graph.node('Mul', name, inputs);
    case 'add':
      return graph.node('Add', name, inputs);
  }
}

function addLayer(graph: GraphWriter, node: LayerNode, layer: Layer, input: string, output: string): string {
  const { spec, padding } = node;
  const weights = graph.initializer(`${spec.name}.weight`, spec.shape, toFloat32(layer.weights));
  const bias = graph.initializer(`${spec.name}.bias`, [spec.shape[0]!], layer.bias!);
  let value: string;
  if (spec.kind === 'linear') {
    value = graph.node('Gemm', output, [input, weights, bias], { transB: { integer: 1 } });
  } else {
    const { stride } = spec;
    const [top, right, bottom, left] = padding;
    value = graph.node('Conv', output, [input, weights, bias], {
      dilations: { integers: [1, 1] },
      group: { integer: spec.groups },
      kernel_shape: { integers: spec.shape.slice(2) },
      pads: { integers: [top, left, bottom, right] },
      strides: { integers: [stride, stride] },
    });
  }
  switch (spec.activation) {
    case 'relu':
      return graph.node('Relu', `${spec.name}.relu`, [value]);
    case 'hard-sigmoid':
      return hardSigmoid(graph, spec.name, value);
    default:
      return value;
  }
}

/** `max(0, min(1, x / 6 + 0.5))` */
function hardSigmoid(graph: GraphWriter, name: string, value: string): string {
  return graph.node('HardSigmoid', `${name}.hard-sigmoid`, [value], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } });
}

/** Collects a GraphProto's nodes and initializers; every node has one output, named as the node. */
class GraphWriter {
  readonly nodes: ProtobufWriter[] = [];
  readonly initializers: ProtobufWriter[] = [];

  node(
    operator: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const node = new ProtobufWriter();
    for (const input of inputs) node.string(1, input);
    node.string(2, name).string(3, name).string(4, operator);
    for (const [key, attribute] of Object.entries(attributes)) node.message(5, attributeProto(key, attribute));
    this.nodes.push(node);
    return name;
  }

  initializer(name: string, shape: readonly number[], data: Float32Array): string {
    this.initializers.push(
      new ProtobufWriter().integers(1, shape).integer(2, FLOAT).string(8, name).bytes(9, littleEndian(data)),
    );
    return name;
  }
}

function attributeProto(name: string, attribute: Attribute): ProtobufWriter {
  const proto = new ProtobufWriter().string(1, name);
  if ('float' in attribute) return proto.float(2, attribute.float).integer(20, ATTRIBUTE_TYPE.float);
  if ('integer' in attribute) return proto.integer(3, attribute.integer).integer(20, ATTRIBUTE_TYPE.integer);
  return proto.integers(8, attribute.integers).integer(20, ATTRIBUTE_TYPE.integers);
}

/** raw_data is little-endian by definition, whatever the machine. */
function littleEndian(data: Float32Array): Uint8Array {
  const bytes = new Uint8Array(4 * data.length);
  const view = new DataView(bytes.buffer);
  data.forEach((value, index) => view.setFloat32(4 * index, value, true));
  return bytes;
}

/** ValueInfoProto of a float tensor; a string dimension is a free one. */
function floatTensor(name: string, shape: readonly (number | string)[]): ProtobufWriter {
  const dimensions = new ProtobufWriter();
  for (const size of shape) {
    const dimension = new ProtobufWriter();
    dimensions.message(1, typeof size === 'number' ? dimension.integer(1, size) : dimension.string(2, size));
  }
  const tensor = new ProtobufWriter().integer(1, FLOAT).message(2, dimensions);
  return new ProtobufWriter().string(1, name).message(2, new ProtobufWriter().message(1, tensor));
}

function fileOf(model: Model, graph: GraphWriter): Uint8Array {
  const { architecture, labels, preprocessing } = model;
  const graphProto = new ProtobufWriter();
  for (const node of graph.nodes) graphProto.message(1, node);
  graphProto.string(2, architecture.name);
  for (const initializer of graph.initializers) graphProto.message(5, initializer);
  graphProto.message(11, floatTensor('input', ['N', 3, ...preprocessing.size]));
  const classes = architecture.classes === 0 ? architecture.last : architecture.classes;
  graphProto.message(12, floatTensor(mainOutput(architecture), ['N', classes]));

  const file = new ProtobufWriter()
    .integer(1, IR_VERSION)
    .string(2, 'neonsense')
    .message(7, graphProto)
    .message(8, new ProtobufWriter().string(1, '').integer(2, OPSET));
  for (const [key, value] of Object.entries({ labels, preprocessing })) {
    file.message(14, new ProtobufWriter().string(1, key).string(2, JSON.stringify(value)));
  }
  return file.finish();
}
