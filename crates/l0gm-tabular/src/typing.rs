//! Turns rows that were read into a typed table. The label becomes classes, other columns become numbers or
//! categories, and dates become several number columns. Odd columns are left out and reported.

use crate::schema::{DateColumn, Field, FieldKind, Schema, Spelling};
use crate::settings::DataSettings;
use crate::table::{Categories, Cells, Column, Table};
use crate::{Error, Result};
use l0gm_data::rows::kind::Kind;
use l0gm_data::rows::label::{self, LabelOptions, Unlabelled};
use l0gm_data::rows::suspicious::{self, Oddity};
use l0gm_data::rows::{RawColumn, RawTable, SplitColumn, Summary, dates, list, number_column};
use std::collections::HashSet;

/// Typed rows with their description.
pub(crate) struct TypedRows {
    pub(crate) table: Table,
    pub(crate) schema: Schema,
    pub(crate) labels: Vec<u32>,
    pub(crate) summary: Summary,
    /// For each file, the number of remaining rows up to its end.
    pub(crate) ends: Vec<usize>,
    /// The column that decides on the split, where one does.
    pub(crate) split: Option<SplitColumn>,
}

/// Types rows. `ends` holds, for each file, the number of rows up to its end. `judge` says whether to look for odd
/// columns; those of a published benchmark are kept as they are.
pub(crate) fn typed(
    mut raw: RawTable,
    settings: &DataSettings,
    mut ends: Vec<usize>,
    judge: bool,
) -> Result<TypedRows> {
    let name = settings.label.clone().ok_or_else(|| {
        Error::Setting(format!(
            "data.label is not set: name the label's column of {} (columns: {})",
            raw.name(),
            list(raw.names())
        ))
    })?;
    let listed = [&settings.numeric, &settings.categorical, &settings.keep];
    for column in listed.into_iter().flatten() {
        raw.column(column)?;
    }
    let options = LabelOptions {
        classes: settings.classes.as_deref(),
        unlabelled: match settings.drop_unlabelled {
            true => Unlabelled::LeaveOut,
            false => Unlabelled::Refuse,
        },
    };
    let mut labels = label::read(&raw, &name, &options)?;
    let note = labels.note(&options);
    if labels.unlabelled > 0 {
        let keep = labels.labelled();
        for end in &mut ends {
            *end = keep[..*end].iter().filter(|keep| **keep).count();
        }
        raw.retain(&keep);
        labels.codes.retain(Option::is_some);
    }
    let kinds = kinds(&raw, settings, &name)?;
    let split = SplitColumn::of(&raw, settings.split_by(), &name, |at| Ok(kinds[at]))?;
    let named = if judge {
        numbered_names(&raw, &kinds, settings)
    } else {
        Vec::new()
    };
    let is_category = |column: &str| {
        settings
            .categorical
            .iter()
            .chain(&named)
            .any(|name| name == column)
    };
    let asked: Vec<String> = listed.into_iter().flatten().cloned().collect();
    let found = match judge {
        true => suspicious::find(&raw, &kinds, Some((&name, &labels.codes)), &asked),
        false => Vec::new(),
    };
    let columns = raw.columns().iter().zip(&kinds);
    let reported: Vec<Kind> = columns
        .map(|(column, kind)| match is_category(&column.name) {
            true => Kind::Category,
            false => *kind,
        })
        .collect();
    let mut summary = Summary::of(&raw, &reported, Some(&name)).with_labels(&labels);
    summary.notes.extend(note);
    let dates = "read as numbers: year, month, day, weekday and, where there are times, hour";
    summary
        .notes
        .extend(suspicious::lines(&found, "data.", dates));
    let mut left_out: HashSet<&str> = found
        .iter()
        .filter(|f| f.left_out)
        .map(|f| f.column.as_str())
        .collect();
    if let Some(split) = &split {
        let known: Vec<u32> = labels.codes.iter().flatten().copied().collect();
        summary.notes.push(split.note(&known, settings.shares()));
        left_out.insert(&split.name);
    }
    let used = named
        .iter()
        .filter(|name| !left_out.contains(name.as_str()));
    let used: Vec<&str> = used.map(String::as_str).collect();
    if !used.is_empty() {
        summary.notes.push(format!(
            "whole numbers that are names, because they repeat under a name that ends in id: used as categories (list \
             them under data.numeric if their size means something): {}",
            list(used)
        ));
    }
    let kinds_by_column = raw.columns().iter().zip(&reported);
    for (column, kind) in kinds_by_column.filter(|(c, _)| left_out.contains(c.name.as_str())) {
        summary.leave_out(&column.name, *kind);
    }
    let (mut columns, mut fields, mut spelling) = (Vec::new(), Vec::new(), Spelling::default());
    spelling.decimal = raw.decimal();
    for (column, kind) in raw.columns().iter().zip(&kinds) {
        if column.name == name || left_out.contains(column.name.as_str()) {
            continue;
        }
        let made = match kind {
            Kind::Date(order) if !is_category(&column.name) => {
                spelling.dates.push(DateColumn {
                    name: column.name.clone(),
                    order: *order,
                });
                if let Some(note) = ambiguous(column, *order) {
                    summary.notes.push(note);
                }
                let parts = dates::expand(&raw, column, *order)?;
                let telling = parts.into_iter().filter(|(_, values)| varies(values));
                telling
                    .map(|(name, values)| Column {
                        name,
                        cells: Cells::Numeric(values),
                    })
                    .collect()
            }
            kind => {
                let category = is_category(&column.name);
                if let Kind::Number(decimal) = kind
                    && *decimal != spelling.decimal
                {
                    spelling.decimals.insert(column.name.clone(), *decimal);
                }
                vec![Column {
                    name: column.name.clone(),
                    cells: cells(&raw, column, *kind, category)?,
                }]
            }
        };
        for column in made {
            let kind = match column.cells {
                Cells::Numeric(_) => FieldKind::Numeric,
                Cells::Categorical(_) => FieldKind::Categorical,
            };
            fields.push(Field {
                name: column.name.clone(),
                kind,
            });
            columns.push(column);
        }
    }
    if fields.is_empty() {
        return Err(Error::file(raw.name().as_ref(), nothing_left(&found)));
    }
    columns.push(Column {
        name: name.clone(),
        cells: Cells::Categorical(label_cells(&labels)),
    });
    let table = Table::of_rows(&raw, columns)?;
    Ok(TypedRows {
        table,
        labels: labels.known(),
        schema: Schema {
            label: name,
            classes: labels.classes,
            fields,
            spelling,
        },
        summary,
        ends,
        split,
    })
}

