#![allow(clippy::unwrap_used)]
use super::*;
use candle_core::{Device, Var};
use l0gm_ops::Generator;

const KINDS: [CouplingKind; 2] = [CouplingKind::SoftEce, CouplingKind::Mmce];

fn coupling(kind: CouplingKind) -> Coupling {
    Coupling {
        kind,
        weight: 1.0,
        ..Coupling::default()
    }
}

/// Logits of two classes whose top label has this confidence and is right or wrong. The true label is always 1.
fn given(rows: &[(f64, bool)]) -> (Tensor, Tensor) {
    let logits: Vec<f64> = rows
        .iter()
        .flat_map(|&(c, right)| {
            let logit = (c / (1.0 - c)).ln();
            if right { [0.0, logit] } else { [logit, 0.0] }
        })
        .collect();
    let logits = Tensor::from_vec(logits, (rows.len(), 2), &Device::Cpu).unwrap();
    let labels = Tensor::ones(rows.len(), DType::U32, &Device::Cpu).unwrap();
    (logits, labels)
}

fn value(coupling: &Coupling, logits: &Tensor, labels: &Tensor) -> f64 {
    let value = coupling.value(logits, labels).unwrap().unwrap();
    value.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

#[test]
fn hard_memberships_give_the_ece_of_the_known_answers() {
    let hard = |bins| Coupling {
        softness: 1e-9,
        bins,
        ..coupling(CouplingKind::SoftEce)
    };
    // p = [.25 .25 .55 .75 .75], y = [0 0 1 1 1]: every top label is right.
    let all_right = [0.75, 0.75, 0.55, 0.75, 0.75].map(|c| (c, true));
    let (logits, labels) = given(&all_right);
    assert!((value(&hard(2), &logits, &labels) - 0.29).abs() < 1e-9);
    // Confidences [.95 1.0], correct [1 0], 15 bins.
    let (logits, labels) = given(&[(0.95, true), (1.0 - 1e-12, false)]);
    assert!((value(&hard(15), &logits, &labels) - 0.475).abs() < 1e-9);
}

#[test]
fn gaps_of_two_signs_cancel_within_a_bin_and_add_up_between_bins() {
    let hard = Coupling {
        softness: 1e-9,
        bins: 4,
        ..coupling(CouplingKind::SoftEce)
    };
    let (logits, labels) = given(&[(0.8, true), (0.8, false), (0.6, true)]);
    // One bin holds the gaps .2 and -.8, the other .4.
    assert!((value(&hard, &logits, &labels) - (0.6 + 0.4) / 3.0).abs() < 1e-9);
}

#[test]
fn mmce_of_two_rows_is_the_number_found_by_hand() {
    let (logits, labels) = given(&[(0.9, true), (0.6, false)]);
    // The gaps are .1 and -.6 and the kernel is exp(-.3 / .4): the root of (.01 + .36 - .12 * .472367) / 4.
    let by_hand = ((0.37 - 0.12 * (-0.75f64).exp()) / 4.0).sqrt();
    assert!((by_hand - 0.27987).abs() < 1e-5);
    assert!((value(&coupling(CouplingKind::Mmce), &logits, &labels) - by_hand).abs() < 1e-9);
}

#[test]
fn gradients_equal_finite_differences() {
    let (rows, classes, h) = (12, 3, 1e-6);
    let mut generator = Generator::new(4);
    let logits = generator
        .normal_tensor((rows, classes), 0.0, 1.5, DType::F64, &Device::Cpu)
        .unwrap();
    let labels: Vec<u32> = (0..rows as u32).map(|row| row % 3).collect();
    let labels = Tensor::new(labels, &Device::Cpu).unwrap();
    let start: Vec<f64> = logits.flatten_all().unwrap().to_vec1().unwrap();
    for kind in KINDS {
        let term = coupling(kind);
        let variable = Var::from_tensor(&logits).unwrap();
        let loss = term.value(variable.as_tensor(), &labels).unwrap().unwrap();
        let gradients = loss.backward().unwrap();
        let gradient: Vec<f64> = gradients
            .get(variable.as_tensor())
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        assert!(gradient.iter().any(|g| g.abs() > 1e-3), "{kind:?}");
        for at in 0..start.len() {
            let shifted = |by: f64| {
                let mut values = start.clone();
                values[at] += by;
                let logits = Tensor::from_vec(values, (rows, classes), &Device::Cpu).unwrap();
                value(&term, &logits, &labels)
            };
            let slope = (shifted(h) - shifted(-h)) / (2.0 * h);
            assert!(
                (gradient[at] - slope).abs() < 1e-6 + 1e-5 * slope.abs(),
                "{kind:?} {at}: {} {slope}",
                gradient[at]
            );
        }
    }
}

#[test]
fn perfect_confidence_and_many_rows_stay_finite() {
    for kind in KINDS {
        // All rows are right with certainty, so the term is 0, and MMCE's root must still have a finite slope.
        let logits = Tensor::new(&[[80f32, 0.0], [90.0, 0.0]], &Device::Cpu).unwrap();
        let labels = Tensor::zeros(2, DType::U32, &Device::Cpu).unwrap();
        let variable = Var::from_tensor(&logits).unwrap();
        let term = coupling(kind).value(variable.as_tensor(), &labels);
        let term = term.unwrap().unwrap();
        assert!(term.to_scalar::<f32>().unwrap().abs() < 1e-5);
        let gradients = term.backward().unwrap();
        let gradient = gradients.get(variable.as_tensor()).unwrap();
        let gradient: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
        assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
        // More rows than fit into one kernel matrix. They are all alike, so every block gives the same value as all
        // together.
        let rows = 2 * BLOCK + 7;
        let logits = Tensor::new(&[[0f32, 2.0]], &Device::Cpu).unwrap();
        let logits = logits.repeat((rows, 1)).unwrap();
        let labels = Tensor::ones(rows, DType::U32, &Device::Cpu).unwrap();
        let gap = 1.0 - 1.0 / (1.0 + (-2f64).exp());
        let found = value(&coupling(kind), &logits, &labels);
        assert!((found - gap).abs() < 1e-5, "{kind:?}: {found} {gap}");
    }
}

#[test]
fn nothing_is_added_without_a_kind_or_a_weight() {
    let (logits, labels) = given(&[(0.9, true), (0.6, false)]);
    let off = Coupling::default();
    assert!(off.value(&logits, &labels).unwrap().is_none());
    let weightless = Coupling {
        weight: 0.0,
        ..coupling(CouplingKind::Mmce)
    };
    assert!(weightless.value(&logits, &labels).unwrap().is_none());
}

#[test]
fn what_does_not_fit_is_named() {
    let (logits, labels) = given(&[(0.9, true), (0.6, false)]);
    let term = coupling(CouplingKind::Mmce);
    let error = term.value(&logits, &labels.narrow(0, 0, 1).unwrap());
    assert!(error.unwrap_err().to_string().contains("(2,)"));
    let error = term.value(&logits.narrow(1, 0, 1).unwrap(), &labels);
    assert!(error.unwrap_err().to_string().contains("two classes"));
    for (bad, name) in [
        (
            Coupling {
                weight: -1.0,
                ..Coupling::default()
            },
            "coupling.weight is -1",
        ),
        (
            Coupling {
                bins: 0,
                ..Coupling::default()
            },
            "coupling.bins is 0",
        ),
        (
            Coupling {
                softness: 0.0,
                ..Coupling::default()
            },
            "coupling.softness is 0",
        ),
        (
            Coupling {
                bandwidth: f64::NAN,
                ..Coupling::default()
            },
            "coupling.bandwidth is NaN",
        ),
    ] {
        let text = bad.check().unwrap_err().to_string();
        assert!(text.contains(name), "{text}");
    }
}
