//! The result of a study on one screen, 80 columns wide.

use super::decision::Decided;
use super::findings::{Columns, Findings, Model};
use l0gm_report::format;
use l0gm_train::Role;
use std::fmt::Write;

/// Most characters in a line: what a terminal shows without wrapping.
const WIDTH: usize = 80;
/// Characters for the mark of the chosen model and the model's name, in the first column.
const NAME: usize = 25;
/// More classes than this have a list of recalls instead of a matrix.
const MATRIX: usize = 6;

/// The screen.
pub(super) fn text(found: &Findings) -> String {
    let mut text = String::new();
    paragraph(&mut text, &found.verdict, "");
    text.push('\n');
    data(&mut text, found);
    text.push('\n');
    models(&mut text, found);
    if let Some(decided) = &found.decided {
        text.push('\n');
        answers(&mut text, decided, &of_seed(found));
    }
    if let Some(columns) = &found.columns {
        text.push('\n');
        read(&mut text, columns, &of_seed(found));
    }
    if !found.warnings.is_empty() {
        text.push('\n');
        for warning in &found.warnings {
            paragraph(&mut text, &format!("warning: {warning}"), "  ");
        }
    }
    text.push('\n');
    if let Some(model) = &found.model {
        line(&mut text, &format!("Model:   {model}/model"));
    }
    line(&mut text, &format!("Report:  {}", found.report));
    if let Some(model) = &found.model {
        let new = match found.data.modality.as_str() {
            "graph" => "NEW-FOLDER",
            _ => "NEW-FILE",
        };
        line(
            &mut text,
            &format!("Use it:  l0gm predict {model} {new} --out predictions.csv"),
        );
    }
    text
}

fn line(text: &mut String, words: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{words}");
}

/// Breaks words into lines of the screen's width.
fn paragraph(text: &mut String, words: &str, indent: &str) {
    let mut current = String::new();
    for word in words.split_whitespace() {
        let wide = current.chars().count() + 1 + word.chars().count() > WIDTH;
        if wide && !current.trim().is_empty() {
            line(text, &current);
            current = format!("{indent}{word}");
        } else if current.is_empty() {
            current = word.to_owned();
        } else {
            current.push(' ');
            current.push_str(word);
        }
    }
    line(text, &current);
}

fn data(text: &mut String, found: &Findings) {
    let data = &found.data;
    let mut words = data.source.clone();
    if let Some(label) = &data.label {
        let all: usize = data.classes.iter().map(|(_, rows)| rows).sum();
        let classes: Vec<String> = data
            .classes
            .iter()
            .take(MATRIX)
            .map(|(name, rows)| {
                let share = *rows as f64 / all.max(1) as f64;
                format!(
                    "{name} {} ({})",
                    format::count(*rows as u64),
                    format::percent(share)
                )
            })
            .collect();
        let more = data.classes.len().saturating_sub(MATRIX);
        words.push_str(&format!(", {label}: {}", classes.join(", ")));
        if more > 0 {
            words.push_str(&format!(" and {more} more classes"));
        }
    }
    let parts: Vec<String> = data
        .split
        .iter()
        .map(|(part, rows)| format!("{} {part}", format::count(*rows as u64)))
        .collect();
    let seeds: Vec<String> = data.seeds.iter().map(u64::to_string).collect();
    words.push_str(&format!(
        "; rows: {}; seed{} {}",
        parts.join(", "),
        match seeds.len() {
            1 => "",
            _ => "s",
        },
        seeds.join(", ")
    ));
    if let Some(split) = &data.split_by {
        words.push_str(&format!("; split {split}"));
    }
    if let Some(encoder) = &data.encoder {
        words.push_str(&format!("; {encoder}"));
    }
    paragraph(text, &words, "  ");
}

fn models(text: &mut String, found: &Findings) {
    let head = [
        "active", "acc.", "AUC", "PR-AUC", "NLL", "Brier", "ECE", "(floor)",
    ];
    let mut row = format!("{:NAME$}", "test rows, as trained");
    head.iter().for_each(|name| row.push_str(&cell(name)));
    line(text, row.trim_end());
    for model in &found.models {
        let c = &model.calibration;
        let cells = [
            model.active.map_or_else(String::new, format::percent),
            short(model.accuracy),
            model.auc.map_or_else(dash, short),
            model.pr_auc.map_or_else(dash, short),
            short(c.nll),
            short(c.brier),
            short(c.ece),
            format!(" ({})", short3(c.ece_noise)),
        ];
        line(text, &row_of(model, &cells));
    }
    let scaled: Vec<&Model> = found
        .models
        .iter()
        .filter(|model| model.chosen || model.role != Role::Subject)
        // A rival's file without validation rows has nothing to fit a temperature on.
        .filter(|model| model.role != Role::Rival || model.valid_nll.is_some())
        .collect();
    let blank = [""; 4].map(cell).concat();
    line(
        text,
        format!(
            "{:NAME$}{blank}{}{}{}",
            "after temperature scaling",
            cell("NLL"),
            cell("Brier"),
            cell("ECE")
        )
        .trim_end(),
    );
    for model in scaled {
        let c = &model.scaled;
        let cells = [
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            short(c.nll),
            short(c.brier),
            short(c.ece),
        ];
        line(text, &row_of(model, &cells));
    }
}

