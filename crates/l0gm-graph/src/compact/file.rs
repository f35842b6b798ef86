//! Writes a compact model to files and reads it back. The files hold weights, kept channels and the scaling of
//! features, so the model can be applied to a graph's files without its run.
use super::convolution::CompactConvolution;
use super::layer::{CompactLayer, CompactNorm};
use super::model::CompactScores;
use super::spread::Spread;
use super::{CompactModel, NodeStream};
use crate::convolution::AttentionVectors;
use crate::feature_schema::FeatureSchema;
use crate::gathering::Gathering;
use crate::load::read_to_predict;
use crate::scores::Reach;
use crate::settings::{FeatureScaling, GraphSettings, Jumping, TableSettings};
use crate::{Error, Graph, GraphInput, GraphTensors, NodeId, NodeRows, Result, scale_features};
use candle_core::{Device, Tensor};
use l0gm_train::{ClassProbabilities, CompactFolder, CompactHeader, CompactParts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const MODALITY: &str = "graph";

/// The compact model of a finished run, ready for a graph.
#[derive(Debug)]
pub struct CompactGraph {
    header: CompactHeader,
    body: Body,
    model: CompactModel,
    device: Device,
}

/// A model's predictions for every node of a graph.
#[derive(Clone, Debug)]
pub struct NodePredictions {
    /// Calibrated probabilities, in the order of the nodes' file.
    pub probabilities: ClassProbabilities,
    /// The nodes' ids; for OGB's layouts their numbers.
    pub names: Vec<String>,
    /// Remarks on the files for the user, one line each.
    pub said: Vec<String>,
}

/// The part of `model.json` that graphs define.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Body {
    features: usize,
    /// How features are scaled.
    scaling: FeatureScaling,
    /// How an edge list and its table of nodes are read.
    table: TableSettings,
    /// The features that the columns of nodes become; `None` if they have no names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<FeatureSchema>,
    /// The interface's channels that are kept.
    kept: Vec<u32>,
    /// Number of channels of the interface before compaction.
    interface: usize,
    /// The layers; empty if no channel of the network is kept.
    layers: Vec<LayerShape>,
    /// Number of the network's channels before compaction, the first ones of the interface. Absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channels: Option<usize>,
    /// The features that the layers read. Absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attributes: Option<Vec<u32>>,
    /// Which layers' outputs belong to the interface.
    #[serde(default, skip_serializing_if = "is_last_alone")]
    jumping: Jumping,
    /// The linear models whose class scores are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scores: Vec<ScoresShape>,
    /// Whether features that are mostly 0 are multiplied as a sparse matrix.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sparse: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference.
fn is_last_alone(jumping: &Jumping) -> bool {
    *jumping == Jumping::None
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ScoresShape {
    reach: Reach,
    outputs: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct LayerShape {
    inputs: usize,
    /// Rows of the weight. With a normalisation, these may be more than the kept channels.
    outputs: usize,
    norm: bool,
    residual: bool,
    /// Whether, with `norm`, mean and variance are computed from the layer's input. The weight then has only the kept
    /// channels, centred and scaled.
    #[serde(default)]
    spread: bool,
    /// Whether there is a second weight, for the node's own representation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    own: bool,
    /// How the layer gathers, unless it has heads.
    #[serde(default = "normalised", skip_serializing_if = "is_normalised")]
    gathering: Gathering,
    /// Number of channels of each attention head. Empty: the layer has no attention.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    heads: Vec<usize>,
}

fn normalised() -> Gathering {
    Gathering::Normalised
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference.
fn is_normalised(gathering: &Gathering) -> bool {
    *gathering == Gathering::Normalised
}

impl CompactModel {
    /// The files that a run writes. `features` is the number of features of each node.
    ///
    /// # Errors
    /// Fails if the model cannot be written as JSON.
    pub fn parts(&self, features: usize, settings: &GraphSettings) -> Result<CompactParts> {
        self.parts_with(features, None, settings)
    }

    /// Like [`parts`](Self::parts), with the features that the columns of nodes become.
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
            if let Some(own) = &layer.own {
                add("own", own);
            }
            add("bias", &layer.bias);
            if let CompactConvolution::Attention { vectors, .. } = &layer.convolution {
                add("attention.source", &vectors.source);
                add("attention.target", &vectors.target);
            }
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
                own: layer.own.is_some(),
                gathering: layer.gathering().unwrap_or(Gathering::Normalised),
                heads: match &layer.convolution {
                    CompactConvolution::Gathered(_) => Vec::new(),
                    CompactConvolution::Attention { widths, .. } => widths.clone(),
                },
            });
        }
        let mut scores = Vec::new();
        for own in &self.scores {
            let name = |part: &str| format!("scores.{}.{part}", own.reach.name());
            tensors.insert(name("weight"), own.weight.clone());
            tensors.insert(name("bias"), own.bias.clone());
            scores.push(ScoresShape {
                reach: own.reach,
                outputs: own.bias.elem_count(),
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
            attributes: self.attributes.clone(),
            jumping: self.jumping,
            channels: (self.channels < self.interface).then_some(self.channels),
            scores,
            sparse: self.sparse,
        };
        Ok(CompactParts {
            model: serde_json::to_value(body)
                .map_err(|e| Error::Setting(format!("the compact model as JSON: {e}")))?,
            tensors,
            files: BTreeMap::new(),
            label: schema.map(|_| settings.table.label_column.clone()),
        })
    }
}

impl CompactGraph {
    /// Reads the folder `compact` of a finished run.
    ///
    /// # Errors
    /// Fails if a file is missing, truncated, of another format or modality, or does not match the others.
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

    /// The header in `model.json`: run, classes, temperature, and sizes before and after.
    pub fn header(&self) -> &CompactHeader {
        &self.header
    }

    /// The interface's channels that are kept.
    pub fn kept(&self) -> &[u32] {
        &self.body.kept
    }

    /// Calibrated probabilities of every node of the graph at `path`, ordered by node number.
    ///
    /// # Errors
    /// Fails if the files cannot be read as a graph, or if a column of features is missing or their number differs.
    pub fn predict_folder(&self, path: &Path) -> Result<ClassProbabilities> {
        Ok(self.predict_files(path)?.probabilities)
    }

    /// Like [`predict_folder`](Self::predict_folder), with the nodes' names and remarks on the files, such as cells
    /// with values that did not occur in training. Ignores the column of labels, which may be missing.
    ///
    /// # Errors
    /// Fails like [`predict_folder`](Self::predict_folder).
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

    /// Predicts the graph at `path` through the trait that all modalities share.
    pub fn stream(self, path: &Path) -> NodeStream {
        NodeStream::new(self, path.to_owned())
    }

    /// Calibrated probabilities of every node, ordered by node number. The features must not be scaled yet.
    ///
    /// # Errors
    /// Fails if the number of features differs.
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
    /// Fails like [`predict`](Self::predict).
    pub fn logits(&self, mut graph: Graph) -> Result<Tensor> {
        let (found, expected) = (graph.features().columns(), self.body.features);
        if found != expected {
            return Err(Error::Graph(format!(
                "the nodes have {found} features, this model reads {expected}"
            )));
        }
        let nodes = graph.nodes();
        scale_features(&mut graph, self.body.scaling)?;
        let graph = Arc::new(GraphTensors::new(&graph, &self.device)?);
        let all: Vec<NodeId> = (0..nodes as u32).map(NodeId).collect();
        let rows = Arc::new(NodeRows::new(&graph, &all)?);
        self.model.logits(&GraphInput { graph, rows })
    }

    /// The model, for a graph whose features are already scaled.
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
    let of_network = body.kept_of_network();
    let whole = of_network.len() == body.channels();
    let mut layers = Vec::new();
    for (number, shape) in body.layers.iter().enumerate() {
        let tensor =
            |part: &str, dims: &[usize]| folder.tensor(&format!("gcn.{number}.{part}"), dims);
        let last = number + 1 == body.layers.len();
        let wide = shape.outputs;
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
        let convolution = match shape.heads.len() {
            0 => CompactConvolution::Gathered(shape.gathering),
            heads => CompactConvolution::Attention {
                vectors: AttentionVectors {
                    source: tensor("attention.source", &[heads, shape.inputs])?,
                    target: tensor("attention.target", &[heads, shape.inputs])?,
                },
                widths: shape.heads.clone(),
            },
        };
        layers.push(CompactLayer {
            convolution,
            weight: tensor("weight", &[shape.outputs, shape.inputs])?,
            own: match shape.own {
                true => Some(tensor("own", &[shape.outputs, shape.inputs])?),
                false => None,
            },
            bias: tensor("bias", &[shape.outputs])?,
            norm,
            residual: shape.residual,
            kept: match last && !whole && shape.residual && body.jumping == Jumping::None {
                true => Some(Tensor::new(of_network, device)?),
                false => None,
            },
        });
    }
    let mut scores = Vec::new();
    for shape in &body.scores {
        let tensor = |part: &str, dims: &[usize]| {
            folder.tensor(&format!("scores.{}.{part}", shape.reach.name()), dims)
        };
        scores.push(CompactScores {
            reach: shape.reach,
            weight: tensor("weight", &[shape.outputs, body.features])?,
            bias: tensor("bias", &[shape.outputs])?,
        });
    }
    let weight = match kept == 0 {
        true => Tensor::zeros((bias.dim(0)?, 0), bias.dtype(), device)?,
        false => folder.tensor("head.weight", &[bias.dim(0)?, kept])?,
    };
    Ok(CompactModel {
        layers,
        attributes: body.attributes.clone(),
        jumping: body.jumping,
        scores,
        weight,
        bias,
        kept: body.kept.clone(),
        interface: body.interface,
        channels: body.channels(),
        sparse: body.sparse,
    })
}

impl Body {
    /// Number of the network's channels before compaction.
    fn channels(&self) -> usize {
        self.channels.unwrap_or(self.interface)
    }

    /// The network's channels that are kept. They come before the scores.
    fn kept_of_network(&self) -> &[u32] {
        let end = self
            .kept
            .partition_point(|&channel| (channel as usize) < self.channels());
        &self.kept[..end]
    }
}

/// Whether each layer accepts the output of the one before, and the kept channels exist.
fn fits(body: &Body, bias: &Tensor) -> bool {
    let kept = &body.kept;
    let rising = kept.is_sorted_by(|a, b| a < b);
    let inside = kept.last().is_none_or(|&c| (c as usize) < body.interface)
        && body.channels() <= body.interface;
    if !(rising && inside) {
        return false;
    }
    let of_network = body.kept_of_network().len();
    let mut inputs = match &body.attributes {
        Some(kept) => kept.len(),
        None => body.features,
    };
    let attributes = body.attributes.iter().all(|kept| {
        let inside = kept.last().is_some_and(|&c| (c as usize) < body.features);
        inside && kept.is_sorted_by(|a, b| a < b)
    });
    let chain = body.layers.iter().all(|layer| {
        let reads = layer.inputs == inputs;
        inputs = layer.outputs;
        let widths = layer.heads.iter();
        let sum = widths
            .clone()
            .try_fold(0usize, |sum, width| sum.checked_add(*width));
        let heads = layer.heads.is_empty()
            || (widths.clone().all(|width| *width > 0) && sum == Some(layer.outputs));
        let linear = layer.heads.is_empty() && !layer.residual && !layer.own;
        reads && heads && (!layer.spread || linear)
    });
    let computed = match body.jumping {
        Jumping::None | Jumping::Max => body.layers.last().map_or(0, |last| last.outputs),
        Jumping::Concat => {
            let outputs = body.layers.iter().map(|layer| layer.outputs);
            outputs.fold(0, usize::saturating_add)
        }
    };
    let alike =
        body.jumping != Jumping::Max || body.layers.iter().all(|layer| layer.outputs == computed);
    let last = body.layers.last().is_none_or(|last| {
        // A normalisation over dropped channels needs a spread.
        let channels = match body.jumping {
            Jumping::None | Jumping::Max => body.channels(),
            Jumping::Concat => computed,
        };
        let whole = !last.norm || last.spread || of_network == channels;
        let residual = body.jumping != Jumping::None || !last.residual || last.inputs == channels;
        computed == of_network && whole && residual
    });
    // The last layer's residual input may have lost channels with its output.
    let others = match body.jumping {
        Jumping::None => body.layers.len().saturating_sub(1),
        Jumping::Concat | Jumping::Max => body.layers.len(),
    };
    let straight = body.layers[..others]
        .iter()
        .all(|layer| !layer.residual || layer.inputs == layer.outputs);
    let scores: usize = body.scores.iter().map(|shape| shape.outputs).sum();
    let distinct = body
        .scores
        .iter()
        .enumerate()
        .all(|(at, shape)| body.scores[..at].iter().all(|s| s.reach != shape.reach));
    chain
        && attributes
        && alike
        && last
        && straight
        && distinct
        && of_network + scores == kept.len()
        && (of_network == 0) == body.layers.is_empty()
        && bias.elem_count() >= 2
}

#[cfg(test)]
#[path = "file_tests.rs"]
pub(super) mod tests;
