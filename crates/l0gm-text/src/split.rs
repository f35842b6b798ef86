//! Divides rows into training, validation and test. Validation is drawn stratified from the training split, and
//! subsets are drawn with the classes' own shares (or balanced, for benchmarks). One seed determines everything.
use crate::{Corpus, Divided, Error, Result, Subsets, TextData, TextSettings};
use l0gm_data::rows::{SplitColumn, SplitParts, Summary, shown};
use l0gm_ops::Generator;
use l0gm_train::Origins;
use std::collections::HashSet;

/// Three sets of texts, which are disjoint if they come from one file.
#[derive(Clone, Debug)]
pub struct SplitCorpus {
    /// Rows for fitting.
    pub train: Corpus,
    /// Rows for selecting the epoch and the temperature.
    pub valid: Corpus,
    /// Rows for the final evaluation.
    pub test: Corpus,
    /// Class names; a label is a position among them.
    pub classes: Vec<String>,
    /// Describes what was left out, such as "2,000 of 22,500 training texts".
    pub reductions: Vec<String>,
    /// What is reported about the rows, with the number of rows in each part.
    pub found: Summary,
}

/// Splits with `settings.split_seed`. If there is no official test split, the share `test_fraction` of the rows
/// becomes one. Validation is drawn stratified from the rest, and what remains is for training. Training and test may
/// then be reduced to a subset, drawn as `data.subsets` says. Rows keep the file's order.
///
/// # Errors
/// Fails if a part would be empty.
pub fn split(data: TextData, settings: &TextSettings) -> Result<SplitCorpus> {
    let generator = Generator::new(settings.split_seed);
    let classes = data.classes.len();
    let mut reductions = Vec::new();
    let whole = match &data.divided {
        Some(Divided::ByColumn(column)) => by_column(column, &data, settings, &generator)?,
        Some(Divided::ByFiles { valid, test }) => {
            by_files([*valid, *test], &data, settings, &generator)?
        }
        None => by_chance(&data, settings, &generator),
    };
    let test_source = data.test.as_ref().unwrap_or(&data.train);
    let mut cut = |name: &str, source: &Corpus, rows: Vec<u32>, want: Option<usize>| {
        let Some(want) = want.filter(|&w| w < rows.len()) else {
            return rows;
        };
        let (word, draw): (_, Draw) = match data.subsets {
            Subsets::Balanced => ("balanced", balanced),
            Subsets::Stratified => ("stratified", |labels, rows, classes, count, generator| {
                stratified(labels, rows, classes, count, generator).0
            }),
        };
        reductions.push(format!(
            "{} of {} {name} texts, {word}",
            grouped(want),
            grouped(rows.len())
        ));
        let own = generator.stream(name, 1);
        draw(&source.labels, &rows, classes, want, own)
    };
    let train = cut("training", &data.train, whole.train, settings.train_rows);
    let valid = cut("validation", &data.train, whole.valid, settings.valid_rows);
    let test = cut("test", test_source, whole.test, settings.test_rows);
    for (name, rows) in [
        ("training", &train),
        ("validation", &valid),
        ("test", &test),
    ] {
        if rows.is_empty() {
            return Err(Error::Setting(format!(
                "no {name} rows are left of {} training rows; use more rows, or smaller valid-rows and test-fraction",
                data.train.rows()
            )));
        }
    }
    let mut found = data.found;
    found.split = [("train", &train), ("valid", &valid), ("test", &test)]
        .map(|(name, rows)| (name.to_owned(), rows.len()))
        .into();
    if data.test.is_none() && data.divided.is_none() {
        found.notes.push(by_shares(settings));
    }
    found.notes.extend(reductions.iter().cloned());
    Ok(SplitCorpus {
        train: data.train.select(&train),
        valid: data.train.select(&valid),
        test: test_source.select(&test),
        classes: data.classes,
        reductions,
        found,
    })
}

