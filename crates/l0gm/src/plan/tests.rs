//! Plans made with modalities that consist of names only.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::runner::LAMBDA_GRID;
use l0gm_train::{MethodInfo, RunContext, RunRecord, SpecRequest};

/// A modality that knows its name and its datasets and can run nothing.
struct Named(&'static str, &'static [&'static str]);

impl Modality for Named {
    fn name(&self) -> &'static str {
        self.0
    }
    fn datasets(&self) -> Vec<String> {
        self.1.iter().map(|d| (*d).to_owned()).collect()
    }
    fn methods(&self) -> Vec<MethodInfo> {
        vec![MethodInfo::dense("a test"), MethodInfo::l0gm("a test")]
    }
    fn spec(&self, request: &SpecRequest<'_>) -> l0gm_train::Result<RunSpec> {
        if request.overrides.get("bad").is_some() {
            return Err(l0gm_train::Error::Setting(
                "bad: no such setting".to_owned(),
            ));
        }
        Ok(RunSpec {
            modality: self.0.to_owned(),
            dataset: request.dataset.to_owned(),
            method: request.method.to_owned(),
            lambda: request.lambda,
            seed: request.seed,
            twin: request.profile == Profile::Quick,
            settings: request.overrides.clone(),
        })
    }
    fn estimate(&self, _spec: &RunSpec) -> l0gm_train::Result<Duration> {
        Ok(Duration::from_secs(10))
    }
    fn shared_work(&self, spec: &RunSpec) -> l0gm_train::Result<Vec<(String, Duration)>> {
        Ok(match self.0 {
            "text" => vec![(spec.dataset.clone(), Duration::from_secs(60))],
            _ => Vec::new(),
        })
    }
    fn timed(
        &self,
        _: &RunSpec,
        _: &std::path::Path,
        _: &candle_core::Device,
    ) -> l0gm_train::Result<l0gm_train::TimedRun> {
        Err(l0gm_train::Error::Stopped)
    }
    fn run(&self, _: &RunSpec, _: &mut RunContext<'_>) -> l0gm_train::Result<RunRecord> {
        Err(l0gm_train::Error::Stopped)
    }
}

fn modalities() -> Vec<Box<dyn Modality>> {
    vec![
        Box::new(Named("tabular", &["adult"])),
        Box::new(Named("graph", &["amazon-computers", "amazon-photo"])),
    ]
}

fn choice() -> Choice {
    Choice {
        seeds: vec![0],
        lambdas: LAMBDA_GRID.to_vec(),
        ..Choice::default()
    }
}

fn plan(choice: &Choice) -> anyhow::Result<Plan> {
    Plan::new(&modalities(), choice, Profile::Quick, &Overrides::default())
}

#[test]
fn the_quick_plan_holds_dense_and_the_whole_grid_of_every_modality() {
    let plan = plan(&choice()).unwrap();
    assert_eq!(plan.runs.len(), 2 * (1 + LAMBDA_GRID.len()));
    let dense = plan.runs.iter().filter(|r| r.spec.method == "dense");
    assert!(dense.clone().all(|r| r.spec.lambda.is_none()));
    assert_eq!(dense.count(), 2);
    assert_eq!(plan.estimate(), Duration::from_secs(120));
    assert_eq!(
        plan.data(),
        [
            ("adult".to_owned(), "tabular".to_owned(), true),
            ("amazon-computers".to_owned(), "graph".to_owned(), true)
        ]
    );
}

#[test]
fn a_dataset_chooses_its_modality() {
    let mut choice = choice();
    choice.datasets = vec!["amazon-photo".to_owned()];
    choice.methods = vec!["dense".to_owned()];
    let plan = plan(&choice).unwrap();
    assert_eq!(plan.runs.len(), 1);
    assert_eq!(plan.runs[0].spec.modality, "graph");
}

#[test]
fn unknown_names_say_the_nearest_and_paths_need_one_modality() {
    let with = |f: &dyn Fn(&mut Choice)| {
        let mut choice = choice();
        f(&mut choice);
        let error = plan(&choice).unwrap_err();
        assert_eq!(crate::usage::exit_code(&error), 2);
        error.to_string()
    };
    assert!(with(&|c| c.modalities = vec!["tabullar".into()]).contains("`tabular`"));
    assert!(with(&|c| c.datasets = vec!["amazon-foto".into()]).contains("`amazon-photo`"));
    assert!(with(&|c| c.methods = vec!["densse".into()]).contains("`dense`"));
    assert!(with(&|c| c.datasets = vec!["my/table.csv".into()]).contains("one --modality"));
    let elsewhere = with(&|c| {
        c.modalities = vec!["tabular".into()];
        c.datasets = vec!["amazon-photo".into()];
    });
    assert!(elsewhere.contains("is of modality graph"), "{elsewhere}");
    let mut one = choice();
    one.modalities = vec!["tabular".into()];
    one.datasets = vec!["my/table.csv".into()];
    assert_eq!(plan(&one).unwrap().runs[0].spec.dataset, "my/table.csv");
}

#[test]
fn a_setting_that_a_modality_refuses_is_the_command_lines_fault() {
    let known = ["tabular", "graph"].map(str::to_owned);
    let overrides = Overrides::new(None, &["graph.bad=1".to_owned()], &known).unwrap();
    let error = Plan::new(&modalities(), &choice(), Profile::Quick, &overrides).unwrap_err();
    assert_eq!(crate::usage::exit_code(&error), 2);
    assert!(error.to_string().contains("graph: bad: no such setting"));
    let mut tabular = choice();
    tabular.modalities = vec!["tabular".into()];
    let error = Plan::new(&modalities(), &tabular, Profile::Quick, &overrides).unwrap_err();
    assert!(error.to_string().contains("leave graph out"), "{error}");
}

#[test]
fn the_printed_plan_marks_twins_and_finished_runs() {
    let plan = Plan::new(
        &modalities(),
        &choice(),
        Profile::Quick,
        &Overrides::default(),
    )
    .unwrap();
    let mut text = Vec::new();
    let finished = std::iter::once(plan.runs[0].spec.id()).collect();
    print_table(&mut text, &plan, &finished).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("adult (TWIN)"), "{text}");
    assert!(
        text.contains("12 runs, 1 finished before; estimated 1 min 50 s"),
        "{text}"
    );
    assert_eq!(text.lines().filter(|l| l.contains(" done ")).count(), 1);
    let of_modality = |line: &&str| line.contains(": 6 runs, ");
    let subtotals: Vec<&str> = text.lines().filter(of_modality).collect();
    assert_eq!(
        subtotals,
        [
            "tabular: 6 runs, 1 finished before; estimated 50 s for the rest",
            "graph: 6 runs, 0 finished before; estimated 1 min for the rest"
        ]
    );
}

