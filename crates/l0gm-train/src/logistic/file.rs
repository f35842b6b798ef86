//! A fitted logistic regression as one safetensors file in its run's folder. Its tensors are `weights`,
//! (columns, outputs), and `intercepts`, (outputs,); its metadata holds a [`Header`] as JSON.

use super::LogisticRegression;
use super::model::outputs;
use crate::run_dir::write_atomically;
use crate::{Error, Result, RunDir};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The value of `format` in the header. There is only this one version.
const FORMAT: &str = "l0gm-logistic 1";
const HEADER: &str = "header";
const WEIGHTS: &str = "weights";
const INTERCEPTS: &str = "intercepts";

/// What the file says of its model.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Header {
    format: String,
    /// The run that fitted the model.
    run_id: String,
    classes: usize,
}

impl LogisticRegression {
    /// Writes the model of the run `run_id` into its folder, replacing an earlier one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, run: &RunDir, run_id: &str) -> Result<()> {
        let path = path_in(run.path());
        let fail =
            |e: safetensors::SafeTensorError| Error::file(&path, format!("cannot be written: {e}"));
        let bytes = |values: &[f32]| -> Vec<u8> {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        };
        let (weights, intercepts) = (bytes(&self.weights), bytes(&self.intercepts));
        let outputs = self.intercepts.len();
        let tensors = [
            (WEIGHTS, vec![self.columns, outputs], &weights),
            (INTERCEPTS, vec![outputs], &intercepts),
        ]
        .into_iter()
        .map(|(name, shape, bytes)| {
            Ok((
                name,
                TensorView::new(Dtype::F32, shape, bytes).map_err(fail)?,
            ))
        })
        .collect::<Result<Vec<_>>>()?;
        let header = Header {
            format: FORMAT.to_owned(),
            run_id: run_id.to_owned(),
            classes: self.classes,
        };
        let header = serde_json::to_string(&header)
            .map_err(|e| Error::file(&path, format!("cannot be written: {e}")))?;
        // One entry, because several would be written in a random order.
        let metadata = HashMap::from([(HEADER.to_owned(), header)]);
        let content = safetensors::serialize(tensors, Some(metadata)).map_err(fail)?;
        write_atomically(&path, &content)
    }

    /// Reads the model of the finished run `run_id` from its folder.
    ///
    /// # Errors
    /// [`Error::NoModel`] where an earlier version made the run and kept none. Otherwise the file is damaged, of another
    /// version or of another run.
    pub(super) fn read(dir: &Path, run_id: &str) -> Result<Self> {
        let path = path_in(dir);
        let content = match std::fs::read(&path) {
            Ok(content) => content,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NoModel(format!(
                    "{}: not there, because an earlier version made this run; delete its folder and give its \
                     command again",
                    path.display()
                )));
            }
            Err(e) => return Err(Error::io(&path, "read this file", &e)),
        };
        let broken = |why: &str| {
            Error::file(
                &path,
                format!("{why}; delete the run's folder and give its command again"),
            )
        };
        let unreadable = |e: safetensors::SafeTensorError| {
            broken(&format!("is no whole safetensors file ({e})"))
        };
        let file = SafeTensors::deserialize(&content).map_err(unreadable)?;
        let (_, header) = SafeTensors::read_metadata(&content).map_err(unreadable)?;
        let header = header.metadata().as_ref().and_then(|said| said.get(HEADER));
        let header: Header = header
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| broken("is a safetensors file, but not a logistic regression's"))?;
        if header.format != FORMAT {
            return Err(broken(&format!(
                "holds {:?}, but this version reads {FORMAT:?}",
                header.format
            )));
        }
        if header.run_id != run_id {
            return Err(broken(&format!(
                "belongs to the run {}, not to {run_id}",
                header.run_id
            )));
        }
        if header.classes < 2 {
            return Err(broken("names no number of classes"));
        }
        let (classes, outputs) = (header.classes, outputs(header.classes));
        let weights = file.tensor(WEIGHTS).map_err(unreadable)?;
        let intercepts = file.tensor(INTERCEPTS).map_err(unreadable)?;
        let fits = weights.shape().len() == 2
            && weights.shape()[1] == outputs
            && intercepts.shape() == [outputs];
        let model = Self {
            classes,
            columns: weights.shape().first().copied().unwrap_or(0),
            weights: numbers(&weights).unwrap_or_default(),
            intercepts: numbers(&intercepts).unwrap_or_default(),
        };
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if !fits || model.weights.len() != model.columns * outputs {
            return Err(broken("its tensors do not fit its number of classes"));
        }
        if !finite(&model.weights) || !finite(&model.intercepts) {
            return Err(broken("holds a weight that is not a finite number"));
        }
        Ok(model)
    }
}

fn path_in(run: &Path) -> PathBuf {
    run.join("logistic.safetensors")
}

/// The numbers of a tensor of type f32; `None` for another type.
fn numbers(tensor: &TensorView<'_>) -> Option<Vec<f32>> {
    let four = |bytes: &[u8]| bytes.try_into().map(f32::from_le_bytes).unwrap_or(f32::NAN);
    (tensor.dtype() == Dtype::F32).then(|| tensor.data().chunks_exact(4).map(four).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn model(classes: usize) -> LogisticRegression {
        let parameters: Vec<f64> = (0..4 * outputs(classes)).map(|i| i as f64 / 7.0).collect();
        LogisticRegression::new(classes, 3, &parameters)
    }

    #[test]
    fn what_is_written_is_read_back_bit_for_bit() {
        for classes in [2, 5] {
            let folder = tempfile::tempdir().unwrap();
            let run = RunDir::open(&folder.path().join("run")).unwrap();
            model(classes).write(&run, "some-run").unwrap();
            let read = LogisticRegression::read(run.path(), "some-run").unwrap();
            assert_eq!(read, model(classes));
        }
    }

    #[test]
    fn a_file_that_is_missing_damaged_or_of_another_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(&folder.path().join("run")).unwrap();
        let refusal = |id: &str| LogisticRegression::read(run.path(), id).unwrap_err();
        let missing = refusal("some-run");
        assert!(matches!(missing, Error::NoModel(_)), "{missing}");
        assert!(missing.to_string().contains("logistic.safetensors"));
        model(5).write(&run, "some-run").unwrap();
        let text = refusal("other-run").to_string();
        assert!(text.contains("belongs to the run some-run"), "{text}");
        let path = path_in(run.path());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let text = refusal("some-run").to_string();
        assert!(
            text.contains("logistic.safetensors") && text.contains("no whole"),
            "{text}"
        );
        let mut wrong = model(5);
        wrong.weights[3] = f32::INFINITY;
        wrong.write(&run, "some-run").unwrap();
        let text = refusal("some-run").to_string();
        assert!(text.contains("not a finite number"), "{text}");
    }
}
