//! The settings of the methods on pre-propagated features. They are a method's own: `--set graph.method.sign.hops=2`.

use crate::settings::whole;
use crate::{Error, GraphTensors, Result};
use l0gm_gate::{GateConfig, Granularity, Interface};
use l0gm_train::LogisticSettings;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most times that features are propagated.
const MOST_HOPS: usize = 16;
const GIB: f64 = (1u64 << 30) as f64;

/// Settings of SIGN, with and without a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SignSettings {
    /// How many times features are propagated. The network reads them from 0 times to this many.
    pub(crate) hops: usize,
    /// Width of each hop's linear map and of every hidden layer behind them.
    pub(crate) width: usize,
    /// Number of layers behind the hops' maps. The last one is the classifier, and what it reads is the interface.
    pub(crate) layers: usize,
    /// Share of hidden values dropped after every activation.
    pub(crate) dropout: f64,
    /// Most memory of the propagated features, in GiB.
    pub(crate) memory_gib: f64,
}

impl Default for SignSettings {
    fn default() -> Self {
        Self {
            hops: 3,
            width: 256,
            layers: 2,
            dropout: 0.5,
            memory_gib: 4.0,
        }
    }
}

impl SignSettings {
    /// From the own settings of a method called `name`, checked.
    ///
    /// # Errors
    /// Names the setting, its value and what is allowed.
    pub(crate) fn from_value(name: &str, value: &Value) -> Result<Self> {
        let own: Self = parsed(name, value)?;
        whole(&format!("method.{name}.hops"), own.hops, 1, MOST_HOPS)?;
        whole(&format!("method.{name}.width"), own.width, 1, 1 << 16)?;
        whole(&format!("method.{name}.layers"), own.layers, 1, 64)?;
        if !(0.0..1.0).contains(&own.dropout) {
            return Err(Error::Setting(format!(
                "method.{name}.dropout is {}; it must be at least 0 and below 1",
                own.dropout
            )));
        }
        check_gib(name, own.memory_gib)?;
        Ok(own)
    }

    /// Refuses gates of a method called `name` that do not fit the interface. The settings of all graphs are checked
    /// against the interface of another network.
    ///
    /// # Errors
    /// Names the settings and what is allowed.
    pub(crate) fn check_gate(&self, name: &str, gate: &GateConfig) -> Result<()> {
        if gate.granularity == Granularity::Fine {
            return Err(Error::Setting(format!(
                "gate.granularity is \"fine\", but the gates of {name} stand on its interface; take \"interface\" or \
                 \"group\""
            )));
        }
        let dim = self.interface_width();
        gate.check_on(Interface::Flat { dim }).map_err(|error| {
            let from = match self.layers {
                1 => format!("method.{name}.width times method.{name}.hops + 1"),
                _ => format!("method.{name}.width"),
            };
            Error::Setting(format!(
                "gate: {error} (the interface has {dim} dimensions because of {from})"
            ))
        })
    }

    /// Width of the interface: of the last hidden layer or, without one, of the hops' maps together.
    pub(crate) fn interface_width(&self) -> usize {
        match self.layers {
            1 => (self.hops + 1) * self.width,
            _ => self.width,
        }
    }
}

/// Settings of SGC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SgcSettings {
    /// How many times features are propagated.
    pub(crate) hops: usize,
    /// Most memory of the propagated features, in GiB.
    pub(crate) memory_gib: f64,
    /// How the classifier is fitted.
    pub(crate) regression: LogisticSettings,
}

impl Default for SgcSettings {
    fn default() -> Self {
        Self {
            hops: 2,
            memory_gib: 4.0,
            regression: LogisticSettings {
                // Propagated features are dense, so an iteration takes long; each strength starts from the one before.
                max_iterations: 60,
                ..LogisticSettings::default()
            },
        }
    }
}

impl SgcSettings {
    /// From the own settings of a method called `name`, checked.
    ///
    /// # Errors
    /// Names the setting, its value and what is allowed.
    pub(crate) fn from_value(name: &str, value: &Value) -> Result<Self> {
        let own: Self = parsed(name, value)?;
        whole(&format!("method.{name}.hops"), own.hops, 1, MOST_HOPS)?;
        check_gib(name, own.memory_gib)?;
        own.regression.check()?;
        Ok(own)
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(name: &str, value: &Value) -> Result<T> {
    serde_json::from_value(value.clone())
        .map_err(|e| Error::Setting(format!("settings of method {name}: {e}")))
}

fn check_gib(name: &str, gib: f64) -> Result<()> {
    if gib.is_finite() && gib > 0.0 {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "method.{name}.memory-gib is {gib}; it must be a number above 0"
    )))
}

/// Refuses to propagate features where the result would take more memory than allowed: so many matrices of all nodes, one
/// for SGC and hops + 1 for SIGN.
///
/// # Errors
/// Says how much is needed and which settings to change.
pub(crate) fn check_memory(
    name: &str,
    graph: &GraphTensors,
    matrices: usize,
    most_gib: f64,
) -> Result<()> {
    let (nodes, columns) = (graph.nodes(), graph.columns());
    let one = 4.0 * nodes as f64 * columns as f64 / GIB;
    let needed = one * matrices as f64;
    if needed <= most_gib {
        return Ok(());
    }
    let fitting = (most_gib / one).floor() as usize;
    let fewer = match fitting {
        2.. if matrices > 1 => format!("set method.{name}.hops={}, or ", fitting - 1),
        _ => String::new(),
    };
    Err(Error::Setting(format!(
        "propagated features have no zeros to leave out: {matrices} matrices of {nodes} nodes x {columns} features take \
         {needed:.2} GiB, and method.{name}.memory-gib allows {most_gib}; {fewer}allow more with \
         method.{name}.memory-gib={:.0}, or give the nodes fewer features",
        needed.ceil()
    )))
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
