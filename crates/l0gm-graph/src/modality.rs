//! The modality of graphs: how a dataset becomes a graph with features and a split.

use crate::feature_schema::FeatureSchema;
use crate::load::{own_checksums, read_ogb, read_original, read_with_words, split_folder};
use crate::normalise::scale_features;
use crate::reading::GraphReading;
use crate::settings::UNWRITTEN;
use crate::{Error, Graph, GraphSettings, GraphTask, NodeSplit, Result};
use candle_core::Device;
use l0gm_data::rows::Summary;
use l0gm_data::{Catalogue, Resolved};
use l0gm_train::settings::merge_settings_with;
use l0gm_train::{DataSummary, Origins, RunSpec, Split, Task};
use std::collections::BTreeMap;
use std::path::Path;

/// Node classification on graphs.
#[derive(Clone, Debug)]
pub struct GraphModality {
    catalogue: Catalogue,
}

impl GraphModality {
    /// Makes the modality; datasets come from `catalogue` or from a path.
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue }
    }

    /// Where datasets come from.
    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Finds a dataset in the catalogue, or by its path.
    pub(crate) fn resolve(&self, dataset: &str) -> Result<Resolved> {
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

    /// Reads and splits the graph of a run and puts it on a device.
    pub(crate) fn load(
        &self,
        spec: &RunSpec,
        settings: &GraphSettings,
        device: &Device,
    ) -> Result<LoadedGraph> {
        let mut resolved = self.resolve(&spec.dataset)?;
        spec.check_twin(resolved.twin)?;
        if resolved.checksums.is_empty() {
            resolved.checksums = own_checksums(&resolved.dir, &settings.table)?;
        }
        let (reading, split) = self.read_and_split(&resolved, settings)?;
        let summary = reading.summary(&split, settings.features);
        let reduction = split.reduction();
        let origins = reading.origins(&split);
        let GraphReading {
            mut graph, schema, ..
        } = reading;
        scale_features(&mut graph, settings.features)?;
        let task = GraphTask::new(&graph, split, device)?;
        Ok(LoadedGraph {
            graph,
            task,
            resolved,
            schema,
            summary,
            reduction,
            origins,
        })
    }

    /// Describes a spec's graph before training: nodes and edges, columns and how each is read, classes with their
    /// counts, nodes without a label, missing cells, and the split.
    ///
    /// # Errors
    /// Fails if the graph or the settings cannot be used.
    pub fn summary(&self, spec: &RunSpec) -> Result<Summary> {
        let given: serde_json::Value = spec.modality_settings()?;
        let settings: GraphSettings =
            merge_settings_with(&GraphSettings::default(), &given, &UNWRITTEN)?;
        settings.check()?;
        let (reading, split) = self.read_and_split(&self.resolve(&spec.dataset)?, &settings)?;
        Ok(reading.summary(&split, settings.features))
    }

    fn read_and_split(
        &self,
        resolved: &Resolved,
        settings: &GraphSettings,
    ) -> Result<(GraphReading, NodeSplit)> {
        let name = resolved.name.as_str();
        let reading = match self.catalogue.names("graph").contains(&name) {
            true => match self.catalogue.entry(name)?.reader.as_str() {
                "ogb" => read_ogb(&resolved.dir)?,
                "npz" => read_original(&resolved.dir)?,
                other => {
                    return Err(Error::Setting(format!(
                        "the catalogue says that '{name}' is read by '{other}', which is no reader of graphs (readers: ogb, npz)"
                    )));
                }
            },
            false => read_with_words(&resolved.dir, &settings.table)?,
        };
        let folder = split_folder(&resolved.dir);
        let split = NodeSplit::load(&folder, reading.graph.labels(), &settings.split)?;
        Ok((reading, split))
    }
}

/// The graph of a run, ready for a model.
pub(crate) struct LoadedGraph {
    /// The graph with scaled features.
    pub(crate) graph: Graph,
    /// The graph with its split, on a device.
    pub(crate) task: GraphTask,
    /// Where the graph came from.
    pub(crate) resolved: Resolved,
    /// The features of the nodes; `None` if they have no names.
    pub(crate) schema: Option<FeatureSchema>,
    /// What is reported about the files before training.
    pub(crate) summary: Summary,
    /// What the settings leave out of training.
    reduction: Option<String>,
    /// Where the validation and test nodes stand in the user's data.
    pub(crate) origins: Origins,
}

impl LoadedGraph {
    /// The description of the graph in a run's record. The method gives `reductions` and `notes`.
    pub(crate) fn data_summary(
        &self,
        mut reductions: Vec<String>,
        notes: Vec<String>,
    ) -> DataSummary {
        reductions.extend(self.reduction.clone());
        let rows = [
            ("train", Split::Train),
            ("valid", Split::Valid),
            ("test", Split::Test),
        ]
        .map(|(name, split)| (name.to_owned(), self.task.rows(split)));
        DataSummary {
            twin: self.resolved.twin,
            source: self.resolved.source.clone(),
            checksums: self.resolved.checksums.clone(),
            rows: rows.into_iter().collect(),
            classes: self.graph.classes().to_vec(),
            reductions,
            notes,
            reading: Some(self.summary.to_value()),
        }
    }
}
