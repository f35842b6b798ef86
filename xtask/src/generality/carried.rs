//! Blocks whose runs are not at hand: their figures come from the `rows.csv` of an earlier table.

use super::figures::{Estimate, Figures, Row};
use super::rows::BETWEEN_MACHINES;
use super::suite::Block;
use anyhow::Context;
use csv::StringRecord;
use l0gm::modalities;
use l0gm_train::MethodInfo;
use std::collections::BTreeMap;
use std::path::Path;

/// The figures of an earlier table, by member and size.
#[derive(Debug, Default)]
pub(super) struct Carried(BTreeMap<(String, String), Figures>);

impl Carried {
    /// Reads an earlier `rows.csv`.
    ///
    /// # Errors
    /// The file cannot be read, or it is not a `rows.csv`; the message names the line.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        Self::of_csv(&bytes).with_context(|| format!("{} is no earlier rows.csv", path.display()))
    }

    pub(super) fn of_csv(bytes: &[u8]) -> anyhow::Result<Self> {
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers()?.clone();
        let mut blocks: BTreeMap<(String, String), Figures> = BTreeMap::new();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let cells = Cells {
                header: &header,
                record: &record,
            };
            let (block, figures) = cells.figures().with_context(|| format!("line {line}"))?;
            match blocks.get_mut(&block) {
                Some(known) => {
                    known.rows.extend(figures.rows);
                    known.by_lambda = known.by_lambda.or(figures.by_lambda);
                    known.machines.extend(figures.machines);
                }
                None => {
                    blocks.insert(block, figures);
                }
            }
        }
        Ok(Self(blocks))
    }

    /// The earlier figures of a block.
    pub(super) fn of(&self, block: &Block) -> Option<&Figures> {
        let key = (block.member.name.to_owned(), block.size.name());
        self.0.get(&key)
    }
}

/// A row of the file with its header.
struct Cells<'a> {
    header: &'a StringRecord,
    record: &'a StringRecord,
}

impl Cells<'_> {
    /// The row's block, and figures with this row alone.
    fn figures(&self) -> anyhow::Result<((String, String), Figures)> {
        let part = |name| -> anyhow::Result<usize> { Ok(self.number(name)? as usize) };
        let machines = self.find("machines").unwrap_or("").split(BETWEEN_MACHINES);
        let machines = machines.filter(|name| !name.is_empty());
        let figures = Figures {
            rows: vec![self.row()?],
            by_lambda: self.maybe("lambda_active_fraction")?,
            parts: [part("train_rows")?, part("valid_rows")?, part("test_rows")?],
            machines: machines.map(str::to_owned).collect(),
        };
        let block = (
            self.text("member")?.to_owned(),
            self.text("size")?.to_owned(),
        );
        Ok((block, figures))
    }

    fn row(&self) -> anyhow::Result<Row> {
        Ok(Row {
            method: method(self.text("modality")?, self.text("method")?)?,
            seeds: self.number("seeds")? as usize,
            nll: Estimate {
                mean: self.number("nll")?,
                std: self.maybe("nll_std")?,
            },
            auc: self.maybe("auc")?,
            ece: self.number("ece")?,
            ece_noise: self.number("ece_noise")?,
            accuracy: self.number("accuracy")?,
            active: self.maybe("active_fraction")?,
            seconds: self.number("train_seconds")?,
            rank: self.maybe("rank")?.map(|rank| rank as usize),
            warnings: self.number("warnings")? as usize,
            gap: self.maybe("selection_gap")?,
            apart: self.maybe("fractions_apart")?,
        })
    }

    /// The cell of a column, if the file has that column.
    fn find(&self, name: &str) -> Option<&str> {
        let at = self.header.iter().position(|column| column == name)?;
        self.record.get(at)
    }

    fn text(&self, name: &str) -> anyhow::Result<&str> {
        self.find(name)
            .with_context(|| format!("there is no column {name}"))
    }

    /// A number that may be missing, also because the column came later than the file.
    fn maybe(&self, name: &str) -> anyhow::Result<Option<f64>> {
        match self.find(name) {
            None | Some("") => Ok(None),
            Some(text) => {
                let number = text.parse();
                number
                    .map(Some)
                    .with_context(|| format!("{name} is {text:?}, expected a number"))
            }
        }
    }

    fn number(&self, name: &str) -> anyhow::Result<f64> {
        self.maybe(name)?
            .with_context(|| format!("there is no {name}"))
    }
}

fn method(modality: &str, name: &str) -> anyhow::Result<MethodInfo> {
    modalities::methods()
        .into_iter()
        .filter(|(of, _)| *of == modality)
        .flat_map(|(_, infos)| infos)
        .find(|info| info.name == name)
        .with_context(|| format!("{modality} has no method {name}"))
}
