//! Drops the columns that a compact model does not read, from the model's input and from the encoding. A column is not
//! read if every dimension of its embedding is closed and no branch reads raw values.

use super::{CompactField, CompactLinear, CompactModel, FieldMap};
use crate::{Encoding, Result};

/// The model on the columns that it reads, and their encoding. Its logits are the same, bit for bit.
pub(super) fn without_closed(
    model: &CompactModel,
    encoding: &Encoding,
) -> Result<(CompactModel, Encoding)> {
    let reads_raw = matches!(model.linear, CompactLinear::Raw(..));
    if reads_raw || model.open.iter().all(|&open| open > 0) {
        return Ok((model.clone(), encoding.clone()));
    }
    let encoding = encoding.only(|field| model.open.get(field).is_some_and(|&open| open > 0));
    let block = encoding.rows_per_number();
    // Places of the fields among those of their kind, which change, and with them their rows in the shared tables.
    let (mut categories, mut numbers) = (encoding.categories.iter().zip(0..), 0);
    let mut fields: Vec<CompactField> = Vec::with_capacity(model.fields.len());
    for field in &model.fields {
        let (column, offset) = match field.map {
            FieldMap::Categories(_) => {
                let next = categories.next();
                next.map_or((0, 0), |(category, column)| (column, category.offset))
            }
            FieldMap::PiecewiseLinear(_) | FieldMap::Dense(..) => {
                numbers += 1;
                (numbers - 1, ((numbers - 1) * block) as u32)
            }
        };
        fields.push(CompactField {
            column,
            offset,
            map: field.map.clone(),
        });
    }
    let is_open = |kept: &&Vec<u32>| !kept.is_empty();
    let kept: Vec<Vec<u32>> = model.kept.iter().filter(is_open).cloned().collect();
    let reduced = CompactModel {
        fields,
        open: kept.iter().map(Vec::len).collect(),
        kept,
        fused: None,
        ..model.clone()
    };
    Ok((reduced.swept()?, encoding))
}
