//! A small convolutional network with a gate behind each of its two convolutions, trained under one lambda and then
//! compacted. The images are synthetic: noise with a bar that is horizontal, vertical or absent. Few of the channels are
//! needed; the example prints what is left of each layer and by how much the compact network's logits differ.
//!
//! Run it with `cargo run --example conv_two_gates`; it takes some seconds.

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{
    AdamW, Conv2d, Conv2dConfig, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap,
    conv2d, linear, loss,
};
use l0gm_gate::{
    Flattened, Gate, GateConfig, GateMode, Gates, Generator, Interface, Objective, Schedule,
    compact,
};

const SIDE: usize = 12;
const CHANNELS: [usize; 2] = [12, 24];
const CLASSES: usize = 3;
/// Positions of the second maps after two poolings by two.
const POSITIONS: usize = (SIDE / 4) * (SIDE / 4);
const STEPS: usize = 250;

/// The layers; the gates stand between them.
struct Network {
    first: Conv2d,
    second: Conv2d,
    head: Linear,
}

impl Network {
    /// The logits. `gate` is applied to the maps of the first (0) and of the second convolution (1).
    fn logits(
        &self,
        images: &Tensor,
        mut gate: impl FnMut(usize, Tensor) -> l0gm_gate::Result<Tensor>,
    ) -> Result<Tensor> {
        let maps = gate(0, self.first.forward(images)?.relu()?)?; // (batch, channels, height, width)
        let maps = self.second.forward(&maps.max_pool2d(2)?)?.relu()?;
        let maps = gate(1, maps)?.max_pool2d(2)?;
        self.head.forward(&maps.flatten_from(1)?)
    }

    fn parameters(&self) -> usize {
        let of = |weight: &Tensor, bias: Option<&Tensor>| {
            weight.elem_count() + bias.map_or(0, Tensor::elem_count)
        };
        of(self.first.weight(), self.first.bias())
            + of(self.second.weight(), self.second.bias())
            + of(self.head.weight(), self.head.bias())
    }
}

fn main() -> Result<()> {
    let mut generator = Generator::new(0);
    let (images, labels) = problem(1024, &mut generator)?;
    let (test_images, test_labels) = problem(512, &mut generator)?;

    // Everything that is trained lives in one map of variables, the gates too.
    let variables = VarMap::new();
    let [wide, wider] = CHANNELS;
    for (name, shape) in [
        ("first.weight", vec![wide, 1, 3, 3]),
        ("second.weight", vec![wider, wide, 3, 3]),
        ("head.weight", vec![CLASSES, wider * POSITIONS]),
    ] {
        seeded(&variables, name, &shape, &mut generator)?;
    }
    let build = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let padded = Conv2dConfig {
        padding: 1,
        ..Conv2dConfig::default()
    };
    let network = Network {
        first: conv2d(1, wide, 3, padded, build.pp("first"))?,
        second: conv2d(wide, wider, 3, padded, build.pp("second"))?,
        head: linear(wider * POSITIONS, CLASSES, build.pp("head"))?,
    };
    let schedule = Schedule::default();
    let gate = |name: &str, channels| {
        let interface = Interface::ChannelsFirst { channels };
        Gate::new_in(interface, &GateConfig::default(), &schedule, build.pp(name))
    };
    let both = [gate("gate1", wide)?, gate("gate2", wider)?];
    let gates = Gates::new(&both);
    let objective = Objective {
        lambda: 4e-3,
        ..Objective::default()
    };

    // The gates have an optimiser of their own: a higher learning rate and no weight decay.
    let adam = |lr, weight_decay| ParamsAdamW {
        lr,
        weight_decay,
        ..ParamsAdamW::default()
    };
    let of_gates = gates.variables();
    let is_gate = |var: &Var| of_gates.iter().any(|gate| gate.id() == var.id());
    let weights = variables.all_vars().into_iter().filter(|var| !is_gate(var));
    let mut move_weights = AdamW::new(weights.collect(), adam(8e-3, 1e-3))?;
    let mut move_gates = AdamW::new(of_gates.clone(), adam(5e-2, 0.0))?;

    for step in 0..STEPS {
        let now = schedule.at(step as f64 / STEPS as f64);
        let start = step * 64 % images.dim(0)?;
        let (x, y) = (images.narrow(0, start, 64)?, labels.narrow(0, start, 64)?);
        let logits = network.logits(&x, |layer, maps| {
            both[layer].forward(&maps, GateMode::train(now.temperature, &mut generator))
        })?;
        let value = objective.joint(&loss::cross_entropy(&logits, &y)?, &gates, now)?;
        let gradients = value.backward()?;
        move_weights.step(&gradients)?;
        move_gates.step(&gradients)?;
        if step % 50 == 49 {
            let open = 100.0 * gates.active_fraction()?.0;
            println!(
                "step {:3}  objective {:.4}  open {open:.0}%",
                step + 1,
                value.to_scalar::<f32>()?
            );
        }
    }

    // The gates' z are folded into the layers behind them; closed channels leave the layers on both sides.
    let gated = network.logits(&test_images, |layer, maps| {
        both[layer].forward(&maps, GateMode::Eval)
    })?;
    let one = compact(&network.first, &both[0].deterministic()?, &network.second)?;
    let head = Flattened {
        layer: network.head.clone(),
        positions: POSITIONS,
        channels_last: false,
    };
    let two = compact(&one.after, &both[1].deterministic()?, &head)?;
    let small = Network {
        first: one.before,
        second: two.before,
        head: two.after.layer,
    };
    println!(
        "channels kept: {} of {wide} and {} of {wider}",
        one.kept.len(),
        two.kept.len()
    );
    for (name, before, after) in [
        ("first", network.first.weight(), small.first.weight()),
        ("second", network.second.weight(), small.second.weight()),
        ("head", network.head.weight(), small.head.weight()),
    ] {
        println!("{name:6} {:?} -> {:?}", before.dims(), after.dims());
    }
    println!(
        "parameters: {} -> {}",
        network.parameters(),
        small.parameters()
    );
    let compacted = small.logits(&test_images, |_, maps| Ok(maps))?;
    let right = compacted.argmax(D::Minus1)?.eq(&test_labels)?;
    let accuracy = right.to_dtype(DType::F32)?.mean_all()?.to_scalar::<f32>()?;
    println!("accuracy on unseen images, compact: {accuracy:.3}");
    let difference = (gated - compacted)?.abs()?.max_all()?.to_scalar::<f32>()?;
    println!("largest difference between gated and compact logits: {difference:.1e}");
    if difference >= 1e-4 {
        candle_core::bail!("the compact network is not the gated one");
    }
    Ok(())
}

