//! Texts in users' files: every dialect and spelling is read in the same way, and mistakes are refused with their
//! line.
#![allow(clippy::unwrap_used)]

use l0gm_data::rows::Source;
use l0gm_text::{Columns, TextData, TextFile, TextSettings, split};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

const COLUMNS: Columns<'static> = Columns {
    text: "text",
    label: "label",
};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn read(&self, name: &str, content: &str) -> TextData {
        TextData::file(&self.file(name, content), COLUMNS, &[]).unwrap()
    }

    fn refusal(&self, content: &str) -> String {
        let path = self.file("bad.csv", content);
        TextData::file(&path, COLUMNS, &[]).unwrap_err().to_string()
    }
}

#[test]
fn every_dialect_and_container_reads_the_same() {
    let folder = Folder::new();
    let plain = "label,text\nno,\"dull, long\"\nyes,fine\n";
    let expected = folder.read("a.csv", plain);
    assert_eq!(expected.train.texts, ["dull, long", "fine"]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(plain.as_bytes()).unwrap();
    let gz = folder.file("a.csv.gz", packed.finish().unwrap());
    let utf16: Vec<u8> = "\u{feff}label\ttext\r\nno\tdull, long\r\nyes\tfine\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let files = [
        gz,
        folder.file("b.txt", "label;text\nno;dull, long\nyes;fine\n"),
        folder.file("c.tsv", "\u{feff}label\ttext\nno\tdull, long\nyes\tfine\n"),
        folder.file("d.data", "label|text\nno | dull, long\nyes| \"fine\"\n"),
        folder.file("e.csv", utf16),
    ];
    for path in files {
        let data = TextData::file(&path, COLUMNS, &[]).unwrap();
        let read = (&data.train.texts, &data.train.labels);
        let wanted = (&expected.train.texts, &expected.train.labels);
        assert_eq!(read, wanted, "{}", path.display());
        assert_eq!(data.classes, ["no", "yes"]);
    }
    let said = folder
        .read("s.csv", "label;text\nno;a\nyes;b\n")
        .found
        .notes;
    assert!(said[0].contains("semicolons"), "{said:?}");
}

#[test]
fn one_class_has_one_spelling_and_its_rows_are_counted() {
    let folder = Folder::new();
    let data = folder.read("n.csv", "text,label\na,1.0\nb,1\nc,5\nd,05\ne,-1\n");
    assert_eq!(data.classes, ["-1", "1", "5"]);
    assert_eq!(data.train.labels, [1, 1, 2, 2, 0]);
    let printed = data.found.to_string();
    assert!(
        printed.contains("3 classes: '-1' 1, '1' 2, '5' 2"),
        "{printed}"
    );
    let data = folder.read("b.csv", "text,label\na,True\nb,TRUE\nc,false\nd,true\n");
    assert_eq!(data.classes, ["false", "true"]);
    assert_eq!(data.train.labels, [1, 1, 0, 1]);
}

#[test]
fn a_missing_label_is_refused_by_line_or_left_out_and_counted() {
    let folder = Folder::new();
    for missing in ["NA", "", "nan", "None", "?", "\\N"] {
        let content = format!("text,label\na,x\nb,{missing}\nc,y\n");
        let text = folder.refusal(&content);
        assert!(
            text.contains("line 3") && text.contains("drop-unlabelled"),
            "{missing}: {text}"
        );
        let path = folder.file("drop.csv", &content);
        let file = TextFile {
            drop_unlabelled: true,
            ..TextFile::new(COLUMNS)
        };
        let data = file.read(&Source::path(&path)).unwrap();
        assert_eq!(data.train.texts, ["a", "c"]);
        assert_eq!((data.train.labels, data.found.rows), (vec![0, 1], 2));
        let notes = data.found.notes.join("\n");
        assert!(notes.contains("1 rows without a label"), "{notes}");
    }
}

#[test]
fn a_quote_that_stays_open_is_named_with_the_line_it_opens_on() {
    let folder = Folder::new();
    let text = folder.refusal("label,text\n1,fine\n0,\"odd\n1,lost\n0,lost\n");
    assert!(text.contains("line 3") && text.contains("quote"), "{text}");
    let text = folder.refusal("label,text\n1,fine\n0,\"odd\n1,\"well\"\n0,lost\n");
    assert!(text.contains("line 3"), "{text}");
}

#[test]
fn amounts_and_texts_in_the_labels_place_are_no_classes() {
    let folder = Folder::new();
    let rows = |label: fn(usize) -> String| {
        let lines = (0..60).map(|i| format!("text {i} of many,{}\n", label(i)));
        format!("text,label\n{}", lines.collect::<String>())
    };
    for label in [
        |i: usize| format!("{}.{}", i % 5, i % 7),
        |i: usize| (i * 37).to_string(),
    ] {
        let text = folder.refusal(&rows(label));
        assert!(text.contains("regression"), "{text}");
    }
    let text = folder.refusal("text,label\n1,a\n2,b\n3,a\n");
    assert!(text.contains("'text' holds numbers"), "{text}");
}

