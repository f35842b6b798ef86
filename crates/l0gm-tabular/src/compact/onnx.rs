//! A compact model as an ONNX graph, from encoded rows to calibrated probabilities, for other runtimes.
//!
//! Its inputs are those of the encoding: `ids` (rows, category fields), the rows of the shared table of categories;
//! `knots` (rows, number fields), the rows of the shared table of numbers at the lower ends of bins; and `positions`
//! (rows, number fields) within the bins. Its output is `probabilities` (rows, classes).

mod message;

use super::{
    CompactCin, CompactDeep, CompactField, CompactLinear, CompactModel, CompactOutput, FieldMap,
    strangers,
};
use crate::settings::CinActivation;
use crate::{Encoding, Result};
use candle_core::{DType, Tensor};
use message::{Attribute, Graph};

/// Names of the graph's inputs, by which a program passes encoded rows.
pub(super) const IDS: &str = "ids";
pub(super) const KNOTS: &str = "knots";
pub(super) const POSITIONS: &str = "positions";

/// The bytes of an ONNX file, or the reason why this model has none.
pub(super) fn graph(
    model: &CompactModel,
    encoding: &Encoding,
    temperature: f64,
) -> Result<std::result::Result<Vec<u8>, String>> {
    let no = |what: &str| Ok(Err(format!("the ONNX export does not know {what}")));
    let tables = |field: &CompactField| !matches!(field.map, FieldMap::Dense(..));
    if !model.fields.iter().all(tables) {
        return no("numbers without bins");
    }
    if matches!(model.linear, CompactLinear::Raw(..)) {
        return no("a linear branch on raw inputs");
    }
    let cin = model.cin.as_ref();
    if cin.is_some_and(|cin| cin.settings.split || cin.settings.activation != CinActivation::None) {
        return no("interactions with an activation or a split");
    }
    if !model.is_wholly_swept() {
        return no("members or a rival's branch");
    }
    if model.fields.is_empty() {
        return no("a model that reads nothing");
    }
    Ok(Ok(Writer {
        graph: Graph::default(),
    }
    .write(model, encoding, temperature)?))
}

struct Writer {
    graph: Graph,
}

impl Writer {
    fn write(
        mut self,
        model: &CompactModel,
        encoding: &Encoding,
        temperature: f64,
    ) -> Result<Vec<u8>> {
        if !encoding.categories.is_empty() {
            self.graph.input_i64(IDS, encoding.categories.len());
        }
        if !encoding.numbers.is_empty() {
            self.graph.input_i64(KNOTS, encoding.numbers.len());
            self.graph.input_f32(POSITIONS, encoding.numbers.len());
        }
        let parts: Vec<String> = model
            .fields
            .iter()
            .enumerate()
            .map(|(at, field)| self.field(at, field))
            .collect::<Result<_>>()?;
        let axis = [("axis", Attribute::Int(1))];
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.graph.node("Concat", &parts, "x", &axis);
        let mut terms = vec![self.floats("bias", &model.bias)?];
        if let CompactLinear::Gated(weight) = &model.linear {
            terms.push(self.product("linear", "x", weight, None)?);
        }
        if let Some(cin) = &model.cin {
            terms.push(self.cin(cin)?);
        }
        if let Some(deep) = &model.deep {
            terms.push(self.deep(deep)?);
        }
        let mut sum = terms.remove(0);
        for (at, term) in terms.iter().enumerate() {
            let name = format!("sum.{at}");
            self.graph.node("Add", &[&sum, term], &name, &[]);
            sum = name;
        }
        self.answer(&sum, model.classes, temperature)?;
        self.graph.output("probabilities", model.classes as i64);
        Ok(self.graph.bytes())
    }

