//! A gate on the outputs of an LSTM, (batch, length, channels). The sequences are synthetic: noise with two kinds of
//! events, and the label says which kind came last. The example prints how many of the LSTM's channels the classifier
//! needs, and reloads the model from one checkpoint without naming a temperature.
//!
//! Only what reads the channels becomes smaller. The LSTM itself keeps them all, because each one feeds back into the
//! others.
//!
//! Run it with `cargo run --example lstm_gate`; it takes some seconds.

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{
    AdamW, LSTM, LSTMConfig, Linear, Module, Optimizer, ParamsAdamW, RNN, VarBuilder, VarMap,
    linear, loss, lstm,
};
use l0gm_gate::{Gate, GateConfig, GateMode, Generator, Interface, Objective, Schedule, compact};

const LENGTH: usize = 10;
const FEATURES: usize = 4;
const HIDDEN: usize = 32;
const INTERFACE: Interface = Interface::ChannelsLast { channels: HIDDEN };
const STEPS: usize = 300;

/// The output of the LSTM at every position: (batch, length, channels).
fn encode(lstm: &LSTM, sequences: &Tensor) -> Result<Tensor> {
    let states = lstm.seq(sequences)?;
    let outputs: Vec<&Tensor> = states.iter().map(|state| state.h()).collect();
    Tensor::stack(&outputs, 1)
}

/// The last position decides.
fn classify(head: &Linear, outputs: &Tensor) -> Result<Tensor> {
    head.forward(&outputs.get_on_dim(1, LENGTH - 1)?.contiguous()?)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut generator = Generator::new(1);
    let (x, y) = problem(1024, &mut generator)?;
    let (test_x, test_y) = problem(1024, &mut generator)?;

    let variables = VarMap::new();
    for (name, shape) in [
        ("lstm.weight_ih_l0", [4 * HIDDEN, FEATURES]),
        ("lstm.weight_hh_l0", [4 * HIDDEN, HIDDEN]),
        ("head.weight", [2, HIDDEN]),
    ] {
        seeded(&variables, name, shape, &mut generator)?;
    }
    let build = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let encoder = lstm(FEATURES, HIDDEN, LSTMConfig::default(), build.pp("lstm"))?;
    let head = linear(HIDDEN, 2, build.pp("head"))?;
    let (schedule, objective) = (
        Schedule::default(),
        Objective {
            lambda: 1e-2,
            ..Objective::default()
        },
    );
    let gate = Gate::new_in(
        INTERFACE,
        &GateConfig::default(),
        &schedule,
        build.pp("gate"),
    )?;

    let adam = |lr, weight_decay| ParamsAdamW {
        lr,
        weight_decay,
        ..ParamsAdamW::default()
    };
    let log_alpha: Vec<Var> = gate.log_alpha().cloned().into_iter().collect();
    let is_gate = |var: &Var| log_alpha.iter().any(|gate| gate.id() == var.id());
    let weights = variables.all_vars().into_iter().filter(|var| !is_gate(var));
    let mut move_weights = AdamW::new(weights.collect(), adam(1e-2, 1e-3))?;
    let mut move_gate = AdamW::new(log_alpha.clone(), adam(5e-2, 0.0))?;

    for step in 0..STEPS {
        let now = schedule.at(step as f64 / STEPS as f64);
        let start = step * 128 % x.dim(0)?;
        let (x, y) = (x.narrow(0, start, 128)?, y.narrow(0, start, 128)?);
        let mode = GateMode::train(now.temperature, &mut generator);
        let outputs = gate.forward(&encode(&encoder, &x)?, mode)?;
        let task = loss::cross_entropy(&classify(&head, &outputs)?, &y)?;
        let value = objective.value(&task, &gate, now)?;
        let gradients = value.backward()?;
        move_weights.step(&gradients)?;
        move_gate.step(&gradients)?;
        if step % 60 == 59 {
            let open = gate.active_fraction()?.0 * HIDDEN as f64;
            println!(
                "step {:3}  objective {:.4}  {open} of {HIDDEN} open",
                step + 1,
                value.to_scalar::<f32>()?
            );
        }
    }

    // A trained gate is a module; the classifier behind it gets smaller.
    let outputs = encode(&encoder, &test_x)?;
    let gated = classify(&head, &outputs.apply(&gate)?)?;
    let small = compact(&(), &gate.deterministic()?, &head)?;
    println!("channels the classifier reads: {:?}", small.kept);
    let kept = Tensor::new(small.kept.as_slice(), &Device::Cpu)?;
    let compacted = classify(&small.after, &outputs.index_select(&kept, 2)?)?;
    let right = compacted.argmax(D::Minus1)?.eq(&test_y)?;
    let accuracy = right.to_dtype(DType::F32)?.mean_all()?.to_scalar::<f32>()?;
    println!("accuracy on unseen sequences: {accuracy:.3}");
    let difference = (&gated - compacted)?.abs()?.max_all()?.to_scalar::<f32>()?;
    println!("largest difference between gated and compact logits: {difference:.1e}");

    // One checkpoint holds the model; the gate's temperature and rule are in it.
    let path = std::env::temp_dir().join(format!("lstm_gate-{}.safetensors", std::process::id()));
    variables.save(&path)?;
    let tensors = candle_core::safetensors::load(&path, &Device::Cpu)?;
    std::fs::remove_file(&path)?;
    let build = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    let encoder = lstm(FEATURES, HIDDEN, LSTMConfig::default(), build.pp("lstm"))?;
    let head = linear(HIDDEN, 2, build.pp("head"))?;
    let gate = Gate::saved_in(INTERFACE, build.pp("gate"))?;
    let reloaded = classify(&head, &encode(&encoder, &test_x)?.apply(&gate)?)?;
    let same = (gated - reloaded)?.abs()?.max_all()?.to_scalar::<f32>()? == 0.0;
    println!("the reloaded model gives the same logits: {same}");
    if difference >= 1e-5 || !same {
        return Err("the model is not the one that was trained".into());
    }
    Ok(())
}

