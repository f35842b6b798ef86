//! Turns fields into embeddings, X(0) of eq. 8, with one row for each field. All category fields share one table and
//! one lookup; number fields share one blocked map.

use crate::encoding::{Encoding, MISSING, UNSEEN};
use crate::fine::FineGates;
use crate::input::{NumberInput, TableInput};
use crate::settings::{EncodingSettings, ModelSettings, NumberEncoding};
use crate::spline::SplineTable;
use crate::values::ValueTable;
use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_gate::{Gate, GateConfig, Interface, Schedule};
use l0gm_ops::{Generator, Mode, embedding, relu};
use l0gm_train::{Encoder, Gating, Parameter, ParameterKind, Part};

/// Computes one embedding for each field: categories from a table, numbers through their encoding.
#[derive(Debug)]
pub struct FieldEncoder {
    pub(crate) categories: Option<ValueTable>,
    pub(crate) numbers: Option<NumberEmbedding>,
    /// Gates on the entries of the tables, for granularity fine.
    fine: Option<FineGates>,
    fields: usize,
    dim: usize,
}

/// How number fields are embedded.
#[derive(Debug)]
pub(crate) enum NumberEmbedding {
    /// A linear map of the piecewise-linear encoding.
    PiecewiseLinear(SplineTable),
    /// ReLU of a linear map of sines and cosines.
    Periodic(DenseNumbers),
    /// A linear map of the scaled value.
    Scaled(DenseNumbers),
}

/// One small linear map for each field, applied to features of its scaled value.
#[derive(Debug)]
pub(crate) struct DenseNumbers {
    /// Frequencies, (1, fields, frequencies); `None` for the plain map.
    pub(crate) frequencies: Option<Var>,
    /// Weights, (fields, features, dim).
    pub(crate) weight: Var,
    /// Offsets that missing and present values add, (2 * fields, dim).
    pub(crate) offset: Var,
}

impl FieldEncoder {
    /// A new encoder, initialised from the generator. The rows of unseen and missing categories start at 0 or, where
    /// values shrink, at their field's common vector.
    ///
    /// # Errors
    /// Fails if a tensor cannot be created.
    pub fn new(
        encoding: &Encoding,
        model: &ModelSettings,
        settings: &EncodingSettings,
        generator: &Generator,
        device: &Device,
    ) -> Result<Self> {
        let dim = model.dim;
        let categories = if encoding.categories.is_empty() {
            None
        } else {
            let mut generator = generator.stream("categories", 0);
            let shape = (encoding.category_rows(), dim);
            let table =
                generator.normal_tensor(shape, 0.0, model.embedding_std, DType::F32, device)?;
            let mut keep = vec![1f32; encoding.category_rows()];
            for field in &encoding.categories {
                keep[(field.offset + UNSEEN) as usize] = 0.0;
                keep[(field.offset + MISSING) as usize] = 0.0;
            }
            let keep = Tensor::from_vec(keep, (encoding.category_rows(), 1), device)?;
            let own = table.broadcast_mul(&keep)?;
            let shape = (encoding.categories.len(), dim);
            let common =
                generator.normal_tensor(shape, 0.0, model.embedding_std, DType::F32, device)?;
            let name = "categories";
            Some(ValueTable::new(
                name,
                Part::Encoder,
                encoding,
                &own,
                &common,
            )?)
        };
        let fields = encoding.numbers.len();
        let numbers = if fields == 0 {
            None
        } else {
            let mut generator = generator.stream("numbers", 0);
            Some(match encoding.kind {
                NumberEncoding::PiecewiseLinear => {
                    NumberEmbedding::PiecewiseLinear(SplineTable::new(
                        "numbers",
                        Part::Encoder,
                        (fields, encoding.bins(), dim),
                        1.0,
                        &mut generator,
                        device,
                    )?)
                }
                NumberEncoding::Periodic => {
                    let count = settings.frequencies;
                    let frequencies = generator.normal_tensor(
                        (1, fields, count),
                        0.0,
                        settings.frequency_scale,
                        DType::F32,
                        device,
                    )?;
                    let frequencies = Some(Var::from_tensor(&frequencies)?);
                    let shape = (fields, 2 * count, dim);
                    NumberEmbedding::Periodic(DenseNumbers::new(
                        frequencies,
                        shape,
                        &mut generator,
                        device,
                    )?)
                }
                NumberEncoding::Scaled => NumberEmbedding::Scaled(DenseNumbers::new(
                    None,
                    (fields, 1, dim),
                    &mut generator,
                    device,
                )?),
            })
        };
        Ok(Self {
            categories,
            numbers,
            fine: None,
            fields: encoding.categories.len() + fields,
            dim,
        })
    }

    /// Adds a gate to every entry of the tables (granularity fine). `config` gives how far they start open, and
    /// `schedule` trains them.
    ///
    /// # Errors
    /// Fails if numbers are encoded without a table, or if the gate refuses its settings.
    pub fn with_gates(
        mut self,
        encoding: &Encoding,
        config: &GateConfig,
        schedule: &Schedule,
        device: &Device,
    ) -> crate::Result<Self> {
        self.fine = Some(FineGates::new(
            encoding, self.dim, config, schedule, device,
        )?);
        Ok(self)
    }

