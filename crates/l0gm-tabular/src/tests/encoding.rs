//! Categories and numbers become the model's input, fitted on the training rows alone.
#![allow(clippy::unwrap_used)]

use super::{small_input, small_settings};
use crate::bins::{locate, piecewise_linear, quantile_edges};
use crate::{MISSING, NumberEncoding, SplineTable, UNSEEN};
use candle_core::{Device, Tensor};
use l0gm_ops::Generator;
use l0gm_train::Part;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn edges_increase_strictly_and_span_the_values(
        values in proptest::collection::vec(prop_oneof![Just(0.0), (-5i32..5).prop_map(f64::from), -1e6..1e6f64], 1..300),
        bins in 2usize..50,
    ) {
        let edges = quantile_edges(&values, bins);
        prop_assert!(edges.windows(2).all(|pair| pair[0] < pair[1]), "{edges:?}");
        prop_assert!((2..=bins + 1).contains(&edges.len()));
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        prop_assert_eq!(edges[0], low);
        prop_assert!(low == high || edges[edges.len() - 1] == high);
    }

    #[test]
    fn the_encoding_is_monotone_and_within_0_and_1(
        values in proptest::collection::vec(-1e3..1e3f64, 2..200),
        a in -2e3..2e3f64,
        b in -2e3..2e3f64,
    ) {
        let edges = quantile_edges(&values, 16);
        let (low, high) = (piecewise_linear(&edges, a.min(b)), piecewise_linear(&edges, a.max(b)));
        for (l, h) in low.iter().zip(&high) {
            prop_assert!(l <= h && (0.0..=1.0).contains(l) && (0.0..=1.0).contains(h));
        }
    }
}

#[test]
fn a_value_most_rows_share_leaves_its_bins_to_the_others() {
    let mut values = vec![0.0; 900];
    values.extend((1..=100).map(f64::from));
    // Plain quantiles would give four edges here.
    assert!(quantile_edges(&values, 32).len() > 28);
}

#[test]
fn a_constant_column_is_encoded_as_zero() {
    let edges = quantile_edges(&[3.0, 3.0], 8);
    assert_eq!(piecewise_linear(&edges, 3.0), [0.0]);
    assert_eq!(locate(&edges, 3.0), (0, 0.0));
}

#[test]
fn unseen_missing_and_rare_categories_have_rows_of_their_own() {
    let mut settings = small_settings();
    settings.encoding.min_count = 2;
    let (loaded, encoding, _) = small_input(&settings);
    let job = &encoding.categories[0];
    assert_eq!(job.id(Some("astronaut")), UNSEEN);
    assert_eq!(job.id(None), MISSING);
    assert!(job.id(Some("cook")) > MISSING);
    // Fitted on one row, every category is rare, and the encoding must not know what other rows hold.
    let one =
        crate::Encoding::fit(&loaded.table, &loaded.schema, &[0], &settings.encoding).unwrap();
    assert_eq!(one.categories[0].id(Some("cook")), UNSEEN);
}

#[test]
fn encoding_is_fitted_on_the_training_rows_only() {
    let settings = small_settings();
    let (loaded, _, _) = small_input(&settings);
    let rows: Vec<u32> = (0..40).collect();
    let fit = |table: &crate::Table| {
        crate::Encoding::fit(table, &loaded.schema, &rows, &settings.encoding).unwrap()
    };
    let before = fit(&loaded.table);
    let mut other = loaded.table.clone();
    for column in other.columns_mut() {
        if let crate::Cells::Numeric(cells) = &mut column.cells {
            cells[100] = Some(1e9);
        }
    }
    assert_eq!(fit(&other), before);
}

#[test]
fn a_spline_table_equals_a_linear_map_of_the_written_out_encoding() {
    let settings = small_settings();
    let (loaded, encoding, input) = small_input(&settings);
    let numbers = input.numbers.unwrap();
    let (fields, bins, dim) = (encoding.numbers.len(), encoding.bins(), 3);
    let mut generator = Generator::new(1);
    let shape = (fields, bins, dim);
    let spline =
        SplineTable::new("s", Part::Encoder, shape, 1.0, &mut generator, &Device::Cpu).unwrap();
    let random = generator
        .normal_tensor(
            (fields, bins + 2, dim),
            0.0,
            1.0,
            candle_core::DType::F32,
            &Device::Cpu,
        )
        .unwrap();
    spline.weight().set(&random).unwrap();
    let weight = random.to_vec3::<f32>().unwrap();
    let fast = spline.forward(&numbers).unwrap().to_vec3::<f32>().unwrap();
    let mut missing = 0;
    for (at, field) in encoding.numbers.iter().enumerate() {
        let crate::Cells::Numeric(cells) = &loaded.table.column(&field.name).unwrap().cells else {
            panic!("{} is a number", field.name);
        };
        for (row, cell) in cells.iter().enumerate() {
            for d in 0..dim {
                // Bias and missing weight, or bias and the product of the encoding with the bins' weights.
                let slow = weight[at][0][d]
                    + match cell {
                        None => weight[at][1][d],
                        Some(value) => piecewise_linear(&field.edges, *value)
                            .iter()
                            .enumerate()
                            .map(|(bin, e)| e * weight[at][2 + bin][d])
                            .sum(),
                    };
                assert!(
                    (slow - fast[row][at][d]).abs() < 1e-4,
                    "{slow} {}",
                    fast[row][at][d]
                );
            }
            missing += usize::from(cell.is_none());
        }
    }
    assert!(missing > 0, "the table has no missing number to test with");
}

#[test]
fn a_number_missing_only_outside_training_reads_as_the_median() {
    let settings = small_settings();
    let (loaded, encoding, _) = small_input(&settings);
    let age = encoding
        .numbers
        .iter()
        .position(|field| field.name == "age")
        .unwrap();
    let fill = encoding.numbers[age].fill.unwrap();
    let mut table = loaded.table.clone();
    for column in table.columns_mut() {
        if let (crate::Cells::Numeric(cells), "age") = (&mut column.cells, column.name.as_str()) {
            cells[0] = None;
            cells[1] = Some(fill);
        }
    }
    let encoded = encoding.encode(&table, &[0, 1]).unwrap();
    let fields = encoding.numbers.len();
    assert_eq!(encoded.knots[age], encoded.knots[fields + age]);
    assert_eq!(encoded.positions[age], encoded.positions[fields + age]);
}

#[test]
fn scaled_numbers_have_mean_0_and_variance_1() {
    let mut settings = small_settings();
    settings.encoding.numbers = NumberEncoding::Scaled;
    let (_, encoding, input) = small_input(&settings);
    let age = encoding
        .numbers
        .iter()
        .position(|field| field.name == "age")
        .unwrap();
    let numbers = input.numbers.unwrap();
    let x: Tensor = numbers
        .position
        .squeeze(2)
        .unwrap()
        .narrow(1, age, 1)
        .unwrap();
    let mean = x.mean_all().unwrap().to_scalar::<f32>().unwrap();
    let square = x
        .sqr()
        .unwrap()
        .mean_all()
        .unwrap()
        .to_scalar::<f32>()
        .unwrap();
    assert!(
        mean.abs() < 1e-4 && (square - 1.0).abs() < 1e-3,
        "{mean} {square}"
    );
}
