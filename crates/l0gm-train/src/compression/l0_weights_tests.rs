#![allow(clippy::unwrap_used)]
use super::*;
use crate::{Optimiser, Part, TrainConfig};
use candle_core::Device;
use l0gm_gate::{Gate, Interface, Target};
use l0gm_ops::Generator;

/// The weights [[1, -2], [3, 0.5]] and the gates on them.
fn made() -> (Var, Vec<Parameter>, L0Weights) {
    let var = Var::new(&[[1f32, -2.0], [3.0, 0.5]], &Device::Cpu).unwrap();
    let weight = Parameter {
        name: "layer.weight".to_owned(),
        var: var.clone(),
        kind: ParameterKind::Weight,
        part: Part::Head,
    };
    let gate = Gate::identity(Interface::Flat { dim: 2 });
    let parameters = vec![weight];
    let l0 = L0Weights::new(&Ingredients {
        parameters: &parameters,
        gate: &gate,
        readers: Vec::new(),
    })
    .unwrap();
    (var, parameters, l0)
}

/// What the choice leaves of the weights and of a running mean that is 1 above them, both flattened, and how many are
/// said to be kept.
fn chosen(target: f64, updates: usize) -> (Vec<f32>, Vec<f32>, usize) {
    let (var, mut parameters, mut l0) = made();
    parameters.extend(l0.state());
    let likely = Tensor::new(&[[-3f32, 0.4], [0.2, -0.1]], &Device::Cpu).unwrap();
    l0.log_alpha[0].var.set(&likely).unwrap();
    let config = TrainConfig {
        target: Some(Target::new(target).unwrap()),
        ..TrainConfig::default()
    };
    let mut optimiser = Optimiser::new(&parameters, &config.optimiser, 10).unwrap();
    // Without a gradient a weight would count as never reached.
    let before = var.as_detached_tensor().copy().unwrap();
    let loss = var.as_tensor().sqr().unwrap().sum_all().unwrap();
    let mut gradients = loss.backward().unwrap();
    optimiser.step(&mut gradients, 0.0, false).unwrap();
    var.set(&before).unwrap();
    let values = parameters.iter().map(|p| p.var.as_detached_tensor());
    let mut average: Vec<Tensor> = values.collect();
    average[0] = (&before + 1.0).unwrap();
    let mut average = Some(average);
    for _ in 0..updates {
        let mut stage = Stage {
            optimiser: &mut optimiser,
            average: &mut average,
            parameters: &parameters,
            config: &config,
            root: &Generator::new(0),
            multiplier: &mut None,
            restart: &mut false,
            step: 10,
            steps: 10,
            progress: 1.0,
        };
        l0.update(&mut stage).unwrap();
    }
    assert!(l0.is_done());
    let mean = flat(&average.unwrap()[0]).unwrap();
    (flat(&var).unwrap(), mean, l0.kept().kept)
}

#[test]
fn the_running_mean_gets_its_gates_in_the_step_in_which_the_weights_do() {
    let (weights, mean, kept) = chosen(0.5, 1);
    assert_eq!(kept, 2);
    let ratios = weights.iter().zip([1f32, -2.0, 3.0, 0.5]);
    let ratios: Vec<f32> = ratios.map(|(after, before)| after / before).collect();
    assert_eq!((ratios[0], ratios[3]), (0.0, 0.0));
    // Median gates of likely weights are below 1, and the same for the mean.
    for (at, before) in [2f32, -1.0, 4.0, 1.5].into_iter().enumerate() {
        assert!((mean[at] / before - ratios[at]).abs() < 1e-6, "{mean:?}");
    }
    assert!(ratios[1] > ratios[2] && ratios[2] > 0.4 && ratios[1] < 1.0);
}

#[test]
fn where_everything_is_kept_the_choice_is_still_made_once() {
    let (once, ..) = chosen(0.99, 1);
    let (twice, _, kept) = chosen(0.99, 2);
    assert_eq!((once, kept), (twice, 4));
}

#[test]
fn a_checkpoint_that_does_not_say_so_is_past_the_choice_if_something_is_removed() {
    let done = |kept, said| {
        let (.., mut l0) = made();
        let unit = crate::Unit::Weights;
        l0.restored(Kept { unit, kept, of: 4 }, said);
        l0.is_done()
    };
    assert!(done(2, None) && !done(4, None));
    // What it says counts, whatever is left.
    assert!(done(4, Some(true)) && !done(2, Some(false)));
}
