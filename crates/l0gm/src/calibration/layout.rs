//! Finds the role of each column, from flags or from common names. No rows are read here.

use super::cells::{Column, Kind, Wanted};
use super::source::Source;
use crate::names;
use crate::usage::usage;
use anyhow::bail;

/// Names of the true label's column; the most specific come first.
pub(super) const LABELS: [&str; 9] = [
    "label",
    "labels",
    "y_true",
    "true_label",
    "target",
    "truth",
    "class",
    "true",
    "y",
];
/// Prefixes of columns with probabilities. They precede `_CLASS`, `.CLASS` or `-CLASS`; alone they name P(y = 1) or a
/// list of all classes.
pub(super) const PROBABILITIES: [&str; 10] = [
    "p",
    "prob",
    "probs",
    "proba",
    "probability",
    "probabilities",
    "y_prob",
    "y_score",
    "score",
    "scores",
];
/// Prefixes of columns with logits.
pub(super) const LOGITS: [&str; 2] = ["logit", "logits"];
/// Names of columns that hold no scores.
const BESIDE: [&str; 13] = [
    "",
    "row",
    "id",
    "index",
    "idx",
    "split",
    "fold",
    "seed",
    "pred",
    "y_pred",
    "prediction",
    "predicted",
    "weight",
];

/// What the flags say about columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Value of `--label`.
    pub(super) label: Option<String>,
    /// Values of `--columns`.
    pub(super) columns: Vec<String>,
    /// Value of `--logits`.
    pub(super) logits: bool,
    /// Value of `--positive`.
    pub(super) positive: Option<String>,
    /// Value of `--renormalise`.
    pub(super) renormalise: bool,
}

/// The columns that together hold one kind of scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scores {
    /// Columns in the order of the classes; a single one is P(y = 1) or a list of all classes.
    pub(super) columns: Vec<usize>,
    /// The class in each column's name.
    pub(super) classes: Vec<String>,
    /// Whether they are logits.
    pub(super) logits: bool,
}

/// The role of each column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Column of the true label.
    pub(super) label: usize,
    /// Column of the split's name, if the file has one.
    pub(super) split: Option<usize>,
    /// The scores to use.
    pub(super) scores: Scores,
    /// Logits beside probabilities. If both give the same predictions, the logits are used, because they have more
    /// digits.
    pub(super) beside: Option<Scores>,
}

impl Layout {
    /// Finds the columns.
    pub(super) fn new(source: &Source, told: &Told) -> anyhow::Result<Self> {
        let label = label(source, told)?;
        let split = position(&source.header, "split").filter(|&at| at != label);
        let (scores, beside) = scores(source, told, label)?;
        Ok(Self {
            label,
            split,
            scores,
            beside,
        })
    }

    /// The columns to read: the label, the split if there is one, the scores, and the logits beside them.
    pub(super) fn wanted(&self) -> Wanted {
        let mut wanted = Wanted {
            texts: vec![self.label],
            numbers: self.scores.columns.clone(),
        };
        wanted.texts.extend(self.split);
        if let Some(beside) = &self.beside {
            wanted.numbers.extend(&beside.columns);
        }
        wanted
    }
}

fn label(source: &Source, told: &Told) -> anyhow::Result<usize> {
    if let Some(name) = &told.label {
        return told_column(source, "--label", name);
    }
    match LABELS
        .iter()
        .find_map(|name| position(&source.header, name))
    {
        Some(column) => Ok(column),
        None => bail!(
            "{}: no label column; expected one of the names {}; the file has {}: name it with --label NAME{}",
            source.path().display(),
            LABELS.map(|name| format!("`{name}`")).join(", "),
            source.column_names(),
            if is_headerless(&source.header) {
                ", or give the file a header row if it has none"
            } else {
                ""
            }
        ),
    }
}

fn scores(source: &Source, told: &Told, label: usize) -> anyhow::Result<(Scores, Option<Scores>)> {
    let header = &source.header;
    if !told.columns.is_empty() {
        let columns = told
            .columns
            .iter()
            .map(|name| told_column(source, "--columns", name))
            .collect::<anyhow::Result<Vec<usize>>>()?;
        if columns.contains(&label) {
            return Err(usage(format!(
                "--columns: `{}` is the label's column; name the columns of the scores alone",
                header[label].name
            )));
        }
        return Ok((scores_of(header, columns, told.logits), None));
    }
    let group = |prefixes: &[&str]| named(source, prefixes, label);
    let (probabilities, logits) = (group(&PROBABILITIES)?, group(&LOGITS)?);
    match (probabilities, logits) {
        (Some(columns), None) => Ok((scores_of(header, columns, told.logits), None)),
        (_, Some(columns)) if told.logits => Ok((scores_of(header, columns, true), None)),
        (None, Some(columns)) => Ok((scores_of(header, columns, true), None)),
        (Some(columns), Some(logits)) => Ok((
            scores_of(header, columns, false),
            Some(scores_of(header, logits, true)),
        )),
        (None, None) => {
            let rest = unnamed(header, label);
            if rest.is_empty() {
                bail!(
                    "{}: no column of probabilities; expected `p` or `prob` for P(y = 1), or a column a class \
                     (`p_0`, `p_1`, ... or `prob_NAME`); the file has {}: name them with --columns A,B,...",
                    source.path().display(),
                    source.column_names()
                );
            }
            Ok((scores_of(header, rest, told.logits), None))
        }
    }
}

