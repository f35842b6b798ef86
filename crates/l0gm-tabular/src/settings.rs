//! All settings of a tabular run in plain structs, which are checked once before use.

use crate::{Encoding, Error, Result};
use l0gm_data::rows::{Decimal, HeaderRow, ReadOptions, SplitBy, SplitShares};
use l0gm_gate::{GateConfig, Granularity};
use l0gm_train::TrainConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use strum::IntoStaticStr;

/// Where the test rows come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitKind {
    /// Drawn at random with the seed, stratified by class.
    #[default]
    Random,
    /// As published: UCI's two files of Adult, or `data.test-file` of a user's table.
    Official,
}

/// Which data are read, and how they are split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataSettings {
    /// Name of the label's column; not needed for Adult.
    pub label: Option<String>,
    /// Class names in the order of their numbers; default: the distinct labels.
    pub classes: Option<Vec<String>>,
    /// Columns to read as numbers, whatever they look like.
    pub numeric: Vec<String>,
    /// Columns to read as categories, whatever they look like.
    pub categorical: Vec<String>,
    /// Columns to ignore completely.
    pub ignore: Vec<String>,
    /// Words that mean "missing" besides the empty cell; default: the list in `docs/rows.md`.
    #[serde(with = "crate::found::missing")]
    pub missing: Option<Vec<String>>,
    /// The character between cells; default: whichever separator divides the first rows evenly.
    #[serde(with = "crate::found::separator")]
    pub separator: Option<char>,
    /// Where the test rows come from.
    pub split: SplitKind,
    /// A second file with the test rows, for a table of one's own. The split is then the official one.
    pub test_file: Option<PathBuf>,
    /// A second file with the validation rows, for a table of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_file: Option<PathBuf>,
    /// Column that groups rows: all rows of a group are in one part of the split. The column is no feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Column of dates or numbers by which the latest rows are for test and those before them for validation. The
    /// column is no feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Share of all rows drawn for test, in (0, 1).
    pub test_fraction: f64,
    /// Share of the remaining rows held out for selection, in (0, 1).
    pub valid_fraction: f64,
    /// Trains on a sample of so many training rows, stratified by class; validation and test rows stay the same.
    /// Default: all training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_rows: Option<usize>,
    /// Columns to keep even if they look like an identifier, a constant or a copy of the label.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// Whether rows without a label are left out; otherwise the first one is an error.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drop_unlabelled: bool,
    /// The decimal mark; default: found from the cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// Where the column names come from; default: the first row, unless it looks like data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderRow>,
}

/// Settings that are omitted from a record if they have their defaults. Thus runs from before these settings existed
/// keep their identity.
pub(crate) const UNWRITTEN: [&str; 24] = [
    "gate.distribution",
    "gate.sigma",
    "data.valid-file",
    "data.group",
    "data.time",
    "model.value-cost",
    "model.fm",
    "model.cross",
    "encoding.shrink",
    "train.recipe",
    "train.lambda-unit",
    "train.average-epochs",
    "train.class-weights",
    "train.least-steps",
    "train.label-smoothing",
    "train.mixup",
    "model.start",
    "model.members",
    "distillation",
    "data.train-rows",
    "data.keep",
    "data.drop-unlabelled",
    "data.decimal",
    "data.header",
];

impl DataSettings {
    /// The options for reading the files.
    pub fn read_options(&self) -> ReadOptions {
        let default = ReadOptions::default();
        ReadOptions {
            separator: self.separator.map(|separator| separator as u8),
            decimal: self.decimal,
            header: self.header.into(),
            missing: self.missing.clone().unwrap_or(default.missing),
            ignore: self.ignore.clone(),
            prefix: "data.",
            ..default
        }
    }

    /// The column that decides on the split, where one is named.
    pub(crate) fn split_by(&self) -> SplitBy<'_> {
        SplitBy {
            group: self.group.as_deref(),
            time: self.time.as_deref(),
        }
    }

    /// How large the test and validation parts shall be.
    pub(crate) fn shares(&self) -> SplitShares {
        SplitShares {
            test: self.test_fraction,
            valid: self.valid_fraction,
        }
    }

    /// Takes a user's comma and question mark for what they are. As settings they mean that the file is asked, because
    /// they were once the defaults. `given` holds the user's settings only.
    pub(crate) fn take_literally(&mut self, given: &Value) {
        if given.pointer("/data/separator") == Some(&json!(",")) {
            self.separator = Some(',');
        }
        if given.pointer("/data/missing") == Some(&json!(["?"])) {
            self.missing = Some(vec!["?".to_owned()]);
        }
    }
}

