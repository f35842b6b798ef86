//! The integrated predictor (eq. 20 of the paper): the sum of a linear branch, a deep branch and the compressed
//! interaction network, as one logit (or one for each class):
//!
//! ```text
//! ŷ = σ(w_linearᵀ a + w_dnnᵀ x_dnn + w_cinᵀ p⁺ + b)
//! ```
//!
//! A model may also have a factorisation machine (DeepFM) and a cross network (DCN-v2), whose outputs are added.
//!
//! The loss applies σ. The linear branch reads either raw inputs without the gate, as eq. 20 has it, or the gated
//! embeddings. On Adult, raw inputs alone classify nearly as well as the whole model, so this choice determines what
//! a sparse interface means.

use crate::cin::Cin;
use crate::cross::CrossNetwork;
use crate::deep::Deep;
use crate::encoding::Encoding;
use crate::fm::FactorisationMachine;
use crate::input::TableInput;
use crate::settings::{ModelSettings, NumberEncoding};
use crate::spline::SplineTable;
use crate::values::ValueTable;
use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_gate::Interface;
use l0gm_ops::{Generator, Mode, add, add_bias, reshape};
use l0gm_train::layers::Linear;
use l0gm_train::{Head, HeadOutput, Parameter, ParameterKind, Part};

/// Computes logits from the linear, CIN and deep branches, and from a factorisation machine and a cross network.
#[derive(Debug)]
pub struct TabularHead {
    pub(crate) classes: usize,
    pub(crate) linear: LinearBranch,
    pub(crate) cin: Option<(Cin, Linear)>,
    pub(crate) fm: Option<FactorisationMachine>,
    pub(crate) cross: Option<CrossNetwork>,
    pub(crate) deep: Option<Deep>,
    /// Bias, (1, outputs).
    pub(crate) bias: Var,
}

/// The input of the linear branch.
#[derive(Debug)]
pub(crate) enum LinearBranch {
    /// There is no linear branch.
    None,
    /// Raw inputs, without the gate.
    Raw(RawLinear),
    /// The gated embeddings.
    Gated(Linear),
}

/// One weight for each category, and one for each bin (or each scaled number).
#[derive(Clone, Debug)]
pub(crate) struct RawLinear {
    pub(crate) categories: Option<ValueTable>,
    pub(crate) numbers: Option<RawNumbers>,
}

/// The weights of raw numbers.
#[derive(Clone, Debug)]
pub(crate) enum RawNumbers {
    /// Weights of the piecewise-linear encoding.
    PiecewiseLinear(SplineTable),
    /// Weights of scaled values.
    Scaled(Linear),
}

impl TabularHead {
    /// A new head, initialised from the generator. The linear branch's weights of raw inputs start at 0.
    ///
    /// # Errors
    /// Fails if a tensor cannot be created.
    pub fn new(
        encoding: &Encoding,
        interface: Interface,
        classes: usize,
        settings: &ModelSettings,
        generator: &Generator,
        device: &Device,
    ) -> Result<Self> {
        let outputs = if classes == 2 { 1 } else { classes };
        let width = interface.width();
        let mut stream = generator.stream("head", 0);
        let linear = match (settings.linear, settings.bypass) {
            (false, _) => LinearBranch::None,
            (true, true) => LinearBranch::Raw(RawLinear::new(encoding, outputs, device)?),
            (true, false) => LinearBranch::Gated(Linear::new(
                "linear",
                Part::Head,
                width,
                outputs,
                false,
                &mut stream,
                device,
            )?),
        };
        let cin = if settings.cin.maps.is_empty() {
            None
        } else {
            let fields = encoding.categories.len() + encoding.numbers.len();
            let cin = Cin::new(&settings.cin, fields, generator, device)?;
            let inputs = cin.outputs();
            let output = Linear::new(
                "cin.output",
                Part::Head,
                inputs,
                outputs,
                false,
                &mut stream,
                device,
            )?;
            Some((cin, output))
        };
        // These branches have streams of their own, so that the others start the same with and without them.
        let fm = if settings.fm {
            let stream = &mut generator.stream("fm", 0);
            Some(FactorisationMachine::new(
                settings.dim,
                outputs,
                stream,
                device,
            )?)
        } else {
            None
        };
        let cross = if settings.cross.layers > 0 {
            let stream = &mut generator.stream("cross", 0);
            Some(CrossNetwork::new(
                &settings.cross,
                width,
                outputs,
                stream,
                device,
            )?)
        } else {
            None
        };
        let deep = Deep::new(width, outputs, settings, &mut stream, device)?;
        Ok(Self {
            classes,
            linear,
            cin,
            fm,
            cross,
            deep,
            bias: Var::zeros((1, outputs), DType::F32, device)?,
        })
    }
}

