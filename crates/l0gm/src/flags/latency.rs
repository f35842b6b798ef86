//! The flags of `latency`.

use clap::Args;
use std::path::PathBuf;

/// Flags of `latency`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Reads an output folder of finished runs, builds each run's models again (the
trained one from its checkpoint, the compact one from its folder compact/),
holds them against the predictions of the run, and times their forward passes
in evaluation mode on one fixed batch of test rows. Dense, gated and compact
take turns: in each round every model makes 3 passes that are not counted and
up to 50 that are, and each round begins with another model. A baseline is
timed alone, from features at hand to logits. Loading, encoding and tokenising
are timed apart; so is a frozen text encoder, whose features the runs keep. A
graph is timed whole: its passes are full batch.

Of each point (method, lambda, settings) the lowest seed's run is taken, or
those of --seeds. The findings stand in DIR/latency, and DIR's report is
written again with them. Where the middle half of the rounds' medians is wider
than 1% of their median, a warning says that the third digit is noise: nothing
else should run meanwhile.

Examples:
  cargo xtask latency out/quick
      Every model of the quick tour.
  cargo xtask latency out/adult --lambda 1e-3,3e-3 --threads 1
      Two points of the frontier, on one thread.
  cargo xtask latency out/quick --modality graph --rounds 5
      One modality, with less patience.
  cargo xtask latency out/adult --peers
      Compact models of tables beside XGBoost, LightGBM, CatBoost and ONNX
      Runtime on one thread, once `cargo xtask methods install` was run.")]
pub struct LatencyFlags {
    /// Output folder of `reproduce` or `run`.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Only these modalities.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub modality: Vec<String>,
    /// Only these datasets.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub dataset: Vec<String>,
    /// Only gated runs with these weights of the penalty.
    #[arg(long, value_delimiter = ',', value_name = "X")]
    pub lambda: Vec<f64>,
    /// Runs with these seeds; default: the lowest seed of each point.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    pub seeds: Vec<u64>,
    /// Times the compact models beside other projects' programs instead, on
    /// one thread: trained as the rivals are, on the same rows, from encoded
    /// rows and from the raw cells of a CSV file.
    #[arg(long)]
    pub peers: bool,
    /// With --peers, seconds after which a program that gives no answer is
    /// ended, training included.
    #[arg(long, value_name = "S", default_value_t = 3600.0, requires = "peers")]
    pub time_limit: f64,
    /// Numbers of rows per batch; default: 1,64,1024, and with --peers
    /// 1,64,1024,65536.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    pub batch: Vec<usize>,
    /// Number of rounds; each model has one turn in a round.
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub rounds: usize,
    /// Device to compute on: cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Number of threads; default: RAYON_NUM_THREADS if it is set, else all cores.
    #[arg(long, value_name = "N")]
    pub threads: Option<String>,
    /// Folder of the datasets; default: L0GM_DATA_DIR if it is set, else datasets/cache.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Folder of pretrained models; default: L0GM_MODEL_DIR if it is set, else datasets/cache/models.
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
}
