//! Plans carried out with a modality that writes made-up records.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::plan::{Choice, Overrides};
use l0gm_report::fixtures;
use l0gm_train::{MethodInfo, Profile, RunSpec, SpecRequest};
use std::cell::RefCell;
use std::time::Duration;

/// A modality whose runs finish, fail, panic or stop, depending on the seed.
struct Fake {
    ran: RefCell<Vec<u64>>,
}

impl Modality for Fake {
    fn name(&self) -> &'static str {
        "tabular"
    }
    fn datasets(&self) -> Vec<String> {
        vec!["adult".to_owned()]
    }
    fn methods(&self) -> Vec<MethodInfo> {
        vec![MethodInfo::dense("a test")]
    }
    fn spec(&self, request: &SpecRequest<'_>) -> l0gm_train::Result<RunSpec> {
        Ok(RunSpec {
            modality: "tabular".to_owned(),
            dataset: request.dataset.to_owned(),
            method: request.method.to_owned(),
            lambda: request.lambda,
            seed: request.seed,
            twin: true,
            settings: request.overrides.clone(),
        })
    }
    fn estimate(&self, _: &RunSpec) -> l0gm_train::Result<Duration> {
        Ok(Duration::from_secs(1))
    }
    fn timed(
        &self,
        _: &RunSpec,
        _: &std::path::Path,
        _: &candle_core::Device,
    ) -> l0gm_train::Result<l0gm_train::TimedRun> {
        Err(l0gm_train::Error::Stopped)
    }
    fn run(&self, spec: &RunSpec, context: &mut RunContext<'_>) -> l0gm_train::Result<RunRecord> {
        self.ran.borrow_mut().push(spec.seed);
        if let Ok(bytes) = std::fs::read(context.dir.join("record.json")) {
            let record: RunRecord = serde_json::from_slice(&bytes).unwrap();
            record.check_data(&context.dir, &own_file(&spec.dataset))?;
            return Ok(record);
        }
        match spec.seed {
            7 => {
                return Err(l0gm_train::Error::NotFinite(
                    "loss is NaN at step 3".to_owned(),
                ));
            }
            8 => panic!("index out of range"),
            9 => return Err(l0gm_train::Error::Stopped),
            _ => {}
        }
        let mut record = fixtures::records().remove(0);
        record.spec = spec.clone();
        record.run_id = spec.id();
        record.data.checksums = own_file(&spec.dataset);
        std::fs::create_dir_all(&context.dir).unwrap();
        std::fs::write(
            context.dir.join("record.json"),
            serde_json::to_vec(&record).unwrap(),
        )
        .unwrap();
        Ok(record)
    }
}

/// Uses the file's content as its checksum.
fn own_file(dataset: &str) -> BTreeMap<String, String> {
    let content = std::fs::read_to_string(dataset).unwrap_or_default();
    [("own.csv".to_owned(), content)].into()
}

fn execute_seeds(out: &OutDir, seeds: &[u64]) -> Outcome {
    execute_choice(out, seeds, vec![])
}

fn execute_choice(out: &OutDir, seeds: &[u64], datasets: Vec<String>) -> Outcome {
    let modalities: Vec<Box<dyn Modality>> = vec![Box::new(Fake {
        ran: RefCell::default(),
    })];
    let choice = Choice {
        seeds: seeds.to_vec(),
        lambdas: vec![1e-3],
        datasets,
        modalities: vec!["tabular".to_owned()],
        ..Choice::default()
    };
    let plan = Plan::new(&modalities, &choice, Profile::Quick, &Overrides::default()).unwrap();
    let machine = Machine {
        device: candle_core::Device::Cpu,
        device_name: "cpu".to_owned(),
        threads: 1,
        stop: StopFlag::default(),
    };
    execute(
        &plan,
        &modalities,
        out,
        &machine,
        false,
        &mut Console::new(),
    )
    .unwrap()
}

#[test]
fn a_finished_run_is_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = OutDir::create(folder.path()).unwrap();
    let first = execute_seeds(&out, &[0, 1]);
    assert_eq!((first.finished, first.skipped), (2, 0));
    let second = execute_seeds(&out, &[0, 1, 2]);
    assert_eq!((second.finished, second.skipped), (1, 2));
}

