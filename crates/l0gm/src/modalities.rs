//! Opens the three modalities. This is the only file of the runner that names a modality crate.

use crate::outlook::{Looking, Outlook};
use crate::usage::usage;
use candle_core::Device;
use l0gm_data::rows::Source;
use l0gm_data::{Catalogue, DataOptions};
use l0gm_graph::{CompactGraph, GraphModality};
use l0gm_report::Rivals;
use l0gm_tabular::{CompactTable, TabularModality};
use l0gm_text::{CompactText, TextModality};
use l0gm_train::{
    CompactFolder, CompactHeader, Decision, MethodInfo, Modality, ModalityParts, RowOptions,
    RowPredictor,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why a job is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// For inspection only: nothing is fetched, generated or run.
    Look,
    /// The job will be carried out.
    Run {
        /// Whether downloads may show progress bars.
        bars: bool,
    },
}

/// The modalities, as flags, settings files and records name them.
pub const NAMES: [&str; 3] = ["tabular", "text", "graph"];

/// The description of every method, by modality.
pub fn methods() -> [(&'static str, Vec<MethodInfo>); 3] {
    let infos = [
        TabularModality::METHODS.infos(),
        TextModality::METHODS.infos(),
        GraphModality::METHODS.infos(),
    ];
    let mut infos = infos.into_iter();
    NAMES.map(|name| (name, infos.next().unwrap_or_default()))
}

/// The methods that can be run for rows of the paper's tables.
pub fn rivals() -> Rivals {
    let methods = methods();
    Rivals::of(
        methods
            .iter()
            .map(|(name, infos)| (*name, infos.as_slice())),
    )
}

/// Whether any modality has a method of this name that takes a lambda or a target.
pub(crate) fn has_knob(method: &str) -> bool {
    let mut all = methods().into_iter().flat_map(|(_, infos)| infos);
    all.any(|info| info.name == method && info.has_knob())
}

/// Whether any modality has a method of this name that takes a lambda.
pub(crate) fn takes_lambda(method: &str) -> bool {
    let mut all = methods().into_iter().flat_map(|(_, infos)| infos);
    all.any(|info| info.name == method && info.takes_lambda())
}

/// Every modality, opened for this purpose.
///
/// # Errors
/// Fails if a folder that the options name does not exist.
pub fn of(options: &DataOptions, purpose: Purpose) -> anyhow::Result<Vec<Box<dyn Modality>>> {
    match purpose {
        Purpose::Look => looking(options),
        Purpose::Run { .. } => all(options),
    }
}

/// Every modality, in the order of plans and reports.
pub fn all(options: &DataOptions) -> anyhow::Result<Vec<Box<dyn Modality>>> {
    Ok(on(&Catalogue::new(options.clone())?))
}

/// Like [`all`], for inspecting a plan: missing data are neither fetched nor generated.
pub fn looking(options: &DataOptions) -> anyhow::Result<Vec<Box<dyn Modality>>> {
    let outlook = Outlook::new(options)?;
    let looking = |modality| -> Box<dyn Modality> {
        Box::new(Looking {
            modality,
            outlook: outlook.clone(),
        })
    };
    Ok(on(outlook.local()).into_iter().map(looking).collect())
}

fn on(catalogue: &Catalogue) -> Vec<Box<dyn Modality>> {
    vec![
        Box::new(TabularModality::new(catalogue.clone())),
        Box::new(TextModality::new(catalogue.clone())),
        Box::new(GraphModality::new(catalogue.clone())),
    ]
}

/// Number of rows of a table that are predicted at once.
const TABLE_ROWS: usize = 16_384;
/// Number of texts that are predicted at once. They are sorted by length among each other.
const TEXT_ROWS: usize = 1024;

/// New rows, and the model that predicts them.
#[derive(Debug)]
pub struct NewRows<'a> {
    /// The folder of a compact model.
    pub model: &'a Path,
    /// A file of rows, `-` for standard input, or a graph's folder.
    pub new: &'a str,
    /// Columns whose cells are handed on.
    pub keep: &'a [String],
    /// Character between cells, if it is given.
    pub separator: Option<char>,
    /// Column of the texts, if it is given.
    pub text_column: Option<&'a str>,
    /// Folder of a frozen encoder, if it is given.
    pub encoder: Option<&'a Path>,
    /// Where pretrained models are.
    pub data: DataOptions,
    /// Device to compute on.
    pub device: &'a Device,
}