impl Default for DataSettings {
    fn default() -> Self {
        Self {
            label: None,
            classes: None,
            numeric: Vec::new(),
            categorical: Vec::new(),
            ignore: Vec::new(),
            missing: None,
            separator: None,
            split: SplitKind::Random,
            test_file: None,
            valid_file: None,
            group: None,
            time: None,
            test_fraction: 0.2,
            valid_fraction: 0.1,
            train_rows: None,
            keep: Vec::new(),
            drop_unlabelled: false,
            decimal: None,
            header: None,
        }
    }
}

/// How numbers become the model's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum NumberEncoding {
    /// Piecewise-linear over quantile bins (Gorishniy et al. 2022).
    #[default]
    PiecewiseLinear,
    /// Sines and cosines with learned frequencies, then a linear layer with ReLU for each field.
    Periodic,
    /// Scaled to mean 0 and variance 1, then a linear map for each field.
    Scaled,
}

impl NumberEncoding {
    /// The name of the setting's value, for notes.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// How cells become ids and numbers. Everything is fitted on the training rows alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EncodingSettings {
    /// The encoding of numbers.
    pub numbers: NumberEncoding,
    /// Largest number of bins of the piecewise-linear encoding, 2 to 4,096.
    pub bins: usize,
    /// Number of frequencies of the periodic encoding, 1 to 65,536.
    pub frequencies: usize,
    /// Standard deviation of the initial frequencies, above 0.
    pub frequency_scale: f64,
    /// A category that occurs less often than this in training, at least 1, shares the row of unseen categories.
    pub min_count: usize,
    /// k, at least 0: the embedding of a category that occurs n times in training is its field's common one and
    /// n / (n + k) of what is its own. 0: every category has its own alone.
    #[serde(skip_serializing_if = "is_zero")]
    pub shrink: f64,
}

/// Whether a setting is left out of a record because it is 0.
pub(crate) fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Whether a setting is left out of a record because it is 1.
fn is_one(value: &usize) -> bool {
    *value == 1
}

impl Default for EncodingSettings {
    fn default() -> Self {
        Self {
            numbers: NumberEncoding::PiecewiseLinear,
            bins: 48,
            frequencies: 24,
            frequency_scale: 0.3,
            min_count: 2,
            shrink: 0.0,
        }
    }
}

/// The activation of a CIN layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CinActivation {
    /// No activation, as in eq. 10.
    #[default]
    None,
    /// ReLU, as in xDeepFM's published code.
    Relu,
}

/// The compressed interaction network (eq. 8 to 12, 14).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CinSettings {
    /// Number of maps of each layer (H_1, H_2, ..); if empty, there is no CIN branch.
    pub maps: Vec<usize>,
    /// Activation of each layer's maps.
    pub activation: CinActivation,
    /// Whether to split maps as xDeepFM does: half of each layer's maps (except the last's) are summed, and the other
    /// half feed the next layer. Requires even numbers of maps there.
    pub split: bool,
    /// Rank L of the factorised maps W = U V^T (eq. 14); default: whole matrices.
    pub rank: Option<usize>,
}

impl Default for CinSettings {
    fn default() -> Self {
        Self {
            maps: vec![8, 8],
            activation: CinActivation::None,
            split: false,
            rank: None,
        }
    }
}

/// The cross network of DCN-v2 on the gated embeddings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CrossSettings {
    /// Number of cross layers; 0: there is no such branch.
    pub layers: usize,
    /// Rank of each layer's map W = U V^T; default: whole matrices.
    pub rank: Option<usize>,
}

impl CrossSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the settings of a run or of a compact model's file.
    pub(crate) fn check(&self) -> Result<()> {
        layers("model.cross.layers", self.layers)?;
        match self.rank {
            Some(rank) => width("model.cross.rank", rank),
            None => Ok(()),
        }
    }
}

/// How a model's parameters start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At random; weights of raw inputs start at 0.
    #[default]
    Random,
    /// From a logistic regression on the same rows: each field's first dimension starts as the field's effect. Good where
    /// effects add up; where they interact, a random start learns more (docs/decisions.md).
    Additive,
    /// Additive where a category field has more than 64 values, and else at random. With many values most
    /// of what can be learnt is one effect a value, and a network learns that worse than a regression does.
    ManyValues,
}

/// A category field with more values than this has many.
pub(crate) const MANY_VALUES: usize = 64;

