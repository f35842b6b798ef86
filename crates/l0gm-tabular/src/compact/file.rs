//! Writes a compact model as tensors and JSON and reads it back.

use super::stack::{OpenStack, coordinates};
use super::{
    CompactCin, CompactCross, CompactCrossLayer, CompactDeep, CompactField, CompactFm,
    CompactLinear, CompactMembers, CompactModel, CompactOutput, FieldMap, RawNumbers,
};
use crate::cin::CinShape;
use crate::encoding::Encoding;
use crate::settings::MAX_WIDTH;
use crate::{CinSettings, CrossSettings, NumberEncoding, Result};
use candle_core::Device;
use l0gm_gate::LinearLayer;
use l0gm_train::CompactFolder;
use serde::{Deserialize, Serialize};

/// The parts of a compact model that are not tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Shape {
    /// Width of a field's embedding before compaction.
    dim: usize,
    /// The open dimensions of each field, in the order of the interface.
    kept: Vec<Vec<u32>>,
    linear: LinearKind,
    /// Settings of the CIN; `None` if there is no such branch or nothing is open.
    cin: Option<CinSettings>,
    /// Whether there is a factorisation machine with something open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fm: bool,
    /// Settings of the cross network; `None` if there is no such branch or nothing is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cross: Option<CrossSettings>,
    /// Units of the hidden layers; if empty, there is no deep branch.
    deep: Vec<usize>,
    /// Number of members of the deep branch.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    members: usize,
    /// Frequencies of the periodic encoding; 0 for other encodings.
    frequencies: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LinearKind {
    None,
    Raw,
    Gated,
}

impl CompactModel {
    pub(super) fn shape(&self) -> Result<Shape> {
        let mut deep = Vec::new();
        if let Some(branch) = &self.deep {
            deep.push(branch.first_bias.elem_count());
            for layer in &branch.hidden {
                deep.push(layer.weight.dim(0)?);
            }
        }
        let frequencies = self.fields.iter().find_map(|field| match &field.map {
            FieldMap::Dense(Some(frequencies), ..) => Some(frequencies.elem_count()),
            _ => None,
        });
        Ok(Shape {
            dim: self.dim,
            kept: self.kept.clone(),
            linear: match &self.linear {
                CompactLinear::None => LinearKind::None,
                CompactLinear::Raw(..) => LinearKind::Raw,
                CompactLinear::Gated(_) => LinearKind::Gated,
            },
            cin: self.cin.as_ref().map(|cin| cin.settings.clone()),
            fm: self.fm.is_some(),
            cross: self.cross.as_ref().map(CompactCross::settings),
            deep,
            members: match self.deep.as_ref().map(|deep| &deep.output) {
                Some(CompactOutput::Members(members)) => members.count(),
                _ => 1,
            },
            frequencies: frequencies.unwrap_or(0),
        })
    }

    /// Builds a model from the folder's tensors. `classes` is the number of classes.
    ///
    /// # Errors
    /// Fails if shape, encoding and tensors do not match.
    pub(super) fn from_folder(
        folder: &CompactFolder,
        shape: Shape,
        encoding: &Encoding,
        device: &Device,
    ) -> Result<Self> {
        let classes = folder.header().classes.len();
        shape.check(folder, encoding)?;
        let outputs = if classes == 2 { 1 } else { classes };
        let open: Vec<usize> = shape.kept.iter().map(Vec::len).collect();
        let width: usize = open.iter().sum();
        let mut fields = Vec::new();
        for (field, &open) in open.iter().enumerate() {
            if open > 0 {
                fields.push(read_field(folder, &shape, encoding, field, open)?);
            }
        }
        let linear = match shape.linear {
            LinearKind::None => CompactLinear::None,
            LinearKind::Gated => {
                CompactLinear::Gated(folder.tensor("linear.weight", &[outputs, width])?)
            }
            LinearKind::Raw => read_raw(folder, encoding, outputs)?,
        };
        let cin = match &shape.cin {
            None => None,
            Some(settings) => {
                let stack = OpenStack::new(&shape.kept, device)?;
                let cin = CinShape::new(settings);
                let weights = (0..settings.maps.len())
                    .map(|i| {
                        let shape = cin.weight_shape(i, stack.fields);
                        Ok(folder.tensor(&format!("cin.{i}"), &shape)?)
                    })
                    .collect::<Result<_>>()?;
                Some(CompactCin {
                    output: folder.tensor("cin.output", &[outputs, cin.outputs()])?,
                    stack,
                    shape: cin,
                    settings: settings.clone(),
                    weights,
                })
            }
        };
        let fm = match shape.fm {
            true => Some(CompactFm {
                stack: OpenStack::new(&shape.kept, device)?,
                output: match outputs {
                    1 => None,
                    _ => {
                        let dims = coordinates(&shape.kept).len();
                        Some(folder.tensor("fm.output", &[outputs, dims])?)
                    }
                },
            }),
            false => None,
        };
        let cross = match &shape.cross {
            Some(settings) => Some(read_cross(folder, settings, width, outputs)?),
            None => None,
        };
        Self {
            classes,
            bias: folder.tensor("bias", &[1, outputs])?,
            fields,
            linear,
            cin,
            fm,
            cross,
            deep: read_deep(folder, &shape, width, outputs)?,
            dim: shape.dim,
            kept: shape.kept,
            open,
            fused: None,
        }
        .swept()
    }
}

