//! What a batch hands to a text model: padded token ids, states from below the trained layers, or
//! pooled features; an encoder takes up the work where the input leaves it.
use candle_core::{DType, Device, Result, Tensor};

/// Lengths of a padded batch, and the mask and weights that follow from them.
#[derive(Clone, Debug)]
pub struct Padding {
    /// Tokens of each row.
    pub lengths: Vec<usize>,
    /// Tokens of the longest row.
    pub longest: usize,
    /// (batch, longest) u8, 1 = token, 0 = padding; absent where no row is padded.
    pub mask: Option<Tensor>,
}

impl Padding {
    /// From the rows' lengths.
    ///
    /// # Errors
    /// Where a tensor cannot be made.
    pub fn new(lengths: Vec<usize>, device: &Device) -> Result<Self> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mask = if lengths.iter().all(|&l| l == longest) {
            None
        } else {
            let mut mask = vec![0u8; lengths.len() * longest];
            for (row, &length) in lengths.iter().enumerate() {
                mask[row * longest..row * longest + length].fill(1);
            }
            Some(Tensor::from_vec(mask, (lengths.len(), longest), device)?)
        };
        Ok(Self {
            lengths,
            longest,
            mask,
        })
    }

    /// (batch, 1, longest): 1 / length at each token, 0 at padding.
    ///
    /// # Errors
    /// Where a tensor cannot be made.
    pub fn mean_weights(&self, device: &Device) -> Result<Tensor> {
        let mut weights = vec![0f32; self.lengths.len() * self.longest];
        for (row, &length) in self.lengths.iter().enumerate() {
            weights[row * self.longest..row * self.longest + length].fill(1.0 / length as f32);
        }
        Tensor::from_vec(weights, (self.lengths.len(), 1, self.longest), device)
    }
}

/// The input of a text encoder.
#[derive(Clone, Debug)]
pub enum TextInput {
    /// Token ids.
    Tokens {
        /// (batch, longest) u32.
        ids: Tensor,
        /// Which of them are tokens.
        padding: Padding,
    },
    /// States that go into the first trained layer.
    Hidden {
        /// (batch, longest, width).
        states: Tensor,
        /// Which of them are tokens'.
        padding: Padding,
    },
    /// Pooled features, (batch, dim): the interface itself.
    Pooled(Tensor),
}

impl TextInput {
    /// Number of texts.
    ///
    /// # Errors
    /// Where the tensor has no dimension.
    pub fn rows(&self) -> Result<usize> {
        match self {
            Self::Tokens { ids, .. } => ids.dim(0),
            Self::Hidden { states, .. } => states.dim(0),
            Self::Pooled(pooled) => pooled.dim(0),
        }
    }

    /// Which of the states are tokens'; `None` for features that are pooled already.
    pub fn padding(&self) -> Option<&Padding> {
        match self {
            Self::Tokens { padding, .. } | Self::Hidden { padding, .. } => Some(padding),
            Self::Pooled(_) => None,
        }
    }

    /// Pads rows of token ids to the longest.
    ///
    /// # Errors
    /// Where a tensor cannot be made.
    pub fn tokens(rows: &[&[u32]], pad: u32, device: &Device) -> Result<Self> {
        let padding = Padding::new(rows.iter().map(|r| r.len()).collect(), device)?;
        let mut ids = vec![pad; rows.len() * padding.longest];
        for (row, tokens) in rows.iter().enumerate() {
            let start = row * padding.longest;
            ids[start..start + tokens.len()].copy_from_slice(tokens);
        }
        let ids = Tensor::from_vec(ids, (rows.len(), padding.longest), device)?;
        Ok(Self::Tokens { ids, padding })
    }

    /// Pads rows of states, each (tokens x width) end to end, with zeros.
    ///
    /// # Errors
    /// Where a tensor cannot be made.
    pub fn hidden(rows: &[&[f32]], width: usize, device: &Device) -> Result<Self> {
        let padding = Padding::new(rows.iter().map(|r| r.len() / width).collect(), device)?;
        let mut states = vec![0f32; rows.len() * padding.longest * width];
        for (row, values) in rows.iter().enumerate() {
            let start = row * padding.longest * width;
            states[start..start + values.len()].copy_from_slice(values);
        }
        let shape = (rows.len(), padding.longest, width);
        let states = Tensor::from_vec(states, shape, device)?.to_dtype(DType::F32)?;
        Ok(Self::Hidden { states, padding })
    }
}