/// The predictor of new rows, by the modality that the model's header names.
///
/// # Errors
/// The model or the rows cannot be read, or a flag does not fit the modality.
pub fn row_predictor(rows: &NewRows<'_>) -> anyhow::Result<Box<dyn RowPredictor>> {
    let modality = CompactHeader::read(rows.model)?.modality;
    if rows.separator.is_some_and(|c| !c.is_ascii()) {
        return Err(usage("--separator: expected one ASCII character"));
    }
    if modality != "text" && (rows.text_column.is_some() || rows.encoder.is_some()) {
        return Err(usage(format!(
            "--text-column and --encoder are for texts; this is a model of modality {modality}"
        )));
    }
    let options = |most| RowOptions {
        keep: rows.keep.to_vec(),
        rows: most,
        separator: rows.separator,
    };
    let source = Source::named(rows.new);
    Ok(match modality.as_str() {
        "tabular" => {
            let model = CompactTable::load(rows.model, rows.device)?;
            Box::new(model.stream(&source, &options(TABLE_ROWS))?)
        }
        "text" => {
            let encoder = encoder(rows.model, rows.encoder, &rows.data)?;
            let model = CompactText::load(rows.model, encoder.as_deref(), rows.device)?;
            let column = rows.text_column.or(model.text_column()).unwrap_or("text");
            let column = column.to_owned();
            Box::new(model.stream(&source, &column, &options(TEXT_ROWS))?)
        }
        "graph" => {
            if rows.new == "-" || !rows.keep.is_empty() || rows.separator.is_some() {
                return Err(usage(
                    "a graph is a folder, and its nodes are named by their ids: no -, --keep or --separator",
                ));
            }
            let model = CompactGraph::load(rows.model, rows.device)?;
            Box::new(model.stream(Path::new(rows.new)))
        }
        other => anyhow::bail!(
            "{}: a model of modality {other:?}, which this version does not know",
            rows.model.display()
        ),
    })
}

/// The folder of the encoder that a text model needs and does not hold.
fn encoder(
    model: &Path,
    given: Option<&Path>,
    data: &DataOptions,
) -> anyhow::Result<Option<PathBuf>> {
    let (None, Some(name)) = (given, CompactText::encoder_elsewhere(model)?) else {
        return Ok(given.map(Path::to_owned));
    };
    if Path::new(&name).is_dir() {
        return Ok(Some(name.into()));
    }
    let found = Catalogue::new(data.clone())?.model(&name)?;
    match found.filter(|found| !found.twin) {
        Some(found) => Ok(Some(found.dir)),
        None => Err(usage(format!(
            "the model needs the encoder {name:?}, which is not in the folder of models; give its folder with \
             --encoder, or set --model-dir or L0GM_MODEL_DIR"
        ))),
    }
}

/// Copies the compact model in `from` to the folder `to` with a decision, so that it needs nothing else: a frozen
/// encoder is copied too. A model in `to` is replaced as a whole.
///
/// # Errors
/// Those of [`CompactFolder::export`], or the encoder is not there.
pub fn export_model(
    from: &Path,
    to: &Path,
    decision: Option<Decision>,
    data: &DataOptions,
) -> anyhow::Result<()> {
    let mut further = BTreeMap::new();
    if CompactHeader::read(from)?.modality == "text"
        && let Some(encoder) = encoder(from, None, data)?
    {
        further = CompactText::encoder_files(from, &encoder)?;
    }
    Ok(CompactFolder::export_with(from, to, decision, &further)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_names_are_the_modalities() {
        let modalities = all(&DataOptions::default()).unwrap();
        let names: Vec<&str> = modalities.iter().map(|modality| modality.name()).collect();
        assert_eq!(names, NAMES);
    }
}
