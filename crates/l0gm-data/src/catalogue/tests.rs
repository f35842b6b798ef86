#![allow(clippy::unwrap_used)]
use super::*;

fn local_only(data: &Path) -> Catalogue {
    Catalogue::new(DataOptions {
        data_dir: Some(data.to_path_buf()),
        model_dir: Some(data.to_path_buf()),
        fetch: FetchPolicy::LocalOnly,
        ..Default::default()
    })
    .unwrap()
}

fn put(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn names_are_sorted_within_their_modality() {
    let tmp = tempfile::tempdir().unwrap();
    let catalogue = local_only(tmp.path());
    assert_eq!(catalogue.names("tabular"), ["adult"]);
    assert_eq!(catalogue.names("text"), ["imdb"]);
    assert_eq!(
        catalogue.names("graph"),
        [
            "amazon-computers",
            "amazon-photo",
            "coauthor-physics",
            "ogbn-products"
        ]
    );
    assert_eq!(catalogue.names("model"), ["all-MiniLM-L6-v2"]);
}

#[test]
fn a_file_of_ones_own_is_found_beside_the_datasets() {
    let tmp = tempfile::tempdir().unwrap();
    let catalogue = local_only(tmp.path());
    let name = Path::new("own-files/my.csv");
    assert_eq!(catalogue.own_file(name).unwrap(), None);
    put(tmp.path(), "own-files/my.csv", "a,b\n");
    let found = catalogue.own_file(name).unwrap();
    assert_eq!(found, Some(tmp.path().join(name)));
}

#[test]
fn an_unknown_name_is_told_the_known_ones() {
    let tmp = tempfile::tempdir().unwrap();
    let catalogue = local_only(tmp.path());
    let error = catalogue.entry("adlut").unwrap_err().to_string();
    for name in ["\"adlut\"", "adult", "amazon-photo", "all-MiniLM-L6-v2"] {
        assert!(error.contains(name), "{error}");
    }
    assert!(
        catalogue
            .dataset("all-MiniLM-L6-v2")
            .unwrap_err()
            .to_string()
            .contains("not a dataset")
    );
    assert!(
        catalogue
            .model("adult")
            .unwrap_err()
            .to_string()
            .contains("not a pretrained model")
    );
}

#[test]
fn a_local_folder_is_found_and_its_sums_computed() {
    let tmp = tempfile::tempdir().unwrap();
    for split in ["train", "test"] {
        put(
            tmp.path(),
            &format!("imdb/plain_text/{split}-00000-of-00001.parquet"),
            split,
        );
    }
    let found = local_only(tmp.path()).dataset("imdb").unwrap();
    assert!(!found.twin);
    assert_eq!(found.dir, tmp.path().join("imdb"));
    assert_eq!(found.checksums.len(), 2);
    assert!(found.source.starts_with("files in "));
}

#[test]
fn a_dataset_that_is_not_there_says_what_is_missing_and_where_to_get_it() {
    let tmp = tempfile::tempdir().unwrap();
    put(
        tmp.path(),
        "imdb/plain_text/train-00000-of-00001.parquet",
        "x",
    );
    let error = local_only(tmp.path())
        .dataset("imdb")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Missing: plain_text/test-00000-of-00001.parquet."),
        "{error}"
    );
    assert!(
        error.contains("huggingface.co/datasets/stanfordnlp/imdb"),
        "{error}"
    );
    assert!(
        error.contains(&tmp.path().join("imdb").display().to_string()),
        "{error}"
    );
}

#[test]
fn a_damaged_original_is_refused_with_both_sizes() {
    let tmp = tempfile::tempdir().unwrap();
    put(tmp.path(), "adult/adult.data", "39, State-gov");
    put(tmp.path(), "adult/adult.test", "|1x3");
    let error = local_only(tmp.path())
        .dataset("adult")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("expected 3974305 bytes, found 13"),
        "{error}"
    );
}

#[test]
fn another_layout_stands_in_for_the_listed_files() {
    let tmp = tempfile::tempdir().unwrap();
    put(tmp.path(), "amazon-photo/raw/data.npz", "x");
    assert!(local_only(tmp.path()).dataset("amazon-photo").is_err());
    put(tmp.path(), "amazon-photo/raw/node-label.npz", "x");
    assert!(local_only(tmp.path()).dataset("amazon-photo").is_ok());
}

#[test]
fn a_model_that_is_not_there_is_none() {
    let tmp = tempfile::tempdir().unwrap();
    let catalogue = local_only(tmp.path());
    assert!(catalogue.model("all-MiniLM-L6-v2").unwrap().is_none());
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        put(tmp.path(), &format!("all-MiniLM-L6-v2/{file}"), file);
    }
    let found = catalogue.model("all-MiniLM-L6-v2").unwrap().unwrap();
    assert_eq!(found.checksums.len(), 3);
}

#[test]
fn a_model_may_be_a_folder_beside_the_catalogues_or_a_name_of_the_hub() {
    let tmp = tempfile::tempdir().unwrap();
    let catalogue = local_only(tmp.path());
    for name in ["other-model", "../other-model", "a/b/c", "/a", "."] {
        let error = catalogue.model(name).unwrap_err().to_string();
        assert!(error.contains("all-MiniLM-L6-v2"), "{error}");
    }
    assert!(catalogue.model("someone/other-model").unwrap().is_none());
    put(tmp.path(), "other-model/config.json", "{}");
    let error = catalogue.model("other-model").unwrap_err().to_string();
    assert!(
        error.contains("no tokenizer.json or vocab.txt, and no model.safetensors or"),
        "{error}"
    );
    assert!(catalogue.model("someone/other-model").unwrap().is_none());
    put(tmp.path(), "other-model/vocab.txt", "a");
    put(tmp.path(), "other-model/model.safetensors", "w");
    put(tmp.path(), "other-model/onnx/model.onnx", "not read");
    let found = catalogue.model("other-model").unwrap().unwrap();
    assert!(found.dir.ends_with("other-model") && !found.twin);
    assert_eq!(found.checksums.len(), 3);
    assert_eq!(
        catalogue.model_folder("other-model").unwrap(),
        Some(found.dir)
    );
}

