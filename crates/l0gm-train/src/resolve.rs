//! Turns what a user asks for into a complete [`RunSpec`], in the same way for every modality.

use crate::method::Methods;
use crate::modality::ModalityParts;
use crate::settings::{merge_settings, merge_settings_with};
use crate::{Error, Knob, MethodInfo, Profile, Recipe, Result, Role, RunSpec, TrainConfig};
use serde_json::{Map, Value};

/// A user's request to a modality.
#[derive(Clone, Copy, Debug)]
pub struct SpecRequest<'a> {
    /// Catalogue name, or the path of the user's own file or folder.
    pub dataset: &'a str,
    /// The method's name, as `--method` takes it.
    pub method: &'a str,
    /// Weight of the penalty, if the user chose one.
    pub lambda: Option<f64>,
    /// Seed of everything random.
    pub seed: u64,
    /// The size of the experiment.
    pub profile: Profile,
    /// The user's settings, a table that is merged over the modality's defaults. Its table `method.NAME` holds the
    /// settings of a method.
    pub overrides: &'a Value,
    /// Assumptions about files that are not present yet.
    pub expected: Expected,
}

/// The overrides of a request without settings.
const NO_OVERRIDES: &Value = &Value::Null;

impl<'a> SpecRequest<'a> {
    /// A request for a method on a dataset with the modality's defaults: seed 0, profile quick, no settings by the
    /// user.
    pub fn new(dataset: &'a str, method: &'a str) -> Self {
        Self {
            dataset,
            method,
            lambda: None,
            seed: 0,
            profile: Profile::Quick,
            overrides: NO_OVERRIDES,
            expected: Expected::default(),
        }
    }
}

/// What a plan assumes about missing files, because it may not download anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// For a dataset that is not present: whether its twin will stand in. `None` means that the data are present and
    /// will be looked up.
    pub missing_twin: Option<bool>,
    /// Whether pretrained weights that are not present will be downloaded.
    pub weights: bool,
}

/// Where a dataset would come from.
#[derive(Clone, Debug)]
pub struct Located {
    /// Whether the twin stands in for the data.
    pub twin: bool,
    /// Where the files are, or why they are not available.
    pub source: String,
}

/// Completes a request into a spec.
///
/// # Errors
/// An unknown method, setting or dataset, a value out of range, a lambda for a method that takes none, or a twin
/// under [`Profile::Paper`].
pub(crate) fn resolve_spec<P: ModalityParts>(
    parts: &P,
    request: &SpecRequest<'_>,
) -> Result<RunSpec> {
    let method = P::METHODS.find(request.method)?;
    let info = method.info();
    let (of_modality, of_methods) = split_overrides(request.overrides)?;
    let own = own_settings(P::METHODS, &info, &of_methods)?;
    method.check(&own)?;
    let base = parts.base_settings(request)?;
    let mut settings: P::Settings = merge_settings_with(&base, &of_modality, P::UNWRITTEN)?;
    let default = P::default_lambda(&settings);
    let train = P::train_config(&mut settings);
    if info.role == Role::Variant {
        train.recipe = Recipe::Settled;
    }
    let lambda = lambda_of(&info, request.lambda, default, train)?;
    train.objective.lambda = lambda.unwrap_or(0.0);
    train.check()?;
    P::check_settings(&settings)?;
    let located = parts.locate(request, &mut settings)?;
    if located.twin && request.profile == Profile::Paper {
        return Err(Error::Setting(format!(
            "the profile paper refuses twins, and the real '{}' is not at hand ({}); put its files into the data folder \
             (--data-dir), allow the download, or use the profile quick",
            request.dataset, located.source
        )));
    }
    let mut settings = serde_json::to_value(&settings)
        .map_err(|error| Error::Setting(format!("the settings cannot be written: {error}")))?;
    if let (Value::Object(table), false) = (&mut settings, own.is_null()) {
        table.insert(RunSpec::METHOD_SETTINGS.to_owned(), own);
    }
    Ok(RunSpec {
        modality: P::NAME.into(),
        dataset: request.dataset.into(),
        method: request.method.into(),
        lambda,
        seed: request.seed,
        twin: located.twin,
        settings,
    })
}

fn lambda_of(
    info: &MethodInfo,
    given: Option<f64>,
    default: Option<f64>,
    train: &TrainConfig,
) -> Result<Option<f64>> {
    let name = &info.name;
    match (info.knob, given, train.target) {
        (Knob::LambdaOrTarget, _, _) => train.gated_lambda(name, given, default),
        (Knob::None, None, _) | (Knob::Target, None, Some(_)) => Ok(None),
        (Knob::None, Some(_), _) => Err(Error::Setting(format!(
            "method {name} has no gate and so no lambda"
        ))),
        (Knob::Target, _, _) => Err(Error::Setting(format!(
            "method {name} needs the share of dimensions to leave open, and no lambda: give it with --target (or \
             train.target), for example --target 15%"
        ))),
    }
}

/// Separates the modality's settings from the methods' settings, which are returned by method name.
fn split_overrides(overrides: &Value) -> Result<(Value, Map<String, Value>)> {
    let mut of_modality = overrides.clone();
    let of_methods = match &mut of_modality {
        Value::Object(table) => table.remove(RunSpec::METHOD_SETTINGS),
        _ => None,
    };
    match of_methods {
        None => Ok((of_modality, Map::new())),
        Some(Value::Object(table)) => Ok((of_modality, table)),
        Some(other) => Err(Error::Setting(format!(
            "setting `method` = {other}: expected tables by method, such as method.NAME.KEY = VALUE"
        ))),
    }
}

/// The complete settings of the method itself, or null where it has none. Settings of other methods are only checked,
/// so that one settings file can serve a plan with several methods.
fn own_settings<M>(
    methods: &Methods<M>,
    info: &MethodInfo,
    given: &Map<String, Value>,
) -> Result<Value> {
    let mut own = Value::Null;
    for (name, overrides) in given {
        let method = methods.find(name)?;
        let defaults = method.settings();
        if defaults.is_null() {
            return Err(Error::Setting(format!(
                "method {name} has no settings of its own; those of its modality apply"
            )));
        }
        let merged = merge_settings(&defaults, overrides)?;
        if *name == *info.name {
            own = merged;
        }
    }
    if own.is_null() {
        own = methods.find(&info.name)?.settings();
    }
    Ok(own)
}
