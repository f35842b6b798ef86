//! The table of a study's tests.

use super::{Comparison, Family, Measure, RESAMPLES, Test};
use crate::document::Block;
use crate::format;
use crate::study::Study;
use crate::table::{Cell, Table, numbers, words};

/// The heading and the table; empty if the study has no pair.
pub(crate) fn blocks(study: &Study<'_>, all: &[Comparison]) -> Vec<Block> {
    let slug = study.slug();
    let of_study: Vec<&Comparison> = all.iter().filter(|c| c.study == slug).collect();
    if of_study.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::Heading(
        "Is it luck? L0GM against each rival".to_owned(),
    )];
    for family in Family::ALL {
        let tested = of_study.iter().copied();
        let tested: Vec<&Comparison> = tested
            .filter(|c| c.family == family && c.tests.is_ok())
            .collect();
        if !tested.is_empty() {
            let table = table(study, family, &tested);
            blocks.push(match family {
                Family::Rivals | Family::Baselines => Block::Table(table),
                Family::Designs => Block::Folded(table),
            });
        }
    }
    let untested: Vec<String> = of_study
        .iter()
        .filter_map(|c| {
            let error = c.tests.as_ref().err()?;
            Some(format!(
                "Not tested: {} against {}: {error}",
                c.ours, c.rival
            ))
        })
        .collect();
    if !untested.is_empty() {
        blocks.push(Block::List(untested));
    }
    blocks
}

fn table(study: &Study<'_>, family: Family, comparisons: &[&Comparison]) -> Table {
    let (id, against) = match family {
        Family::Rivals => ("significance", "each rival"),
        Family::Baselines => ("significance-baselines", "each baseline"),
        Family::Designs => ("significance-designs", "each other design of the gate"),
    };
    let tests: usize = comparisons
        .iter()
        .map(|c| c.tests.as_ref().map_or(0, Vec::len))
        .sum();
    let mut table = Table::new(
        format!("{id}-{}", study.slug()),
        format!(
            "{}: paired bootstrap of L0GM against {against}",
            study.name()
        ),
        format!(
            "Differences are L0GM minus rival on the same test examples of the same seed, with a 95% interval \
             from {} resamples of the examples; seeds whose test rows are their own are resampled each in itself, \
             as if their rows were independent. p is two-sided; Holm: corrected over the {tests} tests of this \
             table. The test knows the luck of the test examples, not that of training: with few seeds a \
             difference that it calls real may still be a seed's.",
            format::count(RESAMPLES as u64)
        ),
        vec![
            words("pair", "L0GM against rival").on_the_page_only(),
            words("ours", "L0GM").in_files_only(),
            words("rival", "rival").in_files_only(),
            numbers("seeds", "seeds"),
            numbers("examples", "pairs"),
            words("measure", "measure").in_files_only(),
            numbers("difference", "difference"),
            numbers("low", "95% from"),
            numbers("high", "to"),
            numbers("p", "p"),
            numbers("p_holm", "p, Holm"),
            words("verdict", "at 5%"),
        ],
    );
    for comparison in comparisons {
        for test in comparison.tests.iter().flatten() {
            table.push(row(comparison, test));
        }
    }
    table
}

fn row(comparison: &Comparison, test: &Test) -> Vec<Cell> {
    use super::Outcome::{Better, Same, Worse};
    let measure = match test.measure {
        Measure::Accuracy => "accuracy",
        Measure::Nll => "NLL",
        Measure::Brier => "Brier",
    };
    let verdict = match test.outcome() {
        Better => "L0GM better",
        Same => "no difference shown",
        Worse => "rival better",
    };
    let count = |n: usize| Cell::number(n as f64, |x| format::count(x as u64));
    vec![
        Cell::text(format!(
            "{} against {}: {measure}",
            comparison.ours, comparison.rival
        )),
        Cell::text(&comparison.ours),
        Cell::text(&comparison.rival),
        count(comparison.seeds),
        count(comparison.examples),
        Cell::text(measure),
        Cell::number(test.difference, format::difference),
        Cell::number(test.low, format::difference),
        Cell::number(test.high, format::difference),
        Cell::number(test.p, p_value),
        Cell::number(test.p_holm, p_value),
        Cell::text(verdict),
    ]
}

/// Formats a p value with three decimals; the number of resamples does not resolve smaller ones.
fn p_value(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".to_owned()
    } else {
        format::decimals(p, 3)
    }
}
