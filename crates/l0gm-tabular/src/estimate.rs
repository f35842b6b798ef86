//! Roughly estimates the time of a run on two CPU cores, from the table's rows and columns, the model's operations and
//! measured speeds. A user's file is looked at from its beginning.

use crate::load::is_table_file;
use crate::{Start, TabularSettings, TeacherKind};
use l0gm_data::rows::{self, ReadOptions};
use std::path::Path;
use std::time::Duration;

/// How much of a file is read to estimate its size.
const HEAD_BYTES: usize = 256 << 10;
/// Floating-point operations per second in training, the backward pass included, and seconds for each of its steps.
/// Measured on Adult (6.3 s for 18 epochs), bank and telescope.
const TRAINING: f64 = 70e9;
const STEP_S: f64 = 3e-3;
/// Adult's rows for training, and its columns without the label.
const ADULT_CELLS: f64 = 35_165.0 * 14.0;

/// What the time of a run depends on besides its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Extent {
    /// Rows for training.
    pub(crate) train: f64,
    /// Rows for testing.
    pub(crate) test: f64,
    /// Columns that enter the model.
    pub(crate) fields: f64,
}

impl Extent {
    /// The extent of a dataset. A file that cannot be read is taken for Adult; the run says what is wrong with it.
    pub(crate) fn of(dataset: &str, settings: &TabularSettings) -> Self {
        let data = &settings.data;
        let path = Path::new(dataset);
        let own = is_table_file(path).then(|| size(path, &data.read_options()));
        let (rows, columns) = own.flatten().unwrap_or((48_842.0, 15.0));
        let apart = data.test_file.as_ref();
        let apart = apart.and_then(|file| size(Path::new(file), &data.read_options()));
        let (rest, test) = match apart {
            Some((test, _)) => (rows, test),
            None => (rows * (1.0 - data.test_fraction), rows * data.test_fraction),
        };
        let train = rest * (1.0 - data.valid_fraction);
        Self {
            train: data.train_rows.map_or(train, |most| train.min(most as f64)),
            test,
            fields: (columns - 1.0).max(1.0),
        }
    }

    /// Training cells, as a multiple of Adult's.
    pub(crate) fn adults(&self) -> f64 {
        self.train * self.fields / ADULT_CELLS
    }

    /// Reading the table and judging the predictions, whatever is trained.
    pub(crate) fn judging(&self) -> Duration {
        Duration::from_secs_f64(0.2 + 1e-5 * (self.train + self.test))
    }

    /// Logistic regression, with the choice of its penalty.
    pub(crate) fn logistic(&self) -> Duration {
        self.judging() + Duration::from_secs_f64(0.7 * self.adults())
    }

    /// Boosted trees, on Adult about five seconds.
    pub(crate) fn trees(&self) -> Duration {
        self.judging() + Duration::from_secs_f64(4.0 * self.adults())
    }

    /// Ranking the columns: at most a logistic regression for each column.
    pub(crate) fn ranking(&self) -> Duration {
        Duration::from_secs_f64(0.5 * self.adults() * self.fields)
    }

    /// The backbone with or without a gate, trained and judged.
    pub(crate) fn gated(&self, settings: &TabularSettings) -> Duration {
        let batch = (settings.train.batch_size as f64).min((self.train / 16.0).max(8.0));
        let steps = (self.train / batch).ceil();
        let epoch =
            3.0 * self.train * operations(settings, self.fields) / TRAINING + STEP_S * steps;
        let start = match settings.model.start {
            Start::Random => 0.0,
            // How many values a column has is not known yet.
            Start::Additive | Start::ManyValues => 0.7 * self.adults(),
        };
        // The test rows are predicted thirteen times, and the calibration measures are drawn again 500 times.
        let judging = 1.0 + 2e-4 * self.test;
        let start = match settings.distillation.teacher {
            TeacherKind::None => start,
            // Five boosters on four fifths of the rows each.
            TeacherKind::Trees => start + 16.0 * self.adults(),
        };
        Duration::from_secs_f64(
            start + judging + epoch * settings.train.epochs_of(steps as usize) as f64,
        )
    }
}

/// About how many rows and columns a file has.
fn size(path: &Path, options: &ReadOptions) -> Option<(f64, f64)> {
    let found = rows::head(path, options, HEAD_BYTES).ok()?;
    Some((found.rows(), found.table.columns().len() as f64))
}

/// Floating-point operations of a forward pass over one row; a multiply-add counts as two.
fn operations(settings: &TabularSettings, fields: f64) -> f64 {
    let model = &settings.model;
    let dim = model.dim as f64;
    let (mut total, mut before) = (0.0, fields);
    for &maps in &model.cin.maps {
        // The products of all pairs, and their weighted sums.
        total += before * fields * dim * (1.0 + 2.0 * maps as f64);
        before = maps as f64;
    }
    if model.fm {
        total += 3.0 * (fields + 1.0) * dim;
    }
    let map = model
        .cross
        .rank
        .map_or(fields * dim, |rank| 2.0 * rank as f64);
    total += model.cross.layers as f64 * fields * dim * (2.0 * map + 3.0);
    let mut inputs = fields * dim;
    for &units in &model.deep {
        total += 2.0 * inputs * units as f64 * model.members as f64;
        inputs = units as f64;
    }
    total
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::TabularModality;
    use crate::tests::{small_csv, write};

    #[test]
    fn the_operations_of_the_default_model_on_adult_are_those_of_its_record() {
        let found = operations(&TabularSettings::default(), 14.0);
        assert!((found / 158_342.0 - 1.0).abs() < 0.02, "{found}");
    }

    #[test]
    fn a_file_is_counted_and_its_time_follows_rows_and_epochs() {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = TabularModality::general_defaults();
        settings.data.label = Some("label".into());
        settings.train.least_steps = 0;
        let of = |rows: usize, settings: &TabularSettings| {
            let path = write(dir.path(), &format!("{rows}.csv"), small_csv(rows));
            Extent::of(path.to_str().unwrap(), settings)
        };
        let small = of(1_000, &settings);
        assert_eq!((small.test, small.fields), (200.0, 4.0));
        assert!((small.train - 720.0).abs() < 1.0);
        let large = of(50_000, &settings);
        assert!((large.train / small.train / 50.0 - 1.0).abs() < 0.1);
        // Every table has 16 steps an epoch at least, and a second of other work.
        assert!(large.gated(&settings) > small.gated(&settings) * 3);
        let once = large.gated(&settings);
        settings.train.epochs *= 3;
        assert!(large.gated(&settings) > once * 2);
        // Few rows take twice as many epochs where the least number of steps needs more.
        settings.data.train_rows = None;
        let few = small.gated(&settings).as_secs_f64();
        settings.train.least_steps = 100_000;
        assert!(small.gated(&settings).as_secs_f64() > few * 1.2);
        settings.data.train_rows = Some(100);
        assert_eq!(of(50_000, &settings).train, 100.0);
    }
}
