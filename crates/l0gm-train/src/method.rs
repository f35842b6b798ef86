//! Methods: the things one can ask for with `--method`.
//!
//! A method is one file in its modality's `methods/` folder and one line in that folder's list. The file implements
//! [`Method`] and says in a [`MethodInfo`] what anyone else needs to know; the info travels with every run record, so
//! that plans, reports and comparisons ask it and never look at a name.

use crate::nearest::nearest_name;
use crate::{
    Error, PeerRun, Result, RunContext, RunRecord, RunSpec, TECHNIQUES, Technique, TimedRun,
};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Which part a method plays in a study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The backbone trained as it is, without a gate. Gated models are compared with it.
    Backbone,
    /// L0GM itself. Only these runs form the lambda sweep and only they may be recommended for use.
    Subject,
    /// L0GM with one thing changed, shown beside it. It joins neither the sweep nor the recommendation.
    Variant,
    /// A method of the paper's tables, or a stronger one of its kind, that L0GM is compared with.
    Rival,
    /// A cheap method that belongs to every study, such as logistic regression.
    Baseline,
}

impl Role {
    /// The role in one word, for lists: "backbone", "subject", "variant", "rival" or "baseline".
    pub fn name(self) -> &'static str {
        match self {
            Self::Backbone => "backbone",
            Self::Subject => "subject",
            Self::Variant => "variant",
            Self::Rival => "rival",
            Self::Baseline => "baseline",
        }
    }
}

/// How a user chooses a method's sparsity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Knob {
    /// The method has no sparsity to choose.
    None,
    /// The method takes a lambda or, instead of it, a target.
    LambdaOrTarget,
    /// The method takes a target, the share of dimensions that it leaves open, and no lambda.
    Target,
}

/// What anyone needs to know of a method without running it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodInfo {
    /// What `--method` names. It is unique within a modality.
    pub name: Cow<'static, str>,
    /// What tables and figures call it.
    pub label: Cow<'static, str>,
    /// What it is, in one line.
    pub summary: Cow<'static, str>,
    /// Where it comes from: a paper or a library.
    pub source: Cow<'static, str>,
    /// The part it plays in a study.
    pub role: Role,
    /// Whether its model has gates that close dimensions of the interface, whoever decides which.
    pub gated: bool,
    /// How its sparsity is chosen.
    pub knob: Knob,
    /// The row of the paper's tables that it reproduces; absent where the paper has no such row.
    pub rival_of: Option<Cow<'static, str>>,
    /// What must be installed or downloaded first; absent where nothing is.
    pub needs: Option<Cow<'static, str>>,
}

impl MethodInfo {
    /// The backbone without a gate. `summary` says what the backbone is in this modality.
    pub const fn dense(summary: &'static str) -> Self {
        Self {
            name: Cow::Borrowed("dense"),
            label: Cow::Borrowed("dense"),
            summary: Cow::Borrowed(summary),
            source: Cow::Borrowed("arXiv:2603.26801, section 3"),
            role: Role::Backbone,
            gated: false,
            knob: Knob::None,
            rival_of: None,
            needs: None,
        }
    }

    /// L0GM: the backbone with L0 gates. `summary` says where the gate stands in this modality.
    pub const fn l0gm(summary: &'static str) -> Self {
        Self {
            name: Cow::Borrowed("l0gm"),
            label: Cow::Borrowed("L0GM"),
            summary: Cow::Borrowed(summary),
            source: Cow::Borrowed("arXiv:2603.26801, Algorithm 1"),
            role: Role::Subject,
            gated: true,
            knob: Knob::LambdaOrTarget,
            rival_of: None,
            needs: None,
        }
    }

    /// L0GM trained by the recipe `settled` ([`Recipe::Settled`](crate::Recipe::Settled)), beside the paper's
    /// Algorithm 1. `summary` says where the gate stands in this modality.
    pub const fn settled(summary: &'static str) -> Self {
        Self {
            name: Cow::Borrowed("l0gm-settled"),
            label: Cow::Borrowed("L0GM, settled"),
            summary: Cow::Borrowed(summary),
            source: Cow::Borrowed("arXiv:2603.26801, with a settled phase"),
            role: Role::Variant,
            gated: true,
            knob: Knob::LambdaOrTarget,
            rival_of: None,
            needs: None,
        }
    }

