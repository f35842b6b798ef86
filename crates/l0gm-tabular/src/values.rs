//! The table that all category fields share. A row of it is trusted as far as training has seen its value.
//!
//! The embedding of a value v of a field is
//!
//! ```text
//! e(v) = common + n / (n + k) own(v)
//! ```
//!
//! where n is the number of training rows with that value, `common` a vector of the field, and k the setting
//! `encoding.shrink`. A value that training saw much more often than k times has an embedding of its own. One that it
//! saw much more seldom has nearly the common one, which also stands for values that training never saw. With k = 0
//! the embedding is own(v), and there is no common vector.

use crate::Encoding;
use candle_core::{Result, Tensor, Var};
use l0gm_ops::embedding;
use l0gm_train::layers::Embedding;
use l0gm_train::{Parameter, Part};

/// One vector for each value of every category field.
#[derive(Clone, Debug)]
pub(crate) struct ValueTable {
    /// own(v), (category rows, width).
    own: Embedding,
    shrunk: Option<Shrunk>,
}

/// What turns own(v) into e(v).
#[derive(Clone, Debug)]
struct Shrunk {
    /// The common vector of each field, (category fields, width).
    common: Embedding,
    /// The field of each row, (category rows,) u32.
    fields: Tensor,
    /// n / (n + k) of each row, (category rows, 1).
    trust: Tensor,
}

impl ValueTable {
    /// A table with these rows own(v), (category rows, width), and, if k is above 0, these common vectors,
    /// (category fields, width).
    pub(crate) fn new(
        name: &str,
        part: Part,
        encoding: &Encoding,
        own: &Tensor,
        common: &Tensor,
    ) -> Result<Self> {
        let shrink = encoding.shrink;
        let shrunk = if shrink > 0.0 {
            let (rows, device) = (encoding.category_rows(), own.device());
            let (mut fields, mut trust) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
            for (at, field) in encoding.categories.iter().enumerate() {
                fields.extend(std::iter::repeat_n(at as u32, field.rows as usize));
                let counts = (0..field.rows).map(|row| f64::from(field.count(row)));
                trust.extend(counts.map(|n| (n / (n + shrink)) as f32));
            }
            Some(Shrunk {
                common: Embedding::from_tensor(&format!("{name}.common"), part, common)?,
                fields: Tensor::from_vec(fields, rows, device)?,
                trust: Tensor::from_vec(trust, (rows, 1), device)?,
            })
        } else {
            None
        };
        let own = Embedding::from_tensor(name, part, own)?;
        Ok(Self { own, shrunk })
    }

    /// e(v) of every row, (category rows, width).
    pub(crate) fn table(&self) -> Result<Tensor> {
        let own = self.own.weight().as_tensor();
        match &self.shrunk {
            None => Ok(own.clone()),
            Some(shrunk) => {
                let common = shrunk.common.forward(&shrunk.fields)?;
                common + own.broadcast_mul(&shrunk.trust)? // common + n / (n + k) own(v)
            }
        }
    }

    /// Looks up `ids` (u32, any shape). The result has the shape of `ids` followed by the width.
    pub(crate) fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        embedding(&self.table()?, ids)
    }

    /// Sets the first columns of every e(v) to `values`, (category rows, columns). A value that training never saw
    /// gets what the field's row for unseen values has.
    pub(crate) fn set_columns(&self, values: &[f64], encoding: &Encoding) -> Result<()> {
        let columns = values.len() / encoding.category_rows();
        let Some(shrunk) = &self.shrunk else {
            return set_columns(self.own.weight(), values, columns);
        };
        let trust = shrunk.trust.flatten_all()?.to_vec1::<f32>()?;
        let (mut common, mut own) = (Vec::new(), Vec::new());
        for field in &encoding.categories {
            let rows = field.offset as usize..(field.offset + field.rows) as usize;
            let first = &values[rows.start * columns..(rows.start + 1) * columns];
            common.extend_from_slice(first);
            for row in rows {
                let differs = values[row * columns..].iter().zip(first);
                own.extend(differs.map(|(value, common)| match trust[row] {
                    0.0 => 0.0,
                    trust => (value - common) / f64::from(trust),
                }));
            }
        }
        set_columns(shrunk.common.weight(), &common, columns)?;
        set_columns(self.own.weight(), &own, columns)
    }

    /// The parameters: "NAME.weight" and, where values are shrunk, "NAME.common.weight".
    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let mut all = self.own.parameters();
        if let Some(shrunk) = &self.shrunk {
            all.extend(shrunk.common.parameters());
        }
        all
    }
}

/// Sets the first `columns` entries of the last dimension; `values` are (all but the last dimension, columns).
pub(crate) fn set_columns(var: &Var, values: &[f64], columns: usize) -> Result<()> {
    let width = var.dim(candle_core::D::Minus1)?;
    let mut all = var.flatten_all()?.to_vec1::<f32>()?;
    for (row, values) in all.chunks_mut(width).zip(values.chunks(columns)) {
        for (entry, value) in row.iter_mut().zip(values) {
            *entry = *value as f32;
        }
    }
    var.set(&Tensor::from_vec(all, var.shape(), var.device())?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::build::build_model;
    use crate::encoding::UNSEEN;
    use crate::tests::{small_input, small_settings};
    use candle_core::Device;

    #[test]
    fn seen_values_start_apart_and_unseen_ones_at_the_common_vector() {
        let mut settings = small_settings();
        settings.encoding.shrink = 10.0;
        let (_, encoding, _) = small_input(&settings);
        let model = build_model(&encoding, 2, true, &settings, 0, &Device::Cpu).unwrap();
        let values = model.encoder.categories.unwrap();
        let table: Vec<Vec<f32>> = values.table().unwrap().to_vec2().unwrap();
        let common = &values.shrunk.unwrap().common;
        let common: Vec<Vec<f32>> = common.weight().to_vec2().unwrap();
        for (field, common) in encoding.categories.iter().zip(&common) {
            let of = |row: u32| &table[(field.offset + row) as usize];
            assert_eq!(of(UNSEEN), common);
            let mut seen: Vec<u32> = (0..field.rows)
                .filter(|row| field.count(*row) > 0)
                .collect();
            assert!(seen.len() > 1);
            let first = of(seen.remove(0));
            assert!(seen.iter().all(|row| of(*row) != first));
        }
    }
}
