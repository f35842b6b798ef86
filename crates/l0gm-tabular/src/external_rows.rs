//! A table's rows for tools that are programs of their own: numbers as numbers, categories by their names, missing
//! cells as nulls.

use crate::robustness::TestCells;
use crate::split::SplitRows;
use crate::table::Cells;
use crate::{EncodedTable, Result, TabularSettings};
use l0gm_train::{
    ConditionKind, ExternalCells, ExternalColumn, ExternalPart, ExternalRows, Perturbation, Split,
};

/// The splits of a table, as an external tool reads them.
pub(crate) struct TableRows<'a> {
    table: &'a EncodedTable,
    split: SplitRows,
    /// Classes of the training, validation and test rows.
    labels: [Vec<u32>; 3],
    /// The columns that a model reads, in the order of the file.
    columns: Vec<ReadColumn<'a>>,
    test: TestCells,
    seed: u64,
}

/// A column that a model reads.
struct ReadColumn<'a> {
    name: &'a str,
    cells: &'a Cells,
    /// Its position among the category fields or the number fields of the encoding.
    at: usize,
}

impl<'a> TableRows<'a> {
    /// Splits the table as a run with this seed does.
    ///
    /// # Errors
    /// The table cannot be split.
    pub(crate) fn new(
        table: &'a EncodedTable,
        settings: &TabularSettings,
        seed: u64,
    ) -> Result<Self> {
        let EncodedTable {
            loaded, encoding, ..
        } = table;
        let split = loaded.split(settings, seed)?;
        let labels = [&split.train, &split.valid, &split.test].map(|rows| {
            rows.iter()
                .map(|row| loaded.labels[*row as usize])
                .collect()
        });
        let columns = loaded.table.columns().iter().filter_map(|column| {
            let at = match &column.cells {
                Cells::Categorical(_) => {
                    let mut fields = encoding.categories.iter();
                    fields.position(|field| field.name == column.name)
                }
                Cells::Numeric(_) => {
                    let mut fields = encoding.numbers.iter();
                    fields.position(|field| field.name == column.name)
                }
            };
            Some(ReadColumn {
                name: &column.name,
                cells: &column.cells,
                at: at?,
            })
        });
        let encoded = encoding.encode(&loaded.table, &split.test)?;
        Ok(Self {
            columns: columns.collect(),
            test: TestCells::new(&loaded.table, encoding, &split, encoded)?,
            labels,
            split,
            seed,
            table,
        })
    }

    fn rows(&self, split: Split) -> &[u32] {
        match split {
            Split::Train => &self.split.train,
            Split::Valid => &self.split.valid,
            Split::Test => &self.split.test,
        }
    }

    fn plain(&self, rows: &[u32]) -> Vec<ExternalCells<'_>> {
        let column = |column: &ReadColumn<'a>| match column.cells {
            Cells::Numeric(cells) => {
                ExternalCells::Numbers(rows.iter().map(|row| cells[*row as usize]).collect())
            }
            Cells::Categorical(cells) => {
                ExternalCells::Words(rows.iter().map(|row| cells.get(*row as usize)).collect())
            }
        };
        self.columns.iter().map(column).collect()
    }

    fn perturbed(&self, perturbation: &Perturbation) -> Vec<ExternalCells<'_>> {
        let rows: Vec<_> = (0..self.split.test.len() as u32)
            .map(|row| self.test.perturbed_cells(row, perturbation))
            .collect();
        let column = |column: &ReadColumn<'a>| match column.cells {
            Cells::Numeric(_) => {
                ExternalCells::Numbers(rows.iter().map(|row| row.numbers[column.at]).collect())
            }
            // A category that is not hidden is as it was, also one that training has not seen.
            Cells::Categorical(names) => {
                let missing = self.table.encoding.categories[column.at].missing();
                let both = rows.iter().zip(&self.split.test);
                let words = both.map(|(perturbed, row)| {
                    let is_hidden = perturbed.categories[column.at] == missing;
                    names.get(*row as usize).filter(|_| !is_hidden)
                });
                ExternalCells::Words(words.collect())
            }
        };
        self.columns.iter().map(column).collect()
    }
}

impl ExternalRows for TableRows<'_> {
    fn columns(&self) -> Vec<ExternalColumn> {
        let columns = self.columns.iter().map(|column| ExternalColumn {
            name: column.name.to_owned(),
            kind: match column.cells {
                Cells::Numeric(_) => "number",
                Cells::Categorical(_) => "category",
            },
        });
        columns.collect()
    }

    fn cells(&self, part: ExternalPart) -> l0gm_train::Result<Vec<ExternalCells<'_>>> {
        Ok(match part {
            ExternalPart::Split(split) => self.plain(self.rows(split)),
            ExternalPart::Perturbed(condition) => self.perturbed(&Perturbation {
                condition,
                seed: self.seed,
            }),
        })
    }

    fn labels(&self, split: Split) -> &[u32] {
        &self.labels[split as usize]
    }

    fn place(&self, kind: ConditionKind) -> String {
        self.test.place(kind)
    }
}
