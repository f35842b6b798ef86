//! An embedded criterion: boosted trees, by the sum of what all splits on a field gain. The trees are those of the method
//! `forust` with its defaults; a tenth of the training rows decides how many there are.

use super::TrainingRows;
use crate::boosted_trees::{BoostedTrees, Growth, LabelledCells, TreeSettings};
use crate::cells::RowCells;
use forust_ml::gradientbooster::ImportanceMethod;
use l0gm_train::{Result, RunContext};
use std::collections::BTreeMap;

/// Every field, the one with the largest gain first.
pub(super) fn rank(
    rows: &TrainingRows<'_>,
    _: usize,
    context: &mut RunContext<'_>,
) -> Result<Vec<usize>> {
    let (train, valid) = rows.parted();
    let part = |at: &[usize]| -> (Vec<RowCells>, Vec<u32>) {
        let rows = at
            .iter()
            .map(|&at| (rows.cells[at].clone(), rows.labels[at]));
        rows.unzip()
    };
    let (train, valid) = (part(&train), part(&valid));
    let growth = Growth {
        settings: &TreeSettings::default(),
        classes: rows.classes,
        seed: rows.seed,
        stage: "ranking columns",
    };
    let trees = BoostedTrees::fit(
        rows.encoding,
        labelled(&train),
        labelled(&valid),
        &growth,
        context,
    )?;
    let fields = trees.columns.fields();
    let mut gains = vec![0f64; rows.encoding.fields().len()];
    for booster in &trees.boosters {
        let of_columns = booster.calculate_feature_importance(ImportanceMethod::TotalGain, false);
        // Sums in a fixed order are the same in every run.
        let of_columns: BTreeMap<usize, f32> = of_columns.into_iter().collect();
        for (column, gain) in of_columns {
            gains[fields[column]] += f64::from(gain);
        }
    }
    Ok(super::best_first(&gains))
}

fn labelled((cells, labels): &(Vec<RowCells>, Vec<u32>)) -> LabelledCells<'_> {
    LabelledCells { cells, labels }
}
