//! A small table of typed columns that may hold gaps.

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// Text.
    Text(String),
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number; never NaN (see [`Value::float`]).
    Float(f64),
}

impl Value {
    /// A number, or a gap where it is not finite.
    pub fn float(x: f64) -> Self {
        if x.is_finite() {
            Self::Float(x)
        } else {
            Self::Null
        }
    }

    /// A number, or a gap where there is none.
    pub fn maybe(x: Option<f64>) -> Self {
        x.map_or(Self::Null, Self::float)
    }

    /// A count.
    pub fn count(n: impl TryInto<i64>) -> Self {
        n.try_into().map_or(Self::Null, Self::Int)
    }

    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// A column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Yes or no.
    Bool,
    /// Whole numbers.
    Int,
    /// Numbers.
    Float,
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameColumn {
    /// Lower case with underscores.
    pub name: String,
    /// What its values are, gaps aside.
    pub kind: Kind,
    /// One a row.
    pub values: Vec<Value>,
}

/// Columns of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// In order.
    pub columns: Vec<FrameColumn>,
}

impl Frame {
    /// Adds a column. A value of another kind than the column's becomes a gap.
    pub fn push(&mut self, name: &str, kind: Kind, values: Vec<Value>) {
        let values = values
            .into_iter()
            .map(|value| match (kind, value) {
                (Kind::Text, v @ Value::Text(_))
                | (Kind::Bool, v @ Value::Bool(_))
                | (Kind::Int, v @ Value::Int(_))
                | (Kind::Float, v @ Value::Float(_)) => v,
                _ => Value::Null,
            })
            .collect();
        self.columns.push(FrameColumn {
            name: name.to_owned(),
            kind,
            values,
        });
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }
}