impl Head<TableInput> for TabularHead {
    fn classes(&self) -> usize {
        self.classes
    }

    /// Computes logits (rows, classes) from `gated` (rows, fields, dim). Two classes have a single logit l, which is
    /// returned as [0, l].
    fn logits(&self, gated: &Tensor, input: &TableInput, mode: &mut Mode<'_>) -> Result<Tensor> {
        Ok(self.output(gated, input, mode)?.logits)
    }

    fn output(
        &self,
        gated: &Tensor,
        input: &TableInput,
        mode: &mut Mode<'_>,
    ) -> Result<HeadOutput> {
        let (rows, fields, dim) = gated.dims3()?;
        let flat = reshape(gated, (rows, fields * dim))?;
        let mut terms = Vec::with_capacity(5);
        match &self.linear {
            LinearBranch::None => {}
            LinearBranch::Raw(raw) => terms.push(raw.forward(input)?), // w_linearᵀ a
            LinearBranch::Gated(linear) => terms.push(linear.forward(&flat)?),
        }
        if let Some((cin, output)) = &self.cin {
            terms.push(output.forward(&cin.forward(gated)?)?); // w_cinᵀ p⁺
        }
        if let Some(fm) = &self.fm {
            terms.push(fm.forward(gated)?);
        }
        if let Some(cross) = &self.cross {
            terms.push(cross.forward(&flat)?);
        }
        if let Some(deep) = &self.deep {
            terms.push(deep.forward(&flat, mode)?); // w_dnnᵀ x_dnn
        }
        add_up(&terms, Some(&self.bias), self.classes) // their sum + b
    }

    fn reads_input(&self) -> bool {
        matches!(self.linear, LinearBranch::Raw(_))
    }

    /// Those of the linear and the deep branch. The weights of the other branches belong to whole fields or to pairs of
    /// dimensions.
    fn readers(&self) -> Vec<Var> {
        let linear = match &self.linear {
            LinearBranch::Gated(linear) => Some(linear.weight()),
            LinearBranch::None | LinearBranch::Raw(_) => None,
        };
        let deep = self.deep.iter().filter_map(|deep| deep.hidden.first());
        let readers = linear.into_iter().chain(deep.map(Linear::weight));
        readers.cloned().collect()
    }

    fn parameters(&self) -> Vec<Parameter> {
        let mut all = Vec::new();
        match &self.linear {
            LinearBranch::None => {}
            LinearBranch::Raw(raw) => all.extend(raw.parameters()),
            LinearBranch::Gated(linear) => all.extend(linear.parameters()),
        }
        if let Some((cin, output)) = &self.cin {
            all.extend(cin.parameters());
            all.extend(output.parameters());
        }
        if let Some(fm) = &self.fm {
            all.extend(fm.parameters());
        }
        if let Some(cross) = &self.cross {
            all.extend(cross.parameters());
        }
        if let Some(deep) = &self.deep {
            all.extend(deep.parameters());
        }
        all.push(Parameter {
            name: "bias".into(),
            var: self.bias.clone(),
            kind: ParameterKind::NoDecay,
            part: Part::Head,
        });
        all
    }
}

