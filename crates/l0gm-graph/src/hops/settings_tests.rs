#![allow(clippy::unwrap_used)]
use super::*;
use crate::{Graph, NodeId};
use candle_core::Device;

#[test]
fn features_that_would_not_fit_are_refused_with_what_to_set() {
    let columns = 1 << 20;
    let nodes = 300;
    let (indptr, indices) = (vec![1u32; nodes + 1], vec![7u32]);
    let indptr = [vec![0], indptr[1..].to_vec()].concat();
    let matrix = l0gm_ops::Csr::new(nodes, columns, indptr, indices, vec![1.0]).unwrap();
    let graph = Graph::new(
        crate::Features::from_sparse(matrix).unwrap(),
        vec![0u32; nodes],
        vec!["a".into(), "b".into()],
        crate::Adjacency::from_edges(nodes, &[(NodeId(0), NodeId(1))]).unwrap(),
    )
    .unwrap();
    let tensors = GraphTensors::new(&graph, &Device::Cpu).unwrap();
    // One matrix takes 1.17 GiB.
    check_memory("sign", &tensors, 3, 4.0).unwrap();
    let error = check_memory("sign", &tensors, 4, 4.0)
        .unwrap_err()
        .to_string();
    for part in [
        "300 nodes x 1048576 features take 4.69 GiB",
        "method.sign.memory-gib allows 4",
        "set method.sign.hops=2",
        "method.sign.memory-gib=5",
    ] {
        assert!(error.contains(part), "{error}");
    }
    // One matrix however many hops: fewer of them would not help.
    let error = check_memory("sgc", &tensors, 1, 1.0)
        .unwrap_err()
        .to_string();
    assert!(!error.contains("hops="), "{error}");
    assert!(error.contains("method.sgc.memory-gib=2"), "{error}");
}

#[test]
fn settings_out_of_range_are_named() {
    for (value, named) in [
        (serde_json::json!({"hops": 0}), "method.sign.hops is 0"),
        (serde_json::json!({"layers": 0}), "method.sign.layers is 0"),
        (serde_json::json!({"width": 0}), "method.sign.width is 0"),
        (
            serde_json::json!({"dropout": 1.0}),
            "method.sign.dropout is 1",
        ),
        (
            serde_json::json!({"memory-gib": 0.0}),
            "method.sign.memory-gib is 0",
        ),
    ] {
        let error = SignSettings::from_value("sign", &value).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
    let error = SgcSettings::from_value("sgc", &serde_json::json!({"hops": 99})).unwrap_err();
    assert!(
        error.to_string().contains("method.sgc.hops is 99"),
        "{error}"
    );
}

#[test]
fn gates_that_do_not_fit_the_interface_are_refused_with_what_makes_its_width() {
    let mut gate = GateConfig {
        granularity: Granularity::Fine,
        ..GateConfig::default()
    };
    let own = SignSettings {
        width: 16,
        ..SignSettings::default()
    };
    let error = own.check_gate("sign-l0gm", &gate).unwrap_err().to_string();
    assert!(error.contains("gate.granularity is \"fine\""), "{error}");
    (gate.granularity, gate.group_width) = (Granularity::Group, 32);
    let error = own.check_gate("sign-l0gm", &gate).unwrap_err().to_string();
    for part in [
        "group-width is 32",
        "16 dimensions",
        "method.sign-l0gm.width)",
    ] {
        assert!(error.contains(part), "{error}");
    }
    // Without a hidden layer the interface is that of all 4 maps together.
    let wide = SignSettings { layers: 1, ..own };
    wide.check_gate("sign-l0gm", &gate).unwrap();
    gate.group_width = 5;
    let error = wide.check_gate("sign-l0gm", &gate).unwrap_err().to_string();
    assert!(error.contains("method.sign-l0gm.hops + 1"), "{error}");
}
