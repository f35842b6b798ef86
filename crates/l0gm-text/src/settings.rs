//! The settings of a text experiment: plain serde structs with the documented defaults, checked once before any data
//! is read.
use crate::split::VALID_SHARE;
use crate::{Columns, Error, PerturbedAt, Result, TextFile};
use l0gm_data::rows::{HeaderRow, ReadOptions, SplitBy, SplitShares};
use l0gm_gate::{GateConfig, Granularity, Interface};
use l0gm_train::TrainConfig;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How token states become one vector, which is the interface of the paper's text models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The last layer's state of the first token, `[CLS]`, which is the paper's interface.
    Cls,
    /// The mean of the last layer's states over the tokens, without padding. Sentence encoders such as MiniLM were
    /// trained for this.
    #[default]
    Mean,
    /// `[CLS]` after the checkpoint's own pooler (linear and tanh). The pooler's outputs are independent of each
    /// other, so compaction shrinks the pooler too.
    Pooler,
}

/// Which part of the encoder is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FineTune {
    /// None of it: pooled features are computed once and cached on disk. Written `frozen`.
    Frozen,
    /// The last k layers; the states below them are computed once. Written `last-3`.
    Last(usize),
    /// All of it, including the embeddings. Written `full`.
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

/// Which characters a trained vocabulary distinguishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alphabet {
    /// The 200 most frequent ones without their accents. This is enough for English, and the runs on IMDB use it.
    #[default]
    Frequent,
    /// Every character of the training texts, with its accents. The vocabulary grows if they need it.
    All,
}

impl Alphabet {
    fn is_frequent(&self) -> bool {
        *self == Self::Frequent
    }
}

/// The small Transformer that is trained if there are no pretrained weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScratchSettings {
    /// Number of layers.
    pub layers: usize,
    /// Width of a token's state; a multiple of `heads`.
    pub width: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Width of the feed-forward layers.
    pub feed_forward: usize,
    /// Number of entries of the WordPiece vocabulary that is trained on the training texts.
    pub vocabulary: usize,
    /// Which characters the vocabulary distinguishes. Profiles use `all` for an encoder trained from scratch on a
    /// user's file.
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

/// Everything on which a text run's result depends, besides the data's bytes and the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TextSettings {
    /// Name of a pretrained model in the catalogue, below the model folder or on the Hugging Face hub (`owner/model`), a
    /// folder with `config.json`, `tokenizer.json` (or `vocab.txt`) and `model.safetensors`, or `scratch`. The families
    /// are BERT, DistilBERT, RoBERTa, ELECTRA, MPNet, DeBERTa v3 and ModernBERT.
    pub encoder: String,
    /// How token states become one vector.
    pub pooling: Pooling,
    /// Which part of the encoder is trained.
    pub fine_tune: FineTune,
    /// Largest number of tokens of a text, including `[CLS]` and `[SEP]`; longer texts are truncated at the end.
    pub max_tokens: usize,
    /// Number of training rows, drawn with the classes' own shares (balanced on IMDB); default: all that validation
    /// leaves, which is also what every profile uses for a user's file.
    pub train_rows: Option<usize>,
    /// Number of validation rows, drawn stratified from the training split; default: a tenth of it, and at most
    /// `train-rows`. For a user's file, every profile uses the default.
    pub valid_rows: Option<usize>,
    /// Number of test rows, drawn with the classes' own shares (balanced on IMDB); default: all.
    pub test_rows: Option<usize>,
    /// Seed of the validation rows and of the subsets. It is not the run's seed, so that all runs use the same rows.
    pub split_seed: u64,
    /// Share of the rows used for testing, for a user's file, which has no test split.
    pub test_fraction: f64,
    /// Column of a user's file that groups rows, such as an author: all rows of a group are in one part of the split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Column of dates or numbers of a user's file: the latest rows are for test, those before them for validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// File with the test rows of a user's file; default: drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_file: Option<PathBuf>,
    /// File with the validation rows of a user's file; default: drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_file: Option<PathBuf>,
    /// Column of the texts in a user's file.
    pub text_column: String,
    /// Column of the labels in a user's file.
    pub label_column: String,
    /// The classes of a user's file in order; if empty, the distinct labels, sorted.
    pub classes: Vec<String>,
    /// Whether rows without a label are left out; otherwise the first one is an error.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drop_unlabelled: bool,
    /// Words that mean "missing" besides the empty cell; default: the list in `docs/rows.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
    /// Character between the cells of a user's file; default: found from its first rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<char>,
    /// Where the column names come from; default: the first row, unless it looks like data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderRow>,
    /// Whether the interface also holds the class scores of a logistic regression on TF-IDF weights, which see the
    /// whole text. Each score has a gate, and the classifier blends them with the network's logits. Unused with gates on
    /// groups of dimensions, to which no score belongs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub scores: bool,
    /// Dropout on the gated embedding before the classifier, in [0, 1).
    pub dropout: f64,
    /// Dropout inside the encoder's trained layers, in [0, 1); default: the value in its `config.json`.
    pub encoder_dropout: Option<f64>,
    /// Largest memory for the states below the trained layers, in MiB. If they do not fit, they are computed again
    /// for every batch.
    pub hidden_cache_mib: usize,
    /// Where missingness and occlusion of the robustness protocol act on the texts: `tokens` or `interface`.
    pub robustness_at: PerturbedAt,
    /// Largest number of test rows that the robustness protocol judges, drawn with `split-seed`; default: all.
    pub robustness_rows: Option<usize>,
    /// Shape of the `scratch` encoder.
    pub scratch: ScratchSettings,
    /// Training: epochs, batch size, optimiser, schedule and lambda.
    pub train: TrainConfig,
    /// The gate on the interface, or on token states for granularity fine.
    pub gate: GateConfig,
}

