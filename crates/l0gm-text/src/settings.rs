//! The settings of a text experiment: plain serde structs whose defaults are the documented defaults,
//! checked once before anything is read.
use crate::{Columns, Error, PerturbedAt, Result, TextFile};
use l0gm_data::rows::{HeaderRow, ReadOptions};
use l0gm_gate::{GateConfig, Granularity, Interface};
use l0gm_train::TrainConfig;
use serde::{Deserialize, Serialize};

/// How the token states become one vector, the interface of the paper's text models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The last layer's state of the first token, `[CLS]`: the paper's interface.
    Cls,
    /// The mean of the last layer's states over the tokens that are not padding: what
    /// sentence encoders such as MiniLM were trained for.
    #[default]
    Mean,
    /// `[CLS]` through the checkpoint's own pooler (linear and tanh). The pooler's outputs are
    /// separable, so compaction shrinks it too.
    Pooler,
}

/// Which part of the encoder learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FineTune {
    /// None: the pooled features are computed once and cached on disk. Written `frozen`.
    Frozen,
    /// The last k layers; the states below them are computed once. Written `last-3`.
    Last(usize),
    /// All of it, embeddings included. Written `full`.
    Full,
}

impl From<FineTune> for String {
    fn from(value: FineTune) -> Self {
        match value {
            FineTune::Frozen => "frozen".into(),
            FineTune::Last(k) => format!("last-{k}"),
            FineTune::Full => "full".into(),
        }
    }
}

impl TryFrom<String> for FineTune {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        match text.as_str() {
            "frozen" => Ok(Self::Frozen),
            "full" => Ok(Self::Full),
            other => match other.strip_prefix("last-").map(str::parse::<usize>) {
                Some(Ok(k)) if k > 0 => Ok(Self::Last(k)),
                _ => Err(format!(
                    "fine-tune is {other:?}; it may be \"frozen\", \"full\" or \"last-K\" with K layers, K at least 1"
                )),
            },
        }
    }
}

/// Which characters a vocabulary of one's own tells apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alphabet {
    /// The 200 most frequent ones, without their accents: enough for English, and what IMDB's runs are
    /// made with.
    #[default]
    Frequent,
    /// Every character of the training texts, with its accents. The vocabulary grows where they need it.
    All,
}

impl Alphabet {
    fn is_frequent(&self) -> bool {
        *self == Self::Frequent
    }
}

/// The small Transformer that is trained from nothing where no pretrained weights are at hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScratchSettings {
    /// Number of layers.
    pub layers: usize,
    /// Width of a token's state, a multiple of `heads`.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the feed-forward layers.
    pub feed_forward: usize,
    /// Entries of the WordPiece vocabulary that is trained on the training texts.
    pub vocabulary: usize,
    /// Which characters it tells apart. Where a profile trains from scratch on a file of one's own: `all`.
    #[serde(skip_serializing_if = "Alphabet::is_frequent")]
    pub alphabet: Alphabet,
}

impl Default for ScratchSettings {
    fn default() -> Self {
        Self {
            layers: 2,
            width: 128,
            heads: 4,
            feed_forward: 256,
            vocabulary: 8000,
            alphabet: Alphabet::default(),
        }
    }
}

/// Everything a text run's result depends on, besides the data's bytes and the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TextSettings {
    /// A pretrained model's name in the catalogue, a folder with `config.json`, `tokenizer.json` and
    /// `model.safetensors`, or `scratch`.
    pub encoder: String,
    /// How token states become one vector.
    pub pooling: Pooling,
    /// Which part of the encoder learns.
    pub fine_tune: FineTune,
    /// Longest text in tokens, `[CLS]` and `[SEP]` included; longer ones are cut off at the end.
    pub max_tokens: usize,
    /// Rows to fit on, with the classes' own shares (balanced on IMDB); absent: all that validation leaves.
    pub train_rows: Option<usize>,
    /// Validation rows carved from the training split, stratified; absent: a tenth of it, and no more
    /// than `train-rows`. On a file of one's own every profile leaves it absent.
    pub valid_rows: Option<usize>,
    /// Test rows, with the classes' own shares (balanced on IMDB); absent: all.
    pub test_rows: Option<usize>,
    /// Seed of the validation rows and of the subsets. Not the run's seed: all runs meet the same rows.
    pub split_seed: u64,
    /// Share of the rows held out for testing where a file of one's own has no test split.
    pub test_fraction: f64,
    /// Column of the texts, for files of one's own.
    pub text_column: String,
    /// Column of the labels, for files of one's own.
    pub label_column: String,
    /// The classes in order, for files of one's own; empty: those found in the rows, sorted.
    pub classes: Vec<String>,
    /// Whether rows without a label are left out; else the first is an error.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drop_unlabelled: bool,
    /// Cells that mean "missing" beside the empty one; absent: the list of `docs/rows.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
    /// What stands between the cells of a file of one's own; absent: found from its first rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<char>,
    /// Where the column names come from; absent: the first row, unless it looks like data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderRow>,
    /// Dropout on the gated embedding before the classifier, in [0, 1).
    pub dropout: f64,
    /// Dropout inside the encoder's trained layers, in [0, 1); absent: what its `config.json` says.
    pub encoder_dropout: Option<f64>,
    /// Most memory for the states below the trained layers, in MiB; where they do not fit, they are
    /// computed anew for every batch.
    pub hidden_cache_mib: usize,
    /// Where missingness and occlusion of the robustness protocol meet the texts: `tokens` or `interface`.
    pub robustness_at: PerturbedAt,
    /// Most test rows that the robustness protocol judges, drawn by `split-seed`; absent: all.
    pub robustness_rows: Option<usize>,
    /// Shape of the `scratch` encoder.
    pub scratch: ScratchSettings,
    /// Epochs, batch size, optimiser, schedule, lambda.
    pub train: TrainConfig,
    /// The gate.
    pub gate: GateConfig,
}