#[test]
fn a_text_that_is_a_word_for_missing_stays_a_text() {
    let folder = Folder::new();
    let data = folder.read("w.csv", "text,label\nNone,x\n,y\ngood,x\ngood,y\n");
    assert_eq!(data.train.texts, ["None", "", "good", "good"]);
    let notes = data.found.notes.join("\n");
    assert!(notes.contains("of 1 more"), "{notes}");
    assert!(
        notes.contains("1 rows repeat the text of another row"),
        "{notes}"
    );
}

#[test]
fn a_file_of_ones_own_is_split_by_shares_that_are_said() {
    let folder = Folder::new();
    let rows = (0..700).map(|i| format!("text number {i},{}\n", i % 2));
    let path = folder.file("x.csv", format!("text,label\n{}", rows.collect::<String>()));
    let settings = TextSettings {
        train_rows: Some(2000),
        ..TextSettings::default()
    };
    let data = TextData::file(Path::new(&path), COLUMNS, &[]).unwrap();
    let parts = split(data, &settings).unwrap();
    let rows = [&parts.train, &parts.valid, &parts.test].map(|part| part.rows());
    assert_eq!(rows, [504, 56, 140]);
    let printed = parts.found.to_string();
    assert!(
        printed.contains("20% of the rows test") && printed.contains("10% of the others"),
        "{printed}"
    );
    assert!(
        printed.contains("test 140, train 504, valid 56"),
        "{printed}"
    );
}

/// Ten notes of each of twelve authors, of which every third is "yes", on growing days.
fn notes() -> String {
    let mut text = String::from("author,day,label,text\n");
    for note in 0..120 {
        let (author, label) = (note % 12, if note % 3 == 0 { "yes" } else { "no" });
        let day = 1 + note / 5;
        text.push_str(&format!("a{author},2024-05-{day:02},{label},note {note}\n"));
    }
    text
}

fn settings(change: impl FnOnce(&mut TextSettings)) -> TextSettings {
    let mut settings = TextSettings::default();
    change(&mut settings);
    settings
}

#[test]
fn texts_of_one_author_stay_together_and_the_latest_are_for_test() {
    let folder = Folder::new();
    let path = folder.file("notes.csv", notes());
    let of = |settings: &TextSettings| {
        let data = settings.file().read(&Source::path(&path)).unwrap();
        split(data, settings).unwrap()
    };
    let author = |text: &String| text["note ".len()..].parse::<usize>().unwrap() % 12;
    let by_author = settings(|s| s.group = Some("author".into()));
    let parts = of(&by_author);
    let authors =
        |corpus: &l0gm_text::Corpus| corpus.texts.iter().map(author).collect::<BTreeSet<_>>();
    let (train, valid, test) = (
        authors(&parts.train),
        authors(&parts.valid),
        authors(&parts.test),
    );
    assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
    assert_eq!(train.len() + valid.len() + test.len(), 12);
    let noted = parts.found.notes.join("\n");
    assert!(
        noted.contains("split by group: the rows of each of 12 groups"),
        "{noted}"
    );
    assert!(!noted.contains("split by shares"), "{noted}");

    let parts = of(&settings(|s| s.time = Some("day".into())));
    assert_eq!(parts.test.rows(), 25);
    assert!(parts.test.texts.contains(&"note 119".to_owned()));
    assert!(!parts.train.texts.contains(&"note 95".to_owned()));
    let noted = parts.found.notes.join("\n");
    assert!(
        noted.contains("for test (2024-05-20 to 2024-05-24)"),
        "{noted}"
    );
    let names: Vec<&str> = parts
        .found
        .columns
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert!(!names.contains(&"day"), "{names:?}");
}

#[test]
fn test_and_validation_texts_may_be_files_of_their_own() {
    let folder = Folder::new();
    let path = folder.file("notes.csv", notes());
    let test = folder.file("test.csv", "label,text\nyes,new a\nno,note 7\nno,new b\n");
    let both = settings(|s| {
        s.test_file = Some(test.clone());
        s.valid_file = Some(folder.file("valid.csv", "label,text\nno,v\nyes,w\n"));
    });
    let data = both.file().read(&Source::path(&path)).unwrap();
    let parts = split(data, &both).unwrap();
    assert_eq!(parts.test.texts, ["new a", "note 7", "new b"]);
    assert_eq!(parts.valid.texts, ["v", "w"]);
    assert_eq!(parts.train.rows(), 120);
    let noted = parts.found.notes.join("\n");
    assert!(
        noted.contains("1 of 5 texts for validation and test also stand"),
        "{noted}"
    );
    let origins = parts.origins().unwrap();
    assert_eq!(origins.test.files[0].as_ref(), "test.csv");

    // Without a file for validation, its rows are drawn from the training rows.
    let one = settings(|s| s.test_file = Some(test.clone()));
    let data = one.file().read(&Source::path(&path)).unwrap();
    let parts = split(data, &one).unwrap();
    assert_eq!(
        (parts.train.rows(), parts.valid.rows(), parts.test.rows()),
        (108, 12, 3)
    );

    let twice = settings(|s| {
        s.test_file = Some(test);
        s.group = Some("author".into());
    });
    let told = twice.file().read(&Source::path(&path)).unwrap_err();
    assert!(told.to_string().contains("author"), "{told}");
}
