//! A compact model as files, and back: weights, kept channels and how a graph's features are scaled, so
//! that it runs on a graph's files without the run it comes from.
use super::CompactModel;
use super::layer::{CompactLayer, CompactNorm};
use super::spread::Spread;
use crate::feature_schema::FeatureSchema;
use crate::load::read_to_predict;
use crate::settings::{FeatureScaling, GraphSettings, TableSettings};
use crate::{Error, Graph, GraphInput, GraphTensors, NodeId, NodeRows, Result, scale_features};
use candle_core::{Device, Tensor};
use l0gm_train::{ClassProbabilities, CompactFolder, CompactHeader, CompactParts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const MODALITY: &str = "graph";

/// A finished run's compact model, ready for a graph.
#[derive(Debug)]
pub struct CompactGraph {
    header: CompactHeader,
    body: Body,
    model: CompactModel,
    device: Device,
}

/// What a model says of every node of a graph.
#[derive(Clone, Debug)]
pub struct NodePredictions {
    /// Calibrated probabilities, in the order of the nodes' file.
    pub probabilities: ClassProbabilities,
    /// The nodes' ids; in OGB's layouts their numbers.
    pub names: Vec<String>,
    /// What a person would like to know of the files, one line each.
    pub said: Vec<String>,
}

/// The modality's part of `model.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Body {
    /// Columns of features a node.
    features: usize,
    /// How they are scaled.
    scaling: FeatureScaling,
    /// How an edge list and its table of nodes are read.
    table: TableSettings,
    /// What the columns of nodes stand for; absent where they have no names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<FeatureSchema>,
    /// The channels of the interface that stay.
    kept: Vec<u32>,
    /// Channels of the interface before.
    interface: usize,
    /// Empty where none stays.
    layers: Vec<LayerShape>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct LayerShape {
    inputs: usize,
    /// Rows of the weight; with a normalisation more than go on from the last layer.
    outputs: usize,
    norm: bool,
    residual: bool,
    /// With `norm`: its mean and variance come from the layer's input, and the weight has the kept channels alone,
    /// centred and scaled.
    #[serde(default)]
    spread: bool,
}

impl CompactModel {
    /// What a run writes of it; `features`: the number of features a node.
    ///
    /// # Errors
    /// Where the model cannot be written as JSON.
    pub fn parts(&self, features: usize, settings: &GraphSettings) -> Result<CompactParts> {
        self.parts_with(features, None, settings)
    }

    /// Like [`parts`](Self::parts), with what the columns of nodes stand for.
    pub(crate) fn parts_with(
        &self,
        features: usize,
        schema: Option<&FeatureSchema>,
        settings: &GraphSettings,
    ) -> Result<CompactParts> {
        let mut tensors = BTreeMap::from([("head.bias".to_owned(), self.bias.clone())]);
        let mut layers = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let mut add = |part: &str, tensor: &Tensor| {
                tensors.insert(format!("gcn.{number}.{part}"), tensor.clone());
            };
            add("weight", &layer.weight);
            add("bias", &layer.bias);
            match &layer.norm {
                CompactNorm::None => {}
                CompactNorm::Layer { scale, shift } => {
                    add("scale", scale);
                    add("shift", shift);
                }
                CompactNorm::Spread { spread, shift } => {
                    add("shift", shift);
                    add("spread.factor", &spread.factor);
                    add("spread.offset", &spread.offset);
                    add("spread.rest", &spread.rest);
                }
            }
            let (outputs, inputs) = layer.weight.dims2()?;
            layers.push(LayerShape {
                inputs,
                outputs,
                norm: !matches!(layer.norm, CompactNorm::None),
                residual: layer.residual,
                spread: matches!(layer.norm, CompactNorm::Spread { .. }),
            });
        }
        if !self.is_closed() {
            tensors.insert("head.weight".to_owned(), self.weight.clone());
        }
        let body = Body {
            features,
            scaling: settings.features,
            table: settings.table.clone(),
            schema: schema.cloned(),
            kept: self.kept.clone(),
            interface: self.interface,
            layers,
        };
        Ok(CompactParts {
            model: serde_json::to_value(body)
                .map_err(|e| Error::Setting(format!("the compact model as JSON: {e}")))?,
            tensors,
            files: BTreeMap::new(),
        })
    }
}

impl CompactGraph {
    /// Reads the folder `compact` of a finished run.
    ///
    /// # Errors
    /// A file that is missing, cut off, of another format or modality, or does not fit the others.
    pub fn load(dir: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let folder = CompactFolder::load(dir.as_ref(), MODALITY, device)?;
        let body: Body = folder.model()?;
        Ok(Self {
            model: read_model(&folder, &body, device)?,
            header: folder.header().clone(),
            body,
            device: device.clone(),
        })
    }

    /// What `model.json` says: run, classes, temperature, sizes before and after.
    pub fn header(&self) -> &CompactHeader {
        &self.header
    }

    /// The channels of the interface that stay.
    pub fn kept(&self) -> &[u32] {
        &self.body.kept
    }

    /// Calibrated probabilities of every node of the graph whose files stand at `path`, by node number.
    ///
    /// # Errors
    /// What cannot be read as a graph; a column of features that is not there, or another number of them.
    pub fn predict_folder(&self, path: &Path) -> Result<ClassProbabilities> {
        Ok(self.predict_files(path)?.probabilities)
    }