fn row_of(model: &Model, cells: &[String]) -> String {
    let mark = match model.chosen {
        true => "* ",
        false => "  ",
    };
    let label = match model.label.chars().count() > NAME - 3 {
        true => model.label.replace("regression", "regr."),
        false => model.label.clone(),
    };
    let label: String = label.chars().take(NAME - 3).collect();
    let mut row = format!("{mark}{label:width$}", width = NAME - 2);
    cells.iter().for_each(|text| row.push_str(&cell(text)));
    row.trim_end().to_owned()
}

/// A cell of a table, seven columns wide.
fn cell(text: &str) -> String {
    format!("{text:>7}")
}

/// Four decimals without the zero before the point.
fn short(x: f64) -> String {
    let text = format::fraction(x);
    text.strip_prefix('0').map_or(text.clone(), str::to_owned)
}

/// Three decimals without the zero before the point.
fn short3(x: f64) -> String {
    let text = format::decimals(x, 3);
    text.strip_prefix('0').map_or(text.clone(), str::to_owned)
}

fn dash() -> String {
    "–".to_owned()
}

/// Says whose rows and columns are shown, where the tables above are means over seeds.
fn of_seed(found: &Findings) -> String {
    match found.data.seeds.as_slice() {
        [] | [_] => String::new(),
        [first, ..] => format!(" of seed {first}"),
    }
}

fn answers(text: &mut String, decided: &Decided, seed: &str) {
    let how = match &decided.threshold {
        None => "the likelier class is named".to_owned(),
        Some(threshold) => format!(
            "{} where its probability is at least {} ({}, chosen on validation rows; probabilities and calibration \
             stay as they are)",
            threshold.positive,
            short(threshold.value),
            threshold.rule
        ),
    };
    paragraph(
        text,
        &format!("Right and wrong answers on test rows{seed}; {how}:"),
        "  ",
    );
    let share = |x: &Option<f64>| x.map_or_else(dash, format::percent);
    let widest = decided
        .classes
        .iter()
        .map(|name| name.chars().count())
        .max();
    let width = widest.unwrap_or(0).clamp(8, 20);
    let name = |class: &str| class.chars().take(width).collect::<String>();
    if decided.classes.len() <= MATRIX {
        let mut head = format!("  {:width$}", "true");
        for class in &decided.classes {
            let _ = write!(
                head,
                "  {:>width$}",
                format!("as {}", name(class))
                    .chars()
                    .take(width)
                    .collect::<String>()
            );
        }
        line(text, &format!("{head}   recall  precision"));
        for (k, class) in decided.classes.iter().enumerate() {
            let mut row = format!("  {:width$}", name(class));
            for count in &decided.confusion[k] {
                let _ = write!(row, "  {:>width$}", format::count(*count));
            }
            let _ = write!(
                row,
                "  {:>7}  {:>9}",
                share(&decided.recall[k]),
                share(&decided.precision[k])
            );
            line(text, &row);
        }
        return;
    }
    let each = decided.classes.iter().zip(&decided.recall);
    let mut recalls: Vec<(&String, &Option<f64>)> = each.collect();
    recalls.sort_by(|a, b| a.1.unwrap_or(2.0).total_cmp(&b.1.unwrap_or(2.0)));
    let lowest: Vec<String> = recalls
        .iter()
        .take(MATRIX)
        .map(|(class, recall)| format!("{} {}", name(class), share(recall)))
        .collect();
    paragraph(
        text,
        &format!(
            "recall, lowest of {} classes: {}",
            decided.classes.len(),
            lowest.join(", ")
        ),
        "  ",
    );
}

fn read(text: &mut String, columns: &Columns, seed: &str) {
    let read: Vec<String> = columns
        .read
        .iter()
        .map(|(name, open)| format!("{name} ({open})"))
        .collect();
    let all = columns.read.len() + columns.not_needed.len();
    paragraph(
        text,
        &format!(
            "The model{seed} reads {} of {all} columns (open dimensions): {}",
            columns.read.len(),
            match read.is_empty() {
                true => "none".to_owned(),
                false => read.join(", "),
            }
        ),
        "  ",
    );
    if !columns.not_needed.is_empty() {
        paragraph(
            text,
            &format!(
                "Not needed at prediction: {}",
                columns.not_needed.join(", ")
            ),
            "  ",
        );
    }
    if !columns.left_out.is_empty() {
        paragraph(
            text,
            &format!("Left out before training: {}", columns.left_out.join(", ")),
            "  ",
        );
    }
}