/// Rows of each part before any is reduced: the test rows are drawn unless they are published apart, and validation
/// rows from the rest.
fn by_chance(data: &TextData, settings: &TextSettings, generator: &Generator) -> SplitParts {
    let all: Vec<u32> = (0..data.train.rows() as u32).collect();
    let (test, rest) = match &data.test {
        Some(test) => ((0..test.rows() as u32).collect(), all),
        None => test_rows(data, all, settings, generator),
    };
    let (valid, train) = valid_rows(data, rest, settings, generator);
    SplitParts { train, valid, test }
}

/// Rows of each part where files decide: `[valid, test]` rows behind the training rows; a part without a file is drawn.
fn by_files(
    [valid, test]: [Option<usize>; 2],
    data: &TextData,
    settings: &TextSettings,
    generator: &Generator,
) -> Result<SplitParts> {
    let all = data.train.rows() as u32;
    let rows = |part: Option<usize>| part.unwrap_or(0) as u32;
    let first = all - rows(valid) - rows(test);
    let mut parts = SplitParts {
        train: (0..first).collect(),
        valid: (first..first + rows(valid)).collect(),
        test: (first + rows(valid)..all).collect(),
    };
    if test.is_none() {
        (parts.test, parts.train) = test_rows(data, parts.train, settings, generator);
    }
    if valid.is_none() {
        (parts.valid, parts.train) = valid_rows(data, parts.train, settings, generator);
    }
    let label = |row: &u32| data.train.labels[*row as usize] as usize;
    let learnt: HashSet<usize> = parts.train.iter().map(label).collect();
    match (0..data.classes.len()).find(|class| !learnt.contains(class)) {
        None => Ok(parts),
        Some(class) => Err(Error::Setting(format!(
            "class {} has no training rows, only others; leave the class out, or split another way",
            shown(&data.classes[class])
        ))),
    }
}

/// Draws test rows, and returns the others too.
fn test_rows(
    data: &TextData,
    rows: Vec<u32>,
    settings: &TextSettings,
    generator: &Generator,
) -> (Vec<u32>, Vec<u32>) {
    let count = share(rows.len(), settings.test_fraction);
    let (labels, classes) = (&data.train.labels, data.classes.len());
    stratified(labels, &rows, classes, count, generator.stream("test", 0))
}

/// Draws validation rows, and returns the others too.
fn valid_rows(
    data: &TextData,
    rows: Vec<u32>,
    settings: &TextSettings,
    generator: &Generator,
) -> (Vec<u32>, Vec<u32>) {
    let count = settings.valid_rows.unwrap_or_else(|| {
        let most = settings.train_rows.unwrap_or(usize::MAX);
        share(rows.len(), VALID_SHARE).min(most)
    });
    let (labels, classes) = (&data.train.labels, data.classes.len());
    stratified(labels, &rows, classes, count, generator.stream("valid", 0))
}

/// Rows of each part where a column decides.
fn by_column(
    column: &SplitColumn,
    data: &TextData,
    settings: &TextSettings,
    generator: &Generator,
) -> Result<SplitParts> {
    let permutation = |draw, count| generator.stream("split by group", draw).permutation(count);
    let (labels, classes) = (&data.train.labels, &data.classes);
    Ok(column.split(labels, classes, settings.shares(), permutation)?)
}

impl SplitCorpus {
    /// Where the validation and test texts stand in their files; `None` if the texts were not read from files.
    pub fn origins(&self) -> Option<Origins> {
        let (valid, test) = (&self.valid, &self.test);
        let told = valid.origins.len() == valid.rows() && test.origins.len() == test.rows();
        told.then(|| Origins {
            valid: valid.origins.clone(),
            test: test.origins.clone(),
        })
    }
}

/// Share of the training rows used for validation if no number is set.
pub(crate) const VALID_SHARE: f64 = 0.1;

