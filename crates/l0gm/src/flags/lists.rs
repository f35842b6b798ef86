//! The flags of the commands that list what there is: `datasets` and `methods`.

use super::FormatFlag;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Where `datasets` looks for data and models.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask datasets
      Every dataset and model by name, and where it is found or would be.
  cargo xtask datasets --data-dir ~/data
      The same for a folder of your own.
  cargo xtask datasets --data-dir ~/data --model-dir ~/models
      Pretrained models from another folder.")]
pub struct DatasetsFlags {
    /// Folder of the datasets; default: L0GM_DATA_DIR if it is set, else datasets/cache.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Folder of pretrained models; default: L0GM_MODEL_DIR if it is set, else datasets/cache/models.
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
}

/// What `methods` lists, and how.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask methods
      What --method takes, with the source of each.
  cargo xtask methods --modality tabular,text
      Those of two modalities.
  cargo xtask methods install
      Makes a virtual environment with XGBoost, LightGBM and CatBoost for
      Python in L0GM_RIVALS_DIR (default: datasets/cache/rivals).
  cargo xtask methods --format json | jq -r '.[][].name'
      Their names, one a line.")]
pub struct MethodsFlags {
    /// What to do instead of listing.
    #[command(subcommand)]
    pub action: Option<MethodsAction>,
    /// List only the methods of these modalities: tabular, text, graph.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub modality: Vec<String>,
    /// How the list is printed.
    #[arg(long, value_enum, default_value = "text")]
    pub format: FormatFlag,
}

/// What `methods` does besides listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum MethodsAction {
    /// Install the tools of other projects that runs are compared with; needs Python 3.11 and a network.
    Install,
}