/// Settings that are omitted from a record if they have their defaults. Thus runs from before these settings existed
/// keep their identity.
pub(crate) const UNWRITTEN: [&str; 20] = [
    "gate.distribution",
    "gate.sigma",
    "train.select-by",
    "train.recipe",
    "train.lambda-unit",
    "train.average-epochs",
    "train.class-weights",
    "train.least-steps",
    "train.label-smoothing",
    "train.mixup",
    "drop-unlabelled",
    "missing",
    "separator",
    "header",
    "scores",
    "scratch.alphabet",
    "group",
    "time",
    "test-file",
    "valid-file",
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
            group: None,
            time: None,
            test_file: None,
            valid_file: None,
            text_column: "text".into(),
            label_column: "label".into(),
            classes: Vec::new(),
            drop_unlabelled: false,
            missing: None,
            separator: None,
            header: None,
            scores: false,
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

/// Limit for the width of layers and the length of texts. A larger number is a mistake for which there would not be
/// enough memory.
const MAX_WIDTH: usize = 1 << 16;

impl TextSettings {
    /// The name of the encoder without pretrained weights.
    pub const SCRATCH: &'static str = "scratch";

    /// Whether the encoder has no pretrained weights.
    pub fn is_scratch(&self) -> bool {
        self.encoder == Self::SCRATCH
    }

    /// Whether class scores stand in the interface.
    pub(crate) fn has_scores(&self) -> bool {
        self.scores && self.gate.granularity != Granularity::Group
    }

    /// The options for reading a user's file.
    pub fn file(&self) -> TextFile<'_> {
        let columns = Columns {
            text: &self.text_column,
            label: &self.label_column,
        };
        let plain = TextFile::new(columns);
        TextFile {
            classes: &self.classes,
            drop_unlabelled: self.drop_unlabelled,
            split_by: self.split_by(),
            shares: self.shares(),
            valid_file: self.valid_file.as_deref(),
            test_file: self.test_file.as_deref(),
            rows: ReadOptions {
                separator: self.separator.and_then(|c| u8::try_from(c).ok()),
                missing: self.missing.clone().unwrap_or(plain.rows.missing.clone()),
                header: self.header.into(),
                ..plain.rows
            },
            ..plain
        }
    }

    /// The column that decides on the split, where one is named.
    fn split_by(&self) -> SplitBy<'_> {
        SplitBy {
            group: self.group.as_deref(),
            time: self.time.as_deref(),
        }
    }

    /// How large the test and validation parts of a user's file shall be, if a column decides on them.
    pub(crate) fn shares(&self) -> SplitShares {
        SplitShares {
            test: self.test_fraction,
            valid: VALID_SHARE,
        }
    }

    /// The files of parts that have one of their own, each with its setting.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        [
            ("valid-file", self.valid_file.as_deref()),
            ("test-file", self.test_file.as_deref()),
        ]
        .into_iter()
        .filter_map(|(setting, file)| file.map(|file| (setting, file)))
    }

    /// Refuses settings that split a user's file for a dataset that is published with its split.
    ///
    /// # Errors
    /// Names the setting.
    pub(crate) fn refuse_own_split(&self, dataset: &str) -> Result<()> {
        let columns = [
            ("group", self.group.is_some()),
            ("time", self.time.is_some()),
        ];
        let files = self.files().map(|(setting, _)| (setting, true));
        let mut set = columns.into_iter().chain(files).filter(|(_, set)| *set);
        match set.next() {
            None => Ok(()),
            Some((setting, _)) => Err(Error::Setting(format!(
                "{setting} says how a file of your own is split, and {dataset} is published with its split; leave it out"
            ))),
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// The error names the setting, its value and what is allowed.
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
        // The width of a pretrained encoder is known only once it is read.
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
