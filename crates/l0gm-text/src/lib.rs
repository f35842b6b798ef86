//! L0-gated classifiers for texts: a Transformer encoder of one of the usual families, a gate on its pooled embedding,
//! and a linear classifier behind it (the text modality of L0GM, arXiv:2603.26801).
//!
//! [`TextModality`] turns a dataset's name into a run's record. It uses, in the order of the data: [`TextData`]
//! (texts with labels), [`split`], [`TextTokenizer`], [`prepare`] (a frozen encoder's output, computed once),
//! [`TextTask`] (batches grouped by length), [`TextEncoder`] and [`TextHead`] (the model around the gate),
//! [`CompactModel`] (the smaller model with the same predictions) and [`CompactText`] (the same model read from a
//! finished run's folder, for new texts).
#![doc = include_str!("../README.md")]
mod buckets;
mod build;
mod compact;
mod corpus;
mod defaults;
mod door;
mod encoder;
mod encoders;
mod error;
mod estimate;
mod extent;
pub mod features;
mod head;
mod input;
mod kept;
mod load;
mod methods;
mod modality;
mod own_vocabulary;
mod params;
mod prepare;
mod read_folder;
mod read_rows;
mod remarks;
mod robustness;
mod scores;
#[cfg(test)]
mod scores_tests;
mod scratch;
mod settings;
mod split;
mod task;
mod tfidf;
mod tokens;
mod vocabulary;
mod weight_names;
mod weights;
mod words;

pub use buckets::{TOKEN_BUDGET, token_batches};
pub use compact::{CompactModel, CompactText, TextStream, compare, sizes};
pub use corpus::{Columns, Corpus, Divided, Subsets, TextData};
pub use defaults::{defaults, defaults_of_file};
pub use encoder::TextEncoder;
pub use encoders::{
    Activation, BertConfig, DebertaConfig, DistilBertConfig, ElectraConfig, EncoderConfig,
    EncoderShape, LayerType, ModernBertConfig, MpnetConfig, PositionTerms, RobertaConfig,
    RotaryAngles, RotaryKinds, Trainable, Transformer,
};
pub use error::{Error, Result};
pub use head::TextHead;
pub use input::{Padding, TextInput};
pub use load::LoadedEncoder;
pub use modality::TextModality;
pub use params::WeightSource;
pub use prepare::{PreparedTask, prepare};
pub use read_rows::TextFile;
pub use robustness::{MaskedFeatures, PerturbedAt, TextRobustness};
pub use scores::{TaskScores, TextScores};
pub use scratch::RandomWeights;
pub use settings::{Alphabet, FineTune, Pooling, ScratchSettings, TextSettings};
pub use split::{SplitCorpus, split};
pub use task::{Prepared, TextRows, TextTask};
pub use tfidf::{TfIdf, TfIdfSettings};
pub use tokens::{TextTokenizer, TokenRows};
pub use weights::{Checkpoint, CheckpointTensors};