fn scores_of(header: &[Column], columns: Vec<usize>, logits: bool) -> Scores {
    let class = |&column: &usize| {
        let name = &header[column].name;
        let prefixes = PROBABILITIES.iter().chain(&LOGITS);
        let suffix = prefixes.filter_map(|prefix| suffix(name, prefix)).next();
        suffix.unwrap_or(name).to_owned()
    };
    Scores {
        classes: columns.iter().map(class).collect(),
        columns,
        logits,
    }
}

/// The columns of the only prefix that the header has: `p_0`, `p_1`, or `p` alone. Text columns are used only if
/// there are no others; reading them then gives an error that names the cell.
fn named(source: &Source, prefixes: &[&str], label: usize) -> anyhow::Result<Option<Vec<usize>>> {
    let header = &source.header;
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for text_too in [false, true] {
        if !groups.is_empty() {
            break;
        }
        let candidates: Vec<usize> = (0..header.len())
            .filter(|&at| at != label && (text_too || header[at].kind != Kind::Text))
            .collect();
        groups.extend(
            prefixes
                .iter()
                .map(|prefix| group(header, &candidates, prefix))
                .filter(|columns| !columns.is_empty()),
        );
    }
    match groups.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        several => bail!(
            "{}: more than one set of scores ({}): say which with --columns",
            source.path().display(),
            several
                .iter()
                .map(|columns| format!("`{}`", header[columns[0]].name))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

/// `PREFIX_0`, `PREFIX_1`, ... with numbered classes in their order, or else `PREFIX` alone.
fn group(header: &[Column], candidates: &[usize], prefix: &str) -> Vec<usize> {
    let class = |at: usize| suffix(&header[at].name, prefix);
    let mut columns: Vec<usize> = candidates
        .iter()
        .copied()
        .filter(|&at| class(at).is_some())
        .collect();
    let number = |at: &usize| -> Option<i64> { class(*at)?.parse().ok() };
    if columns.iter().all(|at| number(at).is_some()) {
        columns.sort_by_key(number);
    }
    if columns.is_empty() {
        let alone = candidates
            .iter()
            .find(|&&at| header[at].name.eq_ignore_ascii_case(prefix));
        columns.extend(alone);
    }
    columns
}

/// If no name matches, uses every number column that is not known to be something else.
fn unnamed(header: &[Column], label: usize) -> Vec<usize> {
    let is_beside = |at: usize| {
        let name = header[at].name.to_lowercase();
        // Readers give such names to columns without one.
        let nameless = name == format!("column {}", at + 1) || name.starts_with("unnamed");
        BESIDE.contains(&name.as_str()) || nameless
    };
    let mut rest: Vec<usize> = (0..header.len())
        .filter(|&at| at != label && header[at].kind != Kind::Text)
        .filter(|&at| !is_beside(at))
        .collect();
    let number = |at: &usize| -> Option<i64> { header[*at].name.parse().ok() };
    if rest.iter().all(|at| number(at).is_some()) {
        rest.sort_by_key(number);
    }
    rest
}

/// The class behind `PREFIX_`, `PREFIX.` or `PREFIX-`. A number may also follow directly, as in `p1`. The class of
/// `p_-1` is -1, and that of `p-1` is 1.
fn suffix<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let start = name.get(..prefix.len())?;
    let rest = name.get(prefix.len()..)?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let class = match rest.strip_prefix(['_', '.', '-']) {
        Some(class) => class,
        None => Some(rest).filter(|rest| is_number(rest))?,
    };
    (start.eq_ignore_ascii_case(prefix) && !class.is_empty()).then_some(class)
}

/// Finds a column by name, ignoring case.
fn position(header: &[Column], name: &str) -> Option<usize> {
    header
        .iter()
        .position(|column| column.name.eq_ignore_ascii_case(name))
}

/// Finds a column that a flag names, first exactly and then ignoring case.
fn told_column(source: &Source, flag: &str, name: &str) -> anyhow::Result<usize> {
    let exact = source.header.iter().position(|column| column.name == name);
    match exact.or_else(|| position(&source.header, name)) {
        Some(column) => Ok(column),
        None => {
            let known: Vec<String> = source.header.iter().map(|c| c.name.clone()).collect();
            Err(names::check(flag, name, &known)
                .err()
                .unwrap_or_else(|| usage(format!("{flag} {name}: not known"))))
        }
    }
}

/// Whether the header looks like a row of data.
fn is_headerless(header: &[Column]) -> bool {
    header
        .iter()
        .any(|column| column.name.parse::<f64>().is_ok())
}
