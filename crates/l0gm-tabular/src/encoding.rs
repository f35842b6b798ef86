//! Turns cells into the model's input: categories into rows of one embedding table, numbers into positions among
//! quantile bins. Everything is fitted on the training rows alone, so no information about test rows, not even which
//! categories exist, reaches the model.

use crate::bins::{locate, quantile_edges};
use crate::settings::{EncodingSettings, MANY_VALUES, NumberEncoding};
use crate::table::{Cells, Table};
use crate::{FieldKind, Result, Schema, Spelling};
use l0gm_data::rows::{Decimal, Kind, dates};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::Range;

/// Row of a field's table for categories that training has not seen (often enough).
pub const UNSEEN: u32 = 0;
/// Row of a field's table for missing cells.
pub const MISSING: u32 = 1;
/// Scaled values are limited to this many standard deviations, because the training deviation may be close to 0.
const LARGEST_SCALED: f64 = 1e6;
/// Number of rows before that of the first category.
const RESERVED: u32 = 2;

/// One category field, with the table row of each known category.
#[derive(Clone, Debug, PartialEq)]
pub struct CategoryField {
    /// Name of the column.
    pub name: String,
    /// First row of this field in the table that all category fields share.
    pub offset: u32,
    /// Number of rows of this field: unseen, missing, then the known categories.
    pub rows: u32,
    ids: HashMap<String, u32>,
    /// Number of training rows of each row of this field; empty if nothing depends on them (`encoding.shrink` is 0).
    counts: Vec<u32>,
}

impl CategoryField {
    /// A field with these known categories, whose rows follow the reserved ones in this order.
    fn new(name: &str, offset: u32, known: impl IntoIterator<Item = String>) -> Self {
        let ids: HashMap<String, u32> = known.into_iter().zip(RESERVED..).collect();
        Self {
            name: name.to_owned(),
            offset,
            rows: ids.len() as u32 + RESERVED,
            ids,
            counts: Vec::new(),
        }
    }

    /// Row of the shared table for a missing cell.
    pub(crate) fn missing(&self) -> u32 {
        self.offset + MISSING
    }

    /// Number of training rows with the value of a row of this field; 0 if it is not known.
    pub(crate) fn count(&self, row: u32) -> u32 {
        self.counts.get(row as usize).copied().unwrap_or(0)
    }

    /// The known categories, in the order of their rows.
    fn known(&self) -> Vec<String> {
        let mut known: Vec<(&String, &u32)> = self.ids.iter().collect();
        known.sort_by_key(|(_, id)| **id);
        known.into_iter().map(|(name, _)| name.clone()).collect()
    }

    /// The known spelling of a cell: the cell itself, or the spelling in which training saw the same number or truth
    /// value. `None` if training did not see it.
    pub(crate) fn known_spelling<'a>(&'a self, cell: &'a str) -> Option<&'a str> {
        if self.ids.contains_key(cell) {
            return Some(cell);
        }
        let known = |text: &str| self.ids.get_key_value(text).map(|(name, _)| name.as_str());
        for kind in [
            Kind::Number(Decimal::Point),
            Kind::Number(Decimal::Comma),
            Kind::Boolean,
        ] {
            if let Some(name) = known(kind.canonical(cell).as_ref()) {
                return Some(name);
            }
        }
        None
    }

    /// The row of a cell within the field, without the offset.
    pub fn id(&self, cell: Option<&str>) -> u32 {
        match cell {
            None => MISSING,
            Some(name) => self.ids.get(name).copied().unwrap_or(UNSEEN),
        }
    }
}

/// One number field: its bins and its scaling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NumberField {
    /// Name of the column.
    pub name: String,
    /// Bin edges, strictly increasing, at least two.
    pub edges: Vec<f64>,
    /// Mean of the training values.
    pub mean: f64,
    /// Standard deviation of the training values, or 1 if they are all equal.
    pub deviation: f64,
    /// Value for missing cells: the training median. `None` if training had missing cells and so learned a row for
    /// them.
    pub fill: Option<f64>,
}