    /// The same with the nodes' names and what a person would like to know of the files, such as cells that
    /// training never met. The column of labels is not looked at, and need not be there.
    ///
    /// # Errors
    /// As [`predict_folder`](Self::predict_folder).
    pub fn predict_files(&self, path: &Path) -> Result<NodePredictions> {
        let body = &self.body;
        let schema = body.schema.as_ref();
        let (graph, names, said) =
            read_to_predict(path, &body.table, schema, &self.header.classes)?;
        let (found, expected) = (graph.features().columns(), self.body.features);
        if found != expected {
            return Err(Error::file(
                path,
                format!("its nodes have {found} features, this model reads {expected}"),
            ));
        }
        let names = names.unwrap_or_else(|| (0..graph.nodes()).map(|n| n.to_string()).collect());
        Ok(NodePredictions {
            probabilities: self.predict(graph)?,
            names,
            said,
        })
    }

    /// Calibrated probabilities of every node, by node number. Features are given as they came, before
    /// any scaling.
    ///
    /// # Errors
    /// Another number of features.
    pub fn predict(&self, graph: Graph) -> Result<ClassProbabilities> {
        let logits = self.logits(graph)?;
        let (temperature, classes) = (self.header.temperature, &self.header.classes);
        Ok(ClassProbabilities::from_logits(
            &logits,
            temperature,
            classes,
        )?)
    }

    /// Logits before temperature scaling: (nodes, classes).
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn logits(&self, mut graph: Graph) -> Result<Tensor> {
        let (found, expected) = (graph.features().columns(), self.body.features);
        if found != expected {
            return Err(Error::Graph(format!(
                "the nodes have {found} features, this model reads {expected}"
            )));
        }
        let nodes = graph.nodes();
        scale_features(&mut graph, self.body.scaling);
        let graph = Arc::new(GraphTensors::new(&graph, &self.device)?);
        let all: Vec<NodeId> = (0..nodes as u32).map(NodeId).collect();
        let rows = Arc::new(NodeRows::new(&graph, &all)?);
        self.model.logits(&GraphInput { graph, rows })
    }

    /// The model, for a graph whose features are scaled already.
    pub fn model(&self) -> &CompactModel {
        &self.model
    }
}

fn read_model(folder: &CompactFolder, body: &Body, device: &Device) -> Result<CompactModel> {
    let bias = folder.tensor("head.bias", &[folder.header().classes.len()])?;
    if !fits(body, &bias) {
        return Err(folder
            .unfit("its layers, kept channels and classes do not fit each other")
            .into());
    }
    let kept = body.kept.len();
    let mut layers = Vec::new();
    for (number, shape) in body.layers.iter().enumerate() {
        let tensor =
            |part: &str, dims: &[usize]| folder.tensor(&format!("gcn.{number}.{part}"), dims);
        let last = number + 1 == body.layers.len();
        let wide = if last { kept } else { shape.outputs };
        let norm = match (shape.norm, shape.spread) {
            (_, true) => CompactNorm::Spread {
                spread: Spread {
                    factor: tensor("spread.factor", &[shape.inputs, shape.inputs])?,
                    offset: tensor("spread.offset", &[shape.inputs])?,
                    rest: tensor("spread.rest", &[1])?,
                },
                shift: tensor("shift", &[wide])?,
            },
            (true, false) => CompactNorm::Layer {
                scale: tensor("scale", &[wide])?,
                shift: tensor("shift", &[wide])?,
            },
            (false, false) => CompactNorm::None,
        };
        layers.push(CompactLayer {
            weight: tensor("weight", &[shape.outputs, shape.inputs])?,
            bias: tensor("bias", &[shape.outputs])?,
            norm,
            residual: shape.residual,
            kept: match last && kept < body.interface {
                true => Some(Tensor::new(body.kept.as_slice(), device)?),
                false => None,
            },
        });
    }
    let weight = match layers.is_empty() {
        true => Tensor::zeros((bias.dim(0)?, 0), bias.dtype(), device)?,
        false => folder.tensor("head.weight", &[bias.dim(0)?, kept])?,
    };
    Ok(CompactModel {
        layers,
        weight,
        bias,
        kept: body.kept.clone(),
        interface: body.interface,
    })
}

/// Whether each layer reads what the one before gives, and the kept channels exist.
fn fits(body: &Body, bias: &Tensor) -> bool {
    let kept = &body.kept;
    let rising = kept.is_sorted_by(|a, b| a < b);
    let inside = kept.last().is_none_or(|&c| (c as usize) < body.interface);
    let mut inputs = body.features;
    let chain = body.layers.iter().all(|layer| {
        let reads = layer.inputs == inputs;
        inputs = layer.outputs;
        reads
    });
    let last = body.layers.last().is_none_or(|last| {
        // A normalisation over channels that go needs a spread.
        let whole = !last.norm || last.spread || kept.len() == body.interface;
        let residual = !last.residual || last.inputs == body.interface;
        let spread = !(last.spread && last.residual);
        last.outputs == kept.len() && whole && residual && spread
    });
    let others = body.layers.len().saturating_sub(1);
    let straight = body.layers[..others]
        .iter()
        .all(|layer| !layer.spread && (!layer.residual || layer.inputs == layer.outputs));
    rising
        && inside
        && chain
        && last
        && straight
        && kept.is_empty() == body.layers.is_empty()
        && bias.elem_count() >= 2
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
