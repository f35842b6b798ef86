//! A run that is killed at any moment and started again ends with the same predictions, bit for bit.
//!
//! The child process is this test binary itself; environment variables tell it to run one experiment.

#![allow(clippy::unwrap_used)]

mod support;

use l0gm_gate::GateConfig;
use l0gm_ops::Generator;
use l0gm_train::{
    DataSummary, Error, GatedFit, Progress, ProgressEvent, Result, RunDir, RunRecord, Sizes,
    StopFlag, TrainConfig, Training, finished_record, train,
};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{Synthetic, bits, config, context, model, run_gated, spec};

const FOLDER: &str = "L0GM_TEST_FOLDER";

fn task() -> Synthetic {
    Synthetic::new([1024, 256, 256], 8, 3, 1)
}

fn settings(checkpoint_seconds: u64) -> TrainConfig {
    TrainConfig {
        checkpoint_seconds,
        validate_every: 2,
        ..config(6, 1e-3)
    }
}

/// Slows the run a little, so that it can be killed before it ends.
struct Slow(Duration);

impl Progress for Slow {
    fn event(&mut self, _: &ProgressEvent) {
        std::thread::sleep(self.0);
    }
}

fn experiment(folder: &Path, config: &TrainConfig, pause: Duration) -> Result<RunRecord> {
    let gated = model(8, 16, Some(&GateConfig::default()), 3);
    let mut progress = Slow(pause);
    run_gated(
        &spec(Some(1e-3), 3, config),
        DataSummary::default(),
        GatedFit {
            fields: &[],
            sizes: Sizes::default(),
            compact: Box::new(|_| Ok(None)),
            ..GatedFit::new(&task(), &gated, config)
        },
        &mut context(folder, &mut progress),
    )
}

/// Not a test of its own: the child processes run this.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    if let Err(error) = experiment(Path::new(&folder), &settings(0), Duration::from_millis(3)) {
        panic!("{error}");
    }
}

fn start_child(folder: &Path, threads: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env("RAYON_NUM_THREADS", threads.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn predictions(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("predictions.parquet")).unwrap()
}

#[test]
fn a_run_killed_at_random_moments_ends_with_the_same_predictions() {
    let straight = tempfile::tempdir().unwrap();
    // The uninterrupted run writes no checkpoint before its end.
    experiment(straight.path(), &settings(1000), Duration::ZERO).unwrap();

    let killed = tempfile::tempdir().unwrap();
    let checkpoint = killed.path().join("checkpoint.safetensors");
    let mut moments = Generator::new(std::process::id().into());
    let mut kills = 0;
    while kills < 5 {
        let mut child = start_child(killed.path(), 2);
        let written = || {
            std::fs::metadata(&checkpoint)
                .and_then(|m| m.modified())
                .ok()
        };
        let before = written();
        // Wait for progress, so that every sitting gets further than the one before.
        while written() == before && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(moments.below(60_000)));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        // On Unix this sends SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(
        kills > 0,
        "the child was never alive long enough to be killed"
    );
    let end = start_child(killed.path(), 2).wait_with_output().unwrap();
    assert!(
        end.status.success(),
        "{}",
        String::from_utf8_lossy(&end.stderr)
    );
    assert_eq!(predictions(killed.path()), predictions(straight.path()));

    // The learning curve is the same too, except for the times.
    let curve = |folder| {
        let record = finished_record(folder).unwrap().unwrap();
        let numbers =
            |r: &l0gm_train::EpochRecord| (r.epoch, r.train_loss.to_bits(), r.valid_loss.to_bits());
        record.history.iter().map(numbers).collect::<Vec<_>>()
    };
    assert_eq!(curve(killed.path()), curve(straight.path()));
}

#[test]
fn one_thread_and_two_threads_give_the_same_predictions() {
    let folders = [1, 2].map(|threads| {
        let folder = tempfile::tempdir().unwrap();
        let end = start_child(folder.path(), threads)
            .wait_with_output()
            .unwrap();
        assert!(
            end.status.success(),
            "{}",
            String::from_utf8_lossy(&end.stderr)
        );
        folder
    });
    assert_eq!(
        predictions(folders[0].path()),
        predictions(folders[1].path())
    );
}

#[test]
fn a_second_process_is_refused_while_the_first_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let held = RunDir::open(folder.path()).unwrap();
    let refused = start_child(folder.path(), 1).wait_with_output().unwrap();
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        text.contains("another process is working on this run"),
        "{text}"
    );
    assert!(!held.is_finished());
}

