//! The input of a text model for one batch: padded token ids, states from below the trained layers, or pooled
//! features. An encoder continues the computation from any of these.
use candle_core::{DType, Device, Result, Tensor};

/// Lengths in a padded batch, with the mask and weights that follow from them.
#[derive(Clone, Debug)]
pub struct Padding {
    /// Number of tokens in each row.
    pub lengths: Vec<usize>,
    /// Number of tokens in the longest row.
    pub longest: usize,
    /// Mask of shape (batch, longest), u8, 1 for a token and 0 for padding; `None` if no row is padded.
    pub mask: Option<Tensor>,
}

impl Padding {
    /// Makes the mask for rows of these lengths.
    ///
    /// # Errors
    /// Fails if a tensor cannot be created.
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

    /// Weights of shape (batch, 1, longest): 1 / length at each token, 0 at padding.
    ///
    /// # Errors
    /// Fails if a tensor cannot be created.
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
        /// Ids of shape (batch, longest), u32.
        ids: Tensor,
        /// Which ids are tokens and which are padding.
        padding: Padding,
    },
    /// States that enter the first trained layer.
    Hidden {
        /// States of shape (batch, longest, width).
        states: Tensor,
        /// Which states belong to tokens and which to padding.
        padding: Padding,
    },
    /// Pooled features, (batch, dim), which are the interface itself.
    Pooled(Tensor),
    /// Any of these with class scores, which stand behind the pooled features in the interface.
    Scored {
        /// The text as the encoder reads it.
        text: Box<TextInput>,
        /// Scores of shape (batch, outputs).
        scores: Tensor,
    },
}

impl TextInput {
    /// Number of texts.
    ///
    /// # Errors
    /// Fails if the tensor has no dimension.
    pub fn rows(&self) -> Result<usize> {
        match self {
            Self::Tokens { ids, .. } => ids.dim(0),
            Self::Hidden { states, .. } => states.dim(0),
            Self::Pooled(pooled) => pooled.dim(0),
            Self::Scored { scores, .. } => scores.dim(0),
        }
    }

    /// Which states belong to tokens; `None` for features that are pooled already.
    pub fn padding(&self) -> Option<&Padding> {
        match self {
            Self::Tokens { padding, .. } | Self::Hidden { padding, .. } => Some(padding),
            Self::Pooled(_) => None,
            Self::Scored { text, .. } => text.padding(),
        }
    }

    /// The text as the encoder reads it, without class scores.
    pub fn text(&self) -> &Self {
        match self {
            Self::Scored { text, .. } => text.text(),
            text => text,
        }
    }

    /// The class scores, (batch, outputs), if there are any.
    pub fn scores(&self) -> Option<&Tensor> {
        match self {
            Self::Scored { scores, .. } => Some(scores),
            _ => None,
        }
    }

    /// The same text with class scores, if there are any.
    pub(crate) fn scored(self, scores: Option<Tensor>) -> Self {
        match scores {
            Some(scores) => Self::Scored {
                text: Box::new(self),
                scores,
            },
            None => self,
        }
    }

    /// Pads rows of token ids to the length of the longest.
    ///
    /// # Errors
    /// Fails if a tensor cannot be created.
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

    /// Pads rows of states with zeros. Each row holds (tokens x width) values.
    ///
    /// # Errors
    /// Fails if a tensor cannot be created.
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