/// Noise in four features. At two positions an event adds 2 to the first or to the second feature; the label is the
/// kind of the later event.
fn problem(sequences: usize, generator: &mut Generator) -> Result<(Tensor, Tensor)> {
    let mut values = Vec::with_capacity(sequences * LENGTH * FEATURES);
    let mut labels = Vec::with_capacity(sequences);
    for _ in 0..sequences {
        let start = values.len();
        values.extend((0..LENGTH * FEATURES).map(|_| 0.3 * generator.normal() as f32));
        let mut last = 0;
        for half in 0..2 {
            let position = half * (LENGTH / 2) + generator.below(LENGTH as u64 / 2) as usize;
            last = generator.below(2) as usize;
            values[start + position * FEATURES + last] += 2.0;
        }
        labels.push(last as u32);
    }
    let values = Tensor::from_vec(values, (sequences, LENGTH, FEATURES), &Device::Cpu)?;
    Ok((values, Tensor::new(labels, &Device::Cpu)?))
}

/// Puts a seeded weight into the map, where candle-nn's layers find it. candle's own initial values cannot be seeded on
/// the CPU. Biases start at 0.
fn seeded(
    variables: &VarMap,
    name: &str,
    shape: [usize; 2],
    generator: &mut Generator,
) -> Result<()> {
    let scale = 1.0 / (shape[1] as f64).sqrt();
    let weight = generator.normal_tensor(&shape[..], 0.0, scale, DType::F32, &Device::Cpu)?;
    let bias = Tensor::zeros(shape[0], DType::F32, &Device::Cpu)?;
    let mut map = match variables.data().lock() {
        Ok(map) => map,
        Err(_) => candle_core::bail!("another thread failed while it held the variables"),
    };
    map.insert(name.replace("weight", "bias"), Var::from_tensor(&bias)?);
    map.insert(name.to_owned(), Var::from_tensor(&weight)?);
    Ok(())
}