#[test]
fn a_folder_without_its_owner_counts_only_if_its_configuration_has_the_whole_name() {
    let tmp = tempfile::tempdir().unwrap();
    let catalogue = local_only(tmp.path());
    let whole = |dir: &str, config: &str| {
        put(tmp.path(), &format!("{dir}/config.json"), config);
        for file in ["tokenizer.json", "model.safetensors"] {
            put(tmp.path(), &format!("{dir}/{file}"), "x");
        }
    };
    whole("model", r#"{"_name_or_path": "someone/model"}"#);
    let found = catalogue.model("someone/model").unwrap().unwrap();
    assert_eq!(found.dir, tmp.path().join("model"));
    assert_eq!(found.name, "someone/model");
    let error = catalogue.model("other/model").unwrap_err().to_string();
    assert!(error.contains("another owner's model"), "{error}");
    assert_eq!(catalogue.model_folder("other/model").unwrap(), None);
    // A half download beside it changes nothing; a whole one is taken first.
    put(tmp.path(), "someone/model/config.json", "{}");
    let found = catalogue.model("someone/model").unwrap().unwrap();
    assert_eq!(found.dir, tmp.path().join("model"));
    whole("someone/model", "{}");
    let found = catalogue.model("someone/model").unwrap().unwrap();
    assert_eq!(found.dir, tmp.path().join("someone/model"));
}

#[test]
fn what_was_downloaded_from_the_hub_is_compared_with_its_pins() {
    let tmp = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        put(tmp.path(), &format!("someone/model/{file}"), "first");
    }
    let catalogue = local_only(tmp.path());
    let found = catalogue.model("someone/model").unwrap().unwrap();
    checksum::pin(&found.dir, &found.checksums).unwrap();
    put(tmp.path(), "someone/model/model.safetensors", "changed");
    let error = catalogue.model("someone/model").unwrap_err().to_string();
    assert!(error.contains("pinned on its first download"), "{error}");
}

#[test]
fn a_name_that_the_hub_gave_an_owner_is_told_and_a_listed_model_has_both_names() {
    let tmp = tempfile::tempdir().unwrap();
    let catalogue = local_only(tmp.path());
    let error = catalogue.model("roberta-base").unwrap_err().to_string();
    assert!(error.contains("\"FacebookAI/roberta-base\""), "{error}");
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        put(tmp.path(), &format!("all-MiniLM-L6-v2/{file}"), file);
    }
    let name = "sentence-transformers/all-MiniLM-L6-v2";
    let found = catalogue.model(name).unwrap().unwrap();
    assert_eq!(found.dir, tmp.path().join("all-MiniLM-L6-v2"));
}

#[test]
fn the_real_files_where_present_carry_their_known_sums() {
    let Some(adult) = l0gm_test_data::dataset("adult") else {
        return;
    };
    let catalogue = local_only(adult.parent().unwrap());
    // Damaged files must fail here rather than skip the test.
    let found = catalogue.dataset("adult").unwrap();
    assert!(found.checksums["adult.data"].starts_with("5b00264637db"));
}

#[test]
fn a_forced_twin_stands_in_for_files_that_are_there() {
    let tmp = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::new(DataOptions {
        data_dir: Some(tmp.path().to_path_buf()),
        fetch: FetchPolicy::LocalOnly,
        force_twin: true,
        ..DataOptions::default()
    })
    .unwrap();
    let twin = catalogue.dataset("adult").unwrap();
    std::fs::create_dir(tmp.path().join("adult")).unwrap();
    for file in ["adult.data", "adult.test"] {
        std::fs::copy(twin.dir.join(file), tmp.path().join("adult").join(file)).unwrap();
    }
    assert!(catalogue.dataset("adult").unwrap().twin);
}

#[cfg(unix)]
#[test]
fn what_is_there_but_cannot_be_read_is_an_error_and_never_the_twin() {
    use std::os::unix::fs::symlink;
    let with_twin = |data: &Path| {
        Catalogue::new(DataOptions {
            data_dir: Some(data.to_path_buf()),
            fetch: FetchPolicy::LocalOnly,
            allow_twin: true,
            ..DataOptions::default()
        })
    };
    type Break = fn(&Path);
    let cases: [(&str, Break); 4] = [
        ("cannot be read", |dir| symlink("adult", dir).unwrap()),
        ("is a link to something that is not there", |dir| {
            symlink("nowhere", dir).unwrap();
        }),
        ("is not a folder", |dir| std::fs::write(dir, "x").unwrap()),
        ("stands in the place of a file", |dir| {
            std::fs::create_dir_all(dir.join("adult.data")).unwrap();
        }),
    ];
    for (said, break_it) in cases {
        let tmp = tempfile::tempdir().unwrap();
        break_it(&tmp.path().join("adult"));
        let error = with_twin(tmp.path()).unwrap().dataset("adult").unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    let tmp = tempfile::tempdir().unwrap();
    symlink("data", tmp.path().join("data")).unwrap();
    let error = with_twin(&tmp.path().join("data")).unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
    // If there is nothing at all, the twin is used.
    assert!(
        with_twin(tmp.path())
            .unwrap()
            .dataset("adult")
            .unwrap()
            .twin
    );
}