    /// Whether this is L0GM itself: a point of the lambda sweep, and a model that may be recommended for use.
    pub fn is_subject(&self) -> bool {
        self.role == Role::Subject
    }

    /// Whether this is the backbone that gated models are compared with.
    pub fn is_backbone(&self) -> bool {
        self.role == Role::Backbone
    }

    /// Whether a lambda or a target may be asked for.
    pub fn has_knob(&self) -> bool {
        self.knob != Knob::None
    }

    /// Whether a lambda may be asked for.
    pub fn takes_lambda(&self) -> bool {
        self.knob == Knob::LambdaOrTarget
    }

    /// Whether a plan includes this method without being asked for it. Rivals are asked for by name.
    pub fn is_planned_by_default(&self) -> bool {
        self.role != Role::Rival
    }
}

/// A method of the modality `M`. One file in the modality's `methods/` folder implements it.
pub trait Method<M: ?Sized> {
    /// The method's name, label, role and whatever else others may ask about it.
    fn info(&self) -> MethodInfo;

    /// The method's own settings with their defaults, set as `method.NAME.KEY`. Default: it has only the
    /// modality's.
    fn settings(&self) -> Value {
        Value::Null
    }

    /// Refuses a value out of range among the method's own settings. `settings` contains all of them.
    ///
    /// # Errors
    /// Names the setting, its value and the allowed range.
    fn check(&self, settings: &Value) -> Result<()> {
        let _ = settings;
        Ok(())
    }

    /// Whether its model starts from the modality's pretrained weights, which must then be at hand. Default: it does,
    /// where the modality has any.
    fn uses_pretrained(&self) -> bool {
        true
    }

    /// A rough estimate of a run's time on two CPU cores.
    ///
    /// # Errors
    /// The run's settings are not this modality's.
    fn estimate(&self, modality: &M, spec: &RunSpec) -> Result<Duration>;

    /// Work that is done once for all runs with the same key, and that [`estimate`](Self::estimate) leaves out.
    /// Default: none.
    ///
    /// # Errors
    /// The run's settings are not this modality's.
    fn shared_work(&self, modality: &M, spec: &RunSpec) -> Result<Vec<(String, Duration)>> {
        let _ = (modality, spec);
        Ok(Vec::new())
    }

    /// Fits and judges, or continues an interrupted run. Everything is written into `context.dir`, the record last.
    ///
    /// # Errors
    /// The data or settings are bad, a file cannot be written, or a stop was requested.
    fn run(&self, modality: &M, spec: &RunSpec, context: &mut RunContext<'_>) -> Result<RunRecord>;

    /// The models of the finished run in `dir`, built again on `device` to be timed. Default: the method keeps no
    /// model.
    ///
    /// # Errors
    /// [`Error::NoModel`] where the method keeps none; otherwise the run's files are missing or damaged.
    fn timed(&self, modality: &M, spec: &RunSpec, dir: &Path, device: &Device) -> Result<TimedRun> {
        let _ = (modality, dir, device);
        Err(Error::NoModel(format!(
            "method {} keeps no model that could be built again to be timed ({})",
            self.info().name,
            spec.id()
        )))
    }

    /// Makes the finished run in `dir` ready to be timed beside programs of other projects, and hands it to `time`.
    /// Default: the method keeps no compact model.
    ///
    /// # Errors
    /// [`Error::NoModel`] where the method keeps none; otherwise the run's files are missing or damaged.
    fn beside_peers(
        &self,
        modality: &M,
        spec: &RunSpec,
        dir: &Path,
        time: &mut dyn FnMut(&PeerRun<'_>),
    ) -> Result<()> {
        let _ = (modality, dir, time);
        Err(Error::NoModel(format!(
            "method {} keeps no compact model that programs of other projects could be timed beside ({})",
            self.info().name,
            spec.id()
        )))
    }
}

/// Makes a modality's method of a technique.
type AsMethod<M> = fn(&'static Technique) -> &'static (dyn Method<M> + Sync);

/// A modality's list of methods, in the order in which plans and tables show them.
pub struct Methods<M: ?Sized + 'static> {
    /// What the modality's data are called in messages: "tables", "texts", "graphs".
    data: &'static str,
    all: &'static [&'static (dyn Method<M> + Sync)],
    /// What makes a method of a technique, if the modality offers them; they stand behind the others.
    techniques: Option<AsMethod<M>>,
}

impl<M: ?Sized> Methods<M> {
    /// A list of methods for `data` ("tables").
    pub const fn new(data: &'static str, all: &'static [&'static (dyn Method<M> + Sync)]) -> Self {
        Self {
            data,
            all,
            techniques: None,
        }
    }

    /// The same list followed by every technique of [`compression`](crate::compression), for a modality that says how
    /// it carries one out.
    pub const fn with_techniques(self) -> Self
    where
        Technique: Method<M>,
    {
        Self {
            techniques: Some(|technique| technique),
            ..self
        }
    }

    fn iter(&self) -> impl Iterator<Item = &'static (dyn Method<M> + Sync)> {
        let techniques = self.techniques.into_iter();
        let techniques = techniques.flat_map(|of| TECHNIQUES.into_iter().map(of));
        self.all.iter().copied().chain(techniques)
    }

