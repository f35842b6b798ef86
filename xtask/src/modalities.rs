//! The three doors of the runner. This is the only file that names a modality crate.

use crate::plan::Plan;
use crate::usage::usage;
use l0gm_data::{Catalogue, DataOptions};
use l0gm_graph::GraphModality;
use l0gm_tabular::TabularModality;
use l0gm_text::TextModality;
use l0gm_train::Modality;

/// Every modality, in the order of plans and reports.
pub(crate) fn all(options: &DataOptions) -> anyhow::Result<Vec<Box<dyn Modality>>> {
    let catalogue = Catalogue::new(options.clone())?;
    Ok(vec![
        Box::new(TabularModality::new(catalogue.clone())),
        Box::new(TextModality::new(catalogue.clone())),
        Box::new(GraphModality::new(catalogue)),
    ])
}

/// With `--twin` every dataset must be one.
pub(crate) fn check_all_twins(plan: &Plan) -> anyhow::Result<()> {
    match plan.data().iter().find(|(_, _, twin)| !twin) {
        None => Ok(()),
        Some((dataset, ..)) => Err(usage(format!(
            "--twin: {dataset} is a file of its own and has no twin; leave --twin out"
        ))),
    }
}
