//! One step of the real training loop must change every parameter of the network, the gate and the classifier.
#![allow(clippy::unwrap_used)]

use crate::test_graphs::two_communities;
use crate::{GraphSettings, GraphTask, NodeSplit, build_model};
use candle_core::{Device, Var};
use l0gm_train::{ParameterKind, RunDir, StopFlag, Training, train};

fn values(var: &Var) -> Vec<f32> {
    var.flatten_all().unwrap().to_vec1().unwrap()
}

/// The default network with smaller layers, for one full-batch step without decay, in which only a gradient changes a
/// parameter.
fn settings() -> GraphSettings {
    let mut settings = GraphSettings::default();
    settings.gcn.width = 16;
    settings.gcn.interface_width = 32;
    settings.train.epochs = 1;
    settings.train.optimiser.weight_decay = 0.0;
    settings.train.objective.lambda = 1e-3;
    settings
}

#[test]
fn one_training_step_moves_every_parameter_norm_gains_and_gates_included() {
    let graph = two_communities(60, 1);
    let split = NodeSplit::random(120, 0.6, 0.2, 0).unwrap();
    let task = GraphTask::new(&graph, split, &Device::Cpu).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (gated, norm_last, residual, general) in [
        (false, true, false, false),
        (true, true, false, false),
        (true, false, true, false),
        (true, false, false, true),
    ] {
        let mut settings = settings();
        settings.gcn.norm_last = norm_last;
        settings.gcn.residual = residual;
        settings.gcn.own_weight = general;
        settings.scores = general;
        let model = build_model(&graph, &settings, gated, 0, &Device::Cpu).unwrap();
        let parameters = model.parameters();
        // Each layer has a weight and a bias, each norm a scale and a shift; then there are the classifier's two and
        // the gate.
        let norms = if norm_last { 3 } else { 2 };
        // Each layer may have a second weight. Fixed numbers are the two regressions' weights and biases, and the
        // classifier's intercepts and shares.
        let own = if general { 3 } else { 0 };
        let learnt = parameters.iter().filter(|p| p.kind != ParameterKind::Fixed);
        assert_eq!(learnt.count(), 8 + 2 * norms + own + usize::from(gated));
        let fixed = parameters.iter().filter(|p| p.kind == ParameterKind::Fixed);
        assert_eq!(fixed.count(), if general { 6 } else { 0 });

        let before: Vec<Vec<f32>> = parameters.iter().map(|p| values(&p.var)).collect();
        let run =
            RunDir::open(&folder.path().join(format!("{gated}-{norm_last}-{general}"))).unwrap();
        let outcome = train(
            Training {
                task: &task,
                model: &model,
                config: &settings.train,
                seed: 0,
                device: &Device::Cpu,
            },
            &run,
            &mut (),
            &StopFlag::default(),
        )
        .unwrap();
        assert_eq!(outcome.steps, 1);
        for (parameter, before) in parameters.iter().zip(before) {
            let after = values(&parameter.var);
            if parameter.kind == ParameterKind::Fixed {
                let blend = parameter.name == "head.blend";
                assert!(blend || before == after, "{} moved", parameter.name);
                continue;
            }
            let moved = before.iter().zip(&after).filter(|(a, b)| a != b).count();
            // If the ReLU is 0 for a channel on all of these few nodes, its gate gets no gradient from the task.
            let least = match parameter.name.as_str() {
                "gate.log_alpha" => before.len() / 2,
                _ => 1,
            };
            assert!(
                moved >= least,
                "{moved} of {} numbers of {} moved",
                before.len(),
                parameter.name
            );
        }
    }
}