/// Settings that are not written where they have their defaults: the identity of runs from before they
/// existed stays what it was.
pub(crate) const UNWRITTEN: [&str; 5] = [
    "drop-unlabelled",
    "missing",
    "separator",
    "header",
    "scratch.alphabet",
];

impl Default for TextSettings {
    fn default() -> Self {
        Self {
            encoder: "all-MiniLM-L6-v2".into(),
            pooling: Pooling::default(),
            fine_tune: FineTune::Full,
            max_tokens: 128,
            train_rows: None,
            valid_rows: None,
            test_rows: None,
            split_seed: 0,
            test_fraction: 0.2,
            text_column: "text".into(),
            label_column: "label".into(),
            classes: Vec::new(),
            drop_unlabelled: false,
            missing: None,
            separator: None,
            header: None,
            dropout: 0.1,
            encoder_dropout: None,
            hidden_cache_mib: 4096,
            robustness_at: PerturbedAt::Tokens,
            robustness_rows: Some(1000),
            scratch: ScratchSettings::default(),
            train: TrainConfig::default(),
            gate: GateConfig::default(),
        }
    }
}

/// The widest layer and the longest text: beyond them a number is a slip, and memory for it could not be had.
const MAX_WIDTH: usize = 1 << 16;

impl TextSettings {
    /// The name that asks for a Transformer trained from nothing.
    pub const SCRATCH: &'static str = "scratch";

    /// Whether the encoder is trained from nothing.
    pub fn is_scratch(&self) -> bool {
        self.encoder == Self::SCRATCH
    }

    /// How a file of one's own is read.
    pub fn file(&self) -> TextFile<'_> {
        let columns = Columns {
            text: &self.text_column,
            label: &self.label_column,
        };
        let plain = TextFile::new(columns);
        TextFile {
            classes: &self.classes,
            drop_unlabelled: self.drop_unlabelled,
            rows: ReadOptions {
                separator: self.separator.and_then(|c| u8::try_from(c).ok()),
                missing: self.missing.clone().unwrap_or(plain.rows.missing.clone()),
                header: self.header.into(),
                ..plain.rows
            },
            ..plain
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// Names the setting, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        let setting = |message: String| Err(Error::Setting(message));
        if self.encoder.is_empty() {
            return setting("encoder is empty; name a model, a folder or \"scratch\"".into());
        }
        if let Some(separator) = self.separator.filter(|c| !c.is_ascii()) {
            return setting(format!(
                "separator is {separator:?}; it must be one ASCII character, such as \";\" or \"\\t\""
            ));
        }
        if self.text_column == self.label_column {
            return setting(format!(
                "text-column and label-column are both \"{}\"; they are two columns",
                self.text_column
            ));
        }
        if !(3..=MAX_WIDTH).contains(&self.max_tokens) {
            return setting(format!(
                "max-tokens is {}; it must be from 3 ([CLS], a token, [SEP]) to {MAX_WIDTH}",
                self.max_tokens
            ));
        }
        if self.hidden_cache_mib > 1 << 30 {
            return setting(format!(
                "hidden-cache-mib is {}; it must be from 0 to {}",
                self.hidden_cache_mib,
                1 << 30
            ));
        }
        for (name, value) in [
            ("dropout", self.dropout),
            ("encoder-dropout", self.encoder_dropout.unwrap_or(0.0)),
        ] {
            if !(0.0..1.0).contains(&value) {
                return setting(format!("{name} is {value}; it must lie in [0, 1)"));
            }
        }
        if !(self.test_fraction > 0.0 && self.test_fraction < 1.0) {
            return setting(format!(
                "test-fraction is {}; it must lie in (0, 1)",
                self.test_fraction
            ));
        }
        for (name, value) in [
            ("train-rows", self.train_rows),
            ("valid-rows", self.valid_rows),
            ("test-rows", self.test_rows),
            ("robustness-rows", self.robustness_rows),
        ] {
            if value.is_some_and(|rows| rows < 2) {
                return setting(format!("{name} is below 2; leave it out for all rows"));
            }
        }
        if self.is_scratch() {
            self.check_scratch()?;
        }
        self.gate.check()?;
        if self.gate.granularity == Granularity::Fine {
            crate::encoder::check_fine(self.pooling)?;
        }
        self.train.check()?;
        Ok(())
    }

