//! Parameters, bytes and floating-point operations of a model and of its compact form. They count only what
//! prediction needs, so they exclude unused bins of number fields (which share a blocked table) and the gate's
//! log_alpha.

use crate::compact::CompactModel;
use crate::encoder::FieldEncoder;
use crate::encoding::Encoding;
use crate::fm;
use crate::head::{LinearBranch, TabularHead};
use crate::settings::NumberEncoding;
use l0gm_train::{Encoder, GatedModel, Head, Sizes};

/// Sizes of the trained model, with embeddings at full width.
pub fn model_sizes(model: &GatedModel<FieldEncoder, TabularHead>, encoding: &Encoding) -> Sizes {
    let width = model.encoder.interface().width();
    let fields = encoding.categories.len() + encoding.numbers.len();
    let dim = width / fields.max(1);
    let open = vec![dim; fields];
    let parameters = parameters(&model.encoder.parameters(), encoding, dim)
        + parameters(&model.head.parameters(), encoding, outputs(&model.head));
    sizes(
        parameters,
        flops(&model.head, encoding, &open, (fields, dim)),
    )
}

/// Sizes of the compact model.
pub fn compact_sizes(
    compact: &CompactModel,
    model: &GatedModel<FieldEncoder, TabularHead>,
    encoding: &Encoding,
) -> Sizes {
    let padding: usize = match encoding.kind {
        NumberEncoding::PiecewiseLinear => {
            let used: usize = encoding
                .numbers
                .iter()
                .map(|field| field.edges.len() + 1)
                .sum();
            encoding.numbers.len() * encoding.rows_per_number() - used
        }
        _ => 0,
    };
    let parameters: usize = compact
        .tensors()
        .iter()
        .map(|(name, tensor)| match name.as_str() {
            "linear.numbers" => tensor.elem_count() - padding * outputs(&model.head),
            _ => tensor.elem_count(),
        })
        .sum();
    let flops = flops(&model.head, encoding, compact.open(), compact.stack_size());
    sizes(parameters as u64, flops)
}

fn sizes(parameters: u64, flops: u64) -> Sizes {
    Sizes {
        parameters,
        flops,
        bytes: 4 * parameters,
    }
}

fn outputs(head: &TabularHead) -> usize {
    head.bias.elem_count()
}

/// Number of values in the parameters, without the padding of blocked number tables.
fn parameters(all: &[l0gm_train::Parameter], encoding: &Encoding, width: usize) -> u64 {
    let total: usize = all
        .iter()
        .map(|parameter| {
            let blocked = encoding.kind == NumberEncoding::PiecewiseLinear
                && parameter.name.ends_with("numbers.weight");
            if blocked {
                let rows = encoding.numbers.iter().map(|field| field.edges.len() + 1);
                rows.sum::<usize>() * width
            } else {
                parameter.var.elem_count()
            }
        })
        .sum();
    total as u64
}

/// Floating-point operations for one example; a multiply-add counts as two. `open` holds the width of each field's
/// embedding, and `stack` the fields and coordinates that CIN and factorisation machine use.
fn flops(
    head: &TabularHead,
    encoding: &Encoding,
    open: &[usize],
    (fields, dims): (usize, usize),
) -> u64 {
    let outputs = outputs(head) as u64;
    let width: usize = open.iter().sum();
    let numbers: usize = open[encoding.categories.len()..].iter().sum();
    // The embedding of a number is a weighted mean of two table rows.
    let mut total = 4 * numbers as u64;
    total += match &head.linear {
        LinearBranch::None => 0,
        LinearBranch::Raw(_) => {
            (encoding.categories.len() + 5 * encoding.numbers.len()) as u64 * outputs
        }
        LinearBranch::Gated(_) => 2 * width as u64 * outputs,
    };
    if let Some((network, _)) = &head.cin {
        total += network.shape().flops(fields, dims) + 2 * network.outputs() as u64 * outputs;
    }
    if head.fm.is_some() {
        total += fm::flops(width, dims, outputs as usize);
    }
    if let Some(cross) = &head.cross {
        total += cross.flops(width);
    }
    if let Some(deep) = &head.deep {
        let members = deep.members();
        let mut inputs = width;
        let mut of_member = if members > 1 { width as u64 } else { 0 };
        for layer in &deep.hidden {
            let units = layer.weight().dims()[0];
            of_member += 2 * (inputs * units) as u64;
            inputs = units;
        }
        of_member += 2 * inputs as u64 * outputs;
        total += members as u64 * of_member;
    }
    total
}