#[test]
fn targets_take_the_place_of_the_lambda_grid_and_go_into_the_settings() {
    let mut aimed = choice();
    aimed.modalities = vec!["tabular".into()];
    aimed.lambdas = Vec::new();
    aimed.targets = ["10%", "0.25"].map(|t| t.parse().unwrap()).to_vec();
    let known = ["tabular", "graph"].map(str::to_owned);
    let set = ["tabular.train.epochs=3".to_owned()];
    let overrides = Overrides::new(None, &set, &known).unwrap();
    let plan = Plan::new(&modalities(), &aimed, Profile::Quick, &overrides).unwrap();
    let found: Vec<_> = plan
        .runs
        .iter()
        .map(|run| {
            (
                run.spec.method.as_str(),
                run.spec.lambda,
                run.spec.settings.clone(),
            )
        })
        .collect();
    let settings = |target: Option<f64>| match target {
        Some(target) => serde_json::json!({"train": {"epochs": 3, "target": target}}),
        None => serde_json::json!({"train": {"epochs": 3}}),
    };
    assert_eq!(
        found,
        [
            ("dense", None, settings(None)),
            ("l0gm", None, settings(Some(0.1))),
            ("l0gm", None, settings(Some(0.25))),
        ]
    );
    let ids: std::collections::BTreeSet<_> = plan.runs.iter().map(|r| r.spec.id()).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn ablations_are_run_at_their_own_lambdas_or_at_those_asked_for_and_never_twice() {
    let mut with = choice();
    with.modalities = vec!["tabular".into()];
    with.methods = vec!["l0gm".into()];
    with.lambdas = vec![3e-3];
    with.ablations = vec![Ablation::Static, Ablation::SoftEce];
    let known = ["tabular", "graph"].map(str::to_owned);
    let planned = |choice: &Choice, set: &[String]| {
        let overrides = Overrides::new(None, set, &known).unwrap();
        let plan = Plan::new(&modalities(), choice, Profile::Quick, &overrides).unwrap();
        let found = plan.runs.iter();
        found
            .map(|run| {
                let name = run.ablation.clone().unwrap_or_default();
                format!("{name} {:e}", run.spec.lambda.unwrap())
            })
            .collect::<Vec<_>>()
    };
    let mut expected = vec![" 3e-3".to_owned()];
    expected.extend(["static 3e-4", "static 3e-3"].map(str::to_owned));
    for weight in ["0.1", "0.3", "1"] {
        expected.extend(["1e-3", "3e-3", "1e-2"].map(|x| format!("soft-ece {weight} {x}")));
    }
    assert_eq!(planned(&with, &[]), expected);
    with.points_given = true;
    with.ablations.truncate(1);
    assert_eq!(planned(&with, &[]), [" 3e-3", "static 3e-3"]);
    // The settings already ask for what the ablation would change.
    let set = ["tabular.gate.kind=static".to_owned()];
    assert_eq!(planned(&with, &set), [" 3e-3"]);
}

#[test]
fn the_printed_plan_gives_a_target_to_gated_runs_alone() {
    let mut aimed = choice();
    aimed.modalities = vec!["tabular".into()];
    aimed.lambdas = Vec::new();
    aimed.targets = vec!["15%".parse().unwrap()];
    let known = ["tabular", "graph"].map(str::to_owned);
    let set = ["tabular.train.target=0.15".to_owned()];
    let overrides = Overrides::new(None, &set, &known).unwrap();
    let plan = Plan::new(&modalities(), &aimed, Profile::Quick, &overrides).unwrap();
    let mut text = Vec::new();
    print_table(&mut text, &plan, &BTreeSet::new()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let row = |method: &str| text.lines().find(|line| line.contains(method)).unwrap();
    assert!(!row("dense").contains("for 15.0%"), "{text}");
    assert!(row("l0gm").contains("for 15.0%"), "{text}");
}

#[test]
fn what_runs_share_is_paid_once_a_plan() {
    let text: Vec<Box<dyn Modality>> = vec![Box::new(Named("text", &["imdb", "mine"]))];
    let mut choice = choice();
    choice.datasets = vec!["imdb".to_owned(), "mine".to_owned()];
    let plan = Plan::new(&text, &choice, Profile::Quick, &Overrides::default()).unwrap();
    let runs = plan.runs.len() as u64;
    assert_eq!(plan.estimate(), Duration::from_secs(10 * runs + 2 * 60));
    // A cell of a share pays for the shared work that an earlier run of the whole plan would have paid for.
    let last = plan.runs[plan.runs.len() - 1].clone();
    assert_eq!(last.estimate, Duration::from_secs(10));
    assert_eq!(last.cost.alone(), Duration::from_secs(70));
    assert_eq!(Plan::of(vec![last]).estimate(), Duration::from_secs(70));
}

#[test]
fn a_method_that_takes_no_lambda_is_run_at_the_targets_or_at_the_usual_ones() {
    let method = MethodInfo {
        role: Role::Rival,
        knob: l0gm_train::Knob::Target,
        ..MethodInfo::l0gm("a test")
    };
    let targets_of = |choice: &Choice| -> Vec<f64> {
        let points = points_of(&method, choice, false).unwrap();
        assert!(points.iter().all(|point| point.lambda.is_none()));
        let target = |point: &PointToRun| point.settings["train"]["target"].as_f64().unwrap();
        points.iter().map(target).collect()
    };
    let mut choice = choice();
    choice.points_given = true;
    assert!(!choice.lambdas.is_empty());
    assert_eq!(targets_of(&choice), GENERAL_TARGETS);
    choice.targets = vec!["25%".parse().unwrap()];
    assert_eq!(targets_of(&choice), [0.25]);
}
