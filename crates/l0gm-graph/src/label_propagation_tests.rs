#![allow(clippy::unwrap_used)]
use super::*;

/// A path of three nodes, 0 - 1 - 2, and a node without neighbours. Node 0 is of class 0, node 2 of class 1.
fn path() -> Adjacency {
    let edges = [(0, 1), (1, 2)].map(|(a, b)| (NodeId(a), NodeId(b)));
    Adjacency::from_edges(4, &edges).unwrap()
}

const TRAIN: KnownNodes<'static> = KnownNodes {
    nodes: &[0, 2],
    labels: &[0, 1],
};

fn settings(alpha: f64) -> LabelSettings {
    LabelSettings {
        alphas: vec![alpha],
        ..LabelSettings::default()
    }
}

/// Y = (1 - α)(I - α Â)^-1 Y⁽⁰⁾ by hand. With α = 1/2 and Â_01 = Â_12 = 1/√2, the column of class 0 is
/// 7/12, √2/6, 1/12, 0, and that of class 1 is its mirror image.
#[test]
fn a_path_of_three_nodes_has_the_values_computed_by_hand() {
    let matrix = symmetric_without_loops(&path()).unwrap();
    let seeds = seeds(4, 2, TRAIN).unwrap();
    let found = spread(&matrix, &seeds, 0.5, &settings(0.5), &StopFlag::default()).unwrap();
    assert!(found.converged && found.iterations < 30);
    let middle = 2f32.sqrt() / 6.0;
    let expected = [
        [7.0 / 12.0, 1.0 / 12.0],
        [middle, middle],
        [1.0 / 12.0, 7.0 / 12.0],
        [0.0, 0.0],
    ];
    let y: Vec<Vec<f32>> = found.y.to_vec2().unwrap();
    for (row, expected) in y.iter().flatten().zip(expected.iter().flatten()) {
        assert!((row - expected).abs() < 1e-5, "{y:?}");
    }
    let frequencies = frequencies(2, TRAIN.labels);
    let shares = found.probabilities(&[0, 1], &frequencies).unwrap();
    for (found, expected) in shares.iter().zip([7.0 / 8.0, 1.0 / 8.0, 0.5, 0.5]) {
        assert!((found - expected).abs() < 1e-5, "{shares:?}");
    }
}

#[test]
fn a_node_that_no_label_reaches_gets_the_frequencies_of_the_training_classes() {
    // Of three classes the last has no training node and counts as half a one.
    let train = KnownNodes {
        nodes: &[0, 1, 2],
        labels: &[0, 0, 1],
    };
    let valid = KnownNodes {
        nodes: &[1],
        labels: &[0],
    };
    let stop = StopFlag::default();
    let parts = (train, valid, &[3u32][..]);
    let found = propagate_labels(&path(), 3, parts, &settings(0.5), |_| (), &stop).unwrap();
    for (logit, count) in found.test.iter().zip([2.0f64, 1.0, 0.5]) {
        assert!((f64::from(*logit) - (count / 3.5).ln()).abs() < 1e-6);
    }
    assert!(found.valid.iter().all(|logit| logit.is_finite()));
}

#[test]
fn alpha_is_the_one_with_the_lowest_validation_loss() {
    // A path 1 - 0 - 2 - 3 - 4 of which both classes are known near one end.
    let edges = [(0, 1), (0, 2), (2, 3), (3, 4)].map(|(a, b)| (NodeId(a), NodeId(b)));
    let graph = Adjacency::from_edges(5, &edges).unwrap();
    let train = KnownNodes {
        nodes: &[1, 2],
        labels: &[0, 1],
    };
    let valid = KnownNodes {
        nodes: &[3],
        labels: &[1],
    };
    let stop = StopFlag::default();
    let of = |alphas: &[f64]| {
        let settings = LabelSettings {
            alphas: alphas.to_vec(),
            ..LabelSettings::default()
        };
        let parts = (train, valid, &[0u32, 4][..]);
        propagate_labels(&graph, 2, parts, &settings, |_| (), &stop).unwrap()
    };
    let (near, far) = (of(&[0.2]), of(&[0.9]));
    let both = of(&[0.9, 0.2]);
    assert_ne!(near.valid_nll, far.valid_nll);
    assert_eq!(both.valid_nll, near.valid_nll.min(far.valid_nll));
}

#[test]
fn a_stop_is_heard_and_iterations_are_bounded() {
    let stop = StopFlag::default();
    let matrix = symmetric_without_loops(&path()).unwrap();
    let seeds = seeds(4, 2, TRAIN).unwrap();
    let bounded = LabelSettings {
        iterations: 3,
        ..settings(0.99)
    };
    let found = spread(&matrix, &seeds, 0.99, &bounded, &stop).unwrap();
    assert_eq!((found.iterations, found.converged), (3, false));
    stop.stop();
    let stopped = spread(&matrix, &seeds, 0.99, &bounded, &stop);
    assert!(matches!(stopped.err(), Some(l0gm_train::Error::Stopped)));
}

#[test]
fn settings_out_of_range_are_named() {
    for (value, named) in [
        (
            serde_json::json!({"alphas": [1.0]}),
            "method.labels.alphas is [1.0]",
        ),
        (serde_json::json!({"alphas": []}), "method.labels.alphas"),
        (
            serde_json::json!({"iterations": 0}),
            "method.labels.iterations is 0",
        ),
        (
            serde_json::json!({"tolerance": -1.0}),
            "method.labels.tolerance is -1",
        ),
    ] {
        let error = LabelSettings::from_value("labels", &value).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
}
