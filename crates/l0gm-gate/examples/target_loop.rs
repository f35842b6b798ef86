//! Asks for a share of open dimensions instead of lambda, in a training loop of one's own. Two hidden layers have a gate
//! each, and 50%, 20% and 10% of both layers' dimensions together are to stay open. The rows are synthetic: four of
//! twelve inputs say something about the label. The example prints how lambda follows the target, and what it costs.
//!
//! Run it with `cargo run --example target_loop`; it takes some seconds.

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, loss};
use l0gm_gate::{
    Controller, Gate, GateConfig, GateMode, Gates, Generator, Interface, Schedule, Steering, Target,
};

const INPUTS: usize = 12;
const HIDDEN: [usize; 2] = [24, 16];
const STEPS: usize = 400;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut generator = Generator::new(0);
    let train = problem(1024, &mut generator)?;
    let test = problem(1024, &mut generator)?;
    for target in ["50%", "20%", "10%"] {
        fit(target.parse()?, &train, &test)?;
    }
    Ok(())
}

/// Trains with two gates that are led to `target`.
fn fit(
    target: Target,
    (x, y): &(Tensor, Tensor),
    (test_x, test_y): &(Tensor, Tensor),
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut generator = Generator::new(7);
    let mut weights = Vec::new();
    let layers = [
        layer(INPUTS, HIDDEN[0], &mut weights, &mut generator)?,
        layer(HIDDEN[0], HIDDEN[1], &mut weights, &mut generator)?,
        layer(HIDDEN[1], 2, &mut weights, &mut generator)?,
    ];
    let schedule = Schedule::default();
    let gate = |dim| {
        let interface = Interface::Flat { dim };
        Gate::new(interface, &GateConfig::default(), &schedule, &Device::Cpu)
    };
    let both = [gate(HIDDEN[0])?, gate(HIDDEN[1])?];
    let gates = Gates::new(&both);
    let logits = |x: &Tensor, mode: &mut dyn FnMut(&Gate, &Tensor) -> l0gm_gate::Result<Tensor>| {
        let r = mode(&both[0], &layers[0].forward(x)?.relu()?)?;
        let r = mode(&both[1], &layers[1].forward(&r)?.relu()?)?;
        layers[2].forward(&r)
    };

    let adam = |lr, weight_decay| ParamsAdamW {
        lr,
        weight_decay,
        ..ParamsAdamW::default()
    };
    let mut move_weights = AdamW::new(weights, adam(5e-3, 1e-3))?;
    let mut move_gates = AdamW::new(gates.variables(), adam(5e-2, 0.0))?;
    let mut steering = Steering::new(target, Controller::default(), &schedule)?;
    println!("target {:.0}%", 100.0 * target.active());
    for step in 0..STEPS {
        // Before each step: how the gates are passed, and what the penalty weighs.
        let now = steering.at(&gates, step as f64 / STEPS as f64)?;
        let logits = logits(x, &mut |gate, r| gate.forward(r, now.mode(&mut generator)))?;
        let value = now.loss(&loss::cross_entropy(&logits, y)?, &gates)?;
        let gradients = value.backward()?;
        move_weights.step(&gradients)?;
        if !now.settled {
            move_gates.step(&gradients)?; // Settled gates have no gradient.
        }
        if step % 80 == 0 {
            println!(
                "  step {step:3}  lambda {:.1e}  open {:3.0}%{}",
                now.lambda,
                100.0 * gates.active_fraction()?.0,
                if now.settled { "  settled" } else { "" }
            );
        }
    }
    let open = steering.finish(&gates)?;
    let logits = logits(test_x, &mut |gate, r| gate.forward(r, GateMode::Eval))?;
    let right = logits.argmax(D::Minus1)?.eq(test_y)?;
    let accuracy = right.to_dtype(DType::F32)?.mean_all()?.to_scalar::<f32>()?;
    let by_layer: Vec<usize> = both
        .iter()
        .map(|gate| Ok(gate.hard_mask()?.iter().filter(|open| **open).count()))
        .collect::<l0gm_gate::Result<_>>()?;
    println!(
        "  open {:.1}% ({by_layer:?} of {HIDDEN:?}), accuracy on unseen rows {accuracy:.3}",
        100.0 * open.0
    );
    Ok(())
}

/// Standard normal inputs; the label is the sign of x0 x1 + x2 + x3 / 2.
fn problem(rows: usize, generator: &mut Generator) -> Result<(Tensor, Tensor)> {
    let x = generator.normal_tensor((rows, INPUTS), 0.0, 1.0, DType::F32, &Device::Cpu)?;
    let score = |row: Vec<f32>| row[0] * row[1] + row[2] + 0.5 * row[3];
    let labels: Vec<u32> = x
        .to_vec2()?
        .into_iter()
        .map(|row| u32::from(score(row) > 0.0))
        .collect();
    Ok((x, Tensor::new(labels, &Device::Cpu)?))
}

/// A layer whose weights come from the seeded generator, because candle's CPU device cannot be seeded.
fn layer(
    input: usize,
    out: usize,
    weights: &mut Vec<Var>,
    generator: &mut Generator,
) -> Result<Linear> {
    let scale = (2.0 / input as f64).sqrt();
    let weight = generator.normal_tensor((out, input), 0.0, scale, DType::F32, &Device::Cpu)?;
    let (weight, bias) = (
        Var::from_tensor(&weight)?,
        Var::zeros(out, DType::F32, &Device::Cpu)?,
    );
    let layer = Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone()));
    weights.extend([weight, bias]);
    Ok(layer)
}
