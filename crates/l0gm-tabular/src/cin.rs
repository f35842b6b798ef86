//! The compressed interaction network (eq. 8 to 12 and 14 of the paper):
//!
//! ```text
//! X⁰ ∈ ℝᵐˣᴰ                                     the gated field embeddings      (8)
//! Xᵏ ∈ ℝᴴˣᴰ, H⁰ = m                             H maps at depth k               (9)
//! Xᵏ[h] = Σᵢ Σⱼ Wᵏʰ[i, j] (Xᵏ⁻¹[i] ∘ X⁰[j])     products, compressed            (10)
//! pᵏ[i] = Σ_d Xᵏ[i, d]                          each map summed                 (11)
//! p⁺ = [p¹, ..., pᵀ]                            what the predictor reads        (12)
//! Wᵏʰ = Uᵏʰ (Vᵏʰ)ᵀ                              with a rank                     (14)
//! ```
//!
//! Eq. 10 has neither an activation nor the split of xDeepFM's published code; both are options.

use crate::settings::{CinActivation, CinSettings};
use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_ops::{Generator, pairwise_interaction, relu, sum};
use l0gm_train::{Parameter, ParameterKind, Part};

/// Largest number of weights in a layer: 1 GiB, and four times that in training, with the optimiser's moments.
const MAX_WEIGHTS: u128 = 1 << 28;

/// The matrices Wᵏʰ of one layer, whole or factorised.
#[derive(Clone, Debug)]
enum Weights {
    /// W, (maps, maps before, fields).
    Whole(Var),
    /// U (maps, maps before, rank) and V (maps, fields, rank): W = U Vᵀ.
    Factorised(Var, Var),
}

/// The compressed interaction network.
#[derive(Clone, Debug)]
pub struct Cin {
    layers: Vec<Weights>,
    shape: CinShape,
}

/// The settings of a CIN's forward pass, without its weights.
#[derive(Clone, Debug)]
pub(crate) struct CinShape {
    maps: Vec<usize>,
    activation: CinActivation,
    split: bool,
}

impl Cin {
    /// A new network whose weights are normal with standard deviation 1 / sqrt(maps before * fields); the product of
    /// factors has the same deviation.
    ///
    /// # Errors
    /// Fails if a tensor cannot be created.
    pub fn new(
        settings: &CinSettings,
        fields: usize,
        generator: &Generator,
        device: &Device,
    ) -> Result<Self> {
        let shape = CinShape::new(settings);
        shape.check_size(settings.rank, fields)?;
        let mut before = fields;
        let mut layers = Vec::new();
        for (layer, &maps) in settings.maps.iter().enumerate() {
            let mut generator = generator.stream("cin", layer as u64);
            let std = 1.0 / ((before * fields) as f64).sqrt();
            let mut normal = |shape: (usize, usize, usize), std: f64| {
                Var::from_tensor(&generator.normal_tensor(shape, 0.0, std, DType::F32, device)?)
            };
            layers.push(match settings.rank {
                None => Weights::Whole(normal((maps, before, fields), std)?),
                Some(rank) => {
                    let std = (std / (rank as f64).sqrt()).sqrt();
                    Weights::Factorised(
                        normal((maps, before, rank), std)?,
                        normal((maps, fields, rank), std)?,
                    )
                }
            });
            before = shape.kept(layer);
        }
        Ok(Self { layers, shape })
    }

    /// Number of sums: the length of p+ (eq. 12).
    pub fn outputs(&self) -> usize {
        self.shape.outputs()
    }

    /// Computes p+, (rows, outputs), from embeddings (rows, fields, dim).
    ///
    /// # Errors
    /// Fails if the number of fields differs from the one at construction.
    pub fn forward(&self, fields: &Tensor) -> Result<Tensor> {
        self.shape.forward(fields, &self.weights()?)
    }

    /// The W of each layer as one tensor, (maps, maps before, fields).
    pub(crate) fn weights(&self) -> Result<Vec<Tensor>> {
        self.layers
            .iter()
            .map(|layer| match layer {
                Weights::Whole(weight) => Ok(weight.as_tensor().clone()),
                // W = U Vᵀ: eq. 14
                Weights::Factorised(u, v) => u.matmul(&v.transpose(1, 2)?.contiguous()?),
            })
            .collect()
    }

    pub(crate) fn shape(&self) -> &CinShape {
        &self.shape
    }

