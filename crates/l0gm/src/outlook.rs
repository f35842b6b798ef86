//! Predicts what a run would do about a missing dataset: download it, or use its twin. A dry run asks this instead of
//! opening the catalogue, which would download and generate.

use candle_core::Device;
use l0gm_data::{Catalogue, DataOptions, Entry, Error, FetchPolicy, Resolved, Source};
use l0gm_train::{
    DataLook, Expected, Hyperparameter, MethodInfo, Modality, RunContext, RunRecord, RunSpec,
    SpecRequest, TimedRun,
};
use std::path::Path;
use std::time::Duration;

/// The state of a dataset in the catalogue.
pub enum Standing {
    /// Its files are present.
    Here(Box<Resolved>),
    /// A run would download it from this address.
    ToDownload(String),
    /// A run would use its twin.
    Twin,
    /// The dataset is not in the catalogue, damaged or unavailable; the modality explains which when it is asked.
    Unknown,
}

/// Inspects datasets without changing anything.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The options of the run that is predicted.
    options: DataOptions,
    local: Catalogue,
}

impl Outlook {
    /// Predicts a run with these options.
    pub fn new(options: &DataOptions) -> anyhow::Result<Self> {
        Ok(Self {
            options: options.clone(),
            local: Catalogue::new(DataOptions {
                fetch: FetchPolicy::LocalOnly,
                allow_twin: false,
                force_twin: false,
                ..options.clone()
            })?,
        })
    }

    /// The catalogue restricted to local files.
    pub fn local(&self) -> &Catalogue {
        &self.local
    }

    /// Whether the twin may be used if a download fails.
    pub fn allows_twins(&self) -> bool {
        self.options.allow_twin
    }

    /// Where one dataset would come from.
    pub fn of(&self, dataset: &str) -> Standing {
        let Ok(entry) = self.local.entry(dataset) else {
            return Standing::Unknown;
        };
        if self.options.force_twin {
            return Standing::Twin;
        }
        match self.local.dataset(dataset) {
            Ok(found) => Standing::Here(Box::new(found)),
            // The path is a file if the file is present but wrong; for a missing dataset it is the folder.
            Err(Error::File { path, .. }) if path.is_file() => Standing::Unknown,
            Err(_) => match self.download(entry) {
                Some(address) => Standing::ToDownload(address),
                None if self.options.allow_twin => Standing::Twin,
                None => Standing::Unknown,
            },
        }
    }

    /// The address from which a run would download pretrained weights; `None` if it would not.
    pub fn weights(&self, name: &str) -> Option<String> {
        let entry = self.local.entry(name).ok()?;
        match self.local.model(name) {
            Ok(None) => self.download(entry),
            _ => None,
        }
    }

    fn download(&self, entry: &Entry) -> Option<String> {
        let fetched = |source: &&Source| !matches!(source, Source::Manual { .. });
        match self.options.fetch {
            FetchPolicy::LocalOnly => None,
            FetchPolicy::Download => entry.sources.iter().find(fetched).map(Source::address),
        }
    }
}

/// A modality for planning, with predictions about data that are not present.
pub struct Looking {
    /// The modality, opened on [`Outlook::local`].
    pub modality: Box<dyn Modality>,
    /// Predicts what happens to missing data.
    pub outlook: Outlook,
}

impl Modality for Looking {
    fn name(&self) -> &'static str {
        self.modality.name()
    }

    fn datasets(&self) -> Vec<String> {
        self.modality.datasets()
    }

    fn methods(&self) -> Vec<MethodInfo> {
        self.modality.methods()
    }

    fn spec(&self, request: &SpecRequest<'_>) -> l0gm_train::Result<RunSpec> {
        let expected = Expected {
            missing_twin: match self.outlook.of(request.dataset) {
                Standing::Here(_) | Standing::Unknown => None,
                Standing::ToDownload(_) => Some(false),
                Standing::Twin => Some(true),
            },
            weights: self.outlook.options.fetch == FetchPolicy::Download,
        };
        self.modality.spec(&SpecRequest {
            expected,
            ..*request
        })
    }

    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        self.modality.setting_of(hyperparameter)
    }

    fn estimate(&self, spec: &RunSpec) -> l0gm_train::Result<Duration> {
        self.modality.estimate(spec)
    }

    fn shared_work(&self, spec: &RunSpec) -> l0gm_train::Result<Vec<(String, Duration)>> {
        self.modality.shared_work(spec)
    }

    fn look(&self, spec: &RunSpec) -> l0gm_train::Result<Option<DataLook>> {
        self.modality.look(spec)
    }

    fn run(&self, spec: &RunSpec, _: &mut RunContext<'_>) -> l0gm_train::Result<RunRecord> {
        Err(l0gm_train::Error::Setting(format!(
            "{} is only planned here, not run",
            spec.id()
        )))
    }

    fn timed(&self, spec: &RunSpec, dir: &Path, device: &Device) -> l0gm_train::Result<TimedRun> {
        self.modality.timed(spec, dir, device)
    }
}