/// The kind of each column; settings take precedence.
fn kinds(raw: &RawTable, settings: &DataSettings, label: &str) -> Result<Vec<Kind>> {
    raw.columns()
        .iter()
        .map(|column| {
            let inferred = || raw.kind(column);
            if settings.numeric.contains(&column.name) {
                return Ok(match inferred() {
                    Ok(kind @ Kind::Number(_)) => kind,
                    _ => Kind::Number(raw.decimal()),
                });
            }
            // A word among numbers does not matter for a label or for categories.
            if column.name == label || settings.categorical.contains(&column.name) {
                return Ok(inferred().unwrap_or(Kind::Category));
            }
            Ok(inferred()?)
        })
        .collect()
}

/// Columns of whole numbers that are names, by their own name, and that no setting calls numbers.
fn numbered_names(raw: &RawTable, kinds: &[Kind], settings: &DataSettings) -> Vec<String> {
    let label = settings.label.as_deref();
    raw.columns()
        .iter()
        .zip(kinds)
        .filter(|(column, kind)| {
            Some(column.name.as_str()) != label
                && !settings.numeric.contains(&column.name)
                && !settings.categorical.contains(&column.name)
                && suspicious::is_numbered_name(column, **kind)
        })
        .map(|(column, _)| column.name.clone())
        .collect()
}

/// The cells of a column that becomes a single column.
fn cells(raw: &RawTable, column: &RawColumn, kind: Kind, category: bool) -> Result<Cells> {
    match kind {
        Kind::Number(decimal) if !category => Ok(Cells::Numeric(number_column::of_column_with(
            raw, column, decimal,
        )?)),
        kind => {
            let mut categories = Categories::default();
            for cell in column.cells.iter() {
                categories.push(cell.map(|cell| kind.canonical(cell)).as_deref());
            }
            Ok(Cells::Categorical(categories))
        }
    }
}

fn label_cells(labels: &label::Labels) -> Categories {
    let mut cells = Categories::default();
    for code in &labels.codes {
        cells.push(code.map(|code| labels.classes[code as usize].as_str()));
    }
    cells
}

/// Whether the values differ; a year that is always the same carries no information.
fn varies(values: &[Option<f64>]) -> bool {
    values.len() < 2 || values.iter().any(|value| *value != values[0])
}

/// A remark if no date of a column shows whether the day or the month comes first.
pub(crate) fn ambiguous(column: &RawColumn, order: dates::DateOrder) -> Option<String> {
    use dates::DateOrder::{DayFirst, MonthFirst};
    let other = match order {
        DayFirst => MonthFirst,
        MonthFirst => DayFirst,
        dates::DateOrder::YearFirst => return None,
    };
    let both = column
        .cells
        .iter()
        .flatten()
        .all(|cell| dates::parse(cell, other).is_some());
    let differs = || {
        column
            .cells
            .iter()
            .flatten()
            .any(|cell| dates::parse(cell, other) != dates::parse(cell, order))
    };
    (both && differs()).then(|| {
        format!(
            "column {}: no date says whether its day or its month stands first; read as {}",
            l0gm_data::rows::shown(&column.name),
            order.name()
        )
    })
}

fn nothing_left(found: &[suspicious::Finding]) -> String {
    let left_out: Vec<&str> = found
        .iter()
        .filter(|f| f.left_out && f.oddity != Oddity::Dates)
        .map(|f| f.column.as_str())
        .collect();
    match left_out.is_empty() {
        true => "has no column beside the label; expected at least one".to_owned(),
        false => format!(
            "has no column left beside the label: {} say nothing of other rows (identifiers, constants, copies of the \
             label); keep one with data.keep",
            list(left_out)
        ),
    }
}