    /// The parameters, named "cin.LAYER.weight", or "cin.LAYER.u" and "cin.LAYER.v".
    pub fn parameters(&self) -> Vec<Parameter> {
        let parameter = |name: String, var: &Var| Parameter {
            name,
            var: var.clone(),
            kind: ParameterKind::Weight,
            part: Part::Head,
        };
        let mut all = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            match layer {
                Weights::Whole(weight) => all.push(parameter(format!("cin.{i}.weight"), weight)),
                Weights::Factorised(u, v) => {
                    all.push(parameter(format!("cin.{i}.u"), u));
                    all.push(parameter(format!("cin.{i}.v"), v));
                }
            }
        }
        all
    }
}

impl CinShape {
    pub(crate) fn new(settings: &CinSettings) -> Self {
        Self {
            maps: settings.maps.clone(),
            activation: settings.activation,
            split: settings.split,
        }
    }

    /// The settings that describe this shape, with whole matrices.
    pub(crate) fn settings(&self) -> CinSettings {
        CinSettings {
            maps: self.maps.clone(),
            activation: self.activation,
            split: self.split,
            rank: None,
        }
    }

    /// Shape of a layer's weight for this number of fields: (maps, maps before, fields).
    pub(crate) fn weight_shape(&self, layer: usize, fields: usize) -> [usize; 3] {
        let before = if layer == 0 {
            fields
        } else {
            self.kept(layer - 1)
        };
        [self.maps[layer], before, fields]
    }

    /// Refuses networks that cannot fit in memory before allocating any: the first layer has maps * fields^2 weights.
    fn check_size(&self, rank: Option<usize>, fields: usize) -> Result<()> {
        for layer in 0..self.maps.len() {
            let [maps, before, fields] = self.weight_shape(layer, fields).map(|n| n as u128);
            let weights = match rank {
                None => maps * before * fields,
                Some(rank) => maps * rank as u128 * (before + fields),
            };
            if weights > MAX_WEIGHTS {
                candle_core::bail!(
                    "layer {layer} of the interaction network would have {weights} weights ({maps} maps of {before} \
                     by {fields} fields), more than {MAX_WEIGHTS}; leave columns out (data.ignore), give fewer \
                     model.cin.maps ([] for none) or a smaller model.cin.rank"
                );
            }
        }
        Ok(())
    }

    /// Number of sums: the length of p+ (eq. 12).
    pub(crate) fn outputs(&self) -> usize {
        (0..self.maps.len()).map(|layer| self.summed(layer)).sum()
    }

    /// Number of a layer's maps that feed the next layer.
    fn kept(&self, layer: usize) -> usize {
        if self.split && layer + 1 < self.maps.len() {
            self.maps[layer] / 2
        } else {
            self.maps[layer]
        }
    }

    /// Number of a layer's maps that are summed into p+.
    fn summed(&self, layer: usize) -> usize {
        if self.split && layer + 1 < self.maps.len() {
            self.maps[layer] - self.maps[layer] / 2
        } else {
            self.maps[layer]
        }
    }

    /// The forward pass with given weights, which compact models share.
    pub(crate) fn forward(&self, fields: &Tensor, weights: &[Tensor]) -> Result<Tensor> {
        let mut maps = fields.clone(); // X⁰: (rows, fields, dim), eq. 8 and 9
        let mut sums = Vec::with_capacity(weights.len());
        for (layer, weight) in weights.iter().enumerate() {
            // Xᵏ[h] = Σᵢ Σⱼ W[h, i, j] (Xᵏ⁻¹[i] ∘ X⁰[j]): (rows, maps, dim), eq. 10
            let mut out = pairwise_interaction(&maps, fields, weight)?;
            if self.activation == CinActivation::Relu {
                out = relu(&out)?;
            }
            let (kept, summed) = (self.kept(layer), self.summed(layer));
            let total = self.maps[layer];
            let pooled = if summed < total {
                out.narrow(1, kept, summed)?
            } else {
                out.clone()
            };
            sums.push(sum(&pooled, 2)?); // pᵏ[i] = Σ_d Xᵏ[i, d]: (rows, maps), eq. 11
            maps = if kept < total {
                out.narrow(1, 0, kept)?.contiguous()?
            } else {
                out
            };
        }
        Tensor::cat(&sums, 1) // p⁺ = [p¹, ..., pᵀ]: (rows, outputs), eq. 12
    }

    /// Floating-point operations for one example; a multiply-add counts as two.
    pub(crate) fn flops(&self, fields: usize, dim: usize) -> u64 {
        let mut before = fields;
        let mut total = 0;
        for (layer, maps) in self.maps.iter().enumerate() {
            // The products once, then one multiply-add for each map.
            total += before * fields * dim * (1 + 2 * maps) + maps * dim;
            before = self.kept(layer);
        }
        total as u64
    }
}