    fn check_scratch(&self) -> Result<()> {
        let s = &self.scratch;
        for (name, value, least, most) in [
            ("layers", s.layers, 1, 64),
            ("width", s.width, 1, MAX_WIDTH),
            ("heads", s.heads, 1, MAX_WIDTH),
            ("feed-forward", s.feed_forward, 1, 4 * MAX_WIDTH),
            ("vocabulary", s.vocabulary, 100, 1 << 20),
        ] {
            if !(least..=most).contains(&value) {
                return Err(Error::Setting(format!(
                    "scratch.{name} is {value}; it must be from {least} to {most}"
                )));
            }
        }
        if !s.width.is_multiple_of(s.heads) {
            return Err(Error::Setting(format!(
                "scratch: width is {} and heads is {}; the width must be a multiple of the heads",
                s.width, s.heads
            )));
        }
        if self.fine_tune != FineTune::Full {
            return Err(Error::Setting(format!(
                "fine-tune is {:?}; an encoder from scratch has nothing to keep: use \"full\"",
                String::from(self.fine_tune)
            )));
        }
        if self.pooling == Pooling::Pooler {
            return Err(Error::Setting(
                "pooling is \"pooler\"; an encoder from scratch has none: use \"mean\" or \"cls\""
                    .into(),
            ));
        }
        // A pretrained encoder's width is known when it is read.
        self.gate.check_on(Interface::Flat { dim: s.width })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fine_tune_is_written_as_one_word() {
        for (value, text) in [
            (FineTune::Frozen, "\"frozen\""),
            (FineTune::Last(3), "\"last-3\""),
            (FineTune::Full, "\"full\""),
        ] {
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
            assert_eq!(serde_json::from_str::<FineTune>(text).unwrap(), value);
        }
        let error = serde_json::from_str::<FineTune>("\"last-0\"").unwrap_err();
        assert!(error.to_string().contains("last-K"), "{error}");
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let error = serde_json::from_str::<TextSettings>("{\"max-token\": 3}").unwrap_err();
        assert!(error.to_string().contains("max-token"), "{error}");
    }

    #[test]
    fn settings_out_of_range_are_named() {
        type Break = Box<dyn Fn(&mut TextSettings)>;
        let cases: Vec<(&str, Break)> = vec![
            ("max-tokens", Box::new(|s| s.max_tokens = 2)),
            (
                "max-tokens is 1000000000; it must be from 3",
                Box::new(|s| s.max_tokens = 1_000_000_000),
            ),
            (
                "scratch.width is 1000000000; it must be from 1 to 65536",
                Box::new(|s| {
                    s.encoder = "scratch".into();
                    s.scratch.width = 1_000_000_000;
                }),
            ),
            (
                "encoder-dropout is NaN",
                Box::new(|s| s.encoder_dropout = Some(f64::NAN)),
            ),
            ("dropout", Box::new(|s| s.dropout = 1.0)),
            (
                "encoder-dropout",
                Box::new(|s| s.encoder_dropout = Some(-0.1)),
            ),
            ("train-rows", Box::new(|s| s.train_rows = Some(1))),
            ("test-fraction", Box::new(|s| s.test_fraction = 0.0)),
            (
                "multiple of the heads",
                Box::new(|s| {
                    s.encoder = "scratch".into();
                    s.scratch.heads = 3;
                }),
            ),
            (
                "fine-tune",
                Box::new(|s| {
                    s.encoder = "scratch".into();
                    s.fine_tune = FineTune::Frozen;
                }),
            ),
            (
                "group-width is 30",
                Box::new(|s| {
                    s.encoder = "scratch".into();
                    s.gate.granularity = Granularity::Group;
                    s.gate.group_width = 30;
                }),
            ),
        ];
        for (word, change) in cases {
            let mut settings = TextSettings::default();
            change(&mut settings);
            let message = settings.check().unwrap_err().to_string();
            assert!(message.contains(word), "{word}: {message}");
        }
    }
}