/// The sum of the branches and the bias, if one is given. A branch is (rows, outputs) or, where its members differ, (rows, members,
/// outputs). A single output becomes the two logits [0, l].
pub(crate) fn add_up(
    terms: &[Tensor],
    bias: Option<&Tensor>,
    classes: usize,
) -> Result<HeadOutput> {
    let with_bias = |sum: Tensor| match bias {
        Some(bias) => add_bias(&sum, &reshape(bias, bias.elem_count())?),
        None => Ok(sum),
    };
    let (of_members, shared): (Vec<&Tensor>, Vec<&Tensor>) =
        terms.iter().partition(|term| term.rank() == 3);
    let sum = |terms: &[&Tensor]| -> Result<Option<Tensor>> {
        let mut all = terms.iter();
        let Some(&first) = all.next() else {
            return Ok(None);
        };
        all.try_fold(first.clone(), |total, term| add(&total, term))
            .map(Some)
    };
    match (sum(&of_members)?, sum(&shared)?) {
        (None, None) => candle_core::bail!("the head has no branch"),
        (None, Some(shared)) => {
            let logits = as_logits(with_bias(shared)?, classes)?;
            Ok(HeadOutput::single(logits))
        }
        (Some(members), shared) => {
            let (rows, count, outputs) = members.dims3()?;
            let members = with_bias(members)?;
            let members = match shared {
                Some(shared) => members.broadcast_add(&reshape(&shared, (rows, 1, outputs))?)?,
                None => members,
            };
            let flat = reshape(&members, (rows * count, outputs))?;
            let logits = as_logits(flat, classes)?;
            HeadOutput::of_members(reshape(&logits, (rows, count, classes))?)
        }
    }
}

/// From (rows, outputs) to (rows, classes); with two classes, the logit of the first is 0.
pub(crate) fn as_logits(sum: Tensor, classes: usize) -> Result<Tensor> {
    if classes == 2 {
        return Tensor::cat(&[&sum.zeros_like()?, &sum], 1);
    }
    Ok(sum)
}

/// Sums (rows, fields, outputs) over fields, as a sum over the last dimension.
pub(crate) fn over_fields(x: Tensor) -> Result<Tensor> {
    x.transpose(1, 2)?.contiguous()?.sum(2)
}

impl RawLinear {
    fn new(encoding: &Encoding, outputs: usize, device: &Device) -> Result<Self> {
        let categories = if encoding.categories.is_empty() {
            None
        } else {
            let zeros = |rows| Tensor::zeros((rows, outputs), DType::F32, device);
            let own = zeros(encoding.category_rows())?;
            let common = zeros(encoding.categories.len())?;
            let name = "linear.categories";
            Some(ValueTable::new(name, Part::Head, encoding, &own, &common)?)
        };
        let fields = encoding.numbers.len();
        let numbers = match encoding.kind {
            _ if fields == 0 => None,
            NumberEncoding::PiecewiseLinear => {
                let shape = (fields, encoding.bins(), outputs);
                // The scale is 0, so all weights start at 0 and the generator does not matter.
                let mut generator = Generator::new(0);
                Some(RawNumbers::PiecewiseLinear(SplineTable::new(
                    "linear.numbers",
                    Part::Head,
                    shape,
                    0.0,
                    &mut generator,
                    device,
                )?))
            }
            NumberEncoding::Periodic | NumberEncoding::Scaled => {
                let zeros = Tensor::zeros((outputs, fields), DType::F32, device)?;
                let name = "linear.numbers";
                Some(RawNumbers::Scaled(Linear::from_tensors(
                    name,
                    Part::Head,
                    &zeros,
                    None,
                )?))
            }
        };
        Ok(Self {
            categories,
            numbers,
        })
    }

    /// Computes (rows, outputs).
    pub(crate) fn forward(&self, input: &TableInput) -> Result<Tensor> {
        let mut terms = Vec::with_capacity(2);
        if let (Some(table), Some(categories)) = (&self.categories, &input.categories) {
            terms.push(over_fields(table.forward(&categories.ids)?)?);
        }
        if let (Some(numbers), Some(input)) = (&self.numbers, &input.numbers) {
            terms.push(match numbers {
                RawNumbers::PiecewiseLinear(spline) => over_fields(spline.forward(input)?)?,
                RawNumbers::Scaled(linear) => linear.forward(&input.position.squeeze(2)?)?,
            });
        }
        match terms.as_slice() {
            [one] => Ok(one.clone()),
            [a, b] => a + b,
            _ => candle_core::bail!("the input has none of the fields the linear branch reads"),
        }
    }

    fn parameters(&self) -> Vec<Parameter> {
        let mut all = Vec::new();
        if let Some(table) = &self.categories {
            all.extend(table.parameters());
        }
        match &self.numbers {
            Some(RawNumbers::PiecewiseLinear(spline)) => all.extend(spline.parameters()),
            Some(RawNumbers::Scaled(linear)) => all.extend(linear.parameters()),
            None => {}
        }
        all
    }
}
