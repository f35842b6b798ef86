//! A gate whose parameters are variables of a candle-nn `VarMap`, so that an optimiser of one's own sees them and one
//! checkpoint holds the whole model.
//!
//! Beside `log_alpha` (and `weight`) there is a variable `settings`, (10,) in f64 on the CPU, or (12,) for a Gaussian gate. It gets no gradient, like
//! a BatchNorm's running mean. Without it, a checkpoint would not say at which temperature and by which rule its gate is
//! used, and a program with other settings would open other dimensions without a word.

use crate::gate::GateState;
use crate::{
    Error, Gate, GateConfig, GateDistribution, GateKind, Granularity, InferenceGate, Interface,
    PenaltyReduction, Result, Schedule, Temperature,
};
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{Init, VarBuilder};

const LOG_ALPHA: &str = "log_alpha";
const WEIGHT: &str = "weight";
const SETTINGS: &str = "settings";

/// The numbers of `settings`, in their order. A gate in use depends on the first [`IN_USE`]; those from there to [`USUAL`]
/// matter in training. The rest is written for gates of another distribution than the hard-concrete one.
const NAMES: [&str; 12] = [
    "kind",
    "granularity",
    "group-width",
    "inference",
    "pi",
    "gamma",
    "zeta",
    "temperature",
    "penalty",
    "initial-open",
    "distribution",
    "sigma",
];
const IN_USE: usize = 8;
const USUAL: usize = 10;

const KINDS: [GateKind; 4] = [
    GateKind::Static,
    GateKind::PerExample,
    GateKind::Conditional,
    GateKind::Fixed,
];
const GRANULARITIES: [Granularity; 3] = [
    Granularity::Interface,
    Granularity::Group,
    Granularity::Fine,
];
const RULES: [InferenceGate; 3] = [
    InferenceGate::Median,
    InferenceGate::Threshold,
    InferenceGate::HardSigmoid,
];
const DISTRIBUTIONS: [GateDistribution; 2] =
    [GateDistribution::HardConcrete, GateDistribution::Gaussian];
const PENALTIES: [PenaltyReduction; 2] = [PenaltyReduction::Sum, PenaltyReduction::Mean];

impl Gate {
    /// Like [`Gate::new`], with parameters that are variables of `builder`: `log_alpha`, for a conditional gate
    /// `weight`, and `settings`, which keeps temperature and rule of inference and has no gradient. Variables that are
    /// there already are shared, as candle's layers share them. They are f32 whatever the builder's dtype.
    ///
    /// With a builder that reads a file the gate has copies of the file's tensors.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use candle_nn::{VarBuilder, VarMap};
    /// use l0gm_gate::{Gate, GateConfig, Interface, Schedule};
    ///
    /// let variables = VarMap::new();
    /// let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    /// let interface = Interface::Flat { dim: 64 };
    /// let gate = Gate::new_in(interface, &GateConfig::default(), &Schedule::default(), builder.pp("gate"))?;
    /// let names = variables.data().lock().unwrap();
    /// assert!(names.contains_key("gate.log_alpha") && names.contains_key("gate.settings"));
    /// assert!(gate.log_alpha().is_some());
    /// # Ok::<(), l0gm_gate::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Gate::new`]; variables that are there already have another shape or dtype, or hold a gate that is
    /// used at another temperature or by another rule. The gate checks this again whenever it is used, because
    /// `VarMap::load` changes variables later.
    pub fn new_in(
        interface: Interface,
        config: &GateConfig,
        schedule: &Schedule,
        builder: VarBuilder<'_>,
    ) -> Result<Self> {
        config.check()?;
        schedule.check()?;
        let first = schedule.at(0.0).temperature;
        let start = config.start(first);
        let temperature = schedule.final_temperature();
        let is_new = !builder.contains_tensor(SETTINGS);
        let own = numbers(config, temperature);
        let on_cpu = builder.clone().set_device(Device::Cpu);
        let settings = variable(&on_cpu, SETTINGS, own.len(), 0.0, DType::F64)?;
        if is_new {
            settings.set(&Tensor::new(own, &Device::Cpu)?)?;
        }
        Self::of_variables(interface, config, temperature, start, settings, &builder)
    }

    /// The gate that was saved with these variables. Nothing but its interface has to be known: temperature, rule of
    /// inference and all other settings are read from `settings`. For example with
    /// `VarBuilder::from_tensors(candle_core::safetensors::load(path, device)?, ..)` of a file that `VarMap::save` wrote.
    ///
    /// # Errors
    /// There is no such gate in `builder`, its settings are out of range, or it does not fit the interface.
    pub fn saved_in(interface: Interface, builder: VarBuilder<'_>) -> Result<Self> {
        for name in [SETTINGS, LOG_ALPHA] {
            if !builder.contains_tensor(name) {
                return Err(Error::input(format!(
                    "no gate was saved under {:?}: its variable {name:?} is missing; Gate::new_in makes a new one",
                    builder.prefix()
                )));
            }
        }
        let on_cpu = builder.clone().set_device(Device::Cpu);
        let of_length = |length| variable(&on_cpu, SETTINGS, length, 0.0, DType::F64);
        let settings = of_length(USUAL).or_else(|error| match of_length(NAMES.len()) {
            Ok(settings) => Ok(settings),
            Err(_) => Err(error),
        })?;
        let (config, temperature) = read(&settings.to_vec1()?)?;
        Self::of_variables(interface, &config, temperature, 0.0, settings, &builder)
    }

