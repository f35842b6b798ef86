//! Spread and range of sparse features, for noise and quantisation.

use crate::FeatureScale;
use l0gm_ops::Csr;

/// The scale of every column, its zeros counted.
pub fn column_scales(rows: &Csr) -> Vec<FeatureScale> {
    let count = rows.rows() as f64;
    let mut columns = vec![Column::default(); rows.columns()];
    let entries = || rows.indices().iter().zip(rows.values());
    for (&column, &value) in entries() {
        let (column, value) = (&mut columns[column as usize], f64::from(value));
        column.entries += 1.0;
        column.sum += value;
        column.low = column.low.min(value);
        column.high = column.high.max(value);
    }
    let mean = |column: &Column| column.sum / count.max(1.0);
    for (&column, &value) in entries() {
        let column = &mut columns[column as usize];
        column.squares += (f64::from(value) - mean(column)).powi(2);
    }
    let of_column = |column: Column| {
        let zeros = count - column.entries;
        let squares = column.squares + zeros * mean(&column).powi(2);
        let with_zero = |bound: f64| if zeros > 0.0 { 0.0 } else { bound };
        FeatureScale {
            deviation: (squares / count.max(1.0)).sqrt(),
            low: column.low.min(with_zero(column.low)),
            high: column.high.max(with_zero(column.high)),
        }
    };
    columns.into_iter().map(of_column).collect()
}

/// Sums over a column's entries.
#[derive(Clone, Copy, Debug)]
struct Column {
    entries: f64,
    sum: f64,
    squares: f64,
    low: f64,
    high: f64,
}

impl Default for Column {
    fn default() -> Self {
        Self {
            entries: 0.0,
            sum: 0.0,
            squares: 0.0,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
        }
    }
}