impl Shape {
    /// Checks that kept dimensions exist, and that no branch reads dimensions that do not.
    fn check(&self, folder: &CompactFolder, encoding: &Encoding) -> Result<()> {
        let unfit = |what: String| Err(folder.unfit(what).into());
        for (what, value) in [
            ("embeddings are", self.dim),
            ("frequencies are", self.frequencies),
            ("members are", self.members),
        ] {
            if value > MAX_WIDTH {
                return unfit(format!(
                    "its {what} {value}, which contradicts its weights: more than {MAX_WIDTH} is never written"
                ));
            }
        }
        let cin = self.cin.as_ref().map_or(Ok(()), CinSettings::check);
        let cross = self.cross.as_ref().map_or(Ok(()), CrossSettings::check);
        if let Err(error) = cin.and(cross) {
            return unfit(format!("its sizes contradict its weights: {error}"));
        }
        let fields = encoding.categories.len() + encoding.numbers.len();
        let rising = |field: &Vec<u32>| field.is_sorted_by(|a, b| a < b);
        let inside = |field: &Vec<u32>| field.last().is_none_or(|&d| (d as usize) < self.dim);
        let any = self.kept.iter().any(|field| !field.is_empty());
        let reads = self.cin.is_some()
            || self.fm
            || self.cross.is_some()
            || self.linear == LinearKind::Gated;
        let fits = self.kept.len() == fields
            && self.kept.iter().all(|field| rising(field) && inside(field))
            && (any || !reads)
            && self.cin.as_ref().is_none_or(|cin| !cin.maps.is_empty());
        if fits && folder.header().classes.len() >= 2 {
            return Ok(());
        }
        unfit(format!(
            "its kept dimensions do not fit {fields} fields of {} dimensions, or it names fewer than two \
             classes",
            self.dim
        ))
    }
}

fn read_field(
    folder: &CompactFolder,
    shape: &Shape,
    encoding: &Encoding,
    field: usize,
    open: usize,
) -> Result<CompactField> {
    let tensor =
        |part: &str, shape: &[usize]| folder.tensor(&format!("field.{field}.{part}"), shape);
    if let Some(map) = encoding.categories.get(field) {
        return Ok(CompactField {
            column: field,
            offset: map.offset,
            map: FieldMap::Categories(tensor("table", &[map.rows as usize, open])?),
        });
    }
    let column = field - encoding.categories.len();
    let rows = encoding.rows_per_number();
    let map = match encoding.kind {
        NumberEncoding::PiecewiseLinear => {
            let used = encoding.numbers[column].edges.len() + 1;
            FieldMap::PiecewiseLinear(tensor("table", &[used, open])?)
        }
        NumberEncoding::Periodic => {
            let count = shape.frequencies;
            FieldMap::Dense(
                Some(tensor("frequencies", &[1, 1, count])?),
                tensor("weight", &[2 * count, open])?,
                tensor("offset", &[rows, open])?,
            )
        }
        NumberEncoding::Scaled => FieldMap::Dense(
            None,
            tensor("weight", &[1, open])?,
            tensor("offset", &[rows, open])?,
        ),
    };
    Ok(CompactField {
        column,
        offset: (column * rows) as u32,
        map,
    })
}

