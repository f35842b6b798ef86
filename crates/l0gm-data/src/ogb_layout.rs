//! Writes a graph in OGB's raw layout: `raw/{edge,node-feat,node-label,num-node-list,num-edge-list}.csv.gz` without
//! headers, with each undirected edge once, and `split/<kind>/{train,valid,test}.csv.gz`.

use crate::folders::write_atomically;
use crate::{Error, Result};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::path::Path;

/// A graph to write.
pub(crate) struct OgbGraph<'a> {
    /// Each undirected edge once, smaller node first; sorted.
    pub(crate) edges: &'a [(usize, usize)],
    /// Class of each node.
    pub(crate) labels: &'a [usize],
    pub(crate) features: usize,
    /// The non-zero features of each node as (column, value), sorted by column.
    pub(crate) rows: &'a [Vec<(usize, f32)>],
}

impl OgbGraph<'_> {
    /// Writes the five files of `raw/` under `dir`.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub(crate) fn write_raw(&self, dir: &Path) -> Result<()> {
        let raw = dir.join("raw");
        write_gz(&raw.join("edge.csv.gz"), |out| {
            self.edges
                .iter()
                .try_for_each(|(a, b)| writeln!(out, "{a},{b}"))
        })?;
        write_gz(&raw.join("node-feat.csv.gz"), |out| {
            let mut line = String::new();
            for row in self.rows {
                self.feature_line(row, &mut line);
                out.write_all(line.as_bytes())?;
            }
            Ok(())
        })?;
        write_numbers(&raw.join("node-label.csv.gz"), self.labels)?;
        write_numbers(&raw.join("num-node-list.csv.gz"), &[self.labels.len()])?;
        write_numbers(&raw.join("num-edge-list.csv.gz"), &[self.edges.len()])
    }

    /// Writes a line such as "0,1,0.5" with the shortest decimals that read back as the same f32.
    fn feature_line(&self, row: &[(usize, f32)], line: &mut String) {
        use std::fmt::Write as _;
        line.clear();
        let mut next = row.iter().peekable();
        for column in 0..self.features {
            if column > 0 {
                line.push(',');
            }
            match next.next_if(|(c, _)| *c == column) {
                Some((_, 1.0)) => line.push('1'),
                Some((_, value)) => {
                    let _ = write!(line, "{value}");
                }
                None => line.push('0'),
            }
        }
        line.push('\n');
    }

    /// Number of edges at each node.
    pub(crate) fn degrees(&self) -> Vec<usize> {
        let mut degrees = vec![0; self.labels.len()];
        for &(a, b) in self.edges {
            degrees[a] += 1;
            degrees[b] += 1;
        }
        degrees
    }
}

/// Writes `split/<kind>/{train,valid,test}.csv.gz` under `dir`.
///
/// # Errors
/// Fails if a file cannot be written.
pub(crate) fn write_split(dir: &Path, kind: &str, parts: &[Vec<usize>; 3]) -> Result<()> {
    for (part, nodes) in ["train", "valid", "test"].into_iter().zip(parts) {
        let path = dir.join("split").join(kind).join(format!("{part}.csv.gz"));
        write_numbers(&path, nodes)?;
    }
    Ok(())
}

/// Writes one number on each line.
fn write_numbers(path: &Path, numbers: &[usize]) -> Result<()> {
    write_gz(path, |out| {
        numbers.iter().try_for_each(|n| writeln!(out, "{n}"))
    })
}

/// Writes a gzip file atomically.
fn write_gz(
    path: &Path,
    fill: impl FnOnce(&mut GzEncoder<Vec<u8>>) -> std::io::Result<()>,
) -> Result<()> {
    // The header has no name and no time, so that equal texts give equal bytes.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = fill(&mut encoder).and_then(|()| encoder.finish());
    let packed = packed.map_err(|e| Error::file(path, format!("cannot compress: {e}")))?;
    write_atomically(path, &packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_line_is_compact_and_reads_back_as_the_same_numbers() {
        let graph = OgbGraph {
            edges: &[],
            labels: &[],
            features: 5,
            rows: &[],
        };
        let mut line = String::new();
        let row = [(0, 1.0), (2, 0.1), (3, -2.0)];
        graph.feature_line(&row, &mut line);
        assert_eq!(line, "1,0,0.1,-2,0\n");
    }
}