impl Start {
    /// Whether a model with this encoding starts from logistic regression.
    pub(crate) fn is_additive(self, encoding: &Encoding) -> bool {
        match self {
            Self::Random => false,
            Self::Additive => true,
            Self::ManyValues => encoding.has_many_values(),
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The model around the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelSettings {
    /// Width of a field's embedding, 1 to 65,536.
    pub dim: usize,
    /// Standard deviation of the initial category embeddings, above 0.
    pub embedding_std: f64,
    /// Widths of the deep branch's hidden layers; if empty, there is no deep branch.
    pub deep: Vec<usize>,
    /// Number of members of the deep branch, 1 to 256. Several members share the hidden layers; each has factors of its
    /// own on the gated embeddings and an output layer of its own, and their probabilities are averaged (TabM-mini,
    /// arXiv:2410.24210). Training takes about as many times longer as the deep branch's share of the work.
    #[serde(skip_serializing_if = "is_one")]
    pub members: usize,
    /// Dropout after each hidden layer, in [0, 1).
    pub dropout: f64,
    /// Dropout on the gated embeddings where the deep branch reads them, in [0, 1).
    pub embedding_dropout: f64,
    /// The compressed interaction network.
    pub cin: CinSettings,
    /// Whether there is a linear branch.
    pub linear: bool,
    /// Whether the linear branch reads raw inputs without the gate (eq. 20) rather than the gated embeddings.
    pub bypass: bool,
    /// Whether there is a factorisation machine on the gated embeddings: the sum of the products of all pairs of fields.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fm: bool,
    /// The cross network.
    #[serde(skip_serializing_if = "CrossSettings::is_default")]
    pub cross: CrossSettings,
    /// How the parameters start.
    #[serde(skip_serializing_if = "Start::is_default")]
    pub start: Start,
    /// How much more an open dimension of a field with many values costs in the gate's penalty, 0 to 1: its number of
    /// values (or of edges of its bins) to this power, with a mean of 1 over the fields. 0: every dimension costs 1.
    #[serde(skip_serializing_if = "is_zero")]
    pub value_cost: f64,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            dim: 16,
            embedding_std: 0.1,
            deep: vec![128, 64],
            members: 1,
            dropout: 0.25,
            embedding_dropout: 0.0,
            cin: CinSettings::default(),
            linear: true,
            bypass: true,
            fm: false,
            cross: CrossSettings::default(),
            start: Start::default(),
            value_cost: 0.0,
        }
    }
}

/// Who teaches a model beside the labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TeacherKind {
    /// Nobody: the model is trained on the labels alone.
    #[default]
    None,
    /// Boosted trees. Each fifth of the training rows is predicted by trees that were grown on the other four.
    Trees,
}

/// Distillation: training on a teacher's probabilities beside the labels (arXiv:1503.02531).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DistillationSettings {
    /// Who teaches.
    pub teacher: TeacherKind,
    /// Weight of the teacher in the loss, above 0 and up to 1; the labels have the rest.
    pub weight: f64,
}

impl DistillationSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for DistillationSettings {
    fn default() -> Self {
        Self {
            teacher: TeacherKind::None,
            weight: 0.5,
        }
    }
}

/// All settings of a tabular run. Unknown keys are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TabularSettings {
    /// Which data are read, and how they are split.
    pub data: DataSettings,
    /// How cells become ids and numbers.
    pub encoding: EncodingSettings,
    /// The model around the gate.
    pub model: ModelSettings,
    /// The gate; the method "dense" ignores it.
    pub gate: GateConfig,
    /// Training.
    pub train: TrainConfig,
    /// Training on a teacher's probabilities.
    #[serde(skip_serializing_if = "DistillationSettings::is_default")]
    pub distillation: DistillationSettings,
}