    /// A gate of the variables of `builder`, which are made if they are absent.
    fn of_variables(
        interface: Interface,
        config: &GateConfig,
        temperature: Temperature,
        start: f64,
        settings: Var,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        config.check()?;
        temperature.check("temperature")?;
        let (gates, covers) = interface.gates(config)?;
        let weight = (config.kind == GateKind::Conditional)
            .then(|| variable(builder, WEIGHT, (gates, interface.width()), 0.0, DType::F32))
            .transpose()?;
        let inner = GateState {
            config: config.clone(),
            log_alpha: variable(builder, LOG_ALPHA, gates, start, DType::F32)?,
            weight,
            covers,
            temperature,
            costs: None,
            settings: Some(settings),
        };
        inner.check_settings()?;
        for (name, values) in [
            (LOG_ALPHA, Some(&inner.log_alpha)),
            (WEIGHT, inner.weight.as_ref()),
        ] {
            if let Some(values) = values {
                super::gate::check_finite(name, values)?;
            }
        }
        Ok(Self {
            interface,
            inner: Some(inner),
        })
    }
}

impl GateState {
    /// Refuses variables that belong to a gate with another temperature or rule. `VarMap::load` may have put them
    /// there since this gate was built.
    pub(crate) fn check_settings(&self) -> Result<()> {
        let Some(settings) = &self.settings else {
            return Ok(());
        };
        let found: Vec<f64> = settings.to_vec1()?;
        let own = numbers(&self.config, self.temperature);
        if found.len() != own.len() {
            return Err(Error::input(format!(
                "the gate's variables were saved from a gate of another distribution ({} settings, not {}); build the \
                 gate with the settings it was trained with, or with Gate::saved_in, which reads them",
                found.len(),
                own.len()
            )));
        }
        let differ: Vec<String> = (0..IN_USE)
            .chain(USUAL..own.len())
            .filter(|&at| found[at] != own[at])
            .map(|at| {
                format!(
                    "{} {}, not {}",
                    NAMES[at],
                    word(at, found[at]),
                    word(at, own[at])
                )
            })
            .collect();
        if differ.is_empty() {
            return Ok(());
        }
        Err(Error::input(format!(
            "the gate's variables were saved from a gate with {}; build the gate with the settings and the schedule it \
             was trained with, or with Gate::saved_in, which reads them",
            differ.join(", ")
        )))
    }
}

/// The variable of this name, filled with `start` if it is new.
fn variable(
    builder: &VarBuilder<'_>,
    name: &str,
    shape: impl Into<candle_core::Shape>,
    start: f64,
    dtype: DType,
) -> Result<Var> {
    let tensor = builder.get_with_hints_dtype(shape, name, Init::Const(start), dtype)?;
    if tensor.dtype() != dtype {
        return Err(Error::input(format!(
            "the variable {name:?} under {:?} is {:?}, but a gate's is {dtype:?}",
            builder.prefix(),
            tensor.dtype()
        )));
    }
    // A variable stays the same one; a file's tensor is copied.
    Ok(Var::from_tensor(&tensor)?)
}

/// The settings as numbers, in the order of [`NAMES`].
fn numbers(config: &GateConfig, temperature: Temperature) -> Vec<f64> {
    let mut numbers = vec![
        place(&KINDS, config.kind),
        place(&GRANULARITIES, config.granularity),
        config.group_width as f64,
        place(&RULES, config.inference),
        config.pi,
        config.gamma,
        config.zeta,
        temperature.0,
        place(&PENALTIES, config.penalty),
        config.initial_open,
    ];
    if config.distribution != GateDistribution::HardConcrete {
        numbers.extend([place(&DISTRIBUTIONS, config.distribution), config.sigma]);
    }
    numbers
}

/// The settings that these numbers stand for. Their ranges are checked where the gate is built.
fn read(numbers: &[f64]) -> Result<(GateConfig, Temperature)> {
    let usual = GateConfig::default();
    let is_usual = numbers.len() <= USUAL;
    let config = GateConfig {
        distribution: match is_usual {
            true => usual.distribution,
            false => named(&DISTRIBUTIONS, numbers, USUAL)?,
        },
        sigma: match is_usual {
            true => usual.sigma,
            false => numbers[USUAL + 1],
        },
        kind: named(&KINDS, numbers, 0)?,
        granularity: named(&GRANULARITIES, numbers, 1)?,
        group_width: numbers[2] as usize, // saturates; the interface checks it
        inference: named(&RULES, numbers, 3)?,
        pi: numbers[4],
        gamma: numbers[5],
        zeta: numbers[6],
        penalty: named(&PENALTIES, numbers, 8)?,
        initial_open: numbers[9],
    };
    Ok((config, Temperature(numbers[7])))
}

fn place<T: PartialEq>(all: &[T], one: T) -> f64 {
    all.iter()
        .position(|other| *other == one)
        .unwrap_or(all.len()) as f64
}

fn named<T: Copy>(all: &[T], numbers: &[f64], at: usize) -> Result<T> {
    (0..all.len())
        .find(|&place| place as f64 == numbers[at])
        .map(|place| all[place])
        .ok_or_else(|| {
            Error::input(format!(
                "a gate's variable {SETTINGS:?} has {} as its {}, which this version does not know",
                numbers[at], NAMES[at]
            ))
        })
}

/// A setting as an error message shows it.
fn word(at: usize, number: f64) -> String {
    let name = match at {
        0 => named(&KINDS, &[number], 0).map(GateKind::name),
        1 => named(&GRANULARITIES, &[number], 0).map(Granularity::name),
        3 => named(&RULES, &[number], 0).map(InferenceGate::name),
        USUAL => named(&DISTRIBUTIONS, &[number], 0).map(GateDistribution::name),
        _ => return number.to_string(),
    };
    name.map_or_else(|_| number.to_string(), str::to_owned)
}

#[cfg(test)]
#[path = "variables_tests.rs"]
mod tests;
