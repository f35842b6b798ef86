//! The table of nodes, a file of rows (`docs/rows.md`) with an id, a label and any number of features for each node.
//! It finds the columns by their names.
use crate::feature_matrix::{Met, read_features, said};
use crate::feature_schema::{FeatureSchema, Reading};
use crate::node_ids::NodeIds;
use crate::settings::TableSettings;
use crate::{Error, Features, Result};
use l0gm_data::rows::kind::Kind;
use l0gm_data::rows::label::{self, LabelOptions, Labels, Unlabelled};
use l0gm_data::rows::summary::ColumnSummary;
use l0gm_data::rows::suspicious::{self, Finding, Oddity};
use l0gm_data::rows::{self, RawTable, ReadOptions, Source, Summary, list};
use rayon::prelude::*;
use std::path::Path;

/// Features with numbers larger than this are reported if they are not scaled.
const LARGE: f32 = 100.0;

/// The nodes of a graph, in the order of the table.
#[derive(Debug)]
pub(crate) struct NodeTable {
    pub(crate) ids: NodeIds,
    pub(crate) labels: Labels,
    pub(crate) features: Features,
    /// How the columns became features.
    pub(crate) schema: FeatureSchema,
    /// The columns with numbers larger than 100, and the largest of these numbers.
    pub(crate) large: Option<(Vec<String>, f32)>,
    /// What is reported about the file.
    pub(crate) summary: Summary,
}

/// Reads the nodes of a graph to train on.
pub(crate) fn read_node_table(path: &Path, settings: &TableSettings) -> Result<NodeTable> {
    let mut table = rows::read(&Source::path(path), &settings.node_options())?;
    let ids = take_ids(path, &mut table, settings)?;
    let label = settings.label_column.as_str();
    expect_column(path, &table, label, "table.label-column")?;
    for listed in settings.keep.iter().chain(&settings.categorical) {
        table.column(listed)?;
    }
    let options = LabelOptions {
        classes: settings.classes.as_deref(),
        unlabelled: Unlabelled::Keep,
    };
    let labels = label::read(&table, label, &options)?;
    let kinds = kinds(&table, label, &labels, settings)?;
    let asked = [settings.keep.as_slice(), settings.categorical.as_slice()].concat();
    let mut found = suspicious::find(&table, &kinds, Some((label, &labels.codes)), &asked);
    let constants = keep_constants(&table, &kinds, &mut found);
    let mut schema = FeatureSchema::of(&table, &kinds, label, &found, settings)?;
    let (features, met) = read_features(&table, &mut schema, true)?;

    let mut summary = Summary::of(&table, &kinds, Some(label)).with_labels(&labels);
    summary.unlabelled = labels.unlabelled;
    add_id_column(&mut summary, &settings.id_column);
    for finding in found.iter().filter(|f| f.left_out) {
        let at = table.position(&finding.column)?;
        summary.leave_out(&finding.column, kinds[at]);
    }
    summary.notes.extend(labels.note(&options));
    let dates = "read as numbers: year, month, day, weekday and, where there are times, hour";
    summary
        .notes
        .extend(suspicious::lines(&found, "table.", dates));
    summary.notes.extend(constants);
    summary.notes.extend(notes_of(&schema));
    Ok(NodeTable {
        ids,
        labels,
        features,
        large: large(&schema, &met),
        schema,
        summary,
    })
}

/// Reads the nodes of a graph whose labels are to be predicted: their names, their features by the schema of the
/// graph that was trained on, and remarks for the user. Ignores all other columns.
pub(crate) fn read_new_nodes(
    path: &Path,
    settings: &TableSettings,
    schema: &FeatureSchema,
) -> Result<(NodeIds, Features, Vec<String>)> {
    let names = schema.columns.iter().map(|column| column.name.clone());
    let options = ReadOptions {
        ignore: Vec::new(),
        only: Some(names.chain([settings.id_column.clone()]).collect()),
        usual_decimal: Some(schema.decimal),
        ..settings.node_options()
    };
    let mut table = rows::read(&Source::path(path), &options)?;
    let ids = take_ids(path, &mut table, settings)?;
    let mut schema = schema.clone();
    let (features, met) = read_features(&table, &mut schema, false)?;
    let mut lines = table.said().to_vec();
    lines.extend(said(&schema, &met));
    Ok((ids, features, lines))
}

