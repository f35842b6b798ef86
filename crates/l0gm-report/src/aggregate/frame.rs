//! A small table of typed columns in which values may be missing.

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A missing value.
    Null,
    /// A text value.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A finite number; [`Value::float`] turns any other into a missing value.
    Float(f64),
}

impl Value {
    /// A number, or a missing value if it is not finite.
    pub fn float(x: f64) -> Self {
        if x.is_finite() {
            Self::Float(x)
        } else {
            Self::Null
        }
    }

    /// A number, or a missing value if it is `None`.
    pub fn maybe(x: Option<f64>) -> Self {
        x.map_or(Self::Null, Self::float)
    }

    /// A count as an integer.
    pub fn count(n: impl TryInto<i64>) -> Self {
        n.try_into().map_or(Self::Null, Self::Int)
    }

    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text values.
    Text,
    /// Truth values.
    Bool,
    /// Integers.
    Int,
    /// Floating-point numbers.
    Float,
}

/// A named column of values that have one type.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameColumn {
    /// Name in lower case, with underscores.
    pub name: String,
    /// Type of the values that are not missing.
    pub kind: Kind,
    /// One value for each row.
    pub values: Vec<Value>,
}

/// Columns of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// The columns from left to right.
    pub columns: Vec<FrameColumn>,
}

impl Frame {
    /// Adds a column. A value of another type than `kind` becomes a missing value.
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
