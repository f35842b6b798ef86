//! The runner's door to graphs: a dataset's name (or path) and settings go in, a run's record comes out.
use crate::compact::compacted;
use crate::load::{own_checksums, read_graph, resolve_split, split_folder, usual_split};
use crate::normalise::scale_features;
use crate::settings::{FeatureScaling, GraphSettings};
use crate::{Error, Gcn, Graph, GraphModel, GraphTask, LinearHead, NodeSplit, Result, sizes};
use candle_core::Device;
use l0gm_data::{Catalogue, Resolved};
use l0gm_gate::{Gate, GateKind, Granularity};
use l0gm_ops::Generator;
use l0gm_train::settings::merge_settings;
use l0gm_train::{
    DataSummary, Encoder, Expected, Hyperparameter, Modality, Profile, RunContext, RunRecord,
    RunSpec, Split, Task, run_experiment, usual_setting_of,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Catalogue names, the default first.
const DATASETS: [&str; 3] = ["amazon-computers", "amazon-photo", "ogbn-products"];

/// Node classification on graphs.
#[derive(Clone, Debug)]
pub struct GraphModality {
    catalogue: Catalogue,
}

impl GraphModality {
    /// Datasets come from `catalogue`, or from a path.
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue }
    }

    fn resolve(&self, dataset: &str) -> Result<Resolved> {
        let path = Path::new(dataset);
        if !self.catalogue.names("graph").contains(&dataset) && path.exists() {
            return Ok(Resolved {
                name: dataset.into(),
                dir: path.into(),
                twin: false,
                source: format!("files in {dataset}"),
                checksums: BTreeMap::new(),
            });
        }
        Ok(self.catalogue.dataset(dataset)?)
    }

    /// Reads and splits a run's graph and puts it on a device.
    pub(crate) fn load(
        &self,
        spec: &RunSpec,
        settings: &GraphSettings,
        device: &Device,
    ) -> Result<LoadedGraph> {
        let mut resolved = self.resolve(&spec.dataset)?;
        if resolved.twin != spec.twin {
            let kind = |twin| if twin { "the twin" } else { "real" };
            return Err(Error::Setting(format!(
                "{} was {} when this run was planned and now is {}; plan it again",
                spec.dataset,
                kind(spec.twin),
                kind(resolved.twin)
            )));
        }
        if resolved.checksums.is_empty() {
            resolved.checksums = own_checksums(&resolved.dir, &settings.table)?;
        }
        let mut graph = read_graph(&resolved.dir, &settings.table)?;
        let split = NodeSplit::load(&split_folder(&resolved.dir), graph.nodes(), &settings.split)?;
        scale_features(&mut graph, settings.features);
        let task = GraphTask::new(&graph, split, device)?;
        Ok(LoadedGraph {
            graph,
            task,
            resolved,
        })
    }
}

/// A run's graph, ready for a model.
pub(crate) struct LoadedGraph {
    /// With its features scaled.
    pub(crate) graph: Graph,
    /// With its split.
    pub(crate) task: GraphTask,
    /// Where it came from.
    pub(crate) resolved: Resolved,
}

/// The settings of a profile before anybody's overrides.
pub fn profile_settings(profile: Profile) -> GraphSettings {
    let mut settings = GraphSettings::default();
    if profile == Profile::Quick {
        settings.gcn.width = QUICK_WIDTH;
        settings.train.epochs = QUICK_EPOCHS;
        // What `quick` had before the whole recipe was searched: the search says nothing of 80 epochs.
        settings.gcn.dropout = QUICK_DROPOUT;
        settings.gate.initial_open = QUICK_OPEN;
        let train = &mut settings.train;
        train.optimiser.learning_rate = QUICK_LEARNING_RATE;
        train.optimiser.weight_decay = 0.0;
        train.optimiser.gate_travel = QUICK_TRAVEL;
        train.schedule.ramp = QUICK_RAMP;
    }
    settings
}

const QUICK_WIDTH: usize = 128;
const QUICK_EPOCHS: usize = 80;
const QUICK_LEARNING_RATE: f64 = 5e-3;
const QUICK_DROPOUT: f64 = 0.5;
const QUICK_OPEN: f64 = 0.92;
const QUICK_TRAVEL: f64 = 250.0;
const QUICK_RAMP: f64 = 0.1;