fn read_raw(folder: &CompactFolder, encoding: &Encoding, outputs: usize) -> Result<CompactLinear> {
    let fields = encoding.numbers.len();
    let categories = match encoding.category_rows() {
        0 => None,
        rows => Some(folder.tensor("linear.categories", &[rows, outputs])?),
    };
    let numbers = match encoding.kind {
        _ if fields == 0 => None,
        NumberEncoding::PiecewiseLinear => {
            let rows = fields * encoding.rows_per_number();
            let table = folder.tensor("linear.numbers", &[rows, outputs])?;
            Some(RawNumbers::PiecewiseLinear(table))
        }
        NumberEncoding::Periodic | NumberEncoding::Scaled => {
            let weight = folder.tensor("linear.numbers", &[outputs, fields])?;
            Some(RawNumbers::Scaled(weight))
        }
    };
    Ok(CompactLinear::Raw(categories, numbers))
}

impl CompactCross {
    fn settings(&self) -> CrossSettings {
        let inner = self.layers.first().and_then(|layer| layer.inner.as_ref());
        CrossSettings {
            layers: self.layers.len(),
            rank: inner.map(|inner| inner.dims()[0]),
        }
    }
}

/// Reads the cross layers on `width` open dimensions.
fn read_cross(
    folder: &CompactFolder,
    settings: &CrossSettings,
    width: usize,
    outputs: usize,
) -> Result<CompactCross> {
    let layers = (0..settings.layers).map(|layer| {
        let tensor =
            |part: &str, shape: &[usize]| folder.tensor(&format!("cross.{layer}.{part}"), shape);
        Ok(CompactCrossLayer {
            inner: match settings.rank {
                Some(rank) => Some(tensor("v", &[rank, width])?),
                None => None,
            },
            outer: match settings.rank {
                Some(rank) => tensor("u", &[width, rank])?,
                None => tensor("w", &[width, width])?,
            },
            bias: tensor("bias", &[width])?,
        })
    });
    Ok(CompactCross {
        layers: layers.collect::<Result<_>>()?,
        output: folder.tensor("cross.output", &[outputs, width])?,
    })
}

/// Reads the deep branch on `width` open dimensions.
fn read_deep(
    folder: &CompactFolder,
    shape: &Shape,
    width: usize,
    outputs: usize,
) -> Result<Option<CompactDeep>> {
    let units = &shape.deep;
    let (Some(&first), Some(&last)) = (units.first(), units.last()) else {
        return Ok(None);
    };
    let mut hidden = Vec::new();
    for (layer, pair) in units.windows(2).enumerate() {
        let name = |part: &str| format!("deep.{}.{part}", layer + 1);
        hidden.push(LinearLayer {
            weight: folder.tensor(&name("weight"), &[pair[1], pair[0]])?,
            bias: Some(folder.tensor(&name("bias"), &[pair[1]])?),
        });
    }
    Ok(Some(CompactDeep {
        first: match width {
            0 => None,
            _ => Some(folder.tensor("deep.0.weight", &[first, width])?),
        },
        first_bias: folder.tensor("deep.0.bias", &[first])?,
        hidden,
        output: match shape.members {
            0 | 1 => CompactOutput::Single(folder.tensor("deep.output", &[outputs, last])?),
            members => CompactOutput::Members(CompactMembers {
                adapter: match width {
                    0 => None,
                    _ => Some(folder.tensor("deep.adapter", &[members, width])?),
                },
                weights: (0..outputs)
                    .map(|output| folder.tensor(&format!("deep.output.{output}"), &[members, last]))
                    .collect::<std::result::Result<_, _>>()?,
                bias: folder.tensor("deep.output.bias", &[members * outputs])?,
            }),
        },
    }))
}

fn one() -> usize {
    1
}

fn is_one(value: &usize) -> bool {
    *value == 1
}