/// How a table's cells become ids and numbers. Its JSON holds everything that was fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "EncodingFile", try_from = "EncodingFile")]
pub struct Encoding {
    /// The category fields, which come first in the interface.
    pub categories: Vec<CategoryField>,
    /// The number fields, which follow the category fields.
    pub numbers: Vec<NumberField>,
    /// The encoding of numbers.
    pub kind: NumberEncoding,
    /// How cells were spelled in the training data.
    pub spelling: Spelling,
    /// k of `encoding.shrink`.
    pub shrink: f64,
}

/// The parts of an [`Encoding`] that are stored; offsets and rows follow from the categories.
#[derive(Serialize, Deserialize)]
struct EncodingFile {
    kind: NumberEncoding,
    #[serde(default, skip_serializing_if = "Spelling::is_plain")]
    spelling: Spelling,
    #[serde(default, skip_serializing_if = "crate::settings::is_zero")]
    shrink: f64,
    categories: Vec<KnownCategories>,
    numbers: Vec<NumberField>,
}

#[derive(Serialize, Deserialize)]
struct KnownCategories {
    name: String,
    known: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    counts: Vec<u32>,
}

impl From<Encoding> for EncodingFile {
    fn from(encoding: Encoding) -> Self {
        let categories = encoding.categories.iter().map(|field| KnownCategories {
            name: field.name.clone(),
            known: field.known(),
            counts: field.counts.clone(),
        });
        Self {
            kind: encoding.kind,
            spelling: encoding.spelling,
            shrink: encoding.shrink,
            categories: categories.collect(),
            numbers: encoding.numbers,
        }
    }
}

impl TryFrom<EncodingFile> for Encoding {
    type Error = String;

    fn try_from(file: EncodingFile) -> std::result::Result<Self, String> {
        for field in &file.numbers {
            let rising = field.edges.len() >= 2 && field.edges.is_sorted_by(|a, b| a < b);
            if !rising || field.deviation.is_nan() || field.deviation <= 0.0 {
                return Err(format!(
                    "column '{}': bin edges must rise, and the deviation be above 0",
                    field.name
                ));
            }
        }
        let (mut offset, mut categories) = (0, Vec::new());
        for KnownCategories {
            name,
            known,
            counts,
        } in file.categories
        {
            let count = known.len() as u32 + RESERVED;
            let mut field = CategoryField::new(&name, offset, known);
            field.counts = counts;
            if field.rows != count {
                return Err(format!("column '{name}': a category stands there twice"));
            }
            offset += count;
            categories.push(field);
        }
        Ok(Self {
            categories,
            numbers: file.numbers,
            kind: file.kind,
            spelling: file.spelling,
            shrink: file.shrink,
        })
    }
}

/// Encoded rows, stored row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncodedRows {
    /// Rows of the shared category table, (rows x category fields).
    pub categories: Vec<u32>,
    /// Rows of the shared number table for the lower end of each value's bin, (rows x number fields).
    pub knots: Vec<u32>,
    /// Position within the bin, or the scaled value, (rows x number fields).
    pub positions: Vec<f32>,
    /// Number of rows.
    pub rows: usize,
}

impl EncodedRows {
    /// Appends rows of the same encoding.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.categories.append(&mut other.categories);
        self.knots.append(&mut other.knots);
        self.positions.append(&mut other.positions);
        self.rows += other.rows;
    }

    /// Some of the rows.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let all = self.rows.max(1);
        let of = |values: usize| values / all * range.start..values / all * range.end;
        Self {
            categories: self.categories[of(self.categories.len())].to_vec(),
            knots: self.knots[of(self.knots.len())].to_vec(),
            positions: self.positions[of(self.positions.len())].to_vec(),
            rows: range.len(),
        }
    }

    /// The rows of these numbers, in this order.
    pub(crate) fn select(&self, rows: &[u32]) -> Self {
        let all = self.rows.max(1);
        fn of<T: Copy>(values: &[T], all: usize, rows: &[u32]) -> Vec<T> {
            let width = values.len() / all;
            let row = |&row: &u32| &values[row as usize * width..(row as usize + 1) * width];
            rows.iter().flat_map(row).copied().collect()
        }
        Self {
            categories: of(&self.categories, all, rows),
            knots: of(&self.knots, all, rows),
            positions: of(&self.positions, all, rows),
            rows: rows.len(),
        }
    }

    /// Takes the first `rows` rows.
    pub(crate) fn take(&mut self, rows: usize) -> Self {
        let first = self.part(0..rows);
        *self = self.part(rows..self.rows);
        first
    }
}

