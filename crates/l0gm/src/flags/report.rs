//! The flags of `report`.

use super::FormatFlag;
use clap::Args;
use std::path::PathBuf;

/// Flags of `report`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Several folders, of several machines, are joined into --out: its finished
cells, the failures that none of them made good, and one report. A cell that
two folders hold must have the same results, else the report says where they
differ (the first folder's are taken); of different data it is refused.

Examples:
  cargo xtask report out/quick
      Writes out/quick/report.html, report.md, tables and figures again.
  cargo xtask report node1/out node2/out --out out/joined
      One report of what two machines did.
  cargo xtask report out/paper --publish results/mine
      Also writes report.md, figures as SVG and tables as CSV there, small
      enough for a repository.
  cargo xtask report out/quick --format json | jq '.tables | keys'
      The tables of the report for a program, with all digits.")]
pub struct ReportFlags {
    /// Output folders of `reproduce` and `run`.
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// Folder for the joined results; may be one of the joined folders. Default: the folder itself if there is only
    /// one.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder for a copy to keep in a repository: report.md, figures as SVG, tables as CSV.
    #[arg(long, value_name = "DIR")]
    pub publish: Option<PathBuf>,
    /// Print one line for people, or the tables of the report as one JSON object.
    #[arg(long, value_enum, default_value = "text")]
    pub format: FormatFlag,
}