/// Describes how a user's file was split.
fn by_shares(settings: &TextSettings) -> String {
    let percent = |share: f64| format!("{}%", (share * 1000.0).round() / 10.0);
    let valid = match settings.valid_rows {
        Some(rows) => format!("{} rows validate (valid-rows)", grouped(rows)),
        None => format!(
            "{} of the others validate (valid-rows)",
            percent(VALID_SHARE)
        ),
    };
    format!(
        "split by shares, with the classes' own proportions: {} of the rows test (test-fraction), {valid}",
        percent(settings.test_fraction)
    )
}

/// Draws some of the rows, given labels, rows, the number of classes, the number to draw, and a generator.
type Draw = fn(&[u32], &[u32], usize, usize, Generator) -> Vec<u32>;

fn share(rows: usize, fraction: f64) -> usize {
    (rows as f64 * fraction).round() as usize
}

/// Draws `count` of `rows` with the classes' own proportions (largest remainders first), and returns the others too.
fn stratified(
    labels: &[u32],
    rows: &[u32],
    classes: usize,
    count: usize,
    generator: Generator,
) -> (Vec<u32>, Vec<u32>) {
    let members = by_class(labels, rows, classes);
    let exact: Vec<f64> = members
        .iter()
        .map(|m| count as f64 * m.len() as f64 / rows.len().max(1) as f64)
        .collect();
    let mut quota: Vec<usize> = exact.iter().map(|e| e.floor() as usize).collect();
    let mut order: Vec<usize> = (0..classes).collect();
    order.sort_by(|&a, &b| {
        (exact[b] - exact[b].floor())
            .total_cmp(&(exact[a] - exact[a].floor()))
            .then(a.cmp(&b))
    });
    let missing = count.saturating_sub(quota.iter().sum());
    for &class in order.iter().take(missing) {
        quota[class] += 1;
    }
    draw(members, &quota, generator)
}

/// Draws `count` of `rows` with shares of the classes as equal as their rows allow.
fn balanced(
    labels: &[u32],
    rows: &[u32],
    classes: usize,
    count: usize,
    generator: Generator,
) -> Vec<u32> {
    let members = by_class(labels, rows, classes);
    let mut quota = vec![0; classes];
    let mut left = count;
    while left > 0 {
        let open: Vec<usize> = (0..classes)
            .filter(|&c| quota[c] < members[c].len())
            .collect();
        if open.is_empty() {
            break;
        }
        let each = (left / open.len()).max(1);
        for class in open {
            let add = each.min(members[class].len() - quota[class]).min(left);
            quota[class] += add;
            left -= add;
        }
    }
    draw(members, &quota, generator).0
}

fn by_class(labels: &[u32], rows: &[u32], classes: usize) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); classes];
    for &row in rows {
        members[labels[row as usize] as usize].push(row);
    }
    members
}

/// Draws `quota` random rows of each class and returns them and the others, both ascending.
fn draw(members: Vec<Vec<u32>>, quota: &[usize], generator: Generator) -> (Vec<u32>, Vec<u32>) {
    let (mut drawn, mut others) = (Vec::new(), Vec::new());
    for (class, (mut rows, &count)) in members.into_iter().zip(quota).enumerate() {
        generator.stream("class", class as u64).shuffle(&mut rows);
        let count = count.min(rows.len());
        others.extend_from_slice(&rows[count..]);
        rows.truncate(count);
        drawn.extend(rows);
    }
    drawn.sort_unstable();
    others.sort_unstable();
    (drawn, others)
}