/// Reads the ids and removes their column, because it is not a feature.
fn take_ids(path: &Path, table: &mut RawTable, settings: &TableSettings) -> Result<NodeIds> {
    let name = settings.id_column.as_str();
    expect_column(path, table, name, "table.id-column")?;
    let ids = NodeIds::read(table, table.column(name)?)?;
    table.retain_columns(|column| column.name != name);
    Ok(ids)
}

/// Fails if there is no column `wanted`. The error lists the columns and names the setting that chooses another one.
pub(crate) fn expect_column(
    path: &Path,
    table: &RawTable,
    wanted: &str,
    setting: &str,
) -> Result<()> {
    match table.find(wanted) {
        Some(_) => Ok(()),
        None => Err(Error::file(
            path,
            format!(
                "no column {} among {}; name the right one in the setting {setting} (where the first row is no header, set \
                 {}header to absent)",
                rows::shown(wanted),
                list(table.names()),
                table.prefix()
            ),
        )),
    }
}

/// The kind of each column. A column that is listed as categorical gets the kind it would otherwise have, even if
/// there is a word among its numbers.
fn kinds(
    table: &RawTable,
    label: &str,
    labels: &Labels,
    settings: &TableSettings,
) -> Result<Vec<Kind>> {
    let kinds: Vec<rows::Result<Kind>> = table
        .columns()
        .par_iter()
        .map(|column| match column.name == label {
            true => Ok(labels.kind),
            false if settings.categorical.contains(&column.name) => {
                Ok(table.kind(column).unwrap_or(Kind::Category))
            }
            false => table.kind(column),
        })
        .collect();
    Ok(kinds.into_iter().collect::<rows::Result<_>>()?)
}

/// Keeps columns with the same number for every node. In a table of rows they carry no information, but message
/// passing turns them into a number that depends on a node's neighbours.
fn keep_constants(table: &RawTable, kinds: &[Kind], found: &mut Vec<Finding>) -> Option<String> {
    let numeric = |name: &str| {
        let at = table.columns().iter().position(|c| c.name == name);
        at.is_some_and(|at| matches!(kinds[at], Kind::Number(_) | Kind::Boolean))
    };
    let (constants, others): (Vec<_>, Vec<_>) = std::mem::take(found)
        .into_iter()
        .partition(|f| f.oddity == Oddity::Constant && f.left_out && numeric(&f.column));
    *found = others;
    let names: Vec<&str> = constants.iter().map(|f| f.column.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "the same number in every row: used, because message passing makes it depend on a node's neighbours: {}",
            list(names)
        )
    })
}

fn add_id_column(summary: &mut Summary, name: &str) {
    summary.column_count += 1;
    summary.kinds.insert("node id".to_owned(), 1);
    let column = ColumnSummary {
        name: name.to_owned(),
        kind: "node id".to_owned(),
        ..ColumnSummary::default()
    };
    summary.columns.insert(0, column);
}

/// Describes how columns became features.
fn notes_of(schema: &FeatureSchema) -> Vec<String> {
    let columns = &schema.columns;
    let mut notes = Vec::new();
    let words: Vec<&str> = columns
        .iter()
        .filter(|column| matches!(column.reading, Reading::Words { .. }))
        .map(|column| column.name.as_str())
        .collect();
    if !words.is_empty() {
        notes.push(format!(
            "one feature a word (1 where the node has it): {}",
            list(words)
        ));
    }
    let missing: Vec<&str> = columns
        .iter()
        .filter(|column| column.missing)
        .map(|column| column.name.as_str())
        .collect();
    if !missing.is_empty() {
        notes.push(format!(
            "missing cells: a number becomes its column's mean, a word none of the words, and one more feature a column \
             says where they are: {}",
            list(missing)
        ));
    }
    notes.push(format!("{} features a node", schema.width()));
    notes
}

fn large(schema: &FeatureSchema, met: &[Met]) -> Option<(Vec<String>, f32)> {
    let columns = schema.columns.iter().zip(met);
    let some: Vec<(&str, f32)> = columns
        .filter(|(_, met)| met.largest > LARGE)
        .map(|(column, met)| (column.name.as_str(), met.largest))
        .collect();
    let largest = some.iter().map(|(_, size)| *size).fold(0.0, f32::max);
    let names = some.iter().map(|(name, _)| (*name).to_owned()).collect();
    (!some.is_empty()).then_some((names, largest))
}
