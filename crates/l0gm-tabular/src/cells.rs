//! Cells of a row before they are encoded: what the robustness protocol perturbs.

/// The cells of one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowCells {
    /// Row of the shared category table, one a category field.
    pub(crate) categories: Vec<u32>,
    /// One a number field; `None` is a missing one.
    pub(crate) numbers: Vec<Option<f64>>,
}
