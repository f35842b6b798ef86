//! A gate on the hidden layer of a two-layer network, in some forty lines of any candle program.
use candle_core::{DType, Device};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, linear};
use l0gm_gate::{Gate, GateConfig, Generator, Interface, Mode, Objective, Schedule};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::Cpu;
    let mut random = Generator::new(0);
    let x = random.normal_tensor((512, 8), 0.0, 1.0, DType::F32, &device)?;
    let y = x
        .narrow(1, 0, 1)?
        .gt(0.0)?
        .flatten_all()?
        .to_dtype(DType::U32)?; // one input matters

    let variables = VarMap::new();
    let build = VarBuilder::from_varmap(&variables, DType::F32, &device);
    let encoder: Linear = linear(8, 32, build.pp("encoder"))?;
    let head: Linear = linear(32, 2, build.pp("head"))?;

    let schedule = Schedule::default();
    let tau = schedule.final_temperature();
    let gate = Gate::new(
        Interface::Flat { dim: 32 },
        &GateConfig::default(),
        tau,
        &device,
    )?;
    let objective = Objective { lambda: 3e-2 };

    let weights = ParamsAdamW {
        lr: 1e-2,
        ..Default::default()
    };
    let gates = ParamsAdamW {
        lr: 5e-2,
        weight_decay: 0.0,
        ..Default::default()
    };
    let mut train_weights = AdamW::new(variables.all_vars(), weights)?;
    let mut train_gates = AdamW::new(gate.log_alpha().cloned().into_iter().collect(), gates)?;

    let steps = 500;
    for step in 0..steps {
        let now = schedule.at(step as f64 / steps as f64);
        let r = encoder.forward(&x)?.relu()?;
        let gated = gate.forward(&r, now.temperature, &mut Mode::Train(&mut random))?;
        let task = candle_nn::loss::cross_entropy(&head.forward(&gated)?, &y)?;
        let gradients = objective.value(&task, &gate, now)?.backward()?;
        train_weights.step(&gradients)?;
        train_gates.step(&gradients)?;
    }
    let open = gate.hard_mask(tau)?.iter().filter(|&&open| open).count();
    println!("{open} of 32 dimensions stay open");
    Ok(())
}