/// Formats 25000 as "25,000".
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn data(rows: usize, positive_every: usize, with_test: bool) -> TextData {
        let corpus = Corpus {
            texts: (0..rows).map(|i| format!("text {i}")).collect(),
            labels: (0..rows)
                .map(|i| u32::from(i % positive_every == 0))
                .collect(),
            ..Corpus::default()
        };
        TextData {
            test: with_test.then(|| corpus.clone()),
            train: corpus,
            divided: None,
            found: Summary::default(),
            classes: vec!["no".into(), "yes".into()],
            subsets: if with_test {
                Subsets::Balanced
            } else {
                Subsets::Stratified
            },
        }
    }

    fn count(corpus: &Corpus, class: u32) -> usize {
        corpus.labels.iter().filter(|&&l| l == class).count()
    }

    #[test]
    fn one_file_is_split_into_three_disjoint_stratified_parts() {
        let settings = TextSettings::default();
        let split = split(data(1000, 4, false), &settings).unwrap();
        assert_eq!(
            (split.test.rows(), split.valid.rows(), split.train.rows()),
            (200, 80, 720)
        );
        assert_eq!(
            (
                count(&split.test, 1),
                count(&split.valid, 1),
                count(&split.train, 1)
            ),
            (50, 20, 180)
        );
        let mut all: Vec<&String> = split
            .train
            .texts
            .iter()
            .chain(&split.valid.texts)
            .chain(&split.test.texts)
            .collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 1000);
        assert!(split.reductions.is_empty());
    }

    #[test]
    fn subsets_of_texts_of_ones_own_keep_the_classes_shares() {
        let settings = TextSettings {
            train_rows: Some(100),
            test_rows: Some(40),
            ..TextSettings::default()
        };
        // One text in ten belongs to the rare class.
        let split = split(data(1000, 10, false), &settings).unwrap();
        assert_eq!((count(&split.train, 0), count(&split.train, 1)), (90, 10));
        assert_eq!((count(&split.test, 0), count(&split.test, 1)), (36, 4));
        assert_eq!(
            split.reductions,
            [
                "100 of 720 training texts, stratified",
                "40 of 200 test texts, stratified"
            ]
        );
    }

    #[test]
    fn subsets_of_a_benchmark_are_balanced_and_decided_by_the_seed() {
        let settings = TextSettings {
            train_rows: Some(100),
            test_rows: Some(50),
            ..TextSettings::default()
        };
        let a = split(data(1000, 4, true), &settings).unwrap();
        assert_eq!((count(&a.train, 0), count(&a.train, 1)), (50, 50));
        assert_eq!((count(&a.test, 0), count(&a.test, 1)), (25, 25));
        assert_eq!(
            a.reductions,
            [
                "100 of 900 training texts, balanced",
                "50 of 1,000 test texts, balanced"
            ]
        );
        let b = split(data(1000, 4, true), &settings).unwrap();
        assert_eq!(a.train, b.train);
        let other = TextSettings {
            split_seed: 1,
            ..settings
        };
        assert_ne!(a.train, split(data(1000, 4, true), &other).unwrap().train);
    }

    #[test]
    fn fewer_training_rows_leave_validation_and_test_as_they_are() {
        let whole = TextSettings {
            valid_rows: Some(80),
            ..TextSettings::default()
        };
        let few = TextSettings {
            train_rows: Some(50),
            ..whole.clone()
        };
        for with_test in [false, true] {
            let all = split(data(1000, 4, with_test), &whole).unwrap();
            let few = split(data(1000, 4, with_test), &few).unwrap();
            assert_eq!((all.valid, all.test), (few.valid, few.test));
            assert_eq!(few.train.rows(), 50);
            assert!(
                few.train
                    .texts
                    .iter()
                    .all(|text| all.train.texts.contains(text))
            );
        }
    }

    #[test]
    fn a_class_with_too_few_rows_gives_all_it_has() {
        let settings = TextSettings {
            train_rows: Some(800),
            ..TextSettings::default()
        };
        let split = split(data(1000, 10, true), &settings).unwrap();
        assert_eq!((split.train.rows(), count(&split.train, 1)), (800, 90));
    }

    #[test]
    fn validation_that_eats_everything_is_an_error() {
        let settings = TextSettings {
            valid_rows: Some(1000),
            ..TextSettings::default()
        };
        let message = split(data(1000, 4, true), &settings)
            .unwrap_err()
            .to_string();
        assert!(message.contains("no training rows"), "{message}");
    }
}