/// Requests a stop once `at` steps are done.
struct StopAt(usize, StopFlag);

impl Progress for StopAt {
    fn event(&mut self, event: &ProgressEvent) {
        if event.stage == "training" && event.step == self.0 {
            self.1.stop();
        }
    }
}

/// Trains until `at` steps are done, or to the end.
fn sitting(folder: &Path, config: &TrainConfig, at: usize) -> Result<Vec<(String, Vec<u32>)>> {
    let gated = model(8, 16, Some(&GateConfig::default()), 3);
    let run = RunDir::open(folder)?;
    let stop = StopFlag::default();
    let mut progress = StopAt(at, stop.clone());
    let device = candle_core::Device::Cpu;
    train(
        Training {
            task: &task(),
            model: &gated,
            config,
            seed: 3,
            device: &device,
        },
        &run,
        &mut progress,
        &stop,
    )?;
    Ok(bits(&gated))
}

#[test]
fn a_stopped_training_goes_on_to_the_same_parameters() {
    let config = settings(1000);
    let straight = tempfile::tempdir().unwrap();
    let whole = sitting(straight.path(), &config, usize::MAX).unwrap();
    let stopped = tempfile::tempdir().unwrap();
    // Stop in the middle of an epoch, at an epoch's end, and after selection has begun.
    for at in [5, 16, 90] {
        assert!(matches!(
            sitting(stopped.path(), &config, at),
            Err(Error::Stopped)
        ));
    }
    assert_eq!(sitting(stopped.path(), &config, usize::MAX).unwrap(), whole);
    // A finished training returns its parameters at once.
    assert_eq!(sitting(stopped.path(), &config, 1).unwrap(), whole);
}

#[test]
fn the_trained_parameters_of_a_finished_run_can_be_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let other = model(8, 16, Some(&GateConfig::default()), 99);
    let error = l0gm_train::load_trained(folder.path(), &other.parameters()).unwrap_err();
    assert!(
        error.to_string().contains("no run has been trained"),
        "{error}"
    );
    assert!(sitting(folder.path(), &settings(1000), 5).is_err());
    let error = l0gm_train::load_trained(folder.path(), &other.parameters()).unwrap_err();
    assert!(
        error.to_string().contains("training is not over"),
        "{error}"
    );
    let trained = sitting(folder.path(), &settings(1000), usize::MAX).unwrap();
    l0gm_train::load_trained(folder.path(), &other.parameters()).unwrap();
    assert_eq!(bits(&other), trained);
    let wider = model(8, 17, Some(&GateConfig::default()), 99);
    let error = l0gm_train::load_trained(folder.path(), &wider.parameters()).unwrap_err();
    assert!(error.to_string().contains("encoder.weight"), "{error}");
}

#[test]
fn a_damaged_checkpoint_is_refused_and_says_what_to_delete() {
    let folder = tempfile::tempdir().unwrap();
    assert!(sitting(folder.path(), &settings(1000), 5).is_err());
    let path = folder.path().join("checkpoint.safetensors");
    let good = std::fs::read(&path).unwrap();
    let mut flipped = good.clone();
    let last = flipped.len() - 10;
    flipped[last] ^= 1;
    let damaged: [&[u8]; 5] = [
        &good[..good.len() - 1],
        &good[..good.len() / 2],
        &good[..4],
        &[],
        &flipped,
    ];
    for bytes in damaged {
        std::fs::write(&path, bytes).unwrap();
        let text = sitting(folder.path(), &settings(1000), 9)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("checkpoint.safetensors") && text.contains("delete it"),
            "{text}"
        );
    }
    std::fs::write(&path, good).unwrap();
    assert!(sitting(folder.path(), &settings(1000), usize::MAX).is_ok());
}

#[test]
fn a_checkpoint_of_other_settings_is_refused_and_names_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    assert!(sitting(folder.path(), &settings(1000), 5).is_err());
    let mut other = settings(1000);
    other.optimiser.beta1 = 0.8;
    let text = sitting(folder.path(), &other, 9).unwrap_err().to_string();
    assert!(
        text.contains("train.optimiser.beta1: 0.9 there, 0.8 now"),
        "{text}"
    );
    // The checkpoint interval may change between sittings.
    assert!(sitting(folder.path(), &settings(7), usize::MAX).is_ok());
}
