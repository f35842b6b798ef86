//! Logistic regression on one-hot categories and binned numbers, which shows what a linear model achieves on a table.
//!
//! Each category is a feature, and so is each bin edge of a number: between two edges the weight is interpolated, which
//! makes the effect of a number piecewise linear. The L2 penalty is chosen on the validation rows.

use crate::data_summary::{data_summary, encoding_note, found, split_note};
use crate::estimate::Extent;
use crate::robustness::TestCells;
use crate::{EncodedTable, Encoding, NumberEncoding, TabularModality, TabularSettings};
use candle_core::Device;
use l0gm_ops::Csr;
use l0gm_train::{
    Experiment, FeatureTask, Knob, Labelled, LogisticPredictor, LogisticRegression,
    LogisticSettings, Method, MethodInfo, Perturbation, PerturbedLogits, Result, Role, RunContext,
    RunRecord, RunSpec, Split, TimedRows, TimedRun,
};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) struct Logistic;

impl Method<TabularModality> for Logistic {
    fn info(&self) -> MethodInfo {
        MethodInfo {
            name: "logistic".into(),
            label: "logistic regression".into(),
            summary: "logistic regression over one-hot categories and piecewise-linear numbers"
                .into(),
            source: "Cox 1958; piecewise-linear numbers: arXiv:2203.05556".into(),
            role: Role::Baseline,
            gated: false,
            knob: Knob::None,
            rival_of: None,
            needs: None,
        }
    }

    fn settings(&self) -> Value {
        LogisticSettings::default().to_value()
    }

    fn check(&self, settings: &Value) -> Result<()> {
        LogisticSettings::from_value(settings).map(|_| ())
    }

    fn estimate(&self, _: &TabularModality, spec: &RunSpec) -> Result<Duration> {
        // On Adult's 35,165 training rows a run took about 1 s on two cores.
        let settings = settings_of(spec)?;
        Ok(Extent::of(&spec.dataset, &settings).logistic())
    }

    fn run(
        &self,
        modality: &TabularModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings = settings_of(spec)?;
        let own: LogisticSettings = spec.method_settings()?;
        let table = modality.prepare(&spec.dataset, &settings, spec.seed, &Device::Cpu)?;
        spec.check_twin(table.loaded.twin)?;
        context.progress.found(&found(&table).to_string());
        let notes = vec![encoding_note(&settings), split_note(&settings)];
        let experiment = Experiment {
            spec,
            method: self.info(),
            data: data_summary(&table, Vec::new(), notes),
            origins: Some(table.origins.clone()),
            robustness: settings.train.robustness,
        };
        experiment.run(
            |sitting, context| {
                let task = TableFeatures::new(&table, &settings, spec.seed)?;
                LogisticPredictor::fit(task, &own, sitting, context)
            },
            context,
        )
    }

    fn timed(
        &self,
        modality: &TabularModality,
        spec: &RunSpec,
        dir: &Path,
        _: &Device,
    ) -> Result<TimedRun> {
        let settings = settings_of(spec)?;
        let start = Instant::now();
        let table = modality.prepare(&spec.dataset, &settings, spec.seed, &Device::Cpu)?;
        spec.check_twin(table.loaded.twin)?;
        let split = table.loaded.split(&settings, spec.seed)?;
        let test = table.encoding.encode(&table.loaded.table, &split.test)?;
        let features = table.encoding.sparse(&test)?;
        let seconds = start.elapsed().as_secs_f64();
        let mut timed = LogisticRegression::timed(dir, &spec.id(), features, TimedRows::Batches)?;
        let rows = table.loaded.table.rows();
        let what = format!("reading, splitting and encoding {rows} rows");
        timed.preparation.push((what, seconds));
        Ok(timed)
    }
}

/// The run's settings. The bins are this method's own features, whichever encoding a neural model would use.
fn settings_of(spec: &RunSpec) -> Result<TabularSettings> {
    let mut settings: TabularSettings = spec.modality_settings()?;
    settings.encoding.numbers = NumberEncoding::PiecewiseLinear;
    Ok(settings)
}

/// A table's splits as sparse features.
struct TableFeatures<'a> {
    encoding: &'a Encoding,
    classes: usize,
    /// Training, validation and test.
    parts: [(Csr, Vec<u32>); 3],
    test: TestCells,
}

impl<'a> TableFeatures<'a> {
    fn new(table: &'a EncodedTable, settings: &TabularSettings, seed: u64) -> crate::Result<Self> {
        let EncodedTable {
            loaded, encoding, ..
        } = table;
        let split = loaded.split(settings, seed)?;
        let part = |rows: &[u32]| -> crate::Result<(Csr, Vec<u32>)> {
            let encoded = encoding.encode(&loaded.table, rows)?;
            let labels = rows.iter().map(|&row| loaded.labels[row as usize]);
            Ok((encoding.sparse(&encoded)?, labels.collect()))
        };
        let encoded = encoding.encode(&loaded.table, &split.test)?;
        Ok(Self {
            encoding,
            classes: table.classes(),
            parts: [part(&split.train)?, part(&split.valid)?, part(&split.test)?],
            test: TestCells::new(&loaded.table, encoding, &split, encoded)?,
        })
    }
}

impl FeatureTask for TableFeatures<'_> {
    fn classes(&self) -> usize {
        self.classes
    }

    fn split(&self, split: Split) -> Labelled<'_> {
        let (rows, labels) = &self.parts[split as usize];
        Labelled {
            rows: rows.into(),
            labels,
        }
    }

    fn perturbed(
        &self,
        model: &LogisticRegression,
        rows: &[u32],
        perturbation: &Perturbation,
    ) -> Result<PerturbedLogits> {
        let encoded = self.test.perturbed(rows, perturbation);
        let features = self.encoding.sparse(&encoded)?;
        Ok(PerturbedLogits {
            at: self.test.place(perturbation.condition.kind),
            logits: model.logits(&features)?,
        })
    }
}