impl TabularSettings {
    /// Checks every setting once, so that later code can rely on them.
    ///
    /// # Errors
    /// The error names the setting, its value and the allowed range.
    pub fn check(&self) -> Result<()> {
        let DataSettings {
            test_fraction,
            valid_fraction,
            separator,
            classes,
            ..
        } = &self.data;
        let (encoding, model) = (&self.encoding, &self.model);
        open_unit("data.test-fraction", *test_fraction)?;
        open_unit("data.valid-fraction", *valid_fraction)?;
        check(
            separator.is_none_or(|separator| separator.is_ascii()),
            "data.separator",
            &separator.unwrap_or(','),
            "one ASCII character",
        )?;
        if let Some(count) = self.data.train_rows {
            check(count >= 2, "data.train-rows", &count, "at least 2")?;
        }
        let classes = classes.as_ref().map_or(2, Vec::len);
        check(classes >= 2, "data.classes", &classes, "at least two names")?;
        let bins = encoding.bins;
        check(
            (2..=4096).contains(&bins),
            "encoding.bins",
            &bins,
            "2 to 4096",
        )?;
        width("encoding.frequencies", encoding.frequencies)?;
        let min_count = encoding.min_count;
        check(
            min_count >= 1,
            "encoding.min-count",
            &min_count,
            "at least 1",
        )?;
        positive("encoding.frequency-scale", encoding.frequency_scale)?;
        let shrink = encoding.shrink;
        check(
            shrink >= 0.0 && shrink.is_finite(),
            "encoding.shrink",
            &shrink,
            "a number of at least 0",
        )?;
        width("model.dim", model.dim)?;
        positive("model.embedding-std", model.embedding_std)?;
        half_open_unit("model.dropout", model.dropout)?;
        half_open_unit("model.embedding-dropout", model.embedding_dropout)?;
        for &units in &model.deep {
            width("model.deep", units)?;
        }
        layers("model.deep", model.deep.len())?;
        check(
            (1..=256).contains(&model.members),
            "model.members",
            &model.members,
            "1 to 256",
        )?;
        if model.members > 1 && model.deep.is_empty() {
            return Err(Error::Setting(format!(
                "model.members is {}, but model.deep is empty: members share hidden layers, so give some",
                model.members
            )));
        }
        check(
            (0.0..=1.0).contains(&model.value_cost),
            "model.value-cost",
            &model.value_cost,
            "a number from 0 to 1",
        )?;
        let weight = self.distillation.weight;
        check(
            weight > 0.0 && weight <= 1.0,
            "distillation.weight",
            &weight,
            "a number above 0 and up to 1",
        )?;
        model.cin.check()?;
        model.cross.check()?;
        let behind = model.fm
            || model.cross.layers > 0
            || !model.deep.is_empty()
            || !model.cin.maps.is_empty();
        if !model.linear && !behind {
            return Err(Error::Setting(
                "model has no branch: set model.linear, model.deep, model.cin.maps, model.fm or model.cross.layers"
                    .into(),
            ));
        }
        if model.linear && model.bypass && !behind {
            return Err(Error::Setting(
                "nothing stands behind the gate: with model.bypass set, give model.deep, model.cin.maps, model.fm or \
                 model.cross.layers"
                    .into(),
            ));
        }
        self.gate.check()?;
        if self.gate.granularity == Granularity::Fine {
            check_fine_numbers(encoding.numbers)?;
        }
        Ok(())
    }
}

impl CinSettings {
    /// Checks every setting of a run or of a compact model's file.
    pub(crate) fn check(&self) -> Result<()> {
        let cin = self;
        layers("model.cin.maps", cin.maps.len())?;
        for (layer, &maps) in cin.maps.iter().enumerate() {
            width("model.cin.maps", maps)?;
            if cin.split && layer + 1 < cin.maps.len() {
                check(
                    maps % 2 == 0,
                    "model.cin.maps",
                    &maps,
                    "an even number where model.cin.split is set",
                )?;
            }
        }
        if let Some(rank) = cin.rank {
            width("model.cin.rank", rank)?;
        }
        Ok(())
    }
}

/// Refuses fine gates on an encoding of numbers that has no table.
pub(crate) fn check_fine_numbers(kind: NumberEncoding) -> Result<()> {
    if kind == NumberEncoding::PiecewiseLinear {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "gate.granularity is fine, a gate an entry of an embedding table, but encoding.numbers is {}, which has \
         no table; take piecewise-linear, or granularity interface or group",
        kind.name()
    )))
}

fn check(holds: bool, name: &str, value: &dyn std::fmt::Debug, allowed: &str) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "{name} is {value:?}; expected {allowed}"
    )))
}

fn open_unit(name: &str, value: f64) -> Result<()> {
    check(
        value > 0.0 && value < 1.0,
        name,
        &value,
        "a number above 0 and below 1",
    )
}

fn half_open_unit(name: &str, value: f64) -> Result<()> {
    check(
        (0.0..1.0).contains(&value),
        name,
        &value,
        "a number from 0 to below 1",
    )
}

fn positive(name: &str, value: f64) -> Result<()> {
    check(
        value > 0.0 && value.is_finite(),
        name,
        &value,
        "a number above 0",
    )
}

/// Largest width of a layer, embedding or encoding. A larger one is a mistake for which there would not be enough
/// memory.
pub(crate) const MAX_WIDTH: usize = 1 << 16;

fn width(name: &str, value: usize) -> Result<()> {
    check(
        (1..=MAX_WIDTH).contains(&value),
        name,
        &value,
        &format!("1 to {MAX_WIDTH}"),
    )
}

fn layers(name: &str, count: usize) -> Result<()> {
    check(count <= 64, name, &count, "at most 64 layers")
}
