//! Cells of a row before they are encoded, which the robustness protocol perturbs.

/// The cells of one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowCells {
    /// Row of the shared category table for each category field.
    pub(crate) categories: Vec<u32>,
    /// Value of each number field; `None` if it is missing.
    pub(crate) numbers: Vec<Option<f64>>,
}
