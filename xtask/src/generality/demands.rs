//! What the defaults must hold on every member. Each demand is one figure of a block with a limit.

use super::figures::{Figures, Row};
use super::members::Kind;
use l0gm_report::format::{decimals, percent};
use l0gm_train::Role;

/// A demand on a block.
pub(super) struct Demand {
    /// Heads its column.
    pub(super) letter: char,
    /// What the figure is and what it must be.
    pub(super) text: &'static str,
    /// The figure; `None` where the block lacks a run that it needs.
    figure: fn(&Figures, &References) -> Option<f64>,
    holds: fn(f64) -> bool,
    shown: fn(f64) -> String,
}

/// The methods that the demands name besides the backbone and L0GM.
struct References {
    /// The linear model on the rows themselves.
    linear: &'static str,
    /// Gradient boosting, which is no simple baseline.
    booster: Option<&'static str>,
}

impl References {
    fn of(kind: Kind) -> Self {
        let (linear, booster) = match kind {
            Kind::Table => ("logistic", Some("forust")),
            Kind::Texts => ("tfidf", None),
            Kind::Graph => ("logistic", None),
        };
        Self { linear, booster }
    }
}

/// A demand's figure in a block and whether it holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) shown: String,
    pub(super) holds: bool,
}

pub(super) const DEMANDS: [Demand; 7] = [
    Demand {
        letter: 'A',
        text: "NLL of dense / NLL of the best simple baseline (all but boosting), at most 1",
        figure: |figures, references| {
            let simple = |row: &&Row| {
                row.method.role == Role::Baseline
                    && references.booster != Some(row.method.name.as_ref())
            };
            let best = figures.ranked().into_iter().find(simple)?;
            Some(dense(figures)?.nll.mean / best.nll.mean)
        },
        holds: |ratio| ratio <= 1.0,
        shown: ratio,
    },
    Demand {
        letter: 'B',
        text: "NLL of dense / NLL of boosted trees (tables), at most 1.02",
        figure: |figures, references| {
            let booster = named(figures, references.booster?)?;
            Some(dense(figures)?.nll.mean / booster.nll.mean)
        },
        holds: |ratio| ratio <= 1.02,
        shown: ratio,
    },
    Demand {
        letter: 'C',
        text: "NLL of L0GM at 15% / NLL of dense, at most 1.01",
        figure: |figures, _| Some(subject(figures)?.nll.mean / dense(figures)?.nll.mean),
        holds: |ratio| ratio <= 1.01,
        shown: ratio,
    },
    Demand {
        letter: 'D',
        text: "NLL of L0GM at 15% / NLL of logistic regression (on texts of TF-IDF), below 1",
        figure: |figures, references| {
            let linear = named(figures, references.linear)?;
            Some(subject(figures)?.nll.mean / linear.nll.mean)
        },
        holds: |ratio| ratio < 1.0,
        shown: ratio,
    },
    Demand {
        letter: 'E',
        text: "chosen validation loss above the best one seen, dense and L0GM, any seed, at most 2%",
        figure: |figures, _| {
            let (dense, subject) = (dense(figures)?.gap, subject(figures)?.gap);
            Some(dense?.max(subject?))
        },
        holds: |gap| gap <= 0.02,
        shown: percent,
    },
    Demand {
        letter: 'F',
        text: "expected and deterministic active fraction of L0GM apart, any seed, at most 2 points",
        figure: |figures, _| subject(figures)?.apart,
        holds: |apart| apart <= 0.02,
        shown: |apart| decimals(100.0 * apart, 1),
    },
    Demand {
        letter: 'G',
        text: "active fraction that the same lambda leaves everywhere, from 8 to 22%",
        figure: |figures, _| figures.by_lambda,
        holds: |active| (0.08..=0.22).contains(&active),
        shown: percent,
    },
];

impl Demand {
    /// Judges a block; `None` where the demand does not apply or runs are missing.
    pub(super) fn of(&self, figures: &Figures, kind: Kind) -> Option<Verdict> {
        let figure = (self.figure)(figures, &References::of(kind))?;
        Some(Verdict {
            shown: (self.shown)(figure),
            holds: (self.holds)(figure),
        })
    }
}

fn ratio(value: f64) -> String {
    decimals(value, 3)
}

fn dense(figures: &Figures) -> Option<&Row> {
    find(figures, |row| row.method.is_backbone())
}

fn subject(figures: &Figures) -> Option<&Row> {
    find(figures, |row| row.method.is_subject())
}

fn named<'a>(figures: &'a Figures, name: &str) -> Option<&'a Row> {
    find(figures, |row| row.method.name == name)
}

/// A row that can be compared.
fn find(figures: &Figures, is_it: impl Fn(&&Row) -> bool) -> Option<&Row> {
    figures.ranked().into_iter().find(is_it)
}
