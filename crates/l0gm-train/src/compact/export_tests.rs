//! Tests of copying and finding compact models.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{CompactParts, Sizes};
use candle_core::{Device, Tensor};

fn model(dir: &Path, weight: f32) {
    let header = CompactHeader {
        format: CompactFolder::FORMAT,
        modality: "tabular".to_owned(),
        run_id: "a-run".to_owned(),
        classes: vec!["no".to_owned(), "yes".to_owned()],
        temperature: 1.25,
        label: None,
        decision: None,
        gated: Sizes::default(),
        compact: Sizes::default(),
        files: BTreeMap::new(),
        model: serde_json::Value::Null,
    };
    let weight = Tensor::new(&[weight], &Device::Cpu).unwrap();
    let parts = CompactParts {
        model: serde_json::json!({"width": 1}),
        tensors: [("weight".to_owned(), weight)].into(),
        files: [("words.txt".to_owned(), b"a b c".to_vec())].into(),
        label: Some("sold".to_owned()),
    };
    CompactFolder::write(dir, header, parts).unwrap();
}

fn yes(threshold: f64) -> Decision {
    Decision {
        positive: "yes".to_owned(),
        threshold,
        rule: "largest F1".to_owned(),
    }
}

fn weight(dir: &Path) -> f32 {
    let folder = CompactFolder::load(dir, "tabular", &Device::Cpu).unwrap();
    let weight = folder.tensor("weight", &[1]).unwrap();
    weight.to_vec1::<f32>().unwrap()[0]
}

#[test]
fn a_copy_is_a_model_of_its_own_with_the_decision() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (
        dir.path().join("run/compact"),
        dir.path().join("study/model"),
    );
    model(&from, 0.5);
    CompactFolder::export(&from, &to, Some(yes(0.25))).unwrap();
    std::fs::remove_dir_all(&from).unwrap();
    assert_eq!(weight(&to), 0.5);
    let header = CompactHeader::read(&to).unwrap();
    assert_eq!(header.decision, Some(yes(0.25)));
    assert_eq!(header.label.as_deref(), Some("sold"));
    let predicted = |p: f64| header.classes[header.decide(&[1.0 - p, p])].as_str();
    assert_eq!(
        [predicted(0.24), predicted(0.25), predicted(0.9)],
        ["no", "yes", "yes"]
    );
    // Nothing stands beside it.
    assert_eq!(fs::read_dir(dir.path().join("study")).unwrap().count(), 1);
}

#[test]
fn an_older_model_is_replaced_as_a_whole_and_anything_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("compact"), dir.path().join("model"));
    model(&from, 0.5);
    model(&to, 2.0);
    fs::write(to.join("old-file"), "").unwrap();
    CompactFolder::export(&from, &to, None).unwrap();
    assert_eq!(weight(&to), 0.5);
    assert!(!to.join("old-file").exists());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.txt"), "years of work").unwrap();
    let text = CompactFolder::export(&from, &other, None).unwrap_err();
    assert!(text.to_string().contains("no model's folder"), "{text}");
    assert!(other.join("thesis.txt").exists());
}

#[test]
fn a_damaged_model_or_a_decision_that_does_not_fit_replaces_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("compact"), dir.path().join("model"));
    model(&from, 0.5);
    model(&to, 2.0);
    for wrong in [
        Decision {
            positive: "maybe".to_owned(),
            ..yes(0.5)
        },
        yes(1.5),
        yes(f64::NAN),
    ] {
        assert!(CompactFolder::export(&from, &to, Some(wrong)).is_err());
    }
    fs::write(from.join("words.txt"), "another").unwrap();
    let text = CompactFolder::export(&from, &to, None).unwrap_err();
    assert!(text.to_string().contains("words.txt"), "{text}");
    let json = fs::read_to_string(from.join(HEADER)).unwrap();
    fs::write(from.join(HEADER), json.replace("words.txt", "../words.txt")).unwrap();
    let text = CompactFolder::export(&from, &to, None).unwrap_err();
    assert!(text.to_string().contains("not in its folder"), "{text}");
    assert_eq!(weight(&to), 2.0);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn further_files_are_part_of_the_copy() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("compact"), dir.path().join("model"));
    model(&from, 0.5);
    let encoder = dir.path().join("encoder.bin");
    fs::write(&encoder, "weights").unwrap();
    let further = |name: &str| BTreeMap::from([(name.to_owned(), encoder.clone())]);
    CompactFolder::export_with(&from, &to, None, &further("encoder.safetensors")).unwrap();
    let folder = CompactFolder::load(&to, "tabular", &Device::Cpu).unwrap();
    assert_eq!(folder.read("encoder.safetensors").unwrap(), b"weights");
    assert!(CompactFolder::export_with(&from, &to, None, &further("words.txt")).is_err());
}

#[test]
fn a_model_is_found_in_a_runs_and_in_a_studys_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (run, study) = (dir.path().join("run"), dir.path().join("study"));
    model(&run.join("compact"), 0.5);
    model(&study.join("model"), 0.5);
    assert_eq!(CompactFolder::find(&run).unwrap(), run.join("compact"));
    assert_eq!(CompactFolder::find(&study).unwrap(), study.join("model"));
    assert_eq!(
        CompactFolder::find(&study.join("model")).unwrap(),
        study.join("model")
    );
    let refusal = |path: &Path| CompactFolder::find(path).unwrap_err().to_string();
    assert!(refusal(&dir.path().join("none")).contains("not there"));
    assert!(refusal(dir.path()).contains("holds no model"));
    fs::write(dir.path().join("record.json"), "{}").unwrap();
    assert!(refusal(dir.path()).contains("dense runs"));
}
