// ONNX models written by hand: a model is a protobuf message, and these need few of its fields. Field numbers are those
// of onnx.proto3 (github.com/onnx/onnx); operators are those of opset 12, whose reductions take axes as attributes.

const varint = (value) => {
  const bytes = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
};
const integer = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
const message = (field, ...parts) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([varint((field << 3) | 2), varint(body.length), body]);
};
const text = (field, value) => message(field, Buffer.from(value));

const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;

function attribute(name, value) {
  if (Array.isArray(value)) {
    const values = value.map((each) => integer(8, each));
    return message(5, text(1, name), ...values, integer(20, ATTRIBUTE_INTS));
  }
  return message(5, text(1, name), integer(3, value), integer(20, ATTRIBUTE_INT));
}

/** One node: {op, inputs, output, attributes?}. */
function node({ op, inputs, output, attributes = {} }) {
  return message(
    1,
    ...inputs.map((name) => text(1, name)),
    ...[text(2, output), text(3, output), text(4, op)],
    ...Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  );
}

const ELEMENT = { float32: 1, int64: 7 };

/** A named tensor of a graph; dimensions are names. */
function value(field, name, type, dimensions) {
  const shape = message(2, ...dimensions.map((dimension) => message(1, text(2, dimension))));
  return message(field, text(1, name), message(2, message(1, integer(1, ELEMENT[type]), shape)));
}

/** `inputs` and `outputs`: [name, element type, dimension names]. Gives the model's bytes. */
export function model({ nodes, inputs, outputs }) {
  const graph = message(
    7,
    ...nodes.map(node),
    text(2, 'graph'),
    ...inputs.map((each) => value(11, ...each)),
    ...outputs.map((each) => value(12, ...each)),
  );
  const opset = message(8, text(1, ''), integer(2, 12));
  return Buffer.concat([integer(1, 7), graph, opset]);
}
