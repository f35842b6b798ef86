//! Gates a two-layer network made of candle-nn's own layers. Only 3 of the 20 inputs say anything about the label, so
//! few of its 16 hidden channels are needed; the penalty closes the rest.
//!
//! Run it with `cargo run --example gate_any_model`.

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, loss};
use l0gm_gate::calibration::{CalibrationReport, CalibrationSettings, Predictions};
use l0gm_gate::{
    Gate, GateConfig, GateMode, Generator, Interface, LinearLayer, Objective, Schedule,
    compact_linear,
};

const INPUTS: usize = 20;
const HIDDEN: usize = 16;
const STEPS: usize = 600;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut generator = Generator::new(0);
    let (x, y) = problem(4000, &mut generator)?;
    let (test_x, test_y) = problem(4000, &mut generator)?;

    // Any model will do that has a part which computes a representation and a part which reads it.
    let (first, first_vars) = linear(INPUTS, HIDDEN, &mut generator)?;
    let (second, second_vars) = linear(HIDDEN, 2, &mut generator)?;
    let encode = |x: &Tensor| first.forward(x)?.relu();

    // The gate stands between them; schedule and objective say how it is trained.
    let (schedule, objective) = (
        Schedule::default(),
        Objective {
            lambda: 1e-2,
            ..Objective::default()
        },
    );
    schedule.check()?;
    let interface = Interface::Flat { dim: HIDDEN };
    let gate = Gate::new(interface, &GateConfig::default(), &schedule, &Device::Cpu)?;

    // log_alpha has its own optimiser, with a higher learning rate and no weight decay.
    let adam = |lr, weight_decay| ParamsAdamW {
        lr,
        weight_decay,
        ..ParamsAdamW::default()
    };
    let mut weights = AdamW::new([first_vars, second_vars].concat(), adam(5e-3, 1e-2))?;
    let mut gates = AdamW::new(
        gate.log_alpha().cloned().into_iter().collect(),
        adam(5e-2, 0.0),
    )?;

    for step in 0..STEPS {
        let now = schedule.at(step as f64 / STEPS as f64);
        let gated = gate.forward(
            &encode(&x)?,
            GateMode::train(now.temperature, &mut generator),
        )?;
        let task = loss::cross_entropy(&second.forward(&gated)?, &y)?;
        let value = objective.value(&task, &gate, now)?;
        let gradients = value.backward()?;
        weights.step(&gradients)?;
        gates.step(&gradients)?;
        if step % 100 == 0 || step + 1 == STEPS {
            let active = gate.active_fraction()?.0;
            println!(
                "step {step:3}  objective {:.4}  active {:3.0}%",
                value.to_scalar::<f32>()?,
                100.0 * active
            );
        }
    }

    // Print what is left open, and how well the probabilities are calibrated.
    let logits = second.forward(&gate.forward(&encode(&test_x)?, GateMode::Eval)?)?;
    let report = CalibrationReport::new(
        &Predictions::from_logit_tensors(&logits, &test_y)?,
        CalibrationSettings::default(),
    )?;
    println!(
        "active fraction {:.3}, expected L0 {:.2} of {HIDDEN}",
        gate.active_fraction()?.0,
        gate.expected_l0()?
    );
    println!("NLL {:.4}, Brier {:.4}", report.nll, report.brier);
    println!(
        "ECE {:.4} [{:.4}, {:.4}] in {} bins; a perfectly calibrated model would read {:.4}",
        report.ece, report.ece_low, report.ece_high, report.bins, report.ece_noise
    );

    // Build the same model without the gate and without the channels it closed.
    let layer = |linear: &Linear| LinearLayer {
        weight: linear.weight().clone(),
        bias: linear.bias().cloned(),
    };
    let (before, after) = (layer(&first), layer(&second));
    let (small_before, small_after, kept) =
        compact_linear(Some(&before), &gate.deterministic()?, &after)?;
    let small_before = small_before.ok_or("the layer before the gate was given")?;
    let parameters = before.parameters() + after.parameters();
    println!(
        "compact: channels {kept:?}, {} of {parameters} parameters",
        small_before.parameters() + small_after.parameters()
    );
    let hidden = Linear::new(small_before.weight, small_before.bias)
        .forward(&test_x)?
        .relu()?;
    let compact = Linear::new(small_after.weight, small_after.bias).forward(&hidden)?;
    let difference = (logits - compact)?
        .abs()?
        .flatten_all()?
        .max(0)?
        .to_scalar::<f32>()?;
    println!("largest difference between gated and compact logits {difference:.1e}");
    if difference >= 1e-5 {
        return Err("the compact model is not the gated one".into());
    }
    Ok(())
}

/// Draws standard normal inputs, and labels from a logistic function of the first three.
fn problem(rows: usize, generator: &mut Generator) -> Result<(Tensor, Tensor)> {
    let x = generator.normal_tensor((rows, INPUTS), 0.0, 1.0, DType::F32, &Device::Cpu)?;
    let labels = x.to_vec2::<f32>()?.into_iter().map(|row| {
        let score = 2.0 * f64::from(row[0]) - 1.5 * f64::from(row[1]) + f64::from(row[0] * row[2]);
        u32::from(generator.uniform() < 1.0 / (1.0 + (-score).exp()))
    });
    let labels: Vec<u32> = labels.collect();
    Ok((x, Tensor::new(labels, &Device::Cpu)?))
}

/// A layer whose weights come from the seeded generator, because candle's CPU device cannot be seeded.
fn linear(input: usize, out: usize, generator: &mut Generator) -> Result<(Linear, Vec<Var>)> {
    let scale = (2.0 / input as f64).sqrt();
    let weight = Var::from_tensor(&generator.normal_tensor(
        (out, input),
        0.0,
        scale,
        DType::F32,
        &Device::Cpu,
    )?)?;
    let bias = Var::zeros(out, DType::F32, &Device::Cpu)?;
    let layer = Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone()));
    Ok((layer, vec![weight, bias]))
}
