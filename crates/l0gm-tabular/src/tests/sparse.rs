//! Encoded rows as sparse features: one entry a category, two a number.
#![allow(clippy::unwrap_used)]
use super::{small_csv, small_settings, write};
use crate::bins::locate;
use crate::table::Cells;
use crate::{Encoding, LoadedTable, NumberEncoding};
use l0gm_ops::Csr;

fn loaded() -> LoadedTable {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "small.csv", small_csv(120));
    LoadedTable::load_file(&path, &small_settings().data).unwrap()
}

fn fitted(loaded: &LoadedTable, kind: NumberEncoding) -> Encoding {
    let mut settings = small_settings().encoding;
    settings.numbers = kind;
    let rows: Vec<u32> = (0..120).collect();
    Encoding::fit(&loaded.table, &loaded.schema, &rows, &settings).unwrap()
}

fn entries(csr: &Csr, row: usize) -> Vec<(u32, f32)> {
    let span = csr.indptr()[row] as usize..csr.indptr()[row + 1] as usize;
    let columns = csr.indices()[span.clone()].iter().copied();
    columns.zip(csr.values()[span].iter().copied()).collect()
}

#[test]
fn a_linear_map_of_the_entries_interpolates_between_the_bin_edges() {
    let loaded = loaded();
    let encoding = fitted(&loaded, NumberEncoding::PiecewiseLinear);
    let rows: Vec<u32> = (0..120).collect();
    let encoded = encoding.encode(&loaded.table, &rows).unwrap();
    let sparse = encoding.sparse(&encoded).unwrap();
    let (first, width) = (
        encoding.category_rows() as u32,
        encoding.rows_per_number() as u32,
    );
    for (at, field) in encoding.numbers.iter().enumerate() {
        let Cells::Numeric(cells) = &loaded.table.column(&field.name).unwrap().cells else {
            panic!("a number field is numeric");
        };
        let missing = first + at as u32 * width;
        for (row, cell) in cells.iter().enumerate() {
            let mine: Vec<(u32, f32)> = entries(&sparse, row)
                .into_iter()
                .filter(|(column, _)| (missing..missing + width).contains(column))
                .collect();
            let Some(value) = cell else {
                assert_eq!(mine, [(missing, 1.0)]);
                continue;
            };
            // With each edge's value as its weight, the map is the value itself, clipped to the edges.
            let map: f64 = mine
                .iter()
                .map(|(column, share)| {
                    field.edges[(column - missing - 1) as usize] * f64::from(*share)
                })
                .sum();
            let (bin, position) = locate(&field.edges, *value);
            let expected = field.edges[bin] + position * (field.edges[bin + 1] - field.edges[bin]);
            assert!((map - expected).abs() < 1e-4, "{value}: {map} {expected}");
            assert!(mine.len() <= 2);
        }
    }
}

#[test]
fn every_category_field_has_one_entry_of_one() {
    let loaded = loaded();
    let encoding = fitted(&loaded, NumberEncoding::PiecewiseLinear);
    let encoded = encoding.encode(&loaded.table, &[3, 0]).unwrap();
    let sparse = encoding.sparse(&encoded).unwrap();
    assert_eq!(sparse.columns(), encoding.sparse_columns());
    for row in 0..2 {
        let ids = &encoded.categories[row * 2..(row + 1) * 2];
        let found = entries(&sparse, row);
        assert_eq!(found[..2], [(ids[0], 1.0), (ids[1], 1.0)]);
    }
}

#[test]
fn a_scaled_number_is_one_entry() {
    let loaded = loaded();
    let encoding = fitted(&loaded, NumberEncoding::Scaled);
    let encoded = encoding.encode(&loaded.table, &[1]).unwrap();
    let found = entries(&encoding.sparse(&encoded).unwrap(), 0);
    let age = encoding.category_rows() as u32 + 1;
    assert!(found.contains(&(age, encoded.positions[0])), "{found:?}");
}
