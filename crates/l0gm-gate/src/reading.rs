//! What a gate leaves open: the numbers for tables, figures and compaction. A gate that is the same for every example
//! gives them directly; those of a conditional gate are means over examples, collected batch by batch.

use crate::{Error, Gate, GateKind, Gated, Granularity, InferenceGate, Interface, Result};
use serde::{Deserialize, Serialize};

/// Share of gate dimensions that the deterministic gate leaves non-zero, in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActiveFraction(pub f64);

/// What one gate, or all gates of a model together, leave open. For a conditional gate these are averages over the
/// examples that it read. A run record stores this struct as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateReading {
    /// The kind of gate. Absent for the identity of a dense model, for which the record has "none"; the same holds
    /// for the next two fields.
    #[serde(with = "or_none")]
    pub kind: Option<GateKind>,
    /// What one gate covers.
    #[serde(with = "or_none")]
    pub granularity: Option<Granularity>,
    /// The deterministic gate that was read.
    #[serde(with = "or_none")]
    pub inference: Option<InferenceGate>,
    /// Share of gated dimensions that are open: for a conditional gate the mean over examples, for the identity 1.
    pub active_fraction: f64,
    /// Expected number of dimensions open under training noise; for the identity all of them.
    pub expected_l0: f64,
    /// Number of open dimensions; for a conditional gate those that are open for at least one example.
    pub open_dims: usize,
    /// Total number of gated dimensions; for the identity the interface's.
    pub total_dims: usize,
    /// Deterministic z of every gated dimension (for a conditional gate its mean). Empty for the identity, and in
    /// records of fine gates, because there are many.
    pub z: Vec<f32>,
    /// P(z != 0) of every gate. Empty for the identity.
    pub open_probability: Vec<f64>,
    /// For an interface of fields: the name of each field and the number of its open dimensions.
    pub fields: Vec<(String, usize)>,
}

impl GateReading {
    /// The reading of a model without a gate or an interface, such as a tree ensemble.
    pub fn none() -> Self {
        Self {
            kind: None,
            granularity: None,
            inference: None,
            active_fraction: 1.0,
            expected_l0: 0.0,
            open_dims: 0,
            total_dims: 0,
            z: Vec::new(),
            open_probability: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// The name of the kind in records; "none" for the identity.
    pub fn kind_name(&self) -> &'static str {
        self.kind.map_or(or_none::NONE, GateKind::name)
    }

    /// The name of the granularity in records; "none" for the identity.
    pub fn granularity_name(&self) -> &'static str {
        self.granularity.map_or(or_none::NONE, Granularity::name)
    }

    /// The name of the deterministic gate in records; "none" for the identity.
    pub fn inference_name(&self) -> &'static str {
        self.inference.map_or(or_none::NONE, InferenceGate::name)
    }

    /// Combines the gates of a model into one reading, in their order; `None` if there are none. Kind, granularity
    /// and inference are taken from the first, because all gates of a model have the same settings.
    pub fn together(parts: impl IntoIterator<Item = GateReading>) -> Option<GateReading> {
        let mut all: Option<GateReading> = None;
        let mut active = 0.0;
        for part in parts {
            active += part.active_fraction * part.total_dims as f64;
            all = Some(match all {
                None => part,
                Some(mut all) => {
                    all.expected_l0 += part.expected_l0;
                    all.open_dims += part.open_dims;
                    all.total_dims += part.total_dims;
                    all.z.extend(part.z);
                    all.open_probability.extend(part.open_probability);
                    all
                }
            });
        }
        let mut all = all?;
        all.active_fraction = active / all.total_dims.max(1) as f64;
        Some(all)
    }

    /// Counts the open dimensions of every field of `interface`; `names` are the fields' names. Does nothing for a
    /// flat interface and for gates below the interface.
    ///
    /// # Errors
    /// The number of names differs from the number of fields.
    pub fn count_fields(&mut self, interface: Interface, names: &[String]) -> Result<()> {
        let Interface::Fields { fields, dim } = interface else {
            return Ok(());
        };
        if names.len() != fields {
            return Err(Error::input(format!(
                "{} field names were given for an interface of {fields} fields",
                names.len()
            )));
        }
        let open: Vec<usize> = match self.kind {
            None => vec![dim; fields],
            Some(_) if self.z.len() != interface.width() => return Ok(()),
            Some(_) => {
                let open = |field: &[f32]| field.iter().filter(|&&z| z != 0.0).count();
                self.z.chunks(dim).map(open).collect()
            }
        };
        self.fields = names.iter().cloned().zip(open).collect();
        Ok(())
    }
}

/// Serialises a gate setting as its name, or as "none" if there is no gate.
mod or_none {
    use serde::de::value::{Error as NameError, StringDeserializer};
    use serde::de::{DeserializeOwned, Error, IntoDeserializer};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// The value in records if there is no gate.
    pub(super) const NONE: &str = "none";

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str(NONE),
        }
    }

    pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == NONE {
            return Ok(None);
        }
        let name: StringDeserializer<NameError> = name.into_deserializer();
        T::deserialize(name).map(Some).map_err(D::Error::custom)
    }
}

impl Gate {
    /// The deterministic z of every *dimension* of the interface, of length `width()`: exactly the factors that are
    /// used outside training. A group's z is repeated. For `Interface::Fields` it goes field by field.
    ///
    /// # Errors
    /// The gate is conditional. This also holds for the methods below: such a gate has a z only for a given example,
    /// and cannot be folded into another layer.
    pub fn deterministic(&self) -> Result<Vec<f32>> {
        self.same_for_all("z", "Gate::forward, or a GateReader for its mean")?;
        let Some(inner) = &self.inner else {
            return Ok(vec![1.0; self.interface.width()]);
        };
        let z = inner
            .deterministic(inner.log_alpha.as_tensor())?
            .to_vec1::<f32>()?;
        Ok(z.iter()
            .flat_map(|&z| std::iter::repeat_n(z, inner.covers))
            .collect())
    }