impl Encoding {
    /// Fits the encoding on the given rows of a typed table.
    ///
    /// # Errors
    /// Fails if the schema names a column that the table lacks.
    pub fn fit(
        table: &Table,
        schema: &Schema,
        rows: &[u32],
        settings: &EncodingSettings,
    ) -> Result<Self> {
        let mut encoding = Encoding {
            categories: Vec::new(),
            numbers: Vec::new(),
            kind: settings.numbers,
            spelling: schema.spelling.clone(),
            shrink: settings.shrink,
        };
        let mut offset = 0;
        for field in &schema.fields {
            match &table.column(&field.name)?.cells {
                Cells::Categorical(cells) => {
                    let mut counts = vec![0usize; cells.names().len()];
                    let mut missing = 0;
                    for &row in rows {
                        match cells.codes()[row as usize] {
                            Some(code) => counts[code as usize] += 1,
                            None => missing += 1,
                        }
                    }
                    let mut known: Vec<(&String, usize)> = cells
                        .names()
                        .iter()
                        .zip(counts)
                        .filter(|(_, count)| *count >= settings.min_count)
                        .collect();
                    known.sort();
                    let names = known.iter().map(|(name, _)| (*name).clone());
                    let mut field = CategoryField::new(&field.name, offset, names);
                    if settings.shrink > 0.0 {
                        // A value that is not known is not trusted at all.
                        let counts = [0, missing]
                            .into_iter()
                            .chain(known.iter().map(|(_, n)| *n));
                        field.counts = counts.map(|count| count as u32).collect();
                    }
                    offset += field.rows;
                    encoding.categories.push(field);
                }
                Cells::Numeric(cells) => {
                    let field = fit_number(&field.name, cells, rows, settings.bins);
                    encoding.numbers.push(field);
                }
            }
        }
        Ok(encoding)
    }

    /// The encoding of the fields for which `keep` is true, given their number in the order of the interface.
    pub(crate) fn only(&self, keep: impl Fn(usize) -> bool) -> Self {
        let (mut offset, mut categories) = (0, Vec::new());
        let count = self.categories.len();
        for field in (0..count)
            .filter(|&at| keep(at))
            .map(|at| &self.categories[at])
        {
            categories.push(CategoryField {
                offset,
                ..field.clone()
            });
            offset += field.rows;
        }
        let numbers: Vec<NumberField> = (0..self.numbers.len())
            .filter(|&at| keep(count + at))
            .map(|at| self.numbers[at].clone())
            .collect();
        let is_read = |name: &str| numbers.iter().any(|field| field.name == name);
        let mut spelling = self.spelling.clone();
        spelling.dates.retain(|date| {
            let mut parts = dates::PARTS.iter();
            parts.any(|part| is_read(&dates::part_name(&date.name, part)))
        });
        spelling.decimals.retain(|name, _| is_read(name));
        Self {
            categories,
            numbers,
            kind: self.kind,
            spelling,
            shrink: self.shrink,
        }
    }

    /// Whether there are no fields.
    pub(crate) fn is_empty(&self) -> bool {
        self.categories.is_empty() && self.numbers.is_empty()
    }

    /// Names and kinds of the fields in the order of the interface: categories, then numbers.
    pub fn fields(&self) -> Vec<(String, FieldKind)> {
        let categories = self.categories.iter().map(|field| &field.name);
        let numbers = self.numbers.iter().map(|field| &field.name);
        categories
            .map(|name| (name.clone(), FieldKind::Categorical))
            .chain(numbers.map(|name| (name.clone(), FieldKind::Numeric)))
            .collect()
    }

    /// Whether a category field has more than [`MANY_VALUES`] values.
    pub(crate) fn has_many_values(&self) -> bool {
        let known = |field: &CategoryField| field.ids.len();
        self.categories
            .iter()
            .any(|field| known(field) > MANY_VALUES)
    }

