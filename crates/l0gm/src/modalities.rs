//! The three doors of the runner. This is the only file that names a modality crate.

use crate::outlook::{Looking, Outlook};
use l0gm_data::{Catalogue, DataOptions};
use l0gm_graph::GraphModality;
use l0gm_tabular::TabularModality;
use l0gm_text::TextModality;
use l0gm_train::{MethodInfo, Modality, ModalityParts};

/// What a job is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be looked at: nothing is fetched, generated or run.
    Look,
    /// To be carried out.
    Run {
        /// Whether downloads may draw bars.
        bars: bool,
    },
}

/// Their names.
pub const NAMES: [&str; 3] = ["tabular", "text", "graph"];

/// What is known of every method, by modality.
pub fn methods() -> [(&'static str, Vec<MethodInfo>); 3] {
    let infos = [
        TabularModality::METHODS.infos(),
        TextModality::METHODS.infos(),
        GraphModality::METHODS.infos(),
    ];
    let mut infos = infos.into_iter();
    NAMES.map(|name| (name, infos.next().unwrap_or_default()))
}

/// Whether a method of that name takes a lambda or a target in any modality.
pub(crate) fn has_knob(method: &str) -> bool {
    let mut all = methods().into_iter().flat_map(|(_, infos)| infos);
    all.any(|info| info.name == method && info.has_knob())
}

/// Every modality, as a job of this purpose sees it.
///
/// # Errors
/// A folder of the options that is not there.
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

/// The same for a plan alone: what is not here is neither fetched nor made.
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
