//! Table 4: the machine and the software of the paper and of our runs.

use crate::format;
use crate::paper::Paper;
use crate::table::{Cell, Table, words};
use l0gm_train::RunRecord;
use std::collections::BTreeSet;

/// Key under which a record names its machine.
const MACHINE: &str = "machine";

pub(super) fn table(records: &[RunRecord], paper: &Paper) -> Table {
    let mut table = Table::new(
        "paper-table-4",
        "Table 4: the machine and the software",
        "",
        vec![
            words("what", "what"),
            words("paper", "paper"),
            words("ours", "ours"),
        ],
    );
    let all = |f: &dyn Fn(&RunRecord) -> Vec<String>| {
        let found: BTreeSet<String> = records.iter().flat_map(f).collect();
        format::list(&found.into_iter().collect::<Vec<_>>())
    };
    let versions = all(&|r| {
        let versions = r.versions.iter().filter(|(name, _)| *name != MACHINE);
        versions
            .map(|(name, version)| format!("{name} {version}"))
            .collect()
    });
    let devices = all(&|r| {
        let threads = if r.threads == 1 { "thread" } else { "threads" };
        vec![format!("{} with {} {threads}", r.device, r.threads)]
    });
    let machines = all(&|r| r.versions.get(MACHINE).cloned().into_iter().collect());
    let seeds = all(&|r| vec![r.spec.seed.to_string()]);
    let environment = &paper.environment;
    for (what, theirs, ours) in [
        ("machine", environment.gpu.clone(), machines),
        ("device", "one such GPU".to_owned(), devices),
        (
            "software",
            format!(
                "torch {}, CUDA {}, cuDNN {}",
                environment.torch, environment.cuda, environment.cudnn
            ),
            versions,
        ),
        ("seeds", "three, not named".to_owned(), seeds),
    ] {
        table.push(vec![Cell::text(what), Cell::text(theirs), Cell::text(ours)]);
    }
    table
}