#[test]
fn a_finished_run_of_a_file_that_was_edited_is_not_passed_off_as_this_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.csv");
    let out = OutDir::create(&folder.path().join("out")).unwrap();
    let own = || execute_choice(&out, &[0], vec![file.to_str().unwrap().to_owned()]);
    std::fs::write(&file, "a,b").unwrap();
    assert_eq!((own().finished, own().skipped), (1, 1));
    std::fs::write(&file, "a,c").unwrap();
    let outcome = own();
    assert_eq!((outcome.finished, outcome.skipped), (0, 0));
    let error = outcome.failures.values().next().unwrap();
    assert!(
        error.contains("the data changed since this run was made: own.csv"),
        "{error}"
    );
    // The old record must not make the failure forgotten.
    let remembered = remember(&out, &outcome).unwrap();
    assert_eq!(remembered, outcome.failures);
    assert_eq!(out.failures().unwrap(), outcome.failures);
    // The failure is forgotten once the old data are back.
    std::fs::write(&file, "a,b").unwrap();
    assert!(remember(&out, &own()).unwrap().is_empty());
    assert!(out.failures().unwrap().is_empty());
}

#[test]
fn failing_and_panicking_runs_are_reported_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = OutDir::create(folder.path()).unwrap();
    let outcome = execute_seeds(&out, &[7, 8, 0]);
    assert_eq!((outcome.finished, outcome.failures.len()), (1, 2));
    let errors: Vec<&String> = outcome.failures.values().collect();
    assert!(
        errors.iter().any(|e| e.contains("NaN at step 3")),
        "{errors:?}"
    );
    assert!(
        errors.iter().any(|e| e.contains("index out of range")),
        "{errors:?}"
    );
    assert!(!outcome.stopped);
}

#[test]
fn a_stop_ends_the_plan_without_calling_it_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let out = OutDir::create(folder.path()).unwrap();
    let outcome = execute_seeds(&out, &[0, 9, 1]);
    assert_eq!((outcome.finished, outcome.failures.len()), (1, 0));
    assert!(outcome.stopped);
}

#[test]
fn a_run_that_another_process_works_on_is_passed_over_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let out = OutDir::create(folder.path()).unwrap();
    let modalities: Vec<Box<dyn Modality>> = vec![Box::new(Fake {
        ran: RefCell::default(),
    })];
    let choice = Choice {
        seeds: vec![0, 1],
        modalities: vec!["tabular".to_owned()],
        ..Choice::default()
    };
    let plan = Plan::new(&modalities, &choice, Profile::Quick, &Overrides::default()).unwrap();
    let id = plan.runs[0].spec.id();
    let Attempt::Held(claim) = Claim::attempt(&out.claim(&id)).unwrap() else {
        panic!("nobody else has it");
    };
    let outcome = execute_seeds(&out, &[0, 1]);
    assert_eq!((outcome.finished, outcome.skipped), (1, 0));
    assert_eq!(outcome.elsewhere.keys().collect::<Vec<_>>(), [&id]);
    assert!(outcome.failures.is_empty());
    assert!(!out.run(&id).exists());
    let mut elsewhere = BTreeMap::from([(id.clone(), "process 1, long gone".to_owned())]);
    assert!(all_held(&mut elsewhere, &out).unwrap());
    assert_eq!(elsewhere, outcome.elsewhere, "who has it now");
    drop(claim);
    assert!(!all_held(&mut elsewhere, &out).unwrap());
    let outcome = execute_seeds(&out, &[0, 1]);
    assert_eq!((outcome.finished, outcome.skipped), (1, 1));
    assert!(outcome.elsewhere.is_empty());
}

#[test]
fn a_run_of_which_nothing_stays_open_says_so() {
    let gated = |record: &RunRecord| record.gate.kind.is_some();
    let mut record = fixtures::records().into_iter().find(gated).unwrap();
    record.gate.active_fraction = 0.001;
    assert!(!result_line(&record).contains("nothing stays open"));
    record.gate.active_fraction = 0.0;
    let line = result_line(&record);
    assert!(
        line.contains("0.0% active (nothing stays open: the classifier sees only its bias)"),
        "{line}"
    );
    // A method without a gate has nothing that could be open.
    record.gate = l0gm_gate::GateReading::none();
    assert!(!result_line(&record).contains("active"));
}