    /// The open dimensions of a field, (rows, open).
    fn field(&mut self, at: usize, field: &CompactField) -> Result<String> {
        let name = |part: &str| format!("field.{at}.{part}");
        let ids = match &field.map {
            FieldMap::Categories(_) => IDS,
            FieldMap::PiecewiseLinear(_) | FieldMap::Dense(..) => KNOTS,
        };
        let column = self.ints(&name("column"), &[field.column as i64], false);
        let axis = [("axis", Attribute::Int(1))];
        self.graph
            .node("Gather", &[ids, &column], &name("shared"), &axis);
        // Table rows are counted from the field's first; with the numbers' field comes the row above.
        let offset = self.ints(&name("offset"), &[i64::from(field.offset)], true);
        self.graph
            .node("Sub", &[&name("shared"), &offset], &name("id"), &[]);
        let table = self.floats(&name("table"), &field_table(field))?;
        if ids == IDS {
            self.graph
                .node("Gather", &[&table, &name("id")], &name("out"), &[]);
            return Ok(name("out"));
        }
        self.graph
            .node("Gather", &[&table, &name("id")], &name("lower"), &[]);
        let steps = self.floats(&name("steps"), &steps(field)?)?;
        self.graph
            .node("Gather", &[&steps, &name("id")], &name("step"), &[]);
        let column = self.ints(&name("columns"), &[field.column as i64], true);
        self.graph
            .node("Gather", &[POSITIONS, &column], &name("position"), &axis);
        self.graph.node(
            "Mul",
            &[&name("step"), &name("position")],
            &name("part"),
            &[],
        );
        self.graph
            .node("Add", &[&name("lower"), &name("part")], &name("out"), &[]);
        Ok(name("out"))
    }