    /// P(z != 0) of every gate.
    pub fn open_probability(&self) -> Result<Vec<f64>> {
        self.same_for_all("P(z != 0)", "a GateReader for its mean")?;
        let Some(inner) = &self.inner else {
            return Ok(vec![1.0; self.interface.width()]);
        };
        inner.check_settings()?;
        if self.is_fixed() {
            let open = self.hard_mask()?;
            let of_gates = open.iter().step_by(inner.covers);
            return Ok(of_gates.map(|&open| f64::from(u8::from(open))).collect());
        }
        let log_alpha = inner.log_alpha.to_vec1::<f32>()?;
        let open = |&a: &f32| {
            inner
                .config
                .open_probability(f64::from(a), inner.temperature)
        };
        Ok(log_alpha.iter().map(open).collect())
    }

    /// Expected L0 in dimensions of the interface (a group counts with its width).
    pub fn expected_l0(&self) -> Result<f64> {
        Ok(self.covers() as f64 * self.open_probability()?.iter().sum::<f64>())
    }

    /// Share of dimensions that the deterministic gate leaves non-zero.
    pub fn active_fraction(&self) -> Result<ActiveFraction> {
        Ok(share_open(&self.hard_mask()?))
    }

    /// Which dimensions stay open. Compaction keeps these.
    pub fn hard_mask(&self) -> Result<Vec<bool>> {
        Ok(self.deterministic()?.iter().map(|&z| z != 0.0).collect())
    }

    /// All of the numbers above at once.
    pub fn reading(&self) -> Result<GateReading> {
        let z = self.deterministic()?;
        Ok(self.reading_of(z, self.active_fraction()?.0, self.open_probability()?))
    }

    /// Builds a reading from known means.
    fn reading_of(&self, z: Vec<f32>, active: f64, open_probability: Vec<f64>) -> GateReading {
        let config = self.config();
        let reading = GateReading {
            kind: config.map(|config| config.kind),
            granularity: config.map(|config| config.granularity),
            inference: config.map(|config| config.inference),
            active_fraction: active,
            expected_l0: self.covers() as f64 * open_probability.iter().sum::<f64>(),
            open_dims: z.iter().filter(|&&z| z != 0.0).count(),
            total_dims: z.len(),
            z,
            open_probability,
            fields: Vec::new(),
        };
        if self.is_identity() {
            return GateReading {
                z: Vec::new(),
                open_probability: Vec::new(),
                ..reading
            };
        }
        reading
    }

    /// Refuses a conditional gate where an answer for all examples at once is required.
    pub(crate) fn same_for_all(&self, what: &str, instead: &str) -> Result<()> {
        if !self.is_conditional() {
            return Ok(());
        }
        Err(Error::input(format!(
            "a conditional gate has no {what} of its own: it depends on the example; use {instead}. Such a gate \
             is not compacted either: train one of kind static or per-example for that"
        )))
    }
}

/// Share of dimensions that are open.
fn share_open(mask: &[bool]) -> ActiveFraction {
    let open = mask.iter().filter(|&&open| open).count();
    ActiveFraction(open as f64 / mask.len().max(1) as f64)
}

/// Collects a gate's reading over the batches of a split.
#[derive(Clone, Debug, Default)]
pub struct GateReader {
    examples: usize,
    /// Sums over examples, with one entry per gate.
    z: Vec<f64>,
    opened: Vec<f64>,
    probability: Vec<f64>,
}

impl GateReader {
    /// Adds the examples of one batch. Does nothing unless the gate is conditional.
    pub fn add(&mut self, gate: &Gate, gated: &Gated) -> Result<()> {
        let (Some(inner), Some(own)) = (&gate.inner, &gated.log_alpha) else {
            return Ok(());
        };
        let log_alpha = own.detach();
        let z = inner.deterministic(&log_alpha)?.to_vec2::<f32>()?;
        let gates = log_alpha.dim(1)?;
        for sums in [&mut self.z, &mut self.opened, &mut self.probability] {
            sums.resize(gates, 0.0);
        }
        for (z, log_alpha) in z.iter().zip(log_alpha.to_vec2::<f32>()?) {
            self.examples += 1;
            for (gate, (&z, log_alpha)) in z.iter().zip(log_alpha).enumerate() {
                self.z[gate] += f64::from(z);
                self.opened[gate] += f64::from(z != 0.0);
                self.probability[gate] += inner
                    .config
                    .open_probability(f64::from(log_alpha), inner.temperature);
            }
        }
        Ok(())
    }

    /// The means over all added examples. A gate that is not conditional needs no examples.
    ///
    /// # Errors
    /// The gate is conditional and no example was added.
    pub fn finish(&self, gate: &Gate) -> Result<GateReading> {
        if !gate.is_conditional() {
            return gate.reading();
        }
        if self.examples == 0 {
            return Err(Error::input(
                "a conditional gate's active fraction is a mean over examples, and there was none",
            ));
        }
        let n = self.examples as f64;
        let covers = gate.covers();
        let spread = |sums: &[f64]| -> Vec<f64> {
            let means = sums.iter().map(|sum| sum / n);
            means
                .flat_map(|mean| std::iter::repeat_n(mean, covers))
                .collect()
        };
        let opened = spread(&self.opened);
        let open_probability: Vec<f64> = self.probability.iter().map(|sum| sum / n).collect();
        let z = spread(&self.z).iter().map(|&z| z as f32).collect();
        let active = opened.iter().sum::<f64>() / opened.len().max(1) as f64;
        Ok(gate.reading_of(z, active, open_probability))
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
