//! Opens the three modalities. This is the only file of the runner that names a modality crate.

use crate::outlook::{Looking, Outlook};
use l0gm_data::{Catalogue, DataOptions};
use l0gm_graph::GraphModality;
use l0gm_tabular::TabularModality;
use l0gm_text::TextModality;
use l0gm_train::{MethodInfo, Modality, ModalityParts};

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

/// Whether any modality has a method of this name that takes a lambda or a target.
pub(crate) fn has_knob(method: &str) -> bool {
    let mut all = methods().into_iter().flat_map(|(_, infos)| infos);
    all.any(|info| info.name == method && info.has_knob())
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