    /// Number of rows in the table that all category fields share.
    pub fn category_rows(&self) -> usize {
        self.categories.last().map_or(0, |f| f.offset + f.rows) as usize
    }

    /// Number of bins of the widest number field; fields with fewer bins leave the last ones unused.
    pub fn bins(&self) -> usize {
        let bins = self.numbers.iter().map(|field| field.edges.len() - 1);
        bins.max().unwrap_or(0)
    }

    /// Number of rows for each number field in the shared number table: one for missing cells and one for each edge.
    /// Other encodings have one for missing and one for present cells.
    pub fn rows_per_number(&self) -> usize {
        match self.kind {
            NumberEncoding::PiecewiseLinear => self.bins() + 2,
            NumberEncoding::Periodic | NumberEncoding::Scaled => 2,
        }
    }

    /// Encodes the given rows, in that order.
    ///
    /// # Errors
    /// Fails if a fitted column is missing.
    pub fn encode(&self, table: &Table, rows: &[u32]) -> Result<EncodedRows> {
        let mut out = EncodedRows {
            categories: vec![0; rows.len() * self.categories.len()],
            knots: vec![0; rows.len() * self.numbers.len()],
            positions: vec![0.0; rows.len() * self.numbers.len()],
            rows: rows.len(),
        };
        for (at, field) in self.categories.iter().enumerate() {
            if let Cells::Categorical(cells) = &table.column(&field.name)?.cells {
                let ids: Vec<u32> = cells
                    .names()
                    .iter()
                    .map(|name| field.offset + field.id(Some(name)))
                    .collect();
                for (i, &row) in rows.iter().enumerate() {
                    out.categories[i * self.categories.len() + at] =
                        match cells.codes()[row as usize] {
                            Some(code) => ids[code as usize],
                            None => field.offset + MISSING,
                        };
                }
            }
        }
        let block = self.rows_per_number();
        for (at, field) in self.numbers.iter().enumerate() {
            if let Cells::Numeric(cells) = &table.column(&field.name)?.cells {
                for (i, &row) in rows.iter().enumerate() {
                    let slot = i * self.numbers.len() + at;
                    (out.knots[slot], out.positions[slot]) =
                        self.place_in_table(at, block, field, cells[row as usize]);
                }
            }
        }
        Ok(out)
    }

    /// Position of a cell of number field `at`: (row of the shared number table, position or scaled value). `block`
    /// is [`rows_per_number`](Self::rows_per_number), which looks at every field and is too slow to call for every
    /// cell.
    pub(crate) fn place_in_table(
        &self,
        at: usize,
        block: usize,
        field: &NumberField,
        value: Option<f64>,
    ) -> (u32, f32) {
        let (knot, position) = self.place(field, value);
        (at as u32 * block as u32 + knot, position)
    }

    /// Position of a value: (row within the field's part of the number table, position or scaled value).
    fn place(&self, field: &NumberField, value: Option<f64>) -> (u32, f32) {
        let Some(value) = value.or(field.fill) else {
            return (0, 0.0);
        };
        match self.kind {
            NumberEncoding::PiecewiseLinear => {
                let (bin, position) = locate(&field.edges, value);
                (bin as u32 + 1, position as f32)
            }
            NumberEncoding::Periodic | NumberEncoding::Scaled => {
                let scaled = (value - field.mean) / field.deviation;
                (1, scaled.clamp(-LARGEST_SCALED, LARGEST_SCALED) as f32)
            }
        }
    }
}

fn fit_number(name: &str, cells: &[Option<f64>], rows: &[u32], bins: usize) -> NumberField {
    let mut values: Vec<f64> = rows.iter().filter_map(|&row| cells[row as usize]).collect();
    let missing = rows.len() - values.len();
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    let edges = quantile_edges(&values, bins);
    values.sort_by(f64::total_cmp);
    let fill = if missing == 0 {
        values.get(values.len() / 2).copied()
    } else {
        None
    };
    NumberField {
        name: name.to_owned(),
        edges,
        mean,
        deviation,
        fill,
    }
}
