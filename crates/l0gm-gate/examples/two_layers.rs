//! A gate on the hidden layer of a two-layer network: about forty lines in any candle program.
use candle_core::{DType, Device};
use candle_nn::{AdamW, Module, Optimizer, SGD, VarBuilder, VarMap, linear};
use l0gm_gate::{Gate, GateConfig, GateMode, Generator, Interface, Objective, Schedule};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut random = Generator::new(0);
    let x = random.normal_tensor((1024, 8), 0.0, 1.0, DType::F32, &Device::Cpu)?;
    let y = x.get_on_dim(1, 0)?.gt(0.0)?.to_dtype(DType::U32)?; // one of eight inputs matters
    let (train_x, train_y) = (x.narrow(0, 0, 512)?, y.narrow(0, 0, 512)?);
    let (test_x, test_y) = (x.narrow(0, 512, 512)?, y.narrow(0, 512, 512)?);

    let variables = VarMap::new();
    let build = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let (first, second) = (linear(8, 32, build.pp("1"))?, linear(32, 2, build.pp("2"))?);
    let (schedule, objective) = (
        Schedule::default(),
        Objective {
            lambda: 3e-2,
            ..Objective::default()
        },
    );
    let (config, interface) = (GateConfig::default(), Interface::Flat { dim: 32 });
    let gate = Gate::new(interface, &config, &schedule, &Device::Cpu)?;
    // The gates have their own optimiser, which is faster and has no weight decay.
    let mut move_gates = SGD::new(gate.log_alpha().cloned().into_iter().collect(), 10.0)?;
    let mut move_weights = AdamW::new_lr(variables.all_vars(), 1e-2)?;

    for step in 0..500 {
        let now = schedule.at(step as f64 / 500.0);
        let r = first.forward(&train_x)?.relu()?;
        let gated = gate.forward(&r, GateMode::train(now.temperature, &mut random))?;
        let task = candle_nn::loss::cross_entropy(&second.forward(&gated)?, &train_y)?;
        let gradients = objective.value(&task, &gate, now)?.backward()?;
        move_weights.step(&gradients)?;
        move_gates.step(&gradients)?;
    }
    let open = gate.active_fraction()?.0 * 32.0;
    let gated = gate.forward(&first.forward(&test_x)?.relu()?, GateMode::Eval)?;
    let right = second.forward(&gated)?.argmax(1)?.eq(&test_y)?;
    let accuracy = right.to_dtype(DType::F32)?.mean_all()?.to_scalar::<f32>()?;
    println!("{open} of 32 dimensions stay open; accuracy on unseen rows {accuracy:.3}");
    Ok(())
}
