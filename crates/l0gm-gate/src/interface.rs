//! The interface that a gate stands on: the shape of a representation, and how many gates cover it.

use crate::{Error, GateConfig, Granularity, Result};
use serde::{Deserialize, Serialize};

/// The shape of the representation that the classifier reads, without the batch dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interface {
    /// A representation of shape (batch, dim).
    Flat {
        /// Number of dimensions.
        dim: usize,
    },
    /// A representation of shape (batch, fields, dim).
    Fields {
        /// Number of fields.
        fields: usize,
        /// Width of each field's embedding.
        dim: usize,
    },
    /// Maps of shape (batch, channels, positions...), as convolutions make them: (batch, channels, height, width) or
    /// (batch, channels, length). A gate covers a channel at all positions.
    ChannelsFirst {
        /// Number of channels.
        channels: usize,
    },
    /// Sequences of shape (batch, length, channels), as recurrent layers and Transformers make them. A gate covers a
    /// channel at all positions.
    ChannelsLast {
        /// Number of channels.
        channels: usize,
    },
}

impl Interface {
    /// Number of dimensions: dim, fields * dim, or the number of channels.
    pub fn width(&self) -> usize {
        match *self {
            Interface::Flat { dim } => dim,
            Interface::Fields { fields, dim } => fields * dim,
            Interface::ChannelsFirst { channels } | Interface::ChannelsLast { channels } => {
                channels
            }
        }
    }

    /// Number of gates for these settings, and the number of neighbouring dimensions that each covers.
    pub(crate) fn gates(&self, config: &GateConfig) -> Result<(usize, usize)> {
        let width = self.width();
        if width == 0 {
            return Err(Error::input(format!(
                "the interface {self:?} has no dimension to gate"
            )));
        }
        match (config.granularity, *self) {
            // Fine gates stand below the interface, where each covers one dimension.
            (Granularity::Interface | Granularity::Fine, _) => Ok((width, 1)),
            (Granularity::Group, Interface::Fields { fields, dim }) => Ok((fields, dim)),
            (
                Granularity::Group,
                Interface::Flat { dim }
                | Interface::ChannelsFirst { channels: dim }
                | Interface::ChannelsLast { channels: dim },
            ) => {
                let group = config.group_width;
                if group != 0 && dim.is_multiple_of(group) {
                    return Ok((dim / group, group));
                }
                Err(Error::Setting(format!(
                    "group-width is {group}, but the interface has {dim} dimensions, which groups of {group} do \
                     not fill; {}",
                    nearest_divisors(dim, group)
                )))
            }
        }
    }

    /// Whether a representation of this shape stands on the interface.
    pub(crate) fn fits(&self, shape: &[usize]) -> bool {
        match (*self, shape) {
            (Interface::Flat { dim }, &[_, found]) => found == dim,
            (Interface::Fields { fields, dim }, &[_, rows, found]) => {
                (rows, found) == (fields, dim)
            }
            (Interface::ChannelsFirst { channels }, &[_, found, _] | &[_, found, _, _]) => {
                found == channels
            }
            (Interface::ChannelsLast { channels }, &[_, _, found]) => found == channels,
            _ => false,
        }
    }

    /// The shapes that fit, for an error message.
    pub(crate) fn expected(&self) -> String {
        match self {
            Interface::Flat { dim } => format!("(batch, {dim})"),
            Interface::Fields { fields, dim } => format!("(batch, {fields}, {dim})"),
            Interface::ChannelsFirst { channels } => {
                format!("(batch, {channels}, height, width) or (batch, {channels}, length)")
            }
            Interface::ChannelsLast { channels } => format!("(batch, length, {channels})"),
        }
    }
}

/// The divisors of `dim` nearest to `group` on both sides, for an error message.
fn nearest_divisors(dim: usize, group: usize) -> String {
    let divides = |&width: &usize| dim.is_multiple_of(width);
    let below = (1..group.min(dim + 1)).rev().find(divides);
    let above = (group + 1..=dim).find(divides);
    let nearest: Vec<String> = below
        .into_iter()
        .chain(above)
        .map(|w| w.to_string())
        .collect();
    match nearest.len() {
        1 => format!("the nearest width that does is {}", nearest[0]),
        _ => format!("the nearest widths that do are {}", nearest.join(" and ")),
    }
}

#[cfg(test)]
#[path = "channels_tests.rs"]
mod channels_tests;