/// What the settings reduce against the full recipe, in words.
fn reductions(settings: &GraphSettings) -> Vec<String> {
    let full = GraphSettings::default();
    let mut said = Vec::new();
    if settings.gcn.width < full.gcn.width {
        said.push(format!(
            "width {} of {}",
            settings.gcn.width, full.gcn.width
        ));
    }
    let (rate, full_rate) = (
        settings.train.optimiser.learning_rate,
        full.train.optimiser.learning_rate,
    );
    if settings.train.epochs < full.train.epochs && rate > full_rate {
        said.push(format!(
            "learning rate {rate} instead of {full_rate}, dropout {} instead of {}",
            settings.gcn.dropout, full.gcn.dropout
        ));
    }
    if settings.train.epochs < full.train.epochs {
        said.push(format!(
            "{} of {} epochs",
            settings.train.epochs, full.train.epochs
        ));
    }
    said
}

/// A model as a spec describes it, initialised from the run's seed.
pub fn build_model(
    graph: &Graph,
    settings: &GraphSettings,
    gated: bool,
    seed: u64,
    device: &Device,
) -> Result<GraphModel> {
    let mut generator = Generator::new(seed).stream("init", 0);
    let mut encoder = Gcn::new(
        graph.features().columns(),
        &settings.gcn,
        &mut generator,
        device,
    )?;
    if gated && settings.gate.granularity == Granularity::Fine {
        encoder = encoder.with_gates(&settings.gate, &settings.train.schedule, device)?;
    }
    let interface = encoder.interface();
    let head = LinearHead::new(
        interface.width(),
        graph.classes().len(),
        &mut generator,
        device,
    )?;
    let gate = if gated {
        Gate::new(interface, &settings.gate, &settings.train.schedule, device)?
    } else {
        Gate::identity(interface)
    };
    Ok(GraphModel {
        encoder,
        gate,
        head,
    })
}

/// What any table must say of these settings.
fn notes(settings: &GraphSettings, gated: bool) -> Vec<String> {
    let scaling = match settings.features {
        FeatureScaling::None => "features as they are",
        FeatureScaling::Row => "each node's features divided by their sum",
        FeatureScaling::Standard => "features standardised over all nodes",
    };
    let last = if settings.gcn.norm_last {
        "last layer ends in layer normalisation: compaction keeps what its variance needs"
    } else {
        "last layer has no normalisation: compaction drops its closed channels"
    };
    let mut notes = vec![
        format!("split {}", settings.split.kind),
        format!(
            "GCN of {} layers, width {}, interface {}, full batch, one epoch is one step, {scaling}",
            settings.gcn.layers, settings.gcn.width, settings.gcn.interface_width
        ),
        last.into(),
    ];
    if gated && settings.gate.granularity == Granularity::Fine {
        notes.push(
            "fine gates: one a channel of the raw node attributes and of every layer; not compacted".into(),
        );
    }
    if gated && settings.gate.kind == GateKind::Conditional {
        notes.push("conditional gates: log_alpha = a + W r; not compacted".into());
    }
    if gated {
        notes.extend(settings.train.target_note());
    }
    notes
}

pub(crate) fn settings_of(spec: &RunSpec) -> Result<GraphSettings> {
    let settings: GraphSettings = merge_settings(&GraphSettings::default(), &spec.settings)?;
    settings.check()?;
    Ok(settings)
}