    /// x Wᵀ + b, (rows, outputs). `weight` is (outputs, inputs).
    fn product(
        &mut self,
        name: &str,
        x: &str,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<String> {
        let weight = self.floats(&format!("{name}.weight"), weight)?;
        let mut inputs = vec![x, weight.as_str()];
        let bias = match bias {
            Some(bias) => Some(self.floats(&format!("{name}.bias"), bias)?),
            None => None,
        };
        inputs.extend(bias.as_deref());
        let out = format!("{name}.out");
        let transposed = [("transB", Attribute::Int(1))];
        self.graph.node("Gemm", &inputs, &out, &transposed);
        Ok(out)
    }

    fn deep(&mut self, deep: &CompactDeep) -> Result<String> {
        let mut x = "x".to_owned();
        let first = deep
            .first
            .as_ref()
            .map(|weight| (weight, Some(&deep.first_bias)));
        let hidden = deep
            .hidden
            .iter()
            .map(|layer| (&layer.weight, layer.bias.as_ref()));
        for (at, (weight, bias)) in first.into_iter().chain(hidden).enumerate() {
            let out = self.product(&format!("deep.{at}"), &x, weight, bias)?;
            x = format!("deep.{at}.relu");
            self.graph.node("Relu", &[&out], &x, &[]);
        }
        match &deep.output {
            CompactOutput::Single(output) => self.product("deep.output", &x, output, None),
            CompactOutput::Members(_) => Err(strangers("members have outputs of their own")),
        }
    }

    /// The interactions: each layer multiplies its maps with the fields and compresses the products.
    fn cin(&mut self, cin: &CompactCin) -> Result<String> {
        let (fields, dim) = (cin.stack.fields as i64, cin.stack.dim as i64);
        // A column of zeros stands for closed dimensions.
        let pads = self.ints("cin.pads", &[0, 0, 0, 1], true);
        self.graph.node("Pad", &["x", &pads], "cin.padded", &[]);
        let gather: Vec<u32> = cin.stack.gather.to_vec1()?;
        // Coordinates come first, so that maps are multiplied with a matrix: (rows, dim, fields).
        let places: Vec<i64> = (0..cin.stack.dim)
            .flat_map(|d| (0..cin.stack.fields).map(move |field| field * cin.stack.dim + d))
            .map(|at| i64::from(gather[at]))
            .collect();
        let places = self.ints("cin.places", &places, true);
        let axis = [("axis", Attribute::Int(1))];
        self.graph
            .node("Gather", &["cin.padded", &places], "cin.columns", &axis);
        let row = self.ints("cin.row", &[-1, dim, 1, fields], true);
        self.graph
            .node("Reshape", &["cin.columns", &row], "cin.fields", &[]);
        let column = self.ints("cin.column", &[-1, dim, fields, 1], true);
        self.graph
            .node("Reshape", &["cin.columns", &column], "cin.maps.0", &[]);
        let axes = self.ints("cin.axes", &[1], true);
        let (mut before, mut sums) = (fields, Vec::new());
        for (at, weight) in cin.weights.iter().enumerate() {
            let name = |part: &str| format!("cin.{at}.{part}");
            let maps = weight.dim(0)? as i64;
            let products = [format!("cin.maps.{at}"), "cin.fields".to_owned()];
            let products = products.each_ref().map(String::as_str);
            self.graph.node("Mul", &products, &name("pairs"), &[]);
            let flat = self.ints(&name("flat"), &[-1, dim, before * fields], true);
            self.graph
                .node("Reshape", &[&name("pairs"), &flat], &name("products"), &[]);
            let matrix = weight.flatten_from(1)?.t()?.contiguous()?;
            let matrix = self.floats(&name("weight"), &matrix)?;
            self.graph
                .node("MatMul", &[&name("products"), &matrix], &name("out"), &[]);
            let keep = [("keepdims", Attribute::Int(0))];
            self.graph
                .node("ReduceSum", &[&name("out"), &axes], &name("sums"), &keep);
            sums.push(name("sums"));
            let next = self.ints(&name("next"), &[-1, dim, maps, 1], true);
            let following = format!("cin.maps.{}", at + 1);
            if at + 1 < cin.weights.len() {
                self.graph
                    .node("Reshape", &[&name("out"), &next], &following, &[]);
            }
            before = maps;
        }
        let sums: Vec<&str> = sums.iter().map(String::as_str).collect();
        self.graph.node("Concat", &sums, "cin.sums", &axis);
        self.product("cin.output", "cin.sums", &cin.output, None)
    }

    /// Probabilities from the sum of the branches.
    fn answer(&mut self, sum: &str, classes: usize, temperature: f64) -> Result<()> {
        let device = candle_core::Device::Cpu;
        let scale = Tensor::from_vec(vec![temperature as f32], (1,), &device)?;
        let scale = self.floats("temperature", &scale)?;
        self.graph.node("Div", &[sum, &scale], "scaled", &[]);
        if classes == 2 {
            let one = Tensor::from_vec(vec![1f32], (1,), &device)?;
            let one = self.floats("one", &one)?;
            self.graph.node("Sigmoid", &["scaled"], "second", &[]);
            self.graph.node("Sub", &[&one, "second"], "first", &[]);
            let axis = [("axis", Attribute::Int(1))];
            let both = ["first", "second"];
            self.graph.node("Concat", &both, "probabilities", &axis);
        } else {
            self.graph
                .node("Softmax", &["scaled"], "probabilities", &[]);
        }
        Ok(())
    }

    fn floats(&mut self, name: &str, tensor: &Tensor) -> Result<String> {
        let dims: Vec<i64> = tensor.dims().iter().map(|&d| d as i64).collect();
        let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        self.graph.floats(name, &dims, &values);
        Ok(name.to_owned())
    }

    /// A constant of whole numbers, a vector or a single number.
    fn ints(&mut self, name: &str, values: &[i64], vector: bool) -> String {
        let dims = [values.len() as i64];
        let dims: &[i64] = if vector { &dims } else { &[] };
        self.graph.ints(name, dims, values);
        name.to_owned()
    }
}

/// The difference of each row of a number field's table to the row above; 0 for the last one and for missing cells,
/// whose position is 0.
fn steps(field: &CompactField) -> Result<Tensor> {
    let table = field_table(field);
    let (rows, width) = table.dims2()?;
    let upper = table.narrow(0, 1, rows - 1)?;
    let last = table.narrow(0, rows - 1, 1)?;
    let upper = Tensor::cat(&[&upper, &last], 0)?.reshape((rows, width))?;
    Ok((upper - table)?)
}

fn field_table(field: &CompactField) -> Tensor {
    match &field.map {
        FieldMap::Categories(table) | FieldMap::PiecewiseLinear(table) => table.clone(),
        FieldMap::Dense(_, weight, _) => weight.clone(),
    }
}
