//! Writes the few messages of ONNX's file format that a graph needs. The numbers of fields and types are those of
//! `onnx.proto3` (onnx.ai), the encoding is that of protocol buffers.

/// Version of the file format, and of the operators.
const FORMAT: u64 = 8;
const OPERATORS: u64 = 17;
/// The numbers by which ONNX calls its element types.
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// A graph in the making.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<Vec<u8>>,
    constants: Vec<Vec<u8>>,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
}

/// The value of an operator's attribute.
pub(super) enum Attribute {
    Int(i64),
}

impl Graph {
    /// Adds an operator with one output.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attribute)],
    ) {
        let mut node = Vec::new();
        for input in inputs {
            text(&mut node, 1, input);
        }
        text(&mut node, 2, output);
        text(&mut node, 4, operator);
        for (name, value) in attributes {
            let mut attribute = Vec::new();
            text(&mut attribute, 1, name);
            match value {
                Attribute::Int(value) => {
                    number(&mut attribute, 3, *value as u64);
                    number(&mut attribute, 20, 2); // the attribute's type: INT
                }
            }
            part(&mut node, 5, &attribute);
        }
        self.nodes.push(node);
    }

    /// Adds a constant of floats.
    pub(super) fn floats(&mut self, name: &str, dims: &[i64], values: &[f32]) {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constants.push(tensor(name, dims, FLOAT, &raw));
    }

    /// Adds a constant of whole numbers.
    pub(super) fn ints(&mut self, name: &str, dims: &[i64], values: &[i64]) {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constants.push(tensor(name, dims, INT64, &raw));
    }

    /// Adds an input of whole numbers, (rows, columns).
    pub(super) fn input_i64(&mut self, name: &str, columns: usize) {
        self.inputs.push(value(name, INT64, columns as i64));
    }

    /// Adds an input of floats, (rows, columns).
    pub(super) fn input_f32(&mut self, name: &str, columns: usize) {
        self.inputs.push(value(name, FLOAT, columns as i64));
    }

    /// Adds an output of floats, (rows, columns).
    pub(super) fn output(&mut self, name: &str, columns: i64) {
        self.outputs.push(value(name, FLOAT, columns));
    }

    /// The bytes of the file.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut graph = Vec::new();
        for node in &self.nodes {
            part(&mut graph, 1, node);
        }
        text(&mut graph, 2, "l0gm");
        for (field, messages) in [
            (5, &self.constants),
            (11, &self.inputs),
            (12, &self.outputs),
        ] {
            for message in messages {
                part(&mut graph, field, message);
            }
        }
        let mut operators = Vec::new();
        text(&mut operators, 1, "");
        number(&mut operators, 2, OPERATORS);
        let mut model = Vec::new();
        number(&mut model, 1, FORMAT);
        text(&mut model, 2, "l0gm");
        part(&mut model, 7, &graph);
        part(&mut model, 8, &operators);
        model
    }
}

fn tensor(name: &str, dims: &[i64], kind: u64, raw: &[u8]) -> Vec<u8> {
    let mut tensor = Vec::new();
    for dim in dims {
        number(&mut tensor, 1, *dim as u64);
    }
    number(&mut tensor, 2, kind);
    text(&mut tensor, 8, name);
    part(&mut tensor, 9, raw);
    tensor
}

/// Describes an input or output, (rows, columns), with any number of rows.
fn value(name: &str, kind: u64, columns: i64) -> Vec<u8> {
    let (mut rows, mut width) = (Vec::new(), Vec::new());
    text(&mut rows, 2, "rows");
    number(&mut width, 1, columns as u64);
    let mut shape = Vec::new();
    part(&mut shape, 1, &rows);
    part(&mut shape, 1, &width);
    let mut tensor = Vec::new();
    number(&mut tensor, 1, kind);
    part(&mut tensor, 2, &shape);
    let mut of_tensor = Vec::new();
    part(&mut of_tensor, 1, &tensor);
    let mut value = Vec::new();
    text(&mut value, 1, name);
    part(&mut value, 2, &of_tensor);
    value
}

/// A number in seven bits a byte, the lowest first.
fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn number(to: &mut Vec<u8>, field: u64, value: u64) {
    varint(to, field << 3);
    varint(to, value);
}

fn part(to: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(to, field << 3 | 2);
    varint(to, bytes.len() as u64);
    to.extend(bytes);
}

fn text(to: &mut Vec<u8>, field: u64, text: &str) {
    part(to, field, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_written_as_protocol_buffers_are() {
        let mut bytes = Vec::new();
        number(&mut bytes, 1, 150);
        text(&mut bytes, 2, "testing");
        // Both examples are those of the protocol's documentation.
        let expected = [&[0x08, 0x96, 0x01, 0x12, 0x07][..], b"testing"].concat();
        assert_eq!(bytes, expected);
        let mut negative = Vec::new();
        number(&mut negative, 1, -1i64 as u64);
        assert_eq!(negative.len(), 11);
    }
}