impl Modality for GraphModality {
    fn name(&self) -> &'static str {
        "graph"
    }

    fn datasets(&self) -> Vec<String> {
        DATASETS.map(String::from).to_vec()
    }

    fn methods(&self) -> Vec<String> {
        vec!["dense".into(), "l0gm".into()]
    }

    fn spec_expecting(
        &self,
        dataset: &str,
        method: &str,
        lambda: Option<f64>,
        seed: u64,
        profile: Profile,
        overrides: &serde_json::Value,
        expected: Expected,
    ) -> l0gm_train::Result<RunSpec> {
        if !self.methods().iter().any(|m| m == method) {
            return Err(Error::Setting(format!(
                "no method {method:?} for graphs; there are dense and l0gm"
            ))
            .into());
        }
        let gated = method == "l0gm";
        if !gated && lambda.is_some() {
            return Err(Error::Setting("method dense has no gate and so no lambda".into()).into());
        }
        let mut settings: GraphSettings = merge_settings(&profile_settings(profile), overrides)?;
        let lambda = if gated {
            let default = settings.train.objective.lambda;
            settings.train.gated_lambda(lambda, Some(default))?
        } else {
            None
        };
        settings.train.objective.lambda = lambda.unwrap_or(0.0);
        settings.check()?;
        let twin = match expected.missing_twin {
            Some(twin) => {
                if settings.split.kind == "auto" {
                    let entry = self.catalogue.entry(dataset).map_err(Error::from)?;
                    settings.split.kind = usual_split(&entry.splits, Path::new(dataset))?;
                }
                twin
            }
            None => {
                let resolved = self.resolve(dataset)?;
                if profile == Profile::Paper && resolved.twin {
                    return Err(Error::Setting(format!(
                        "the profile paper refuses twins, and {dataset} is not at hand ({}); give --data-dir or use the profile quick",
                        resolved.source
                    ))
                    .into());
                }
                resolve_split(&resolved.dir, &mut settings)?;
                resolved.twin
            }
        };
        Ok(RunSpec {
            modality: self.name().into(),
            dataset: dataset.into(),
            method: method.into(),
            lambda,
            seed,
            twin,
            settings: serde_json::to_value(&settings).map_err(|e| Error::Setting(e.to_string()))?,
        })
    }

    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        match hyperparameter {
            Hyperparameter::Dropout => Some("gcn.dropout"),
            // Full batch.
            Hyperparameter::BatchSize => None,
            other => usual_setting_of(other),
        }
    }

    fn estimate(&self, spec: &RunSpec) -> l0gm_train::Result<Duration> {
        let settings = settings_of(spec)?;
        // Nodes, stored entries and features; of a graph of one's own nothing is known before reading.
        let (nodes, entries, features) = match spec.dataset.as_str() {
            "amazon-photo" => (7_650.0, 245_812.0, 745.0),
            "ogbn-products" => (2_449_029.0, 126_167_309.0, 100.0),
            _ => (13_752.0, 505_474.0, 767.0),
        };
        let width = settings.gcn.width as f64;
        let rounds = settings.gcn.layers as f64 - 1.0;
        // 200 GFLOP/s through dense products and 30 through sparse ones on two cores, three passes an epoch
        // (forward, and backward twice as much), and the elementwise work between: a little above the 45 to
        // 60 seconds that a run of amazon-computers took where it had the machine to itself.
        let dense = 2.0 * nodes * width * (features + rounds * width) / 200e9;
        let sparse = 2.0 * entries * width * rounds / 30e9;
        let between = nodes * width * (rounds + 1.0) * 1.5e-9;
        let epoch = 3.0 * (dense + sparse) + between;
        let seconds = 2.0
            + settings.train.epochs as f64
                * epoch
                * (1.0 + 0.4 / settings.train.validate_every.max(1) as f64);
        Ok(Duration::from_secs_f64(seconds))
    }

    fn run(&self, spec: &RunSpec, context: &mut RunContext<'_>) -> l0gm_train::Result<RunRecord> {
        let settings = settings_of(spec)?;
        let LoadedGraph {
            graph,
            task,
            resolved,
        } = self.load(spec, &settings, &context.device)?;
        let model = build_model(
            &graph,
            &settings,
            spec.method == "l0gm",
            spec.seed,
            &context.device,
        )?;
        let rows = [
            ("train", Split::Train),
            ("valid", Split::Valid),
            ("test", Split::Test),
        ]
        .map(|(name, split)| (name.to_string(), task.rows(split)));
        let data = DataSummary {
            twin: resolved.twin,
            source: resolved.source,
            checksums: resolved.checksums,
            rows: rows.into_iter().collect(),
            classes: graph.classes().to_vec(),
            reductions: reductions(&settings),
            notes: notes(&settings, spec.method == "l0gm"),
        };
        let entries = task.graph().propagation().matrix().values().len();
        let model_sizes = sizes(&model, graph.nodes(), entries);
        let shrink = |model: &GraphModel| Ok(Some(compacted(model, &task, &settings)?));
        run_experiment(
            spec,
            data,
            &[],
            &task,
            &model,
            &settings.train,
            model_sizes,
            shrink,
            context,
        )
    }

    fn timed(
        &self,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> l0gm_train::Result<l0gm_train::TimedRun> {
        Ok(crate::timed::timed(self, spec, dir, device)?)
    }
}
