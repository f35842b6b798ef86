//! A compact model as files, and back: weights, kept channels and how a graph's features are scaled, so
//! that it runs on a graph's files without the run it comes from.
use crate::compact::GraphModel;
use crate::gcn::GcnLayer;
use crate::settings::{FeatureScaling, GraphSettings, TableSettings};
use crate::spread::Spread;
use crate::{
    Error, Gcn, Graph, GraphInput, GraphTensors, LinearHead, NodeId, NodeRows, Result, read_graph,
    scale_features,
};
use candle_core::{Device, Tensor, Var};
use l0gm_gate::Gate;
use l0gm_train::{ClassProbabilities, CompactFolder, CompactHeader, CompactParts, Encoder};
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
    /// Absent where every channel was closed: the logits are the bias then.
    model: Option<GraphModel>,
    /// The classifier's bias, (classes,).
    bias: Tensor,
    device: Device,
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

/// What a run writes of the compact model of a gated one: `small` is what [`compact`](crate::compact())
/// gave for `model`, `features` the number of features a node.
///
/// # Errors
/// Where the model cannot be written as JSON.
pub fn compact_parts(
    model: &GraphModel,
    small: Option<&GraphModel>,
    features: usize,
    settings: &GraphSettings,
) -> Result<CompactParts> {
    let head = &small.unwrap_or(model).head.linear;
    let bias = head.bias();
    let bias = bias.ok_or_else(|| Error::Setting("the classifier has no bias".into()))?;
    let mut tensors = BTreeMap::from([("head.bias".to_owned(), bias.as_detached_tensor())]);
    let mut body = Body {
        features,
        scaling: settings.features,
        table: settings.table.clone(),
        kept: Vec::new(),
        interface: model.encoder.interface().width(),
        layers: Vec::new(),
    };
    if let Some(small) = small {
        tensors.insert("head.weight".to_owned(), head.weight().as_detached_tensor());
        for (number, layer) in small.encoder.layers.iter().enumerate() {
            let (outputs, inputs) = layer.weight.dims2()?;
            body.layers.push(LayerShape {
                inputs,
                outputs,
                norm: layer.norm.is_some() || layer.spread.is_some(),
                residual: layer.residual,
                spread: layer.spread.is_some(),
            });
            let mut add = |part: &str, var: &Var| {
                tensors.insert(format!("gcn.{number}.{part}"), var.as_detached_tensor());
            };
            add("weight", &layer.weight);
            add("bias", &layer.bias);
            if let Some((scale, shift)) = &layer.norm {
                add("scale", scale);
                add("shift", shift);
            }
            if let Some((spread, shift)) = &layer.spread {
                add("shift", shift);
                add("spread.factor", &spread.factor);
                add("spread.offset", &spread.offset);
                add("spread.rest", &spread.rest);
            }
            if let Some(kept) = &layer.kept {
                body.kept = kept.to_vec1()?;
            }
        }
        if body.kept.is_empty() {
            body.kept = (0..body.interface as u32).collect();
        }
    }
    Ok(CompactParts {
        model: serde_json::to_value(body)
            .map_err(|e| Error::Setting(format!("the compact model as JSON: {e}")))?,
        tensors,
        files: BTreeMap::new(),
    })
}

impl CompactGraph {
    /// Reads the folder `compact` of a finished run.
    ///
    /// # Errors
    /// A file that is missing, cut off, of another format or modality, or does not fit the others.
    pub fn load(dir: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let folder = CompactFolder::load(dir.as_ref(), MODALITY, device)?;
        let body: Body = folder.model()?;
        let bias = folder.tensor("head.bias", &[folder.header().classes.len()])?;
        Ok(Self {
            model: read_model(&folder, &body, &bias, device)?,
            header: folder.header().clone(),
            body,
            bias,
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
    /// Labels are read along but not looked at.
    ///
    /// # Errors
    /// What cannot be read as a graph; another number of features.
    pub fn predict_folder(&self, path: &Path) -> Result<ClassProbabilities> {
        let graph = read_graph(path, &self.body.table)?;
        let (found, expected) = (graph.features().columns(), self.body.features);
        if found != expected {
            return Err(Error::file(
                path,
                format!("its nodes have {found} features, this model reads {expected}"),
            ));
        }
        self.predict(graph)
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
        self.logits_of(&GraphInput { graph, rows })
    }

    /// Logits of the wanted nodes of a graph whose features are scaled already: (wanted, classes).
    pub(crate) fn logits_of(&self, input: &GraphInput) -> Result<Tensor> {
        let Some(model) = &self.model else {
            let shape = (input.rows.len(), self.header.classes.len());
            return Ok(self.bias.broadcast_as(shape)?.contiguous()?);
        };
        Ok(model.logits(input)?)
    }
}

fn read_model(
    folder: &CompactFolder,
    body: &Body,
    bias: &Tensor,
    device: &Device,
) -> Result<Option<GraphModel>> {
    if !fits(body, bias) {
        return Err(folder
            .unfit("its layers, kept channels and classes do not fit each other")
            .into());
    }
    let kept = body.kept.len();
    let mut layers = Vec::new();
    for (number, shape) in body.layers.iter().enumerate() {
        let tensor = |part: &str, dims: &[usize]| -> Result<Var> {
            let tensor = folder.tensor(&format!("gcn.{number}.{part}"), dims)?;
            Ok(Var::from_tensor(&tensor)?)
        };
        let last = number + 1 == body.layers.len();
        let wide = if last { kept } else { shape.outputs };
        layers.push(GcnLayer {
            name: format!("encoder.gcn.{number}"),
            weight: tensor("weight", &[shape.outputs, shape.inputs])?,
            bias: tensor("bias", &[shape.outputs])?,
            norm: match shape.norm && !shape.spread {
                true => Some((tensor("scale", &[wide])?, tensor("shift", &[wide])?)),
                false => None,
            },
            residual: shape.residual,
            spread: match shape.spread {
                true => Some((
                    Spread {
                        factor: tensor("spread.factor", &[shape.inputs, shape.inputs])?,
                        offset: tensor("spread.offset", &[shape.inputs])?,
                        rest: tensor("spread.rest", &[1])?,
                    },
                    tensor("shift", &[wide])?,
                )),
                false => None,
            },
            kept: match last && kept < body.interface {
                true => Some(Tensor::new(body.kept.as_slice(), device)?),
                false => None,
            },
        });
    }
    if layers.is_empty() {
        return Ok(None);
    }
    let encoder = Gcn {
        layers,
        dropout: 0.0,
        interface_dropout: 0.0,
        fine: Vec::new(),
    };
    let weight = folder.tensor("head.weight", &[bias.dim(0)?, kept])?;
    Ok(Some(GraphModel {
        gate: Gate::identity(encoder.interface()),
        encoder,
        head: LinearHead::from_tensors(&weight, Some(bias))?,
    }))
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
#[path = "compact_graph_tests.rs"]
mod tests;
