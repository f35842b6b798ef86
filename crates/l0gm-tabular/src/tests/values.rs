//! Values that training saw seldom shrink towards what is common to their field.
#![allow(clippy::unwrap_used)]

use super::{small_csv, small_settings, write};
use crate::values::ValueTable;
use crate::{Encoding, LoadedTable, MISSING, TabularSettings, UNSEEN};
use candle_core::{DType, Device, Tensor, Var};
use l0gm_ops::Generator;
use l0gm_train::Part;
use serde_json::json;

/// An encoding of three jobs and three towns, some of them missing, with this k.
fn encoding(shrink: f64) -> Encoding {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "small.csv", small_csv(50));
    let mut settings = small_settings();
    settings.encoding.shrink = shrink;
    let loaded = LoadedTable::load_file(&path, &settings.data).unwrap();
    let rows: Vec<u32> = (0..50).collect();
    Encoding::fit(&loaded.table, &loaded.schema, &rows, &settings.encoding).unwrap()
}

fn normal(shape: (usize, usize), seed: u64) -> Tensor {
    Generator::new(seed)
        .normal_tensor(shape, 0.0, 1.0, DType::F32, &Device::Cpu)
        .unwrap()
}

fn table(encoding: &Encoding, own: &Tensor, common: &Tensor) -> ValueTable {
    ValueTable::new("t", Part::Encoder, encoding, own, common).unwrap()
}

/// Number of rows of each job's value in [`encoding`]: unseen, missing, clerk, cook, smith.
const JOBS: [u32; 5] = [0, 13, 12, 13, 12];

