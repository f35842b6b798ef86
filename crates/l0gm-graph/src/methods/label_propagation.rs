//! Label propagation: what the edges alone tell of a node's class, without its attributes. It shows how much a network on
//! both may owe to the graph.

use crate::estimate_hops;
use crate::extent::Extent;
use crate::label_propagation::{KnownNodes, LabelSettings, Propagated, propagate_labels};
use crate::{GraphModality, GraphSettings};
use candle_core::Device;
use l0gm_train::{
    Condition, Error, Experiment, Fitted, Knob, Latency, Method, MethodInfo, Offered, Outcome,
    Perturbed, PredictionTable, Predictor, ProgressEvent, Result, Role, RunContext, RunRecord,
    RunSpec, Sizes, Split, Task,
};
use serde_json::Value;
use std::time::{Duration, Instant};

pub(super) struct LabelPropagation;

const NAME: &str = "label-propagation";

impl Method<GraphModality> for LabelPropagation {
    fn info(&self) -> MethodInfo {
        MethodInfo {
            name: NAME.into(),
            label: "label propagation".into(),
            summary: "classes spread from training nodes along edges; no attribute is read".into(),
            source: "Zhou et al. 2004; Zhu and Ghahramani 2002".into(),
            // Studies that were planned before it existed stay as they are, so it is asked for by name.
            role: Role::Rival,
            gated: false,
            knob: Knob::None,
            rival_of: None,
            needs: None,
        }
    }

    fn settings(&self) -> Value {
        serde_json::to_value(LabelSettings::default()).unwrap_or_default()
    }

    fn check(&self, settings: &Value) -> Result<()> {
        LabelSettings::from_value(NAME, settings)?;
        Ok(())
    }

    fn estimate(&self, modality: &GraphModality, spec: &RunSpec) -> Result<Duration> {
        let settings: GraphSettings = spec.modality_settings()?;
        let own = LabelSettings::from_value(NAME, &spec.method_settings()?)?;
        let extent = Extent::of(modality, &spec.dataset, &settings);
        Ok(estimate_hops::label_propagation(&extent, &own))
    }

    fn run(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings: GraphSettings = spec.modality_settings()?;
        let own = LabelSettings::from_value(NAME, &spec.method_settings()?)?;
        let loaded = modality.load(spec, &settings, &Device::Cpu)?;
        context.progress.found(&loaded.summary.to_string());
        let notes = vec![format!("split {}", settings.split.kind)];
        let experiment = Experiment {
            spec,
            method: self.info(),
            data: loaded.data_summary(Vec::new(), notes),
            origins: Some(loaded.origins.clone()),
            robustness: settings.train.robustness,
        };
        let (graph, task) = (&loaded.graph, &loaded.task);
        let fit = |_: l0gm_train::Sitting<'_>, context: &mut RunContext<'_>| {
            let began = Instant::now();
            let nodes = |split| task.input(split).rows.ids().to_vec1::<u32>();
            let labels = [
                task.labels(Split::Train)?,
                task.labels(Split::Valid)?,
                task.labels(Split::Test)?,
            ];
            let (train, valid, test) = (
                nodes(Split::Train)?,
                nodes(Split::Valid)?,
                nodes(Split::Test)?,
            );
            let known = |nodes, split: Split| KnownNodes {
                nodes,
                labels: &labels[split as usize],
            };
            let progress = &mut *context.progress;
            let tried = |trial| {
                progress.event(&ProgressEvent {
                    stage: "training",
                    step: trial,
                    steps: own.alphas.len(),
                    loss: None,
                    metric: None,
                    active_fraction: None,
                });
            };
            let parts = (
                known(&train, Split::Train),
                known(&valid, Split::Valid),
                &test[..],
            );
            let (adjacency, classes) = (graph.adjacency(), task.classes());
            let stop = &context.stop;
            let chosen = propagate_labels(adjacency, classes, parts, &own, tried, stop)?;
            let mut outcome = Outcome::without_epochs(began.elapsed().as_secs_f64());
            outcome.notes.push(note(&chosen, &own));
            Ok(Fitted {
                predictor: Spread {
                    chosen,
                    labels,
                    classes,
                },
                outcome,
            })
        };
        experiment.run(fit, context)
    }
}

fn note(chosen: &Propagated, own: &LabelSettings) -> String {
    let tried: Vec<String> = own.alphas.iter().map(f64::to_string).collect();
    let ended = match chosen.converged {
        true => "until nothing changed",
        false => "at most as many as allowed",
    };
    format!(
        "alpha {} of {}, class frequencies mixed in with share {}, {} iterations ({ended}), validation NLL {:.4}",
        chosen.alpha,
        tried.join(", "),
        chosen.prior,
        chosen.iterations,
        chosen.valid_nll
    )
}

/// Spread labels, ready to be judged.
struct Spread {
    chosen: Propagated,
    /// Of training, validation and test.
    labels: [Vec<u32>; 3],
    classes: usize,
}

impl Predictor for Spread {
    fn predict(&mut self, split: Split, _: &mut RunContext<'_>) -> Result<PredictionTable> {
        let logits = match split {
            Split::Valid => &self.chosen.valid,
            Split::Test => &self.chosen.test,
            Split::Train => {
                return Err(Error::Task(
                    "label propagation reads the training labels and does not predict them"
                        .to_owned(),
                ));
            }
        };
        let labels = self.labels[split as usize].clone();
        Ok(PredictionTable {
            split,
            rows: (0..labels.len() as u32).collect(),
            labels,
            logits: logits.clone(),
            classes: self.classes,
        })
    }

    fn perturbed(
        &mut self,
        _: &[Condition],
        _: u64,
        _: &mut RunContext<'_>,
    ) -> Result<Offered<Perturbed>> {
        Ok(Offered::No(
            "it reads no features that could be perturbed".to_owned(),
        ))
    }

    fn latency(&mut self, _: &mut RunContext<'_>) -> Result<Offered<Latency>> {
        Ok(Offered::No(
            "labels spread over the whole graph once; nothing is computed for a node".to_owned(),
        ))
    }

    fn sizes(&self) -> Offered<Sizes> {
        Offered::No("it has no parameters: the training labels are the model".to_owned())
    }
}