    /// Joins category fields and then number fields.
    fn join(parts: &[Tensor]) -> Result<Tensor> {
        match parts {
            [one] => Ok(one.clone()),
            parts => Tensor::cat(parts, 1),
        }
    }
}

impl DenseNumbers {
    fn new(
        frequencies: Option<Var>,
        (fields, features, dim): (usize, usize, usize),
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self> {
        let bound = 1.0 / (features as f64).sqrt();
        let shape = (fields, features, dim);
        let weight = generator.uniform_tensor(shape, -bound, bound, DType::F32, device)?;
        Ok(Self {
            frequencies,
            weight: Var::from_tensor(&weight)?,
            offset: Var::zeros((2 * fields, dim), DType::F32, device)?,
        })
    }

    /// Embeddings before any activation, (rows, fields, dim).
    fn forward(&self, input: &NumberInput) -> Result<Tensor> {
        let features = match &self.frequencies {
            Some(frequencies) => periodic_features(&input.position, frequencies)?,
            None => input.position.clone(),
        };
        // From (rows, fields, features) to (fields, rows, features), for one product per field.
        let mapped = features
            .transpose(0, 1)?
            .contiguous()?
            .matmul(self.weight.as_tensor())?
            .transpose(0, 1)?;
        mapped + embedding(self.offset.as_tensor(), &input.lower)?
    }

    fn parameters(&self) -> Vec<Parameter> {
        let parameter = |name: &str, var: &Var, kind| Parameter {
            name: format!("numbers.{name}"),
            var: var.clone(),
            kind,
            part: Part::Encoder,
        };
        let mut all = vec![
            parameter("weight", &self.weight, ParameterKind::Weight),
            parameter("offset", &self.offset, ParameterKind::NoDecay),
        ];
        if let Some(frequencies) = &self.frequencies {
            all.push(parameter(
                "frequencies",
                frequencies,
                ParameterKind::NoDecay,
            ));
        }
        all
    }
}

/// sin and cos of 2 pi c x: (rows, fields, 1) to (rows, fields, 2 * frequencies).
pub(crate) fn periodic_features(position: &Tensor, frequencies: &Tensor) -> Result<Tensor> {
    let angle = (position.broadcast_mul(frequencies)? * std::f64::consts::TAU)?;
    Tensor::cat(&[angle.sin()?, angle.cos()?], 2)
}

impl Encoder for FieldEncoder {
    type Input = TableInput;

    fn interface(&self) -> Interface {
        Interface::Fields {
            fields: self.fields,
            dim: self.dim,
        }
    }

    /// Embeddings of category fields and then number fields, (rows, fields, dim).
    fn encode(&self, input: &TableInput, _mode: &mut Mode<'_>) -> Result<Tensor> {
        let mut parts = Vec::with_capacity(2);
        if let (Some(table), Some(categories)) = (&self.categories, &input.categories) {
            parts.push(table.forward(&categories.ids)?);
        }
        if let (Some(numbers), Some(input)) = (&self.numbers, &input.numbers) {
            parts.push(match numbers {
                NumberEmbedding::PiecewiseLinear(spline) => spline.forward(input)?,
                NumberEmbedding::Periodic(dense) => relu(&dense.forward(input)?)?,
                NumberEmbedding::Scaled(dense) => dense.forward(input)?,
            });
        }
        Self::join(&parts)
    }

    fn gates(&self) -> Vec<(&str, &Gate)> {
        let Some(fine) = &self.fine else {
            return Vec::new();
        };
        let categories = fine.categories.as_ref().map(|gate| ("categories", gate));
        let numbers = fine.numbers.as_ref().map(|n| ("numbers", &n.gate));
        categories.into_iter().chain(numbers).collect()
    }

    fn encode_gated(
        &self,
        input: &TableInput,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> l0gm_train::Result<Tensor> {
        let Some(fine) = &self.fine else {
            return Ok(self.encode(input, mode)?);
        };
        let mut parts = Vec::with_capacity(2);
        if let (Some(table), Some(gate), Some(categories)) =
            (&self.categories, &fine.categories, &input.categories)
        {
            let values = table.forward(&categories.ids)?;
            parts.push(gate.forward_rows(&values, &categories.ids, gating.mode(mode))?);
        }
        if let (Some(NumberEmbedding::PiecewiseLinear(spline)), Some(gates), Some(numbers)) =
            (&self.numbers, &fine.numbers, &input.numbers)
        {
            parts.push(gates.interpolate(&spline.table()?, numbers, gating, mode)?);
        }
        Ok(Self::join(&parts)?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let mut all = Vec::new();
        if let Some(table) = &self.categories {
            all.extend(table.parameters());
        }
        match &self.numbers {
            Some(NumberEmbedding::PiecewiseLinear(spline)) => all.extend(spline.parameters()),
            Some(NumberEmbedding::Periodic(dense) | NumberEmbedding::Scaled(dense)) => {
                all.extend(dense.parameters());
            }
            None => {}
        }
        all
    }
}