#[test]
fn a_value_seen_n_times_has_n_of_n_plus_k_parts_of_its_own() {
    let encoding = encoding(4.0);
    let jobs = &encoding.categories[0];
    let counts: Vec<u32> = (0..jobs.rows).map(|row| jobs.count(row)).collect();
    assert_eq!(counts, JOBS);
    let rows = encoding.category_rows();
    let (own, common) = (normal((rows, 2), 1), normal((2, 2), 2));
    let e = table(&encoding, &own, &common).table().unwrap();
    let (own, common) = (
        own.to_vec2::<f32>().unwrap(),
        common.to_vec2::<f32>().unwrap(),
    );
    for (row, e) in e.to_vec2::<f32>().unwrap().iter().enumerate() {
        let field = usize::from(row >= jobs.rows as usize);
        let within = row as u32 - encoding.categories[field].offset;
        let n = encoding.categories[field].count(within) as f32;
        for column in 0..2 {
            let expected = common[field][column] + n / (n + 4.0) * own[row][column];
            assert!((e[column] - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn values_that_training_never_saw_have_the_common_embedding() {
    let encoding = encoding(10.0);
    let common = normal((2, 3), 2);
    let e = table(
        &encoding,
        &normal((encoding.category_rows(), 3), 1),
        &common,
    );
    let jobs = &encoding.categories[0];
    assert_eq!(jobs.id(Some("astronaut")), UNSEEN);
    let rows = Tensor::new(&[UNSEEN, jobs.offset + MISSING], &Device::Cpu).unwrap();
    let looked_up = e.forward(&rows).unwrap().to_vec2::<f32>().unwrap();
    let common = common.to_vec2::<f32>().unwrap();
    assert_eq!(looked_up[0], common[0]);
    assert_ne!(looked_up[1], common[0]);
}

#[test]
fn without_shrinking_a_table_is_what_is_own_and_nothing_else_is_learnt_or_written() {
    let encoding = encoding(0.0);
    let own = normal((encoding.category_rows(), 2), 1);
    let table = table(&encoding, &own, &normal((2, 2), 2));
    let e = table.table().unwrap();
    assert_eq!(e.to_vec2::<f32>().unwrap(), own.to_vec2::<f32>().unwrap());
    assert_eq!(table.parameters().len(), 1);
    let written = serde_json::to_string(&encoding).unwrap();
    assert!(!written.contains("counts") && !written.contains("shrink"));
    let settings = serde_json::to_value(TabularSettings::default()).unwrap();
    assert!(settings["encoding"].get("shrink").is_none());
}

/// d loss / d parameter by central differences, where the loss is the sum of weighted embeddings.
#[test]
fn gradients_of_own_and_common_are_those_of_finite_differences() {
    let encoding = encoding(4.0);
    let rows = encoding.category_rows();
    let table = table(&encoding, &normal((rows, 2), 1), &normal((2, 2), 2));
    let ids = Tensor::new(&[[2u32, 7], [3, 6], [2, 5]], &Device::Cpu).unwrap();
    let weights = normal((6, 2), 3).reshape((3, 2, 2)).unwrap();
    let loss = || {
        let e = table.forward(&ids).unwrap();
        (e.sqr().unwrap() * &weights).unwrap().sum_all().unwrap()
    };
    let gradients = loss().backward().unwrap();
    for parameter in table.parameters() {
        let var = &parameter.var;
        let exact: Vec<f32> = gradients
            .get(var)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        assert!(exact.iter().any(|g| *g != 0.0), "{}", parameter.name);
        let start: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
        for (at, exact) in exact.iter().enumerate() {
            let moved = |by: f32| {
                let mut values = start.clone();
                values[at] += by;
                set(var, values);
                f64::from(loss().to_scalar::<f32>().unwrap())
            };
            let numeric = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            set(var, start.clone());
            let difference = (numeric - f64::from(*exact)).abs();
            assert!(
                difference < 2e-3,
                "{} [{at}]: {numeric} {exact}",
                parameter.name
            );
        }
    }
}

fn set(var: &Var, values: Vec<f32>) {
    let tensor = Tensor::from_vec(values, var.shape().clone(), &Device::Cpu).unwrap();
    var.set(&tensor).unwrap();
}

#[test]
fn columns_can_be_set_so_that_every_value_has_its_own_embedding() {
    let encoding = encoding(50.0);
    let rows = encoding.category_rows();
    let table = table(&encoding, &normal((rows, 3), 1), &normal((2, 3), 2));
    // Rows that training never saw must have what the row of unseen values has.
    let mut values: Vec<f64> = (0..rows * 2).map(|i| (i as f64).sin()).collect();
    for field in &encoding.categories {
        let first = field.offset as usize;
        for row in (0..field.rows).filter(|row| field.count(*row) == 0) {
            let row = first + row as usize;
            let unseen = [values[first * 2], values[first * 2 + 1]];
            values[row * 2..row * 2 + 2].copy_from_slice(&unseen);
        }
    }
    table.set_columns(&values, &encoding).unwrap();
    let e = table.table().unwrap().to_vec2::<f32>().unwrap();
    for (e, wanted) in e.iter().zip(values.chunks(2)) {
        for (e, wanted) in e.iter().zip(wanted) {
            assert!((f64::from(*e) - wanted).abs() < 1e-5);
        }
    }
}

#[test]
fn an_encoding_keeps_its_counts_and_one_from_before_them_is_read_as_not_shrunk() {
    let encoding = encoding(4.0);
    let mut written = serde_json::to_value(&encoding).unwrap();
    assert_eq!(written["shrink"], 4.0);
    assert_eq!(written["categories"][0]["counts"], json!(JOBS));
    let read: Encoding = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(read, encoding);
    written.as_object_mut().unwrap().remove("shrink");
    for field in written["categories"].as_array_mut().unwrap() {
        field.as_object_mut().unwrap().remove("counts");
    }
    let read: Encoding = serde_json::from_value(written).unwrap();
    assert_eq!(read, self::encoding(0.0));
}

#[test]
fn a_k_below_0_is_refused_by_name() {
    for k in [-1.0, f64::NAN, f64::INFINITY] {
        let mut settings = small_settings();
        settings.encoding.shrink = k;
        let error = settings.check().unwrap_err().to_string();
        assert!(error.contains("encoding.shrink"), "{error}");
    }
}