    /// The description of every method, in the list's order.
    pub fn infos(&self) -> Vec<MethodInfo> {
        self.iter().map(|method| method.info()).collect()
    }

    /// The method called `name`.
    ///
    /// # Errors
    /// There is no such method. The error names the nearest known one and lists all.
    pub fn find(&self, name: &str) -> Result<&'static (dyn Method<M> + Sync)> {
        let found = self.iter().find(|method| method.info().name == name);
        found.ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Error {
        let infos = self.infos();
        let names: Vec<&str> = infos.iter().map(|info| &*info.name).collect();
        let hint = match nearest_name(name, names.iter().copied()) {
            Some(known) => format!("; did you mean '{known}'?"),
            None => String::new(),
        };
        Error::Setting(format!(
            "{} have no method '{name}'{hint} (methods: {})",
            self.data,
            names.join(", ")
        ))
    }
}

impl<M: ?Sized> fmt::Debug for Methods<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.infos().iter().map(|info| &info.name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Plain;
    struct Other;

    impl Method<()> for Plain {
        fn info(&self) -> MethodInfo {
            MethodInfo::dense("a test")
        }
        fn estimate(&self, _: &(), _: &RunSpec) -> Result<Duration> {
            Ok(Duration::ZERO)
        }
        fn run(&self, _: &(), _: &RunSpec, _: &mut RunContext<'_>) -> Result<RunRecord> {
            Err(Error::Stopped)
        }
    }

    impl Method<()> for Other {
        fn info(&self) -> MethodInfo {
            MethodInfo {
                name: "logistic".into(),
                role: Role::Baseline,
                ..MethodInfo::dense("another")
            }
        }
        fn estimate(&self, _: &(), _: &RunSpec) -> Result<Duration> {
            Ok(Duration::ZERO)
        }
        fn run(&self, _: &(), _: &RunSpec, _: &mut RunContext<'_>) -> Result<RunRecord> {
            Err(Error::Stopped)
        }
    }

    const METHODS: Methods<()> = Methods::new("tables", &[&Plain, &Other]);

    #[test]
    fn an_unknown_method_is_named_with_the_nearest_known_one_and_all_of_them() {
        let text = METHODS.find("logistics").err().unwrap().to_string();
        assert!(text.contains("did you mean 'logistic'?"), "{text}");
        assert!(text.contains("(methods: dense, logistic)"), "{text}");
        assert!(METHODS.find("dense").is_ok());
    }

    #[test]
    fn an_info_survives_the_record() {
        for info in METHODS.infos() {
            let text = serde_json::to_string(&info).unwrap();
            assert_eq!(serde_json::from_str::<MethodInfo>(&text).unwrap(), info);
        }
    }

    #[test]
    fn only_the_subject_joins_the_sweep_and_rivals_wait_to_be_asked_for() {
        let subject = MethodInfo::l0gm("a test");
        assert!(subject.is_subject() && subject.has_knob() && subject.gated);
        let rival = MethodInfo {
            role: Role::Rival,
            ..subject
        };
        assert!(!rival.is_subject() && !rival.is_planned_by_default());
    }
}
