//! The tensors of a compact model by name, as its file keeps them.

use super::CompactModel;
use super::branches::CompactFm;
use super::deep::CompactOutput;
use super::fields::FieldMap;
use super::linear::{CompactLinear, RawNumbers};
use candle_core::Tensor;
use std::collections::BTreeMap;

impl CompactModel {
    /// Every tensor of the model, by a stable name.
    pub(crate) fn tensors(&self) -> BTreeMap<String, Tensor> {
        let mut all = BTreeMap::new();
        let mut add = |name: String, tensor: &Tensor| {
            all.insert(name, tensor.clone());
        };
        add("bias".into(), &self.bias);
        let open = (0..self.open.len()).filter(|&field| self.open[field] > 0);
        for (at, field) in open.zip(&self.fields) {
            // Fields are numbered as in the interface.
            let name = |part: &str| format!("field.{at}.{part}");
            match &field.map {
                FieldMap::Categories(table) | FieldMap::PiecewiseLinear(table) => {
                    add(name("table"), table);
                }
                FieldMap::Dense(frequencies, weight, offset) => {
                    if let Some(frequencies) = frequencies {
                        add(name("frequencies"), frequencies);
                    }
                    add(name("weight"), weight);
                    add(name("offset"), offset);
                }
            }
        }
        match &self.linear {
            CompactLinear::None => {}
            CompactLinear::Raw(categories, numbers) => {
                if let Some(table) = categories {
                    add("linear.categories".into(), table);
                }
                if let Some(RawNumbers::PiecewiseLinear(table) | RawNumbers::Scaled(table)) =
                    numbers
                {
                    add("linear.numbers".into(), table);
                }
            }
            CompactLinear::Gated(weight) => add("linear.weight".into(), weight),
        }
        if let Some(cin) = &self.cin {
            for (layer, weight) in cin.weights.iter().enumerate() {
                add(format!("cin.{layer}"), weight);
            }
            add("cin.output".into(), &cin.output);
        }
        if let Some(CompactFm {
            output: Some(output),
            ..
        }) = &self.fm
        {
            add("fm.output".into(), output);
        }
        if let Some(cross) = &self.cross {
            for (layer, of) in cross.layers.iter().enumerate() {
                if let Some(inner) = &of.inner {
                    add(format!("cross.{layer}.v"), inner);
                }
                let outer = if of.inner.is_some() { "u" } else { "w" };
                add(format!("cross.{layer}.{outer}"), &of.outer);
                add(format!("cross.{layer}.bias"), &of.bias);
            }
            add("cross.output".into(), &cross.output);
        }
        if let Some(deep) = &self.deep {
            if let Some(first) = &deep.first {
                add("deep.0.weight".into(), first);
            }
            add("deep.0.bias".into(), &deep.first_bias);
            for (layer, linear) in deep.hidden.iter().enumerate() {
                add(format!("deep.{}.weight", layer + 1), &linear.weight);
                if let Some(bias) = &linear.bias {
                    add(format!("deep.{}.bias", layer + 1), bias);
                }
            }
            match &deep.output {
                CompactOutput::Single(weight) => add("deep.output".into(), weight),
                CompactOutput::Members(members) => {
                    if let Some(adapter) = &members.adapter {
                        add("deep.adapter".into(), adapter);
                    }
                    for (output, weight) in members.weights.iter().enumerate() {
                        add(format!("deep.output.{output}"), weight);
                    }
                    add("deep.output.bias".into(), &members.bias);
                }
            }
        }
        all
    }
}