/// Noise, with a bar of five pixels across the image's middle part: horizontal (0), vertical (1) or none (2).
fn problem(images: usize, generator: &mut Generator) -> Result<(Tensor, Tensor)> {
    let mut pixels: Vec<f32> = Vec::with_capacity(images * SIDE * SIDE);
    let mut labels = Vec::with_capacity(images);
    for _ in 0..images {
        let mut image = [[0f32; SIDE]; SIDE];
        for pixel in image.iter_mut().flatten() {
            *pixel = 0.5 * generator.normal() as f32;
        }
        let label = generator.below(3) as u32;
        let (row, column) = (generator.below(7) as usize, generator.below(12) as usize);
        for along in row..row + 5 {
            match label {
                0 => image[column][along] += 1.5,
                1 => image[along][column] += 1.5,
                _ => {}
            }
        }
        pixels.extend(image.iter().flatten());
        labels.push(label);
    }
    let images = Tensor::from_vec(pixels, (images, 1, SIDE, SIDE), &Device::Cpu)?;
    Ok((images, Tensor::new(labels, &Device::Cpu)?))
}

/// Puts a seeded variable into the map, where candle-nn's layers find it. candle's own initial values cannot be seeded
/// on the CPU.
fn seeded(
    variables: &VarMap,
    name: &str,
    shape: &[usize],
    generator: &mut Generator,
) -> Result<()> {
    let inputs: usize = shape.iter().skip(1).product();
    let scale = (2.0 / inputs as f64).sqrt();
    let weight = generator.normal_tensor(shape, 0.0, scale, DType::F32, &Device::Cpu)?;
    let bias = Tensor::zeros(shape[0], DType::F32, &Device::Cpu)?;
    let mut map = match variables.data().lock() {
        Ok(map) => map,
        Err(_) => candle_core::bail!("another thread failed while it held the variables"),
    };
    map.insert(name.replace("weight", "bias"), Var::from_tensor(&bias)?);
    map.insert(name.to_owned(), Var::from_tensor(&weight)?);
    Ok(())
}
